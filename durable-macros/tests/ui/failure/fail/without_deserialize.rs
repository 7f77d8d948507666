use durable_macros::Failure;

#[derive(Debug, thiserror::Error, serde::Serialize, Failure)]
enum Wrong {
    #[error("a")]
    A,
}

fn main() {}
