use durable_http::{RouteValue, http_starter};

struct Own;

impl RouteValue for Own {
    const EXPECTED: &'static str = "own";

    fn from_route(_: &str) -> Option<Self> {
        Some(Self)
    }
}

#[http_starter(route = "hello/{own:int=one}")]
async fn hello(own: Own) { let _ = own; }

fn main() {}
