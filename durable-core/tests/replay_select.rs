//! `select!`: the same winner in every replay, and losers that are gone before the winner's body runs.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use durable_core::history::EventKind;
use durable_core::prelude::*;
use durable_testing::Script;
use durable_testing::events::{completed, fired, raised};
use futures_util::{FutureExt, pin_mut, select_biased};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

#[activity]
async fn work(n: u64) -> u64 {
    n
}

/// The script replays cold after each turn; this adds all events in one turn.
fn ends_with(script: &Script, output: impl Into<serde_json::Value>) {
    assert_eq!(script.output(), Some(output.into()));
    assert_eq!(script.batched().unwrap().completion, script.outcome().completion);
}

#[orchestrator]
async fn race(ctx: OrchestrationContext) -> Result<String, OrchestratorError> {
    let go = "Go".to_owned();
    let text = select! {
        // A temporary lives as long as the future that borrows it.
        event = ctx.wait_for_external_event::<u64>(&go.clone()) => format!("event {}", event?),
        result = ctx.call_activity(work, 1) => {
            let n = result?;
            format!("activity {n}")
        }
        () = ctx.create_timer(SECOND) => "timer".to_owned(),
    };
    Ok(text)
}

#[test]
fn the_first_event_of_the_history_wins() {
    let events = [(raised("Go", 4), "event 4"), (completed(0, 5), "activity 5"), (fired(1), "timer")];
    for (first, winner) in &events {
        let mut apart = Script::new(race, ());
        assert_eq!(apart.calls(), ["#0 work 1", "#1 timer"]);
        apart.turn([first.clone()]);
        ends_with(&apart, *winner);

        let others = events.iter().map(|(event, _)| event).filter(|event| *event != first);
        let mut together = Script::new(race, ());
        together.turn([first].into_iter().chain(others).cloned());
        ends_with(&together, *winner);
    }
}

/// Everything is done before anybody looks.
#[orchestrator]
async fn tie(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    let (a, b, c) = (ctx.call_activity(work, 1), ctx.create_timer(SECOND), ctx.wait_for_external_event::<u64>("Go"));
    ctx.call_activity(work, 2).await?;
    select! {
        biased;
        n = c => n,
        () = b => Ok(0),
        n = a => n,
    }
}

#[test]
fn a_tie_is_decided_by_the_text() {
    let mut order: Vec<EventKind> = vec![completed(0, 1), fired(1), raised("Go", 3)];
    for _ in 0..order.len() {
        order.rotate_left(1);
        let mut script = Script::new(tie, ());
        for event in order.clone() {
            script.turn([event]);
        }
        script.complete(2, 2);
        ends_with(&script, 3);
    }
    let mut script = Script::new(tie, ());
    script.turn([completed(0, 1), fired(1), completed(2, 2)]);
    ends_with(&script, 0);
    assert_eq!(script.calls(), Vec::<String>::new());
}

