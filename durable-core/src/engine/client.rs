//! The engine in this process, as a durable client.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::oneshot;

use super::group::Patience;
use super::instances::Known;
use super::local::{Closed, LocalEngine};
use super::message::{Message, Origin};
use super::stored::{self, records};
use crate::BoxFuture;
use crate::backend::{
    Backend, BackendError, CreateInstance, InstanceFilter, InstanceRow, MessageTarget, NewMessage, Started, Write,
    Written,
};
use crate::client::{
    ClientError, ClientErrorKind, DurableClient, InstancePage, InstanceQuery, InstanceStatus, StartRequest,
};
use crate::history::{EventKind, ExecutionHeader, HistoryEvent, encode_event, project};
use crate::model::{EventName, ExecutionId, FunctionName, InstanceId, Payload, RuntimeStatus, TaskHubName};

use super::apply::Standing;

/// A finished instance gives its id up to a new one.
const REPLACEABLE: [RuntimeStatus; 4] =
    [RuntimeStatus::Completed, RuntimeStatus::Failed, RuntimeStatus::Canceled, RuntimeStatus::Terminated];
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
        timeout: Option<Duration>,
    ) -> BoxFuture<'_, Result<Option<InstanceStatus>, ClientError>> {
        let id = id.clone();
        Box::pin(async move { self.wait_for_end(&id, timeout).await })
    }

    fn raise_event(
        &self,
        id: &InstanceId,
        name: EventName,
        payload: Payload,
    ) -> BoxFuture<'_, Result<(), ClientError>> {
        Box::pin(self.send(id.clone(), EventKind::EventRaised { name, input: payload }))
    }

    fn terminate(&self, id: &InstanceId, reason: Option<String>) -> BoxFuture<'_, Result<(), ClientError>> {
        Box::pin(self.send(id.clone(), EventKind::ExecutionTerminated { reason, recursive: false }))
    }

    fn list(&self, query: InstanceQuery) -> BoxFuture<'_, Result<InstancePage, ClientError>> {
        Box::pin(async move {
            let page_size = query.page_size.clamp(1, MAX_PAGE);
            let filter = InstanceFilter {
                statuses: query.statuses,
                name: query.name.map(|name| name.as_str().to_owned()),
                id_prefix: query.id_prefix,
                created_from: query.created_from,
                created_to: query.created_to,
                version: None,
                tags: Vec::new(),
                parent: None,
                updated_from: None,
                updated_to: None,
                after_id: query.continuation.as_deref().map(decode_token).transpose()?,
                limit: page_size + 1,
            };
            let mut rows = self.store()?.list(filter).await.map_err(store_failed)?;
            let more = rows.len() > page_size;
            rows.truncate(page_size);
            let continuation = rows.last().filter(|_| more).map(|row| encode_token(&row.id));
            let instances = rows.into_iter().map(to_status).collect::<Result<_, _>>()?;
            Ok(InstancePage { instances, continuation })
        })
    }

    fn history(&self, id: &InstanceId) -> BoxFuture<'_, Result<Option<Vec<HistoryEvent>>, ClientError>> {
        let id = id.clone();
        Box::pin(async move { self.read_events(&id).await })
    }
}

impl LocalEngine {
    fn store(&self) -> Result<Arc<dyn Backend>, ClientError> {
        self.inner.backend().map_err(|Closed| ClientError::new(ClientErrorKind::ShutDown))
    }

    async fn create(&self, request: StartRequest) -> Result<InstanceId, ClientError> {
        let StartRequest { name, id, input } = request;
        if !self.inner.orchestrators.lock().contains(&name) {
            return Err(self.unknown(name));
        }
        let id = id.unwrap_or_else(InstanceId::generate);
        let now = self.inner.clock.now();
        let room = self.inner.instances.lock().busy() < self.inner.options.busy_instances;
        let header = Arc::new(ExecutionHeader::new(id.clone(), ExecutionId::generate(), name, input));
        let create = CreateInstance {
            now,
            owner: room.then_some(self.inner.worker),
            replace: REPLACEABLE.into(),
            ..stored::create(&header)
        };
        let engine = self.clone();
        let written = self.write(Write::Create(create), Patience::Short, move |written| {
            let Written::Created(Started { key, epoch, .. }) = *written else { return };
            if !room {
                engine.inner.backlog.store(true, Ordering::SeqCst);
                engine.inner.rested.notify_one();
                return;
            }
            let standing = Standing::new(key, epoch, None);
            engine.inner.instances.lock().created(Known { header, standing }, now);
            engine.inner.turns_ready.add_permits(1);
        });
        match written.await? {
            Written::Created(_) => Ok(id),
            Written::Exists { status } => Err(ClientError::new(ClientErrorKind::AlreadyExists { id, status })),
            _ => Err(ClientError::new(ClientErrorKind::Store)),
        }
    }

