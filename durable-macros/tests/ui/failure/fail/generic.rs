use durable_macros::Failure;

#[derive(Failure)]
enum Wrong<T> {
    A(T),
}

fn main() {}
