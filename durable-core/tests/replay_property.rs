//! For any order of completions, the borders between turns change nothing: not a winner, not an id, not the output.

use durable_core::history::{Action, Completion, EventKind};
use durable_core::prelude::*;
use durable_core::replay::TurnOutcome;
use durable_testing::Script;
use durable_testing::events::{completed, fired, raised};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use proptest::prelude::*;
use std::time::Duration;

#[activity]
async fn work(n: u64) -> u64 {
    n
}

/// Races, joins, unordered streams, events and dropped losers, with calls that depend on what came first.
#[orchestrator]
async fn tangled(ctx: OrchestrationContext) -> Result<Vec<u64>, OrchestratorError> {
    let mut seen = Vec::new();
    let first = ctx.call_activity(work, 100);
    let timer = ctx.create_timer(Duration::from_secs(1));
    let event = ctx.wait_for_external_event::<u64>("e");
    match select(select(first, event), timer).await {
        Either::Left((Either::Left((n, event)), _timer)) => {
            seen.push(n?);
            drop(event);
        }
        Either::Left((Either::Right((n, _first)), _timer)) => seen.push(n? + ctx.call_activity(work, 200).await?),
        Either::Right(((), both)) => {
            seen.push(1);
            if let Either::Left((n, _)) = both.await {
                seen.push(n?);
            }
        }
    }
    let mut calls: FuturesUnordered<_> = (0..3).map(|i| ctx.call_activity(work, i)).collect();
    while let Some(n) = calls.next().await {
        seen.push(n? * 10);
        if seen.len() % 2 == 0 {
            seen.push(ctx.wait_for_external_event::<u64>("e").await?);
        }
    }
    Ok(seen)
}

/// What completes an action; the result depends on its id alone.
fn completion(id: u32, action: &Action) -> EventKind {
    match action {
        Action::CreateTimer { .. } => fired(id),
        _ => completed(id, u64::from(id) + 7),
    }
}

/// Runs with one event a turn: `choices` say what arrives next. Gives the order of the events, the ids of all actions, and
/// the end.
fn run(choices: &[usize]) -> (Vec<EventKind>, Vec<u32>, Option<Completion>) {
    let mut script = Script::new(tangled, ());
    let (mut open, mut ids, mut order) = (Vec::new(), Vec::new(), Vec::new());
    let mut numbers = 0;
    for choice in choices {
        note(script.outcome(), &mut open, &mut ids);
        if script.completion().is_some() {
            break;
        }
        let pick = choice % (open.len() + 1);
        let event = if pick == open.len() {
            numbers += 1;
            raised("E", numbers)
        } else {
            let (id, action) = open.remove(pick);
            completion(id, &action)
        };
        order.push(event.clone());
        script.turn([event]);
    }
    note(script.outcome(), &mut open, &mut ids);
    (order, ids, script.completion().cloned())
}

fn note(outcome: &TurnOutcome, open: &mut Vec<(u32, Action)>, ids: &mut Vec<u32>) {
    for (id, action) in &outcome.actions {
        if !ids.contains(&id.0) {
            ids.push(id.0);
            open.push((id.0, action.clone()));
        }
    }
}

proptest! {
    #[test]
    fn borders_change_nothing(choices in proptest::collection::vec(0_usize..8, 1..30), borders in proptest::collection::vec(any::<bool>(), 30)) {
        let (order, ids, end) = run(&choices);
        let mut script = Script::new(tangled, ());
        let mut other_ids: Vec<u32> = script.outcome().actions.iter().map(|(id, _)| id.0).collect();
        let mut batch = Vec::new();
        let mut other_end = None;
        let last = order.len();
        for (at, event) in order.into_iter().enumerate() {
            batch.push(event);
            if borders[at] || at + 1 == last {
                script.turn(std::mem::take(&mut batch));
                other_ids.extend(script.outcome().actions.iter().map(|(id, _)| id.0));
                other_end = script.completion().cloned();
            }
        }
        prop_assert_eq!(ids, other_ids);
        prop_assert_eq!(end, other_end);
        let batched = script.batched().unwrap();
        prop_assert_eq!(batched.completion.map(|(_, end)| end), script.completion().cloned());
    }
}
