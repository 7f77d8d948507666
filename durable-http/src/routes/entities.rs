//! `POST` and `DELETE /entities/{entityName}/{entityKey}`: signals to entities.
//!
//! No entity function can be registered yet. So a signal is refused as one to an unknown function is, after the checks
//! that come before that.

use super::{Answer, Exchange};
use crate::body::payload;
use crate::error_json::Refusal;
use crate::media_type;

pub(super) fn signal(exchange: &Exchange<'_>, name: Option<&str>, key: &str) -> Answer {
    check(name, key)?;
    // No body is no input, and a body of any other type is a text.
    if !exchange.body.is_empty() && media_type::is_json(&exchange.head.headers) {
        check_json(&exchange.body)?;
    }
    refuse(name, key)
}

/// The answer to a signal without input.
pub(super) fn refuse(name: Option<&str>, key: &str) -> Answer {
    let name = check(name, key)?.to_lowercase();
    Err(Refusal::BadRequest(format!(
        "The function '{name}' doesn't exist, is disabled, or is not an entity function. \
         Additional info: No entity functions are currently registered!"
    )))
}

/// Elsewhere broken JSON is a long error object, here it is a short one.
fn check_json(body: &[u8]) -> Result<(), Refusal> {
    match payload(body) {
        Err(Refusal::InvalidJson(error)) => Err(Refusal::BadRequest(format!("Could not parse JSON content: {error}"))),
        other => other.map(drop),
    }
}

/// The name of an entity whose id is valid.
fn check<'p>(name: Option<&'p str>, key: &str) -> Result<&'p str, Refusal> {
    let Some(name) = name else {
        return Err(Refusal::BadRequest("An entity has a name, and this request has none.".to_owned()));
    };
    let is_bad = |c: char| matches!(c, '/' | '\\' | '#' | '?') || c.is_control();
    if key.contains(is_bad) {
        let message = format!("'{key}' is not a valid entity key: it contains one of / \\ # ? or a control character.");
        return Err(Refusal::BadRequest(message));
    }
    Ok(name)
}
