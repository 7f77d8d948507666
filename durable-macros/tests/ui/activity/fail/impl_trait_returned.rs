use durable_macros::activity;

#[activity]
fn hello() -> impl Future<Output = String> {
    async { String::new() }
}

fn main() {}
