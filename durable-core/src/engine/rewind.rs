//! Taking failures back.
//!
//! The last turn of a failed instance counts as not having happened: what it decided goes, what it received lies in the
//! inbox again, and the calls whose failures brought it about run once more. So what is left of the history is what the code
//! did before, unless the code has changed; it is run against it before anything is written.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::apply::{Standing, new_child};
use super::budget::without_budget;
use super::client::{corrupt, store_failed};
use super::entry::Known;
use super::group::Patience;
use super::local::LocalEngine;
use super::stored::{self, records};
use crate::backend::{
    CallId, HistoryRow, InstanceRow, NewActivity, NewChild, NewEvent, NewTimer, Notice, RewindCommit, TimerRow, Write,
    Written,
};
use crate::client::{ClientError, ClientErrorKind};
use crate::history::{EventKind, HistoryRecord, encode_event};
use crate::model::{FailureDetails, InstanceId, RuntimeStatus, TaskId};

impl LocalEngine {
    pub(super) async fn take_back(&self, id: &InstanceId, reason: Option<String>) -> Result<(), ClientError> {
        let row = self.store()?.instance(id.as_str()).await.map_err(store_failed)?;
        let row = row.ok_or_else(|| ClientError::new(ClientErrorKind::NotFound { id: id.clone() }))?;
        if row.status != RuntimeStatus::Failed {
            let needed = "Failed to be rewound";
            return Err(ClientError::new(ClientErrorKind::WrongState { id: id.clone(), status: row.status, needed }));
        }
        let mut plans = Vec::new();
        let mut rows = vec![row];
        while let Some(row) = rows.pop() {
            plans.push(self.plan(row, reason.as_ref(), &mut rows).await?);
        }
        let engine = self.clone();
        let written = self.write(Write::Rewind(plans.clone()), Patience::Short, move |written| {
            if *written == Written::Done {
                engine.rewound(&plans);
            }
        });
        if written.await? == Written::Done {
            return Ok(());
        }
        let reason = "it, or a child of it, has changed meanwhile".to_owned();
        Err(ClientError::new(ClientErrorKind::CannotRewind { id: id.clone(), reason }))
    }

    /// Takes up what a rewind has brought back to life.
    fn rewound(&self, plans: &[RewindCommit]) {
        for plan in plans {
            let mut timers = self.inner.timers.lock();
            for new in &plan.timers {
                timers.add(TimerRow { fire_at: new.fire_at, key: plan.key, call: new.call });
            }
            drop(timers);
            if !plan.children.is_empty() {
                self.look_for_ready();
            }
            self.load_unowned(plan.key);
        }
        self.inner.timers_changed.notify_one();
        self.inner.activities.lock().note_surplus();
        self.tell(Notice::Work { instances: true, calls: true });
        self.refill_activities();
    }

    /// How to take back the end of one instance. Children that must be taken back too are added to `below`.
    async fn plan(
        &self,
        row: InstanceRow,
        reason: Option<&String>,
        below: &mut Vec<InstanceRow>,
    ) -> Result<RewindCommit, ClientError> {
        let header = stored::header(&row).map_err(corrupt)?;
        let rows = self.store()?.history(row.key).await.map_err(store_failed)?;
        let history = records(rows.clone(), &header).map_err(|error| corrupt(error.to_string()))?;
        let cut = Cut::of(&history, row.turn);
        let kept: Vec<_> = cut.kept.iter().map(|at| history[*at].clone()).collect();
        self.rehearse(&header, &kept)?;
        let now = self.inner.clock.now();
        let mut inbox = vec![EventKind::ExecutionRewound { reason: reason.cloned() }];
        inbox.extend(cut.returned.iter().map(|at| history[*at].kind.clone()));
        let known = Known {
            standing: Standing { turn: row.turn, ..Standing::new(row.key, row.epoch, row.parent) },
            header: Arc::clone(&header),
        };
        let mut plan = RewindCommit {
            key: row.key,
            execution: row.execution.clone(),
            epoch: row.epoch,
            turn: row.turn,
            now,
            history: renumbered(cut.kept.iter().map(|at| rows[*at].clone())),
            inbox: Vec::new(),
            activities: Vec::new(),
            timers: Vec::new(),
            children: Vec::new(),
        };
        let family = self.children(&row).await?;
        for record in &kept {
            if let Some(task_id) = reopen(&known, record, &cut, now.saturating_since(row.updated), &mut plan) {
                inbox.extend(self.reopen_child(&known, task_id, record, &family, &mut plan, below)?);
            }
        }
        plan.inbox = inbox.iter().map(|event| NewEvent { time: now, event: encode_event(event) }).collect();
        Ok(plan)
    }

