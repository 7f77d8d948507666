use durable_core::prelude::*;
use durable_macros::activity;

#[activity]
fn hello(
    _a: State<u8>,
    _b: State<u8>,
    _c: State<u8>,
    _d: State<u8>,
    _e: State<u8>,
    _f: State<u8>,
    _g: State<u8>,
    _h: State<u8>,
    _i: State<u8>,
) {
}

fn main() {}
