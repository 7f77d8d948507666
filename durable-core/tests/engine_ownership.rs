//! Corners of the ownership of instances and calls: what overtakes what, and who is right then.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use durable_core::backend::{Backend, InstanceKey, WorkerId, Write, Written};
use durable_core::hub::TaskHubBuilder;
use durable_core::orchestration::ContinueAsNew;
use durable_core::prelude::*;
use durable_core::worker::VersionMatch;
use durable_testing::fleet::{Fleet, Member};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::prelude::*;

const BEAT: Duration = Duration::from_secs(3);
const LEASE: Duration = Duration::from_secs(9);
/// Far less than a heartbeat: nobody has waited for one.
const AT_ONCE: Duration = Duration::from_millis(500);

#[orchestrator]
async fn waits(ctx: OrchestrationContext) -> Result<String, OrchestratorError> {
    ctx.wait_for_external_event("go").await
}

#[orchestrator]
async fn work_then_wait(ctx: OrchestrationContext) -> Result<String, OrchestratorError> {
    let who = ctx.call_activity::<_, &str>("work", 0_u64).await?;
    ctx.wait_for_external_event::<String>("go").await?;
    Ok(who)
}

/// A worker whose activity takes so many seconds and answers with its name.
fn worker(name: &'static str, seconds: u64) -> impl FnOnce(TaskHubBuilder) -> TaskHubBuilder {
    move |hub| {
        hub.orchestrator(waits).orchestrator(work_then_wait).activity_fn("work", move |_: u64| async move {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            Ok::<_, ActivityError>(name.to_owned())
        })
    }
}

async fn waiting(at: &Member, id: &str) {
    let run = at.client().start(waits, ()).id(id).await.unwrap();
    run.wait_for_start().await.unwrap();
}

async fn raise(at: &Member, id: &str) {
    at.client().raise_event(&InstanceId::new(id).unwrap(), "go", "now").await.unwrap();
}

async fn output(at: &Member, id: &str) -> String {
    let run = at.client().instance::<String, _>(id).unwrap();
    // Far longer than anything takes here, and over in no time.
    let status = run.wait_timeout(Duration::from_secs(86_400)).await.unwrap();
    assert!(status.runtime_status.is_terminal(), "{id} is {} for ever", status.runtime_status);
    run.output().await.unwrap()
}

async fn epoch(fleet: &Fleet, id: &str) -> u64 {
    fleet.store().instance(id).await.unwrap().unwrap().epoch
}

/// The living owner of an instance, as the store tells it to somebody who cannot run anything.
async fn owner(fleet: &Fleet, id: &str) -> Option<WorkerId> {
    let key: InstanceKey = fleet.store().instance(id).await.unwrap().unwrap().key;
    let claim = Write::Claim { key, worker: WorkerId(i64::MAX), runs: Some([].into()) };
    match fleet.store().commit(vec![claim].into()).await.unwrap().remove(0) {
        Written::Owned { worker } => Some(worker),
        Written::Unfit => None,
        other => panic!("{other:?}"),
    }
}

/// How often each kind of event is in the history of an instance.
async fn count(at: &Member, id: &str, kind: &str) -> usize {
    let history = at.client().history(&InstanceId::new(id).unwrap()).await.unwrap().unwrap();
    history.iter().filter(|event| event.kind.name() == kind).count()
}

/// An instance goes out of memory while the worker is just reading it again: it is not given up behind the worker's back.
#[tokio::test(start_paused = true)]
async fn an_instance_is_not_given_up_after_it_was_read_again() {
    let fleet = Fleet::new();
    let a = fleet.launch(|hub| worker("a", 1)(hub).warm_instances(1)).await.unwrap();
    let b = fleet.launch(worker("b", 1)).await.unwrap();
    waiting(&a, "x").await;
    let commits = a.faults().commits();
    // The first turn of the second one, twice; with it, the event for the first one, whose inbox is read therefore.
    a.faults().fail(commits + 2);
    a.faults().fail(commits + 3);
    a.client().start(waits, ()).id("y").await.unwrap();
    fleet.pass(Duration::from_millis(5)).await;
    let lost = a.client().raise_event(&InstanceId::new("x").unwrap(), "go", "lost").await;
    assert!(lost.is_err(), "the store was away");
    fleet.pass(AT_ONCE).await;
    let held = (owner(&fleet, "x").await, epoch(&fleet, "x").await);
    assert_eq!(held, (Some(WorkerId(1)), 2), "it was given up, and taken anew");
    raise(&b, "x").await;
    assert_eq!(output(&b, "x").await, "now");
    assert_eq!(epoch(&fleet, "x").await, 2, "it stayed where it was");
}

