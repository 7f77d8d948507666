//! A task hub behind the Durable Functions HTTP API, with a few orchestrations to try.
//!
//! Run with `cargo run --release -p examples --bin demo -- --db demo.db --listen 127.0.0.1:7071`.

use std::error::Error;
use std::io::IsTerminal;
use std::path::PathBuf;

use clap::Parser;
use durable_core::prelude::*;
use durable_core::telemetry::ReplayFilter;
use tracing_subscriber::prelude::*;

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
    let options = Options::parse();
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_unset| "info".into());
    let stderr = std::io::stderr;
    let lines = tracing_subscriber::fmt::layer().with_writer(stderr).with_ansi(stderr().is_terminal());
    tracing_subscriber::registry().with(ReplayFilter::new()).with(filter).with(lines).init();

    let hub = TaskHub::builder().name("TestHub").backend(Sqlite::open(&options.db)?);
    let hub = examples::demo::functions(hub).start().await?;
    durable_http::serve(&hub, options.listen.as_str()).await?;
    Ok(())
}
