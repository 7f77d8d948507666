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
use super::report::{Canary, Row};
use super::store::Store;
use super::usage::{Spent, Usage};
use super::verdict::Limit;
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
            "The client is a process of its own on the same processors; CPU, KiB, commits: of the process that serves, a request",
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

    let bare_before = under(&store, &get_bare).await?;
    let status = under(&store, &get).await?;
    let bare_after = under(&store, &get_bare).await?;
    let (status_canary, before) = (bench.since(&before)?, bench.look().await?);
    let runs = under(&store, &run).await?;
    let run_canary = bench.since(&before)?;
    let _ = stop.send(());
    serving.await?;
    hub.shutdown().await?;

    let bare_rate = f64::midpoint(bare_before.answered.per_s, bare_after.answered.per_s);
    let ratio = status.answered.per_s / bare_rate;
    let row = status
        .row("w7-status", bench, sizes, status_canary)
        .figure("bare_per_s", bare_rate)
        .figure("bare_p50_ms", bare_before.answered.p50_ms)
        .figure("bare_cpu_us_per_request", bare_before.spent.cpu_us_each(bare_before.answered.requests))
        .budget("bare handler ratio", ratio, Limit::AtLeast(BUDGET));
    bench.print(row)?;
    let row = runs.row("w7-run", bench, sizes, run_canary);
    bench.print(row)
}

/// What the client saw, and what the server and its store did meanwhile.
struct Served {
    answered: Answered,
    spent: Spent,
    commits: u64,
    errors: u64,
}

impl Served {
    fn row(&self, workload: &'static str, bench: &Bench, sizes: &Sizes, canary: Canary) -> Row {
        let Self { answered, spent, commits, errors } = *self;
        Row::new(workload, sizes.connections, canary, errors)
            .figure("requests_per_s", answered.per_s)
            .figure("p50_ms", answered.p50_ms)
            .figure("p99_ms", answered.p99_ms)
            .figure("commits_per_request", commits as f64 / answered.requests)
            .figure("kib_per_request", bench.kib_each(spent, answered.requests))
            .figure("cpu_us_per_request", spent.cpu_us_each(answered.requests))
    }
}

async fn under(store: &Store, load: &Load) -> Outcome<Served> {
    let (usage, seen, errors) = (Usage::now(), store.counts.seen(), store.counts.errors());
    let answered = load.in_its_own_process().await?;
    let (spent, commits) = (usage.spent(), store.counts.seen().commits - seen.commits);
    Ok(Served { answered, spent, commits, errors: store.counts.errors() - errors })
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
