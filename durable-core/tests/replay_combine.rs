//! Combinators: the same result live, batched and cold; who is waited for, and who is cancelled.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use durable_core::history::Completion;
use durable_core::model::FailureDetails;
use durable_core::prelude::*;
use durable_testing::Script;
use durable_testing::events::{completed, failed, fired};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

#[activity]
async fn work(n: u64) -> u64 {
    n
}

fn failure(message: &str) -> FailureDetails {
    FailureDetails::new("Test", message)
}

/// The script replays cold after each turn; this adds all events in one turn.
fn ends_with(script: &Script, output: impl Into<serde_json::Value>) {
    assert_eq!(script.output(), Some(output.into()));
    assert_eq!(script.batched().unwrap().completion, script.outcome().completion);
}

fn fails_with(script: &Script, message: &str) {
    let completion = script.completion();
    assert!(
        matches!(completion, Some(Completion::Failed(failure)) if format!("{failure:#?}").contains(message)),
        "{completion:?}"
    );
    assert_eq!(script.batched().unwrap().completion, script.outcome().completion);
}

fn no_calls() -> Vec<String> {
    Vec::new()
}

#[orchestrator]
async fn joins(ctx: OrchestrationContext) -> Result<String, OrchestratorError> {
    let work = |n| ctx.call_activity(work, n);
    let text = ctx.wait_for_external_event::<String>("Text");
    let (a, (), text) = join!(work(1), ctx.create_timer(SECOND), text);
    let (one,) = join!(work(2));
    let (b, c) = try_join!(work(3), work(4),)?;
    let (two,) = try_join!(work(5))?;
    Ok(format!("{} {} {} {b} {c} {two}", a.is_err(), text?, one?))
}

#[test]
fn joins_wait_for_all_also_when_one_fails() {
    let mut script = Script::new(joins, ());
    assert_eq!(script.calls(), ["#0 work 1", "#1 timer"]);
    script.fail(0, failure("no"));
    script.raise("Text", "text");
    assert_eq!(script.completion(), None);
    script.fire(1);
    assert_eq!(script.calls(), ["#2 work 2"]);
    script.complete(2, 20);
    assert_eq!(script.calls(), ["#3 work 3", "#4 work 4"]);
    script.turn([completed(4, 40), completed(3, 30)]);
    script.complete(5, 50);
    ends_with(&script, "true text 20 30 40 50");
}

#[orchestrator]
async fn twelve(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    let w = |n| ctx.call_activity(work, n);
    let (a, b, c, d, e, f, g, h, i, j, k, l) =
        join!(w(0), w(1), w(2), w(3), w(4), w(5), w(6), w(7), w(8), w(9), w(10), w(11));
    let sum: u64 = [a?, b?, c?, d?, e?, f?, g?, h?, i?, j?, k?, l?].iter().sum();
    let (a, b, c, d, e, f, g, h, i, j, k, l) =
        try_join!(w(0), w(1), w(2), w(3), w(4), w(5), w(6), w(7), w(8), w(9), w(10), w(11))?;
    Ok(sum + [a, b, c, d, e, f, g, h, i, j, k, l].iter().sum::<u64>())
}

#[test]
fn there_is_room_for_twelve() {
    let mut script = Script::new(twelve, ());
    let calls: Vec<_> = (0..12).map(|n| format!("#{n} work {n}")).collect();
    assert_eq!(script.calls(), calls, "made in the order of the text");
    script.turn((0..12).rev().map(|n| completed(n, n)));
    script.turn((12..24).rev().map(|n| completed(n, n)));
    ends_with(&script, 276);
}

#[orchestrator]
async fn tries(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    let (a, b, c) = (ctx.call_activity(work, 1), ctx.call_activity(work, 2), ctx.call_activity(work, 3));
    ctx.wait_for_external_event::<()>("Go").await?;
    match try_join!(a, b, c) {
        Ok((a, b, c)) => Ok(a + b + c),
        Err(error) => ctx.call_activity(work, format!("{error:#}").len() as u64).await,
    }
}

#[test]
fn the_first_failure_ends_a_try_join_and_cancels_the_others() {
    let mut script = Script::new(tries, ());
    script.raise("Go", ());
    script.fail(1, failure(""));
    let [call, canceled @ ..] = &script.calls()[..] else { panic!("no call") };
    assert!(call.starts_with("#3 work "));
    assert_eq!(canceled, ["-#0", "-#2"]);

    // Both have failed before anybody looks: the text decides.
    let mut script = Script::new(tries, ());
    script.turn([failed(2, failure("a long text")), failed(1, failure("short"))]);
    script.raise("Go", ());
    let length = "activity 'work' failed: short".len();
    assert_eq!(script.calls(), [format!("#3 work {length}"), "-#0".to_owned()]);
    script.complete(3, 1);
    ends_with(&script, 1);
}

#[orchestrator]
async fn all(ctx: OrchestrationContext, n: u64) -> Result<Vec<u64>, OrchestratorError> {
    when_all((0..n).map(|i| ctx.call_activity(work, i))).await
}