/// A worker has the result of a call in a turn that does not reach the store. It stands still for a while, another one runs
/// the call too, and tells its result when the first one lives again: the turn comes too late.
#[tokio::test(start_paused = true)]
async fn a_turn_does_not_bring_the_result_of_a_call_that_others_have_taken() {
    let fleet = Fleet::new();
    let a = fleet.launch(worker("a", 1)).await.unwrap();
    a.client().start(work_then_wait, ()).id("x").await.unwrap().wait_for_start().await.unwrap();
    let b = fleet.launch(worker("b", 20)).await.unwrap();
    a.faults().fail_from(a.faults().commits() + 1);
    fleet.pass(Duration::from_millis(1_500)).await;
    a.freeze();
    fleet.pass(LEASE + 2 * BEAT).await;
    a.thaw();
    fleet.pass(Duration::from_secs(30)).await;
    a.faults().heal();
    fleet.pass(2 * BEAT).await;
    assert_eq!(epoch(&fleet, "x").await, 1, "it stayed where it was");
    raise(&b, "x").await;
    assert_eq!(output(&b, "x").await, "b");
    assert_eq!(count(&b, "x", "TaskCompleted").await, 1);
}

#[orchestrator(version = "3.0", name = "greets")]
async fn greets_3(_ctx: OrchestrationContext) -> Result<String, OrchestratorError> {
    Ok("3.0".to_owned())
}

/// A worker that can run nothing of what waits is left alone by it.
#[tokio::test(start_paused = true)]
async fn what_a_worker_cannot_run_does_not_wake_it() {
    let fleet = Fleet::new();
    let idle = fleet.launch(|hub| hub.orchestrator(waits)).await.unwrap();
    let client = fleet.launch(|hub| hub).await.unwrap();
    let caller = fleet.launch(|hub| hub.orchestrator(work_then_wait)).await.unwrap();
    client.client().start(greets_3, ()).id("x").await.unwrap();
    caller.client().start(work_then_wait, ()).id("y").await.unwrap().wait_for_start().await.unwrap();
    fleet.pass(BEAT).await;
    let commits = || [&idle, &client, &caller].map(|member| member.faults().commits());
    let before = commits();
    fleet.pass(BEAT * 100).await;
    assert_eq!(commits(), before);
    let looks = [&idle, &client].map(|member| member.faults().looks());
    fleet.pass(BEAT * 100).await;
    assert_eq!([&idle, &client].map(|member| member.faults().looks()), looks, "heartbeats say that there is nothing");
}

/// What another version of a worker has to run waits for that one.
#[tokio::test(start_paused = true)]
async fn a_worker_leaves_versions_to_others_that_it_does_not_take() {
    #[orchestrator]
    async fn plain(ctx: OrchestrationContext) -> Result<String, OrchestratorError> {
        ctx.call_activity::<_, &str>("where", ()).await
    }

    let fleet = Fleet::new();
    let versioned = |version: &'static str, strategy| {
        move |hub: TaskHubBuilder| {
            let hub = hub.version(version).version_match(strategy).orchestrator(plain).orchestrator(greets_3);
            hub.activity_fn("where", move |_: ()| async move { Ok::<_, ActivityError>(version.to_owned()) })
        }
    };
    let old = fleet.launch(versioned("1.0", VersionMatch::CurrentOrOlder)).await.unwrap();
    let strict = fleet.launch(versioned("2.0", VersionMatch::Strict)).await.unwrap();
    let start = async |at: &Member, id: &str, version: &str| {
        at.client().start(plain, ()).id(id).version(version).await.unwrap();
    };
    start(&old, "own", "1.0").await;
    start(&strict, "older", "0.9").await;
    start(&old, "newer", "2.0").await;
    start(&old, "other", "10.0").await;
    start(&strict, "beyond", "1.5").await;
    old.client().start(greets_3, ()).id("greets").await.unwrap();
    for id in ["own", "older", "newer"] {
        output(&old, id).await;
    }
    fleet.pass(BEAT * 3).await;
    for id in ["other", "beyond", "greets"] {
        let row = fleet.store().instance(id).await.unwrap().unwrap();
        assert_eq!((row.turn, row.epoch, row.stalled), (0, 1, None), "{id} is nobody's");
    }
    let begin = tokio::time::Instant::now();
    let new = fleet.launch(versioned("10.0", VersionMatch::CurrentOrOlder)).await.unwrap();
    for id in ["other", "beyond", "greets"] {
        output(&new, id).await;
    }
    assert!(begin.elapsed() < AT_ONCE, "{:?}", begin.elapsed());
}