    fn unknown(&self, name: FunctionName) -> ClientError {
        let mut known: Vec<_> = self.inner.orchestrators.lock().iter().cloned().collect();
        known.sort_by_key(FunctionName::folded);
        ClientError::new(ClientErrorKind::UnknownOrchestrator { name, known })
    }

    async fn send(&self, id: InstanceId, event: EventKind) -> Result<(), ClientError> {
        let time = self.inner.clock.now();
        let to = MessageTarget::Id(id.as_str().to_owned());
        let write = Write::Message(NewMessage { to, time, event: encode_event(&event), completes: None });
        let engine = self.clone();
        let written = self.write(write, Patience::Once, move |written| {
            if let Written::Queued { key, seq } = *written {
                engine.message_is_durable(key, Message { time, event, origin: Origin::Inbox(seq) });
            }
        });
        match written.await? {
            Written::Queued { .. } => Ok(()),
            Written::NotFound => Err(ClientError::new(ClientErrorKind::NotFound { id })),
            Written::Finished { status } => Err(ClientError::new(ClientErrorKind::Finished { id, status })),
            _ => Err(ClientError::new(ClientErrorKind::Store)),
        }
    }

    /// Makes one write, lets `follow` act on it in the order of all writes, and gives its answer.
    async fn write(
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

    async fn wait_for_end(
        &self,
        id: &InstanceId,
        timeout: Option<Duration>,
    ) -> Result<Option<InstanceStatus>, ClientError> {
        let deadline = timeout.map(|timeout| self.inner.clock.now().saturating_add(timeout));
        loop {
            // Registered before the look, so that an end between the look and the wait is not missed.
            let waiting = self.inner.waiters.register(id);
            let notified = waiting.notified();
            tokio::pin!(notified);
            notified.as_mut().enable();
            let late = deadline.is_some_and(|deadline| self.inner.clock.now() >= deadline);
            let status = self.status(id).await?;
            let done = status.as_ref().is_none_or(|status| status.runtime_status.is_terminal());
            if done || late {
                return Ok(status);
            }
            if self.inner.is_closing() {
                return Err(ClientError::new(ClientErrorKind::ShutDown));
            }
            match deadline {
                Some(deadline) => {
                    tokio::select! {
                        () = notified => {}
                        () = self.inner.clock.sleep_until(deadline) => {}
                    }
                }
                None => notified.await,
            }
        }
    }

    async fn read_events(&self, id: &InstanceId) -> Result<Option<Vec<HistoryEvent>>, ClientError> {
        let Some(row) = self.store()?.instance(id.as_str()).await.map_err(store_failed)? else { return Ok(None) };
        let header =
            stored::header(&row).map_err(|problem| ClientError::new(ClientErrorKind::Store).with_source(problem))?;
        let rows = self.store()?.history(row.key).await.map_err(store_failed)?;
        let records = records(rows, &header);
        let records = records.map_err(|error| ClientError::new(ClientErrorKind::Store).with_source(error))?;
        Ok(Some(project(records)))
    }
}

fn store_failed(error: BackendError) -> ClientError {
    ClientError::new(ClientErrorKind::Store).with_source(error)
}

fn to_status(row: InstanceRow) -> Result<InstanceStatus, ClientError> {
    let corrupt =
        |error: Box<dyn std::error::Error + Send + Sync>| ClientError::new(ClientErrorKind::Store).with_source(error);
    let id = InstanceId::new(&row.id).map_err(|error| corrupt(error.into()))?;
    let name = FunctionName::new(&row.name).map_err(|error| corrupt(error.into()))?;
    let mut status = InstanceStatus::pending(id, name, row.input, row.created);
    status.execution_id = ExecutionId::from_stored(&row.execution);
    status.runtime_status = row.status;
    status.custom_status = row.custom_status;
    status.output = row.output;
    status.stalled = row.stalled;
    status.last_updated_at = row.updated;
    match (row.status, row.reason) {
        (RuntimeStatus::Failed, Some(reason)) => {
            status.failure = Some(serde_json::from_str(&reason).map_err(|error| corrupt(error.into()))?);
        }
        (_, reason) => status.termination_reason = reason,
    }
    Ok(status)
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
