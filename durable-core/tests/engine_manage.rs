//! What clients do with instances that exist: purge, restart, reuse of ids, lists and counts, versions.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use durable_core::client::ClientErrorKind;
use durable_core::hub::TaskHubBuilder;
use durable_core::model::{Limit, Limits, Version};
use durable_core::prelude::*;
use durable_core::worker::{VersionMatch, VersionMismatch};
use durable_testing::World;
use durable_testing::world::WorldBuilder;

#[orchestrator]
async fn echo(_ctx: OrchestrationContext, text: String) -> Result<String, OrchestratorError> {
    Ok(text)
}

#[orchestrator]
async fn waits(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    ctx.wait_for_external_event("Go").await
}

#[orchestrator]
async fn family(ctx: OrchestrationContext, depth: u32) -> Result<u64, OrchestratorError> {
    if depth == 0 {
        return ctx.call_sub_orchestrator(waits, ()).id("leaf").await;
    }
    ctx.call_sub_orchestrator("family", depth - 1).id(format!("level-{depth}")).await
}

/// In memory, and on a file.
fn worlds() -> [WorldBuilder; 2] {
    [World::builder(), World::builder().sqlite()]
        .map(|world| world.orchestrator(echo).orchestrator(waits).orchestrator(family))
}

fn id(text: &str) -> InstanceId {
    InstanceId::new(text).unwrap()
}

#[tokio::test]
async fn a_finished_instance_is_purged_and_a_live_one_only_by_force() {
    for world in worlds() {
        let world = world.build();
        let client = world.client();
        let run = client.start(echo, "x".to_owned()).await.unwrap();
        run.wait().await.unwrap();
        assert_eq!(client.purge(run.id()).await.unwrap(), 1);
        assert_eq!(client.status(run.id()).await.unwrap(), None);
        assert_eq!(client.purge(run.id()).await.unwrap(), 0);
        let live = client.start(waits, ()).await.unwrap();
        assert!(client.purge(live.id()).await.unwrap_err().is_wrong_state());
        assert_eq!(client.purge(live.id()).force().await.unwrap(), 1);
        assert_eq!(client.status(live.id()).await.unwrap(), None);
    }
}

/// A live instance below keeps the whole family, and nothing is removed before that is known.
#[tokio::test]
async fn a_family_is_purged_as_a_whole_or_not_at_all() {
    for world in worlds() {
        let world = world.build();
        let client = world.client();
        let run = client.start(family, 2).id("root").await.unwrap();
        assert!(client.status(&id("leaf")).await.unwrap().is_some());
        run.terminate("enough").await.unwrap();
        assert_eq!(run.wait().await.unwrap().runtime_status, RuntimeStatus::Terminated);
        let error = client.purge(run.id()).recursive().await.unwrap_err();
        assert!(error.is_wrong_state(), "{error}");
        assert!(client.status(&id("leaf")).await.unwrap().is_some());
        let level = client.instance::<u64, _>("level-2").unwrap();
        level.terminate("enough").recursive().await.unwrap();
        for name in ["level-2", "level-1", "leaf"] {
            let status = client.wait(&id(name), None).await.unwrap().unwrap();
            assert_eq!(status.runtime_status, RuntimeStatus::Terminated, "{name}");
        }
        assert_eq!(client.purge(run.id()).recursive().await.unwrap(), 4);
        assert_eq!(client.count(InstanceQuery::new()).await.unwrap(), 0);
    }
}

#[orchestrator]
async fn leaves_alone(ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
    ctx.start_orchestrator(waits, ())?.id("alone")?;
    Ok(())
}

/// What was started and left alone is no part of the family: it neither keeps it nor goes with it.
#[tokio::test]
async fn what_was_left_alone_outlives_a_purge_of_the_family() {
    for world in worlds() {
        let world = world.orchestrator(leaves_alone).build();
        let client = world.client();
        let run = client.start(leaves_alone, ()).await.unwrap();
        run.wait().await.unwrap();
        assert_eq!(client.purge(run.id()).recursive().await.unwrap(), 1);
        let alone = client.instance::<u64, _>("alone").unwrap();
        alone.raise_event("Go", &3).await.unwrap();
        assert_eq!(alone.output().await.unwrap(), 3);
    }
}

