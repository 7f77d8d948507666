//! The demo as a process of its own, and a small HTTP client for it.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// A running demo. Dropping it kills it.
pub(crate) struct Demo {
    process: Child,
    pub(crate) base: String,
}

impl Demo {
    /// Starts the demo on a free port and waits until it listens.
    pub(crate) fn start(db: &Path) -> Self {
        Self::start_with(&["--db".as_ref(), db.as_os_str()])
    }

    /// Starts the demo on a free port with these arguments.
    pub(crate) fn start_with(args: &[&OsStr]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_demo"))
            .args(["--listen", "127.0.0.1:0"])
            .args(args)
            .env("RUST_LOG", "info")
            .stderr(Stdio::piped())
            .spawn()
            .expect("the demo starts");
        let mut log = BufReader::new(process.stderr.take().expect("a pipe"));
        let mut said = String::new();
        let address = loop {
            let mut line = String::new();
            assert!(log.read_line(&mut line).expect("a log") > 0, "the demo ended: {said}");
            if let Some((_, rest)) = line.split_once("address=") {
                break rest.split_whitespace().next().expect("an address").to_owned();
            }
            said.push_str(&line);
        };
        // Whatever it logs from now on must not fill the pipe.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::stderr()));
        Self { process, base: format!("http://{address}/runtime/webhooks/durabletask") }
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.process.kill().expect("the demo can be killed");
        self.process.wait().expect("the demo ends");
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A client that keeps connections.
#[derive(Clone)]
pub(crate) struct Http(Client<HttpConnector, Full<Bytes>>);

impl Http {
    pub(crate) fn new() -> Self {
        Self(Client::builder(TokioExecutor::new()).build_http())
    }

    /// The status and the body of an answer; `None` when the server went away.
    pub(crate) async fn send(&self, method: Method, uri: &str, body: &str) -> Option<(u16, String)> {
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .header("content-type", "application/json")
            .body(Full::from(body.to_owned()))
            .expect("a valid request");
        let response = self.0.request(request).await.ok()?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.ok()?.to_bytes();
        Some((status, String::from_utf8(body.to_vec()).expect("text")))
    }
}
