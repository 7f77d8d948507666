use durable_macros::Failure;

#[derive(Debug, thiserror::Error, serde::Serialize, serde::Deserialize, Failure)]
enum Wrong {
    #[error("a")]
    A,
    #[error("b")]
    #[failure(tag = "A")]
    B,
}

fn main() {}
