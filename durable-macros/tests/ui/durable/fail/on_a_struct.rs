use durable_core::prelude::*;

#[durable]
pub struct Hello;

fn main() {}
