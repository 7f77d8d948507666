//! The engine in this process, as a durable client.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::group::Patience;
use super::local::{Closed, LocalEngine};
use super::stored::{self, records};
use crate::BoxFuture;
use crate::backend::{Backend, BackendError, CountRow, InstanceFilter, InstanceRow, Write, Written};
use crate::client::{
    ClientError, ClientErrorKind, ControlRequest, DurableClient, InstanceCount, InstancePage, InstanceQuery,
    InstanceStatus, PendingActivity, PurgePage, PurgeRequest, RestartRequest, StartRequest, WaitUntil,
};
use crate::history::{EventKind, HistoryEvent, project};
use crate::model::{EventName, FunctionName, InstanceId, Payload, RuntimeStatus, TaskHubName, Version};

const MAX_PAGE: usize = 1_000;

impl DurableClient for LocalEngine {
    fn task_hub(&self) -> &TaskHubName {
        &self.inner.hub
    }

    fn start(&self, request: StartRequest) -> BoxFuture<'_, Result<InstanceId, ClientError>> {
        Box::pin(self.create(request))
    }

    fn status(&self, id: &InstanceId) -> BoxFuture<'_, Result<Option<InstanceStatus>, ClientError>> {
        let id = id.clone();
        Box::pin(async move {
            let row = self.store()?.instance(id.as_str()).await.map_err(store_failed)?;
            row.map(to_status).transpose()
        })
    }

    fn wait(
        &self,
        id: &InstanceId,
        until: WaitUntil,
        timeout: Option<Duration>,
    ) -> BoxFuture<'_, Result<Option<InstanceStatus>, ClientError>> {
        let id = id.clone();
        Box::pin(async move { self.wait_for(&id, until, timeout).await })
    }

    fn raise_event(
        &self,
        id: &InstanceId,
        name: EventName,
        payload: Payload,
    ) -> BoxFuture<'_, Result<(), ClientError>> {
        let size = payload.as_str().len() as u64;
        let checked =
            self.inner.options.limits.payload.check(size, "bytes", || format!("the payload of event '{name}'"));
        let id = id.clone();
        Box::pin(async move {
            checked?;
            self.send(id, EventKind::EventRaised { name, input: payload }).await
        })
    }

    fn terminate(&self, id: &InstanceId, request: ControlRequest) -> BoxFuture<'_, Result<(), ClientError>> {
        let ControlRequest { reason, recursive } = request;
        Box::pin(self.send(id.clone(), EventKind::ExecutionTerminated { reason, recursive }))
    }

    fn suspend(&self, id: &InstanceId, request: ControlRequest) -> BoxFuture<'_, Result<(), ClientError>> {
        let ControlRequest { reason, recursive } = request;
        Box::pin(self.send(id.clone(), EventKind::ExecutionSuspended { reason, recursive }))
    }

    fn resume(&self, id: &InstanceId, request: ControlRequest) -> BoxFuture<'_, Result<(), ClientError>> {
        let ControlRequest { reason, recursive } = request;
        Box::pin(self.send(id.clone(), EventKind::ExecutionResumed { reason, recursive }))
    }

    fn rewind(&self, id: &InstanceId, reason: Option<String>) -> BoxFuture<'_, Result<(), ClientError>> {
        let id = id.clone();
        Box::pin(async move { self.take_back(&id, reason).await })
    }

    fn restart(&self, id: &InstanceId, request: RestartRequest) -> BoxFuture<'_, Result<InstanceId, ClientError>> {
        let id = id.clone();
        Box::pin(async move { self.start_again(&id, request).await })
    }

    fn purge(&self, id: &InstanceId, request: PurgeRequest) -> BoxFuture<'_, Result<u64, ClientError>> {
        let id = id.clone();
        Box::pin(async move { self.purge_one(&id, request).await })
    }

    fn purge_page(&self, query: InstanceQuery) -> BoxFuture<'_, Result<PurgePage, ClientError>> {
        Box::pin(self.purge_step(query))
    }

    fn list(&self, query: InstanceQuery) -> BoxFuture<'_, Result<InstancePage, ClientError>> {
        Box::pin(async move {
            let (rows, continuation) = self.page(query).await?;
            let instances = rows.into_iter().map(to_status).collect::<Result<_, _>>()?;
            Ok(InstancePage { instances, continuation })
        })
    }

    fn count(&self, query: InstanceQuery) -> BoxFuture<'_, Result<Vec<InstanceCount>, ClientError>> {
        Box::pin(async move {
            let Some(filter) = self.filter(&query).await? else { return Ok(Vec::new()) };
            let rows = self.store()?.count(filter).await.map_err(store_failed)?;
            rows.into_iter().map(to_count).collect()
        })
    }

    fn activities(&self, id: &InstanceId) -> BoxFuture<'_, Result<Option<Vec<PendingActivity>>, ClientError>> {
        let id = id.clone();
        Box::pin(async move { self.pending_activities(&id).await })
    }

    fn history(&self, id: &InstanceId) -> BoxFuture<'_, Result<Option<Vec<HistoryEvent>>, ClientError>> {
        let id = id.clone();
        Box::pin(async move { self.read_events(&id).await })
    }
}

