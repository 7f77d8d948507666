//! What is different when a turn is run once more.

use durable_core::history::{Action, Completion, HistoryRecord};
use durable_core::model::SourceLocation;
use durable_core::replay::TurnOutcome;
use durable_core::worker::CheckedTurn;

use super::words::source;

/// Turns up to this one are run again several times. They cost little, since their histories are short.
const OFTEN_UP_TO: u64 = 8;
/// How many times. Two keys of a `HashMap` come in the same order in half of all runs: a single one would overlook much.
const OFTEN: usize = 4;

/// Replays the history in fresh executors, runs the turn there, and says what is different in the first that differs.
pub(super) fn difference(turn: &CheckedTurn<'_>) -> Option<String> {
    let times = if turn.input.turn <= OFTEN_UP_TO { OFTEN } else { 1 };
    (0..times).find_map(|_| once_more(turn))
}

fn once_more(turn: &CheckedTurn<'_>) -> Option<String> {
    let history = turn.history?;
    let what = || format!("turn {} of '{}' ({})", turn.input.turn, turn.header.instance, turn.header.name);
    let mut cold = turn.executor();
    if let Err(fault) = cold.replay(history) {
        return Some(format!("{} cannot be replayed: {fault}", what()));
    }
    match cold.run_turn(turn.input.clone()) {
        Err(fault) => Some(format!("{} fails after a replay: {fault}", what())),
        Ok(again) => compare(turn.outcome, &again, history).map(|difference| {
            format!(
                "{} is not deterministic: run once more on the same history, it did something else\n{difference}",
                what()
            )
        }),
    }
}

/// The first difference of two outcomes.
fn compare(first: &TurnOutcome, second: &TurnOutcome, history: &[HistoryRecord]) -> Option<String> {
    if first == second {
        return None;
    }
    let both = |a: String, b: String| format!("  first:  {a}\n  second: {b}");
    let longest = first.actions.len().max(second.actions.len());
    let differs = |at: &usize| first.actions.get(*at) != second.actions.get(*at);
    if let Some(at) = (0..longest).find(differs) {
        let text = |outcome: &TurnOutcome| match (outcome.actions.get(at), &outcome.completion) {
            (Some((_, action)), _) => format!("it called {}", called(action)),
            (None, Some((_, completion))) => ended(completion),
            (None, None) => "it called nothing more".to_owned(),
        };
        return Some(both(text(first), text(second)));
    }
    let difference = if first.canceled != second.canceled {
        both(canceled(first), canceled(second))
    } else if first.custom_status != second.custom_status {
        let text = |outcome: &TurnOutcome| match &outcome.custom_status {
            Some(status) => format!("its custom status was {status}"),
            None => "it had no custom status".to_owned(),
        };
        both(text(first), text(second))
    } else if first.completion != second.completion {
        let text = |outcome: &TurnOutcome| {
            outcome.completion.as_ref().map_or_else(|| "it went on".to_owned(), |(_, completion)| ended(completion))
        };
        both(text(first), text(second))
    } else {
        both(format!("{first:?}"), format!("{second:?}"))
    };
    Some(difference + &last_call(first, history))
}

fn canceled(outcome: &TurnOutcome) -> String {
    let tasks: Vec<_> = outcome.canceled.iter().map(ToString::to_string).collect();
    if tasks.is_empty() { "it canceled nothing".to_owned() } else { format!("it canceled {}", tasks.join(", ")) }
}

/// The line from which one can look for a difference that has no line of its own.
fn last_call(outcome: &TurnOutcome, history: &[HistoryRecord]) -> String {
    let here = outcome.actions.last().map(|(_, action)| place(action));
    let before = || history.iter().rev().find_map(|record| source(&record.kind));
    let text = |source: &SourceLocation| format!("\n  its last call was made at {source}");
    here.or_else(before).map(text).unwrap_or_default()
}

fn ended(completion: &Completion) -> String {
    match completion {
        Completion::Completed(output) => format!("it completed with {output}"),
        Completion::Failed(failure) => format!("it failed: {failure:#}"),
        Completion::Terminated(_) => "it was terminated".to_owned(),
        Completion::ContinuedAsNew(next) => format!("it continued as new with {}", next.input),
    }
}

/// A call with the line that makes it.
fn called(action: &Action) -> String {
    let what = match action {
        Action::ScheduleTask { name, input, .. } => format!("activity '{name}' with {input}"),
        Action::CreateTimer { fire_at, .. } => format!("a timer for {fire_at}"),
        Action::StartChild { child, .. } => {
            format!("sub-orchestrator '{}' ('{}') with {}", child.name, child.instance, child.input)
        }
        Action::SendEvent { instance, name, input, .. } => format!("event '{name}' to '{instance}' with {input}"),
        other => format!("{other:?}"),
    };
    format!("{what} at {}", place(action))
}

/// Where the code has asked for an action.
pub(super) fn place(action: &Action) -> &SourceLocation {
    match action {
        Action::ScheduleTask { source, .. }
        | Action::CreateTimer { source, .. }
        | Action::StartChild { source, .. }
        | Action::SendEvent { source, .. } => source,
        other => unreachable!("every action has a place in the source: {other:?}"),
    }
}
