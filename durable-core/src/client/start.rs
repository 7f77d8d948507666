//! Starting an instance.

use std::fmt;
use std::marker::PhantomData;

use super::{Client, ClientError, InstanceHandle};
use crate::BoxFuture;
use crate::model::{FunctionName, InstanceId, Payload};

/// A request to start an instance.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct StartRequest {
    /// The orchestrator.
    pub name: FunctionName,
    /// The id; a new one is made when there is none.
    pub id: Option<InstanceId>,
    /// The input.
    pub input: Payload,
}

impl StartRequest {
    /// Starts `name` with `input` under a new id.
    #[must_use]
    pub fn new(name: FunctionName, input: Payload) -> Self {
        Self { name, id: None, input }
    }

    /// Asks for this id.
    #[must_use]
    pub fn with_id(mut self, id: InstanceId) -> Self {
        self.id = Some(id);
        self
    }
}

/// A start that is sent when it is awaited. Made by [`Client::start`].
#[must_use = "nothing is started before this is awaited"]
pub struct Start<'a, O> {
    client: &'a Client,
    request: Result<StartRequest, ClientError>,
    output: PhantomData<fn() -> O>,
}

impl<'a, O> Start<'a, O> {
    pub(super) fn new(client: &'a Client, request: Result<StartRequest, ClientError>) -> Self {
        Self { client, request, output: PhantomData }
    }

    /// Asks for this id instead of a new one. An id that is not valid is an error of the start.
    pub fn id<I>(mut self, id: I) -> Self
    where
        I: TryInto<InstanceId>,
        I::Error: Into<ClientError>,
    {
        self.request = self.request.and_then(|request| Ok(request.with_id(id.try_into().map_err(Into::into)?)));
        self
    }
}

impl<O> fmt::Debug for Start<'_, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Start").field("request", &self.request).finish_non_exhaustive()
    }
}

impl<'a, O: 'a> IntoFuture for Start<'a, O> {
    type Output = Result<InstanceHandle<O>, ClientError>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { client, request, .. } = self;
        Box::pin(async move {
            let id = client.as_dyn().start(request?).await?;
            Ok(InstanceHandle::new(client.clone(), id))
        })
    }
}
