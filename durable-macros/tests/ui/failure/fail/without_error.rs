use durable_macros::Failure;

#[derive(Debug, serde::Serialize, serde::Deserialize, Failure)]
enum Wrong {
    A,
}

fn main() {}
