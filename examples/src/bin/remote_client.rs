//! Manages a hub in another process, such as that of `cargo run -p examples --bin http_server`, or a function app in Azure.
//!
//! Run with `cargo run -p examples --bin remote_client -- URL [ORCHESTRATOR [INPUT]]`. The address may carry a key:
//! `https://app.example/runtime/webhooks/durabletask?code=KEY`. Without an orchestrator it lists the instances.

#![expect(clippy::print_stdout, reason = "an example prints what it does")]

use std::error::Error;
use std::time::Duration;

use durable_core::client::{Client, InstanceQuery};
use durable_http::RemoteClient;
use serde_json::Value;

/// How long to wait for what was started.
const PATIENCE: Duration = Duration::from_secs(60);

async fn list(client: &Client) -> Result<(), Box<dyn Error>> {
    let mut query = InstanceQuery::new();
    loop {
        let page = client.list(query.clone()).await?;
        for status in page.instances {
            println!("{:<34} {:<24} {}", status.instance_id, status.name, status.runtime_status);
        }
        let Some(next) = page.continuation else { return Ok(()) };
        query = query.continue_from(next);
    }
}

async fn run(client: &Client, orchestrator: &str, input: Value) -> Result<(), Box<dyn Error>> {
    let instance = client.start(orchestrator, input).await?;
    println!("started {}", instance.id());
    let status = instance.wait_timeout(PATIENCE).await?;
    println!("{}", status.runtime_status);
    if let Some(output) = status.output {
        println!("{output}");
    }
    if let Some(failure) = status.failure {
        println!("{failure:#}");
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().ok_or("which address? Something like http://127.0.0.1:7071")?;
    let client = Client::from(RemoteClient::connect(&url)?);
    match arguments.next() {
        Some(orchestrator) => {
            let input = arguments.next().map(|text| serde_json::from_str(&text)).transpose()?;
            run(&client, &orchestrator, input.unwrap_or_default()).await
        }
        None => list(&client).await,
    }
}