    /// Brings a child back whose end its parent waits for again: nothing for one that lives, its result for one that is
    /// complete. Gives what its parent finds in its inbox.
    fn reopen_child(
        &self,
        parent: &Known,
        task_id: TaskId,
        record: &HistoryRecord,
        family: &[InstanceRow],
        plan: &mut RewindCommit,
        below: &mut Vec<InstanceRow>,
    ) -> Result<Option<EventKind>, ClientError> {
        let EventKind::SubOrchestrationInstanceCreated { child, .. } = &record.kind else { return Ok(None) };
        let call = CallId::new(parent.header.generation, task_id);
        let found = family.iter().find(|row| row.parent_call == Some(call));
        let Some(row) = found else {
            let version = self.inner.catalogue.lock().version(&child.name, child.version.as_ref())?;
            let execution = self.inner.ids.execution(&child.instance);
            let mut create = new_child(parent, (task_id, child), version, execution);
            create.parent_call = Some(call);
            create.now = plan.now;
            let message = format!("the child '{}' cannot be started again: its id is taken", child.instance);
            let failure = FailureDetails::new("InstanceAlreadyExists", message).non_retriable();
            let taken = EventKind::SubOrchestrationInstanceFailed { task_id, failure };
            let if_taken = Some(NewEvent { time: plan.now, event: encode_event(&taken) });
            plan.children.push(NewChild { create, if_taken });
            return Ok(None);
        };
        if row.status == RuntimeStatus::Completed {
            let result = row.output.clone().unwrap_or_else(crate::model::Payload::null);
            return Ok(Some(EventKind::SubOrchestrationInstanceCompleted { task_id, result }));
        }
        if row.status.is_terminal() {
            below.push(row.clone());
        }
        Ok(None)
    }

    /// Runs the code against what is left of a history.
    fn rehearse(
        &self,
        header: &Arc<crate::history::ExecutionHeader>,
        history: &[HistoryRecord],
    ) -> Result<(), ClientError> {
        let Some(rehearsal) = self.inner.rehearsal.lock().clone() else { return Ok(()) };
        without_budget(|| rehearsal(header, history)).map_err(|failure| {
            let reason = failure.error_message.clone();
            ClientError::new(ClientErrorKind::CannotRewind { id: header.instance.clone(), reason }).with_source(failure)
        })
    }
}

/// Opens a call or a timer again that was open before the last turn. Gives the call when it is that of a child.
fn reopen(
    known: &Known,
    record: &HistoryRecord,
    cut: &Cut,
    pause: Duration,
    plan: &mut RewindCommit,
) -> Option<TaskId> {
    let task_id = record.kind.action_id().filter(|id| !cut.closed.contains(id))?;
    let call = CallId::new(known.header.generation, task_id);
    match &record.kind {
        EventKind::TaskScheduled { name, input, options, .. } => plan.activities.push(NewActivity {
            call,
            name: name.as_str().to_owned(),
            input: input.clone(),
            options: stored::options(*options, known.header.trace.as_ref()),
            runner: None,
            claim: 0,
        }),
        // What was left of its time is left of it again.
        EventKind::TimerCreated { fire_at, .. } => {
            plan.timers.push(NewTimer { call, fire_at: fire_at.saturating_add(pause) });
        }
        EventKind::SubOrchestrationInstanceCreated { child, .. } if !child.is_detached => return Some(task_id),
        _ => {}
    }
    None
}

