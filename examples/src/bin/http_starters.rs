//! HTTP functions of your own: an orchestrator that a request starts, and a function that starts one and waits for it.
//!
//! Run with `cargo run -p examples --bin http_starters`, then
//!
//! ```text
//! curl -X POST http://127.0.0.1:7071/api/hello -d '"Ada"'
//! curl -X POST http://127.0.0.1:7071/api/startandwait/greet/5 -d '"Ada"'
//! ```

use std::time::Duration;

use durable_core::client::Client;
use durable_core::model::{FunctionName, Payload};
use durable_core::prelude::*;
use durable_http::{
    Body, DurableClientHttpExt, DurableService, HttpError, HttpRequest, Json, Server, Starters, http_starter,
};
use http::Response;

/// Started by `POST /api/hello` with the name as its body, under an id of the caller's where there is one.
#[orchestrator(http = "hello/{id?}")]
async fn greet(_ctx: OrchestrationContext, name: String) -> String {
    format!("Hello {name}!")
}

/// Starts any orchestrator and answers with its output when it ends in time, else with links to it.
#[http_starter(route = "startandwait/{orchestrator}/{timeout=10}/{interval=1}")]
async fn start_and_wait(
    client: Client,
    request: HttpRequest,
    orchestrator: FunctionName,
    timeout: Duration,
    interval: Duration,
    Json(input): Json<Payload>,
) -> Result<Response<Body>, HttpError> {
    let run = client.start(orchestrator, input).await?;
    let wait = client.wait_for_completion_or_create_check_status_response(&request, run.id());
    Ok(wait.timeout(timeout).retry_interval(interval).await?)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let hub = TaskHub::builder().backend(Sqlite::open("http_starters.db")?).orchestrator(greet).start().await?;
    let starters = Starters::new().starter(start_and_wait).starters_of(&hub);
    let service = DurableService::new(hub.client()).starters(starters)?;
    Server::builder(service).addr("127.0.0.1:7071").serve(&hub).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use durable_http::testing::{TestResponse, call, request};
    use durable_testing::MockClient;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test]
    async fn the_function_alone() {
        let mock = MockClient::new();
        mock.expect_start("greet").with_input(&"Ada").returns_id("g-1");
        mock.expect_wait("g-1").with_timeout(Some(SECOND)).times_out();
        let (request, input) = (request("POST", "/").into(), Json(Payload::encode("Ada").unwrap()));
        let answer = start_and_wait(mock.client(), request, "greet".parse().unwrap(), SECOND, SECOND, input).await;
        let answer = TestResponse::read(answer.unwrap()).await;
        assert_eq!(answer.status, 202);
        assert!(answer.header("location").unwrap().contains("/instances/g-1?"));
    }

    #[tokio::test]
    async fn through_its_route() {
        let hub = TaskHub::builder().backend(Memory::new()).orchestrator(greet).start().await.unwrap();
        let starters = Starters::new().starter(start_and_wait).starters_of(&hub);
        let service = DurableService::new(hub.client()).starters(starters).unwrap();
        let waited = call(&service, request("POST", "/api/startandwait/greet?timeout=5").json("Ada")).await;
        assert_eq!(waited.body, r#""Hello Ada!""#);
        assert_eq!(call(&service, request("POST", "/api/hello/g-1").json("Bob")).await.status, 202);
        assert_eq!(call(&service, request("POST", "/api/hello").json(&1)).await.status, 400);
    }
}
