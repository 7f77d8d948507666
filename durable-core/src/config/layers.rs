//! Values by setting, from several sources, of which the last one wins.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;

use serde_json::{Number, Value};

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Source {
    /// It is built in.
    Default,
    /// This file, usually a `host.json`.
    File(String),
    /// The environment variable of this name.
    Environment(String),
    /// The program itself.
    Code,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => f.write_str(path),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::Code => f.write_str("code"),
        }
    }
}

/// A value as it was written.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Raw {
    Text(String),
    Bool(bool),
    Number(Number),
    /// `{}` or `[]`.
    Empty(&'static str),
}

impl fmt::Display for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Empty(what) => f.write_str(what),
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// The path of the setting, for people.
    pub(super) written: String,
    /// The last part of it as it was written.
    pub(super) name: String,
    pub(super) raw: Raw,
    pub(super) source: Source,
}

/// Values by key. A key is a path in lower case with colons, such as `durabletask:hubname`; what stands in a list has its
/// position as the last part.
#[derive(Debug, Default)]
pub(super) struct Layers {
    entries: BTreeMap<String, Entry>,
}

impl Layers {
    /// Puts a value over those of earlier layers. A value replaces what is in a list or a section of its name, and the other
    /// way round. What was replaced in exactly this place comes back.
    pub(super) fn put(&mut self, key: &str, entry: Entry) -> Option<Entry> {
        let inside: Vec<_> = self.below(key).map(|(key, _)| key.to_owned()).collect();
        for key in inside {
            self.entries.remove(&key);
        }
        for (at, _) in key.match_indices(':') {
            self.entries.remove(&key[..at]);
        }
        self.entries.insert(key.to_owned(), entry)
    }

    pub(super) fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.get(key)
    }

    /// What is in a list or a section, by the part of the key that follows its name.
    pub(super) fn below(&self, key: &str) -> impl Iterator<Item = (&str, &Entry)> {
        let (first, behind) = (format!("{key}:"), format!("{key};"));
        let range = self.entries.range::<str, _>((Bound::Included(first.as_str()), Bound::Excluded(behind.as_str())));
        range.map(|(key, entry)| (key.as_str(), entry))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.entries.iter().map(|(key, entry)| (key.as_str(), entry))
    }
}

/// Every value in `value`, with its path below it.
pub(super) fn flatten(value: &Value, path: &mut Vec<String>, found: &mut impl FnMut(&[String], Raw)) {
    let mut inside = |name: String, value: &Value| {
        path.push(name);
        flatten(value, path, found);
        path.pop();
    };
    let raw = match value {
        Value::Null => return,
        Value::Object(object) if object.is_empty() => Raw::Empty("{}"),
        Value::Array(array) if array.is_empty() => Raw::Empty("[]"),
        Value::Object(object) => return object.iter().for_each(|(name, value)| inside(name.clone(), value)),
        Value::Array(array) => {
            return array.iter().enumerate().for_each(|(i, value)| inside(i.to_string(), value));
        }
        Value::String(text) => Raw::Text(text.clone()),
        Value::Bool(value) => Raw::Bool(*value),
        Value::Number(number) => Raw::Number(number.clone()),
    };
    found(path, raw);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Entry {
        Entry {
            written: text.to_owned(),
            name: String::new(),
            raw: Raw::Text(text.to_owned()),
            source: Source::Default,
        }
    }

    #[test]
    fn the_last_value_stays_alone() {
        let mut layers = Layers::default();
        for key in ["a:list:0", "a:list:1", "a:listed", "a:b"] {
            assert!(layers.put(key, text("old")).is_none());
        }
        assert!(layers.put("a:list", text("new")).is_none());
        assert_eq!(layers.iter().map(|(key, _)| key).collect::<Vec<_>>(), ["a:b", "a:list", "a:listed"]);
        layers.put("a:list:0", text("newer"));
        assert_eq!(layers.iter().map(|(key, _)| key).collect::<Vec<_>>(), ["a:b", "a:list:0", "a:listed"]);
        assert_eq!(layers.below("a:list").count(), 1);
        assert_eq!(layers.put("a:b", text("x")).unwrap().written, "old");
    }

    #[test]
    fn json_becomes_flat() {
        let value: Value = serde_json::from_str(r#"{"a": {"b": [1, "x"], "c": null, "d": {}}, "e": true}"#).unwrap();
        let mut found = Vec::new();
        flatten(&value, &mut Vec::new(), &mut |path, raw| found.push(format!("{}={raw}", path.join("."))));
        assert_eq!(found, ["a.b.0=1", "a.b.1=\"x\"", "a.d={}", "e=true"]);
    }
}
