//! W7: the HTTP API, beside a handler on hyper that does nothing.

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use clap::Args;
use durable_http::Server;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;

use super::load::{Answered, Load};
use super::report::{Canary, Limit, Row};
use super::usage::{Spent, Usage};
use super::{Bench, Outcome, functions, hub};

const BASE: &str = "/runtime/webhooks/durabletask";

/// What status reads must reach of the bare handler.
const BUDGET: f64 = 0.5;

#[derive(Debug, Args)]
pub(super) struct Sizes {
    /// How many connections there are.
    #[arg(long, default_value_t = 64)]
    connections: u64,
}

pub(super) async fn measure(bench: &mut Bench, sizes: &Sizes) -> Outcome<()> {
    bench.report.begin(
        "W7: HTTP over loopback, so many connections, one request at a time on each",
        &[
            "status: GET of a finished instance; run: POST that starts a sequence of 5 activities and waits for its result",
            "bare: a handler on hyper that gives the same bytes as the status, before and after it, with the same client",
            "The client is a process of its own on the same processors; CPU: of the process that serves",
        ],
    )?;
    let before = bench.look().await?;
    let store = bench.store()?;
    let hub = hub(&store)?.start().await?;
    let client = store.client(&hub);
    let instance = client.start(functions::sequence, 5).await?;
    instance.output().await?;
    let server = Server::builder(client).addr("127.0.0.1:0").bind().await?;
    let address = server.local_addr();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(server.run_until(async move { drop(stopped.await) }));

    let load = |address, method: &str, path: String, body: &str| Load {
        address,
        connections: sizes.connections,
        seconds: bench.time.as_secs_f64(),
        method: method.to_owned(),
        path: format!("{BASE}/{path}"),
        body: body.to_owned(),
    };
    let get = load(address, "GET", format!("instances/{}", instance.id()), "");
    let bare = bare_server(status_bytes(&get).await?).await?;
    let get_bare = Load { address: bare, ..get.clone() };
    let run = load(address, "POST", "orchestrators/sequence?timeout=60".to_owned(), "5");

    let bare_before = under(&get_bare).await?;
    let status = under(&get).await?;
    let bare_after = under(&get_bare).await?;
    let (status_canary, before) = (bench.since(&before)?, bench.look().await?);
    let runs = under(&run).await?;
    let run_canary = bench.since(&before)?;
    let _ = stop.send(());
    serving.await?;
    hub.shutdown().await?;

    let bare_rate = f64::midpoint(bare_before.0.per_s, bare_after.0.per_s);
    let ratio = status.0.per_s / bare_rate;
    let row = figures("w7-status", sizes, status_canary, status)
        .figure("bare_per_s", bare_rate)
        .figure("bare_p50_ms", bare_before.0.p50_ms)
        .figure("bare_cpu_us_per_request", bare_before.1.cpu_us_each(bare_before.0.requests))
        .budget("bare handler ratio", ratio, Limit::AtLeast(BUDGET));
    bench.print(row)?;
    let row = figures("w7-run", sizes, run_canary, runs).figure("errors", store.counts.errors() as f64);
    bench.print(row)
}

fn figures(workload: &'static str, sizes: &Sizes, canary: Canary, (answered, spent): (Answered, Spent)) -> Row {
    Row::new(workload, sizes.connections, canary)
        .figure("requests_per_s", answered.per_s)
        .figure("p50_ms", answered.p50_ms)
        .figure("p99_ms", answered.p99_ms)
        .figure("cpu_us_per_request", spent.cpu_us_each(answered.requests))
}

/// What the client saw, and what the server used meanwhile.
async fn under(load: &Load) -> Outcome<(Answered, Spent)> {
    let usage = Usage::now();
    let answered = load.in_its_own_process().await?;
    Ok((answered, usage.spent()))
}

/// The body that the status read gives.
async fn status_bytes(get: &Load) -> Outcome<Bytes> {
    use http_body_util::BodyExt;
    let client = hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let response = client.get(format!("http://{}{}", get.address, get.path).parse()?).await?;
    Ok(response.into_body().collect().await?.to_bytes())
}

/// A server that always gives these bytes. It ends with the process.
async fn bare_server(body: Bytes) -> Outcome<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            let body = body.clone();
            let answer = service_fn(move |_request: Request<Incoming>| {
                let response = Response::builder().header("content-type", "application/json; charset=utf-8");
                let response = response.body(Full::new(body.clone()));
                async move { Ok::<_, Infallible>(response.unwrap_or_default()) }
            });
            tokio::spawn(async move {
                let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), answer).await;
            });
        }
    });
    Ok(address)
}
