//! Histories as text that is the same in every run.

use std::path::Path;

use durable_core::client::{ClientError, InstanceQuery, InstanceStatus};
use durable_core::history::HistoryEvent;
use durable_core::model::Timestamp;

use super::core::Core;
use super::instance::Instance;
use super::words::{Numbers, Said, after, bounds_a_turn};
use super::{World, golden, json};
use crate::or_fail::OrFail as _;

impl World {
    /// The histories of all instances as text that is the same in every run, in the order in which they were created.
    ///
    /// Each has a line with its id, orchestrator and status, and one for each event, as
    /// [`Instance::history_text`] gives it.
    ///
    /// # Panics
    ///
    /// When the store cannot be read.
    #[must_use]
    #[track_caller]
    pub fn snapshot_text(&self) -> String {
        let mut numbers = Numbers::default();
        let all = instances(&self.0);
        let texts: Vec<_> = all
            .iter()
            .map(|(status, history)| {
                let head = format!("{} ({}) {}", status.instance_id, status.name, status.runtime_status);
                let head = numbers.text(&head);
                format!("{head}\n{}", history_lines(self.0.plan.start, history, &mut numbers))
            })
            .collect();
        texts.join("\n")
    }

    /// Compares [`snapshot_text`](Self::snapshot_text) with the golden file at `path`, which counts from the folder of the
    /// package; a file whose name ends with `.json` holds [`snapshot_json`](Self::snapshot_json). With `UPDATE_GOLDEN=1` in the
    /// environment it writes the file instead.
    ///
    /// # Panics
    ///
    /// When they differ: with the first difference. Also when the file is missing or cannot be written.
    #[track_caller]
    pub fn assert_golden(&self, path: impl AsRef<Path>) {
        let path = path.as_ref();
        let text = if is_json(path) { json::text(&self.snapshot_json()) } else { self.snapshot_text() };
        golden::compare(path, &text);
    }
}

impl<O> Instance<O> {
    /// The history of its current execution as text that is the same in every run: a line for each event with the time since
    /// the world began, its kind, the call to which it belongs, what it is about and what it carries. Ids that were generated
    /// are numbers, in the order in which they are seen. Bounds of turns and positions in the source are left out.
    ///
    /// ```
    /// use durable_core::prelude::*;
    /// use durable_testing::World;
    /// use std::time::Duration;
    ///
    /// #[orchestrator]
    /// async fn later(ctx: OrchestrationContext, days: u32) -> Result<String, OrchestratorError> {
    ///     ctx.create_timer(days * Duration::from_secs(24 * 3600)).await;
    ///     Ok(ctx.instance_id().to_string())
    /// }
    ///
    /// let world = World::builder().orchestrator(later).build();
    /// let run = world.start(later, 3);
    /// run.run_until_complete().unwrap();
    /// assert_eq!(
    ///     run.history_text(),
    ///     "+0d 00:00:00  ExecutionStarted later 3\n\
    ///      +0d 00:00:00  TimerCreated #0 +3d 00:00:00\n\
    ///      +3d 00:00:00  TimerFired #0 +3d 00:00:00\n\
    ///      +3d 00:00:00  ExecutionCompleted Completed \"<id 1>\"\n"
    /// );
    /// ```
    ///
    /// # Panics
    ///
    /// When there is no such instance.
    #[must_use]
    #[track_caller]
    pub fn history_text(&self) -> String {
        let mut numbers = Numbers::default();
        history_lines(self.core().plan.start, &self.history(), &mut numbers)
    }

    /// Compares [`history_text`](Self::history_text) with the golden file at `path`, which counts from the folder of the
    /// package; a file whose name ends with `.json` holds [`snapshot_json`](Self::snapshot_json). With `UPDATE_GOLDEN=1` in the
    /// environment it writes the file instead.
    ///
    /// # Panics
    ///
    /// When they differ: with the first difference. Also when the file is missing or cannot be written.
    #[track_caller]
    pub fn assert_golden(&self, path: impl AsRef<Path>) {
        let path = path.as_ref();
        let text = if is_json(path) { json::text(&self.snapshot_json()) } else { self.history_text() };
        golden::compare(path, &text);
    }
}

fn is_json(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"))
}

pub(super) fn history_lines(start: Timestamp, history: &[HistoryEvent], numbers: &mut Numbers) -> String {
    let events = history.iter().filter(|event| !bounds_a_turn(&event.kind));
    let line = |event: &HistoryEvent| {
        let line = numbers.text(&Said::by(event, history).line());
        format!("{}  {line}\n", after(start, event.timestamp))
    };
    events.map(line).collect()
}

/// The instances that a query asks for, from all pages.
pub(super) fn all_of(core: &Core, query: &InstanceQuery) -> Result<Vec<InstanceStatus>, ClientError> {
    let mut all = Vec::new();
    let mut next = query.clone();
    loop {
        let page = core.time.run(core.inner_client().list(next))?;
        all.extend(page.instances);
        match page.continuation {
            Some(continuation) => next = query.clone().continue_from(continuation),
            None => return Ok(all),
        }
    }
}

/// All instances, in the order in which they were created.
#[track_caller]
pub(super) fn statuses(core: &Core) -> Vec<InstanceStatus> {
    let all = all_of(core, &InstanceQuery::new());
    let mut all = all.or_fail(|error| format!("the instances cannot be read: {error:?}"));
    all.sort_by_key(|status| (status.created_at, core.journal.place(&status.instance_id)));
    all
}

/// All instances with their histories, in the order in which they were created.
#[track_caller]
pub(super) fn instances(core: &Core) -> Vec<(InstanceStatus, Vec<HistoryEvent>)> {
    let history = |status: InstanceStatus| {
        let history = core.time.run(core.inner_client().history(&status.instance_id));
        let history = history.unwrap_or_else(|error| panic!("'{}' cannot be read: {error:?}", status.instance_id));
        (status, history.unwrap_or_default())
    };
    statuses(core).into_iter().map(history).collect()
}
