//! `POST /orchestrators/{functionName}/{instanceId?}`: starts an instance, and waits for it where that is asked for.

use durable_core::client::{ClientError, StartRequest};
use durable_core::model::{FunctionName, InstanceId, Version};

use super::{Answer, Exchange, started};
use crate::body::payload_or_null;
use crate::error_json::{Refusal, unknown_orchestrator};
use crate::trace;

pub(super) async fn start(exchange: &Exchange<'_>, name: &str, id: Option<&str>) -> Answer {
    // All that can be wrong is found before anything is started.
    let wait = started::wait_of(exchange)?;
    let input = payload_or_null(&exchange.body)?;
    let mut request = StartRequest::new(FunctionName::new(name).map_err(ClientError::from)?, input);
    if let Some(id) = id {
        request = request.with_id(InstanceId::new(id).map_err(ClientError::from)?);
    }
    let version = exchange.query.filled("version").map(Version::new);
    request.version = version.transpose().map_err(ClientError::from)?;
    request.trace = trace::of(&exchange.head.headers);
    let id = exchange.client.start(request).await?;
    started::answer(exchange, &id, wait).await
}

/// The refusal of a name that no orchestrator has, in a hub without any.
pub(super) fn unknown(name: &str) -> Refusal {
    ClientError::invalid_argument(unknown_orchestrator(name, &[])).into()
}
