//! Children, and orchestrations that are started and left alone, in a hub that lives and dies.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

#[path = "support/everywhere.rs"]
mod everywhere;
mod support;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use durable_core::backend::Backend;
use durable_core::client::InstanceQuery;
use durable_core::hub::TaskHubBuilder;
use durable_core::prelude::*;
use durable_testing::VirtualClock;
use everywhere::Scenario;
use serde::{Deserialize, Serialize};
use support::Process;

#[derive(Debug, PartialEq, Serialize, Deserialize, Failure)]
struct TooMany {
    limit: u64,
}

impl std::error::Error for TooMany {}
impl std::fmt::Display for TooMany {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "more than {}", self.limit)
    }
}

#[orchestrator]
async fn double(_ctx: OrchestrationContext, n: u64) -> Result<u64, TooMany> {
    if n > 1_000 { Err(TooMany { limit: 1_000 }) } else { Ok(2 * n) }
}

#[orchestrator]
async fn waits(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    ctx.wait_for_external_event("go").await
}

fn hub(builder: TaskHubBuilder) -> TaskHubBuilder {
    builder.orchestrator(double).orchestrator(waits).warm_instances(1)
}

fn memory() -> TaskHubBuilder {
    hub(TaskHub::builder().backend(Memory::new()))
}

async fn until(client: &Client, id: &str, status: RuntimeStatus) {
    let id = InstanceId::new(id).unwrap();
    while client.status(&id).await.unwrap().is_none_or(|now| now.runtime_status != status) {
        tokio::task::yield_now().await;
    }
}

async fn state(client: &Client, id: &str) -> RuntimeStatus {
    client.status(&InstanceId::new(id).unwrap()).await.unwrap().unwrap().runtime_status
}

#[tokio::test]
async fn an_error_of_a_child_reaches_its_caller_with_its_type() {
    #[orchestrator]
    async fn asks(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
        let named: u64 = ctx.call_sub_orchestrator("double", 4_u64).await?;
        assert_eq!(named, 8);
        let missing = ctx.call_sub_orchestrator::<_, &str>("missing", ()).await.map(|(): ()| ()).unwrap_err();
        assert_eq!(missing.details().chain().last().unwrap().error_type, "OrchestratorTaskNotFound");
        ctx.call_sub_orchestrator(double, 2_000).id("kid").await
    }
    let hub = memory().orchestrator(asks).start().await.unwrap();
    let error = hub.client().start(asks, ()).await.unwrap().output().await.unwrap_err();
    let types: Vec<_> = error.details().chain().map(|cause| cause.error_type.as_str()).collect();
    assert_eq!(types, ["SubOrchestrationFailed", "TooMany::TooMany"]);
    assert!(error.to_string().contains("instance 'kid'"), "{error}");
    assert_eq!(error.downcast::<TooMany>().unwrap(), TooMany { limit: 1_000 });
}

#[tokio::test]
async fn a_terminated_child_fails_the_call() {
    #[orchestrator]
    async fn hopes(ctx: OrchestrationContext) -> Result<String, OrchestratorError> {
        let error = ctx.call_sub_orchestrator(waits, ()).id("kid").await.unwrap_err();
        Ok(format!("{error:#}: {}", error.details().chain().last().unwrap().error_type))
    }
    let hub = memory().orchestrator(hopes).start().await.unwrap();
    let run = hub.client().start(hopes, ()).await.unwrap();
    until(&hub.client(), "kid", RuntimeStatus::Running).await;
    hub.client().terminate(&"kid".parse().unwrap(), "enough").await.unwrap();
    let output = run.output().await.unwrap();
    assert!(output.contains("instance 'kid' was terminated: enough") && output.ends_with(": Terminated"), "{output}");
}

#[tokio::test]
async fn a_thousand_children_of_one_parent() {
    #[orchestrator]
    async fn wide(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
        let all = try_join_all((0..1_000).map(|n| ctx.call_sub_orchestrator(double, n))).await?;
        Ok(all.into_iter().sum())
    }
    for busy in [100, 100_000] {
        let hub = memory().orchestrator(wide).busy_instances(busy).start().await.unwrap();
        let run = hub.client().start(wide, ()).id("w").tag("team", "blue").await.unwrap();
        assert_eq!(run.output().await.unwrap(), 999_000);
        let all = InstanceQuery::new().children_of("w".parse().unwrap()).tag("team", "blue");
        assert_eq!(hub.client().count(all).await.unwrap(), 1_000);
    }
}

