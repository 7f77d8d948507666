use durable_macros::activity;

#[activity]
unsafe extern "C" fn hello(input: u8, _: ...) -> u8 {
    input
}

fn main() {}