/// The same version can be written in several ways.
#[tokio::test(start_paused = true)]
async fn a_version_is_known_however_it_is_written() {
    let fleet = Fleet::new();
    let client = fleet.launch(|hub| hub).await.unwrap();
    let worker = fleet.launch(|hub| hub.orchestrator(greets_3)).await.unwrap();
    client.client().start(greets_3, ()).id("x").version("3.00").await.unwrap();
    assert_eq!(output(&worker, "x").await, "3.0");
}

/// What was logged as a warning or an error.
#[derive(Clone, Default)]
struct Complaints(Arc<Mutex<Vec<String>>>);

impl<S: Subscriber> Layer<S> for Complaints {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        struct Message(String);

        impl Visit for Message {
            fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
                if field.name() == "message" {
                    self.0 = format!("{value:?}");
                }
            }
        }

        if *event.metadata().level() <= Level::WARN {
            let mut message = Message(String::new());
            event.record(&mut message);
            self.0.lock().unwrap().push(message.0);
        }
    }
}

#[orchestrator]
async fn naps(ctx: OrchestrationContext, rested: bool) -> Result<Next<String, bool>, OrchestratorError> {
    if rested {
        let who = ctx.call_activity::<_, &str>("work", 0_u64).await?;
        ctx.wait_for_external_event::<String>("go").await?;
        return Ok(Next::Complete(who));
    }
    ctx.create_timer(Duration::from_secs(20)).await;
    Ok(Next::continue_as_new(true))
}

/// Two workers, of which the first one stands still while the second one takes its nap over. The first one has it in memory, but
/// not its code any more: a turn that is not committed yet has taken the place of that.
async fn a_nap_that_was_taken_over() -> (Fleet, Member, Member) {
    let fleet = Fleet::new();
    let a = fleet.launch(|hub| worker("a", 1)(hub).orchestrator(naps).warm_instances(1)).await.unwrap();
    let b = fleet.launch(|hub| worker("b", 1)(hub).orchestrator(naps)).await.unwrap();
    a.client().start(naps, false).id("x").await.unwrap().wait_for_start().await.unwrap();
    a.faults().fail_from(a.faults().commits() + 2);
    a.client().start(waits, ()).id("y").await.unwrap();
    fleet.pass(Duration::from_millis(1)).await;
    a.freeze();
    (fleet, a, b)
}

/// A worker that stood still for long while others took what it had says so once, and goes on.
#[tokio::test(start_paused = true)]
async fn a_worker_complains_once_of_what_it_has_lost() {
    for stops in [false, true] {
        let (fleet, a, b) = a_nap_that_was_taken_over().await;
        if stops {
            // Then the next execution has no history yet.
            b.faults().refuse(|write| matches!(write, Write::Turn(turn) if turn.turn == 3));
        }
        fleet.pass(Duration::from_secs(30)).await;
        let taken = (epoch(&fleet, "x").await, count(&b, "x", "TaskCompleted").await);
        assert_eq!(taken, (2, usize::from(!stops)), "the other one has it");
        let complaints = Complaints::default();
        let listening = tracing::subscriber::set_default(tracing_subscriber::registry().with(complaints.clone()));
        a.thaw();
        fleet.pass(Duration::from_millis(100)).await;
        a.faults().heal();
        b.faults().heal();
        fleet.pass(BEAT * 10).await;
        drop(listening);
        let said = std::mem::take(&mut *complaints.0.lock().unwrap());
        assert_eq!(said, ["this worker was silent for longer than its lease; others may have taken what it owned"]);
        assert_eq!(fleet.store().instance("x").await.unwrap().unwrap().stalled, None);
        raise(&a, "x").await;
        assert_eq!(output(&a, "x").await, "b");
        raise(&a, "y").await;
        assert_eq!(output(&a, "y").await, "now");
    }
}

