//! Why a remote client cannot be made.

use std::error::Error;
use std::fmt;

use durable_core::model::{InvalidName, write_chain};

use crate::body::BoxError;

/// The error of making a [`RemoteClient`](super::RemoteClient). Ask it with its predicates; the text is for people. It never
/// shows a key.
pub struct RemoteClientError {
    kind: Kind,
    source: Option<BoxError>,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Url(&'static str),
    TaskHub,
    Key,
    Tls,
}

impl RemoteClientError {
    pub(super) fn url(problem: &'static str) -> Self {
        Self { kind: Kind::Url(problem), source: None }
    }

    pub(super) fn task_hub(source: InvalidName) -> Self {
        Self { kind: Kind::TaskHub, source: Some(source.into()) }
    }

    pub(super) fn key() -> Self {
        Self { kind: Kind::Key, source: None }
    }

    pub(super) fn tls(source: impl Into<BoxError>) -> Self {
        Self { kind: Kind::Tls, source: Some(source.into()) }
    }

    pub(super) fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// True when the address is not one of `http` or `https`, or has parts that it must not have.
    #[must_use]
    pub fn is_url(&self) -> bool {
        matches!(self.kind, Kind::Url(_))
    }

    /// True when the name of the task hub is not valid.
    #[must_use]
    pub fn is_task_hub(&self) -> bool {
        matches!(self.kind, Kind::TaskHub)
    }

    /// True when the key is empty or cannot be sent in a header.
    #[must_use]
    pub fn is_key(&self) -> bool {
        matches!(self.kind, Kind::Key)
    }

    /// True when there is nothing to check certificates with, on a machine without any roots for example.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        matches!(self.kind, Kind::Tls)
    }
}

impl fmt::Display for RemoteClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Url(problem) => write!(
                f,
                "the address of the task hub cannot be used, {problem}: write something like \
                 https://app.example/runtime/webhooks/durabletask"
            ),
            Kind::TaskHub => f.write_str("the name of the task hub is not valid"),
            Kind::Key => f.write_str("the key is empty, or has characters that cannot be sent in a header"),
            Kind::Tls => f.write_str("encrypted connections cannot be set up"),
        }
    }
}

impl fmt::Debug for RemoteClientError {
    /// The text with all causes: what a program prints whose `main` returns the error.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_chain(f, self)
    }
}

impl Error for RemoteClientError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}
