//! The texts of a history that stand beside its payloads.

use std::collections::BTreeMap;
use std::sync::Arc;

use durable_core::history::{EventKind, ExecutionHeader, HistoryEvent};
use durable_core::model::{FailureDetails, Tags};

/// Changes messages of failures, reasons and the values of tags.
pub(super) fn mend(events: &mut [HistoryEvent], change: &mut dyn FnMut(&mut String)) {
    for HistoryEvent { kind, .. } in events {
        match kind {
            EventKind::ExecutionStarted(header) => {
                let mut started = ExecutionHeader::clone(header);
                started.tags = tags(&started.tags, change);
                *header = Arc::new(started);
            }
            EventKind::SubOrchestrationInstanceCreated { child, .. } => child.tags = tags(&child.tags, change),
            EventKind::ExecutionTerminated { reason, .. }
            | EventKind::ExecutionSuspended { reason, .. }
            | EventKind::ExecutionResumed { reason, .. }
            | EventKind::ExecutionRewound { reason } => reason.iter_mut().for_each(&mut *change),
            EventKind::ExecutionCompleted { failure: Some(failure), .. }
            | EventKind::TaskFailed { failure, .. }
            | EventKind::SubOrchestrationInstanceFailed { failure, .. } => messages(failure, change),
            _ => {}
        }
    }
}

/// Changes the texts of a failure and of its causes. Its types stay: the code decides by them.
pub(super) fn messages(failure: &mut FailureDetails, change: &mut dyn FnMut(&mut String)) {
    let mut level = Some(failure);
    while let Some(FailureDetails { error_message, stack_trace, inner_failure, .. }) = level {
        change(error_message);
        stack_trace.iter_mut().for_each(&mut *change);
        level = inner_failure.as_deref_mut();
    }
}

fn tags(tags: &Tags, change: &mut dyn FnMut(&mut String)) -> Tags {
    let changed = tags.iter().map(|(key, value)| {
        let mut value = value.clone();
        change(&mut value);
        (key.clone(), value)
    });
    Tags::from_stored(changed.collect::<BTreeMap<_, _>>())
}
