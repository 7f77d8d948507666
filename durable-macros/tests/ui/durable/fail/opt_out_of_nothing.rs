use durable_core::prelude::*;

#[durable]
fn hello() {
    #[nondeterministic(reason = "nothing")]
    let _ = 1 + 1;
}

fn main() {}
