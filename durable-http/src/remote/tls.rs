//! What encrypted connections are checked with.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;

use super::error::RemoteClientError;

/// The settings of TLS: the certificates that the operating system trusts, and ring for the arithmetic, whatever another
/// crate of the program has chosen. Without encryption nothing is read, and no certificate is trusted.
pub(super) fn config(is_encrypted: bool) -> Result<ClientConfig, RemoteClientError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(RemoteClientError::tls)?;
    let builder = if is_encrypted {
        builder.with_platform_verifier().map_err(RemoteClientError::tls)?
    } else {
        builder.with_root_certificates(RootCertStore::empty())
    };
    Ok(builder.with_no_client_auth())
}
