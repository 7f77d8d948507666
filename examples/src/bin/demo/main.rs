//! A task hub behind the Durable Functions HTTP API, with a few orchestrations to try.
//!
//! Run with `cargo run --release -p examples --bin demo -- --db demo.db --listen 127.0.0.1:7071`.

mod approval;
mod basics;
mod hello;
mod order;

use std::error::Error;
use std::path::PathBuf;

use clap::Parser;
use durable_core::hub::TaskHubBuilder;
use durable_core::prelude::*;

/// Serves a task hub over HTTP.
#[derive(Debug, Parser)]
struct Options {
    /// The file that keeps the task hub; it is created when it does not exist.
    #[arg(long, default_value = "demo.db", value_name = "FILE")]
    db: PathBuf,
    /// Where to listen: a loopback address, since there are no keys yet.
    #[arg(long, default_value = "127.0.0.1:7071", value_name = "ADDR")]
    listen: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_unset| "info".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let options = Options::parse();
    let hub = functions(TaskHub::builder()).name("TestHub").backend(Sqlite::open(&options.db)?).start().await?;
    durable_http::serve(&hub, options.listen.as_str()).await?;
    Ok(())
}

/// Everything that the demo can run.
fn functions(hub: TaskHubBuilder) -> TaskHubBuilder {
    hub.orchestrator(hello::hello_cities)
        .activity(hello::say_hello)
        .orchestrator(basics::fan_out)
        .activity(basics::square)
        .orchestrator(basics::echo)
        .orchestrator(basics::sleep)
        .orchestrator(approval::approval)
        .orchestrator(order::order)
        .activity(order::reserve_stock)
        .activity(order::charge_card)
        .activity(order::release_stock)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn all_functions_fit_into_one_hub() {
        let hub = functions(TaskHub::builder()).backend(Memory::new()).start().await.unwrap();
        let names: Vec<_> = hub.orchestrators().iter().map(ToString::to_string).collect();
        assert_eq!(names, ["approval", "echo", "fan_out", "hello_cities", "order", "sleep"]);
    }
}
