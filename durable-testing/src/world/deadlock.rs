//! Why nothing happens any more.

use std::error::Error;
use std::fmt;

use durable_core::client::{ClientError, InstanceQuery, InstanceStatus};
use durable_core::history::EventKind;
use durable_core::model::{EventName, InstanceId, RuntimeStatus, SourceLocation, TaskId};

use super::core::Core;
use super::texts::all_of;
use super::words::source;
use crate::or_fail::OrFail as _;

/// Nothing is due, and instances are still alive: what each of them waits for.
#[derive(Clone, PartialEq, Eq)]
pub struct Deadlock {
    stuck: Vec<Stuck>,
}

/// An instance that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stuck {
    /// The instance.
    pub instance: InstanceId,
    /// Its orchestrator and its status, for people.
    pub what: String,
    /// What it waits for, for people: an event, an activity, a child, each with the line that waits or has called.
    pub waits_for: Vec<String>,
    /// The external events that have reached it and that it has not read, by the names that their senders wrote.
    pub unread: Vec<EventName>,
}

impl Deadlock {
    #[track_caller]
    pub(super) fn of(core: &Core) -> Self {
        Self::read(core).or_fail(|error| format!("what live instances wait for cannot be read: {error:?}"))
    }

    /// As [`of`](Self::of), where the store may fail.
    pub(super) fn read(core: &Core) -> Result<Self, ClientError> {
        let live = InstanceQuery::new().statuses(RuntimeStatus::ALL.into_iter().filter(|status| !status.is_terminal()));
        let stuck = all_of(core, &live)?.iter().map(|status| Stuck::of(core, status)).collect::<Result<_, _>>()?;
        Ok(Self { stuck })
    }

    /// The instances that wait.
    #[must_use]
    pub fn stuck(&self) -> &[Stuck] {
        &self.stuck
    }
}

impl Stuck {
    fn of(core: &Core, status: &InstanceStatus) -> Result<Self, ClientError> {
        let instance = status.instance_id.clone();
        let (mut waits_for, mut unread) = (Vec::new(), Vec::new());
        if let Some(reason) = &status.stalled {
            waits_for.push(format!("nothing: it is stalled, {reason}"));
        }
        if status.runtime_status == RuntimeStatus::Suspended {
            waits_for.push("somebody who resumes it".to_owned());
        }
        if let Some(waits) = core.journal.waits(&instance) {
            let history = core.time.run(core.inner_client().history(&instance))?.unwrap_or_default();
            let kind = |task: TaskId| history.iter().map(|event| &event.kind).find_map(|event| named(event, task));
            waits_for.extend(
                waits
                    .tasks
                    .iter()
                    .map(|task| kind(*task).unwrap_or_else(|| format!("task {}", super::mocks::task(*task)))),
            );
            waits_for.extend(waits.events.iter().map(|name| awaited(name, &waits.places)));
            unread = waits.unread;
        }
        let what = format!("{}, {}", status.name, status.runtime_status);
        Ok(Self { instance, what, waits_for, unread })
    }

    /// What it waits for, in one line, and which events it has not read: one of them may be what it waits for, misspelt.
    pub(super) fn waits(&self) -> String {
        let waits_for = if self.waits_for.is_empty() { "nothing".to_owned() } else { self.waits_for.join(", ") };
        if self.unread.is_empty() {
            return format!("waits for {waits_for}");
        }
        let unread: Vec<_> = self.unread.iter().map(|name| format!("'{name}'")).collect();
        format!("waits for {waits_for}; it has not read: {}", unread.join(", "))
    }
}

/// An external event that is awaited, as the code has written it, and where.
fn awaited(folded: &str, places: &[(EventName, SourceLocation)]) -> String {
    let mut places = places.iter().filter(|(name, _)| name.folded() == folded).peekable();
    let name = places.peek().map_or(folded, |(name, _)| name.as_str()).to_owned();
    let lines: Vec<_> = places.map(|(_, source)| source.to_string()).collect();
    let place = if lines.is_empty() { String::new() } else { format!(" (awaited at {})", lines.join(", ")) };
    format!("event '{name}'{place}")
}

/// The call behind a task, for people.
fn named(event: &EventKind, wanted: TaskId) -> Option<String> {
    let place = source(event).map(|source| format!(" (called at {source})")).unwrap_or_default();
    match event {
        EventKind::TaskScheduled { id, name, .. } if *id == wanted => Some(format!("activity '{name}'{place}")),
        EventKind::TimerCreated { id, fire_at, .. } if *id == wanted => Some(format!("a timer at {fire_at}{place}")),
        EventKind::SubOrchestrationInstanceCreated { id, child, .. } if *id == wanted => {
            Some(format!("child '{}' ({}){place}", child.instance, child.name))
        }
        _ => None,
    }
}

impl fmt::Display for Deadlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing is due any more, and these are not finished:")?;
        for stuck in &self.stuck {
            write!(f, "\n  '{}' ({}) {}", stuck.instance, stuck.what, stuck.waits())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Deadlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for Deadlock {}
