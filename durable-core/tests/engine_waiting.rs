//! Rule 4: who waits is woken, and what is sent is kept or refused.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::sync::Mutex;
use std::task::{Poll, Waker};
use std::time::Duration;

use durable_core::prelude::*;
use durable_core::worker::EventOrder;
use durable_testing::World;
use durable_testing::world::on_every_store;
use futures_util::FutureExt;

#[orchestrator]
async fn collects(ctx: OrchestrationContext, n: usize) -> Result<Vec<u64>, OrchestratorError> {
    let mut seen = Vec::new();
    for _ in 0..n {
        seen.push(ctx.wait_for_external_event("number").await?);
    }
    Ok(seen)
}

/// Trap 5: events sent right behind the start, before the code could wait for them, arrive once and in order.
#[test]
fn events_sent_before_the_first_turn_are_kept() {
    on_every_store(|world| {
        let world = world.orchestrator(collects).build();
        let client = world.client();
        for round in 0..20 {
            let id = format!("r-{round}");
            world.run_inside(async {
                let run = client.start(collects, 50).id(&*id).await.unwrap();
                for n in 0..50_u64 {
                    run.raise_event("Number", &n).await.unwrap();
                }
            });
            let run = world.instance::<Vec<u64>>(&id);
            assert_eq!(run.output(), (0..50).collect::<Vec<_>>());
            assert_eq!(run.history().iter().filter(|event| event.kind.name() == "EventRaised").count(), 50);
        }
    });
}

/// Events from many senders arrive once each.
///
/// This is a hub on several threads, since a world has one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_of_many_senders_arrive_once() {
    let hub = TaskHub::builder().backend(Memory::new()).orchestrator(collects).warm_instances(1).start().await.unwrap();
    let run = hub.client().start(collects, 200).await.unwrap();
    let other = hub.client().start(collects, 1).await.unwrap();
    let senders = (0..200_u64).map(|n| {
        let (run, other) = (run.clone(), other.clone());
        tokio::spawn(async move {
            run.raise_event("number", &n).await.unwrap();
            // Makes the two instances push each other out of memory.
            let _ = other.raise_event("noise", &n).await;
        })
    });
    for sender in senders.collect::<Vec<_>>() {
        sender.await.unwrap();
    }
    let mut seen = run.output().await.unwrap();
    seen.sort_unstable();
    assert_eq!(seen, (0..200).collect::<Vec<_>>());
}

/// Any number of clients may wait, before and after the end; each gets the same answer.
#[test]
fn every_waiting_client_is_woken() {
    on_every_store(|world| {
        let world = world.orchestrator(collects).build();
        let client = world.client();
        let outputs = world.run_inside(async {
            let run = client.start(collects, 1).await.unwrap();
            let waiting = (0..50).map(|_| {
                let run = run.clone();
                async move { run.output().await.unwrap() }
            });
            let mut waiting = std::pin::pin!(join_all(waiting));
            assert!(futures_util::poll!(waiting.as_mut()).is_pending());
            run.raise_event("number", &7_u64).await.unwrap();
            let mut outputs = waiting.await;
            outputs.push(run.output().await.unwrap());
            outputs
        });
        assert_eq!(outputs, vec![vec![7]; 51]);
        assert_eq!(world.elapsed(), Duration::ZERO);
    });
}

/// A wait ends at its time with the state of that moment.
#[test]
fn a_wait_ends_at_its_timeout() {
    const TIMEOUT: Duration = Duration::from_secs(10);
    on_every_store(|world| {
        let world = world.orchestrator(collects).build();
        let client = world.client();
        let status = world.run_inside(async {
            let run = client.start(collects, 1).await.unwrap();
            run.wait_timeout(TIMEOUT).await.unwrap()
        });
        assert_eq!(status.runtime_status, RuntimeStatus::Running);
        assert_eq!(world.elapsed(), TIMEOUT);
    });
}

/// A hub that shuts down tells those who wait, and refuses what comes after.
///
/// The clients and handles of a world find its next process, so this is a hub.
#[tokio::test]
async fn a_shutdown_wakes_the_waiting_and_refuses_the_rest() {
    let hub = TaskHub::builder().backend(Memory::new()).orchestrator(collects).start().await.unwrap();
    let run = hub.client().start(collects, 1).await.unwrap();
    run.wait_for_start().await.unwrap();
    let mut waiting = std::pin::pin!(run.wait());
    assert!(futures_util::poll!(waiting.as_mut()).is_pending());
    hub.shutdown().await.unwrap();
    assert!(waiting.await.unwrap_err().is_shut_down());
    assert!(run.raise_event("number", &1).await.unwrap_err().is_shut_down());
    assert!(hub.client().start(collects, 1).await.unwrap_err().is_shut_down());
    hub.shutdown().await.unwrap();
}

