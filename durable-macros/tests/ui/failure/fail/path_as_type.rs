use durable_macros::Failure;

#[derive(Debug, thiserror::Error, serde::Serialize, serde::Deserialize, Failure)]
#[failure(type = "pay::Wrong")]
enum Wrong {
    #[error("a")]
    A,
}

fn main() {}
