use durable_http::http_starter;

#[http_starter]
async fn hello() {
    let text = std::rc::Rc::new(String::new());
    std::future::ready(()).await;
    drop(text);
}

fn main() {}
