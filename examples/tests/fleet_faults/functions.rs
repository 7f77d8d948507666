//! What the workers of these tests run: every sort of step, with results that can be told beforehand.

use std::time::Duration;

use durable_core::config::HostConfig;
use durable_core::prelude::*;
use durable_core::telemetry::ReplayFilter;
use durable_http::{DurableService, Server};
use tracing_subscriber::prelude::*;

#[activity]
async fn add_one(n: u64) -> u64 {
    n + 1
}

#[activity]
async fn work(millis: u64) -> u64 {
    tokio::time::sleep(Duration::from_millis(millis)).await;
    millis
}

/// One step after the other.
#[orchestrator]
async fn steps(ctx: OrchestrationContext, count: u64) -> Result<u64, OrchestratorError> {
    let mut reached = 0;
    while reached < count {
        reached = ctx.call_activity(add_one, reached).await?;
    }
    Ok(reached)
}

#[orchestrator]
async fn fan(ctx: OrchestrationContext, count: u64) -> Result<u64, OrchestratorError> {
    let all = try_join_all((0..count).map(|n| ctx.call_activity(add_one, n))).await?;
    Ok(all.into_iter().sum())
}

#[orchestrator]
async fn slow(ctx: OrchestrationContext, millis: u64) -> Result<u64, OrchestratorError> {
    let (a, b) = try_join(ctx.call_activity(work, millis), ctx.call_activity(work, millis / 2)).await?;
    Ok(a + b)
}

/// Three timers, one after the other.
#[orchestrator]
async fn nap(ctx: OrchestrationContext, millis: u64) -> Result<u64, OrchestratorError> {
    for _ in 0..3 {
        ctx.create_timer(Duration::from_millis(millis)).await;
    }
    Ok(3)
}

/// Three events, whatever the order in which they come.
#[orchestrator]
async fn ask(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    let mut sum = 0;
    for name in ["C", "A", "B"] {
        sum += ctx.wait_for_external_event::<u64>(name).await?;
    }
    ctx.call_activity(add_one, sum).await
}

#[orchestrator]
async fn family(ctx: OrchestrationContext, count: u64) -> Result<u64, OrchestratorError> {
    let all = try_join_all((1..=count).map(|n| ctx.call_sub_orchestrator(steps, n))).await?;
    Ok(all.into_iter().sum())
}

/// A step and a timer in each round.
#[orchestrator]
async fn rounds(
    ctx: OrchestrationContext,
    (left, sum): (u64, u64),
) -> Result<Next<u64, (u64, u64)>, OrchestratorError> {
    if left == 0 {
        return Ok(Next::Complete(sum));
    }
    let sum = ctx.call_activity(add_one, sum).await?;
    ctx.create_timer(Duration::from_millis(20)).await;
    Ok(Next::continue_as_new((left - 1, sum)))
}

/// A worker process. It ends when its standard input does, so that none outlives the test.
pub(crate) async fn serve(url: &str, schema: &str) {
    std::thread::spawn(|| {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        std::process::exit(1);
    });
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    let filter = tracing_subscriber::EnvFilter::new("info");
    tracing_subscriber::registry().with(ReplayFilter::new()).with(filter).with(lines).init();
    let config = HostConfig::load().unwrap();
    let store = Postgres::options().schema(schema).connect(url).await.unwrap();
    // A caller that gets no answer asks again, and must not start anew what has ended meanwhile.
    let hub = TaskHub::builder().name("Fleet").config(&config).backend(store).id_reuse(IdReusePolicy::never());
    let hub = hub.orchestrator(steps).orchestrator(fan).orchestrator(slow).orchestrator(nap).orchestrator(ask);
    let hub = hub.orchestrator(family).orchestrator(rounds).activity(add_one).activity(work);
    let hub = hub.drain_timeout(Duration::from_secs(2)).start().await.unwrap();
    let service = DurableService::of(&hub).unwrap().config(&config).unwrap();
    Server::builder(service).addr("127.0.0.1:0").serve(&hub).await.unwrap();
}
