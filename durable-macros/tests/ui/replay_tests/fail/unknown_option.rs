use durable_macros::replay_tests;

replay_tests!("tests/histories", orchestrator = order);

fn main() {}
