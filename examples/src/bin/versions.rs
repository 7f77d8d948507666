//! Versions and patches: new code is deployed while instances of the old code are waiting. Each goes on as it began.
//!
//! Run with `cargo run -p examples --bin versions`.

#![expect(clippy::print_stdout, reason = "an example prints what it does")]

use durable_core::hub::TaskHubBuilder;
use durable_core::prelude::*;

#[activity]
async fn add_tax(amount: u64) -> u64 {
    amount + amount / 5
}

#[orchestrator(name = "order", version = "1.0")]
async fn order_1(ctx: OrchestrationContext, amount: u64) -> Result<u64, OrchestratorError> {
    ctx.wait_for_external_event::<()>("Paid").await?;
    Ok(amount)
}

/// The old function stays as it is, and the new one has its name.
#[orchestrator(name = "order", version = "2.0")]
async fn order_2(ctx: OrchestrationContext, amount: u64) -> Result<u64, OrchestratorError> {
    let amount = ctx.call_activity(add_tax, amount).await?;
    ctx.wait_for_external_event::<()>("Paid").await?;
    Ok(amount)
}

/// A small change needs no version: what has passed this place before stays on the old branch.
#[orchestrator]
async fn invoice(ctx: OrchestrationContext, amount: u64) -> Result<u64, OrchestratorError> {
    if ctx.patched("with-tax") { ctx.call_activity(add_tax, amount).await } else { Ok(amount) }
}

fn old_deployment() -> TaskHubBuilder {
    TaskHub::builder().orchestrator(order_1)
}

fn new_deployment() -> TaskHubBuilder {
    TaskHub::builder().orchestrator(order_1).orchestrator(order_2).orchestrator(invoice).activity(add_tax)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let hub = old_deployment().backend(Sqlite::open("versions.db")?).start().await?;
    let old = hub.client().start(order_1, 100).await?;
    old.wait_for_start().await?;
    let old = old.id().clone();
    hub.shutdown().await?;

    let hub = new_deployment().backend(Sqlite::open("versions.db")?).start().await?;
    let client = hub.client();
    let old = client.instance::<u64, _>(old)?;
    let new = client.start(order_2, 100).await?; // the highest version, unless the hub or the start says another one
    for used in client.versions().await?.iter().filter(|used| used.live > 0) {
        let version = used.version.as_ref().map_or("none", |version| version.as_str());
        println!("{} in version {version}: {} live, so its code must stay", used.name, used.live);
    }
    for order in [old, new] {
        order.raise_event("Paid", &()).await?;
        let total = order.output().await?;
        println!("version {} costs {total}", order.status().await?.version.expect("a version"));
    }
    println!("the invoice says {}", client.start(invoice, 100).await?.output().await?);
    hub.shutdown().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use durable_testing::Script;

    #[test]
    fn the_new_code_does_not_fit_the_old_history() {
        let mut script = Script::new(order_1, 100);
        script.raise("Paid", ());
        assert_eq!(script.output(), Some(100.into()));
        script.replay_with(order_2).unwrap_err();
    }
}
