use durable_core::prelude::*;
use durable_macros::orchestrator;

#[orchestrator]
pub struct Hello;

fn main() {}
