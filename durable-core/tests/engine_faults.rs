//! What is not allowed to stop a hub, or to cost an instance its life.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use durable_core::backend::{
    ActivityRow, Attached, Backend, BackendError, BackendErrorKind, CountRow, HistoryRow, InstanceFilter, InstanceKey,
    InstanceRow, SharedBackend, TimerRow, WorkerId, Write, Written,
};
use durable_core::prelude::*;
use durable_testing::faults::FaultyBackend;
use support::{Gate, Log, Process};

#[activity]
async fn quick(n: u64) -> u64 {
    n
}

#[orchestrator]
async fn waits(ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
    ctx.wait_for_external_event::<()>("go").await
}

async fn until_it_runs<O>(run: &durable_core::client::InstanceHandle<O>) {
    while run.status().await.unwrap().runtime_status == RuntimeStatus::Pending {
        tokio::task::yield_now().await;
    }
}

/// A lock or a channel of the runtime between the orchestrator's own parts is fine, however often it is used in a turn or a
/// replay: tokio's budget for a task must not make it look pending.
#[tokio::test]
async fn the_runtimes_budget_is_no_foreign_await() {
    #[orchestrator]
    async fn locks(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
        let sum = tokio::sync::Mutex::new(0);
        for i in 0..200 {
            let n = ctx.call_activity(quick, i).await?;
            *sum.lock().await += n;
        }
        ctx.wait_for_external_event::<()>("go").await?;
        Ok(sum.into_inner())
    }
    let store = Memory::new();
    let hub = || TaskHub::builder().backend(store.clone()).orchestrator(locks).activity(quick).start();
    let first = hub().await.unwrap();
    let run = first.client().start(locks, ()).id("l").await.unwrap();
    while first.client().history(run.id()).await.unwrap().unwrap().len() < 800 {
        tokio::task::yield_now().await;
    }
    first.shutdown().await.unwrap();
    let second = hub().await.unwrap();
    let run = second.client().instance::<u64, _>("l").unwrap();
    run.raise_event("go", &()).await.unwrap();
    assert_eq!(run.output().await.unwrap(), (0..200).sum::<u64>());
}

/// A call that never got a runner is not poison, however often its process dies over another one.
#[test]
fn only_what_ran_is_suspected_of_poison() {
    #[orchestrator]
    async fn two(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
        let deadly = ctx.call_activity::<_, &str>("deadly", 1_u64);
        let innocent: u64 = ctx.call_activity("innocent", 2_u64).await?;
        drop::<durable_core::orchestration::ActivityCall<u64>>(deadly);
        Ok(innocent)
    }
    let (store, gate, log) = (Memory::new(), Gate::new(), Log::default());
    let hub = || {
        let (gate, log) = (Arc::clone(&gate), Arc::clone(&log));
        TaskHub::builder()
            .backend(store.clone())
            .orchestrator(two)
            .max_concurrent_activities(1)
            .max_deliveries(3)
            .activity_fn("innocent", |n: u64| async move { Ok::<_, ActivityError>(n) })
            .activity_fn("deadly", move |n: u64| {
                let (gate, log) = (Arc::clone(&gate), Arc::clone(&log));
                async move {
                    log.lock().unwrap().push(n.to_string());
                    gate.pass(n).await;
                    Ok::<_, ActivityError>(n)
                }
            })
    };
    for start in 0..3 {
        let process = Process::start(hub());
        process.run(async {
            if start == 0 {
                process.hub.client().start(two, ()).id("t").await.unwrap();
            }
            gate.arrival().await;
        });
        process.crash();
    }
    let process = Process::start(hub());
    let output = process.run(async { process.hub.client().instance::<u64, _>("t").unwrap().output().await });
    assert_eq!(output.unwrap(), 2);
    assert_eq!(log.lock().unwrap().len(), 3);
    process.stop();
}

/// A stalled instance was tried, and its process lived: crashes for other reasons do not add up against it.
#[test]
fn a_stalled_instance_is_not_poison() {
    let store = Memory::new();
    let with_code = || TaskHub::builder().backend(store.clone()).orchestrator(waits).max_deliveries(2);
    let without = || TaskHub::builder().backend(store.clone()).activity(quick).max_deliveries(2);
    let process = Process::start(with_code());
    process.run(async {
        let run = process.hub.client().start(waits, ()).id("w").await.unwrap();
        until_it_runs(&run).await;
        run.raise_event("noise", &()).await.unwrap();
    });
    process.crash();
    for _ in 0..5 {
        let process = Process::start(without());
        process.run(async {
            let run = process.hub.client().instance::<(), _>("w").unwrap();
            run.raise_event("noise", &()).await.unwrap();
            while run.status().await.unwrap().stalled.is_none() {
                tokio::task::yield_now().await;
            }
        });
        process.crash();
    }
    let process = Process::start(with_code());
    process.run(async {
        let run = process.hub.client().instance::<(), _>("w").unwrap();
        run.raise_event("go", &()).await.unwrap();
        run.output().await.unwrap();
    });
    process.stop();
}

