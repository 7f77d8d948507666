//! What orchestrators and activities log, once and with a name.
#![cfg(feature = "tracing-subscriber")]
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use durable_core::history::{EventKind, ExecutionHeader, HistoryRecord};
use durable_core::model::{EventName, ExecutionId, FunctionName, Limits, Payload, Timestamp};
use durable_core::prelude::*;
use durable_core::replay::{Ended, Executor, Program, TurnInput};
use durable_core::telemetry::{ReplayFilter, is_replaying_here};
use durable_testing::World;
use durable_testing::events::{raised, terminated};
use tracing::field::{Field, Visit};
use tracing::{Dispatch, Event, Subscriber, span};
use tracing_subscriber::layer::Context;
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, registry};

#[derive(Debug, Clone, Default, PartialEq)]
struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

impl Fields {
    fn of(values: &[(&'static str, &str)]) -> Self {
        Self(values.iter().map(|(name, value)| (*name, (*value).to_owned())).collect())
    }

    /// Without what differs from run to run.
    fn without(mut self, name: &str) -> Self {
        assert!(self.0.remove(name).is_some_and(|value| !value.is_empty()), "there is no {name}");
        self
    }
}

/// A span's name and fields.
type Span = (&'static str, Fields);

/// A message, and the spans that it stands in, the outermost first.
type Line = (String, Vec<Span>);

/// A layer that remembers what it gets.
#[derive(Clone, Default)]
struct Capture {
    spans: Arc<Mutex<Vec<Span>>>,
    lines: Arc<Mutex<Vec<Line>>>,
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Capture {
    fn on_new_span(&self, attrs: &span::Attributes<'_>, id: &span::Id, ctx: Context<'_, S>) {
        let mut fields = Fields::default();
        attrs.record(&mut fields);
        self.spans.lock().unwrap().push((attrs.metadata().name(), fields.clone()));
        // Another layer of this kind has stored the same.
        ctx.span(id).unwrap().extensions_mut().replace(fields);
    }

    fn on_event(&self, event: &Event<'_>, ctx: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let scope = ctx.event_scope(event).into_iter().flat_map(|scope| scope.from_root());
        let spans = scope.map(|span| (span.name(), span.extensions().get::<Fields>().unwrap().clone()));
        let spans = spans.collect();
        self.lines.lock().unwrap().push((fields.0.remove("message").unwrap_or_default(), spans));
    }
}

impl Capture {
    fn count(&self, message: &str) -> usize {
        self.lines.lock().unwrap().iter().filter(|(line, _)| line == message).count()
    }

    fn counts<const N: usize>(&self, messages: [&str; N]) -> [usize; N] {
        messages.map(|message| self.count(message))
    }

    fn spans(&self, name: &str) -> Vec<Fields> {
        let spans = self.spans.lock().unwrap();
        spans.iter().filter(|(span, _)| *span == name).map(|(_, fields)| fields.clone()).collect()
    }

    /// The spans in which an instance said something.
    fn scope(&self, message: &str, instance: &str) -> Vec<Span> {
        let lines = self.lines.lock().unwrap();
        let of_instance = |spans: &[Span]| spans.first().is_some_and(|(_, f)| f.0["instance"] == instance);
        let line = lines.iter().find(|(line, spans)| line == message && of_instance(spans));
        line.unwrap_or_else(|| panic!("{instance} did not say {message:?}: {lines:?}")).1.clone()
    }
}

/// Logs when it is dropped.
struct Farewell;

impl Drop for Farewell {
    fn drop(&mut self) {
        tracing::info!("dropped");
    }
}

const MINUTE: Duration = Duration::from_secs(60);

#[activity]
async fn work() {
    tracing::info!("working");
    tokio::time::sleep(MINUTE).await;
}

#[orchestrator]
async fn trip(ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
    let _farewell = Farewell;
    tracing::info!("before");
    tracing::info_span!("step").in_scope(|| tracing::info!("in a step"));
    ctx.call_activity(work, ()).await?;
    tracing::info!("after");
    Ok(())
}

/// A world with one instance at a time in memory, and one run of its code.
fn world() -> World {
    let world = World::builder().orchestrator(trip).activity(work).hub(|hub| hub.warm_instances(1));
    world.without_replay_checks().build()
}

/// Two trips. The second one evicts the first, whose second turn therefore begins with a replay.
fn two_trips() {
    let world = world();
    let first = world.start_as("first", trip, ());
    world.advance(MINUTE / 2);
    let second = world.start_as("second", trip, ());
    let [(), ()] = [first.output(), second.output()];
}

const MESSAGES: [&str; 5] = ["before", "in a step", "after", "dropped", "working"];

#[test]
fn a_replay_is_silent() {
    let seen = Capture::default();
    let _guard = registry().with(ReplayFilter::new()).with(seen.clone()).set_default();
    two_trips();
    assert_eq!(seen.counts(MESSAGES), [2, 2, 2, 2, 2]);
    assert_eq!(seen.spans("step").len(), 2);
}

#[test]
fn a_replay_is_heard_without_the_filter() {
    let seen = Capture::default();
    let _guard = registry().with(seen.clone()).set_default();
    two_trips();
    assert_eq!(seen.counts(MESSAGES), [3, 3, 2, 3, 2]);
    assert_eq!(seen.spans("step").len(), 3);
}

#[test]
fn the_filter_of_one_layer_leaves_the_others_alone() {
    let (once, all) = (Capture::default(), Capture::default());
    let filtered = once.clone().with_filter(ReplayFilter::new());
    let _guard = registry().with(filtered).with(all.clone()).set_default();
    two_trips();
    assert_eq!(once.counts(MESSAGES), [2, 2, 2, 2, 2]);
    assert_eq!(once.spans("step").len(), 2);
    assert_eq!(all.counts(MESSAGES), [3, 3, 2, 3, 2]);
    assert_eq!(all.spans("step").len(), 3);
}

#[test]
fn each_line_says_where_it_comes_from() {
    let seen = Capture::default();
    let _guard = registry().with(ReplayFilter::new()).with(seen.clone()).set_default();
    two_trips();

    // A span for each live turn, and none for the replay between them.
    let turns: Vec<_> = seen.spans("orchestration").into_iter().map(|fields| fields.without("execution")).collect();
    let turn = |id, turn| Fields::of(&[("instance", id), ("function", "trip"), ("turn", turn)]);
    assert_eq!(turns, [turn("first", "1"), turn("second", "1"), turn("first", "2"), turn("second", "2")]);

    let names = |spans: &[Span]| spans.iter().map(|(name, _)| *name).collect::<Vec<_>>();
    for (message, number) in [("before", "1"), ("after", "2"), ("dropped", "2")] {
        let spans = seen.scope(message, "first");
        assert_eq!(names(&spans), ["orchestration"]);
        assert_eq!(spans[0].1.clone().without("execution"), turn("first", number));
    }
    assert_eq!(names(&seen.scope("in a step", "first")), ["orchestration", "step"]);

    let call = [("instance", "second"), ("function", "work"), ("task_id", "0"), ("attempt", "1"), ("delivery", "1")];
    assert_eq!(seen.scope("working", "second"), [("activity", Fields::of(&call))]);
}

#[test]
fn a_destructor_is_silent_at_an_eviction_and_heard_at_a_termination() {
    let seen = Capture::default();
    let _guard = registry().with(ReplayFilter::new()).with(seen.clone()).set_default();
    let world = world();
    let runs = ["first", "second"].map(|id| world.start_as(id, trip, ()));
    assert_eq!(seen.count("dropped"), 0, "the first trip is evicted");

    for run in runs {
        run.terminate("enough");
        assert_eq!(run.runtime_status(), RuntimeStatus::Terminated);
    }
    assert_eq!(seen.count("dropped"), 2, "one was cold, and one warm");
    assert_eq!(seen.scope("dropped", "first")[0].1.0["turn"], "2");

    let third = world.start_as("third", trip, ());
    world.advance(MINUTE / 2);
    world.restart();
    let [(), ()] = [third.output(), world.start_as("fourth", trip, ()).output()];
    let left = world.start_as("fifth", trip, ());
    drop((third, left, world));
    // Whether a trip comes to its end or is left behind: only an end is heard.
    assert_eq!(seen.counts(["dropped", "after"]), [2 + 2, 2]);
}

#[activity]
fn plain(State(dispatch): State<Dispatch>) -> bool {
    // Another thread has another default.
    tracing::dispatcher::with_default(&dispatch, || tracing::info!("off the async threads"));
    is_replaying_here()
}

#[orchestrator]
async fn calls_plain(ctx: OrchestrationContext) -> Result<bool, OrchestratorError> {
    ctx.call_activity(plain, ()).await
}

/// A world runs everything on one thread, so this is a hub.
#[tokio::test]
async fn a_plain_function_logs_in_the_span_of_its_activity() {
    let seen = Capture::default();
    let _guard = registry().with(ReplayFilter::new()).with(seen.clone()).set_default();
    let dispatch = tracing::dispatcher::get_default(Clone::clone);
    let hub = TaskHub::builder().backend(Memory::new()).orchestrator(calls_plain).activity(plain).state(dispatch);
    let hub = hub.start().await.unwrap();
    let run = hub.client().start(calls_plain, ()).id("one").await.unwrap();
    assert!(!run.output().await.unwrap());
    assert_eq!(seen.scope("off the async threads", "one")[0].0, "activity");
    hub.shutdown().await.unwrap();
}

fn executor(program: Program) -> Executor {
    let (instance, name) = (InstanceId::new("one").unwrap(), FunctionName::new("f").unwrap());
    let header = ExecutionHeader::new(instance, ExecutionId::from_stored("e"), name, Payload::null());
    Executor::new(Arc::new(header), program, Limits::default(), None)
}

fn started(executor: &Executor) -> EventKind {
    EventKind::ExecutionStarted(Arc::clone(executor.header()))
}

fn turn(turn: u64, event: EventKind) -> TurnInput {
    TurnInput { turn, time: Timestamp::UNIX_EPOCH, events: vec![event] }
}

/// The history of a first turn in which the code calls nothing.
fn first_turn(executor: &Executor) -> [HistoryRecord; 1] {
    let time = Timestamp::UNIX_EPOCH;
    [HistoryRecord { turn: 1, turn_time: time, time, kind: started(executor) }]
}

/// Waits for one event.
fn waiting() -> Executor {
    executor(Arc::new(|handle, _| {
        Box::pin(async move {
            let _farewell = Farewell;
            tracing::info!("before");
            let event = handle.wait_for_event(&EventName::new("Go").unwrap()).unwrap();
            let event = poll_fn(|cx| handle.poll_leaf(event, cx)).await;
            tracing::info!("after");
            event.map(Ended::Output).map_err(|failure| *failure)
        })
    }))
}

fn capturing(run: impl FnOnce(&Capture)) {
    let seen = Capture::default();
    let subscriber = registry().with(ReplayFilter::new()).with(seen.clone());
    tracing::subscriber::with_default(subscriber, || run(&seen));
}

#[test]
fn an_executor_is_heard_only_in_its_own_turns() {
    capturing(|seen| {
        let mut warm = waiting();
        warm.run_turn(turn(1, started(&warm))).unwrap();
        assert_eq!(seen.counts(["before", "after", "dropped"]), [1, 0, 0]);
        drop(warm);
        assert_eq!(seen.count("dropped"), 0);

        let mut cold = waiting();
        cold.replay(&first_turn(&cold)).unwrap();
        assert_eq!(seen.counts(["before", "after", "dropped"]), [1, 0, 0]);
        cold.run_turn(turn(2, raised("Go", 1))).unwrap();
        assert_eq!(seen.counts(["before", "after", "dropped"]), [1, 1, 1]);

        let mut ended = waiting();
        ended.replay(&first_turn(&ended)).unwrap();
        ended.run_turn(turn(2, terminated("enough"))).unwrap();
        assert_eq!(seen.counts(["before", "after", "dropped"]), [1, 1, 2]);
    });
}

#[test]
fn a_panic_ends_the_silence() {
    let mut panics = executor(Arc::new(|_, _| Box::pin(async { panic!("in the code") })));
    assert!(panics.replay(&first_turn(&panics)).is_err(), "the history does not have it");
    assert!(!is_replaying_here());
}

#[test]
fn an_executor_inside_another_one_has_its_own_answer() {
    capturing(|seen| {
        let mut outer = executor(Arc::new(|handle, _| {
            Box::pin(async move {
                let mut inner = waiting();
                inner.run_turn(turn(1, started(&inner))).unwrap();
                drop(inner);
                tracing::info!("outer");
                assert!(is_replaying_here());
                let event = handle.wait_for_event(&EventName::new("Go").unwrap()).unwrap();
                poll_fn(|cx| handle.poll_leaf(event, cx)).await.map(Ended::Output).map_err(|failure| *failure)
            })
        }));
        outer.replay(&first_turn(&outer)).unwrap();
        assert_eq!(seen.counts(["before", "dropped", "outer"]), [1, 0, 0]);
    });
}
