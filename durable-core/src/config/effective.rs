//! What holds in the end, and why.

use std::fmt;
use std::time::Duration;

use serde::ser::{Serialize, SerializeStruct, Serializer};

use super::Source;
use super::value::Value;

/// Every setting that has an effect, with its value and where it comes from. Printed, it has a line for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective {
    pub(super) settings: Vec<EffectiveSetting>,
}

/// One setting, as it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EffectiveSetting {
    pub(super) name: &'static str,
    pub(super) value: String,
    pub(super) source: Source,
}

impl EffectiveSetting {
    /// The path of the setting, such as `extensions.durableTask.hubName`.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name
    }

    /// The value as text; `***` for a secret.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Where it comes from.
    #[must_use]
    pub fn source(&self) -> &Source {
        &self.source
    }
}

impl Effective {
    /// All settings, in the order of the documentation.
    #[must_use]
    pub fn settings(&self) -> &[EffectiveSetting] {
        &self.settings
    }

    /// One setting by its path, or by what follows `extensions.durableTask.` in it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&EffectiveSetting> {
        let fits = |path: &str| path == name || path.strip_prefix("extensions.durableTask.") == Some(name);
        self.settings.iter().find(|setting| fits(setting.name))
    }

    /// Says what follows from other settings.
    pub(super) fn imply(&mut self, name: &str, value: &str) {
        for setting in self.settings.iter_mut().filter(|setting| setting.name.ends_with(name)) {
            value.clone_into(&mut setting.value);
        }
    }

    /// Writes everything to the log, in one event.
    pub(crate) fn log(&self) {
        tracing::info!(target: "durable", settings = %self, "the configuration");
    }

    /// Says what the program has: where it differs, the program has set it itself.
    pub(crate) fn in_code(&mut self, name: &str, value: &dyn fmt::Display) {
        let value = value.to_string();
        let mut changed = self.settings.iter_mut().filter(|setting| setting.name.ends_with(name));
        if let Some(setting) = changed.next().filter(|setting| setting.value != value) {
            setting.value = value;
            setting.source = Source::Code;
        }
    }
}

impl Effective {
    /// As [`in_code`](Self::in_code), for a time or none.
    pub(crate) fn in_code_duration(&mut self, name: &str, value: Option<Duration>) {
        self.in_code(name, &Value::Duration(value));
    }
}

impl Serialize for EffectiveSetting {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("EffectiveSetting", 3)?;
        fields.serialize_field("name", self.name)?;
        fields.serialize_field("value", &self.value)?;
        fields.serialize_field("source", &self.source.to_string())?;
        fields.end()
    }
}

impl Serialize for Effective {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(&self.settings)
    }
}

impl fmt::Display for EffectiveSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {} ({})", self.name, self.value, self.source)
    }
}

impl fmt::Display for Effective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, setting) in self.settings.iter().enumerate() {
            let separator = if i == 0 { "" } else { "\n" };
            write!(f, "{separator}{setting}")?;
        }
        Ok(())
    }
}
