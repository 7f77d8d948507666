use durable_core::prelude::*;
use durable_macros::activity;

struct Order;

#[activity]
async fn hello(_order: Order) -> Result<String, ActivityError> {
    Ok(String::new())
}

fn main() {}
