//! A setting that cannot be used.

use std::error::Error;
use std::fmt;

use crate::body::BoxError;

/// The error of a setting of the HTTP service. Ask it with its predicates; the text is for people. It never shows a key.
pub struct InvalidSetting {
    kind: Kind,
    source: Option<BoxError>,
}

enum Kind {
    Key { name: String },
    Origin { text: String, problem: &'static str },
    Proxy { text: String },
}

impl InvalidSetting {
    pub(crate) fn key(name: &str) -> Self {
        Self { kind: Kind::Key { name: name.to_owned() }, source: None }
    }

    pub(crate) fn origin(text: &str, problem: &'static str) -> Self {
        Self { kind: Kind::Origin { text: text.to_owned(), problem }, source: None }
    }

    pub(crate) fn proxy(text: &str, source: impl Into<BoxError>) -> Self {
        Self { kind: Kind::Proxy { text: text.to_owned() }, source: Some(source.into()) }
    }

    /// True when a key is empty or cannot be sent in a header.
    #[must_use]
    pub fn is_key(&self) -> bool {
        matches!(self.kind, Kind::Key { .. })
    }

    /// True when the public origin is not one.
    #[must_use]
    pub fn is_public_origin(&self) -> bool {
        matches!(self.kind, Kind::Origin { .. })
    }

    /// True when a trusted proxy is not an address or a network.
    #[must_use]
    pub fn is_trusted_proxy(&self) -> bool {
        matches!(self.kind, Kind::Proxy { .. })
    }
}

impl fmt::Display for InvalidSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Key { name } => write!(
                f,
                "the key '{name}' is empty, or has a space, a line break or a character outside of ASCII: it could not be \
                 sent in a header"
            ),
            Kind::Origin { text, problem } => {
                write!(f, "'{text}' cannot be the start of links, {problem}: write something like https://example.com")
            }
            Kind::Proxy { text } => {
                write!(f, "'{text}' is not the address of a proxy: write an address, or a network such as 10.0.0.0/8")
            }
        }
    }
}

impl fmt::Debug for InvalidSetting {
    /// The text: what a program prints whose `main` returns the error.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        durable_core::model::write_chain(f, self)
    }
}

impl Error for InvalidSetting {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}
