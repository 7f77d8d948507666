//! The instances of a lenient mock, and how far it understands what is asked of them. Nothing runs in it.

use std::collections::{BTreeMap, BTreeSet};

use durable_core::client::{
    ClientError, ClientErrorKind, ControlRequest, InstanceCount, InstancePage, InstanceQuery, InstanceStatus,
    PurgePage, PurgeRequest, RestartRequest, StartRequest,
};
use durable_core::history::HistoryEvent;
use durable_core::model::{InstanceId, RuntimeStatus};

use super::instance::CREATED;

#[derive(Default)]
pub(super) struct World {
    instances: BTreeMap<String, Entry>,
    generated: u64,
}

struct Entry {
    status: InstanceStatus,
    history: Vec<HistoryEvent>,
}

type Result<T> = std::result::Result<T, ClientError>;

impl World {
    /// Puts an instance there, or changes it. A history stays.
    pub(super) fn put(&mut self, status: InstanceStatus) {
        let history = self.instances.remove(status.instance_id.as_str()).map(|entry| entry.history);
        let entry = Entry { status, history: history.unwrap_or_default() };
        self.instances.insert(entry.status.instance_id.to_string(), entry);
    }

    pub(super) fn put_history(&mut self, id: &InstanceId, history: Vec<HistoryEvent>) -> bool {
        self.instances.get_mut(id.as_str()).map(|entry| entry.history = history).is_some()
    }

    pub(super) fn status(&self, id: &InstanceId) -> Option<InstanceStatus> {
        self.instances.get(id.as_str()).map(|entry| entry.status.clone())
    }

    pub(super) fn history(&self, id: &InstanceId) -> Option<Vec<HistoryEvent>> {
        self.instances.get(id.as_str()).map(|entry| entry.history.clone())
    }

    pub(super) fn start(&mut self, request: StartRequest) -> Result<InstanceId> {
        let id = match request.id {
            Some(id) => id,
            None => self.new_id()?,
        };
        let id_reuse = request.id_reuse.unwrap_or_default();
        if let Some(found) = self.status(&id).filter(|found| !id_reuse.replaces(found.runtime_status)) {
            if id_reuse.keeps_existing() {
                return Ok(id);
            }
            return Err(ClientError::new(ClientErrorKind::AlreadyExists { id, status: found.runtime_status }));
        }
        let mut status = InstanceStatus::pending(id.clone(), request.name, request.input, CREATED);
        status.version = request.version;
        status.tags = request.tags;
        status.trace = request.trace;
        let delayed = request.delay.map(|delay| CREATED.saturating_add(delay));
        status.scheduled_start = request.start_at.or(delayed);
        self.instances.remove(id.as_str());
        self.put(status);
        Ok(id)
    }

    pub(super) fn raise_event(&self, id: &InstanceId) -> Result<()> {
        self.live(id).map(|_| ())
    }

    pub(super) fn terminate(&mut self, id: &InstanceId, request: &ControlRequest) -> Result<()> {
        self.control(id, request.recursive, |status| {
            status.runtime_status = RuntimeStatus::Terminated;
            status.termination_reason.clone_from(&request.reason);
        })
    }

    pub(super) fn suspend(&mut self, id: &InstanceId, request: &ControlRequest) -> Result<()> {
        self.control(id, request.recursive, |status| status.runtime_status = RuntimeStatus::Suspended)
    }

    pub(super) fn resume(&mut self, id: &InstanceId, request: &ControlRequest) -> Result<()> {
        self.control(id, request.recursive, |status| {
            if status.runtime_status == RuntimeStatus::Suspended {
                status.runtime_status = RuntimeStatus::Running;
            }
        })
    }

    pub(super) fn rewind(&mut self, id: &InstanceId) -> Result<()> {
        let mut status = self.existing(id)?;
        if status.runtime_status != RuntimeStatus::Failed {
            return Err(wrong_state(&status, "Failed to be rewound"));
        }
        status.runtime_status = RuntimeStatus::Running;
        status.failure = None;
        self.put(status);
        Ok(())
    }

    pub(super) fn restart(&mut self, id: &InstanceId, request: &RestartRequest) -> Result<InstanceId> {
        let found = self.existing(id)?;
        if !request.new_id && !found.runtime_status.is_terminal() {
            return Err(wrong_state(&found, "finished to start again under its own id"));
        }
        let id = if request.new_id { self.new_id()? } else { id.clone() };
        let mut status = InstanceStatus::pending(id.clone(), found.name, found.input, CREATED);
        status.version = found.version;
        status.tags = found.tags;
        self.instances.remove(id.as_str());
        self.put(status);
        Ok(id)
    }

    pub(super) fn purge(&mut self, id: &InstanceId, request: &PurgeRequest) -> Result<u64> {
        if self.status(id).is_none() {
            return Ok(0);
        }
        let family = self.family(id, request.recursive);
        let live = family.iter().filter_map(|id| self.instances.get(id)).find(|entry| is_live(&entry.status));
        if let Some(entry) = live.filter(|_| !request.force) {
            return Err(wrong_state(&entry.status, "finished to be purged"));
        }
        self.instances.retain(|id, _| !family.contains(id));
        Ok(family.len() as u64)
    }

