//! The well-known demos of Durable Functions: their orchestrators, and the HTTP functions that start and steer them, under
//! `/api`.
//!
//! Run with `cargo run -p examples --bin classic_demos`, and then, for example:
//!
//! ```text
//! curl -X POST http://127.0.0.1:7071/api/start/HelloName -d '"Ada"'
//! curl -X POST http://127.0.0.1:7071/api/startandwait/GetPlanetResidents/5 -d '"Tatooine"'
//! ```

use std::error::Error;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Parser;
use durable_core::client::Client;
use durable_core::prelude::*;
use durable_http::{DurableService, Server, Starters};
use examples::classics::{self, FunctionNames, Lookup, StandIn};

/// Serves the demos.
#[derive(Debug, Parser)]
struct Options {
    /// The file that keeps the task hub.
    #[arg(long, default_value = "classic_demos.db", value_name = "FILE")]
    db: PathBuf,
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:7071", value_name = "ADDR")]
    listen: String,
    /// Where characters and planets are looked up, instead of in a stand-in on this machine.
    #[arg(long, value_name = "URL")]
    lookup: Option<String>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let options = Options::parse();
    let stand_in = StandIn::start().await?;
    let lookup = Lookup::new(&options.lookup.unwrap_or_else(|| stand_in.base()));
    let hub = TaskHub::builder().name("DurableDemo").backend(Sqlite::open(&options.db)?);
    let hub = classics::functions(hub, lookup).start().await?;

    let starters = classics::starters(Starters::new(), FunctionNames::of(&hub));
    let service = DurableService::new(hub.client()).starters(starters)?;
    let purge = tokio::spawn(purge_every_morning(hub.client()));
    Server::builder(service).addr(options.listen.as_str()).serve(&hub).await?;
    purge.abort();
    Ok(())
}

const DAY: u64 = 24 * 3_600;
/// Half past seven.
const MORNING: u64 = 7 * 3_600 + 30 * 60;

async fn purge_every_morning(client: Client) {
    loop {
        tokio::time::sleep(until_morning(SystemTime::now())).await;
        match classics::purge_history_for_many(&client, SystemTime::now()).await {
            Ok(purged) => tracing::info!(purged, "removed old instances"),
            Err(error) => tracing::error!(%error, "old instances were not removed"),
        }
    }
}

/// How long it is until the next morning.
fn until_morning(now: SystemTime) -> Duration {
    let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() % DAY;
    Duration::from_secs((MORNING + DAY - seconds - 1) % DAY + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_morning_is_never_now() {
        let until = |seconds| until_morning(UNIX_EPOCH + Duration::from_secs(20_000 * DAY + seconds)).as_secs();
        assert_eq!(until(0), MORNING);
        assert_eq!(until(MORNING - 1), 1);
        assert_eq!(until(MORNING), DAY);
        assert_eq!(until(MORNING + 1), DAY - 1);
    }
}
