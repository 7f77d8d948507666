//! Servers that say nothing, or take no writes, or do not know us for a while: whoever waits hears of it, and goes on when it is over.
#![cfg(all(feature = "postgres", unix))]
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

#[path = "support/valve.rs"]
mod valve;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use durable_core::backend::postgres::{Postgres, PostgresOptions};
use durable_core::backend::{
    Backend, BackendError, BackendErrorKind, CreateInstance, InstanceKey, MessageTarget, NewMessage, Notice,
    SharedBackend, Write, Written,
};
use durable_core::history::StoredEvent;
use durable_core::model::{Payload, Timestamp};
use durable_core::prelude::*;
use durable_testing::PostgresServer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_postgres::{Client, NoTls};

use self::valve::Valve;

/// Long enough for a server that answers, on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(1);

/// Within that, whatever has an end is over.
const AN_AGE: Duration = Duration::from_secs(60);

const LEASE: Duration = Duration::from_secs(3600);

fn impatient() -> PostgresOptions {
    Postgres::options().patience(PATIENCE)
}

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

fn create(id: &str, input: &str) -> Write {
    Write::Create(CreateInstance {
        id: id.to_owned(),
        execution: "e".to_owned(),
        name: "Greet".to_owned(),
        version: None,
        input: Payload::from_stored(input),
        tags: [].into(),
        origin: None,
        parent: None,
        parent_call: None,
        start_at: None,
        now: Timestamp::UNIX_EPOCH,
        owner: None,
        replace: Vec::new(),
    })
}

fn message(id: &str) -> Write {
    let event = StoredEvent { kind: "EventRaised".into(), task_id: None, name: None, payload: None, detail: None };
    let to = MessageTarget::Id(id.to_owned());
    Write::Message(NewMessage { to, time: Timestamp::UNIX_EPOCH, event, completes: None })
}

async fn commit(store: &Postgres, write: Write) -> Result<Written, BackendError> {
    Ok(store.commit(Arc::new(vec![write])).await?.remove(0))
}

/// A server that takes connections and says nothing, or only what it is given. Counts them.
async fn silent_server(greeting: &'static [u8]) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                stream.write_all(greeting).await.unwrap();
                let _ = stream.read_to_end(&mut Vec::new()).await;
            });
        }
    });
    (port, count)
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up() {
    for (greeting, query) in [(&b""[..], ""), (b"", "&sslmode=require"), (b"S", "&sslmode=require")] {
        let (port, _) = silent_server(greeting).await;
        let url = format!("postgres://ada:hunter2@localhost:{port}/shop?connect_timeout=1{query}");
        let error = timeout(AN_AGE, Postgres::connect(&url)).await.unwrap().unwrap_err();
        assert!(error.is_retryable() && error.to_string().contains("not answered for 1s"), "{error}");
    }
}

#[tokio::test]
async fn a_host_that_says_nothing_is_passed_over_once() {
    let server = PostgresServer::start().unwrap();
    let (port, count) = silent_server(b"").await;
    let url = format!("{}?connect_timeout=1", server.url().replace('@', &format!("@127.0.0.1:{port},")));
    let store = timeout(AN_AGE, Postgres::connect(&url)).await.unwrap().unwrap();
    commit(&store, create("a", "1")).await.unwrap();
    // More connections are made.
    let worker = store.attach("test", LEASE).await.unwrap().worker;
    store.listen(worker).await.unwrap();
    assert_eq!(count.load(Ordering::SeqCst), 1, "the other one is asked first then");
}

#[tokio::test]
async fn of_several_hosts_each_says_why_not() {
    let (port, _) = silent_server(b"").await;
    let url = format!("postgres://ada@127.0.0.1:{port},127.0.0.1:1/shop?connect_timeout=1");
    let error = timeout(AN_AGE, Postgres::connect(&url)).await.unwrap().unwrap_err();
    let (first, second) = (format!("127.0.0.1:{port}: "), "127.0.0.1:1: ");
    assert!(error.is_retryable() && error.to_string().contains(&first), "{error}");
    assert!(error.to_string().contains(second), "{error}");
}

#[tokio::test]
async fn a_commit_at_a_silent_server_ends_and_the_next_one_goes_through() {
    let server = PostgresServer::start().unwrap();
    let valve = Valve::before(server.home());
    let store = impatient().connect(&format!("{}?connect_timeout=1", valve.url())).await.unwrap();
    commit(&store, create("a", "1")).await.unwrap();
    store.instance("a").await.unwrap();
    valve.close();
    for attempt in 1..=2 {
        let error = timeout(AN_AGE, commit(&store, message("a"))).await.unwrap().unwrap_err();
        assert!(error.is_retryable() && error.to_string().contains("not answered for 1s"), "{attempt}: {error}");
    }
    let error = timeout(AN_AGE, store.instance("a")).await.unwrap().unwrap_err();
    assert!(error.is_retryable(), "{error}");
    valve.open();
    timeout(AN_AGE, async {
        while !matches!(commit(&store, message("a")).await, Ok(Written::Queued { .. })) {}
        while !matches!(store.instance("a").await, Ok(Some(_))) {}
    })
    .await
    .expect("it speaks again");
}

