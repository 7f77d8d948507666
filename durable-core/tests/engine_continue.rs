//! Orchestrations that start over, in a world that lives and dies.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::time::Duration;

use durable_core::client::PendingActivity;
use durable_core::prelude::*;
use durable_testing::world::{Instance, WorldBuilder, chaos, on_every_store};
use durable_testing::{World, assert_history};
use futures_util::FutureExt;

const MINUTE: Duration = Duration::from_secs(60);

/// One instance at a time stays in memory.
fn cold(world: WorldBuilder) -> WorldBuilder {
    world.hub(|hub| hub.warm_instances(1))
}

fn open_calls<O>(world: &World, run: &Instance<O>) -> Vec<PendingActivity> {
    world.client().activities(run.id()).now_or_never().unwrap().unwrap().unwrap()
}

#[activity]
async fn add_one(n: u64) -> u64 {
    n + 1
}

#[test]
fn a_hundred_generations_leave_one_history() {
    #[orchestrator]
    async fn counts(ctx: OrchestrationContext, n: u64) -> Result<Next<String, u64>, OrchestratorError> {
        assert_eq!(u64::from(ctx.generation()), n);
        let n = ctx.call_activity(add_one, n).await?;
        if n == 50 {
            ctx.wait_for_external_event::<()>("half").await?;
        }
        Ok(if n == 100 { Next::Complete(n.to_string()) } else { Next::continue_as_new(n) })
    }
    on_every_store(|world| {
        let world = cold(world).orchestrator(counts).activity(add_one).build();
        let run = world.start_as("c", counts, 0);
        let half = run.status();
        assert_eq!((half.generation, half.runtime_status, half.output), (49, RuntimeStatus::Running, None));
        run.raise("half", &());
        assert_eq!(run.output(), "100");
        let end = run.status();
        assert_eq!(end.generation, 99);
        assert_ne!(half.execution_id, end.execution_id);
        assert_history!(run, [ExecutionStarted("counts", 99), TaskScheduled, TaskCompleted, ExecutionCompleted]);
    });
}

/// Takes one item in each generation, and one of another name at its end.
#[orchestrator]
async fn collects(ctx: OrchestrationContext, seen: Vec<u64>) -> Result<Next<Vec<u64>, Vec<u64>>, OrchestratorError> {
    let mut seen = seen;
    if ctx.generation() == 0 {
        for n in 0..4 {
            ctx.send_event(ctx.instance_id(), "item", &n)?;
        }
        ctx.send_event(ctx.instance_id(), "tail", &99)?;
    }
    seen.push(ctx.wait_for_external_event("item").await?);
    if seen.len() == 8 {
        seen.push(ctx.wait_for_external_event("tail").await?);
        return Ok(Next::Complete(seen));
    }
    Ok(Next::continue_as_new(seen))
}

/// No event is lost, none comes twice, and their order stays.
#[test]
fn unread_events_come_through_whatever_happens() {
    let story = |world: WorldBuilder| {
        let world = cold(world).orchestrator(collects).build();
        let run = world.start_as("root", collects, vec![]);
        (4..8).for_each(|n| run.raise("item", &n));
        run.output()
    };
    assert_eq!(on_every_store(story), [0, 1, 2, 3, 4, 5, 6, 7, 99]);
    chaos::every_crash_point(story);
    chaos::every_crash_point(|world| story(world.sqlite()));
}

#[test]
fn unread_events_can_be_left_behind() {
    #[orchestrator]
    async fn discards(ctx: OrchestrationContext, round: u64) -> Result<Next<u64, u64>, OrchestratorError> {
        ctx.wait_for_external_event::<()>("go").await?;
        if round == 0 {
            return Ok(ContinueAsNew::new(1).discard_unread_events().into());
        }
        Ok(Next::Complete(ctx.wait_for_external_event("other").await?))
    }
    on_every_store(|world| {
        let world = cold(world).orchestrator(discards).build();
        let run = world.start(discards, 0);
        run.raise("other", &1);
        run.raise("go", &());
        assert_eq!(run.status().generation, 1);
        run.raise("other", &2);
        run.raise("go", &());
        assert_eq!(run.output(), 2);
    });
}

#[test]
fn the_next_execution_may_have_other_code() {
    #[orchestrator(name = "evolves", version = "1.0")]
    async fn evolves_1(ctx: OrchestrationContext, n: u64) -> Result<Next<String, u64>, OrchestratorError> {
        ctx.wait_for_external_event::<()>("go").await?;
        Ok(ContinueAsNew::new(n + 1).version("2.0")?.into())
    }
    #[orchestrator(name = "evolves", version = "2.0")]
    async fn evolves_2(ctx: OrchestrationContext, n: u64) -> Result<String, OrchestratorError> {
        ctx.wait_for_external_event::<()>("go").await?;
        Ok(format!("{n} in {:?}", ctx.version().map(ToString::to_string)))
    }
    on_every_store(|world| {
        let world = world.orchestrator(evolves_1).orchestrator(evolves_2).build();
        let _ = world.start_as("e", evolves_1, 1);
        let run = world.instance::<String>("e");
        run.raise("go", &());
        assert_eq!(run.status().generation, 1);
        world.crash();
        run.raise("go", &());
        assert_eq!(run.output(), "2 in Some(\"2.0\")");
        assert_eq!(run.status().version.unwrap().as_str(), "2.0");
    });
}

