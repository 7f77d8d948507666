//! Identifiers of instances, of their executions and of the tasks inside them.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The longest instance id, in UTF-16 code units, as the Durable Functions extension counts.
const MAX_INSTANCE_ID_UNITS: usize = 256;

/// The identity of one orchestration instance within a task hub.
///
/// An id has 1 to 256 UTF-16 code units, contains none of `/ \ ? #` and no control character, and does not start with
/// `@`, which is reserved for entities. Ids are case-sensitive. Cloning is cheap.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InstanceId(Arc<str>);

impl InstanceId {
    /// Checks `id` and takes it over.
    ///
    /// # Errors
    ///
    /// [`InvalidInstanceId`] names the id and the rule that it breaks.
    pub fn new(id: impl AsRef<str>) -> Result<Self, InvalidInstanceId> {
        let id = id.as_ref();
        let refuse = |reason| Err(InvalidInstanceId { id: shorten(id), reason });
        if id.is_empty() {
            return refuse("it is empty");
        }
        // No text has more units than bytes.
        if id.len() > MAX_INSTANCE_ID_UNITS && id.encode_utf16().count() > MAX_INSTANCE_ID_UNITS {
            return refuse("it is longer than 256 UTF-16 code units");
        }
        if id.starts_with('@') {
            return refuse("it starts with '@', which is reserved for entities");
        }
        if id.contains(['/', '\\', '?', '#']) {
            return refuse("it contains one of / \\ ? #");
        }
        if id.chars().any(char::is_control) {
            return refuse("it contains a control character");
        }
        Ok(Self(id.into()))
    }

    /// A new unique id: a time-ordered UUID as 32 lower-case hexadecimal digits.
    #[must_use]
    pub fn generate() -> Self {
        Self(Uuid::now_v7().simple().to_string().into())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn shorten(id: &str) -> String {
    match id.char_indices().nth(64) {
        Some((end, _)) => format!("{}…", &id[..end]),
        None => id.to_owned(),
    }
}

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl FromStr for InstanceId {
    type Err = InvalidInstanceId;

    fn from_str(id: &str) -> Result<Self, Self::Err> {
        Self::new(id)
    }
}

impl TryFrom<&str> for InstanceId {
    type Error = InvalidInstanceId;

    fn try_from(id: &str) -> Result<Self, Self::Error> {
        Self::new(id)
    }
}

impl TryFrom<String> for InstanceId {
    type Error = InvalidInstanceId;

    fn try_from(id: String) -> Result<Self, Self::Error> {
        Self::new(id)
    }
}

impl TryFrom<&String> for InstanceId {
    type Error = InvalidInstanceId;

    fn try_from(id: &String) -> Result<Self, Self::Error> {
        Self::new(id)
    }
}

impl TryFrom<&Self> for InstanceId {
    type Error = InvalidInstanceId;

    fn try_from(id: &Self) -> Result<Self, Self::Error> {
        Ok(id.clone())
    }
}

/// A text that cannot be an instance id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{id}' is not a valid instance id: {reason}")]
pub struct InvalidInstanceId {
    id: String,
    reason: &'static str,
}

/// One run of an instance: it changes when an id is reused, and with every continue-as-new.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ExecutionId(Arc<str>);

impl ExecutionId {
    /// A new unique execution id.
    #[must_use]
    pub fn generate() -> Self {
        Self(Uuid::new_v4().simple().to_string().into())
    }

    /// An execution id that was stored before.
    #[must_use]
    pub fn from_stored(id: &str) -> Self {
        Self(id.into())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ExecutionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ExecutionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// The sequence number of an action within one execution.
///
/// It is given out when the orchestrator makes the call, starting at 0, and never at the first poll.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TaskId(pub u32);

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_what_durable_functions_accepts() {
        for id in ["a", "order-17", "Grüße", "with space", "a@b", "100%", &"x".repeat(256)] {
            assert_eq!(InstanceId::new(id).unwrap().as_str(), id);
        }
    }

    #[test]
    fn refuses_what_durable_functions_refuses() {
        for id in
            ["", "@entity@key", "a/b", "a\\b", "a?b", "a#b", "a\nb", "a\u{7f}", &"x".repeat(257), &"😀".repeat(129)]
        {
            assert!(InstanceId::new(id).is_err(), "{id:?} was accepted");
        }
    }

    #[test]
    fn a_refusal_names_the_id_and_the_rule() {
        let error = InstanceId::new("a/b").unwrap_err();
        assert_eq!(error.to_string(), "'a/b' is not a valid instance id: it contains one of / \\ ? #");
    }

    #[test]
    fn generated_ids_are_32_lower_case_hex_digits() {
        let id = InstanceId::generate();
        assert_eq!(id.as_str().len(), 32);
        assert!(id.as_str().bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)));
    }
}
