//! A client of the public data.

use bytes::Bytes;
use durable_core::prelude::ActivityError;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Where the public data comes from: an API of planets and characters.
#[derive(Debug, Clone)]
pub struct Lookup {
    base: String,
    http: Client<HttpConnector, Empty<Bytes>>,
}

#[derive(Deserialize)]
struct Found<T> {
    results: Vec<T>,
}

impl Lookup {
    /// Looks things up below this address, `http://127.0.0.1:8080/api` for example.
    #[must_use]
    pub fn new(base: &str) -> Self {
        let http = Client::builder(TokioExecutor::new()).build_http();
        Self { base: base.trim_end_matches('/').to_owned(), http }
    }

    /// The first thing of a kind whose name contains `name`.
    pub(super) async fn search<T: DeserializeOwned>(&self, kind: &str, name: &str) -> Result<Option<T>, ActivityError> {
        let name = utf8_percent_encode(name, NON_ALPHANUMERIC);
        let found: Found<T> = self.get(&format!("{}/{kind}/?search={name}", self.base)).await?;
        Ok(found.results.into_iter().next())
    }

    /// The thing at an address.
    pub(super) async fn get<T: DeserializeOwned>(&self, address: &str) -> Result<T, ActivityError> {
        let response = self.http.get(address.parse()?).await?;
        if !response.status().is_success() {
            return Err(ActivityError::msg(format!("{address} answered with {}", response.status())));
        }
        let body = response.into_body().collect().await?.to_bytes();
        Ok(serde_json::from_slice(&body)?)
    }
}
