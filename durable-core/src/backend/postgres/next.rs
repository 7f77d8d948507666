//! Going on in another execution.

use super::query::int;
use super::writer::Work;
use crate::backend::{InstanceKey, NextExecution};

/// What belongs to the instance stays: its calls, its custom status, and the messages that no turn has consumed and that are about
/// no task of the execution that ends.
pub(super) fn continue_as<'a>(work: &mut Work<'a>, key: InstanceKey, next: &'a NextExecution) {
    if let Some(instance) = work.instances.get_mut(&key) {
        instance.execution.clone_from(&next.execution);
        instance.generation = next.generation;
    }
    let (version, generation) = (next.version.as_deref(), int(next.generation.into()));
    work.changes.weigh(Some(&next.input));
    work.changes.continued.push((key.0, &next.execution, version, generation, next.input.as_str()));
    work.changes.no_history.push((key.0,));
    work.drop_results(key);
    for row in &next.carried {
        work.put_back(key, row);
    }
}
