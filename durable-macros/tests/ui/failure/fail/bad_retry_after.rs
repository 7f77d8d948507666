use durable_macros::Failure;

#[derive(Debug, thiserror::Error, serde::Serialize, serde::Deserialize, Failure)]
enum Wrong {
    #[error("a")]
    #[failure(retry_after = "soon")]
    A,
    #[error("b")]
    #[failure(retry_after = "3w")]
    B,
}

fn main() {}
