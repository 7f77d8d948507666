use durable_macros::replay_tests;

replay_tests!("tests/histories", orchestrators = [order], deployment = code());

fn main() {}