    pub(super) fn purge_page(&mut self, query: &InstanceQuery) -> PurgePage {
        let (page, continuation) = self.page(query);
        let finished: Vec<_> = page.iter().filter(|status| !is_live(status)).map(|s| s.instance_id.clone()).collect();
        self.instances.retain(|_, entry| !finished.contains(&entry.status.instance_id));
        PurgePage { deleted: finished.len() as u64, continuation }
    }

    pub(super) fn list(&self, query: &InstanceQuery) -> InstancePage {
        let (instances, continuation) = self.page(query);
        InstancePage { instances, continuation }
    }

    pub(super) fn count(&self, query: &InstanceQuery) -> Vec<InstanceCount> {
        let mut counts: Vec<InstanceCount> = Vec::new();
        for status in self.fitting(query) {
            let same = |count: &&mut InstanceCount| {
                count.name == status.name && count.version == status.version && count.status == status.runtime_status
            };
            match counts.iter_mut().find(same) {
                Some(count) => count.count += 1,
                None => counts.push(InstanceCount::new(
                    status.name.clone(),
                    status.version.clone(),
                    status.runtime_status,
                    1,
                )),
            }
        }
        counts
    }

    fn fitting<'a>(&'a self, query: &'a InstanceQuery) -> impl Iterator<Item = &'a InstanceStatus> {
        self.instances.values().map(|entry| &entry.status).filter(|status| fits(status, query))
    }

    /// One page and the token of the next, which is the id at which this one ends.
    fn page(&self, query: &InstanceQuery) -> (Vec<InstanceStatus>, Option<String>) {
        let size = query.page_size.clamp(1, 1_000);
        let after = |status: &&InstanceStatus| {
            query.continuation.as_deref().is_none_or(|last| status.instance_id.as_str() > last)
        };
        let mut rest = self.fitting(query).filter(after);
        let page: Vec<_> = rest.by_ref().take(size).cloned().collect();
        let more = rest.next().is_some();
        let last = page.last().map(|status| status.instance_id.to_string());
        (page, last.filter(|_| more))
    }

    /// An id that is the same in each run of a test.
    fn new_id(&mut self) -> Result<InstanceId> {
        self.generated += 1;
        Ok(InstanceId::new(format!("instance-{}", self.generated))?)
    }

    fn existing(&self, id: &InstanceId) -> Result<InstanceStatus> {
        self.status(id).ok_or_else(|| ClientError::new(ClientErrorKind::NotFound { id: id.clone() }))
    }

    fn live(&self, id: &InstanceId) -> Result<InstanceStatus> {
        let found = self.existing(id)?;
        if is_live(&found) {
            return Ok(found);
        }
        Err(ClientError::new(ClientErrorKind::Finished { id: id.clone(), status: found.runtime_status }))
    }

    fn control(&mut self, id: &InstanceId, recursive: bool, change: impl Fn(&mut InstanceStatus)) -> Result<()> {
        self.live(id)?;
        for id in self.family(id, recursive) {
            if let Some(entry) = self.instances.get_mut(&id).filter(|entry| is_live(&entry.status)) {
                change(&mut entry.status);
            }
        }
        Ok(())
    }

    /// An instance, and where that is asked for all below it.
    fn family(&self, id: &InstanceId, recursive: bool) -> BTreeSet<String> {
        let mut family = BTreeSet::from([id.to_string()]);
        let mut grows = recursive;
        while grows {
            let children = self
                .instances
                .values()
                .filter(|entry| entry.status.parent_id.as_ref().is_some_and(|parent| family.contains(parent.as_str())));
            let children: Vec<_> = children.map(|entry| entry.status.instance_id.to_string()).collect();
            let before = family.len();
            family.extend(children);
            grows = family.len() > before;
        }
        family
    }
}

fn is_live(status: &InstanceStatus) -> bool {
    !status.runtime_status.is_terminal()
}

fn fits(status: &InstanceStatus, query: &InstanceQuery) -> bool {
    let within =
        |time, from: Option<_>, to: Option<_>| from.is_none_or(|from| from <= time) && to.is_none_or(|to| time <= to);
    (query.statuses.is_empty() || query.statuses.contains(&status.runtime_status))
        && query.name.as_ref().is_none_or(|name| *name == status.name)
        && query.version.as_ref().is_none_or(|version| *version == status.version)
        && query.tags.iter().all(|(key, value)| status.tags.get(key) == Some(value))
        && query.parent.as_ref().is_none_or(|parent| status.parent_id.as_ref() == Some(parent))
        && query.id_prefix.as_deref().is_none_or(|prefix| status.instance_id.as_str().starts_with(prefix))
        && within(status.created_at, query.created_from, query.created_to)
        && within(status.last_updated_at, query.updated_from, query.updated_to)
}

fn wrong_state(found: &InstanceStatus, needed: &'static str) -> ClientError {
    let (id, status) = (found.instance_id.clone(), found.runtime_status);
    ClientError::new(ClientErrorKind::WrongState { id, status, needed })
}
