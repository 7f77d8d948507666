use durable_core::prelude::*;
use durable_macros::activity;

struct Receipt;

#[activity]
async fn hello() -> Result<Receipt, ActivityError> {
    Ok(Receipt)
}

fn main() {}
