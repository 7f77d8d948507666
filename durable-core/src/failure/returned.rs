//! The return types of annotated functions.

use super::IntoFailure;

/// A `Result` as an annotated function returns it, however its alias spells it.
pub trait ReturnedResult {
    /// The value of success.
    type Ok;
    /// The error.
    type Err: IntoFailure;

    /// The plain `Result`.
    ///
    /// # Errors
    ///
    /// The function's own error.
    fn into_result(self) -> Result<Self::Ok, Self::Err>;
}

impl<T, E: IntoFailure> ReturnedResult for Result<T, E> {
    type Ok = T;
    type Err = E;

    fn into_result(self) -> Self {
        self
    }
}
