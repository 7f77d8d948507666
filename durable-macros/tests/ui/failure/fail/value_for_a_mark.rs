use durable_macros::Failure;

#[derive(Debug, thiserror::Error, serde::Serialize, serde::Deserialize, Failure)]
enum Wrong {
    #[error("a")]
    #[failure(non_retriable = true)]
    A,
}

fn main() {}
