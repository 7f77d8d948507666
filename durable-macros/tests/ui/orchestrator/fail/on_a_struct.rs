use durable_macros::orchestrator;

#[orchestrator]
pub struct Hello;

fn main() {}
