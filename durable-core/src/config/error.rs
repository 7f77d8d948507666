//! What is wrong with a configuration.

use std::error::Error;
use std::fmt;

use super::Source;
use super::layers::Raw;

/// Every mistake of a configuration.
pub struct ConfigError {
    mistakes: Vec<Mistake>,
}

/// One mistake: where it is, what stands there, and what may.
#[derive(Debug)]
pub struct Mistake {
    kind: MistakeKind,
    setting: String,
    source: Source,
    value: Option<String>,
    rule: String,
    cause: Option<Box<dyn Error + Send + Sync>>,
}

/// What sort of mistake it is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum MistakeKind {
    /// The file cannot be read.
    Unreadable,
    /// The file is no JSON, or not an object where it must be one.
    Syntax,
    /// The value is not allowed.
    Value,
    /// The setting stands there twice.
    Twice,
    /// A `%NAME%` names an environment variable that is not set.
    UnsetVariable {
        /// The variable.
        variable: String,
    },
}

/// The most characters of a value that are shown.
const SHOWN: usize = 80;

impl Mistake {
    pub(super) fn new(kind: MistakeKind, setting: &str, source: &Source, rule: impl Into<String>) -> Self {
        let (setting, source) = (setting.to_owned(), source.clone());
        Self { kind, setting, source, value: None, rule: rule.into(), cause: None }
    }

    /// Shows the value, unless it may be a secret.
    pub(super) fn showing(mut self, value: &Raw, is_secret: bool) -> Self {
        self.value = Some(shown(value, is_secret));
        self
    }

    pub(super) fn caused_by(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// What sort of mistake it is.
    #[must_use]
    pub fn kind(&self) -> &MistakeKind {
        &self.kind
    }

    /// The path of the setting, such as `extensions.durableTask.hubName`; empty when the whole file is concerned.
    #[must_use]
    pub fn setting(&self) -> &str {
        &self.setting
    }

    /// Where it stands.
    #[must_use]
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// The value as it was written, shortened; `***` for a secret.
    #[must_use]
    pub fn value(&self) -> Option<&str> {
        self.value.as_deref()
    }

    /// What is allowed, or what is wrong, for people.
    #[must_use]
    pub fn rule(&self) -> &str {
        &self.rule
    }
}

/// A value for people; an address with a user in it may hold a password.
fn shown(value: &Raw, is_secret: bool) -> String {
    let text = value.to_string();
    if is_secret || (text.contains("://") && text.contains('@')) {
        return "***".to_owned();
    }
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.setting.as_str(), &self.value) {
            ("", _) => write!(f, "{}: ", self.source)?,
            (setting, None) => write!(f, "{setting} ({}): ", self.source)?,
            (setting, Some(value)) => write!(f, "{setting} = {value} ({}): ", self.source)?,
        }
        f.write_str(&self.rule)?;
        match &self.cause {
            Some(cause) => write!(f, ": {cause}"),
            None => Ok(()),
        }
    }
}

impl ConfigError {
    pub(super) fn new(mistakes: Vec<Mistake>) -> Self {
        Self { mistakes }
    }

    /// Every mistake, in the order of files, then settings.
    #[must_use]
    pub fn mistakes(&self) -> &[Mistake] {
        &self.mistakes
    }

    /// True when a file cannot be read or is no JSON, so that mistakes in its settings are not known yet.
    #[must_use]
    pub fn is_file(&self) -> bool {
        self.mistakes.iter().any(|mistake| matches!(mistake.kind, MistakeKind::Unreadable | MistakeKind::Syntax))
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mistakes.as_slice() {
            [mistake] => write!(f, "the configuration has a mistake: {mistake}"),
            mistakes => {
                write!(f, "the configuration has {} mistakes:", mistakes.len())?;
                mistakes.iter().try_for_each(|mistake| write!(f, "\n  {mistake}"))
            }
        }
    }
}

impl fmt::Debug for ConfigError {
    /// The text, in which each mistake has its cause: what a program prints whose `main` returns the error.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for ConfigError {
    /// The cause of the first mistake that has one.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let mut causes = self.mistakes.iter().filter_map(|mistake| mistake.cause.as_deref());
        causes.next().map(|cause| cause as &(dyn Error + 'static))
    }
}
