use durable_core::prelude::*;

#[durable(name = "hello")]
pub struct Hello;

fn main() {}
