//! Children, and orchestrations that are started and left alone, in a world that lives and dies.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use durable_core::client::InstanceQuery;
use durable_core::prelude::*;
use durable_testing::World;
use durable_testing::world::{Instance, WorldBuilder, chaos, on_every_store};
use futures_util::FutureExt;
use serde::{Deserialize, Serialize};

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

/// One instance at a time stays in memory.
fn cold(world: WorldBuilder) -> WorldBuilder {
    world.orchestrator(double).orchestrator(waits).hub(|hub| hub.warm_instances(1))
}

fn states<const N: usize>(world: &World, ids: [&str; N]) -> [RuntimeStatus; N] {
    ids.map(|id| world.instance::<()>(id).runtime_status())
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
    let world = cold(World::builder()).orchestrator(asks).without_missing_child_checks().build();
    let error = world.client().start(asks, ()).await.unwrap().output().await.unwrap_err();
    let types: Vec<_> = error.details().chain().map(|cause| cause.error_type.as_str()).collect();
    assert_eq!(types, ["SubOrchestrationFailed", "TooMany::TooMany"]);
    assert!(error.to_string().contains("instance 'kid'"), "{error}");
    assert_eq!(error.downcast::<TooMany>().unwrap(), TooMany { limit: 1_000 });
}

#[test]
fn a_terminated_child_fails_the_call() {
    #[orchestrator]
    async fn hopes(ctx: OrchestrationContext) -> Result<String, OrchestratorError> {
        let error = ctx.call_sub_orchestrator(waits, ()).id("kid").await.unwrap_err();
        Ok(format!("{error:#}: {}", error.details().chain().last().unwrap().error_type))
    }
    on_every_store(|world| {
        let world = cold(world).orchestrator(hopes).build();
        let run = world.start(hopes, ());
        world.instance::<u64>("kid").terminate("enough");
        let output = run.output();
        assert!(
            output.contains("instance 'kid' was terminated: enough") && output.ends_with(": Terminated"),
            "{output}"
        );
    });
}

#[test]
fn a_thousand_children_of_one_parent() {
    #[orchestrator]
    async fn wide(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
        let all = try_join_all((0..1_000).map(|n| ctx.call_sub_orchestrator(double, n))).await?;
        Ok(all.into_iter().sum())
    }
    for busy in [100, 100_000] {
        on_every_store(|world| {
            let world = cold(world).orchestrator(wide).hub(move |hub| hub.busy_instances(busy)).build();
            let client = world.client();
            let run = world.started(client.start(wide, ()).id("w").tag("team", "blue"));
            assert_eq!(run.output(), 999_000);
            let all = InstanceQuery::new().children_of("w".parse().unwrap()).tag("team", "blue");
            assert_eq!(client.count(all).now_or_never().unwrap().unwrap(), 1_000);
        });
    }
}

