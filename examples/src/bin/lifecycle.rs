//! The life of an instance, seen from a client: start it later, pause it, let it go on, repair it, run it again, remove it.
//!
//! Run with `cargo run -p examples --bin lifecycle`.

#![expect(clippy::print_stdout, reason = "an example prints what it does")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use durable_core::client::{Client, ClientError, InstanceQuery};
use durable_core::hub::TaskHubBuilder;
use durable_core::model::Timestamp;
use durable_core::prelude::*;

/// A bank that is closed at first.
#[derive(Clone, Default)]
struct Bank(Arc<AtomicBool>);

#[activity]
async fn transfer(State(bank): State<Bank>, amount: u64) -> Result<u64, ActivityError> {
    if bank.0.load(Ordering::Relaxed) { Ok(amount) } else { Err(ActivityError::msg("the bank is closed")) }
}

#[orchestrator]
async fn payment(ctx: OrchestrationContext, amount: u64) -> Result<u64, OrchestratorError> {
    ctx.wait_for_external_event::<()>("Signed").await?;
    ctx.call_activity(transfer, amount).await
}

fn functions(bank: &Bank) -> TaskHubBuilder {
    TaskHub::builder().orchestrator(payment).activity(transfer).state(bank.clone())
}

async fn show(client: &Client, what: &str) -> Result<(), ClientError> {
    let of_ada = InstanceQuery::new().tag("customer", "ada");
    let counts = client.counts(of_ada).await?;
    let counts: Vec<_> = counts.iter().map(|count| format!("{} {}", count.count, count.status)).collect();
    println!("{what}: {}", if counts.is_empty() { "nothing is left".to_owned() } else { counts.join(", ") });
    Ok(())
}

/// Takes a payment through its life and gives what it paid, and what it paid when it was run again.
async fn live(client: &Client, bank: &Bank) -> Result<(u64, u64), OrchestratorError> {
    let soon = Timestamp::system_now().saturating_add(Duration::from_millis(200));
    let run = client.start(payment, 50).id("payment").tag("customer", "ada").start_at(soon).await?;
    show(client, "scheduled").await?;
    run.wait_for_start().await?;

    run.suspend("under review").await?;
    while run.status().await?.runtime_status != RuntimeStatus::Suspended {
        tokio::time::sleep(Duration::from_millis(5)).await; // A pause begins with the next turn.
    }
    run.raise_event("Signed", &()).await?; // It is kept until the instance goes on.
    show(client, "paused").await?;
    run.resume("all is well").await?;

    println!("{:#}", run.output().await.expect_err("a closed bank"));
    bank.0.store(true, Ordering::Relaxed);
    client.rewind(run.id(), "the bank is open").await?; // The failed call is made again, and nothing else.
    let paid = run.output().await?;
    show(client, "after the rewind").await?;

    let again = client.instance::<u64, _>(client.restart(run.id()).new_id().await?)?; // with the same input
    again.raise_event("Signed", &()).await?;
    let paid_again = again.output().await?;
    show(client, "after the restart").await?;

    client.purge(run.id()).await?;
    client.purge_where(InstanceQuery::new().statuses([RuntimeStatus::Completed])).await?;
    show(client, "after the purge").await?;
    Ok((paid, paid_again))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let bank = Bank::default();
    let hub = functions(&bank).backend(Sqlite::open("lifecycle.db")?).start().await?;
    println!("{:?} was paid", live(&hub.client(), &bank).await?);
    hub.shutdown().await?;
    Ok(())
}

#[tokio::test]
#[cfg(test)]
async fn a_life() {
    let bank = Bank::default();
    let hub = functions(&bank).backend(Memory::new()).start().await.unwrap();
    assert_eq!(live(&hub.client(), &bank).await.unwrap(), (50, 50));
}
