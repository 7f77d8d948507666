//! What a client asks of an instance that exists.

use std::fmt;

use super::{Client, ClientError, InstanceQuery};
use crate::BoxFuture;
use crate::model::InstanceId;

/// Asks an instance to end, to pause or to go on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ControlRequest {
    /// Why, for people.
    pub reason: Option<String>,
    /// The same for all orchestrations below it that it waits for.
    pub recursive: bool,
}

impl ControlRequest {
    /// Asks one instance, for this reason.
    #[must_use]
    pub fn new(reason: Option<String>) -> Self {
        Self { reason, recursive: false }
    }

    /// Asks the orchestrations below it too.
    #[must_use]
    pub fn recursive(self) -> Self {
        Self { recursive: true, ..self }
    }
}

/// What is asked of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Command {
    Terminate,
    Suspend,
    Resume,
}

/// A termination, a pause or its end, sent when it is awaited. Made by [`Client::terminate`] and its like.
#[must_use = "nothing happens before this is awaited"]
#[derive(Debug)]
pub struct Control<'a> {
    client: &'a Client,
    id: InstanceId,
    command: Command,
    request: ControlRequest,
}

impl<'a> Control<'a> {
    pub(super) fn new(client: &'a Client, id: &InstanceId, command: Command, reason: impl Into<String>) -> Self {
        Self { client, id: id.clone(), command, request: ControlRequest::new(Some(reason.into())) }
    }

    /// The same for all orchestrations below this one that it waits for. Those that were started and left alone are not
    /// among them.
    pub fn recursive(mut self) -> Self {
        self.request.recursive = true;
        self
    }
}

impl<'a> IntoFuture for Control<'a> {
    type Output = Result<(), ClientError>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { client, id, command, request } = self;
        Box::pin(async move {
            let client = client.as_dyn();
            match command {
                Command::Terminate => client.terminate(&id, request).await,
                Command::Suspend => client.suspend(&id, request).await,
                Command::Resume => client.resume(&id, request).await,
            }
        })
    }
}

/// Asks to start over an instance that exists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RestartRequest {
    /// Under a new id; otherwise under its own, which it must have finished with.
    pub new_id: bool,
}

impl RestartRequest {
    /// A restart under the own id, or a new one.
    #[must_use]
    pub fn new(new_id: bool) -> Self {
        Self { new_id }
    }
}

/// A restart that is sent when it is awaited. Made by [`Client::restart`].
#[must_use = "nothing is started before this is awaited"]
#[derive(Debug)]
pub struct Restart<'a> {
    client: &'a Client,
    id: InstanceId,
    request: RestartRequest,
}

impl<'a> Restart<'a> {
    pub(super) fn new(client: &'a Client, id: &InstanceId) -> Self {
        Self { client, id: id.clone(), request: RestartRequest::default() }
    }

    /// Under a new id, next to the old instance.
    pub fn new_id(mut self) -> Self {
        self.request.new_id = true;
        self
    }
}

impl<'a> IntoFuture for Restart<'a> {
    type Output = Result<InstanceId, ClientError>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.client.as_dyn().restart(&self.id, self.request).await })
    }
}

/// How to remove an instance.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PurgeRequest {
    /// With all orchestrations below it.
    pub recursive: bool,
    /// Also when it, or one below it, is not finished.
    pub force: bool,
}

/// A removal that is sent when it is awaited. Made by [`Client::purge`].
#[must_use = "nothing is removed before this is awaited"]
#[derive(Debug)]
pub struct Purge<'a> {
    client: &'a Client,
    id: InstanceId,
    request: PurgeRequest,
}

impl<'a> Purge<'a> {
    pub(super) fn new(client: &'a Client, id: &InstanceId) -> Self {
        Self { client, id: id.clone(), request: PurgeRequest::default() }
    }

    /// With all orchestrations below it that it waited for. When one of them is not finished, nothing is removed.
    pub fn recursive(mut self) -> Self {
        self.request.recursive = true;
        self
    }

    /// Also when it is not finished: it ends without a word, and whatever it was doing is lost.
    pub fn force(mut self) -> Self {
        self.request.force = true;
        self
    }
}

impl<'a> IntoFuture for Purge<'a> {
    type Output = Result<u64, ClientError>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.client.as_dyn().purge(&self.id, self.request).await })
    }
}

/// A removal of many instances, a small transaction at a time. Made by [`Client::purge_where`].
#[must_use = "nothing is removed before this is awaited"]
pub struct PurgeWhere<'a> {
    client: &'a Client,
    query: InstanceQuery,
    progress: Box<dyn FnMut(u64) + Send + 'a>,
}

impl<'a> PurgeWhere<'a> {
    pub(super) fn new(client: &'a Client, query: InstanceQuery) -> Self {
        Self { client, query, progress: Box::new(|_| {}) }
    }

    /// Calls `progress` with the number of instances removed so far, after each transaction.
    pub fn on_progress(mut self, progress: impl FnMut(u64) + Send + 'a) -> Self {
        self.progress = Box::new(progress);
        self
    }
}

impl<'a> IntoFuture for PurgeWhere<'a> {
    type Output = Result<u64, ClientError>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(mut self) -> Self::IntoFuture {
        Box::pin(async move {
            let mut deleted = 0;
            loop {
                let page = self.client.as_dyn().purge_page(self.query.clone()).await?;
                deleted += page.deleted;
                (self.progress)(deleted);
                match page.continuation {
                    Some(next) => self.query = self.query.continue_from(next),
                    None => return Ok(deleted),
                }
            }
        })
    }
}

impl fmt::Debug for PurgeWhere<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PurgeWhere").field("query", &self.query).finish_non_exhaustive()
    }
}

/// What one step of a removal did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PurgePage {
    /// How many instances it removed.
    pub deleted: u64,
    /// Asks for the next step; `None` when there is none.
    pub continuation: Option<String>,
}
