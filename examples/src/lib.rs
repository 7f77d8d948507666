//! The benchmark, and the functions of the two larger programs, for them and their tests. The small examples are programs
//! of their own in `src/bin`.

pub mod bench;
pub mod classics;
pub mod demo;
#[cfg(doctest)]
mod readme;
