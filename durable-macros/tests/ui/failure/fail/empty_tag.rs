use durable_macros::Failure;

#[derive(Debug, thiserror::Error, serde::Serialize, serde::Deserialize, Failure)]
enum Wrong {
    #[error("a")]
    #[failure(tag = "")]
    A,
}

fn main() {}