/// The answer to the commit that stores a result of an instance that is not in memory gets lost.
#[tokio::test(start_paused = true)]
async fn a_stored_result_is_not_lost_with_its_answer() {
    #[orchestrator]
    async fn gated(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
        ctx.call_activity("gated", 7).await
    }
    let gate = Gate::new();
    let store = Arc::new(FaultyBackend::new(Arc::new(Memory::new())));
    let passed = Arc::clone(&gate);
    let hub = TaskHub::builder().backend(Arc::clone(&store)).orchestrator(gated).orchestrator(waits).warm_instances(1);
    let hub = hub.activity_fn("gated", move |n: u64| {
        let gate = Arc::clone(&passed);
        async move {
            gate.pass(n).await;
            Ok::<_, ActivityError>(n)
        }
    });
    let hub = hub.start().await.unwrap();
    let run = hub.client().start(gated, ()).await.unwrap();
    gate.arrival().await;
    // Pushes it out of memory.
    until_it_runs(&hub.client().start(waits, ()).await.unwrap()).await;
    store.lose_answer(store.commits() + 1);
    gate.let_through(1);
    assert_eq!(run.output().await.unwrap(), 7);
}

/// A drain keeps its time although every runner is taken.
#[tokio::test(start_paused = true)]
async fn a_drain_does_not_wait_for_a_free_runner() {
    #[orchestrator]
    async fn endless(ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
        try_join_all((0..3).map(|i| ctx.call_activity::<_, &str>("endless", i))).await.map(drop::<Vec<()>>)
    }
    let gate = Gate::new();
    let at_gate = Arc::clone(&gate);
    let hub = TaskHub::builder().backend(Memory::new()).orchestrator(endless).max_concurrent_activities(1);
    let hub = hub.drain_timeout(Duration::from_secs(5)).activity_fn("endless", move |n: u64| {
        let gate = Arc::clone(&at_gate);
        async move {
            gate.pass(n).await;
            Ok::<_, ActivityError>(())
        }
    });
    let hub = hub.start().await.unwrap();
    hub.client().start(endless, ()).await.unwrap();
    gate.arrival().await;
    hub.shutdown().await.unwrap();
}

/// A drain ends although the store takes nothing any more.
#[tokio::test(start_paused = true)]
async fn a_drain_ends_with_a_broken_store() {
    let store = Arc::new(FaultyBackend::new(Arc::new(Memory::new())));
    let hub = TaskHub::builder().backend(Arc::clone(&store)).orchestrator(waits).drain_timeout(Duration::from_secs(5));
    let hub = hub.start().await.unwrap();
    store.fail_from(2);
    hub.client().start(waits, ()).await.unwrap();
    store.reached(3).await;
    hub.shutdown().await.unwrap();
}

static FLOOD: AtomicBool = AtomicBool::new(false);

/// An instance that cannot go on can be terminated although more lies before the termination than a turn takes.
#[tokio::test]
async fn a_flooded_stalled_instance_can_be_terminated() {
    #[orchestrator]
    async fn changes(ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
        let kind = if FLOOD.load(Ordering::SeqCst) { 1 } else { 2 };
        ctx.create_timer(Duration::from_secs(kind * 1_000)).await;
        Ok(())
    }
    let store = Memory::new();
    let hub = || TaskHub::builder().backend(store.clone()).orchestrator(changes).start();
    let first = hub().await.unwrap();
    until_it_runs(&first.client().start(changes, ()).id("c").await.unwrap()).await;
    first.shutdown().await.unwrap();

    FLOOD.store(true, Ordering::SeqCst);
    let second = hub().await.unwrap();
    let run = second.client().instance::<(), _>("c").unwrap();
    for _ in 0..1_001 {
        run.raise_event("noise", &()).await.unwrap();
    }
    run.terminate("enough").await.unwrap();
    assert_eq!(run.wait().await.unwrap().runtime_status, RuntimeStatus::Terminated);
}

/// A panic whose payload panics again when it is dropped fails its instance like any other.
#[tokio::test]
async fn a_panic_in_a_panics_payload_is_contained() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("dropped")
        }
    }
    #[activity]
    async fn explodes() {
        std::panic::panic_any(Bomb)
    }
    #[orchestrator]
    async fn explodes_too(ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
        let _failed = ctx.call_activity(explodes, ()).await;
        std::panic::panic_any(Bomb)
    }
    let hub =
        TaskHub::builder().backend(Memory::new()).orchestrator(explodes_too).activity(explodes).start().await.unwrap();
    let error = hub.client().start(explodes_too, ()).await.unwrap().output().await.unwrap_err();
    assert!(error.is_panic());
}

/// A store that cannot make one particular write, as SQLite with a damaged row.
#[derive(Default)]
struct Damaged(Memory);

