//! What holds for the history of every instance that has ended, wherever its processes were killed.

use std::collections::HashSet;

use durable_core::history::{EventKind, HistoryEvent};

/// Every action has its own id without gaps, every completion belongs to one action and comes once, and there is one end.
pub(crate) fn check_history(history: &[HistoryEvent], name: &str) {
    let mut scheduled = HashSet::new();
    let mut completed = HashSet::new();
    let mut ends = 0;
    for event in history {
        match &event.kind {
            EventKind::TaskScheduled { id, .. } | EventKind::TimerCreated { id, .. } => {
                assert!(scheduled.insert(*id), "{name}: {id} was scheduled twice");
            }
            EventKind::TaskCompleted { task_id: id, .. }
            | EventKind::TaskFailed { task_id: id, .. }
            | EventKind::TimerFired { timer_id: id, .. } => {
                assert!(scheduled.contains(id), "{name}: {id} completed before it was scheduled");
                assert!(completed.insert(*id), "{name}: {id} completed twice");
            }
            EventKind::ExecutionCompleted { .. } => ends += 1,
            _ => {}
        }
    }
    assert_eq!(completed.len(), scheduled.len(), "{name}: an action has no completion");
    assert_eq!(
        scheduled.iter().map(|id| id.0 as usize).max().map_or(0, |last| last + 1),
        scheduled.len(),
        "{name}: a gap"
    );
    assert_eq!(ends, 1, "{name}");
}
