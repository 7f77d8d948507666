//! Requests and their answers.

use std::fmt;
use std::time::Duration;

use durable_core::client::{ClientError, ClientErrorKind};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method};
use reqwest::redirect;

use super::address::Address;
use super::answer::Answer;
use super::error::RemoteClientError;
use super::tls;
use crate::wire::FUNCTIONS_KEY;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Less than servers keep idle connections, so that a request seldom meets one that is being closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);
/// How often a request that only looks at something is sent.
const ATTEMPTS: u32 = 3;
/// The pause before the second attempt; each later one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Sends requests to one address.
#[derive(Clone)]
pub(super) struct Transport {
    http: reqwest::Client,
    address: Address,
    key: Option<HeaderValue>,
    timeout: Duration,
}

/// A request in the making.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) url: String,
    pub(super) headers: HeaderMap,
    pub(super) json: Option<String>,
    /// How long the answer may take, above the timeout of each request.
    pub(super) patience: Duration,
}

impl Call {
    pub(super) fn new(method: Method, url: String) -> Self {
        Self { method, url, headers: HeaderMap::new(), json: None, patience: Duration::ZERO }
    }
}

impl Transport {
    pub(super) fn new(
        address: Address,
        key: Option<HeaderValue>,
        timeout: Duration,
    ) -> Result<Self, RemoteClientError> {
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls::config(address.is_encrypted())?)
            .user_agent(concat!("durable-http/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .tcp_nodelay(true);
        if address.is_local() {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(RemoteClientError::tls)?;
        Ok(Self { http, address, key, timeout })
    }

    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    /// GET of this path.
    pub(super) async fn get(&self, path: &[&str], parameters: &[(&str, &str)]) -> Result<Answer, ClientError> {
        self.send(Call::new(Method::GET, self.address.at(path, parameters)?)).await
    }

    /// POST without a body.
    pub(super) async fn post(&self, path: &[&str], parameters: &[(&str, &str)]) -> Result<Answer, ClientError> {
        self.send(Call::new(Method::POST, self.address.at(path, parameters)?)).await
    }

    pub(super) async fn delete(&self, path: &[&str], parameters: &[(&str, &str)]) -> Result<Answer, ClientError> {
        self.send(Call::new(Method::DELETE, self.address.at(path, parameters)?)).await
    }

    /// Sends a request and reads the answer. One that only looks at something is sent again when the connection fails; any
    /// other may have been carried out.
    pub(super) async fn send(&self, call: Call) -> Result<Answer, ClientError> {
        let attempts = if call.method == Method::GET { ATTEMPTS } else { 1 };
        let mut pause = FIRST_PAUSE;
        for _ in 1..attempts {
            match self.exchange(&call).await {
                Err(error) if error.is_timeout() || error.is_builder() => return Err(self.no_answer(error)),
                Err(error) => tracing::debug!(error = %error.without_url(), "a request is sent again"),
                Ok(answer) => return Ok(answer),
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        self.exchange(&call).await.map_err(|error| self.no_answer(error))
    }

    async fn exchange(&self, call: &Call) -> reqwest::Result<Answer> {
        let mut request = self.http.request(call.method.clone(), &call.url).headers(call.headers.clone());
        request = request.timeout(self.timeout.saturating_add(call.patience));
        if let Some(key) = &self.key {
            request = request.header(FUNCTIONS_KEY, key);
        }
        if let Some(json) = &call.json {
            request = request.header(CONTENT_TYPE, "application/json").body(json.clone());
        }
        let response = request.send().await?;
        let (status, headers) = (response.status(), response.headers().clone());
        Ok(Answer { status, headers, body: response.bytes().await? })
    }

    /// The address in the cause would show a key.
    fn no_answer(&self, error: reqwest::Error) -> ClientError {
        let base = self.address.base();
        let message = if error.is_timeout() {
            format!("{base} did not answer in time")
        } else if error.is_connect() {
            format!("{base} cannot be reached")
        } else {
            format!("{base} gave no answer")
        };
        ClientError::new(ClientErrorKind::Remote { message }).with_source(error.without_url())
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport")
            .field("address", &self.address)
            .field("key", &self.key.as_ref().map(|_| "***"))
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
