use durable_macros::activity;

struct Wrong;

#[activity]
async fn hello() -> Result<String, Wrong> {
    Err(Wrong)
}

fn main() {}
