use durable_macros::Failure;

#[derive(Failure)]
union Wrong {
    a: u8,
}

fn main() {}