/// Code that does not fit puts an instance aside. When that comes too late, because another worker has the instance by then, the
/// first one leaves it alone.
#[tokio::test(start_paused = true)]
async fn a_stall_that_comes_too_late_is_the_last_word() {
    static IS_BROKEN: AtomicBool = AtomicBool::new(false);

    #[orchestrator(name = "odd")]
    async fn odd(ctx: OrchestrationContext) -> Result<String, OrchestratorError> {
        if IS_BROKEN.load(Ordering::Relaxed) {
            return ctx.call_activity::<_, &str>("work", 0_u64).await;
        }
        ctx.create_timer(Duration::from_secs(5)).await;
        ctx.wait_for_external_event("go").await
    }

    #[orchestrator(name = "odd")]
    async fn even(ctx: OrchestrationContext) -> Result<String, OrchestratorError> {
        ctx.create_timer(Duration::from_secs(5)).await;
        ctx.wait_for_external_event("go").await
    }

    let fleet = Fleet::new();
    let a = fleet.launch(|hub| worker("a", 1)(hub).orchestrator(odd).warm_instances(1)).await.unwrap();
    a.client().start(odd, ()).id("x").await.unwrap().wait_for_start().await.unwrap();
    waiting(&a, "y").await;
    IS_BROKEN.store(true, Ordering::Relaxed);
    fleet.pass(Duration::from_secs(4)).await;
    // The timer has it read again.
    a.faults().fail_from(a.faults().commits() + 2);
    fleet.pass(Duration::from_millis(1_500)).await;
    assert_eq!(epoch(&fleet, "x").await, 2);
    a.freeze();
    let b = fleet.launch(|hub| worker("b", 1)(hub).orchestrator(even)).await.unwrap();
    fleet.pass(LEASE + 2 * BEAT).await;
    assert_eq!((epoch(&fleet, "x").await, count(&b, "x", "TimerFired").await), (3, 1), "the other one has it");
    a.thaw();
    a.faults().heal();
    fleet.pass(BEAT).await;
    let complaints = Complaints::default();
    let listening = tracing::subscriber::set_default(tracing_subscriber::registry().with(complaints.clone()));
    fleet.pass(Duration::from_secs(3_600)).await;
    drop(listening);
    assert_eq!(*complaints.0.lock().unwrap(), [""; 0]);
    raise(&a, "x").await;
    assert_eq!(output(&a, "x").await, "now");
}

/// A worker takes an instance over and stands still before it has said so to the end; another one has the instance then. A call
/// of it that the first one runs is nobody else's.
#[tokio::test(start_paused = true)]
async fn a_call_goes_on_where_its_instance_was_for_a_moment() {
    let fleet = Fleet::new();
    let a = fleet.launch(|hub| hub.orchestrator(work_then_wait)).await.unwrap();
    let b = fleet.launch(worker("b", 100)).await.unwrap();
    a.client().start(work_then_wait, ()).id("x").await.unwrap().wait_for_start().await.unwrap();
    fleet.pass(Duration::from_secs(1)).await;
    a.kill();
    fleet.pass(LEASE + BEAT).await;
    // Its message, its claim, and then the note that it tries to run what somebody else may have died of.
    b.faults().fail_from(b.faults().commits() + 3);
    raise(&b, "x").await;
    fleet.pass(Duration::from_millis(100)).await;
    assert_eq!(epoch(&fleet, "x").await, 2);
    b.freeze();
    let c = fleet.launch(|hub| hub.orchestrator(work_then_wait)).await.unwrap();
    fleet.pass(LEASE + 2 * BEAT).await;
    assert_eq!((epoch(&fleet, "x").await, count(&c, "x", "EventRaised").await), (3, 1), "the other one has it");
    b.thaw();
    b.faults().heal();
    assert_eq!(output(&c, "x").await, "b");
}

