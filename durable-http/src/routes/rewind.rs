//! `POST /instances/{instanceId}/rewind`: takes back the failure of an instance.

use durable_core::client::{ClientError, ClientErrorKind};
use durable_core::model::InstanceId;
use http::StatusCode;

use super::{Answer, Exchange};
use crate::body::empty;
use crate::error_json::Refusal;

pub(super) async fn rewind(exchange: &Exchange<'_>, id: &str) -> Answer {
    let instance = InstanceId::new(id).map_err(|_| unknown(id))?;
    let rewound = exchange.client.rewind(&instance, exchange.query.text("reason")).await;
    rewound.map_err(|error| refusal(id, error))?;
    Ok(empty(StatusCode::ACCEPTED))
}

/// The refusal of an id that no instance has. Here it has a body, which callers show.
pub(super) fn unknown(id: &str) -> Refusal {
    Refusal::Text { status: StatusCode::NOT_FOUND, text: format!("No instance with ID '{id}' was found.") }
}

fn refusal(id: &str, error: ClientError) -> Refusal {
    match error.kind() {
        ClientErrorKind::NotFound { .. } => unknown(id),
        ClientErrorKind::WrongState { id, status, .. } | ClientErrorKind::Finished { id, status } => Refusal::Text {
            status: StatusCode::PRECONDITION_FAILED,
            text: format!(
                "Cannot rewind the orchestration instance {id} because it is in the \"{status}\" state; \
                 only orchestrations in the \"Failed\" state can be rewound."
            ),
        },
        ClientErrorKind::Unsupported { .. } => {
            Refusal::NotImplemented("Rewind is not supported by the underlying storage provider.".to_owned())
        }
        _ => error.into(),
    }
}
