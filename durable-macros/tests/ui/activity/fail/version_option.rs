use durable_core::prelude::*;

#[activity(version = "2")]
async fn hello() -> Result<String, ActivityError> {
    Ok(String::new())
}

fn main() {}