#[tokio::test]
async fn a_taken_id_fails_the_call_alone() {
    #[orchestrator]
    async fn collides(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
        let error = ctx.call_sub_orchestrator(double, 1).id("taken").await.unwrap_err();
        assert_eq!(error.details().chain().last().unwrap().error_type, "InstanceAlreadyExists");
        ctx.start_orchestrator(double, 1)?.id("taken")?;
        ctx.call_sub_orchestrator(double, 3).id("free").await
    }
    let hub = memory().orchestrator(collides).start().await.unwrap();
    let other = hub.client().start(waits, ()).id("taken").await.unwrap();
    assert_eq!(hub.client().start(collides, ()).await.unwrap().output().await.unwrap(), 6);
    other.raise_event("go", &5).await.unwrap();
    assert_eq!(other.output().await.unwrap(), 5);
}

#[orchestrator]
async fn middle(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    ctx.call_sub_orchestrator(waits, ()).id("leaf").await
}

#[orchestrator]
async fn top(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    ctx.start_orchestrator(waits, ())?.id("alone")?;
    ctx.call_sub_orchestrator(middle, ()).id("middle").await
}

async fn family() -> TaskHub {
    let hub = memory().orchestrator(middle).orchestrator(top).start().await.unwrap();
    hub.client().start(top, ()).id("top").await.unwrap();
    for id in ["alone", "leaf"] {
        until(&hub.client(), id, RuntimeStatus::Running).await;
    }
    hub
}

#[tokio::test]
async fn control_reaches_those_below_only_when_it_is_asked_to() {
    use RuntimeStatus::{Completed, Running, Suspended, Terminated};
    let hub = family().await;
    let client = &hub.client();
    let run = client.instance::<u64, _>("top").unwrap();
    run.suspend("pause").await.unwrap();
    until(client, "top", Suspended).await;
    assert_eq!([state(client, "middle").await, state(client, "leaf").await], [Running, Running]);
    run.suspend("all").recursive().await.unwrap();
    until(client, "leaf", Suspended).await;
    assert_eq!([state(client, "middle").await, state(client, "alone").await], [Suspended, Running]);
    run.resume("all").recursive().await.unwrap();
    for id in ["top", "middle", "leaf"] {
        until(client, id, Running).await;
    }
    client.raise_event(&"leaf".parse().unwrap(), "go", &7_u64).await.unwrap();
    assert_eq!(run.output().await.unwrap(), 7);
    assert_eq!(state(client, "middle").await, Completed);

    let hub = family().await;
    let client = &hub.client();
    let run = client.instance::<u64, _>("top").unwrap();
    run.terminate("enough").recursive().await.unwrap();
    for id in ["top", "middle", "leaf"] {
        until(client, id, Terminated).await;
    }
    assert_eq!(state(client, "alone").await, Running);
}

#[tokio::test]
async fn a_plain_termination_leaves_the_children() {
    let hub = family().await;
    let client = &hub.client();
    let run = client.instance::<u64, _>("top").unwrap();
    run.terminate("enough").await.unwrap();
    assert_eq!(run.wait().await.unwrap().runtime_status, RuntimeStatus::Terminated);
    client.raise_event(&"leaf".parse().unwrap(), "go", &7_u64).await.unwrap();
    assert_eq!(client.instance::<u64, _>("middle").unwrap().output().await.unwrap(), 7);
}

#[tokio::test]
async fn a_child_that_nobody_waits_for_any_more_is_terminated_with_its_own() {
    #[orchestrator]
    async fn drops(ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
        {
            let _call = ctx.call_sub_orchestrator(middle, ()).id("middle");
            ctx.wait_for_external_event::<()>("drop").await?;
        }
        ctx.wait_for_external_event("end").await
    }
    let hub = memory().orchestrator(middle).orchestrator(drops).start().await.unwrap();
    let run = hub.client().start(drops, ()).await.unwrap();
    until(&hub.client(), "leaf", RuntimeStatus::Running).await;
    run.raise_event("drop", &()).await.unwrap();
    for id in ["middle", "leaf"] {
        until(&hub.client(), id, RuntimeStatus::Terminated).await;
    }
    assert_eq!(run.status().await.unwrap().runtime_status, RuntimeStatus::Running);
    run.raise_event("end", &()).await.unwrap();
    run.output().await.unwrap();
}

#[tokio::test]
async fn a_start_is_left_alone_and_may_be_delayed() {
    #[orchestrator]
    async fn leaves(ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
        ctx.start_orchestrator(double, 4)?.id("now")?;
        ctx.start_orchestrator(double, 5)?.id("later")?.tag("b", "2")?.delay(Duration::from_secs(60))?;
        Ok(())
    }
    let clock = VirtualClock::new();
    let hub = memory().orchestrator(leaves).clock(clock.clone()).start().await.unwrap();
    let client = &hub.client();
    client.start(leaves, ()).id("l").tag("a", "1").await.unwrap().output().await.unwrap();
    assert_eq!(client.instance::<u64, _>("now").unwrap().output().await.unwrap(), 8);
    let later = client.instance::<u64, _>("later").unwrap();
    clock.advance(Duration::from_secs(59));
    let status = later.status().await.unwrap();
    assert_eq!((status.runtime_status, status.parent_id.unwrap().as_str()), (RuntimeStatus::Pending, "l"));
    assert_eq!((status.tags.get("a"), status.tags.get("b")), (Some("1"), Some("2")));
    clock.advance(Duration::from_secs(2));
    assert_eq!(later.output().await.unwrap(), 10);
    let page = client.list(InstanceQuery::new().children_of("l".parse().unwrap())).await.unwrap();
    assert_eq!(page.instances.iter().map(|one| one.instance_id.as_str()).collect::<Vec<_>>(), ["later", "now"]);
}

