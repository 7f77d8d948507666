use durable_core::prelude::*;
use durable_macros::activity;

#[activity]
async fn hello() -> Result<String, ActivityError> {
    let text = std::rc::Rc::new(String::new());
    std::future::ready(()).await;
    Ok(text.to_string())
}

fn main() {}
