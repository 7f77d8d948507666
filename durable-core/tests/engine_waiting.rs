//! Rule 4: who waits is woken, and what is sent is kept or refused.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::sync::Mutex;
use std::task::{Poll, Waker};
use std::time::Duration;

use durable_core::prelude::*;
use durable_core::worker::EventOrder;
use durable_testing::VirtualClock;
use support::{history, names};

#[orchestrator]
async fn collects(ctx: OrchestrationContext, n: usize) -> Result<Vec<u64>, OrchestratorError> {
    let mut seen = Vec::new();
    for _ in 0..n {
        seen.push(ctx.wait_for_external_event("number").await?);
    }
    Ok(seen)
}

/// Trap 5: events sent right behind the start, before the code could wait for them, arrive once and in order.
#[tokio::test]
async fn events_sent_before_the_first_turn_are_kept() {
    let hub = TaskHub::builder().backend(Memory::new()).orchestrator(collects).start().await.unwrap();
    for round in 0..20 {
        let run = hub.client().start(collects, 50).id(format!("r-{round}")).await.unwrap();
        for n in 0..50_u64 {
            run.raise_event("Number", &n).await.unwrap();
        }
        assert_eq!(run.output().await.unwrap(), (0..50).collect::<Vec<_>>());
        assert_eq!(names(&history(&hub, run.id()).await).iter().filter(|name| **name == "EventRaised").count(), 50);
    }
}

/// Events from many senders arrive once each.
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
#[tokio::test]
async fn every_waiting_client_is_woken() {
    let hub = TaskHub::builder().backend(Memory::new()).orchestrator(collects).start().await.unwrap();
    let run = hub.client().start(collects, 1).await.unwrap();
    let waiting = (0..50).map(|_| {
        let run = run.clone();
        tokio::spawn(async move { run.output().await.unwrap() })
    });
    let waiting: Vec<_> = waiting.collect();
    run.raise_event("number", &7_u64).await.unwrap();
    for client in waiting {
        assert_eq!(client.await.unwrap(), [7]);
    }
    assert_eq!(run.output().await.unwrap(), [7]);
}

/// A wait ends at its time with the state of that moment.
#[tokio::test]
async fn a_wait_ends_at_its_timeout() {
    let clock = VirtualClock::new();
    let hub =
        TaskHub::builder().backend(Memory::new()).orchestrator(collects).clock(clock.clone()).start().await.unwrap();
    let run = hub.client().start(collects, 1).await.unwrap();
    let mut waiting = std::pin::pin!(run.wait_timeout(Duration::from_secs(10)));
    assert!(futures_util::poll!(waiting.as_mut()).is_pending());
    clock.advance(Duration::from_secs(11));
    assert!(!waiting.await.unwrap().runtime_status.is_terminal());
}

/// A hub that shuts down tells those who wait, and refuses what comes after.
#[tokio::test]
async fn a_shutdown_wakes_the_waiting_and_refuses_the_rest() {
    let hub = TaskHub::builder().backend(Memory::new()).orchestrator(collects).start().await.unwrap();
    let run = hub.client().start(collects, 1).await.unwrap();
    let waiting = tokio::spawn({
        let run = run.clone();
        async move { run.wait().await.unwrap_err() }
    });
    while run.status().await.unwrap().runtime_status == RuntimeStatus::Pending {
        tokio::task::yield_now().await;
    }
    hub.shutdown().await.unwrap();
    assert!(waiting.await.unwrap().is_shut_down());
    assert!(run.raise_event("number", &1).await.unwrap_err().is_shut_down());
    assert!(hub.client().start(collects, 1).await.unwrap_err().is_shut_down());
    hub.shutdown().await.unwrap();
}

/// Trap 6: an instance that has not run yet can be terminated, and its code never runs.
#[tokio::test]
async fn a_pending_instance_can_be_terminated() {
    #[orchestrator]
    async fn never(_ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
        Ok(())
    }
    let hub = TaskHub::builder().backend(Memory::new()).orchestrator(collects).orchestrator(never);
    let hub = hub.max_concurrent_turns(1).start().await.unwrap();
    // One thread runs this test and the hub, so both messages are there before the first turn.
    let client = hub.client();
    let run = client.start(never, ()).await.unwrap();
    let (terminated, status) = join(run.terminate("not needed").into_future(), run.wait()).await;
    let status = status.unwrap();
    match terminated {
        Ok(()) if status.runtime_status == RuntimeStatus::Terminated => {
            assert_eq!(status.termination_reason.as_deref(), Some("not needed"));
        }
        // It was quicker: then it has completed, and nothing else.
        Ok(()) => assert_eq!(status.runtime_status, RuntimeStatus::Completed),
        Err(error) => assert!(error.is_finished()),
    }
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
#[tokio::test]
async fn a_foreign_wake_fails_the_instance_at_once() {
    let hub = TaskHub::builder().backend(Memory::new()).orchestrator(waits_for_a_stranger).start().await.unwrap();
    let run = hub.client().start(waits_for_a_stranger, ()).await.unwrap();
    while run.status().await.unwrap().runtime_status == RuntimeStatus::Pending {
        tokio::task::yield_now().await;
    }
    FOREIGN.lock().unwrap().take().unwrap().wake();
    let status = run.wait().await.unwrap();
    assert_eq!(status.failure.unwrap().error_type, "ForeignAwait");
}

/// The ordinary mistake: a sleep that is not durable, hidden in a helper where the macro cannot see it.
#[tokio::test]
async fn awaiting_the_runtime_fails_in_the_same_turn() {
    async fn helper() {
        tokio::time::sleep(Duration::from_secs(3600)).await;
    }
    #[orchestrator]
    async fn naps(_ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
        helper().await;
        Ok(())
    }
    let hub = TaskHub::builder().backend(Memory::new()).orchestrator(naps).start().await.unwrap();
    let error = hub.client().start(naps, ()).await.unwrap().output().await.unwrap_err();
    assert_eq!(error.details().error_type, "ForeignAwait");
    assert!(error.to_string().contains("ctx.create_timer"), "{error}");
}

#[orchestrator]
async fn two_waits(ctx: OrchestrationContext) -> Result<(u64, u64), OrchestratorError> {
    let first = ctx.wait_for_external_event::<u64>("Go");
    let second = ctx.wait_for_external_event::<u64>("Go");
    Ok((first.await?, second.await?))
}

/// The first of two events goes to the older wait, or to the newer one, as the hub says; also after a replay.
#[tokio::test]
async fn the_hub_says_which_of_two_waits_comes_first() {
    for (order, expected) in [(EventOrder::OldestWait, (1, 2)), (EventOrder::NewestWait, (2, 1))] {
        let store = Memory::new();
        let hub = || TaskHub::builder().backend(store.clone()).orchestrator(two_waits).event_order(order);
        let first = hub().start().await.unwrap();
        let run = first.client().start(two_waits, ()).id("x").await.unwrap();
        run.raise_event("Go", &1).await.unwrap();
        run.wait_for_start().await.unwrap();
        first.shutdown().await.unwrap();
        let second = hub().start().await.unwrap();
        let run = second.client().instance::<(u64, u64), _>("x").unwrap();
        run.raise_event("Go", &2).await.unwrap();
        assert_eq!(run.output().await.unwrap(), expected, "{order:?}");
        second.shutdown().await.unwrap();
    }
}
