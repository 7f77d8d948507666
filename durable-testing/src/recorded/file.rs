//! The form of a recorded history in a file.

use std::fmt::Write as _;

use durable_core::history::{ExecutionHeader, HistoryEvent};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::error::{RecordingError, RecordingErrorKind};

/// The version that is written, and the only one that is read.
pub(super) const VERSION: u64 = 1;
const FORMAT: &str = "durable-history";

/// The part of a file that every version has.
#[derive(Deserialize)]
struct Head<'a> {
    format: String,
    version: u64,
    #[serde(borrow)]
    events: Option<&'a RawValue>,
}

/// The events of a file, or of what the HTTP API answers.
pub(super) fn read(text: &str) -> Result<Vec<HistoryEvent>, RecordingError> {
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.starts_with('[') {
        return events(text);
    }
    let head: Head<'_> = serde_json::from_str(text).map_err(RecordingError::garbage)?;
    if head.format != FORMAT {
        return Err(RecordingError::garbage(format!("its format is '{}' and not '{FORMAT}'", head.format)));
    }
    if head.version != VERSION {
        return Err(RecordingError::new(RecordingErrorKind::UnknownVersion { version: head.version }));
    }
    let list = head.events.ok_or_else(|| RecordingError::garbage("it has no 'events'"))?;
    events(list.get())
}

/// Reads them one by one, so that an error names the event.
fn events(list: &str) -> Result<Vec<HistoryEvent>, RecordingError> {
    let events: Vec<&RawValue> = serde_json::from_str(list).map_err(RecordingError::garbage)?;
    let read = |(index, event): (usize, &RawValue)| {
        serde_json::from_str(event.get()).map_err(|error| RecordingError::garbage(format!("event {index}: {error}")))
    };
    events.into_iter().enumerate().map(read).collect()
}

/// The text of a file.
pub(super) fn write(header: &ExecutionHeader, events: &[HistoryEvent]) -> String {
    let text = |value: &str| Value::from(value).to_string();
    let mut file = String::from("{\n");
    // Writing to a string cannot fail.
    let _ = writeln!(file, "  \"format\": \"{FORMAT}\",\n  \"version\": {VERSION},");
    let _ = writeln!(file, "  \"instance\": {},", text(header.instance.as_str()));
    let _ = writeln!(file, "  \"orchestrator\": {},", text(header.name.as_str()));
    file.push_str("  \"events\": [\n");
    for (at, event) in events.iter().enumerate() {
        let event = serde_json::to_string(event).unwrap_or_else(|error| panic!("an event has no JSON form: {error}"));
        let comma = if at + 1 < events.len() { "," } else { "" };
        let _ = writeln!(file, "    {event}{comma}");
    }
    file.push_str("  ]\n}\n");
    file
}
