use durable_macros::Failure;

#[derive(Debug, thiserror::Error, serde::Deserialize, Failure)]
enum Wrong {
    #[error("a")]
    A,
}

fn main() {}
