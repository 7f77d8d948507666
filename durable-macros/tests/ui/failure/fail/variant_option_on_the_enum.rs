use durable_macros::Failure;

#[derive(Debug, thiserror::Error, serde::Serialize, serde::Deserialize, Failure)]
#[failure(non_retriable)]
enum Wrong {
    #[error("a")]
    A,
}

fn main() {}
