use durable_core::prelude::*;
use durable_macros::activity;

#[activity]
async fn hello() -> Result<String, ActivityError>
where
    String: Clone,
{
    Ok(String::new())
}

fn main() {}
