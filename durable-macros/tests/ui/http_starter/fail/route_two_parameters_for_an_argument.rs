use durable_http::http_starter;

#[http_starter(route = "{showAll}?{show_all}")]
async fn hello(show_all: bool) { let _ = show_all; }

fn main() {}
