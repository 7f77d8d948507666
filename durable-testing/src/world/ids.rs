//! The ids that a world makes up: the same ones in every run.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use durable_core::backend::{InstanceRow, Write};
use durable_core::engine::IdSource;
use durable_core::model::{ExecutionId, InstanceId};
use parking_lot::Mutex;
use uuid::Uuid;

/// What the seed is as long as nobody sets one.
pub(super) const SEED: u64 = 0;

/// Keeps the ids of worlds apart from all others that are made of texts.
const NAMESPACE: Uuid = Uuid::from_u128(0x3f0a_61c7_5d42_4e9b_8a17_c2d4_06be_9f35);

/// Ids that follow from a seed and from what has happened.
///
/// An id is in use once it has been written. So a turn that is run again, since its commit has not happened, gets the same ids
/// again, and so does a copy of a world that does the same as the world itself.
#[derive(Debug)]
pub(super) struct Ids {
    seed: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    used: HashSet<u128>,
    /// Given to starts that may be under way.
    pending: HashSet<u128>,
    /// For each series of ids, the number of its next one: all before it are in use, or were given out.
    next: HashMap<String, u64>,
    has_looked: bool,
}

impl Ids {
    pub(super) fn new(seed: u64) -> Arc<Self> {
        Arc::new(Self { seed, state: Mutex::default() })
    }

    /// The id of an instance that a client from outside starts. Such starts have a series of their own: what happens inside of
    /// the world, once or again, does not change their ids.
    pub(super) fn for_a_client(&self) -> InstanceId {
        self.instance("outside")
    }

    fn instance(&self, series: &str) -> InstanceId {
        let id = self.next(series, true);
        InstanceId::new(id).unwrap_or_else(|error| unreachable!("32 digits are an id: {error}"))
    }

    /// The next id of a series that is not in use. Whoever asks again before it is written gets it again, unless it
    /// `is_taken` at once.
    fn next(&self, series: &str, is_taken: bool) -> String {
        let State { used, next, .. } = &mut *self.state.lock();
        let number = next.entry(series.to_owned()).or_default();
        loop {
            let id = self.id(series, *number);
            let is_used = used.contains(&id.as_u128());
            *number += u64::from(is_used || is_taken);
            if !is_used {
                return id.simple().to_string();
            }
        }
    }

    /// As [`next`](Self::next), but an id that another start has got is passed over as long as that one may be under way.
    fn next_of_starts(&self, series: &str) -> String {
        let State { used, pending, next, .. } = &mut *self.state.lock();
        let first = next.get(series).copied().unwrap_or_default();
        let mut ids = (first..).map(|number| self.id(series, number));
        let id = ids.find(|id| !used.contains(&id.as_u128()) && pending.insert(id.as_u128()));
        id.unwrap_or_else(|| unreachable!("there are more numbers than ids in use")).simple().to_string()
    }

    fn id(&self, series: &str, number: u64) -> Uuid {
        Uuid::new_v5(&NAMESPACE, format!("{}/{series}/{number}", self.seed).as_bytes())
    }

    /// No start is under way: one that was lost gets its id again.
    pub(super) fn none_is_pending(&self) {
        self.state.lock().pending.clear();
    }

    /// True for the first one who asks, who then tells what a store that was given holds already.
    pub(super) fn looks_around(&self) -> bool {
        !std::mem::replace(&mut self.state.lock().has_looked, true)
    }

    /// These instances are there.
    pub(super) fn know(&self, rows: &[InstanceRow]) {
        rows.iter().for_each(|row| self.keep([row.id.as_str(), row.execution.as_str()]));
    }

    /// These writes have been made.
    pub(super) fn note(&self, batch: &[Write]) {
        for write in batch {
            match write {
                Write::Create(create) => self.keep([create.id.as_str(), create.execution.as_str()]),
                Write::Turn(turn) => {
                    let children = turn.children.iter().map(|child| &child.create);
                    self.keep(children.flat_map(|create| [create.id.as_str(), create.execution.as_str()]));
                    self.keep(turn.next.iter().map(|next| next.execution.as_str()));
                }
                Write::Rewind(rewinds) => {
                    let children = rewinds.iter().flat_map(|rewind| &rewind.children).map(|child| &child.create);
                    self.keep(children.flat_map(|create| [create.id.as_str(), create.execution.as_str()]));
                }
                _ => {}
            }
        }
    }

    fn keep<'a>(&self, ids: impl IntoIterator<Item = &'a str>) {
        let mut state = self.state.lock();
        // Ids that somebody has chosen are none of these.
        let generated = ids.into_iter().filter(|id| id.len() == 32);
        state.used.extend(generated.filter_map(|id| u128::from_str_radix(id, 16).ok()));
    }
}

/// What a hub gets of them.
pub(super) struct OfTheHub(pub(super) Arc<Ids>);

impl IdSource for OfTheHub {
    fn instance(&self) -> InstanceId {
        self.0.instance("inside")
    }

    fn execution(&self, instance: &InstanceId) -> ExecutionId {
        ExecutionId::from_stored(&self.0.next(&format!("execution/{instance}"), false))
    }

    fn started(&self, instance: &InstanceId) -> ExecutionId {
        ExecutionId::from_stored(&self.0.next_of_starts(&format!("execution/{instance}")))
    }
}
