//! The HTTP API inside an axum application, beside a starter of its own.
//!
//! Run with `cargo run -p examples --bin axum_mount`, then `curl -i -X POST http://127.0.0.1:7071/greet/Ada`.

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use durable_core::client::Client;
use durable_core::prelude::{ActivityError, OrchestrationContext, OrchestratorError, Sqlite, TaskHub};
use durable_core::{activity, orchestrator};
use durable_http::{DurableClientHttpExt, DurableService};

#[activity]
async fn say_hello(name: String) -> Result<String, ActivityError> {
    Ok(format!("Hello {name}!"))
}

#[orchestrator]
async fn greet(ctx: OrchestrationContext, name: String) -> Result<String, OrchestratorError> {
    ctx.call_activity(say_hello, name).await
}

/// Starts a greeting, waits a little for it, and gives its output, or the links that lead to it.
async fn http_start(State(client): State<Client>, Path(name): Path<String>, request: Request) -> Response {
    let run = match client.start(greet, name).await {
        Ok(run) => run,
        Err(error) => return (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    };
    match client.wait_for_completion_or_create_check_status_response(&request, run.id()).await {
        Ok(response) => response.into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

fn app(client: Client) -> Router {
    Router::new()
        .route("/greet/{name}", post(http_start))
        .with_state(client.clone())
        .fallback_service(DurableService::new(client))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let store = Sqlite::open("axum_mount.db")?;
    let hub = TaskHub::builder().backend(store).orchestrator(greet).activity(say_hello).start().await?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:7071").await?;
    let stop = async { drop(tokio::signal::ctrl_c().await) };
    axum::serve(listener, app(hub.client())).with_graceful_shutdown(stop).await?;
    hub.shutdown().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use durable_core::prelude::Memory;
    use durable_http::testing::{call, request};

    #[tokio::test]
    async fn own_route_and_api_stand_side_by_side() {
        let hub = TaskHub::builder().backend(Memory::new()).orchestrator(greet).activity(say_hello);
        let app = app(hub.start().await.unwrap().client());
        assert_eq!(call(&app, request("POST", "/greet/Ada")).await.body, r#""Hello Ada!""#);
        let started = call(&app, request("POST", "/durabletask/orchestrators/greet/g-1").json("Bob")).await;
        assert_eq!(started.status, 202);
        assert_eq!(call(&app, request("GET", "/elsewhere")).await.status, 404);
    }
}
