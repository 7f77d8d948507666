use durable_core::prelude::*;

#[durable]
fn hello() {
    #[nondeterministic]
    let _ = std::time::Instant::now();
}

fn main() {}
