use durable_macros::Failure;

#[derive(Debug, thiserror::Error, serde::Serialize, serde::Deserialize, Failure)]
#[failure(type = "a", type = "b")]
#[error("a")]
struct Wrong;

fn main() {}
