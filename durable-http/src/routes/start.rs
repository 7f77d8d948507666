//! `POST /orchestrators/{functionName}/{instanceId?}`: starts an instance, and waits for it where that is asked for.

use std::time::Duration;

use durable_core::client::{ClientError, StartRequest, WaitUntil};
use durable_core::model::{FunctionName, InstanceId, Payload};
use http::Response;

use super::{Answer, Exchange, body_text};
use crate::body::Body;
use crate::client_ext::{check_intervals, finished_response};
use crate::error_json::{Refusal, unknown_orchestrator};
use crate::links::{FailedAs, check_status_response};
use crate::origin;
use crate::status_json::Show;

/// The longest wait. A caller who went away looks like one who only closed his sending half, so nobody may hold a
/// connection for ever.
const LONGEST_WAIT: Duration = Duration::from_secs(3_600);

pub(super) async fn start(exchange: &Exchange<'_>, name: &str, id: Option<&str>) -> Answer {
    // All that can be wrong is found before anything is started.
    let wait = wait_of(exchange)?;
    let input = input_of(&exchange.body)?;
    let mut request = StartRequest::new(FunctionName::new(name).map_err(ClientError::from)?, input);
    if let Some(id) = id {
        request = request.with_id(InstanceId::new(id).map_err(ClientError::from)?);
    }
    let id = exchange.client.start(request).await?;
    if let Some(timeout) = wait
        && let Some(response) = wait_for(exchange, &id, timeout).await
    {
        return Ok(response);
    }
    let origin = origin::of(exchange.head);
    Ok(check_status_response(&origin, exchange.client.task_hub(), &id, FailedAs::Ok))
}

/// The refusal of a name that no orchestrator has, in a hub without any.
pub(super) fn unknown(name: &str) -> Refusal {
    ClientError::invalid_argument(unknown_orchestrator(name, &[])).into()
}

fn input_of(body: &[u8]) -> Result<Payload, Refusal> {
    match body_text(body)? {
        "" => Ok(Payload::null()),
        text => Payload::from_json(text).map_err(|error| Refusal::InvalidJson(error.into())),
    }
}

/// How long to wait. `timeout` alone is enough, since we wait by notification; `pollingInterval` alone means nothing.
fn wait_of(exchange: &Exchange<'_>) -> Result<Option<Duration>, Refusal> {
    let Some(timeout) = exchange.query.seconds("timeout") else { return Ok(None) };
    let interval = exchange.query.seconds("pollingInterval").unwrap_or(timeout);
    check_intervals(timeout.0, interval.0)?;
    Ok(Some(timeout.clamp_to(LONGEST_WAIT)))
}

/// The answer about an instance that ends in time. The instance is started, so from here on the worst answer is the
/// check-status response.
async fn wait_for(exchange: &Exchange<'_>, id: &InstanceId, timeout: Duration) -> Option<Response<Body>> {
    let wait = async {
        let status = exchange.client.wait(id, WaitUntil::Finished, Some(timeout)).await?;
        let show = Show { failed_as: FailedAs::Ok, ..Show::from_query(&exchange.query) };
        finished_response(exchange.client, status.as_ref(), show).await
    };
    match exchange.closing.run_until_cancelled(wait).await? {
        Ok(response) => response,
        Err(error) => {
            tracing::warn!(%id, %error, "waiting for a started instance failed");
            None
        }
    }
}
