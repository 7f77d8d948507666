//! What code has logged in a world.

use std::cell::Cell;
use std::fmt;
use std::sync::{Arc, OnceLock};

use durable_core::engine::Clock as _;
use durable_core::model::Timestamp;
use durable_core::replay::is_replaying_here;
use parking_lot::Mutex;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Dispatch, Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

use super::World;
use super::time::WorldClock;

/// Something that was logged in a world with `tracing`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogEvent {
    /// When, on the clock of the world.
    pub at: Timestamp,
    /// How important it is.
    pub level: Level,
    /// The module, or what the call names instead.
    pub target: String,
    /// What it says.
    pub message: String,
    /// Its other fields as text, and then those of the spans around it, the innermost first.
    pub fields: Vec<(String, String)>,
    /// True for what an orchestrator logs again while it is replayed. In production the replay filter drops it.
    pub is_replay: bool,
}

impl LogEvent {
    /// The field of this name; the innermost, where several have it.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The id of the instance on whose behalf it was logged. What a replay logs does not tell.
    #[must_use]
    pub fn instance(&self) -> Option<&str> {
        self.field("instance")
    }
}

impl World {
    /// What orchestrators, activities and the engine have logged with `tracing`, in a world that
    /// [keeps logs](super::WorldBuilder::keeps_logs). What the checks of the world run once more is not there.
    ///
    /// ```
    /// use durable_core::prelude::*;
    /// use durable_testing::World;
    ///
    /// #[activity]
    /// async fn charge(amount: u64) -> Result<u64, ActivityError> { Ok(amount) }
    ///
    /// #[orchestrator]
    /// async fn pay(ctx: OrchestrationContext, amount: u64) -> Result<u64, OrchestratorError> {
    ///     tracing::info!(amount, "pays");
    ///     ctx.call_activity(charge, amount).await
    /// }
    ///
    /// let world = World::builder().orchestrator(pay).activity(charge).keeps_logs().build();
    /// assert_eq!(world.start_as("p-1", pay, 5).output(), 5);
    /// let logs = world.logs();
    /// let paid = logs.iter().find(|event| event.message == "pays").unwrap();
    /// assert_eq!((paid.field("amount"), paid.instance(), paid.is_replay), (Some("5"), Some("p-1"), false));
    /// ```
    ///
    /// # Panics
    ///
    /// When the world keeps no logs.
    #[must_use]
    #[track_caller]
    pub fn logs(&self) -> Vec<LogEvent> {
        let logs = self.0.time.logs();
        assert!(logs.keeper.is_some(), "this world keeps no logs: build it with `keeps_logs`");
        logs.keeper.iter().flat_map(|keeper| keeper.events.lock().clone()).collect()
    }
}

thread_local! {
    /// What is run once more to check it is not kept.
    static SILENT: Cell<bool> = const { Cell::new(false) };
}

/// Keeps nothing of what `run` logs.
pub(super) fn silently<T>(run: impl FnOnce() -> T) -> T {
    /// Puts the mark back, also when `run` panics.
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            SILENT.set(self.0);
        }
    }
    let _restore = Restore(SILENT.replace(true));
    run()
}

/// A subscriber that is never used, and never goes away. While there is only one in the process, `tracing` asks the thread that
/// first comes by a place in the code, and remembers its answer for all threads: another test without a subscriber would
/// silence that place in this one. With a second one it asks all subscribers.
static SECOND: OnceLock<Dispatch> = OnceLock::new();

/// The logs of a world, if it keeps any.
#[derive(Default)]
pub(super) struct Logs {
    keeper: Option<Arc<Keeper>>,
    dispatch: Option<Dispatch>,
}

impl Logs {
    /// Keeps what is logged from now on.
    pub(super) fn kept(clock: WorldClock) -> Self {
        SECOND.get_or_init(|| Dispatch::new(tracing_subscriber::registry()));
        let keeper = Arc::new(Keeper { clock, events: Mutex::default() });
        let dispatch = Dispatch::new(tracing_subscriber::registry().with(Keeping(Arc::clone(&keeper))));
        Self { keeper: Some(keeper), dispatch: Some(dispatch) }
    }

    /// Runs something, and keeps what it logs on this thread.
    pub(super) fn keep<T>(&self, run: impl FnOnce() -> T) -> T {
        match &self.dispatch {
            Some(dispatch) => tracing::dispatcher::with_default(dispatch, run),
            None => run(),
        }
    }
}

impl fmt::Debug for Logs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logs").field("is_kept", &self.keeper.is_some()).finish()
    }
}

struct Keeper {
    clock: WorldClock,
    events: Mutex<Vec<LogEvent>>,
}

/// The layer that fills a keeper.
struct Keeping(Arc<Keeper>);

/// The fields of an event or a span as text.
#[derive(Default)]
struct Fields(Vec<(String, String)>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.push((field.name().to_owned(), format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.push((field.name().to_owned(), value.to_owned()));
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Keeping {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, ctx: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = ctx.span(id) {
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, ctx: Context<'_, S>) {
        if let Some(span) = ctx.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, ctx: Context<'_, S>) {
        if SILENT.get() {
            return;
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        let mut fields = fields.0;
        let message = fields.iter().position(|(name, _)| name == "message");
        let message = message.map(|at| fields.remove(at).1).unwrap_or_default();
        for span in ctx.event_scope(event).into_iter().flatten() {
            if let Some(outer) = span.extensions().get::<Fields>() {
                fields.extend(outer.0.iter().cloned());
            }
        }
        let metadata = event.metadata();
        self.0.events.lock().push(LogEvent {
            at: self.0.clock.now(),
            level: *metadata.level(),
            target: metadata.target().to_owned(),
            message,
            fields,
            is_replay: is_replaying_here(),
        });
    }
}