/// A parent does not wait for a child that was removed by force.
#[tokio::test]
async fn a_parent_hears_that_its_child_was_purged() {
    for world in worlds() {
        let world = world.build();
        let client = world.client();
        let run = client.start(family, 0).await.unwrap();
        client.wait_for_start(run.id(), None).await.unwrap();
        assert!(client.status(&id("leaf")).await.unwrap().is_some());
        assert_eq!(client.purge(&id("leaf")).force().await.unwrap(), 1);
        let error = run.output().await.unwrap_err();
        assert!(error.details().is_caused_by("Purged"), "{error:?}");
    }
}

#[tokio::test]
async fn many_are_purged_by_filter_a_page_at_a_time() {
    for world in worlds() {
        let world = world.build();
        let client = world.client();
        for n in 0..25 {
            let run = client.start(echo, String::new()).tag("batch", if n < 20 { "a" } else { "b" }).await.unwrap();
            run.wait().await.unwrap();
        }
        client.start(waits, ()).tag("batch", "a").await.unwrap();
        let mut seen = Vec::new();
        let query = InstanceQuery::new().tag("batch", "a").page_size(8);
        let removed = client.purge_where(query).on_progress(|so_far| seen.push(so_far)).await.unwrap();
        assert_eq!((removed, seen), (20, vec![8, 16, 20]));
        assert_eq!(client.count(InstanceQuery::new()).await.unwrap(), 6);
    }
}

#[tokio::test]
async fn a_restart_has_the_same_input_and_tags() {
    for world in worlds() {
        let world = world.build();
        let client = world.client();
        let run = client.start(echo, "again".to_owned()).id("one").tag("tenant", "t").await.unwrap();
        run.wait().await.unwrap();
        let other = client.restart(run.id()).new_id().await.unwrap();
        assert_ne!(other, *run.id());
        let status = client.wait(&other, None).await.unwrap().unwrap();
        assert_eq!(status.output.unwrap().as_str(), "\"again\"");
        assert_eq!(status.tags.get("tenant"), Some("t"));
        let first = client.status(run.id()).await.unwrap().unwrap().execution_id;
        assert_eq!(client.restart(run.id()).await.unwrap(), *run.id());
        run.wait().await.unwrap();
        assert_ne!(client.status(run.id()).await.unwrap().unwrap().execution_id, first);
        let live = client.start(waits, ()).await.unwrap();
        assert!(client.restart(live.id()).await.unwrap_err().is_wrong_state());
        assert!(client.restart(&id("nobody")).await.unwrap_err().is_not_found());
    }
}

/// Trap 15: who creates an id is decided inside the insert.
#[tokio::test]
async fn of_many_starts_at_once_one_wins() {
    for world in worlds() {
        let world = world.build();
        let client = world.client();
        let starts = (0..50).map(|_| client.start(waits, ()).id("single").into_future());
        let won = world.run_inside(join_all(starts)).into_iter().filter(Result::is_ok).count();
        assert_eq!(won, 1);
        let keep = client.start(waits, ()).id("single").id_reuse(IdReusePolicy::never().or_keep()).await.unwrap();
        keep.raise_event("Go", &1).await.unwrap();
        assert_eq!(keep.output().await.unwrap(), 1);
        let error = client.start(waits, ()).id("single").id_reuse(IdReusePolicy::never()).await.unwrap_err();
        assert!(error.is_already_exists());
        let failed_only = IdReusePolicy::replacing([RuntimeStatus::Failed]);
        assert!(client.start(waits, ()).id("single").id_reuse(failed_only).await.unwrap_err().is_already_exists());
        client.start(waits, ()).id("single").await.unwrap();
        let replacing = client.start(waits, ()).id("single").id_reuse(IdReusePolicy::replace_any()).await.unwrap();
        replacing.raise_event("Go", &2).await.unwrap();
        assert_eq!(replacing.output().await.unwrap(), 2);
    }
}

