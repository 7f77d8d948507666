//! A whole server: two functions, one file, and the Durable Functions HTTP API.
//!
//! Run with `cargo run -p examples --bin http_server`, then
//! `curl -X POST -d '["Tokyo"]' http://127.0.0.1:7071/runtime/webhooks/durabletask/orchestrators/hello_cities`.

use durable_core::prelude::*;

#[activity]
async fn say_hello(_ctx: ActivityContext, city: String) -> Result<String, ActivityError> {
    Ok(format!("Hello {city}!"))
}

#[orchestrator]
async fn hello_cities(ctx: OrchestrationContext, cities: Vec<String>) -> Result<Vec<String>, OrchestratorError> {
    let greetings = cities.into_iter().map(|city| ctx.call_activity(say_hello, city));
    try_join_all(greetings).await // hot calls: all of them already run
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let hub = TaskHub::builder()
        .backend(Sqlite::open("hello.db")?)
        .orchestrator(hello_cities)
        .activity(say_hello)
        .start()
        .await?;
    durable_http::serve(&hub, "127.0.0.1:7071").await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use durable_http::DurableService;
    use durable_http::testing::{call, request};

    #[tokio::test]
    async fn a_start_that_waits_gives_the_output() {
        let hub = TaskHub::builder().backend(Memory::new()).orchestrator(hello_cities).activity(say_hello);
        let service = DurableService::new(hub.start().await.unwrap().client());
        let start = request("POST", "/durabletask/orchestrators/hello_cities?timeout=10").json(&["Tokyo", "London"]);
        assert_eq!(call(&service, start).await.body, r#"["Hello Tokyo!","Hello London!"]"#);
    }
}
