//! A look at the instances that are alive when a world ends. Of a long execution not every turn is replayed cold; the last one is
//! when the execution ends, and here when it does not.

use durable_core::history::{HistoryEvent, records_of};
use durable_core::model::Payload;

use super::core::Core;
use super::journal::Execution;
use super::logs::silently;
use super::past::turns;

impl Core {
    /// Replays the executions that are alive and have had turns since they were last replayed, and complains of what is not as it
    /// was.
    pub(super) fn replay_the_live(&self) {
        for (id, execution) in self.journal.unreplayed() {
            // It may be gone, and a store may fail.
            let Ok(Some(status)) = self.status(&id) else { continue };
            let Ok(Some(history)) = self.time.run(self.inner_client().history(&id)) else { continue };
            let is_over = status.runtime_status.is_terminal() || status.execution_id != *execution.id();
            // Why one is stalled was said before.
            if is_over || status.stalled.is_some() {
                continue;
            }
            let difference = silently(|| difference(&execution, &history, status.custom_status.as_ref()));
            if let Some((turn, difference)) = difference {
                let what = format!("at the end of the world, turn {turn} of '{id}' ({})", status.name);
                self.journal.complain(&id, format!("{what} {difference}"));
            }
        }
    }
}

/// What is not as it was when a history is replayed cold, and in which turn of the execution.
fn difference(execution: &Execution, history: &[HistoryEvent], status: Option<&Payload>) -> Option<(u64, String)> {
    let records = records_of(history);
    let last = turns(&records).last()?;
    let number = last.turn;
    if let Err(fault) = execution.fresh().replay(&records) {
        return Some((number, format!("cannot be replayed: {fault}")));
    }
    let before = records.partition_point(|record| record.turn < number);
    let mut cold = execution.fresh();
    let again = cold.replay(&records[..before]).and_then(|()| cold.run_turn(last));
    let text = |status: Option<&Payload>| match status {
        Some(status) => format!("its custom status was {status}"),
        None => "it had no custom status".to_owned(),
    };
    match again {
        Err(fault) => Some((number, format!("fails after a replay: {fault}"))),
        Ok(again) if again.custom_status.as_ref() != status => {
            let (first, second) = (text(status), text(again.custom_status.as_ref()));
            let what = "is not deterministic: run once more on the same history, it did something else";
            Some((number, format!("{what}\n  first:  {first}\n  second: {second}")))
        }
        Ok(_) => None,
    }
}