/// The result of a child of an earlier execution is none of a later one's, and their ids differ.
#[test]
fn a_child_of_an_earlier_execution_is_terminated() {
    #[orchestrator]
    async fn kid(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
        ctx.wait_for_external_event("go").await
    }
    #[orchestrator]
    async fn parent(ctx: OrchestrationContext, old: Vec<String>) -> Result<Next<u64, Vec<String>>, OrchestratorError> {
        let call = ctx.call_sub_orchestrator(kid, ());
        let id = call.instance_id().unwrap().to_string();
        ctx.set_custom_status(&id)?;
        if old.is_empty() {
            ctx.wait_for_external_event::<()>("next").await?;
            return Ok(Next::continue_as_new(vec![id]));
        }
        assert_ne!(old, [id]);
        Ok(Next::Complete(call.await?))
    }
    on_every_store(|world| {
        let world = cold(world).orchestrator(kid).orchestrator(parent).without_leak_checks().build();
        let run = world.start(parent, vec![]);
        let child = || world.instance::<u64>(&run.custom_status::<String>().unwrap());
        let old = child();
        run.raise("next", &());
        assert_eq!(old.runtime_status(), RuntimeStatus::Terminated);
        let new = child();
        assert_ne!(new.id(), old.id());
        new.raise("go", &6_u64);
        assert_eq!(run.output(), 6);
    });
}

/// The end of a child becomes durable just before the turn that ends its parent's execution, which has not read of it. The next
/// execution has a child with the same number.
#[test]
fn the_end_of_a_child_that_comes_too_late_is_none_of_the_next_execution() {
    #[orchestrator]
    async fn kid(ctx: OrchestrationContext, round: u64) -> Result<u64, OrchestratorError> {
        ctx.wait_for_external_event::<()>("end").await?;
        Ok(round)
    }
    #[orchestrator]
    async fn parent(ctx: OrchestrationContext, round: u64) -> Result<Next<u64, u64>, OrchestratorError> {
        let child = ctx.call_sub_orchestrator(kid, round).id(format!("kid-{round}"));
        if round == 0 {
            ctx.wait_for_external_event::<()>("next").await?;
            return Ok(Next::continue_as_new(1));
        }
        Ok(Next::Complete(child.await?))
    }
    on_every_store(|world| {
        let world = world.orchestrator(kid).orchestrator(parent).without_leak_checks().build();
        let run = world.start_as("p", parent, 0);
        let client = world.client();
        // Both turns are in one commit, that of the child first.
        world.run_inside(async {
            let (kid, parent) = (client.instance::<u64, _>("kid-0").unwrap(), client.instance::<u64, _>("p").unwrap());
            let (kid, parent) = futures_util::join!(kid.raise_event("end", &()), parent.raise_event("next", &()));
            kid.unwrap();
            parent.unwrap();
        });
        assert_eq!((run.status().generation, run.runtime_status()), (1, RuntimeStatus::Running));
        world.instance::<u64>("kid-1").raise("end", &());
        assert_eq!(run.output(), 1);
    });
}

/// A detached call of an earlier execution goes on, and its result is none of the later one's.
#[test]
fn a_detached_call_outlives_its_execution() {
    #[orchestrator]
    async fn detaches(ctx: OrchestrationContext, round: u64) -> Result<Next<u64, u64>, OrchestratorError> {
        let call = ctx.call_activity::<_, &str>("slow", round);
        if round == 0 {
            call.detach();
            return Ok(Next::continue_as_new(1));
        }
        Ok(Next::Complete(call.await?))
    }
    on_every_store(|world| {
        let world = cold(world).orchestrator(detaches).build();
        let slow = world.mock_named("slow");
        slow.answers(|n, _| Ok::<_, ActivityError>(n)).takes(MINUTE);
        let run = world.start_as("d", detaches, 0);
        assert_eq!(slow.inputs(), [0, 1]);
        world.advance(MINUTE / 2);
        world.crash();
        assert_eq!(slow.calls().iter().filter(|call| call.delivery == 2).count(), 2, "both are made again");
        assert_eq!(run.output(), 1);
        assert_eq!(world.elapsed(), MINUTE + MINUTE / 2);
        assert_eq!(open_calls(&world, &run), []);
        slow.assert_called(4);
    });
}

/// The result of a detached call comes while the turn is written that ends its execution: its row goes away nevertheless.
#[test]
fn a_result_that_comes_with_the_end_of_its_execution_leaves_nothing() {
    #[orchestrator]
    async fn hurries(ctx: OrchestrationContext, round: u64) -> Result<Next<u64, u64>, OrchestratorError> {
        if round == 0 {
            let call: durable_core::orchestration::ActivityCall<()> = ctx.call_activity("slow", round);
            call.detach();
            ctx.wait_for_external_event::<()>("next").await?;
            return Ok(Next::continue_as_new(1));
        }
        ctx.wait_for_external_event::<()>("end").await?;
        Ok(Next::Complete(round))
    }
    // The commit of the turn is made again after 10 ms: the result comes before it, meanwhile, and after it.
    for takes in [0, 1, 5, 9, 10, 11] {
        on_every_store(|world| {
            let world = cold(world).orchestrator(hurries).build();
            world.mock_named("slow").returns(serde_json::Value::Null).takes(MINUTE + Duration::from_millis(takes));
            let run = world.start_as("h", hurries, 0);
            world.advance(MINUTE);
            // One for the event, and one for the turn.
            world.faults().fail(world.faults().commits() + 2);
            run.raise("next", &());
            world.advance(MINUTE);
            assert_eq!(run.status().generation, 1);
            assert_eq!(open_calls(&world, &run), []);
            run.raise("end", &());
            assert_eq!(run.output(), 1);
        });
    }
}
