//! Starting an instance.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use super::{Client, ClientError, InstanceHandle};
use crate::BoxFuture;
use crate::model::{FunctionName, IdReusePolicy, InstanceId, Payload, Tags, Timestamp, TraceContext, Version};

/// A request to start an instance.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct StartRequest {
    /// The orchestrator.
    pub name: FunctionName,
    /// The version; the hub's default when there is none.
    pub version: Option<Version>,
    /// The id; a new one is made when there is none.
    pub id: Option<InstanceId>,
    /// The input.
    pub input: Payload,
    /// The tags.
    pub tags: Tags,
    /// The time before which it must not start; at once when there is none.
    pub start_at: Option<Timestamp>,
    /// How long it must wait before it starts, counted by the hub's clock from the moment at which the hub gets the request.
    pub delay: Option<Duration>,
    /// What happens when the id is taken; what the hub says when there is nothing.
    pub id_reuse: Option<IdReusePolicy>,
    /// The trace that the start is part of.
    pub trace: Option<TraceContext>,
}

impl StartRequest {
    /// Starts `name` with `input` under a new id.
    #[must_use]
    pub fn new(name: FunctionName, input: Payload) -> Self {
        Self {
            name,
            version: None,
            id: None,
            input,
            tags: Tags::new(),
            start_at: None,
            delay: None,
            id_reuse: None,
            trace: None,
        }
    }

    /// Asks for this id.
    #[must_use]
    pub fn with_id(mut self, id: InstanceId) -> Self {
        self.id = Some(id);
        self
    }
}

/// A start that is sent when it is awaited. Made by [`Client::start`].
///
/// ```no_run
/// use durable_core::prelude::*;
/// use std::time::Duration;
///
/// # async fn doc(client: Client) -> Result<(), Box<dyn std::error::Error>> {
/// client
///     .start("report", "2026-11")
///     .id("report-2026-11")
///     .version("2.0")
///     .tag("tenant", "a")
///     .delay(Duration::from_secs(3600))
///     .id_reuse(IdReusePolicy::never().or_keep())
///     .await?;
/// # Ok(()) }
/// ```
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

impl<O> Start<'_, O> {
    /// Asks for this version of the orchestrator instead of the hub's default. A text that is no version is an error of the
    /// start.
    pub fn version<V>(self, version: V) -> Self
    where
        V: TryInto<Version>,
        V::Error: Into<ClientError>,
    {
        self.with(|request| {
            request.version = Some(version.try_into().map_err(Into::into)?);
            Ok(())
        })
    }

    /// Adds a tag, by which instances can be listed and counted, and which children inherit. A tag that is not valid is an
    /// error of the start.
    pub fn tag(self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.with(|request| Ok(request.tags.insert(key, value)?))
    }

    /// Keeps the instance waiting until this time. Meanwhile it is Pending, has its id, keeps the events that it is sent, and
    /// can be terminated. A time that has passed means at once.
    pub fn start_at(self, time: Timestamp) -> Self {
        self.with(|request| {
            request.start_at = Some(time);
            Ok(())
        })
    }

    /// Makes the start a part of a trace. The context is stored, and carried to the instance's activities and children.
    pub fn trace(self, context: TraceContext) -> Self {
        self.with(|request| {
            request.trace = Some(context);
            Ok(())
        })
    }

    /// Keeps the instance waiting for so long. See [`start_at`](Self::start_at).
    pub fn delay(self, delay: Duration) -> Self {
        self.with(|request| {
            request.delay = Some(delay);
            Ok(())
        })
    }

    /// Says what happens when the id is taken. Without it the hub's policy decides: a finished instance is replaced and a live
    /// one makes the start fail, unless [`TaskHubBuilder::id_reuse`](crate::hub::TaskHubBuilder::id_reuse) says otherwise.
    pub fn id_reuse(self, policy: IdReusePolicy) -> Self {
        self.with(|request| {
            request.id_reuse = Some(policy);
            Ok(())
        })
    }

    fn with(mut self, change: impl FnOnce(&mut StartRequest) -> Result<(), ClientError>) -> Self {
        self.request = self.request.and_then(|mut request| change(&mut request).map(|()| request));
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
