//! Connections to PostgreSQL are encrypted where that is asked for, and then the server is the right one.
//!
//! The server here speaks just enough of the protocol to refuse a password, over TLS. Its certificate in `support/tls` is for
//! `localhost` and names an authority that no system trusts.
#![cfg(feature = "postgres")]
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::sync::Arc;

use durable_core::backend::postgres::{Postgres, PostgresOptions};
use durable_core::backend::{BackendError, BackendErrorKind};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

const AUTHORITY: &str = include_str!("support/tls/authority.pem");

/// What a client says first when it wants TLS.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// The answer to whatever comes after the greeting: a wrong password.
const REFUSAL: &[u8] = b"E\0\0\0\0SFATAL\0VFATAL\0C28P01\0Mnot you\0\0";

fn acceptor() -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let certificate = CertificateDer::from_pem_slice(include_bytes!("support/tls/server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("support/tls/server.key")).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    TlsAcceptor::from(Arc::new(config.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap()))
}

/// How a client greets a server that has TLS, or has none, and how that ends for it. What the server read in clear is also
/// given.
async fn greet(has_tls: bool, options: PostgresOptions, query: &str) -> (BackendError, Vec<u8>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut clear = vec![0; 8];
        stream.read_exact(&mut clear).await.unwrap();
        if clear == SSL_REQUEST {
            stream.write_all(if has_tls { b"S" } else { b"N" }).await.unwrap();
        }
        if clear == SSL_REQUEST && has_tls {
            if let Ok(mut stream) = acceptor().accept(stream).await {
                let mut greeting = [0; 8];
                stream.read_exact(&mut greeting).await.unwrap();
                assert_eq!(greeting[4..], [0, 3, 0, 0], "the greeting of a client");
                let refusal = [&REFUSAL[..1], &u32::try_from(REFUSAL.len() - 1).unwrap().to_be_bytes(), &REFUSAL[5..]];
                stream.write_all(&refusal.concat()).await.unwrap();
                let _ = stream.shutdown().await;
            }
        } else {
            let _ = stream.read_to_end(&mut clear).await;
        }
        clear
    };
    let url = format!("postgres://ada:hunter2@localhost:{port}/shop{query}");
    let connect = async { options.connect(&url).await.unwrap_err() };
    tokio::join!(connect, server)
}

fn told(error: &BackendError) -> String {
    format!("{error:?}")
}

#[tokio::test]
async fn a_trusted_server_is_spoken_to_in_secret() {
    for query in ["?sslmode=require", "?sslmode=verify-full"] {
        let (error, clear) = greet(true, Postgres::options().root_certificates(AUTHORITY), query).await;
        assert!(told(&error).contains("the user or the password is not accepted"), "{error:?}");
        assert_eq!(clear, SSL_REQUEST);
    }
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for_is_told_nothing() {
    let (error, clear) = greet(true, Postgres::options(), "?sslmode=require").await;
    assert!(!told(&error).contains("not accepted"), "{error:?}");
    assert_eq!(error.kind(), BackendErrorKind::Other, "it does not become another one: {error:?}");
    assert_eq!(clear, SSL_REQUEST);
}

#[tokio::test]
async fn a_server_without_tls_is_told_nothing_where_that_is_asked_for() {
    let (error, clear) = greet(false, Postgres::options(), "?sslmode=require").await;
    assert!(!told(&error).contains("not accepted"), "{error:?}");
    assert_eq!(clear, SSL_REQUEST);
}

#[tokio::test]
async fn what_is_no_certificate_is_refused() {
    for pem in ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        let options = Postgres::options().root_certificates(pem);
        let error = options.connect_later("postgres://localhost/shop").unwrap_err();
        assert_eq!(error.kind(), BackendErrorKind::Other, "{error}");
    }
}

#[tokio::test]
async fn a_server_that_is_named_by_its_address_is_asked_for_tls() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut clear = [0; 8];
        stream.read_exact(&mut clear).await.unwrap();
        clear
    };
    let url = format!("postgres://ada:hunter2@/shop?hostaddr=127.0.0.1&port={port}&sslmode=require");
    let (error, clear) = tokio::join!(Postgres::connect(&url), server);
    assert_eq!(clear, SSL_REQUEST, "{error:?}");
}
