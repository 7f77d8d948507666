//! The functions of the demo, for its program and its tests. The small examples are programs of their own in `src/bin`.

pub mod demo;
#[cfg(doctest)]
mod readme;