#[tokio::test]
async fn instances_are_found_by_every_filter() {
    for world in worlds() {
        let world = world.build();
        let client = world.client();
        let run = client.start(echo, "x".to_owned()).id("a-1").tag("color", "red").version("1.5").await.unwrap();
        run.wait().await.unwrap();
        world.advance(Duration::from_secs(1));
        client.start(echo, "x".to_owned()).id("a-2").tag("color", "blue").await.unwrap().wait().await.unwrap();
        client.start(waits, ()).id("b-1").tag("color", "red").await.unwrap().wait_for_start().await.unwrap();
        let now = run.status().await.unwrap().last_updated_at;
        let ids = async |query: InstanceQuery| {
            let page = client.list(query).await.unwrap();
            page.instances.iter().map(|status| status.instance_id.to_string()).collect::<Vec<_>>()
        };
        let all = InstanceQuery::new;
        assert_eq!(ids(all().tag("color", "red")).await, ["a-1", "b-1"]);
        assert_eq!(ids(all().tag("color", "red").statuses([RuntimeStatus::Completed])).await, ["a-1"]);
        assert_eq!(ids(all().version(Version::new("1.5").unwrap())).await, ["a-1"]);
        assert_eq!(ids(all().without_version()).await, ["a-2", "b-1"]);
        assert_eq!(ids(all().updated_to(now)).await, ["a-1"]);
        assert_eq!(ids(all().id_prefix("b").updated_from(now)).await, ["b-1"]);
        let versions = client.versions().await.unwrap();
        let counts: Vec<_> = versions.iter().map(|each| (each.name.as_str(), each.live, each.total)).collect();
        assert_eq!(counts, [("echo", 0, 1), ("echo", 0, 1), ("waits", 1, 1)]);
    }
}

#[orchestrator(name = "fees", version = "1.0")]
async fn fees_1(ctx: OrchestrationContext) -> Result<String, OrchestratorError> {
    ctx.wait_for_external_event::<()>("Go").await?;
    Ok(format!("one {}", ctx.version().unwrap()))
}

#[orchestrator(name = "fees", version = "2.0")]
async fn fees_2(ctx: OrchestrationContext) -> Result<String, OrchestratorError> {
    ctx.wait_for_external_event::<()>("Go").await?;
    Ok(format!("two {}", ctx.version().unwrap()))
}

/// A world that has the code of another deployment from its next process on, when it is told so.
fn deployments(
    old: fn(TaskHubBuilder) -> TaskHubBuilder,
    new: impl Fn(TaskHubBuilder) -> TaskHubBuilder + Send + Sync + 'static,
) -> (World, impl Fn()) {
    let is_new = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&is_new);
    let deploy = move |hub| if flag.load(Ordering::SeqCst) { new(hub) } else { old(hub) };
    let world = World::builder().hub(deploy).allows_stalls().without_leak_checks().build();
    let next = world.clone();
    let deploy = move || {
        is_new.store(true, Ordering::SeqCst);
        next.restart();
    };
    (world, deploy)
}

async fn finish(client: &Client, id: &InstanceId) -> String {
    let run = client.instance::<String, _>(id).unwrap();
    run.raise_event("Go", &()).await.unwrap();
    run.output().await.unwrap()
}

#[tokio::test]
async fn versions_live_side_by_side_and_instances_keep_theirs() {
    let (world, deploy) =
        deployments(|hub| hub.orchestrator(fees_1), |hub| hub.orchestrator(fees_1).orchestrator(fees_2));
    let client = world.client();
    let first = client.start("fees", ()).await.unwrap();
    deploy();
    let second = client.start("fees", ()).await.unwrap();
    let pinned = client.start("fees", ()).version("1.0").await.unwrap();
    assert_eq!(finish(&client, first.id()).await, "one 1.0");
    assert_eq!(finish(&client, second.id()).await, "two 2.0");
    assert_eq!(finish(&client, pinned.id()).await, "one 1.0");
    let by_function = client.start(fees_1, ()).await.unwrap();
    assert_eq!(finish(&client, by_function.id()).await, "one 1.0");
    let error = client.start("fees", ()).version("3.0").await.unwrap_err();
    assert!(matches!(error.kind(), ClientErrorKind::UnknownVersion { .. }), "{error:?}");
    assert_eq!(error.to_string(), "orchestrator 'fees' has no version '3.0'; registered are: 1.0, 2.0");
}

