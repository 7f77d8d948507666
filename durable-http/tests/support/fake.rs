//! A server that follows a script: what a function app in Azure answers, or a broken one.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use durable_http::Body;

/// What happens to one request.
pub(crate) enum Reply {
    /// It is answered with this code, these headers and this body.
    Answer(u16, &'static [(&'static str, &'static str)], String),
    /// It is never answered.
    Hang,
    /// The connection is closed.
    HangUp,
}

/// An answer without headers of its own.
pub(crate) fn reply(code: u16, body: impl Into<String>) -> Reply {
    Reply::Answer(code, &[], body.into())
}

/// The status object of the instance `i`, as Azure writes it.
pub(crate) fn azure_status(status: &str, output: &str) -> String {
    format!(
        "{{\"name\":\"Hello\",\"instanceId\":\"i\",\"runtimeStatus\":\"{status}\",\"input\":null,\"customStatus\":null,\
         \"output\":{output},\"createdTime\":\"2024-05-01T12:00:00Z\",\"lastUpdatedTime\":\"2024-05-01T12:00:01Z\"}}"
    )
}

/// One request as the server saw it: verb and target, and the value of the key header.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Seen {
    pub(crate) line: String,
    pub(crate) key: Option<String>,
}

pub(crate) struct Fake {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Fake {
    /// Starts a server that asks `script` about each request: how many came before it, and its verb and target.
    pub(crate) async fn start(script: impl Fn(usize, &str) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let fake = Self { address: listener.local_addr().unwrap(), seen: Arc::default() };
        let (seen, script) = (Arc::clone(&fake.seen), Arc::new(script));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (seen, script) = (Arc::clone(&seen), Arc::clone(&script));
                let service = service_fn(move |request: Request<Incoming>| {
                    let line = format!("{} {}", request.method(), request.uri());
                    let key = request.headers().get("x-functions-key").map(|key| key.to_str().unwrap().to_owned());
                    let before = {
                        let mut seen = seen.lock().unwrap();
                        seen.push(Seen { line: line.clone(), key });
                        seen.len() - 1
                    };
                    answer(script(before, &line))
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        fake
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/api", self.address)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The verbs and targets of all requests.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.line).collect()
    }
}

async fn answer(reply: Reply) -> Result<Response<Body>, std::io::Error> {
    match reply {
        Reply::Answer(code, headers, body) => {
            let mut response = Response::builder().status(code);
            for (name, value) in headers {
                response = response.header(*name, *value);
            }
            Ok(response.body(Body::from(body)).unwrap())
        }
        Reply::Hang => {
            let never: Infallible = std::future::pending().await;
            match never {}
        }
        Reply::HangUp => Err(std::io::ErrorKind::ConnectionReset.into()),
    }
}
