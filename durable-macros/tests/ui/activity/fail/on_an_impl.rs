use durable_macros::activity;

struct Hello;

#[activity]
impl Hello {}

fn main() {}