static POISON: AtomicBool = AtomicBool::new(true);

/// The parent of a child that is given up as poison is told at once.
#[test]
fn a_poisonous_child_fails_the_call() {
    #[orchestrator]
    async fn poison(_ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
        #[nondeterministic(reason = "stands for code that ends the process")]
        while POISON.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        Ok(())
    }
    #[orchestrator]
    async fn tries(ctx: OrchestrationContext) -> Result<String, OrchestratorError> {
        let error = ctx.call_sub_orchestrator(poison, ()).id("kid").await.unwrap_err();
        Ok(error.details().chain().last().unwrap().error_type.clone())
    }
    let store = Memory::new();
    let hub =
        || hub(TaskHub::builder().backend(store.clone())).orchestrator(poison).orchestrator(tries).max_deliveries(1);
    let process = Process::start(hub());
    process.run(async {
        process.hub.client().start(tries, ()).id("t").await.unwrap();
        until(&process.hub.client(), "kid", RuntimeStatus::Pending).await;
    });
    process.crash_spinning();
    let process = Process::start(hub());
    process.run(async {
        let store: &dyn Backend = &store;
        while store.instance("kid").await.unwrap().unwrap().crashes == 0 {
            tokio::task::yield_now().await;
        }
    });
    process.crash_spinning();
    let process = Process::start(hub());
    process.run(async {
        let run = process.hub.client().instance::<String, _>("t").unwrap();
        let output = tokio::time::timeout(Duration::from_secs(20), run.output()).await;
        assert_eq!(output.expect("the parent is told").unwrap(), "Poison");
    });
    POISON.store(false, Ordering::SeqCst);
    process.stop();
}

static FAILURES: AtomicU64 = AtomicU64::new(0);

#[activity]
async fn quick(n: u64) -> u64 {
    n
}

#[orchestrator]
async fn flaky(ctx: OrchestrationContext, n: u64) -> Result<u64, OrchestratorError> {
    let n = ctx.call_activity(quick, n).await?;
    FAILURES.fetch_add(1, Ordering::SeqCst);
    Err(OrchestratorError::msg(n))
}

/// Starts over before it gives its result.
#[orchestrator]
async fn twice(ctx: OrchestrationContext, n: u64) -> Result<Next<u64, u64>, OrchestratorError> {
    let inner = ctx.call_sub_orchestrator(double, n).await?;
    if ctx.generation() == 2 { Ok(Next::Complete(inner)) } else { Ok(Next::continue_as_new(inner)) }
}

#[orchestrator]
async fn everything(ctx: OrchestrationContext, n: u64) -> Result<Vec<u64>, OrchestratorError> {
    let many = try_join_all((0..3).map(|i| ctx.call_sub_orchestrator(double, n + i)));
    let (many, twice) = futures_util::future::join(many, ctx.call_sub_orchestrator(twice, n)).await;
    let policy = RetryPolicy::fixed(3, Duration::from_millis(1));
    let failed = ctx.call_sub_orchestrator(flaky, n).retry(policy).await.unwrap_err();
    ctx.send_event(ctx.instance_id(), "me", &n)?;
    let me: u64 = ctx.wait_for_external_event("me").await?;
    let kid = ctx.call_sub_orchestrator(waits, ()).id("kid");
    ctx.send_event(&"kid".parse()?, "go", &9)?;
    let kid = kid.await?;
    {
        let _dropped = ctx.call_sub_orchestrator(waits, ()).id("dropped");
        ctx.create_timer(Duration::from_millis(1)).await;
    }
    let last = failed.details().chain().last().map_or(0, |cause| cause.error_message.parse().unwrap_or(1));
    let again = ctx.call_sub_orchestrator(double, 1).id("kid").await?;
    Ok(many?.into_iter().chain([twice?, last, me, kid, again]).collect())
}

#[test]
fn a_family_comes_through_whatever_happens() {
    let hub = |builder| hub(builder).orchestrator(flaky).orchestrator(twice).orchestrator(everything).activity(quick);
    let scenario = Scenario { hub, root: "everything", input: 5.into(), steps: &[] };
    scenario.always_gives(&serde_json::json!([10, 12, 14, 40, 5, 5, 9, 2]));
    assert!(FAILURES.load(Ordering::SeqCst) >= 3);
}