/// An execution in a version that the worker does not have goes to one that has it.
#[tokio::test(start_paused = true)]
async fn the_next_execution_goes_to_a_worker_that_has_its_version() {
    #[orchestrator(name = "grows", version = "1.0")]
    async fn grows_1(_: OrchestrationContext, n: u64) -> Result<Next<String, u64>, OrchestratorError> {
        Ok(ContinueAsNew::new(n + 1).version("2.0")?.into())
    }

    #[orchestrator(name = "grows", version = "2.0")]
    async fn grows_2(_: OrchestrationContext, n: u64) -> Result<Next<String, u64>, OrchestratorError> {
        Ok(Next::Complete(format!("{n} in version 2.0")))
    }

    let fleet = Fleet::new();
    let a = fleet.launch(|hub| hub.orchestrator(grows_1)).await.unwrap();
    a.client().start(grows_1, 1).id("alone").await.unwrap();
    fleet.pass(BEAT * 3).await;
    let row = fleet.store().instance("alone").await.unwrap().unwrap();
    assert_eq!((row.turn, row.version.as_deref(), row.stalled), (1, Some("2.0"), None));
    assert_eq!(owner(&fleet, "alone").await, None, "it waits for somebody else");
    let begin = tokio::time::Instant::now();
    let b = fleet.launch(|hub| hub.orchestrator(grows_2)).await.unwrap();
    assert_eq!(output(&b, "alone").await, "2 in version 2.0");
    a.client().start(grows_1, 7).id("together").await.unwrap();
    assert_eq!(output(&a, "together").await, "8 in version 2.0");
    assert!(begin.elapsed() < AT_ONCE, "{:?}", begin.elapsed());
}

/// A worker that was given up for dead has just taken a call, under the name that it had before.
#[tokio::test(start_paused = true)]
async fn a_call_that_an_earlier_self_has_taken_is_not_lost() {
    let fleet = Fleet::new();
    let a = fleet.launch(|hub| hub.activity_fn("work", |_: u64| async { Ok::<_, ActivityError>("a".to_owned()) }));
    let a = a.await.unwrap();
    let b = fleet.launch(|hub| hub.orchestrator(work_then_wait)).await.unwrap();
    a.faults().fail_from(a.faults().commits() + 1);
    b.client().start(work_then_wait, ()).id("x").await.unwrap().wait_for_start().await.unwrap();
    fleet.pass(AT_ONCE).await;
    fleet.store().detach(WorkerId(1)).await.unwrap();
    fleet.pass(BEAT * 2).await;
    a.faults().heal();
    raise(&b, "x").await;
    let begin = tokio::time::Instant::now();
    assert_eq!(output(&b, "x").await, "a");
    assert!(begin.elapsed() < BEAT * 2, "{:?}", begin.elapsed());
}

/// A turn that happened without an answer is refused when it is tried again, since another worker has the instance by then. Its
/// call never came to the worker that was to run it, and runs all the same.
#[tokio::test(start_paused = true)]
async fn a_call_of_a_turn_without_an_answer_runs_although_the_turn_is_refused() {
    let fleet = Fleet::new();
    let a = fleet.launch(worker("a", 1)).await.unwrap();
    let b = fleet.launch(|hub| hub.orchestrator(work_then_wait)).await.unwrap();
    fleet.pass(AT_ONCE).await;
    let first_turn = a.faults().commits() + 2;
    a.faults().lose_answer(first_turn);
    a.client().start(work_then_wait, ()).id("x").await.unwrap();
    a.faults().reached(first_turn).await;
    a.freeze();
    raise(&b, "x").await;
    fleet.pass(LEASE + 2 * BEAT).await;
    assert_eq!((epoch(&fleet, "x").await, count(&b, "x", "TaskScheduled").await), (2, 1), "the other one has it");
    a.faults().fail_from(first_turn + 1);
    a.thaw();
    fleet.pass(BEAT).await;
    a.faults().heal();
    assert_eq!(output(&b, "x").await, "a");
}