/// The deployment has lost the code of a version: its instances wait for it, or fail, as the hub says.
#[test]
fn an_instance_of_a_lost_version_waits_or_fails() {
    for strategy in [VersionMismatch::Reject, VersionMismatch::Fail] {
        let lost = move |hub: TaskHubBuilder| hub.orchestrator(fees_2).on_version_mismatch(strategy);
        let (world, deploy) = deployments(|hub| hub.orchestrator(fees_1), lost);
        let run = world.start(fees_1, ());
        deploy();
        run.raise("Go", &());
        let message = "orchestrator 'fees' has no version 1.0; registered are: 2.0";
        if strategy == VersionMismatch::Fail {
            let failure = run.failure();
            assert_eq!((failure.error_type.as_str(), failure.error_message.as_str()), ("VersionMismatch", message));
        } else {
            let status = run.status();
            assert_eq!(status.stalled.as_deref(), Some(message));
            assert_eq!(status.runtime_status, RuntimeStatus::Running);
        }
    }
}

/// A deployment leaves instances of later versions to later deployments.
#[tokio::test]
async fn a_worker_takes_only_what_its_strategy_says() {
    for world in worlds() {
        let strategy = |hub: TaskHubBuilder| hub.version("2.0").version_match(VersionMatch::CurrentOrOlder);
        let world =
            world.hub(move |hub| strategy(hub).on_version_mismatch(VersionMismatch::Fail)).allows_stalls().build();
        let client = world.client();
        let old = client.start(echo, "old".to_owned()).version("1.0").await.unwrap();
        assert_eq!(old.output().await.unwrap(), "old");
        let own = client.start(echo, "own".to_owned()).await.unwrap();
        assert_eq!(own.wait().await.unwrap().version, Version::new("2.0").ok());
        let later = client.start(echo, "later".to_owned()).version("3.0").await.unwrap();
        assert_eq!(later.output().await.unwrap_err().details().error_type, "VersionMismatch");
    }
}

#[tokio::test]
async fn a_delayed_start_waits_by_the_clock_of_the_hub() {
    for world in worlds() {
        const HOUR: Duration = Duration::from_secs(3_600);
        let world = world.build();
        let run = world.client().start(echo, "late".to_owned()).delay(HOUR).await.unwrap();
        let status = run.status().await.unwrap();
        assert_eq!(status.runtime_status, RuntimeStatus::Pending);
        assert_eq!(status.scheduled_start, Some(world.now().saturating_add(HOUR)));
        world.advance(HOUR - Duration::from_millis(1));
        assert_eq!(run.status().await.unwrap().runtime_status, RuntimeStatus::Pending);
        assert_eq!(run.output().await.unwrap(), "late");
        assert_eq!(world.elapsed(), HOUR);
    }
}

#[tokio::test]
async fn what_is_too_large_is_named_with_its_size() {
    for world in worlds() {
        let mut limits = Limits::default();
        limits.payload = Limit::new(10, 20);
        let world = world.hub(move |hub| hub.limits(limits)).build();
        let client = world.client();
        let error = client.start(echo, "x".repeat(30)).await.unwrap_err();
        assert_eq!(error.to_string(), "the input of orchestrator 'echo' has 32 bytes, more than the limit of 20");
        let run = client.start(waits, ()).await.unwrap();
        let error = run.raise_event("Go", &"x".repeat(30)).await.unwrap_err();
        assert_eq!(error.to_string(), "the payload of event 'Go' has 32 bytes, more than the limit of 20");
    }
}
