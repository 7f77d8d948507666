//! Why nothing happens any more.

use std::error::Error;
use std::fmt;

use durable_core::client::{InstanceQuery, InstanceStatus};
use durable_core::history::EventKind;
use durable_core::model::{InstanceId, RuntimeStatus, TaskId};

use super::core::Core;
use super::words::source;

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
    /// What it waits for, for people: an event, an activity, a child.
    pub waits_for: Vec<String>,
}

impl Deadlock {
    pub(super) fn of(core: &Core) -> Self {
        let live = InstanceQuery::new().statuses(RuntimeStatus::ALL.into_iter().filter(|status| !status.is_terminal()));
        let page = core.time.run(core.inner_client().list(live));
        let stuck = page.map(|page| page.instances.iter().map(|status| Stuck::of(core, status)).collect());
        Self { stuck: stuck.unwrap_or_default() }
    }

    /// The instances that wait.
    #[must_use]
    pub fn stuck(&self) -> &[Stuck] {
        &self.stuck
    }
}

impl Stuck {
    fn of(core: &Core, status: &InstanceStatus) -> Self {
        let instance = status.instance_id.clone();
        let mut waits_for = Vec::new();
        if let Some(reason) = &status.stalled {
            waits_for.push(format!("nothing: it is stalled, {reason}"));
        }
        if status.runtime_status == RuntimeStatus::Suspended {
            waits_for.push("somebody who resumes it".to_owned());
        }
        if let Some(waits) = core.journal.waits(&instance) {
            let history = core.time.run(core.inner_client().history(&instance)).ok().flatten().unwrap_or_default();
            let kind = |task: TaskId| history.iter().map(|event| &event.kind).find_map(|event| named(event, task));
            waits_for.extend(
                waits
                    .tasks
                    .iter()
                    .map(|task| kind(*task).unwrap_or_else(|| format!("task {}", super::mocks::task(*task)))),
            );
            waits_for.extend(waits.events.iter().map(|name| format!("event '{name}'")));
        }
        let what = format!("{}, {}", status.name, status.runtime_status);
        Self { instance, what, waits_for }
    }
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
            let waits_for = if stuck.waits_for.is_empty() { "nothing".to_owned() } else { stuck.waits_for.join(", ") };
            write!(f, "\n  '{}' ({}) waits for {waits_for}", stuck.instance, stuck.what)?;
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
