//! Creating instances.

use super::error::{Failure, Result};
use super::writer::Work;
use crate::backend::{BackendErrorKind, CreateInstance, Gone, InstanceKey, Started, Written};

pub(super) fn create<'a>(
    work: &mut Work<'a>,
    create: &'a CreateInstance,
    parent: Option<InstanceKey>,
) -> Result<Written> {
    let mut epoch = 1;
    let mut watched = false;
    let mut replaced = None;
    if let Some((key, instance)) = work.by_id(&create.id).and_then(|key| Some((key, work.instances.get(&key)?))) {
        let status = instance.status;
        // Whatever a child may replace, the instance that starts it goes on.
        if parent == Some(key) {
            return Ok(Written::Exists { status });
        }
        if instance.execution == create.execution {
            let (epoch, owner) = (instance.epoch, instance.owner);
            return Ok(Written::Created(Started { key, epoch, owner, replaced: None }));
        }
        let awaited = instance.parent_call.is_some() && !status.is_terminal();
        if awaited || !create.replace.contains(&status) {
            return Ok(Written::Exists { status });
        }
        epoch = instance.epoch + 1;
        watched = instance.watched;
        replaced = Some(Gone { key, owner: work.living(instance.owner) });
        work.remove(key);
    }
    work.changes.weigh(Some(&create.input));
    let key = work.create(create, parent, epoch, watched);
    let key = key.ok_or_else(|| Failure::new(BackendErrorKind::Other, "no key was given out for a new instance"))?;
    Ok(Written::Created(Started { key, epoch, owner: create.owner, replaced }))
}
