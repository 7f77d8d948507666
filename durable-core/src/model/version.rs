//! Versions of orchestrators.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

const MAX_VERSION_LEN: usize = 64;

/// The version of an orchestrator's code.
///
/// An instance keeps the version that it was started with. 1 to 64 bytes without control characters and without white
/// space at the ends. Two versions of two to four numbers with dots between them, like `1.2` and `1.10`, compare by number,
/// as .NET compares them; all others compare as text, without regard to ASCII case. `None` stands before every version.
#[derive(Clone)]
pub struct Version(Arc<str>);

impl Version {
    /// Checks `version` and takes it over.
    ///
    /// # Errors
    ///
    /// [`InvalidVersion`] says which rule the text breaks.
    pub fn new(version: impl AsRef<str>) -> Result<Self, InvalidVersion> {
        let version = version.as_ref();
        let refuse = |reason| Err(InvalidVersion { version: version.chars().take(64).collect(), reason });
        if version.is_empty() {
            return refuse("it is empty");
        }
        if version.len() > MAX_VERSION_LEN {
            return refuse("it is longer than 64 bytes");
        }
        if version.trim() != version || version.chars().any(char::is_control) {
            return refuse("it has a control character, or white space at an end");
        }
        Ok(Self(version.into()))
    }

    /// The version as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The numbers of a version like `1.2.3`. A missing number stands before 0, as in .NET.
    fn numbers(&self) -> Option<[i64; 4]> {
        let mut numbers = [-1; 4];
        let mut parts = 0;
        for part in self.0.split('.') {
            let digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            *numbers.get_mut(parts)? = i64::from(part.parse::<u32>().ok().filter(|_| digits)?);
            parts += 1;
        }
        (parts >= 2).then_some(numbers)
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.numbers(), other.numbers()) {
            (Some(a), Some(b)) => a.cmp(&b),
            // Text stands behind all numbers, so that the order is total.
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => self.0.to_ascii_lowercase().cmp(&other.0.to_ascii_lowercase()),
        }
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Version {}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl FromStr for Version {
    type Err = InvalidVersion;

    fn from_str(version: &str) -> Result<Self, Self::Err> {
        Self::new(version)
    }
}

impl TryFrom<&str> for Version {
    type Error = InvalidVersion;

    fn try_from(version: &str) -> Result<Self, Self::Error> {
        Self::new(version)
    }
}

impl TryFrom<String> for Version {
    type Error = InvalidVersion;

    fn try_from(version: String) -> Result<Self, Self::Error> {
        Self::new(version)
    }
}

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl From<std::convert::Infallible> for InvalidVersion {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}

/// Versions of instances, where `None` is to have none.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum VersionSet {
    /// All of them.
    #[default]
    All,
    /// These.
    These(Vec<Option<Version>>),
    /// This one and all that stand before it.
    Through(Option<Version>),
}

impl VersionSet {
    /// True when the version is one of them.
    #[must_use]
    pub fn contains(&self, version: Option<&Version>) -> bool {
        match self {
            Self::All => true,
            Self::These(versions) => versions.iter().any(|known| known.as_ref() == version),
            Self::Through(last) => version <= last.as_ref(),
        }
    }
}

/// A text that cannot be a version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{version}' is not a valid version: {reason}")]
pub struct InvalidVersion {
    version: String,
    reason: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        Version::new(text).unwrap()
    }

    #[test]
    fn numbers_compare_as_numbers_and_texts_as_texts() {
        assert!(version("1.2") < version("1.10"));
        assert!(version("1.2") < version("1.2.0"));
        assert_eq!(version("1.02"), version("1.2"));
        assert!(version("10") < version("9"), "a lone number is a text");
        assert_eq!(version("Beta"), version("beta"));
        assert!(version("99.0") < version("a"));
        assert!(None < Some(version("0.0")));
    }

    #[test]
    fn a_refusal_names_the_rule() {
        for bad in ["", " 1", "1 ", "a\nb", &"1".repeat(65)] {
            assert!(Version::new(bad).is_err(), "{bad:?} was accepted");
        }
    }
}
