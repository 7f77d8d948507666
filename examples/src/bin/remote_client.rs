//! Manages a hub in another process, such as that of the example `http_server`, or a function app in Azure.
//!
//! Run with `cargo run -p examples --bin remote_client -- URL [ORCHESTRATOR [INPUT]]`. The address may carry a key:
//! `https://app.example/runtime/webhooks/durabletask?code=KEY`. Without an orchestrator it counts the instances.

#![expect(clippy::print_stdout, reason = "an example prints what it does")]

use std::error::Error;
use std::time::Duration;

use durable_core::client::{Client, ClientError, InstanceQuery};
use durable_http::RemoteClient;
use serde_json::Value;

async fn count(client: &Client) -> Result<String, ClientError> {
    let counts = client.counts(InstanceQuery::new()).await?;
    Ok(counts.iter().map(|each| format!("{} {} {}\n", each.count, each.name, each.status)).collect())
}

async fn run(client: &Client, orchestrator: &str, input: Value) -> Result<String, ClientError> {
    let instance = client.start(orchestrator, input).await?;
    let status = instance.wait_timeout(Duration::from_secs(60)).await?;
    Ok(match (status.output, status.failure) {
        (Some(output), _) => output.to_string(),
        (None, Some(failure)) => format!("{failure:#}"),
        (None, None) => format!("{} is {}", instance.id(), status.runtime_status),
    })
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().ok_or("which address? Something like http://127.0.0.1:7071")?;
    let client = Client::from(RemoteClient::connect(&url)?);
    println!(
        "{}",
        match (arguments.next(), arguments.next()) {
            (Some(orchestrator), Some(input)) => run(&client, &orchestrator, serde_json::from_str(&input)?).await?,
            (Some(orchestrator), None) => run(&client, &orchestrator, Value::Null).await?,
            (None, _) => count(&client).await?,
        }
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use durable_core::prelude::*;

    #[orchestrator]
    async fn greet(_ctx: OrchestrationContext, name: String) -> Result<String, OrchestratorError> {
        Ok(format!("Hello {name}!"))
    }

    #[tokio::test]
    async fn a_hub_is_reached_over_a_socket() {
        let hub = TaskHub::builder().backend(Memory::new()).orchestrator(greet).start().await.unwrap();
        let server = durable_http::Server::builder(hub.client()).addr("127.0.0.1:0").bind().await.unwrap();
        let url = format!("http://{}", server.local_addr());
        let client = Client::from(RemoteClient::connect(&url).unwrap());
        tokio::select! {
            () = server.run_until(std::future::pending()) => {}
            output = run(&client, "greet", Value::from("Ada")) => assert_eq!(output.unwrap(), r#""Hello Ada!""#),
        }
    }
}