#[orchestrator]
async fn waits(ctx: OrchestrationContext) -> Result<String, OrchestratorError> {
    ctx.wait_for_external_event("go").await
}

/// A worker, a client of another one, and what is between the worker and the server.
async fn worker_behind_a_valve(server: &PostgresServer) -> (TaskHub, Valve) {
    let valve = Valve::before(server.home());
    let store = impatient().connect(&format!("{}?connect_timeout=1", valve.url())).await.unwrap();
    let builder = TaskHub::builder().backend(store).heartbeat_interval(Duration::from_secs(1));
    (builder.orchestrator(waits).start().await.unwrap(), valve)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_goes_on_when_a_silent_server_speaks_again() {
    let server = PostgresServer::start().unwrap();
    let (hub, valve) = worker_behind_a_valve(&server).await;
    let client = hub.client();
    let run = client.start(waits, ()).id("a").await.unwrap();
    run.wait_for_start().await.unwrap();
    valve.close();
    // It happens once the server hears of it, or not at all.
    let id = InstanceId::new("a").unwrap();
    timeout(AN_AGE, client.raise_event(&id, "other", "now")).await.unwrap().unwrap_err();
    timeout(AN_AGE, client.start(waits, ()).id("b")).await.unwrap().unwrap_err();
    valve.open();
    timeout(AN_AGE, async {
        while client.raise_event(&id, "go", "now").await.is_err() {}
        assert_eq!(run.output().await.unwrap(), "now");
    })
    .await
    .unwrap();
    hub.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_ends_also_when_the_server_is_silent() {
    let server = PostgresServer::start().unwrap();
    let (hub, valve) = worker_behind_a_valve(&server).await;
    hub.client().start(waits, ()).id("a").await.unwrap().wait_for_start().await.unwrap();
    valve.close();
    let (client, id) = (hub.client(), InstanceId::new("a").unwrap());
    let raise = client.raise_event(&id, "go", "now");
    tokio::pin!(raise);
    assert!(futures_util::poll!(&mut raise).is_pending(), "the server hears nothing of it");
    timeout(AN_AGE, hub.shutdown()).await.expect("it ends").unwrap_err();
}

/// The connections that the server has from stores.
async fn connections(client: &Client) -> HashSet<i32> {
    let sql = "SELECT pid FROM pg_stat_activity WHERE application_name = 'durable'";
    client.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_connection_is_kept_to_a_server_that_takes_no_writes() {
    let server = PostgresServer::start().unwrap();
    let client = connect(server.url()).await;
    client.batch_execute("SET default_transaction_read_only = off").await.unwrap();
    let store = Postgres::connect(server.url()).await.unwrap();
    commit(&store, create("a", "1")).await.unwrap();
    store.list(durable_core::backend::InstanceFilter::default()).await.unwrap();
    let worker = store.attach("test", LEASE).await.unwrap().worker;
    let mut notices = store.listen(worker).await.unwrap();
    let before = connections(&client).await;
    assert!(before.len() >= 4, "{before:?}");
    let set = async |value: &str| {
        client.batch_execute(&format!("ALTER SYSTEM SET default_transaction_read_only = {value}")).await.unwrap();
        client.batch_execute("SELECT pg_reload_conf()").await.unwrap();
    };
    set("on").await;
    let error = loop {
        if let Err(error) = commit(&store, message("a")).await {
            break error;
        }
    };
    assert!(error.is_retryable() && error.to_string().contains("read-only"), "{error}");
    let error = commit(&store, message("a")).await.unwrap_err();
    assert!(error.is_retryable() && error.to_string().contains("does not allow writes"), "{error}");
    set("off").await;
    timeout(AN_AGE, async {
        while commit(&store, message("a")).await.is_err() {}
        assert_eq!(notices.next().await, Some(Notice::Missed), "it listens to the right server");
        store.instance("a").await.unwrap();
        store.list(durable_core::backend::InstanceFilter::default()).await.unwrap();
        while !connections(&client).await.is_disjoint(&before) {}
    })
    .await
    .expect("all connections are made anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_know_us_for_a_while_may_know_us_again() {
    let server = PostgresServer::start().unwrap();
    let client = connect(server.url()).await;
    client.batch_execute("CREATE ROLE ada LOGIN; CREATE SCHEMA durable AUTHORIZATION ada").await.unwrap();
    let url = server.url().replace("durable@", "ada@");
    let store = Postgres::connect(&url).await.unwrap();
    commit(&store, create("a", "1")).await.unwrap();
    let shut_out =
        "ALTER ROLE ada NOLOGIN; SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'ada'";
    client.batch_execute(shut_out).await.unwrap();
    for _ in 0..3 {
        let error = commit(&store, message("a")).await.unwrap_err();
        assert!(error.is_retryable(), "{error}");
    }
    let error = Postgres::connect(&url).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Other, "whoever was never let in is told: {error}");
    client.batch_execute("ALTER ROLE ada LOGIN").await.unwrap();
    assert!(matches!(commit(&store, message("a")).await.unwrap(), Written::Queued { .. }));
}

/// A worker stands still while it is sent what it has taken. Its connection is open and the server at work, so that no timeout of
/// a transaction that stands still helps the others.
#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_read_what_it_has_taken_stops_nobody() {
    let server = PostgresServer::start().unwrap();
    let valve = Valve::before(server.home());
    let store = Postgres::connect(&valve.url()).await.unwrap();
    let other = Postgres::connect(server.url()).await.unwrap();
    let input = format!("\"{}\"", "x".repeat(500_000));
    let ids: Vec<_> = (0..30).map(|n| format!("i-{n}")).collect();
    other.commit(Arc::new(ids.iter().map(|id| create(id, &input)).collect())).await.unwrap();
    let worker = store.attach("test", LEASE).await.unwrap().worker;
    let write = Write::ClaimReady { worker, after: InstanceKey(-1), limit: 1_000, runs: None, again: false };
    valve.close_after(1_000_000);
    let taking = tokio::spawn(async move { commit(&store, write).await });
    valve.closed().await;
    let told = other.commit(Arc::new(ids.iter().map(|id| message(id)).collect())).await.unwrap();
    for written in told {
        assert!(matches!(written, Written::Queued { owner, .. } if owner == Some(worker)), "{written:?}");
    }
    valve.open();
    let Written::Taken(taken) = taking.await.unwrap().unwrap() else { panic!("nothing is taken") };
    assert_eq!(taken.len(), ids.len());
    for claimed in taken {
        assert_eq!(claimed.instance.input.as_str(), input);
        assert_eq!((claimed.instance.inbox_seq, claimed.inbox.len()), (0, 0), "as it was when it was taken");
    }
}

/// The same where the locks must stay until everything is sent: the system of the server ends such a connection.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_read_under_a_lock_is_cut_off() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let options = PostgresServer::options().set("listen_addresses", "127.0.0.1").set("port", &port.to_string());
    let server = options.start().unwrap();
    let valve = Valve::before_port(port);
    // It does not give up by itself.
    let store = Postgres::options().patience(LEASE).connect(&valve.url()).await.unwrap();
    let url = format!("postgres://durable@127.0.0.1:{port}/postgres");
    let (other, client) = (Postgres::connect(&url).await.unwrap(), connect(&url).await);
    // More than the systems on the way take in.
    let input = format!("\"{}\"", "x".repeat(1_000_000));
    let ids: Vec<_> = (0..30).map(|n| format!("i-{n}")).collect();
    let created = other.commit(Arc::new(ids.iter().map(|id| create(id, &input)).collect())).await.unwrap();
    let worker = store.attach("test", LEASE).await.unwrap().worker;
    let claim = |created| match created {
        Written::Created(started) => Write::Claim { key: started.key, worker, runs: None },
        other => panic!("{other:?}"),
    };
    let claims = Arc::new(created.into_iter().map(claim).collect());
    valve.close_after(1_000_000);
    let taking = tokio::spawn(async move { store.commit(claims).await });
    valve.closed().await;
    let sending = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'ClientWrite'";
    let is_there = "SELECT FROM pg_stat_activity WHERE pid = $1";
    timeout(AN_AGE, async {
        let pid = loop {
            if let Some(row) = client.query_opt(sending, &[]).await.unwrap() {
                break row.get::<_, i32>(0);
            }
        };
        while client.query_opt(is_there, &[&pid]).await.unwrap().is_some() {}
    })
    .await
    .expect("it is cut off");
    assert!(matches!(commit(&other, message("i-7")).await.unwrap(), Written::Queued { owner: None, .. }));
    valve.open();
    assert!(taking.await.unwrap().unwrap_err().is_retryable());
    drop(server);
}
