use durable_http::http_starter;

#[http_starter(rout = "a", route = "a/{b?}/{c:number}/{d=x}", methods("FETCH"))]
fn hello<T>(_b: String, _d: u8, _t: &str) {}

fn main() {}
