//! Taking over what `host.json` and the environment say.

use durable_core::config::{HostConfig, Source};

use crate::access::Keys;
use crate::serve::AsClient;
use crate::serve_error::ServeError;
use crate::server::{Server, ServerBuilder};
use crate::service::DurableService;
use crate::setting_error::InvalidSetting;

/// Every address: what is trusted when a forwarded host is to be used and nobody says whose.
const EVERYBODY: [&str; 2] = ["0.0.0.0/0", "::/0"];

/// Serves a task hub as its configuration says, until Ctrl-C or SIGTERM: [`serve`](crate::serve()) with the address, the
/// keys, the origin of links and the route prefix of `host.json` and the environment. The store is that of
/// `storageProvider.type`, unless the hub is given one in code.
///
/// ```no_run
/// # async fn doc() -> Result<(), Box<dyn std::error::Error>> {
/// use durable_core::config::HostConfig;
/// use durable_core::prelude::*;
///
/// let config = HostConfig::load()?;
/// let hub = TaskHub::builder().config(&config).discover().start().await?;
/// durable_http::serve_configured(&hub, &config).await?;
/// # Ok(()) }
/// ```
///
/// # Errors
///
/// As [`serve`](crate::serve()); and a setting cannot be used.
pub async fn serve_configured<S: AsClient + ?Sized>(source: &S, config: &HostConfig) -> Result<(), ServeError> {
    let service = DurableService::of(source).map_err(ServeError::starters)?;
    let service = service.config(config).map_err(ServeError::setting)?;
    Server::builder(service).config(config).serve(source).await
}

impl DurableService {
    /// Takes over what `host.json` and the environment say: keys, signed links, the origin of links, trusted proxies, the route
    /// prefix of starters, and whether it is read-only. What nobody has set stays as it is, and what is called after this wins
    /// over it.
    ///
    /// `useForwardedHost` without `trustedProxies` believes everybody, as it does in Durable Functions: set it only where
    /// nobody reaches the server but through a proxy.
    ///
    /// # Errors
    ///
    /// A key cannot be sent in a header.
    pub fn config(mut self, config: &HostConfig) -> Result<Self, InvalidSetting> {
        let http = config.http();
        if !http.keys.is_empty() {
            let keys = Keys::new();
            for (name, secret) in &http.keys {
                keys.set(name, secret.expose())?;
            }
            self = self.keys(keys);
        }
        if let Some(origin) = &http.public_origin {
            self = self.public_origin(origin)?;
        }
        if !http.trusted_proxies.is_empty() {
            self = self.trusted_proxies(&http.trusted_proxies)?;
        } else if http.use_forwarded_host {
            tracing::warn!(
                "`useForwardedHost` without `trustedProxies`: links name the host that any caller writes into a header"
            );
            self = self.trusted_proxies(EVERYBODY)?;
        }
        if let Some(valid_for) = http.signed_links {
            self = self.signed_links(valid_for);
        }
        if http.read_only {
            self = self.read_only();
        }
        Ok(if is_set(config, "extensions.http.routePrefix") { self.route_prefix(&http.route_prefix) } else { self })
    }
}

impl ServerBuilder {
    /// Takes over what `host.json` and the environment say: where to listen, and whether other machines may reach it without
    /// a key. What nobody has set stays as it is.
    pub fn config(self, config: &HostConfig) -> Self {
        let http = config.http();
        let server = if is_set(config, "httpSettings.listen") { self.addr(http.listen.as_str()) } else { self };
        if http.allow_public { server.allow_public_without_key() } else { server }
    }
}

/// True when a source says something about a setting, so that its value is more than the built-in one.
fn is_set(config: &HostConfig, name: &str) -> bool {
    config.effective().get(name).is_some_and(|setting| *setting.source() != Source::Default)
}