/// Trap 6: an instance that has not run yet can be terminated, and its code never runs.
#[test]
fn a_pending_instance_can_be_terminated() {
    #[orchestrator]
    async fn never(_ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
        Ok(())
    }
    on_every_store(|world| {
        let world = world.orchestrator(never).build();
        let code = world.mock_orchestrator(never);
        let run = world.started(world.client().start(never, ()).delay(Duration::from_secs(60)));
        assert_eq!(run.runtime_status(), RuntimeStatus::Pending);
        run.terminate("not needed");
        let status = run.status();
        assert_eq!(status.runtime_status, RuntimeStatus::Terminated);
        assert_eq!(status.termination_reason.as_deref(), Some("not needed"));
        code.assert_never_called();
    });
    // Both messages are on their way before the first turn.
    on_every_store(|world| {
        let world = world.orchestrator(never).build();
        let client = world.client();
        let (terminated, status) = world.run_inside(async {
            let run = client.start(never, ()).await.unwrap();
            join(run.terminate("not needed").into_future(), run.wait()).await
        });
        let status = status.unwrap();
        match terminated {
            Ok(()) if status.runtime_status == RuntimeStatus::Terminated => {
                assert_eq!(status.termination_reason.as_deref(), Some("not needed"));
            }
            // It was quicker: then it has completed, and nothing else.
            Ok(()) => assert_eq!(status.runtime_status, RuntimeStatus::Completed),
            Err(error) => assert!(error.is_finished()),
        }
    });
}

static FOREIGN: Mutex<Option<Waker>> = Mutex::new(None);

#[orchestrator]
async fn waits_for_a_stranger(ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
    let event = ctx.wait_for_external_event::<()>("never");
    let stranger = std::future::poll_fn(|cx| {
        *FOREIGN.lock().unwrap() = Some(cx.waker().clone());
        Poll::<()>::Pending
    });
    let _ = select(event, stranger).await;
    Ok(())
}

/// A foreign wake between turns fails the instance at once, not when something durable happens one day.
#[test]
fn a_foreign_wake_fails_the_instance_at_once() {
    let world = World::builder().orchestrator(waits_for_a_stranger).allows_stalls().without_replay_checks().build();
    let run = world.start(waits_for_a_stranger, ());
    assert_eq!(run.runtime_status(), RuntimeStatus::Running);
    FOREIGN.lock().unwrap().take().unwrap().wake();
    world.run_until_blocked();
    assert!(run.is_finished());
    assert_eq!(run.failure().error_type, "ForeignAwait");
}

/// The ordinary mistake: a sleep that is not durable, hidden in a helper where the macro cannot see it.
#[test]
fn awaiting_the_runtime_fails_in_the_same_turn() {
    async fn helper() {
        tokio::time::sleep(Duration::from_secs(3600)).await;
    }
    #[orchestrator]
    async fn naps(_ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
        helper().await;
        Ok(())
    }
    let world = World::builder().orchestrator(naps).allows_stalls().build();
    let run = world.start(naps, ());
    assert!(run.is_finished());
    let failure = run.failure();
    assert_eq!(failure.error_type, "ForeignAwait");
    assert!(failure.to_string().contains("ctx.create_timer"), "{failure}");
}

#[orchestrator]
async fn two_waits(ctx: OrchestrationContext) -> Result<(u64, u64), OrchestratorError> {
    let first = ctx.wait_for_external_event::<u64>("Go");
    let second = ctx.wait_for_external_event::<u64>("Go");
    Ok((first.await?, second.await?))
}

/// The first of two events goes to the older wait, or to the newer one, as the hub says; also after a replay.
#[test]
fn the_hub_says_which_of_two_waits_comes_first() {
    for (order, expected) in [(EventOrder::OldestWait, (1, 2)), (EventOrder::NewestWait, (2, 1))] {
        on_every_store(|world| {
            let world = world.orchestrator(two_waits).hub(move |hub| hub.event_order(order)).build();
            let run = world.start(two_waits, ());
            run.raise("Go", &1);
            world.restart();
            run.raise("Go", &2);
            assert_eq!(run.output(), expected, "{order:?}");
        });
    }
}

/// What is sent to one that has ended is refused.
#[test]
fn a_finished_instance_takes_no_messages() {
    on_every_store(|world| {
        let world = world.orchestrator(collects).build();
        let run = world.start(collects, 0);
        assert_eq!(run.output(), [0; 0]);
        let client = world.client();
        let sent = client.raise_event(run.id(), "number", &1).now_or_never().unwrap();
        assert!(sent.unwrap_err().is_finished());
    });
}