/// The same for an instance that its worker has forgotten meanwhile, because of another result that has no row yet.
#[tokio::test(start_paused = true)]
async fn a_call_of_a_turn_without_an_answer_runs_although_the_instance_is_read_again() {
    #[orchestrator]
    async fn three(ctx: OrchestrationContext) -> Result<String, OrchestratorError> {
        let [quick, slow] = [1_u64, 2].map(|seconds| ctx.call_activity::<_, &str>("sleep", seconds));
        let quick: u64 = quick.await?;
        let last = ctx.call_activity::<_, &str>("sleep", quick + 2);
        let (slow, last): (u64, u64) = try_join!(slow, last)?;
        Ok(format!("{slow} and {last}"))
    }

    let fleet = Fleet::new();
    let a = fleet.launch(|hub| {
        hub.orchestrator(three).activity_fn("sleep", |seconds: u64| async move {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            Ok::<_, ActivityError>(seconds)
        })
    });
    let a = a.await.unwrap();
    a.client().start(three, ()).id("x").await.unwrap().wait_for_start().await.unwrap();
    let second_turn = a.faults().commits() + 1;
    a.faults().lose_answer(second_turn);
    a.faults().reached(second_turn).await;
    a.freeze();
    fleet.pass(LEASE + BEAT).await;
    a.faults().fail_from(second_turn + 1);
    a.thaw();
    fleet.pass(BEAT).await;
    a.faults().heal();
    assert_eq!(output(&a, "x").await, "2 and 3");
}

/// A worker that drains has asked for calls before, and gets them late: it leaves them to others at once.
#[tokio::test(start_paused = true)]
async fn calls_that_come_to_a_draining_worker_go_to_others() {
    let fleet = Fleet::new();
    let a = fleet.launch(|hub| worker("a", 60)(hub).max_concurrent_activities(4)).await.unwrap();
    let b = fleet.launch(|hub| hub.orchestrator(work_then_wait)).await.unwrap();
    a.client().start(work_then_wait, ()).id("long").await.unwrap();
    fleet.pass(AT_ONCE).await;
    a.freeze();
    b.client().start(work_then_wait, ()).id("x").await.unwrap().wait_for_start().await.unwrap();
    fleet.pass(AT_ONCE).await;
    let (drained, ()) = tokio::join!(a.hub().shutdown(), async {
        fleet.pass(AT_ONCE).await;
        a.thaw();
        let begin = tokio::time::Instant::now();
        let _c = fleet.launch(worker("c", 1)).await.unwrap();
        raise(&b, "x").await;
        assert_eq!(output(&b, "x").await, "c");
        assert!(begin.elapsed() < BEAT, "{:?}", begin.elapsed());
    });
    drained.unwrap();
}

/// Whoever looks into a store that is away for a while complains once, and finds everything in the end.
#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_is_complained_of_once() {
    let fleet = Fleet::new();
    let client = fleet.launch(|hub| hub).await.unwrap();
    client.client().start(work_then_wait, ()).id("x").await.unwrap();
    let complaints = Complaints::default();
    let listening = tracing::subscriber::set_default(tracing_subscriber::registry().with(complaints.clone()));
    let a = fleet.launch(worker("a", 1)).await.unwrap();
    a.faults().fail_looks(20);
    fleet.pass(Duration::from_secs(120)).await;
    drop(listening);
    let mut said = std::mem::take(&mut *complaints.0.lock().unwrap());
    said.sort();
    let expected = [
        "the store does not give its timers, trying again",
        "the store does not say which instances are ready, trying again",
    ];
    assert_eq!(said, expected);
    raise(&a, "x").await;
    assert_eq!(output(&a, "x").await, "a");
}

/// A store that refuses turns for a while, such as one that has lost its permissions, costs nobody his life.
#[tokio::test(start_paused = true)]
async fn a_refusal_that_passes_is_complained_of_once() {
    let fleet = Fleet::new();
    let a = fleet.launch(|hub| worker("a", 1)(hub).orchestrator(naps)).await.unwrap();
    for n in 0..50 {
        a.client().start(naps, false).id(format!("x{n}")).await.unwrap().wait_for_start().await.unwrap();
    }
    a.faults().refuse(|write| matches!(write, Write::Turn(_)));
    let complaints = Complaints::default();
    let listening = tracing::subscriber::set_default(tracing_subscriber::registry().with(complaints.clone()));
    fleet.pass(Duration::from_secs(60)).await;
    a.faults().heal();
    for n in 0..50 {
        raise(&a, &format!("x{n}")).await;
        assert_eq!(output(&a, &format!("x{n}")).await, "a");
    }
    drop(listening);
    let said = std::mem::take(&mut *complaints.0.lock().unwrap());
    assert_eq!(said, ["a write does not get through: it is tried again, apart from everything else"]);
}
