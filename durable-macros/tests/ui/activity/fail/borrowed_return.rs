use durable_core::prelude::*;
use durable_macros::activity;

#[activity]
async fn hello() -> &'static str {
    "hello"
}

fn main() {}
