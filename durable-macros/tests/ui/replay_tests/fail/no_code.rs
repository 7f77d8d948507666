use durable_macros::replay_tests;

replay_tests!("tests/histories");

fn main() {}
