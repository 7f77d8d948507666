//! Removing instances.

use durable_core::client::{ClientError, ClientErrorKind, InstanceQuery, PurgePage, PurgeRequest};
use durable_core::model::{InstanceId, RuntimeStatus, Timestamp};
use http::StatusCode;
use serde::Deserialize;

use super::answer::Answer;
use super::client::RemoteClient;
use super::list::refuse_what_cannot_be_asked;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Purged {
    instances_deleted: u64,
}

impl RemoteClient {
    pub(super) async fn send_purge(&self, id: &InstanceId, request: PurgeRequest) -> Result<u64, ClientError> {
        let cannot = |operation| Err(ClientError::new(ClientErrorKind::Unsupported { operation }));
        if request.recursive {
            return cannot("purge an instance with those below it over HTTP");
        }
        if request.force {
            return cannot("purge an instance that is not finished over HTTP");
        }
        let answer = self.transport().delete(&["instances", id.as_str()], &[]).await?;
        if answer.status != StatusCode::PRECONDITION_FAILED {
            return purged(&answer);
        }
        let (id, status) = (id.clone(), self.standing(id).await?);
        Err(ClientError::new(ClientErrorKind::WrongState { id, status, needed: "finished to be purged" }))
    }

    /// Removes what fits in one request where the API has the filters for it, and a page one by one otherwise.
    pub(super) async fn send_purge_page(&self, query: InstanceQuery) -> Result<PurgePage, ClientError> {
        refuse_what_cannot_be_asked(&query)?;
        let Some(query) = only_finished(query) else { return Ok(PurgePage { deleted: 0, continuation: None }) };
        if query.name.is_some() || query.id_prefix.is_some() || query.continuation.is_some() {
            return self.purge_one_by_one(&query).await;
        }
        let statuses: Vec<_> = query.statuses.iter().map(|status| status.as_str()).collect();
        let statuses = statuses.join(",");
        // The lower bound must be there; nothing is older than this one.
        let from = query.created_from.unwrap_or(Timestamp::UNIX_EPOCH).to_string();
        let to = query.created_to.map(|time| time.to_string());
        let mut parameters = vec![("createdTimeFrom", from.as_str()), ("runtimeStatus", &statuses)];
        parameters.extend(to.iter().map(|to| ("createdTimeTo", to.as_str())));
        let answer = self.transport().delete(&["instances"], &parameters).await?;
        Ok(PurgePage { deleted: purged(&answer)?, continuation: None })
    }

    async fn purge_one_by_one(&self, query: &InstanceQuery) -> Result<PurgePage, ClientError> {
        let page = self.get_page(query, false).await?;
        let mut deleted = 0;
        for instance in page.instances {
            let answer = self.transport().delete(&["instances", instance.instance_id.as_str()], &[]).await?;
            // One that has been started again meanwhile stays.
            if answer.status != StatusCode::PRECONDITION_FAILED {
                deleted += purged(&answer)?;
            }
        }
        Ok(PurgePage { deleted, continuation: page.continuation })
    }
}

/// The query with its final states named, because Azure removes live instances when none is; `None` when nothing can fit.
fn only_finished(mut query: InstanceQuery) -> Option<InstanceQuery> {
    if query.statuses.is_empty() {
        query.statuses = RuntimeStatus::ALL.to_vec();
    }
    query.statuses.retain(|status| status.is_terminal());
    (!query.statuses.is_empty()).then_some(query)
}

fn purged(answer: &Answer) -> Result<u64, ClientError> {
    match answer.status {
        StatusCode::NOT_FOUND => Ok(0),
        status if status.is_success() => Ok(answer.json::<Purged>()?.instances_deleted),
        _ => Err(answer.refusal("purge instances")),
    }
}
