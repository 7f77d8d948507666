//! The detail of a timer's events: `{"fireAt":"2024-05-01T12:00:00Z","source":"src/a.rs:1:2"}`.
//!
//! A year of hourly timers has thousands of them. So the usual form is read by hand, and every other one by serde.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

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
const END: &str = r#""}"#;

pub(super) fn write(fire_at: Timestamp, source: Option<&SourceLocation>) -> String {
    let source = source.map(|source| Cow::Owned(source.to_string()));
    serde_json::to_string(&TimerDetail { fire_at, source }).unwrap_or_default()
}

pub(super) fn read(json: &str) -> Result<TimerDetail<'_>, serde_json::Error> {
    usual(json).map_or_else(|| serde_json::from_str(json), Ok)
}

/// Reads a detail with nothing unusual in it.
fn usual(json: &str) -> Option<TimerDetail<'_>> {
    let inside = json.strip_prefix(FIRE_AT)?.strip_suffix(END)?;
    let (fire_at, source) = match inside.split_once(SOURCE) {
        Some((fire_at, source)) => (fire_at, Some(source)),
        None => (inside, None),
    };
    let is_plain = |text: &str| text.bytes().all(|byte| byte != b'"' && byte != b'\\' && byte >= b' ');
    if !source.is_none_or(is_plain) {
        return None;
    }
    // A time with a quote or an escape in it is no time.
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
