//! What is worth knowing and no mistake.

use std::fmt;

use super::Source;

/// Something about a setting that does not keep it from being used: a warning, or a note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    setting: String,
    source: Source,
    text: String,
}

impl Remark {
    pub(super) fn new(setting: impl Into<String>, source: Source, text: impl Into<String>) -> Self {
        Self { setting: setting.into(), source, text: text.into() }
    }

    /// The setting, as it is written.
    #[must_use]
    pub fn setting(&self) -> &str {
        &self.setting
    }

    /// Where it stands.
    #[must_use]
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// What there is to know.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.setting, self.source, self.text)
    }
}
