use durable_macros::activity;

#[derive(serde::Deserialize)]
struct Receipt;

#[activity]
fn hello() -> Receipt {
    Receipt
}

fn main() {}
