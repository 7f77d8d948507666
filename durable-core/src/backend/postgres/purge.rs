//! Removing instances.

use super::writer::Work;
use crate::backend::{Gone, InstanceKey, Written};

pub(super) fn purge(work: &mut Work<'_>, keys: &[InstanceKey], force: bool) -> Written {
    let mut gone = Vec::new();
    for key in keys {
        let fits = work.instances.get(key).filter(|instance| force || instance.status.is_terminal());
        if let Some(owner) = fits.map(|instance| instance.owner) {
            gone.push(Gone { key: *key, owner: work.living(owner) });
            work.remove(*key);
        }
    }
    Written::Purged(gone)
}
