//! Instances that may have been the end of their last owner.
//!
//! Each attempt to run one is counted before it begins. After a few of them an instance runs alone among the suspects, so
//! that a further crash counts against the one that was running, and not against those that were waiting beside it.

use std::collections::VecDeque;

use super::group::Patience;
use super::local::LocalEngine;
use crate::backend::{InstanceKey, Write, Written};

/// At most so many attempts are made side by side with others, and at most a third of all.
const SIDE_BY_SIDE: u32 = 3;

/// Who waits to be tried alone, and who is being tried.
#[derive(Debug, Default)]
pub(super) struct Suspects {
    waiting: VecDeque<(InstanceKey, u64)>,
    on_trial: Option<InstanceKey>,
}

impl Suspects {
    /// Forgets everybody.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

impl LocalEngine {
    /// Has an instance run that was taken over from a lost owner, after `attempts` earlier tries.
    pub(super) fn try_suspect(&self, key: InstanceKey, epoch: u64, attempts: u32) {
        if attempts < SIDE_BY_SIDE.min(self.inner.options.max_deliveries / 3) {
            self.attempt(key, epoch);
        } else {
            self.inner.suspects.lock().waiting.push_back((key, epoch));
            self.next_trial();
        }
    }

    /// An instance has come to the end of its turn, whatever that was.
    pub(super) fn end_trial(&self, key: InstanceKey) {
        let mut suspects = self.inner.suspects.lock();
        if suspects.on_trial != Some(key) {
            return;
        }
        suspects.on_trial = None;
        drop(suspects);
        self.next_trial();
    }

    fn next_trial(&self) {
        let mut suspects = self.inner.suspects.lock();
        if suspects.on_trial.is_some() {
            return;
        }
        let Some((key, epoch)) = suspects.waiting.pop_front() else { return };
        suspects.on_trial = Some(key);
        drop(suspects);
        self.attempt(key, epoch);
    }

    fn attempt(&self, key: InstanceKey, epoch: u64) {
        let engine = self.clone();
        self.inner.submit(Write::Attempt { key, epoch }, Patience::Endless, move |_, written| {
            if matches!(written, Ok(Written::Done)) && engine.inner.instances.lock().release(key) {
                engine.inner.turns_ready.add_permits(1);
            } else if engine.inner.sharing.is_some() {
                // Another worker has it by now, or it is gone.
                let id = engine.inner.instances.lock().remove_at(key, epoch);
                if id.is_some() {
                    engine.unload(key);
                    engine.load(key, None);
                }
            } else {
                engine.forget(key);
            }
        });
    }
}
