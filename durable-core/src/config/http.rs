//! What the HTTP API is told: plain data, for whoever serves it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// The settings of the HTTP API. They are data only: a server takes what it knows.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HttpSettings {
    /// Where starters live, without slashes at the ends; `api` unless set, and it may be empty.
    pub route_prefix: String,
    /// True when links repeat the host that a trusted proxy names.
    pub use_forwarded_host: bool,
    /// The start of every link, such as `https://example.com`, without a slash at the end.
    pub public_origin: Option<String>,
    /// Addresses of IP, or networks such as `10.0.0.0/8`, whose forwarding headers are believed.
    pub trusted_proxies: Vec<String>,
    /// Keys that open the API, by their names. The first one is for links.
    pub keys: BTreeMap<String, Secret>,
    /// A host and a port; `127.0.0.1:7071` unless set.
    pub listen: String,
    /// True when other machines may reach the address although there is no key.
    pub allow_public: bool,
    /// True when the API changes nothing.
    pub read_only: bool,
    /// How long a signed link is valid; links are not signed without it.
    pub signed_links: Option<Duration>,
}

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides a text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
