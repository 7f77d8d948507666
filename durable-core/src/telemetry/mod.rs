#![doc = include_str!("../docs/logging.md")]

#[cfg(feature = "tracing-subscriber")]
mod filter;

#[cfg(feature = "tracing-subscriber")]
pub use self::filter::ReplayFilter;
pub use crate::replay::is_replaying_here;
