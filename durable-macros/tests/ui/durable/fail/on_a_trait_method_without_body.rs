use durable_core::prelude::*;

trait Hello {
    #[durable]
    fn hello(&self);
}

fn main() {}
