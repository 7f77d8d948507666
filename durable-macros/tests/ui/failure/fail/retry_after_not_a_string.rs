use durable_macros::Failure;

#[derive(Debug, thiserror::Error, serde::Serialize, serde::Deserialize, Failure)]
enum Wrong {
    #[error("a")]
    #[failure(retry_after = 30)]
    A,
}

fn main() {}
