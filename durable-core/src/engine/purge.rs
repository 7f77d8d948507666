//! Removing instances.

use super::client::{filter, store_failed};
use super::group::Patience;
use super::local::LocalEngine;
use crate::backend::{InstanceFilter, InstanceRow, MessageTarget, NewMessage, Notice, Write, Written};
use crate::client::{ClientError, ClientErrorKind, InstanceQuery, PurgePage, PurgeRequest};
use crate::history::{EventKind, encode_event};
use crate::model::{FailureDetails, InstanceId, RuntimeStatus};

/// How many instances one transaction removes at most.
const AT_ONCE: usize = 100;

impl LocalEngine {
    pub(super) async fn purge_one(&self, id: &InstanceId, request: PurgeRequest) -> Result<u64, ClientError> {
        let Some(root) = self.store()?.instance(id.as_str()).await.map_err(store_failed)? else { return Ok(0) };
        let mut family = vec![root];
        let mut next = 0;
        // Looked through before anything is removed, so that a live one below keeps all of them.
        while request.recursive && next < family.len() {
            let children = self.children(&family[next]).await?;
            family.extend(children);
            next += 1;
        }
        if let Some(live) = family.iter().find(|row| !request.force && !row.status.is_terminal()) {
            let id = InstanceId::new(&live.id)?;
            let needed = "finished to be purged";
            return Err(ClientError::new(ClientErrorKind::WrongState { id, status: live.status, needed }));
        }
        if request.force {
            self.tell_parent_of_purge(&family[0]).await?;
        }
        // The lowest first: what is left after a crash can still be found from the top.
        family.reverse();
        let mut deleted = 0;
        for rows in family.chunks(AT_ONCE) {
            deleted += self.remove(rows, request.force).await?;
        }
        Ok(deleted)
    }

    pub(super) async fn purge_step(&self, mut query: InstanceQuery) -> Result<PurgePage, ClientError> {
        query.page_size = query.page_size.clamp(1, AT_ONCE);
        if query.statuses.is_empty() {
            query.statuses = RuntimeStatus::ALL.into_iter().filter(|status| status.is_terminal()).collect();
        }
        query.statuses.retain(|status| status.is_terminal());
        if query.statuses.is_empty() {
            return Ok(PurgePage { deleted: 0, continuation: None });
        }
        let (rows, continuation) = self.page(query).await?;
        Ok(PurgePage { deleted: self.remove(&rows, false).await?, continuation })
    }

    /// The children of an instance. What it started and left alone is none of them.
    pub(super) async fn children(&self, row: &InstanceRow) -> Result<Vec<InstanceRow>, ClientError> {
        let all = InstanceFilter { parent: Some(row.key), limit: usize::MAX, ..filter(&InstanceQuery::new())? };
        let mut rows = self.store()?.list(all).await.map_err(store_failed)?;
        rows.retain(|row| row.parent_call.is_some());
        Ok(rows)
    }

    async fn remove(&self, rows: &[InstanceRow], force: bool) -> Result<u64, ClientError> {
        if rows.is_empty() {
            return Ok(0);
        }
        let keys = rows.iter().map(|row| row.key).collect();
        let engine = self.clone();
        let ids: Vec<_> = rows.iter().filter_map(|row| InstanceId::new(&row.id).ok()).collect();
        let written = self.write(Write::Purge { keys, force }, Patience::Short, move |written| {
            if let Written::Purged(gone) = written {
                gone.iter().for_each(|gone| engine.is_gone(*gone));
                ids.iter().for_each(|id| engine.inner.waiters.changed(id));
                engine.tell(Notice::Changed(ids.iter().map(|id| id.as_str().to_owned()).collect()));
            }
        });
        match written.await? {
            Written::Purged(gone) => Ok(gone.len() as u64),
            _ => Err(ClientError::new(ClientErrorKind::Store)),
        }
    }

    /// The parent of a live child must not wait for one that is gone.
    async fn tell_parent_of_purge(&self, row: &InstanceRow) -> Result<(), ClientError> {
        let header = super::stored::header(row).map_err(super::client::corrupt)?;
        let (Some(parent), Some(link), false) = (row.parent, &header.parent, row.status.is_terminal()) else {
            return Ok(());
        };
        let Some(task_id) = link.task_id else { return Ok(()) };
        let message = format!("child orchestration '{}' was purged before it was finished", row.id);
        let failure = FailureDetails::new("Purged", message).non_retriable();
        let event = EventKind::SubOrchestrationInstanceFailed { task_id, failure };
        let to = MessageTarget::Execution(parent, link.execution.as_str().to_owned());
        let message = NewMessage { to, time: self.inner.clock.now(), event: encode_event(&event), completes: None };
        self.deliver(message, event).await.map(|_| ())
    }
}
