use durable_macros::replay_tests;

replay_tests!("src", orchestrators = [order]);

fn main() {}
