//! Tags: what operators search instances by.

use std::collections::BTreeMap;
use std::collections::btree_map::Iter;

use serde::{Deserialize, Serialize};

const MAX_TAGS: usize = 64;
const MAX_KEY_LEN: usize = 128;
const MAX_VALUE_LEN: usize = 1_024;

/// The tags of an instance: at most 64 pairs of text, given at its start and inherited by its children.
///
/// A key has 1 to 128 bytes, a value at most 1,024. Both are case-sensitive and have no control characters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tags(BTreeMap<String, String>);

impl Tags {
    /// No tags.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a tag; an earlier value of the key goes.
    ///
    /// # Errors
    ///
    /// [`InvalidTag`] names the key and the rule that it breaks.
    pub fn insert(&mut self, key: impl Into<String>, value: impl Into<String>) -> Result<(), InvalidTag> {
        let (key, value) = (key.into(), value.into());
        let refuse = |reason| Err(InvalidTag { key: key.chars().take(64).collect(), reason });
        if key.is_empty() || key.len() > MAX_KEY_LEN {
            return refuse("its key must have 1 to 128 bytes");
        }
        if value.len() > MAX_VALUE_LEN {
            return refuse("its value is longer than 1,024 bytes");
        }
        if key.chars().chain(value.chars()).any(char::is_control) {
            return refuse("it contains a control character");
        }
        if self.0.len() >= MAX_TAGS && !self.0.contains_key(&key) {
            return refuse("there are 64 others already");
        }
        self.0.insert(key, value);
        Ok(())
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// True when there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// All of them, in the order of their keys.
    pub fn iter(&self) -> Iter<'_, String, String> {
        self.0.iter()
    }

    /// These tags over those of a parent: where both have a key, this value wins. What exceeds the limit is left out,
    /// inherited ones first.
    #[must_use]
    pub fn inherit(mut self, parent: &Self) -> Self {
        for (key, value) in &parent.0 {
            if self.0.len() < MAX_TAGS {
                self.0.entry(key.clone()).or_insert_with(|| value.clone());
            }
        }
        self
    }

    /// Tags that a store kept for us.
    #[must_use]
    pub fn from_stored(tags: BTreeMap<String, String>) -> Self {
        Self(tags)
    }
}

impl<'a> IntoIterator for &'a Tags {
    type Item = (&'a String, &'a String);
    type IntoIter = Iter<'a, String, String>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

/// A tag that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the tag '{key}' is not valid: {reason}")]
pub struct InvalidTag {
    key: String,
    reason: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_tags_win_over_inherited_ones() {
        let mut parent = Tags::new();
        parent.insert("tenant", "a").unwrap();
        parent.insert("region", "eu").unwrap();
        let mut own = Tags::new();
        own.insert("tenant", "b").unwrap();
        let tags = own.inherit(&parent);
        assert_eq!((tags.get("tenant"), tags.get("region")), (Some("b"), Some("eu")));
    }

    #[test]
    fn a_refusal_names_the_key_and_the_rule() {
        let mut tags = Tags::new();
        assert!(tags.insert("", "x").is_err());
        assert!(tags.insert("k", "x\n").is_err());
        for n in 0..64 {
            tags.insert(format!("k{n}"), "v").unwrap();
        }
        let error = tags.insert("one-more", "v").unwrap_err();
        assert_eq!(error.to_string(), "the tag 'one-more' is not valid: there are 64 others already");
    }
}
