use durable_core::prelude::*;

#[durable(pure)]
fn hello() -> Option<String> {
    #[nondeterministic]
    let _ = std::time::Instant::now();
    #[nondeterministic(reason = "nothing")]
    let _ = 1 + 1;
    std::thread::spawn(|| ());
    std::env::var("HOME").ok()
}

fn main() {}
