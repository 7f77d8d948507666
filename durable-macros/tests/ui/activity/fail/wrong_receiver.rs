use durable_core::prelude::*;
use durable_macros::activity;

struct Greeter;

impl Greeter {
    #[activity]
    async fn hello(self, input: String) -> Result<String, ActivityError> {
        Ok(input)
    }
}

fn main() {}
