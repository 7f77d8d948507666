//! Answers about instances for your own HTTP functions.

use std::fmt;
use std::time::Duration;

use durable_core::BoxFuture;
use durable_core::client::{Client, ClientError, DurableClient, InstanceStatus, WaitUntil};
use durable_core::model::{InstanceId, RuntimeStatus};
use http::{Response, StatusCode};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::body::{Body, json};
use crate::error_json::Refusal;
use crate::links::{FailedAs, HttpManagementPayload, LinkBase, Links, check_status_response};
use crate::origin::RequestHead;
use crate::query::Query;
use crate::status_json::{Show, StatusJson};

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
const DEFAULT_RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// The longest wait that a request can ask for. A caller who went away looks like one who only closed his sending half, so
/// nobody may hold a connection for ever.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(3_600);
/// An interval of nothing must not become a loop without a pause.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(10);

/// What an HTTP function needs from a durable client: the responses with which Durable Functions answers a caller who
/// has started something.
///
/// It is there for every [`DurableClient`], for `dyn DurableClient`, and for [`Client`]. `M` is inferred; it keeps the
/// implementations apart.
///
/// ```
/// use durable_core::client::{Client, ClientError, StartRequest};
/// use durable_core::model::{FunctionName, Payload};
/// use durable_http::{Body, DurableClientHttpExt};
/// use http::{Request, Response};
///
/// async fn http_start(client: &Client, request: Request<String>) -> Result<Response<Body>, ClientError> {
///     let start = StartRequest::new(FunctionName::new("hello_cities")?, Payload::from_json(request.body())?);
///     let id = client.as_dyn().start(start).await?;
///     Ok(client.create_check_status_response(&request, &id))
/// }
/// ```
pub trait DurableClientHttpExt<M> {
    /// The client itself.
    fn durable_client(&self) -> &dyn DurableClient;

    /// The address of the management API with the query that its links repeat, where it is known.
    fn webhook_url(&self) -> Option<String> {
        self.durable_client().webhook_url()
    }

    /// The 202 that says where to ask for the instance. The instance is not looked up.
    fn create_check_status_response(&self, request: &impl RequestHead, id: &InstanceId) -> Response<Body> {
        check_status_response(&Links::for_request(request), self.durable_client().task_hub(), id, FailedAs::Ok)
    }

    /// The addresses of the instance, for the answer to a request. The instance is not looked up.
    fn create_http_management_payload_for(&self, request: &impl RequestHead, id: &InstanceId) -> HttpManagementPayload {
        HttpManagementPayload::new(&Links::for_request(request), self.durable_client().task_hub(), id)
    }

    /// The addresses of the instance, where there is no request to answer: below the
    /// [webhook address](Client::with_webhook_url) of the client. The instance is not looked up.
    ///
    /// # Errors
    ///
    /// The client has no webhook address.
    fn create_http_management_payload(&self, id: &InstanceId) -> Result<HttpManagementPayload, ClientError> {
        let Some(address) = self.webhook_url() else {
            return Err(ClientError::invalid_argument(
                "webhooks are not configured: give the client an address with `with_webhook_url`, or use \
                 `create_http_management_payload_for` with the request that is answered",
            ));
        };
        Ok(HttpManagementPayload::new(&LinkBase::below(&address), self.durable_client().task_hub(), id))
    }

    /// Waits for the instance, 10 seconds unless told otherwise: awaiting this gives the output of an instance that
    /// completes in time, its state if it ends in another way, and the check-status response if it does not end. An
    /// instance that does not exist yet is waited for, too; see [`retry_interval`](WaitForCompletion::retry_interval).
    fn wait_for_completion_or_create_check_status_response(
        &self,
        request: &impl RequestHead,
        id: &InstanceId,
    ) -> WaitForCompletion<'_> {
        WaitForCompletion {
            client: self.durable_client(),
            base: Links::for_request(request),
            closing: Links::closing_of(request),
            show: Show::from_query(&Query::parse(request.uri().query())),
            id: id.clone(),
            timeout: DEFAULT_TIMEOUT,
            retry_interval: DEFAULT_RETRY_INTERVAL,
            failed_as: FailedAs::Ok,
        }
    }
}

impl DurableClientHttpExt<()> for Client {
    fn durable_client(&self) -> &dyn DurableClient {
        self.as_dyn()
    }

    fn webhook_url(&self) -> Option<String> {
        self.webhook_url()
    }
}

impl DurableClientHttpExt<()> for dyn DurableClient {
    fn durable_client(&self) -> &dyn DurableClient {
        self
    }
}

