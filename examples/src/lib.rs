//! The functions of the larger programs, for them and their tests, and the benchmark. The small examples are programs of their own in
//! `src/bin`.

pub mod bench;
pub mod classics;
pub mod demo;
#[cfg(doctest)]
mod readme;
