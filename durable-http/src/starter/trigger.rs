//! The starters that orchestrators bring with them: `#[orchestrator(http = "POST hello/{id?}")]`.

use std::sync::Arc;
use std::time::Duration;

use durable_core::client::StartRequest;
use durable_core::model::InstanceId;
use durable_core::registry::HttpTrigger;

use super::context::RequestContext;
use super::definition::Answer;
use super::error::HttpError;
use super::set::Described;
use crate::body::payload_or_null;
use crate::client_ext::{DurableClientHttpExt, LONGEST_WAIT, check_intervals};
use crate::error_json::Refusal;
use crate::trace;

const DEFAULT_INTERVAL: Duration = Duration::from_secs(1);

pub(super) fn described(trigger: &HttpTrigger) -> Described {
    let (method, route) = trigger.binding().split_once(' ').unwrap_or(("POST", trigger.binding()));
    let name = trigger.name().to_string();
    let (method, route) = (method.to_owned(), route.to_owned());
    let trigger = trigger.clone();
    let handler =
        move |context| -> durable_core::BoxFuture<'static, Answer> { Box::pin(start(trigger.clone(), context)) };
    Described { name, route, methods: vec![method], state: Vec::new(), handler: Arc::new(handler) }
}

async fn start(trigger: HttpTrigger, context: RequestContext) -> Answer {
    // All that can be wrong is found before anything is started.
    let id: Option<InstanceId> = if context.route.has("id") { context.optional("id")? } else { None };
    let timeout = wait_of(&context)?;
    let input = payload_or_null(context.request().body()).map_err(HttpError::refused)?;
    trigger.check_input(&input).map_err(|error| HttpError::refused(Refusal::InvalidJson(error.into())))?;
    let mut request = StartRequest::new(trigger.name().clone(), input);
    request.id = id;
    request.trace = trace::of(context.request().headers());
    let client = context.client();
    let id = client.as_dyn().start(request).await?;
    if let Some(timeout) = timeout {
        let wait = client
            .wait_for_completion_or_create_check_status_response(context.request(), &id)
            .timeout(timeout)
            .retry_interval(Duration::ZERO);
        match wait.await {
            Ok(response) => return Ok(response),
            Err(error) => tracing::warn!(%id, %error, "waiting for a started instance failed"),
        }
    }
    // The instance is started, so from here on the worst answer is the check-status response.
    Ok(client.create_check_status_response(context.request(), &id))
}

fn wait_of(context: &RequestContext) -> Result<Option<Duration>, HttpError> {
    let interval = context.optional("interval")?.unwrap_or(DEFAULT_INTERVAL);
    let Some(timeout) = context.optional::<Duration>("timeout")? else { return Ok(None) };
    check_intervals(timeout.as_secs_f64(), interval.as_secs_f64())?;
    Ok(Some(timeout.min(LONGEST_WAIT)))
}
