//! Sub-orchestrations: a parent with one child for each parcel, a child that is tried again, and an end for all of them.
//!
//! Run with `cargo run -p examples --bin sub_orchestrations`.

#![expect(clippy::print_stdout, reason = "an example prints what it does")]

use std::time::Duration;

use durable_core::client::InstanceQuery;
use durable_core::prelude::*;

/// The first parcel to Oslo is lost, and the second one arrives.
#[activity]
async fn ship(ctx: ActivityContext, city: String) -> Result<String, ActivityError> {
    println!("a parcel leaves for {city}, sent by {}", ctx.instance_id());
    let is_first = ctx.instance_id().as_str().ends_with(":0002");
    if city == "Oslo" && is_first { Err(ActivityError::msg("lost on the way")) } else { Ok(city) }
}

#[orchestrator]
async fn deliver(ctx: OrchestrationContext, city: String) -> Result<String, OrchestratorError> {
    let city = ctx.call_activity(ship, city).await?;
    let hour = Duration::from_secs(3600);
    // Nobody is at home in Atlantis.
    if city == "Atlantis" { ctx.wait_for_external_event("Arrived").timeout_or(hour, city).await } else { Ok(city) }
}

/// Each parcel is an instance of its own, which can be looked at alone. A failed one is tried again as a new instance.
#[orchestrator]
async fn order(ctx: OrchestrationContext, cities: Vec<String>) -> Result<Vec<String>, OrchestratorError> {
    let policy = RetryPolicy::exponential(3, Duration::from_millis(50));
    let parcels = cities.into_iter().map(|city| ctx.call_sub_orchestrator(deliver, city).retry(policy.clone()));
    try_join_all(parcels).await
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let store = Sqlite::open("sub_orchestrations.db")?;
    let hub = TaskHub::builder().backend(store).orchestrator(order).orchestrator(deliver).activity(ship);
    let hub = hub.start().await?;
    let client = hub.client();

    let run = client.start(order, ["Lima", "Rome", "Oslo"].map(str::to_owned).into()).await?;
    println!("delivered to {}", run.output().await?.join(", "));
    for child in client.list(InstanceQuery::new().children_of(run.id().clone())).await?.instances {
        println!("  child {} is {}", child.instance_id, child.runtime_status);
    }

    let run = client.start(order, vec!["Atlantis".to_owned()]).await?;
    run.wait_for_start().await?;
    // Without `.recursive()` the child would go on alone.
    run.terminate("the customer has gone").recursive().await?;
    run.wait().await?;
    for child in client.list(InstanceQuery::new().children_of(run.id().clone())).await?.instances {
        let status = client.wait(&child.instance_id, None).await?.map(|child| child.runtime_status);
        println!("the order is terminated, and its child is {status:?}");
    }
    hub.shutdown().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use durable_testing::World;

    #[test]
    fn a_lost_parcel_is_sent_again() {
        let world = World::builder().orchestrator(order).mocked_orchestrator(deliver).build();
        let parcels = world.mock_orchestrator(deliver);
        parcels.fails("lost").returns("Oslo".to_owned());
        assert_eq!(world.start(order, vec!["Oslo".to_owned()]).output(), ["Oslo"]);
        assert_eq!(parcels.inputs(), ["Oslo", "Oslo"]);
    }

    #[test]
    fn nobody_is_at_home_in_atlantis() {
        let world = World::builder().orchestrator(order).orchestrator(deliver).activity(ship).build();
        assert_eq!(world.start(order, vec!["Atlantis".to_owned()]).output(), ["Atlantis"]);
        assert_eq!(world.elapsed(), Duration::from_secs(3600));
    }
}
