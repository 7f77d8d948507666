use durable_core::prelude::*;
use durable_macros::activity;

#[activity]
unsafe extern "C" fn hello(input: u8, ...) -> u8 {
    input
}

fn main() {}
