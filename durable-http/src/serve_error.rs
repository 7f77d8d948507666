//! Why a server did not start, or broke off.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::SocketAddr;

use durable_core::model::write_chain;

use crate::body::BoxError;
use crate::setting_error::InvalidSetting;
use crate::starter::StartersError;

/// The error of [`serve`](crate::serve) and [`Server`](crate::Server). Ask it with its predicates; the text is for people.
pub struct ServeError {
    kind: Kind,
    source: Option<BoxError>,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Resolve,
    Public(SocketAddr),
    /// The last address that was tried.
    Bind(Option<SocketAddr>),
    Signal,
    Drain,
    Starters,
    Setting,
}

impl ServeError {
    pub(crate) fn resolve(source: io::Error) -> Self {
        Self { kind: Kind::Resolve, source: Some(source.into()) }
    }

    pub(crate) fn public(address: SocketAddr) -> Self {
        Self { kind: Kind::Public(address), source: None }
    }

    pub(crate) fn bind(addresses: &[SocketAddr], source: io::Error) -> Self {
        Self { kind: Kind::Bind(addresses.last().copied()), source: Some(source.into()) }
    }

    pub(crate) fn signal(source: io::Error) -> Self {
        Self { kind: Kind::Signal, source: Some(source.into()) }
    }

    pub(crate) fn drain(source: BoxError) -> Self {
        Self { kind: Kind::Drain, source: Some(source) }
    }

    pub(crate) fn starters(source: StartersError) -> Self {
        Self { kind: Kind::Starters, source: Some(source.into()) }
    }

    pub(crate) fn setting(source: InvalidSetting) -> Self {
        Self { kind: Kind::Setting, source: Some(source.into()) }
    }

    /// True when the configuration has a setting that the server cannot use.
    #[must_use]
    pub fn is_setting(&self) -> bool {
        matches!(self.kind, Kind::Setting)
    }

    /// True when the HTTP starters do not go together.
    #[must_use]
    pub fn is_starters(&self) -> bool {
        matches!(self.kind, Kind::Starters)
    }

    /// True when the address is no address, or a name that nobody knows.
    #[must_use]
    pub fn is_unknown_address(&self) -> bool {
        matches!(self.kind, Kind::Resolve)
    }

    /// True when the address can be reached from other machines, and nobody would be asked for a key.
    #[must_use]
    pub fn is_public_address(&self) -> bool {
        matches!(self.kind, Kind::Public(_))
    }

    /// True when another program, or another server of this one, listens there already.
    #[must_use]
    pub fn is_address_in_use(&self) -> bool {
        let source = self.source.as_deref().and_then(|source| source.downcast_ref::<io::Error>());
        source.is_some_and(|source| source.kind() == io::ErrorKind::AddrInUse)
    }

    /// True when the server stopped as it should, but the task hub could not be drained.
    #[must_use]
    pub fn is_drain(&self) -> bool {
        matches!(self.kind, Kind::Drain)
    }
}

impl fmt::Debug for ServeError {
    /// The text with all causes: what a program prints whose `main` returns the error.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_chain(f, self)
    }
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Resolve => f.write_str(
                "the address to listen on is no host with a port, such as 127.0.0.1:7071, or the host is not known",
            ),
            Kind::Public(address) => write!(
                f,
                "other machines could reach {address}, and this server asks nobody for a key: give it one with \
                 `DurableService::key` or the setting `httpSettings.keys`, listen on a loopback address such as \
                 127.0.0.1, or say `ServerBuilder::allow_public_without_key` or `httpSettings.allowPublic`"
            ),
            Kind::Bind(Some(address)) => write!(f, "the server cannot listen on {address}"),
            Kind::Bind(None) => f.write_str("the server has no address to listen on"),
            Kind::Signal => f.write_str("the server cannot wait for Ctrl-C"),
            Kind::Setting => f.write_str("the configuration cannot be used"),
            Kind::Starters => f.write_str("the HTTP starters cannot be served"),
            Kind::Drain => f.write_str("the task hub could not be drained"),
        }
    }
}

impl Error for ServeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}
