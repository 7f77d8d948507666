//! A task hub behind the Durable Functions HTTP API, with a few orchestrations to try.
//!
//! Run with `cargo run --release -p examples --bin demo -- --db demo.db --listen 127.0.0.1:7071`. A `host.json` in the
//! current directory and the environment are read, too.

use std::error::Error;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Parser;
use durable_core::backend::Backend;
use durable_core::config::HostConfig;
use durable_core::prelude::*;
use durable_core::telemetry::ReplayFilter;
use durable_http::{DurableService, Server};
use mimalloc::MiMalloc;
use tracing_subscriber::prelude::*;

/// As fast as the benchmark.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Serves a task hub over HTTP.
#[derive(Debug, Parser)]
struct Options {
    /// The file that keeps the task hub; it is created when it does not exist.
    #[arg(long, default_value = "demo.db", value_name = "FILE")]
    db: PathBuf,
    /// Keeps the task hub in a PostgreSQL database instead, where other demos can share it: postgres://user@host/database.
    #[arg(long, value_name = "URL", env = "DEMO_BACKEND", hide_env_values = true, conflicts_with = "db")]
    backend: Option<String>,
    /// The schema of the task hub in that database.
    #[arg(long, value_name = "NAME", default_value = "durable", requires = "backend")]
    schema: String,
    /// Where to listen: a loopback address, unless there is a key. Default is 127.0.0.1:7071.
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// Asks callers for this key, in the query parameter `code` or the header `x-functions-key`.
    #[arg(long, value_name = "KEY", env = "DEMO_KEY", hide_env_values = true)]
    key: Option<String>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_unset| "info".into());
    let stderr = std::io::stderr;
    let lines = tracing_subscriber::fmt::layer().with_writer(stderr).with_ansi(stderr().is_terminal());
    tracing_subscriber::registry().with(ReplayFilter::new()).with(filter).with(lines).init();

    let config = HostConfig::load()?;
    let store: Arc<dyn Backend> = match &options.backend {
        Some(url) => Arc::new(Postgres::options().schema(&options.schema).connect(url).await?),
        None => Arc::new(Sqlite::open(&options.db)?),
    };
    let hub = TaskHub::builder().name("TestHub").config(&config).backend(store);
    let hub = examples::demo::functions(hub).start().await?;
    let mut service = DurableService::of(&hub)?.config(&config)?;
    if let Some(key) = &options.key {
        service = service.key(key)?;
    }
    let mut server = Server::builder(service).config(&config);
    if let Some(listen) = &options.listen {
        server = server.addr(listen.as_str());
    }
    server.serve(&hub).await?;
    Ok(())
}