impl LocalEngine {
    pub(super) fn store(&self) -> Result<Arc<dyn Backend>, ClientError> {
        self.inner.backend().map_err(|Closed| ClientError::new(ClientErrorKind::ShutDown))
    }

    /// The filter of a query; `None` when nothing can fit it.
    async fn filter(&self, query: &InstanceQuery) -> Result<Option<InstanceFilter>, ClientError> {
        let mut filter = filter(query)?;
        if let Some(parent) = &query.parent {
            let Some(row) = self.store()?.instance(parent.as_str()).await.map_err(store_failed)? else {
                return Ok(None);
            };
            filter.parent = Some(row.key);
        }
        Ok(Some(filter))
    }

    /// One page of rows, and where the next one begins.
    pub(super) async fn page(&self, query: InstanceQuery) -> Result<(Vec<InstanceRow>, Option<String>), ClientError> {
        let page_size = query.page_size.clamp(1, MAX_PAGE);
        let Some(filter) = self.filter(&query).await? else { return Ok((Vec::new(), None)) };
        let mut rows = self.store()?.list(filter).await.map_err(store_failed)?;
        let more = rows.len() > page_size;
        rows.truncate(page_size);
        let continuation = rows.last().filter(|_| more).map(|row| encode_token(&row.id));
        Ok((rows, continuation))
    }

    /// Makes one write, lets `follow` act on it in the order of all writes, and gives its answer.
    pub(super) async fn write(
        &self,
        write: Write,
        patience: Patience,
        follow: impl FnOnce(&Written) + Send + 'static,
    ) -> Result<Written, ClientError> {
        if self.inner.is_closing() {
            return Err(ClientError::new(ClientErrorKind::ShutDown));
        }
        let (answer, written) = oneshot::channel();
        self.inner.submit(write, patience, move |_, written| {
            if let Ok(written) = &written {
                follow(written);
            }
            let _ = answer.send(written);
        });
        let written = written.await.map_err(|_gone| ClientError::new(ClientErrorKind::ShutDown))?;
        written.map_err(store_failed)
    }

    async fn wait_for(
        &self,
        id: &InstanceId,
        until: WaitUntil,
        timeout: Option<Duration>,
    ) -> Result<Option<InstanceStatus>, ClientError> {
        let deadline = timeout.map(|timeout| self.inner.clock.now().saturating_add(timeout));
        let is_over = |status: &Option<InstanceStatus>| {
            status.as_ref().is_none_or(|status| until.is_reached(status.runtime_status))
        };
        loop {
            // Registered before the look, so that an end between the look and the wait is not missed.
            let waiting = self.inner.waiters.register(id);
            let notified = waiting.notified();
            tokio::pin!(notified);
            notified.as_mut().enable();
            if deadline.is_some_and(|deadline| self.inner.clock.now() >= deadline) {
                return self.status(id).await;
            }
            if !self.is_surely_open(id, until) {
                let mut status = self.status(id).await?;
                if !is_over(&status) && self.watch(id).await? {
                    // It may have ended before it was watched.
                    status = self.status(id).await?;
                }
                if is_over(&status) {
                    return Ok(status);
                }
            }
            if self.inner.is_closing() {
                return Err(ClientError::new(ClientErrorKind::ShutDown));
            }
            // A first turn at another worker of which nobody tells is found like this; an end, by the heartbeats.
            let look = self.inner.sharing.as_ref().filter(|_| until == WaitUntil::Started);
            let look = look.map(|_| self.inner.clock.now().saturating_add(self.inner.options.heartbeat_interval));
            match deadline.into_iter().chain(look).min() {
                Some(at) => {
                    tokio::select! {
                        () = notified => {}
                        () = self.inner.clock.sleep_until(at) => {}
                    }
                }
                None => notified.await,
            }
        }
    }

    /// True when the store need not be asked whether an instance has ended: whatever is in memory has not, and its end is told
    /// after it has left. Who shares the store may have lost it, and knows the end only from there.
    fn is_surely_open(&self, id: &InstanceId, until: WaitUntil) -> bool {
        until == WaitUntil::Finished && self.inner.sharing.is_none() && self.inner.instances.lock().key_of(id).is_some()
    }

