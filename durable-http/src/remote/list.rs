//! Lists and counts of instances.

use std::collections::HashMap;

use durable_core::client::{ClientError, ClientErrorKind, InstanceCount, InstancePage, InstanceQuery};
use durable_core::model::FunctionName;
use http::{HeaderValue, Method, StatusCode};

use super::answer::unreadable;
use super::client::RemoteClient;
use super::status::StatusObject;
use super::transport::Call;
use crate::wire::{CONTINUATION, MAX_PAGE_SIZE};

/// What the ids of entities start with, which Azure lists among instances.
const ENTITY: char = '@';

impl RemoteClient {
    pub(super) async fn get_page(&self, query: &InstanceQuery, show_input: bool) -> Result<InstancePage, ClientError> {
        refuse_what_cannot_be_asked(query)?;
        let parameters = parameters_of(query, show_input);
        let parameters: Vec<_> = parameters.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let mut call = Call::new(Method::GET, self.transport().address().at(&["instances"], &parameters)?);
        if let Some(token) = &query.continuation {
            call.headers.insert(CONTINUATION, continuation_header(token)?);
        }
        let answer = self.transport().send(call).await?;
        if answer.status != StatusCode::OK {
            return Err(answer.refusal("list instances"));
        }
        let mut instances = Vec::new();
        for object in answer.json::<Vec<StatusObject>>()? {
            if !object.instance_id.starts_with(ENTITY) {
                instances.push(object.read()?);
            }
        }
        // The API has no filter for it.
        if let Some(name) = &query.name {
            instances.retain(|instance| instance.name == *name);
        }
        let token = answer.headers.get(CONTINUATION).map(HeaderValue::to_str).transpose();
        let token = token.map_err(unreadable)?;
        let continuation = token.map(str::trim).filter(|token| !token.is_empty()).map(str::to_owned);
        Ok(InstancePage { instances, continuation })
    }

    pub(super) async fn count_pages(&self, query: InstanceQuery) -> Result<Vec<InstanceCount>, ClientError> {
        let mut query = query.page_size(MAX_PAGE_SIZE);
        query.continuation = None;
        let mut counts: HashMap<(FunctionName, _), u64> = HashMap::new();
        loop {
            let page = self.get_page(&query, false).await?;
            for instance in page.instances {
                *counts.entry((instance.name, instance.runtime_status)).or_default() += 1;
            }
            let Some(next) = page.continuation else { break };
            query = query.continue_from(next);
        }
        let mut counts: Vec<_> =
            counts.into_iter().map(|((name, status), count)| InstanceCount::new(name, None, status, count)).collect();
        counts.sort_by_key(|count| (count.name.folded(), count.status));
        Ok(counts)
    }
}

/// The filters that the API has.
fn parameters_of(query: &InstanceQuery, show_input: bool) -> Vec<(&'static str, String)> {
    let statuses: Vec<_> = query.statuses.iter().map(|status| status.as_str()).collect();
    [
        ("top", Some(query.page_size.clamp(1, MAX_PAGE_SIZE).to_string())),
        ("runtimeStatus", Some(statuses.join(",")).filter(|list| !list.is_empty())),
        ("instanceIdPrefix", query.id_prefix.clone().filter(|prefix| !prefix.is_empty())),
        ("createdTimeFrom", query.created_from.map(|time| time.to_string())),
        ("createdTimeTo", query.created_to.map(|time| time.to_string())),
        ("showInput", Some(show_input.to_string())),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value?)))
    .collect()
}

fn continuation_header(token: &str) -> Result<HeaderValue, ClientError> {
    HeaderValue::from_str(token)
        .map_err(|error| ClientError::invalid_argument("the continuation token is not valid").with_source(error))
}

/// What status objects do not tell, or only in whole seconds, cannot be filtered by.
pub(super) fn refuse_what_cannot_be_asked(query: &InstanceQuery) -> Result<(), ClientError> {
    let cannot = [
        (query.version.is_some(), "find instances by version over HTTP"),
        (!query.tags.is_empty(), "find instances by tag over HTTP"),
        (query.parent.is_some(), "find the children of an instance over HTTP"),
        (query.updated_from.is_some() || query.updated_to.is_some(), "find instances by their last change over HTTP"),
    ];
    match cannot.into_iter().find(|(asked, _)| *asked) {
        Some((_, operation)) => Err(ClientError::new(ClientErrorKind::Unsupported { operation })),
        None => Ok(()),
    }
}
