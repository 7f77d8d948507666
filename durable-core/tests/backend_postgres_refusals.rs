//! What a hub on PostgreSQL does while the server refuses what it writes, until somebody removes the reason.
#![cfg(feature = "postgres")]
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

#[path = "support/postgres.rs"]
mod postgres;

use std::time::{Duration, Instant};

use durable_core::client::ClientError;
use durable_core::prelude::*;
use futures_util::future::try_join_all;
use tokio::time::timeout;

use self::postgres::Schema;

/// Nothing here takes so long unless it waits for something that does not come.
const LONG: Duration = Duration::from_secs(60);

const NAP: Duration = Duration::from_millis(300);

/// Turns in which a timer fires are refused, as if the user had lost a right.
const REFUSE: &str = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'not today' USING ERRCODE = 'insufficient_privilege'; END $$;
    CREATE TRIGGER refuse BEFORE INSERT ON history
        FOR EACH ROW WHEN (NEW.kind = 'TimerFired') EXECUTE FUNCTION refuse()";

#[orchestrator]
async fn naps(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    ctx.create_timer(NAP).await;
    ctx.call_activity(add_one, 1).await
}

#[orchestrator]
async fn adds(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    ctx.call_activity(add_one, 6).await
}

#[activity]
async fn add_one(_ctx: ActivityContext, n: u64) -> Result<u64, ActivityError> {
    Ok(n + 1)
}

/// Nobody starts anything anew, and nobody stands still for ever: what was refused happens once it can.
#[tokio::test(flavor = "multi_thread")]
async fn refused_turns_stop_only_their_instances_and_are_made_in_the_end() {
    let schema = Schema::new();
    let hub = TaskHub::builder().backend(schema.store().await);
    let hub = hub.orchestrator(naps).orchestrator(adds).activity(add_one).start().await.unwrap();
    let client = schema.client().await;
    client.batch_execute(REFUSE).await.unwrap();
    let starts = (0..20).map(|_| async {
        let instance = hub.client().start(naps, ()).await?;
        instance.wait_for_start().await?;
        Ok::<_, ClientError>(instance)
    });
    let napping = try_join_all(starts).await.unwrap();
    let begin = Instant::now();
    while begin.elapsed() < 4 * NAP {
        let other = async { hub.client().start(adds, ()).await?.output().await };
        assert_eq!(timeout(LONG, other).await.expect("nobody refuses these").unwrap(), 7);
    }
    for instance in &napping {
        assert_eq!(instance.status().await.unwrap().runtime_status, RuntimeStatus::Running);
    }
    client.batch_execute("DROP TRIGGER refuse ON history").await.unwrap();
    for instance in napping {
        assert_eq!(timeout(LONG, instance.output()).await.expect("its turn was dropped").unwrap(), 2);
    }
    hub.shutdown().await.unwrap();
}
