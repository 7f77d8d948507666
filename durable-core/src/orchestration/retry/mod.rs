//! Trying failed calls again.

mod driver;
mod policy;

pub use self::driver::RetryContext;
pub(super) use self::driver::{with_handler, with_policy};
pub use self::policy::RetryPolicy;
