//! Health and readiness, for the one who runs the process.

use durable_core::client::DurableClient;
use durable_core::model::InstanceId;
use http::{Method, Response, StatusCode};
use serde::Serialize;

use crate::body::{Body, empty, json};

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Check {
    /// Whether the process answers at all.
    Health,
    /// Whether it can work: it is not stopping, and its store answers.
    Readiness,
}

#[derive(Serialize)]
struct Report {
    status: &'static str,
}

/// The check of a decoded path.
pub(crate) fn find(method: &Method, path: &str) -> Option<Check> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return None;
    }
    match path {
        "/healthz" => Some(Check::Health),
        "/readyz" => Some(Check::Readiness),
        _ => None,
    }
}

pub(crate) async fn answer(check: Check, client: &dyn DurableClient, is_stopping: bool) -> Response<Body> {
    let well = match check {
        Check::Health => true,
        Check::Readiness => !is_stopping && store_answers(client).await,
    };
    let (code, status) =
        if well { (StatusCode::OK, "Healthy") } else { (StatusCode::SERVICE_UNAVAILABLE, "Unhealthy") };
    json(code, &Report { status }).unwrap_or_else(|_| empty(code))
}

/// Looks for an instance that need not be there.
async fn store_answers(client: &dyn DurableClient) -> bool {
    let Ok(id) = InstanceId::new("readiness-probe") else { return false };
    match client.status(&id).await {
        Ok(_) => true,
        Err(error) => {
            tracing::warn!(%error, "the task hub is not ready");
            false
        }
    }
}
