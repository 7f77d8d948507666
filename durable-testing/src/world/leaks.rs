//! What is left over at the end of a test.

use std::fmt;

use durable_core::client::InstanceStatus;
use durable_core::history::{Action, Completion};
use durable_core::model::{EventName, InstanceId, RuntimeStatus, SourceLocation, TaskId};
use durable_core::worker::CheckedTurn;

use super::World;
use super::core::Core;
use super::deadlock::Deadlock;
use super::texts::statuses;

/// Something that is left over in a world.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Leak {
    /// What kind of thing it is.
    pub kind: LeakKind,
    /// Whose it is; `None` for answers of mocks.
    pub instance: Option<InstanceId>,
    /// What it is, for people.
    pub what: String,
}

/// What can be left over in a world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LeakKind {
    /// An activity or a child was called, and nobody has awaited it: its handle was dropped in the same turn, or by the end of
    /// the execution. A [detached](durable_core::orchestration::ActivityCall::detach) call is none, and neither is one that was
    /// dropped in a turn between. One that is given up on purpose just before the end cannot be told from one that was forgotten.
    DroppedCall,
    /// An instance has completed and has not read an external event that had reached it.
    UnreadEvent,
    /// An instance is not finished.
    Unfinished,
    /// A mock has answers for further calls, and they never came.
    UnusedAnswers,
}

impl LeakKind {
    /// True for what fails the test when a world is dropped.
    #[must_use]
    pub const fn is_a_mistake(self) -> bool {
        matches!(self, Self::DroppedCall | Self::UnreadEvent)
    }
}

impl fmt::Display for Leak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl World {
    /// What is left over at this time.
    ///
    /// # Panics
    ///
    /// When the store cannot be read.
    #[must_use]
    #[track_caller]
    pub fn leaks(&self) -> Vec<Leak> {
        let mut leaks = mistakes(&self.0);
        leaks.extend(Deadlock::of(&self.0).stuck().iter().map(|stuck| Leak {
            kind: LeakKind::Unfinished,
            instance: Some(stuck.instance.clone()),
            what: format!("'{}' ({}) is not finished and {}", stuck.instance, stuck.what, stuck.waits()),
        }));
        leaks.extend(self.0.mocks.unused().into_iter().map(|(name, unused)| Leak {
            kind: LeakKind::UnusedAnswers,
            instance: None,
            what: format!("the mock '{name}' has {unused} more answers, and was not called for them"),
        }));
        leaks
    }

    /// Ends the world, and fails the test for whatever is left over: instances that are not finished, answers of mocks that
    /// were not given, and what fails the test in any case when a world is dropped.
    ///
    /// ```
    /// use durable_core::prelude::*;
    /// use durable_testing::World;
    ///
    /// #[orchestrator]
    /// async fn waits(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    ///     ctx.wait_for_external_event("Go").await
    /// }
    ///
    /// let world = World::builder().orchestrator(waits).build();
    /// let run = world.start_as("w-1", waits, ());
    /// let leak = world.leaks()[0].to_string();
    /// assert!(leak.starts_with("'w-1' (waits, Running) is not finished and waits for event 'Go' (awaited at "));
    /// run.raise("Go", &5);
    /// assert_eq!(run.output(), 5);
    /// world.finish();
    /// ```
    ///
    /// # Panics
    ///
    /// When something is left over: with a line for each. Also when a check has failed.
    #[track_caller]
    pub fn finish(self) {
        self.0.object();
        self.0.replay_the_live();
        self.0.object();
        let leaks = self.leaks();
        self.0.journal.forget_leaks();
        assert!(leaks.is_empty(), "{}", report(&leaks));
    }
}

/// What fails the test at the end of a world; empty when such checks are off.
pub(super) fn at_the_end(core: &Core) -> Option<String> {
    core.replay_the_live();
    let complaints = core.journal.take_complaints();
    if !complaints.is_empty() {
        return Some(complaints.join("\n"));
    }
    if !core.journal.looks_for_leaks() {
        return None;
    }
    let leaks = mistakes(core);
    (!leaks.is_empty()).then(|| report(&leaks))
}

fn report(leaks: &[Leak]) -> String {
    let lines: String = leaks.iter().map(|leak| format!("\n  {leak}")).collect();
    format!("this is left over at the end of the world (`without_leak_checks` lets it be):{lines}")
}

fn mistakes(core: &Core) -> Vec<Leak> {
    let mut leaks = core.journal.dropped_calls();
    // Most instances never had an event, and need not be run again to find out.
    let with_events = core.journal.with_events();
    if !with_events.is_empty() {
        leaks.extend(
            statuses(core)
                .iter()
                .filter(|status| with_events.contains(&status.instance_id))
                .flat_map(|status| unread(core, status)),
        );
    }
    leaks
}

/// The events that a completed instance has not read.
fn unread(core: &Core, status: &InstanceStatus) -> Vec<Leak> {
    if status.runtime_status != RuntimeStatus::Completed {
        return Vec::new();
    }
    let id = &status.instance_id;
    let waits = core.journal.waits(id).unwrap_or_default();
    let places: Vec<_> = waits.places.iter().map(|(name, source)| format!("for '{name}' at {source}")).collect();
    let waited = if places.is_empty() {
        "it has waited for no event at all".to_owned()
    } else {
        format!("it has waited {}", places.join(", "))
    };
    let leak = |name: &EventName| Leak {
        kind: LeakKind::UnreadEvent,
        instance: Some(id.clone()),
        what: format!("'{id}' ({}) has completed and never read event '{name}': {waited}", status.name),
    };
    waits.unread.iter().map(leak).collect()
}

/// The calls of this turn, or of an execution that has come to its end, that were dropped without being awaited. One that fails
/// may leave calls behind. `earlier` finds calls of earlier turns.
pub(super) fn dropped(turn: &CheckedTurn<'_>, earlier: impl Fn(TaskId) -> Option<Action>) -> Vec<Leak> {
    let (header, outcome) = (turn.header, turn.outcome);
    if matches!(outcome.completion, Some((_, Completion::Failed(_) | Completion::Terminated(_)))) {
        return Vec::new();
    }
    let leak = |what: String, source: &SourceLocation| Leak {
        kind: LeakKind::DroppedCall,
        instance: Some(header.instance.clone()),
        what: format!("'{}' ({}) forgot to await {what}, called at {source}", header.instance, header.name),
    };
    let call = |action: &Action| match action {
        Action::ScheduleTask { name, source, .. } => Some(leak(format!("activity '{name}'"), source)),
        Action::StartChild { child, source, .. } => Some(leak(format!("sub-orchestrator '{}'", child.name), source)),
        _ => None,
    };
    let own = |task| outcome.actions.binary_search_by_key(&task, |(id, _)| *id).map(|at| &outcome.actions[at].1);
    let leak_of = |task: &TaskId| match own(*task) {
        Ok(action) => call(action),
        // As long as the code goes on, this may be how it cancels the call.
        Err(_) if outcome.completion.is_none() => None,
        Err(_) => call(&earlier(*task)?),
    };
    outcome.unawaited.iter().filter_map(leak_of).collect()
}
