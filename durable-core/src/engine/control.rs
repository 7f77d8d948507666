//! Messages from clients to instances.

use super::client::store_failed;
use super::group::Patience;
use super::local::LocalEngine;
use super::message::{Message, Origin};
use crate::backend::{MessageTarget, NewMessage, Write, Written};
use crate::client::{ClientError, ClientErrorKind, PendingActivity};
use crate::history::{EventKind, encode_event};
use crate::model::{FunctionName, InstanceId};

impl LocalEngine {
    /// Sends a message to a live instance, whatever its execution.
    pub(super) async fn send(&self, id: InstanceId, event: EventKind) -> Result<(), ClientError> {
        let to = MessageTarget::Id(id.as_str().to_owned());
        let time = self.inner.clock.now();
        let message = NewMessage { to, time, event: encode_event(&event), completes: None };
        match self.deliver(message, event).await? {
            Written::Queued { .. } => Ok(()),
            Written::NotFound => Err(ClientError::new(ClientErrorKind::NotFound { id })),
            Written::Finished { status } => Err(ClientError::new(ClientErrorKind::Finished { id, status })),
            _ => Err(ClientError::new(ClientErrorKind::Store)),
        }
    }

    pub(super) async fn deliver(&self, message: NewMessage, event: EventKind) -> Result<Written, ClientError> {
        let (engine, time) = (self.clone(), message.time);
        let to = message.to.clone();
        let written = self.write(Write::Message(message), Patience::Once, move |written| {
            if let Written::Queued { key, seq, owner } = *written {
                engine.message_is_durable(key, owner, Message { time, event, origin: Origin::Inbox(seq) });
            }
        });
        let written = written.await;
        if let (Err(_), MessageTarget::Id(id)) = (&written, &to) {
            self.look_for(id).await;
        }
        written
    }

    /// A message may lie in the inbox of this instance although its write failed: only the answer may have been lost.
    async fn look_for(&self, id: &str) {
        let Ok(store) = self.store() else { return };
        if let Ok(Some(row)) = store.instance(id).await {
            self.look_into(row.key);
        }
    }

    pub(super) async fn pending_activities(
        &self,
        id: &InstanceId,
    ) -> Result<Option<Vec<PendingActivity>>, ClientError> {
        let store = self.store()?;
        let Some(row) = store.instance(id.as_str()).await.map_err(store_failed)? else { return Ok(None) };
        let calls = store.activities(row.key).await.map_err(store_failed)?;
        let read = |call: crate::backend::ActivityRow| {
            let name = FunctionName::new(&call.name).map_err(|error| super::client::corrupt(error.to_string()))?;
            let mut pending = PendingActivity::new(call.call.task(), name, call.input);
            pending.attempt = super::stored::read_options(call.options.as_deref()).task.attempt;
            pending.deliveries = call.deliveries;
            pending.progress = call.progress;
            Ok(pending)
        };
        calls.into_iter().map(read).collect::<Result<Vec<_>, ClientError>>().map(Some)
    }
}
