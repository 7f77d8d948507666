//! `kill -9` at any moment loses nothing that was acknowledged.
//!
//! `DURABLE_KILL_INSTANCES` and `DURABLE_KILL_COUNT` make the test larger than it is in the everyday loop.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

#[path = "../../durable-core/tests/support/postgres.rs"]
mod postgres;
mod support;
#[path = "support/valid_history.rs"]
mod valid_history;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use durable_core::backend::Backend;
use durable_core::prelude::*;
use http::Method;
use support::{Demo, Http};
use tokio::sync::watch;
use valid_history::check_history;

fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

/// One kind of instance: what to start, and what must come out.
fn job(i: usize) -> (&'static str, String, RuntimeStatus, Option<String>) {
    match i % 4 {
        0 => {
            let output = format!(r#"["Hello a{i}!","Hello b{i}!","Hello c{i}!"]"#);
            ("hello_cities", format!(r#"["a{i}","b{i}","c{i}"]"#), RuntimeStatus::Completed, Some(output))
        }
        1 => ("fan_out", "20".to_owned(), RuntimeStatus::Completed, Some("2470".to_owned())),
        2 => ("order", r#"{"amount": 1001}"#.to_owned(), RuntimeStatus::Failed, None),
        _ => ("sleep", "0.05".to_owned(), RuntimeStatus::Completed, Some("null".to_owned())),
    }
}

/// Starts every instance, each until it is acknowledged, on whatever demo is running.
async fn start_all(
    count: usize,
    http: Http,
    base: watch::Receiver<String>,
    accepted: Arc<AtomicUsize>,
    news: Arc<tokio::sync::Notify>,
) {
    let workers = (0..32).map(|worker| {
        let (http, mut base, accepted, news) = (http.clone(), base.clone(), Arc::clone(&accepted), Arc::clone(&news));
        tokio::spawn(async move {
            for i in (worker..count).step_by(32) {
                let (name, input, ..) = job(i);
                loop {
                    let server = base.borrow_and_update().clone();
                    match http.send(Method::POST, &format!("{server}/orchestrators/{name}/i-{i}"), &input).await {
                        // 409: the answer to an earlier try was lost with the server.
                        Some((202 | 409, _)) => break,
                        Some((503, _)) | None => {
                            // It was killed: wait for the next one.
                            base.changed().await.expect("a next demo");
                        }
                        Some((status, body)) => panic!("{status}: {body}"),
                    }
                }
                accepted.fetch_add(1, Ordering::SeqCst);
                news.notify_one();
            }
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await.expect("every start is acknowledged");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("hub.db");
    let count = kill_again_and_again(1, || Demo::start(&db)).await;
    check(Sqlite::open(&db).unwrap(), count).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_by_one_of_two_is_lost() {
    let schema = postgres::Schema::new();
    let args = ["--backend", postgres::url(), "--schema", &schema.name].map(str::as_ref);
    let count = kill_again_and_again(2, || Demo::start_with(&args)).await;
    check(schema.store().await, count).await;
}

/// Starts instances on demos that share a store, and kills the one that just takes the requests, again and again. Gives the
/// number of instances.
async fn kill_again_and_again(processes: usize, start: impl Fn() -> Demo) -> usize {
    let (count, kills) = (setting("DURABLE_KILL_INSTANCES", 160), setting("DURABLE_KILL_COUNT", 5));
    let mut demos: VecDeque<_> = (0..processes).map(|_| start()).collect();
    let (current, base) = watch::channel(demos[0].base.clone());
    let accepted = Arc::new(AtomicUsize::new(0));
    let news = Arc::new(tokio::sync::Notify::new());
    let starter = tokio::spawn(start_all(count, Http::new(), base, Arc::clone(&accepted), Arc::clone(&news)));
    for kill in 1..=kills {
        // Spread over the run; the last ones come when everything is accepted and much still runs.
        let due = (count * kill / (kills - kills / 3).max(1)).min(count);
        while accepted.load(Ordering::SeqCst) < due {
            news.notified().await;
        }
        demos.pop_front().unwrap().kill();
        // Those that run already come first.
        demos.push_back(start());
        current.send_replace(demos[0].base.clone());
    }
    starter.await.unwrap();
    demos.into_iter().for_each(Demo::kill);
    count
}

/// Lets what is left run to its end, and looks at every output and every history.
async fn check(store: impl Backend, count: usize) {
    let hub = TaskHub::builder().name("TestHub").backend(store);
    let hub = examples::demo::functions(hub).start().await.unwrap();
    for i in 0..count {
        let (name, _, expected, output) = job(i);
        let run = hub.client().instance::<(), _>(format!("i-{i}")).unwrap();
        let status = run.wait().await.unwrap();
        assert_eq!(status.runtime_status, expected, "{name} i-{i}: {:?}", status.failure);
        assert_eq!(status.output.map(|output| output.to_string()), output, "{name} i-{i}");
        let history = hub.client().history(run.id()).await.unwrap().unwrap();
        check_history(&history, name);
    }
    hub.shutdown().await.unwrap();
}
