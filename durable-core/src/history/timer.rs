//! The detail of a timer's events: `{"fireAt":"2024-05-01T12:00:00Z","source":"src/a.rs:1:2"}`.
//!
//! A year of hourly timers has thousands of them. So the usual form is written and read by hand, and every other one by serde.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::scratch::shared;
use crate::model::{SourceLocation, Timestamp};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TimerDetail<'a> {
    pub(super) fire_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) source: Option<Cow<'a, str>>,
}

const FIRE_AT: &str = r#"{"fireAt":""#;
const SOURCE: &str = r#"","source":""#;
/// That of a time without decimals.
const LENGTH_OF_MOST: usize = "2024-05-01T12:00:00Z".len();
const END: &str = r#""}"#;

pub(super) fn write(fire_at: Timestamp, source: Option<&SourceLocation>) -> Arc<str> {
    shared(|json| write_usual(json, fire_at, source)).unwrap_or_else(|| {
        let source = source.map(|source| Cow::Owned(source.to_string()));
        serde_json::to_string(&TimerDetail { fire_at, source }).unwrap_or_default().into()
    })
}

/// Writes a detail with nothing unusual in it.
fn write_usual(json: &mut String, fire_at: Timestamp, source: Option<&SourceLocation>) -> fmt::Result {
    json.push_str(FIRE_AT);
    write!(json, "{fire_at}")?;
    if let Some(source) = source {
        json.push_str(SOURCE);
        let start = json.len();
        write!(json, "{source}")?;
        if !is_plain(&json[start..]) {
            return Err(fmt::Error);
        }
    }
    json.push_str(END);
    Ok(())
}

/// True for what stands in JSON as it is.
fn is_plain(text: &str) -> bool {
    // Not a search that ends early: the whole text is looked at in a few steps.
    text.bytes().fold(true, |plain, byte| plain & (byte != b'"') & (byte != b'\\') & (byte >= b' '))
}

pub(super) fn read(json: &str) -> Result<TimerDetail<'_>, serde_json::Error> {
    usual(json).map_or_else(|| serde_json::from_str(json), Ok)
}

/// Reads a detail with nothing unusual in it.
fn usual(json: &str) -> Option<TimerDetail<'_>> {
    let inside = json.strip_prefix(FIRE_AT)?.strip_suffix(END)?;
    // The time ends with the first quote, and one with an escape in it is no time.
    let end = match inside.as_bytes().get(LENGTH_OF_MOST) {
        Some(b'"') => Some(LENGTH_OF_MOST),
        _ => inside.bytes().position(|byte| byte == b'"'),
    };
    let (fire_at, source) = match end {
        Some(end) => (&inside[..end], Some(inside[end..].strip_prefix(SOURCE)?)),
        None => (inside, None),
    };
    if !source.is_none_or(is_plain) {
        return None;
    }
    Some(TimerDetail { fire_at: fire_at.parse().ok()?, source: source.map(Cow::Borrowed) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand_is_as_by_serde() {
        let at: Timestamp = "2024-05-01T12:00:00.5Z".parse().unwrap();
        let sources = ["src/a.rs:1:2", "", "C:\\src\\a.rs:1:2", "a \"b\".rs", "ä\n.rs", "\",\"source\":\""];
        for source in sources.map(Some).into_iter().chain([None]) {
            let location = source.map(|text| SourceLocation::Stored(text.into()));
            let json = write(at, location.as_ref());
            let by_serde = TimerDetail { fire_at: at, source: source.map(Cow::Borrowed) };
            assert_eq!(*json, serde_json::to_string(&by_serde).unwrap());
            let expected = TimerDetail { fire_at: at, source: source.map(Cow::Borrowed) };
            assert_eq!(read(&json).unwrap(), expected, "{json}");
            assert_eq!(serde_json::from_str::<TimerDetail<'_>>(&json).unwrap(), expected, "{json}");
            if source.is_none_or(|source| source.starts_with("src")) {
                assert_eq!(usual(&json), Some(expected));
            }
        }
    }

    #[test]
    fn other_forms_are_read_as_well() {
        let spaced = read(r#"{ "source": "a.rs", "later": 1, "fireAt": "2024-05-01T12:00:00+00:00" }"#).unwrap();
        assert_eq!(spaced.source.as_deref(), Some("a.rs"));
        for bad in ["", "{}", r#"{"fireAt":"soon"}"#, r#"{"fireAt":"2024-05-01T12:00:00Z","source":"a"b"}"#] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
