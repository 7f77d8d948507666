use durable_macros::replay_tests;

replay_tests!(".", orchestrators = [order]);

fn main() {}