#[test]
fn when_all_waits_for_the_others_when_one_fails() {
    let mut script = Script::new(all, 4);
    script.turn([failed(3, failure("the last")), completed(0, 0)]);
    script.fail(1, failure("the second"));
    assert_eq!((script.completion(), script.calls()), (None, no_calls()));
    script.complete(2, 2);
    fails_with(&script, "the second");
    assert_eq!(script.calls(), no_calls());
}

#[test]
fn when_all_gives_the_values_in_the_order_of_the_calls() {
    let mut script = Script::new(all, 3);
    script.complete(2, 12);
    script.turn([completed(0, 10), completed(1, 11)]);
    ends_with(&script, vec![10, 11, 12]);
    ends_with(&Script::new(all, 0), Vec::<u64>::new());
}

#[orchestrator]
async fn any(ctx: OrchestrationContext) -> Result<Vec<u64>, OrchestratorError> {
    let mut open: Vec<_> = (0..4).map(|i| ctx.call_activity(work, i)).collect();
    ctx.wait_for_external_event::<()>("Go").await?;
    let mut order = Vec::new();
    while let Some((index, n, others)) = when_any(open).await {
        order.extend([index as u64, n?]);
        if order.len() == 6 {
            break;
        }
        open = others;
    }
    Ok(order)
}

#[test]
fn when_any_gives_the_first_and_the_others_go_on() {
    let mut script = Script::new(any, ());
    script.raise("Go", ());
    script.turn([completed(2, 12), completed(1, 11)]);
    assert_eq!(script.calls(), no_calls());
    script.complete(3, 13);
    ends_with(&script, vec![2, 12, 1, 11, 1, 13]);
    assert_eq!(script.calls(), ["-#0"], "the one that was left is dropped");
}

#[test]
fn when_any_takes_the_lowest_index_of_those_that_are_done_already() {
    let mut script = Script::new(any, ());
    script.turn([completed(3, 13), completed(1, 11)]);
    script.complete(0, 10);
    script.raise("Go", ());
    ends_with(&script, vec![0, 10, 0, 11, 1, 13]);
}

#[orchestrator]
async fn any_of(ctx: OrchestrationContext, n: u64) -> Result<Option<u64>, OrchestratorError> {
    let steps = (0..n).map(|i| {
        let ctx = &ctx;
        Box::pin(async move {
            let next = ctx.call_activity(work, i).await?;
            ctx.call_activity(work, next).await
        })
    });
    when_any(steps).await.map(|(_, n, _)| n).transpose()
}

#[test]
fn when_any_takes_blocks_of_several_steps_and_nothing_at_all() {
    ends_with(&Script::new(any_of, 0), serde_json::Value::Null);
    let mut script = Script::new(any_of, 2);
    script.complete(0, 5);
    assert_eq!(script.calls(), ["#2 work 5"]);
    script.complete(1, 6);
    script.turn([completed(3, 7), completed(2, 8)]);
    ends_with(&script, 7);
}

#[orchestrator]
async fn two_at_a_time(ctx: OrchestrationContext, items: Vec<u64>) -> Result<Vec<u64>, OrchestratorError> {
    let map = ctx.map(&items, |item| ctx.call_activity(work, *item)).concurrency(2);
    // A map is not hot.
    let before = ctx.call_activity(work, 100);
    let values = map.await?;
    before.await?;
    Ok(values)
}

#[test]
fn a_map_makes_the_next_call_when_one_is_done() {
    let mut script = Script::new(two_at_a_time, vec![10, 11, 12, 13, 14]);
    assert_eq!(script.calls(), ["#0 work 100", "#1 work 10", "#2 work 11"]);
    script.complete(2, 21);
    assert_eq!(script.calls(), ["#3 work 12"]);
    script.turn([completed(3, 22), completed(1, 20)]);
    assert_eq!(script.calls(), ["#4 work 13", "#5 work 14"]);
    script.complete(0, 0);
    script.complete(5, 24);
    assert_eq!(script.calls(), no_calls());
    script.complete(4, 23);
    ends_with(&script, vec![20, 21, 22, 23, 24]);
    ends_with(
        &{
            let mut none = Script::new(two_at_a_time, Vec::new());
            none.complete(0, 0);
            none
        },
        Vec::<u64>::new(),
    );
}

#[test]
fn the_first_error_ends_a_map_and_cancels_what_is_open() {
    let mut script = Script::new(two_at_a_time, vec![10, 11, 12, 13]);
    script.complete(0, 0);
    script.complete(1, 20);
    script.turn([failed(3, failure("the third")), failed(2, failure("too late"))]);
    fails_with(&script, "the third");
    assert_eq!(script.calls(), ["-#2"]);
}

#[orchestrator]
async fn held(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    let mut map = ctx.map([1, 2, 3], |item| ctx.call_activity(work, item)).concurrency(2);
    let failed = (&mut map).await.is_err();
    let next = ctx.call_activity(work, u64::from(failed)).await?;
    drop(map);
    Ok(next)
}

