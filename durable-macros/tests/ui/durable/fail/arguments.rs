use durable_core::prelude::*;

#[durable(name = "hello")]
fn hello() -> u32 {
    1
}

fn main() {
    hello();
}
