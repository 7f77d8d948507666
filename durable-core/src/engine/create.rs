//! Starting instances for clients.

use std::sync::Arc;

use super::group::Patience;
use super::local::{Inner, LocalEngine};
use super::stored;
use crate::backend::{CreateInstance, Write, Written};
use crate::client::{ClientError, ClientErrorKind, RestartRequest, StartRequest};
use crate::history::ExecutionHeader;
use crate::model::{IdReusePolicy, InstanceId, Tags};

impl Inner {
    /// True when memory has room for another instance that has something to do.
    pub(super) fn has_room(&self) -> bool {
        self.instances.lock().busy() < self.options.busy_instances
    }
}

impl LocalEngine {
    pub(super) async fn create(&self, request: StartRequest) -> Result<InstanceId, ClientError> {
        let StartRequest { name, version, id, input, tags, start_at, delay, id_reuse, trace } = request;
        let (version, runs_here) = {
            let catalogue = self.inner.catalogue.lock();
            let version = catalogue.version(&name, version.as_ref())?;
            let runs_here = catalogue.runs(&name, version.as_ref());
            (version, runs_here)
        };
        let id_reuse = id_reuse.unwrap_or(self.inner.options.id_reuse);
        let size = input.as_str().len() as u64;
        self.inner.options.limits.payload.check(size, "bytes", || format!("the input of orchestrator '{name}'"))?;
        let id = id.unwrap_or_else(|| self.inner.ids.instance());
        let now = self.inner.clock.now();
        let start_at = delay.map(|delay| now.saturating_add(delay)).max(start_at).filter(|at| *at > now);
        let execution = self.inner.ids.started(&id);
        let mut header = ExecutionHeader::new(id.clone(), execution, name, input);
        header.version = version;
        header.tags = tags;
        header.trace = trace;
        header.scheduled_start = start_at;
        let owner = (start_at.is_none() && runs_here && self.inner.has_room()).then(|| self.inner.worker());
        let create = CreateInstance { now, owner, replace: id_reuse.replaced(), ..stored::create(&header) };
        match self.insert(create).await? {
            Written::Created(_) => Ok(id),
            Written::Exists { .. } if id_reuse.keeps_existing() => Ok(id),
            Written::Exists { status } => Err(ClientError::new(ClientErrorKind::AlreadyExists { id, status })),
            _ => Err(ClientError::new(ClientErrorKind::Store)),
        }
    }

    async fn insert(&self, create: CreateInstance) -> Result<Written, ClientError> {
        let create = Arc::new(create);
        let (engine, created) = (self.clone(), Arc::clone(&create));
        let written = self.write(Write::Create((*create).clone()), Patience::Short, move |written| {
            if let Written::Created(started) = written {
                engine.child_is_durable(&created, *started);
            }
        });
        written.await
    }

    pub(super) async fn start_again(
        &self,
        id: &InstanceId,
        request: RestartRequest,
    ) -> Result<InstanceId, ClientError> {
        let row = self.store()?.instance(id.as_str()).await.map_err(super::client::store_failed)?;
        let row = row.ok_or_else(|| ClientError::new(ClientErrorKind::NotFound { id: id.clone() }))?;
        let header = stored::header(&row).map_err(super::client::corrupt)?;
        let mut start = StartRequest::new(header.name.clone(), header.input.clone());
        start.version.clone_from(&header.version);
        start.tags = Tags::from_stored(row.tags);
        if !request.new_id {
            start.id = Some(id.clone());
            start.id_reuse = Some(IdReusePolicy::replace_finished());
        }
        match self.create(start).await {
            Err(error) if error.is_already_exists() => Err(ClientError::new(ClientErrorKind::WrongState {
                id: id.clone(),
                status: row.status,
                needed: "finished to start again under its own id",
            })),
            other => other,
        }
    }
}