#[test]
fn a_map_that_failed_holds_on_to_nothing() {
    let mut script = Script::new(held, ());
    script.fail(0, failure("no"));
    assert_eq!(script.calls(), ["#2 work 1", "-#1"]);
    script.complete(2, 2);
    ends_with(&script, 2);
}

#[orchestrator]
async fn steps(ctx: OrchestrationContext, limit: usize) -> Result<Vec<Option<u64>>, OrchestratorError> {
    let ctx = &ctx;
    let map = ctx.map(["a", "b", "c"], |name| async move {
        let n = ctx.wait_for_external_event::<u64>(name).await?;
        ctx.call_activity(work, n).await
    });
    let results = map.concurrency(limit).settle().await;
    Ok(results.into_iter().map(Result::ok).collect())
}

#[test]
fn a_settled_map_gives_every_result() {
    let mut script = Script::new(steps, 2);
    // The third has not begun: its event is kept.
    script.raise("c", 3);
    assert_eq!(script.calls(), no_calls());
    script.raise("b", 2);
    assert_eq!(script.calls(), ["#0 work 2"]);
    script.fail(0, failure("no"));
    assert_eq!(script.calls(), ["#1 work 3"]);
    script.turn([completed(1, 30)]);
    script.raise("a", 1);
    script.complete(2, 10);
    ends_with(&script, vec![Some(10), None, Some(30)]);
}

#[test]
fn a_concurrency_of_zero_is_one() {
    let mut script = Script::new(steps, 0);
    script.raise("b", 2);
    script.raise("a", 1);
    assert_eq!(script.calls(), ["#0 work 1"]);
    script.complete(0, 10);
    assert_eq!(script.calls(), ["#1 work 2"]);
    script.raise("c", 3);
    script.complete(1, 20);
    script.complete(2, 30);
    ends_with(&script, vec![10, 20, 30]);
}

#[orchestrator]
async fn deadline(ctx: OrchestrationContext) -> Result<Option<Vec<u64>>, OrchestratorError> {
    select! {
        values = ctx.map(0..10, |n| ctx.call_activity(work, n)).concurrency(2) => values.map(Some),
        () = ctx.create_timer(SECOND) => Ok(None),
    }
}

#[test]
fn a_map_that_loses_is_cancelled_and_makes_no_more_calls() {
    let mut script = Script::new(deadline, ());
    assert_eq!(script.calls(), ["#0 timer", "#1 work 0", "#2 work 1"]);
    script.turn([completed(1, 1), fired(0), completed(2, 2)]);
    assert_eq!(script.calls(), ["#3 work 2", "-#2", "-#3"]);
    ends_with(&script, serde_json::Value::Null);
}

#[orchestrator]
async fn large(ctx: OrchestrationContext, n: u64) -> Result<u64, OrchestratorError> {
    let work = |i| ctx.call_activity(work, i);
    let all: u64 = when_all((0..n).map(work)).await?.iter().sum();
    let (index, any, others) = when_any((0..n).map(work)).await.unwrap();
    drop(others);
    let few: u64 = ctx.map(0..n, work).concurrency(100).await?.iter().sum();
    let settled = ctx.map(0..n, work).settle().await.into_iter().filter_map(Result::ok).sum::<u64>();
    Ok(all + index as u64 + any? + few + settled)
}

/// Whoever looks at all futures for each completion does not come to an end here.
#[test]
fn ten_thousand_futures_take_no_time() {
    let n = 10_000;
    let mut script = Script::new(large, u64::from(n));
    script.turn((0..n).rev().map(|i| completed(i, i)));
    script.complete(2 * n - 1, 0);
    assert_eq!(script.outcome().canceled.len(), n as usize - 1);
    script.turn((2 * n..3 * n).map(|i| completed(i, i - 2 * n)));
    script.turn((3 * n..4 * n).rev().map(|i| completed(i, i - 3 * n)));
    let sum = u64::from(n) * u64::from(n - 1) / 2;
    ends_with(&script, 3 * sum + u64::from(n) - 1);
}

#[orchestrator]
async fn next_to_futures(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    let work = |i| ctx.call_activity(work, i);
    let unordered: FuturesUnordered<_> = (0..2).map(work).collect();
    let (last, all, (a, b)) = join!(
        unordered.fold(0, |_, n| async move { n.unwrap_or(0) }),
        try_join_all((2..4).map(work)),
        join(work(4), work(5)),
    );
    let more: u64 = join_all([work(6), work(7)]).await.into_iter().filter_map(Result::ok).sum();
    let (c, d) = try_join(work(8), work(9)).await?;
    Ok(last + all?.iter().sum::<u64>() + a? + b? + more + c + d)
}

#[test]
fn the_combinators_of_futures_work_beside_them() {
    let mut script = Script::new(next_to_futures, ());
    script.turn([4, 1, 3, 0, 2, 5].map(|i| completed(i, i * 10)));
    script.turn([7, 6].map(|i| completed(i, i * 10)));
    script.turn([8, 9].map(|i| completed(i, i * 10)));
    ends_with(&script, 440);
}
