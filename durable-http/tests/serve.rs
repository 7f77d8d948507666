//! `serve`, and the addresses that a server takes.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use durable_core::BoxFuture;
use durable_core::client::Client;
use durable_http::{AsClient, BoxError, Server, serve};
use support::*;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// A hub that notes that it was drained, and fails at it.
struct Hub {
    mock: Arc<MockClient>,
    drained: AtomicBool,
}

impl AsClient for Hub {
    fn as_client(&self) -> Client {
        self.mock.client()
    }

    fn drain(&self) -> BoxFuture<'_, Result<(), BoxError>> {
        Box::pin(async {
            self.drained.store(true, Ordering::Relaxed);
            Err("the disk is full".into())
        })
    }
}

async fn connect(address: SocketAddr) -> TcpStream {
    within_reason(async {
        loop {
            match TcpStream::connect(address).await {
                Ok(stream) => break stream,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    })
    .await
}

#[cfg(unix)]
#[tokio::test]
async fn sigterm_stops_the_server_and_drains_the_hub() {
    let hub = Hub { mock: MockClient::new(), drained: AtomicBool::new(false) };
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let client = async {
        let mut stream = connect(address).await;
        stream.write_all(format!("GET {RPC}/instances HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await.unwrap();
        // An answer shows that the server listens to signals by now.
        read_until(&mut stream, "\r\n\r\n[]").await;
        assert!(!hub.drained.load(Ordering::Relaxed));
        let own_id = std::process::id().to_string();
        assert!(std::process::Command::new("kill").args(["-TERM", &own_id]).status().unwrap().success());
        read_to_end(&mut stream).await
    };
    let (served, _) = within_reason(async { tokio::join!(serve(&hub, address), client) }).await;
    let error = served.unwrap_err();
    assert!(error.is_drain() && !error.is_address_in_use(), "{error}");
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "the disk is full");
    assert!(hub.drained.load(Ordering::Relaxed));
}

#[tokio::test]
async fn a_public_address_is_refused_unless_it_is_allowed() {
    let client = MockClient::new().client();
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "[::ffff:192.0.2.1]:0"] {
        let error = serve(&client, address).await.unwrap_err();
        assert!(error.is_public_address(), "{error}");
        assert!(error.to_string().contains("allow_public_without_key"), "{error}");
        assert!(std::error::Error::source(&error).is_none());
    }
    let server = Server::builder(client).addr("0.0.0.0:0").allow_public_without_key().bind().await.unwrap();
    assert_ne!(server.local_addr().port(), 0);
}

#[tokio::test]
async fn loopback_addresses_are_taken() {
    for address in ["127.0.0.1:0", "127.0.0.2:0", "localhost:0"] {
        let server = Server::builder(MockClient::new().client()).addr(address).bind().await.unwrap();
        assert!(server.local_addr().ip().is_loopback());
    }
}

#[tokio::test]
async fn an_address_in_use_and_no_address_at_all_are_told_apart() {
    let client = MockClient::new().client();
    let first = Server::builder(client.clone()).addr("127.0.0.1:0").bind().await.unwrap();
    let error = serve(&client, first.local_addr()).await.unwrap_err();
    assert!(error.is_address_in_use() && !error.is_unknown_address(), "{error}");
    assert!(std::error::Error::source(&error).is_some());
    let error = serve(&client, "no port").await.unwrap_err();
    assert!(error.is_unknown_address() && !error.is_public_address(), "{error}");
}