    /// Has other workers tell of an instance that may be theirs. False when it is ours.
    async fn watch(&self, id: &InstanceId) -> Result<bool, ClientError> {
        let theirs = self.inner.sharing.is_some() && self.inner.instances.lock().key_of(id).is_none();
        if theirs {
            let watch = Write::Watch { id: id.as_str().to_owned() };
            self.write(watch, Patience::Short, |_| {}).await?;
        }
        Ok(theirs)
    }

    async fn read_events(&self, id: &InstanceId) -> Result<Option<Vec<HistoryEvent>>, ClientError> {
        let Some(row) = self.store()?.instance(id.as_str()).await.map_err(store_failed)? else { return Ok(None) };
        let header = stored::header(&row).map_err(corrupt)?;
        let rows = self.store()?.history(row.key).await.map_err(store_failed)?;
        let records = records(rows, &header);
        let records = records.map_err(|error| ClientError::new(ClientErrorKind::Store).with_source(error))?;
        Ok(Some(project(records)))
    }
}

pub(super) fn store_failed(error: BackendError) -> ClientError {
    ClientError::new(ClientErrorKind::Store).with_source(error)
}

pub(super) fn corrupt(problem: String) -> ClientError {
    ClientError::new(ClientErrorKind::Store).with_source(problem)
}

/// The filter of a query, its parent aside.
pub(super) fn filter(query: &InstanceQuery) -> Result<InstanceFilter, ClientError> {
    let mut statuses = query.statuses.clone();
    // Between two executions an instance is Running for those who look at it.
    if statuses.contains(&RuntimeStatus::Running) && !statuses.contains(&RuntimeStatus::ContinuedAsNew) {
        statuses.push(RuntimeStatus::ContinuedAsNew);
    }
    let text = |version: &Version| version.as_str().to_owned();
    Ok(InstanceFilter {
        statuses,
        name: query.name.as_ref().map(|name| name.as_str().to_owned()),
        version: query.version.as_ref().map(|version| version.as_ref().map(text)),
        tags: query.tags.clone(),
        parent: None,
        id_prefix: query.id_prefix.clone(),
        created_from: query.created_from,
        created_to: query.created_to,
        updated_from: query.updated_from,
        updated_to: query.updated_to,
        after_id: query.continuation.as_deref().map(decode_token).transpose()?,
        limit: query.page_size.clamp(1, MAX_PAGE) + 1,
    })
}

/// What those who look at an instance see of its status.
fn shown(status: RuntimeStatus) -> RuntimeStatus {
    if status == RuntimeStatus::ContinuedAsNew { RuntimeStatus::Running } else { status }
}

fn to_count(row: CountRow) -> Result<InstanceCount, ClientError> {
    let name = FunctionName::new(&row.name).map_err(|error| corrupt(error.to_string()))?;
    let version = row.version.map(Version::new).transpose().map_err(|error| corrupt(error.to_string()))?;
    Ok(InstanceCount::new(name, version, shown(row.status), row.count))
}

fn to_status(row: InstanceRow) -> Result<InstanceStatus, ClientError> {
    let header = stored::header(&row).map_err(corrupt)?;
    let (failure, termination_reason) = match (row.status, row.reason) {
        (RuntimeStatus::Failed, Some(reason)) => {
            (Some(serde_json::from_str(&reason).map_err(|error| corrupt(error.to_string()))?), None)
        }
        (_, reason) => (None, reason),
    };
    Ok(InstanceStatus {
        instance_id: header.instance.clone(),
        execution_id: header.execution.clone(),
        name: header.name.clone(),
        version: header.version.clone(),
        tags: header.tags.clone(),
        parent_id: header.parent.as_ref().map(|parent| parent.instance.clone()),
        scheduled_start: header.scheduled_start,
        trace: header.trace.clone(),
        generation: header.generation,
        runtime_status: shown(row.status),
        input: row.input,
        custom_status: row.custom_status,
        output: row.output,
        termination_reason,
        failure,
        stalled: row.stalled,
        created_at: row.created,
        last_updated_at: row.updated,
    })
}

/// Continuation tokens are the last id in hexadecimal digits: any id fits into a header.
fn encode_token(id: &str) -> String {
    id.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn decode_token(token: &str) -> Result<String, ClientError> {
    let refuse = || ClientError::invalid_argument(format!("'{token}' is not a continuation token of this task hub"));
    let digits = token.as_bytes().chunks(2).map(|pair| {
        let text = std::str::from_utf8(pair).ok().filter(|text| text.len() == 2 && !text.starts_with('+'))?;
        u8::from_str_radix(text, 16).ok()
    });
    String::from_utf8(digits.collect::<Option<_>>().ok_or_else(refuse)?).map_err(|_bytes| refuse())
}
