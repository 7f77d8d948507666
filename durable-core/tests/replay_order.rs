//! Traps of ordering: what combinators see must not depend on how completions were batched.

use durable_core::history::Completion;
use durable_core::prelude::*;
use durable_testing::Script;
use durable_testing::events::{completed, fired};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use std::time::Duration;

#[activity]
async fn work(n: u64) -> u64 {
    n
}

#[orchestrator]
async fn race(ctx: OrchestrationContext) -> Result<String, OrchestratorError> {
    let call = ctx.call_activity(work, 1);
    let timer = ctx.create_timer(Duration::from_secs(1));
    Ok(match select(call, timer).await {
        Either::Left((result, _)) => format!("activity {}", result?),
        Either::Right(((), _)) => "timer".to_owned(),
    })
}

/// Trap 1.
#[test]
fn select_has_the_same_winner_live_batched_and_cold() {
    for (first, second, winner) in [(completed(0, 5), fired(1), "activity 5"), (fired(1), completed(0, 5), "timer")] {
        let mut apart = Script::new(race, ());
        apart.turn([first.clone()]);
        assert_eq!(apart.output(), Some(winner.into()));

        let mut together = Script::new(race, ());
        together.turn([first, second]);
        assert_eq!(together.output(), Some(winner.into()));
        let batched = together.batched().unwrap();
        assert!(matches!(batched.completion, Some((_, Completion::Completed(text))) if text.as_str().contains(winner)));
    }
}

#[orchestrator]
async fn fan_out(ctx: OrchestrationContext, n: u64) -> Result<u64, OrchestratorError> {
    Ok(try_join_all((0..n).map(|i| ctx.call_activity(work, i))).await?.into_iter().sum())
}

/// Trap 3: `join_all` changes its implementation above 30 futures, and hangs there without real wakers.
#[test]
fn join_all_completes_at_2_31_and_1000() {
    for n in [2, 31, 1000] {
        let mut script = Script::new(fan_out, n);
        assert_eq!(script.outcome().actions.len(), n as usize);
        let middle = n as u32 / 2;
        script.turn((0..middle).map(|i| completed(i, i)));
        script.turn((middle..n as u32).rev().map(|i| completed(i, i)));
        assert_eq!(script.output(), Some((0..n).sum::<u64>().into()));
    }
}

#[orchestrator]
async fn unordered(ctx: OrchestrationContext) -> Result<Vec<u64>, OrchestratorError> {
    let calls: FuturesUnordered<_> = (0..2).map(|i| ctx.call_activity(work, i)).collect();
    Ok(calls.filter_map(|result| async { result.ok() }).collect().await)
}

/// Trap 3.
#[test]
fn futures_unordered_of_two_completes_in_the_order_of_the_history() {
    let mut script = Script::new(unordered, ());
    script.complete(1, 11);
    script.complete(0, 10);
    assert_eq!(script.output(), Some(serde_json::json!([11, 10])));
    let batched = script.batched().unwrap();
    assert!(matches!(batched.completion, Some((_, Completion::Completed(list))) if list.as_str() == "[11,10]"));
}

#[orchestrator]
async fn nested(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    let chain = |start: u64| {
        let ctx = ctx.clone();
        async move {
            let next = ctx.call_activity(work, start).await?;
            ctx.call_activity(work, next).await
        }
    };
    let (a, b) = try_join(chain(1), chain(2)).await?;
    Ok(a + b)
}

#[test]
fn async_blocks_run_side_by_side() {
    let mut script = Script::new(nested, ());
    assert_eq!(script.calls(), ["#0 work 1", "#1 work 2"]);
    script.complete(1, 20);
    assert_eq!(script.calls(), ["#2 work 20"]);
    script.complete(0, 10);
    assert_eq!(script.calls(), ["#3 work 10"]);
    script.turn([completed(3, 1), completed(2, 2)]);
    assert_eq!(script.output(), Some(3.into()));
}

#[orchestrator]
async fn out_of_order(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    let first = ctx.call_activity(work, 1);
    let second = ctx.call_activity(work, 2);
    let b = second.await?;
    let a = first.await?;
    Ok(a * 100 + b)
}

/// Ids are given out at the call, never at the first poll.
#[test]
fn ids_follow_the_calls_and_not_the_awaits() {
    let mut script = Script::new(out_of_order, ());
    assert_eq!(script.calls(), ["#0 work 1", "#1 work 2"]);
    script.turn([completed(0, 1), completed(1, 2)]);
    assert_eq!(script.output(), Some(102.into()));
}

/// Traps 2 and 11.
#[test]
fn a_second_completion_of_the_same_call_is_ignored() {
    let mut script = Script::new(out_of_order, ());
    script.turn([completed(0, 1), completed(0, 7)]);
    script.turn([completed(0, 8), completed(1, 2), completed(1, 9)]);
    assert_eq!(script.output(), Some(102.into()));
}