#[test]
fn a_taken_id_fails_the_call_alone() {
    #[orchestrator]
    async fn collides(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
        let error = ctx.call_sub_orchestrator(double, 1).id("taken").await.unwrap_err();
        assert_eq!(error.details().chain().last().unwrap().error_type, "InstanceAlreadyExists");
        ctx.start_orchestrator(double, 1)?.id("taken")?;
        ctx.call_sub_orchestrator(double, 3).id("free").await
    }
    on_every_store(|world| {
        let world = cold(world).orchestrator(collides).build();
        let other = world.start_as("taken", waits, ());
        assert_eq!(world.start(collides, ()).output(), 6);
        other.raise("go", &5);
        assert_eq!(other.output(), 5);
    });
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

fn family(world: WorldBuilder) -> (World, Instance<u64>) {
    let world = cold(world).orchestrator(middle).orchestrator(top).build();
    let run = world.start_as("top", top, ());
    assert_eq!(states(&world, ["top", "middle", "leaf", "alone"]), [RuntimeStatus::Running; 4]);
    (world, run)
}

#[test]
fn control_reaches_those_below_only_when_it_is_asked_to() {
    use RuntimeStatus::{Completed, Running, Suspended, Terminated};
    const ALL: [&str; 4] = ["top", "middle", "leaf", "alone"];
    on_every_store(|world| {
        let (world, run) = family(world);
        let client = world.client();
        run.suspend("pause");
        assert_eq!(states(&world, ALL), [Suspended, Running, Running, Running]);
        client.suspend(run.id(), "all").recursive().into_future().now_or_never().unwrap().unwrap();
        assert_eq!(states(&world, ALL), [Suspended, Suspended, Suspended, Running]);
        client.resume(run.id(), "all").recursive().into_future().now_or_never().unwrap().unwrap();
        assert_eq!(states(&world, ALL), [Running; 4]);
        world.instance::<u64>("leaf").raise("go", &7_u64);
        assert_eq!(run.output(), 7);
        assert_eq!(states(&world, ["middle"]), [Completed]);
    });
    on_every_store(|world| {
        let (world, run) = family(world);
        let client = world.client();
        client.terminate(run.id(), "enough").recursive().into_future().now_or_never().unwrap().unwrap();
        assert_eq!(states(&world, ALL), [Terminated, Terminated, Terminated, Running]);
    });
}

#[test]
fn a_plain_termination_leaves_the_children() {
    on_every_store(|world| {
        let (world, run) = family(world);
        run.terminate("enough");
        assert_eq!(run.runtime_status(), RuntimeStatus::Terminated);
        world.instance::<u64>("leaf").raise("go", &7_u64);
        assert_eq!(world.instance::<u64>("middle").output(), 7);
    });
}

#[test]
fn a_child_that_nobody_waits_for_any_more_is_terminated_with_its_own() {
    #[orchestrator]
    async fn drops(ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
        {
            let _call = ctx.call_sub_orchestrator(middle, ()).id("middle");
            ctx.wait_for_external_event::<()>("drop").await?;
        }
        ctx.wait_for_external_event("end").await
    }
    on_every_store(|world| {
        let world = cold(world).orchestrator(middle).orchestrator(drops).build();
        let run = world.start(drops, ());
        assert_eq!(states(&world, ["middle", "leaf"]), [RuntimeStatus::Running; 2]);
        run.raise("drop", &());
        assert_eq!(states(&world, ["middle", "leaf"]), [RuntimeStatus::Terminated; 2]);
        assert_eq!(run.runtime_status(), RuntimeStatus::Running);
        run.raise("end", &());
        let () = run.output();
    });
}

#[test]
fn a_start_is_left_alone_and_may_be_delayed() {
    #[orchestrator]
    async fn leaves(ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
        ctx.start_orchestrator(double, 4)?.id("now")?;
        ctx.start_orchestrator(double, 5)?.id("later")?.tag("b", "2")?.delay(Duration::from_secs(60))?;
        Ok(())
    }
    on_every_store(|world| {
        let world = cold(world).orchestrator(leaves).build();
        let client = world.client();
        let () = world.started(client.start(leaves, ()).id("l").tag("a", "1")).output();
        assert_eq!(world.instance::<u64>("now").output(), 8);
        let later = world.instance::<u64>("later");
        world.advance(Duration::from_secs(59));
        let status = later.status();
        assert_eq!((status.runtime_status, status.parent_id.unwrap().as_str()), (RuntimeStatus::Pending, "l"));
        assert_eq!((status.tags.get("a"), status.tags.get("b")), (Some("1"), Some("2")));
        assert_eq!(later.output(), 10);
        assert_eq!(world.elapsed(), Duration::from_secs(60));
        let children = InstanceQuery::new().children_of("l".parse().unwrap());
        let page = client.list(children).now_or_never().unwrap().unwrap();
        assert_eq!(page.instances.iter().map(|one| one.instance_id.as_str()).collect::<Vec<_>>(), ["later", "now"]);
    });
}

/// The parent of a child that is given up as poison is told at once.
#[test]
fn a_poisonous_child_fails_the_call() {
    #[orchestrator]
    async fn tries(ctx: OrchestrationContext) -> Result<String, OrchestratorError> {
        let error = ctx.call_sub_orchestrator(waits, ()).id("kid").await.unwrap_err();
        Ok(error.details().chain().last().unwrap().error_type.clone())
    }
    on_every_store(|world| {
        let world = cold(world).orchestrator(tries).hub(|hub| hub.max_deliveries(1)).build();
        let poison = world.mock_orchestrator(waits);
        poison.crashes();
        let run = world.start_as("t", tries, ());
        assert_eq!(run.output(), "Poison");
        assert_eq!(world.elapsed(), Duration::ZERO);
        poison.assert_called(2);
    });
}

#[activity]
async fn quick(State(calls): State<Arc<AtomicU64>>, n: u64) -> u64 {
    calls.fetch_add(1, Ordering::SeqCst);
    n
}

#[orchestrator]
async fn flaky(ctx: OrchestrationContext, n: u64) -> Result<u64, OrchestratorError> {
    let n = ctx.call_activity(quick, n).await?;
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
    let story = |world: WorldBuilder| {
        let calls = Arc::new(AtomicU64::new(0));
        let world = cold(world).orchestrator(flaky).orchestrator(twice).orchestrator(everything);
        let world = world.activity(quick).state(Arc::clone(&calls)).build();
        let output = world.start_as("root", everything, 5).output();
        assert!(calls.load(Ordering::SeqCst) >= 3, "each attempt is an instance of its own");
        output
    };
    assert_eq!(on_every_store(story), [10, 12, 14, 40, 5, 5, 9, 2]);
    chaos::every_crash_point(story);
    chaos::every_crash_point(|world| story(world.sqlite()));
}