#[async_trait::async_trait]
impl Backend for Damaged {
    async fn commit(&self, batch: Arc<Vec<Write>>) -> Result<Vec<Written>, BackendError> {
        let damaged = |write: &Write| matches!(write, Write::Create(new) if new.id == "damaged");
        if batch.iter().any(damaged) {
            return Err(BackendError::new(BackendErrorKind::Corrupt, "the row is damaged"));
        }
        self.0.commit(batch).await
    }

    fn shared(&self) -> Option<&dyn SharedBackend> {
        self.0.shared()
    }

    async fn attach(&self, name: &str, lease: Duration) -> Result<Attached, BackendError> {
        self.0.attach(name, lease).await
    }

    async fn detach(&self, worker: WorkerId) -> Result<(), BackendError> {
        self.0.detach(worker).await
    }

    async fn ready(
        &self,
        worker: WorkerId,
        after: InstanceKey,
        limit: usize,
    ) -> Result<Vec<InstanceKey>, BackendError> {
        self.0.ready(worker, after, limit).await
    }

    async fn timers(
        &self,
        worker: WorkerId,
        after: Option<TimerRow>,
        limit: usize,
    ) -> Result<Vec<TimerRow>, BackendError> {
        self.0.timers(worker, after, limit).await
    }

    async fn history(&self, key: InstanceKey) -> Result<Vec<HistoryRow>, BackendError> {
        self.0.history(key).await
    }

    async fn instance(&self, id: &str) -> Result<Option<InstanceRow>, BackendError> {
        self.0.instance(id).await
    }

    async fn list(&self, filter: InstanceFilter) -> Result<Vec<InstanceRow>, BackendError> {
        self.0.list(filter).await
    }

    async fn count(&self, filter: InstanceFilter) -> Result<Vec<CountRow>, BackendError> {
        self.0.count(filter).await
    }

    async fn activities(&self, key: InstanceKey) -> Result<Vec<ActivityRow>, BackendError> {
        self.0.activities(key).await
    }
}

/// A write that can never be made fails alone: what shares its commit is made, and the hub goes on.
#[tokio::test]
async fn a_write_that_cannot_be_made_fails_alone() {
    let hub = TaskHub::builder().backend(Damaged::default()).orchestrator(waits).start().await.unwrap();
    let client = hub.client();
    let starts = ["a", "damaged", "b"].map(|id| {
        let client = client.clone();
        async move { client.start(waits, ()).id(id).await.is_ok() }
    });
    assert_eq!(join_all(starts).await, [true, false, true]);
    for id in ["a", "b"] {
        let run = client.instance::<(), _>(id).unwrap();
        run.raise_event("go", &()).await.unwrap();
        run.output().await.unwrap();
    }
}

/// A deployment that forgot an orchestrator repairs nothing and breaks nothing: its instances wait for their code, also those
/// that never had a turn.
#[test]
fn instances_wait_for_an_orchestrator_that_a_deployment_forgot() {
    static GO: AtomicBool = AtomicBool::new(false);

    #[orchestrator]
    async fn first_turn_waits(_ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
        #[nondeterministic(reason = "keeps the only place for a turn taken")]
        while !GO.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        Ok(1)
    }
    let store = Memory::new();
    let with_code = || TaskHub::builder().backend(store.clone()).orchestrator(first_turn_waits).max_concurrent_turns(1);
    let process = Process::start(with_code());
    process.run(async {
        for id in ["a", "b"] {
            process.hub.client().start(first_turn_waits, ()).id(id).await.unwrap();
        }
    });
    process.crash_spinning();
    let process = Process::start(TaskHub::builder().backend(store.clone()).activity(quick));
    process.run(async {
        for id in ["a", "b"] {
            let run = process.hub.client().instance::<u64, _>(id).unwrap();
            while run.status().await.unwrap().stalled.is_none() {
                tokio::task::yield_now().await;
            }
        }
    });
    process.stop();
    GO.store(true, Ordering::SeqCst);
    let process = Process::start(with_code());
    process.run(async {
        for id in ["a", "b"] {
            assert_eq!(process.hub.client().instance::<u64, _>(id).unwrap().output().await.unwrap(), 1);
        }
    });
    process.stop();
}

/// A file is free again after a shutdown, although clients and handles of the old hub are still around.
#[cfg(feature = "sqlite")]
#[tokio::test]
async fn a_shutdown_gives_the_file_up() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("hub.db");
    let open = || Sqlite::open(&path);
    let first = TaskHub::builder().backend(open().unwrap()).orchestrator(waits).start().await.unwrap();
    let old = first.client().start(waits, ()).id("w").await.unwrap();
    assert!(open().unwrap_err().is_in_use());
    first.shutdown().await.unwrap();
    let second = TaskHub::builder().backend(open().unwrap()).orchestrator(waits).start().await.unwrap();
    assert!(old.status().await.unwrap_err().is_shut_down());
    let run = second.client().instance::<(), _>("w").unwrap();
    run.raise_event("go", &()).await.unwrap();
    run.output().await.unwrap();
}
