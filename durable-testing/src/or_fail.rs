//! Failing a test at the line of the call that it makes. A closure that panics names its own line instead, whatever the function
//! around it says.

/// A value, or the end of the test.
pub(crate) trait OrFail<T, E> {
    /// The value; without one the test fails with this message, at the caller's line.
    #[track_caller]
    fn or_fail(self, message: impl FnOnce(E) -> String) -> T;
}

impl<T, E> OrFail<T, E> for Result<T, E> {
    fn or_fail(self, message: impl FnOnce(E) -> String) -> T {
        match self {
            Ok(value) => value,
            Err(error) => panic!("{}", message(error)),
        }
    }
}

impl<T> OrFail<T, ()> for Option<T> {
    fn or_fail(self, message: impl FnOnce(()) -> String) -> T {
        self.ok_or(()).or_fail(message)
    }
}
