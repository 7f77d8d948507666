//! What is different when a turn is run once more.

use durable_core::history::{Action, Completion, HistoryRecord};
use durable_core::model::{SourceLocation, TaskId};
use durable_core::replay::TurnOutcome;
use durable_core::worker::CheckedTurn;

use super::words::source;

/// Turns up to this one are run again several times. They cost little, since their histories are short.
const OFTEN_UP_TO: u64 = 8;
/// How many times. Two keys of a `HashMap` come in the same order in half of all runs: a single one would overlook much.
const OFTEN: usize = 4;

/// What a fresh executor does differently.
pub(super) struct Difference {
    /// The history cannot be replayed. Otherwise the turn does something else when it is run once more.
    pub(super) is_of_replay: bool,
    pub(super) text: String,
}

/// Replays the history in fresh executors, runs the turn there, and says what is different in the first that differs in a way
/// that is asked for.
pub(super) fn difference(turn: &CheckedTurn<'_>, is_wanted: impl Fn(&Difference) -> bool) -> Option<String> {
    let times = if turn.input.turn <= OFTEN_UP_TO { OFTEN } else { 1 };
    let mut differences = (0..times).filter_map(|_| once_more(turn));
    differences.find(is_wanted).map(|difference| difference.text)
}

fn once_more(turn: &CheckedTurn<'_>) -> Option<Difference> {
    let history = turn.history?;
    let what = || format!("turn {} of '{}' ({})", turn.input.turn, turn.header.instance, turn.header.name);
    let mut cold = turn.executor();
    if let Err(fault) = cold.replay(history) {
        return Some(Difference { is_of_replay: true, text: format!("{} cannot be replayed: {fault}", what()) });
    }
    let text = match cold.run_turn(turn.input.clone()) {
        Err(fault) => Some(format!("{} fails after a replay: {fault}", what())),
        Ok(again) => compare(turn.outcome, &again, history).map(|difference| {
            format!(
                "{} is not deterministic: run once more on the same history, it did something else\n{difference}",
                what()
            )
        }),
    };
    text.map(|text| Difference { is_of_replay: false, text })
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
        both(tasks("canceled", &first.canceled), tasks("canceled", &second.canceled))
    } else if first.unawaited != second.unawaited {
        both(tasks("never awaited", &first.unawaited), tasks("never awaited", &second.unawaited))
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

fn tasks(what: &str, tasks: &[TaskId]) -> String {
    let tasks: Vec<_> = tasks.iter().map(ToString::to_string).collect();
    if tasks.is_empty() { format!("it {what} nothing") } else { format!("it {what} {}", tasks.join(", ")) }
}

/// The line from which one can look for a difference that has no line of its own.
fn last_call(outcome: &TurnOutcome, history: &[HistoryRecord]) -> String {
    let here = outcome.actions.last().map(|(_, action)| action.source());
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
    format!("{what} at {}", action.source())
}