/// What a rewind leaves of a history, as positions in it.
#[derive(Debug, Default, PartialEq)]
struct Cut {
    /// What stays.
    kept: Vec<usize>,
    /// What the last turn had received, and the next one receives again.
    returned: Vec<usize>,
    /// The calls that are over in what stays, or in what is received again.
    closed: BTreeSet<TaskId>,
}

impl Cut {
    /// Failures of the last turn go, and so do earlier ones after which the code did nothing more: it had kept them until
    /// all else was done. A failure that the code acted upon was handled, and stays.
    fn of(history: &[HistoryRecord], last: u64) -> Self {
        let acted = |record: &&HistoryRecord| record.turn < last && record.kind.is_action();
        let last_act = history.iter().rev().find(acted).map_or(0, |record| record.turn);
        let mut cut = Self::default();
        for (at, record) in history.iter().enumerate() {
            let fails = failed(&record.kind).is_some();
            let goes_again = record.turn == last || record.turn > last_act;
            if (fails && goes_again) || (record.turn == last && record.kind.is_action()) {
                continue;
            }
            cut.closed.extend(closes(&record.kind));
            if record.turn < last {
                cut.kept.push(at);
            } else if !matches!(
                record.kind,
                EventKind::ExecutionStarted(_)
                    | EventKind::ExecutionTerminated { .. }
                    | EventKind::ExecutionRewound { .. }
            ) {
                cut.returned.push(at);
            }
        }
        cut
    }
}

fn failed(event: &EventKind) -> Option<TaskId> {
    match event {
        EventKind::TaskFailed { task_id, .. } | EventKind::SubOrchestrationInstanceFailed { task_id, .. } => {
            Some(*task_id)
        }
        _ => None,
    }
}

/// The call or timer that is over with this event.
fn closes(event: &EventKind) -> Option<TaskId> {
    match event {
        EventKind::TaskCompleted { task_id, .. }
        | EventKind::SubOrchestrationInstanceCompleted { task_id, .. }
        | EventKind::TaskCanceled { task_id }
        | EventKind::TimerFired { timer_id: task_id, .. } => Some(*task_id),
        other => failed(other),
    }
}

fn renumbered(rows: impl Iterator<Item = HistoryRow>) -> Vec<HistoryRow> {
    (1..).zip(rows).map(|(seq, row)| HistoryRow { seq, ..row }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::TaskOptions;
    use crate::model::{FunctionName, Payload, Timestamp};

    fn record(turn: u64, kind: EventKind) -> HistoryRecord {
        HistoryRecord { turn, turn_time: Timestamp::UNIX_EPOCH, time: Timestamp::UNIX_EPOCH, kind }
    }

    fn scheduled(id: u32) -> EventKind {
        let (name, input) = (FunctionName::new("a").unwrap(), Payload::null());
        EventKind::TaskScheduled { id: TaskId(id), name, input, options: TaskOptions::default(), source: None }
    }

    fn fails(id: u32) -> EventKind {
        EventKind::TaskFailed { task_id: TaskId(id), failure: FailureDetails::new("E", "boom") }
    }

    fn completes(id: u32) -> EventKind {
        EventKind::TaskCompleted { task_id: TaskId(id), result: Payload::null() }
    }

    #[test]
    fn a_failure_that_was_kept_until_the_end_goes_and_a_handled_one_stays() {
        let history = [
            record(1, scheduled(0)),
            record(1, scheduled(1)),
            record(1, scheduled(2)),
            record(2, fails(0)),
            record(2, scheduled(3)),
            record(3, fails(1)),
            record(4, completes(2)),
            record(4, EventKind::TaskCanceled { task_id: TaskId(3) }),
        ];
        let cut = Cut::of(&history, 4);
        assert_eq!(cut.kept, [0, 1, 2, 3, 4], "the failure of #1 goes");
        assert_eq!(cut.returned, [6]);
        assert_eq!(cut.closed, [TaskId(0), TaskId(2)].into());
    }
}
