//! Shared state: activities that reach a pool or a client, as an argument, in a closure, or as a method.
//!
//! Run with `cargo run -p examples --bin shared_state`.

#![expect(clippy::print_stdout, reason = "an example prints what it does")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use durable_core::hub::TaskHubBuilder;
use durable_core::prelude::*;

/// What would be a connection pool. It is cloned for each call, so it shares what is expensive.
#[derive(Clone, Default)]
struct Stock(Arc<AtomicU64>);

/// The hub does not start without a `Stock`.
#[activity]
async fn add(State(stock): State<Stock>, n: u64) -> u64 {
    stock.0.fetch_add(n, Ordering::Relaxed) + n
}

struct Mailer {
    from: &'static str,
}

impl Mailer {
    async fn send(&self, to: String) -> Result<String, ActivityError> {
        Ok(format!("{} wrote to {to}", self.from))
    }
}

#[orchestrator]
async fn restock(ctx: OrchestrationContext, n: u64) -> Result<(u64, u64, String), OrchestratorError> {
    let stock = ctx.call_activity(add, n).await?;
    // Closures and methods have no types that the call could know: say them.
    let doubled: u64 = ctx.call_activity("double", stock).await?;
    let mail: String = ctx.call_activity("send_mail", "Ada").await?;
    Ok((stock, doubled, mail))
}

fn functions(hub: TaskHubBuilder) -> TaskHubBuilder {
    let mailer = Arc::new(Mailer { from: "Bob" });
    hub.orchestrator(restock)
        .activity(add)
        .activity_fn("double", |n: u64| async move { Ok::<_, ActivityError>(n * 2) })
        .activity_fn("send_mail", move |to: String| {
            let mailer = Arc::clone(&mailer);
            async move { mailer.send(to).await }
        })
        .state(Stock::default())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let hub = functions(TaskHub::builder()).backend(Sqlite::open("shared_state.db")?).start().await?;
    let (stock, doubled, mail) = hub.client().start(restock, 21).await?.output().await?;
    println!("{stock} in stock, twice that is {doubled}, and {mail}");
    hub.shutdown().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_kind_reaches_its_state() {
        let hub = functions(TaskHub::builder()).backend(Memory::new()).start().await.unwrap();
        let output = hub.client().start(restock, 21).await.unwrap().output().await.unwrap();
        assert_eq!(output, (21, 42, "Bob wrote to Ada".to_owned()));
    }

    #[tokio::test]
    async fn the_activity_alone() {
        let stock = Stock::default();
        assert_eq!(add(State(stock.clone()), 2).await, 2);
        assert_eq!(add(State(stock), 3).await, 5);
    }
}