struct Gone(Arc<AtomicBool>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[orchestrator]
async fn drops_first(ctx: OrchestrationContext) -> Result<String, OrchestratorError> {
    let gone = Arc::new(AtomicBool::new(false));
    let guard = Gone(Arc::clone(&gone));
    let event = ctx.wait_for_external_event::<String>("Go");
    let timer = ctx.create_timer(SECOND);
    ctx.call_activity(work, 1).await?;
    select! {
        () = timer => {
            assert!(gone.load(Ordering::Relaxed));
            // The event that the loser had received, and that nobody saw.
            ctx.wait_for_external_event::<String>("Go").await
        }
        event = async {
            let _guard = guard;
            ctx.call_activity(work, 2).await?;
            event.await
        } => event,
    }
}

#[test]
fn losers_are_gone_before_the_body_runs() {
    let mut script = Script::new(drops_first, ());
    script.raise("Go", "kept");
    script.turn([fired(0), completed(1, 1)]);
    ends_with(&script, "kept");
    assert_eq!(script.calls(), Vec::<String>::new(), "the second branch was never looked at");

    let mut script = Script::new(drops_first, ());
    script.complete(1, 1);
    assert_eq!(script.calls(), ["#2 work 2"]);
    script.fire(0);
    assert_eq!(script.calls(), ["-#2"]);
    script.raise("Go", "later");
    ends_with(&script, "later");
}

/// Every way out of a body.
#[orchestrator]
async fn flows(ctx: OrchestrationContext) -> Result<Vec<String>, OrchestratorError> {
    let mut deadline = ctx.create_timer(SECOND);
    let mut seen = Vec::new();
    let large = || OrchestratorError::msg("large");
    loop {
        let n = select! {
            text = ctx.wait_for_external_event::<String>("Word") => match text?.as_str() {
                "continue" => continue,
                "return" => return Ok(seen),
                "error" => Err(OrchestratorError::msg("told to"))?,
                word => word.len() as u64,
            },
            n = async { ctx.wait_for_external_event::<u64>("Number").await?.checked_mul(2).ok_or_else(large) } => {
                let n = n?;
                ctx.call_activity(work, n).await?
            }
            () = &mut deadline => break,
        };
        seen.push(n.to_string());
    }
    seen.push("late".to_owned());
    Ok(seen)
}

#[test]
fn bodies_steer_the_code_around_them() {
    let mut script = Script::new(flows, ());
    for (name, value) in [("Word", "continue"), ("Word", "four")] {
        script.raise(name, value);
    }
    script.raise("Number", 21);
    assert_eq!(script.calls(), ["#1 work 42"]);
    script.complete(1, 43);
    let received = script.history().iter().map(|record| &record.kind).filter(|kind| !kind.is_action());
    let received: Vec<_> = received.skip(1).cloned().collect();
    for (last, end) in [
        (fired(0), Ok(serde_json::json!(["4", "43", "late"]))),
        (raised("Word", "return"), Ok(serde_json::json!(["4", "43"]))),
        (raised("Word", "error"), Err("told to")),
        (raised("Number", u64::MAX), Err("large")),
    ] {
        let mut script = Script::new(flows, ());
        script.turn(received.iter().cloned().chain([last]));
        match end {
            Ok(output) => ends_with(&script, output),
            Err(message) => assert!(format!("{:?}", script.completion()).contains(message)),
        }
    }
}

#[orchestrator]
async fn twelve(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    let wait = |n: u64| ctx.wait_for_external_event::<u64>(&format!("E{n}"));
    select! {
        n = wait(1) => n, n = wait(2) => n, n = wait(3) => n, n = wait(4) => n, n = wait(5) => n, n = wait(6) => n,
        n = wait(7) => n, n = wait(8) => n, n = wait(9) => n, n = wait(10) => n, n = wait(11) => n, n = wait(12) => n
    }
}

#[test]
fn there_is_room_for_twelve_branches() {
    for n in 1..=12 {
        let mut script = Script::new(twelve, ());
        script.raise(&format!("e{n}"), n);
        ends_with(&script, n);
    }
}

#[orchestrator]
async fn alone_and_nested(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    let first = select! { n = ctx.call_activity(work, 1) => n? };
    let (second, third) = select! {
        pair = async { select! { n = ctx.call_activity(work, 2) => (n, first) } } => pair,
        () = ctx.create_timer(SECOND) => select! {
            n = ctx.call_activity(work, 3) => (n, 0),
        },
    };
    Ok(second? * 10 + third)
}

#[test]
fn one_branch_is_enough_and_selects_nest() {
    let mut script = Script::new(alone_and_nested, ());
    script.complete(0, 1);
    assert_eq!(script.calls(), ["#1 timer", "#2 work 2"]);
    script.fire(1);
    assert_eq!(script.calls(), ["#3 work 3", "-#2"]);
    script.complete(3, 7);
    ends_with(&script, 70);
}

/// Nothing is imported here, and every name that a macro could mean is taken.
mod a_place_of_its_own {
    #![allow(dead_code, non_camel_case_types, unused_variables, reason = "the names are only in the way")]

    mod std {}
    mod core {}
    mod durable {}
    struct Some;
    struct Ok;
    struct Err;
    struct Either;
    struct Future;
    struct IntoFuture;
    struct Poll;

    pub(crate) async fn run() -> (u8, (u8, u8), ::core::result::Result<(u8, u8), u8>) {
        let (future, winner, output, later, error) = (1_u8, 2_u8, 4_u8, 8_u8, 16_u8);
        let sum = durable_core::select! {
            output = async { future + output } => output + winner + later + error,
            later = ::core::future::pending::<u8>() => later,
        };
        let pair = durable_core::join!(async { output }, async { later },);
        let all = durable_core::try_join!(async { ::core::result::Result::Ok(output) }, async {
            ::core::result::Result::Err::<u8, u8>(error)
        });
        (sum, pair, all)
    }
}

#[test]
fn the_macros_need_no_import_and_take_no_name() {
    assert_eq!(a_place_of_its_own::run().now_or_never(), Some((31, (4, 8), Err(16))));
}

#[orchestrator]
async fn next_to_futures(ctx: OrchestrationContext) -> Result<String, OrchestratorError> {
    let (call, timer) = (ctx.call_activity(work, 1), ctx.create_timer(SECOND));
    let first = match select(call, timer).await {
        Either::Left((n, _)) => n?.to_string(),
        Either::Right(((), _)) => "timer".to_owned(),
    };
    let (call, timer) = (ctx.call_activity(work, 2).fuse(), ctx.create_timer(SECOND).fuse());
    pin_mut!(call, timer);
    let second = select_biased! {
        n = call => n?.to_string(),
        () = timer => "timer".to_owned(),
    };
    let third = select! {
        n = ctx.call_activity(work, 3) => n?.to_string(),
        () = ctx.create_timer(SECOND) => "timer".to_owned(),
    };
    Ok(format!("{first} {second} {third}"))
}

#[test]
fn the_combinators_of_futures_work_beside_it() {
    let mut script = Script::new(next_to_futures, ());
    script.turn([fired(1), completed(0, 1)]);
    script.turn([completed(2, 2), fired(3)]);
    script.turn([fired(5), completed(4, 4)]);
    ends_with(&script, "timer 2 timer");
}
