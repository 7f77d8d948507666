//! The answer to a start or a restart: the check-status response, or the end of the instance where that is waited for.

use std::time::Duration;

use durable_core::client::WaitUntil;
use durable_core::model::InstanceId;
use http::Response;

use super::{Answer, Exchange};
use crate::body::Body;
use crate::client_ext::{LONGEST_WAIT, check_intervals, finished_response};
use crate::error_json::Refusal;
use crate::links::{FailedAs, check_status_response};
use crate::status_json::Show;

/// How long to wait. `timeout` alone is enough, since we wait by notification; `pollingInterval` alone means nothing.
pub(super) fn wait_of(exchange: &Exchange<'_>) -> Result<Option<Duration>, Refusal> {
    let Some(timeout) = exchange.query.seconds("timeout") else { return Ok(None) };
    let interval = exchange.query.seconds("pollingInterval").unwrap_or(timeout);
    check_intervals(timeout.0, interval.0)?;
    Ok(Some(timeout.clamp_to(LONGEST_WAIT)))
}

pub(super) async fn answer(exchange: &Exchange<'_>, id: &InstanceId, wait: Option<Duration>) -> Answer {
    if let Some(timeout) = wait
        && let Some(response) = wait_for(exchange, id, timeout).await
    {
        return Ok(response);
    }
    Ok(check_status_response(&exchange.links.base(exchange.head), exchange.client.task_hub(), id, FailedAs::Ok))
}

/// The answer about an instance that ends in time. The instance is started, so from here on the worst answer is the
/// check-status response.
async fn wait_for(exchange: &Exchange<'_>, id: &InstanceId, timeout: Duration) -> Option<Response<Body>> {
    let wait = async {
        let status = exchange.client.wait(id, WaitUntil::Finished, Some(timeout)).await?;
        let show = Show { failed_as: FailedAs::Ok, ..Show::from_query(&exchange.query) };
        finished_response(exchange.client, status.as_ref(), show).await
    };
    match exchange.closing().run_until_cancelled(wait).await? {
        Ok(response) => response,
        Err(error) => {
            tracing::warn!(%id, %error, "waiting for a started instance failed");
            None
        }
    }
}