impl<C: DurableClient> DurableClientHttpExt<(C,)> for C {
    fn durable_client(&self) -> &dyn DurableClient {
        self
    }
}

/// A wait that begins when it is awaited. Made by
/// [`wait_for_completion_or_create_check_status_response`](DurableClientHttpExt::wait_for_completion_or_create_check_status_response).
///
/// Awaiting it fails when the retry interval is longer than the timeout, and when the client fails.
#[must_use = "nothing is waited for before this is awaited"]
pub struct WaitForCompletion<'a> {
    client: &'a dyn DurableClient,
    base: LinkBase,
    closing: CancellationToken,
    show: Show,
    id: InstanceId,
    timeout: Duration,
    retry_interval: Duration,
    failed_as: FailedAs,
}

impl WaitForCompletion<'_> {
    /// Waits at most this long instead of 10 seconds.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How often to ask for an instance that does not exist yet, 1 second unless set. One that exists is waited for by
    /// notification. An interval longer than the timeout is an error, as in Durable Functions.
    pub fn retry_interval(mut self, retry_interval: Duration) -> Self {
        self.retry_interval = retry_interval;
        self
    }

    /// Answers with the code 500 instead of 200 when the instance fails.
    pub fn fail_as_500(mut self) -> Self {
        self.failed_as = FailedAs::InternalServerError;
        self
    }
}

impl WaitForCompletion<'_> {
    /// The instance at its end, or when the time is over. One that does not exist yet is asked for again.
    async fn wait(&self) -> Result<Option<InstanceStatus>, ClientError> {
        let started = Instant::now();
        let mut rest = self.timeout;
        loop {
            let status = self.client.wait(&self.id, WaitUntil::Finished, Some(rest)).await?;
            let left = || self.timeout.saturating_sub(started.elapsed());
            if status.is_some() || left().is_zero() {
                return Ok(status);
            }
            tokio::time::sleep(self.retry_interval.clamp(SHORTEST_INTERVAL, left().max(SHORTEST_INTERVAL))).await;
            rest = left();
        }
    }
}

impl fmt::Debug for WaitForCompletion<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitForCompletion")
            .field("id", &self.id)
            .field("timeout", &self.timeout)
            .field("retry_interval", &self.retry_interval)
            .finish_non_exhaustive()
    }
}

impl<'a> IntoFuture for WaitForCompletion<'a> {
    type Output = Result<Response<Body>, ClientError>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            check_intervals(self.timeout.as_secs_f64(), self.retry_interval.as_secs_f64())?;
            let status = match self.closing.run_until_cancelled(self.wait()).await {
                // The instance goes on after the next start of the hub, and the links work then.
                None => None,
                Some(Err(error)) if error.is_shut_down() => None,
                Some(other) => other?,
            };
            let Self { client, base, id, failed_as, .. } = self;
            match finished_response(client, status.as_ref(), Show { failed_as, ..self.show }).await {
                Ok(Some(response)) => Ok(response),
                Ok(None) => Ok(check_status_response(&base, client.task_hub(), &id, failed_as)),
                Err(Refusal::Client(error)) => Err(error),
                Err(other) => Ok(other.into_response()),
            }
        })
    }
}

/// Refuses a retry interval that is longer than the timeout, both in seconds.
pub(crate) fn check_intervals(timeout: f64, retry_interval: f64) -> Result<(), ClientError> {
    if retry_interval > timeout {
        let message = format!("Total timeout {timeout} should be bigger than retry timeout {retry_interval}");
        return Err(ClientError::invalid_argument(message));
    }
    Ok(())
}

/// What a wait answers about a finished instance; `None` while it lives, or when there is none.
pub(crate) async fn finished_response(
    client: &dyn DurableClient,
    status: Option<&InstanceStatus>,
    show: Show,
) -> Result<Option<Response<Body>>, Refusal> {
    let Some(status) = status.filter(|status| status.runtime_status.is_terminal()) else { return Ok(None) };
    if status.runtime_status == RuntimeStatus::Completed {
        return json(StatusCode::OK, &status.output).map(Some);
    }
    finished_status(client, status, show).await.map(Some)
}

/// The state of a finished instance as a response.
pub(crate) async fn finished_status(
    client: &dyn DurableClient,
    status: &InstanceStatus,
    show: Show,
) -> Result<Response<Body>, Refusal> {
    let history = show.history_of(client, status).await?;
    let failed = status.runtime_status == RuntimeStatus::Failed;
    let code = if failed && show.failed_as == FailedAs::InternalServerError {
        StatusCode::INTERNAL_SERVER_ERROR
    } else {
        StatusCode::OK
    };
    json(code, &StatusJson::new(status, history.as_deref(), show))
}
