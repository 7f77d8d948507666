use durable_core::prelude::*;

#[durable]
fn hello() -> std::time::SystemTime {
    std::time::SystemTime::now()
}

fn main() {}
