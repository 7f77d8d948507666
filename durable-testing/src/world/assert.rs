//! What a history must say.

use std::fmt;

use durable_core::history::HistoryEvent;
use durable_core::model::Payload;
use serde::Serialize;

use super::instance::Instance;
use super::words::{Said, bounds_a_turn};
use crate::or_fail::OrFail as _;

/// Something with a history, for [`assert_history!`](crate::assert_history).
pub trait History {
    /// Its events, and how it is called in messages.
    #[track_caller]
    fn events(&self) -> (String, Vec<HistoryEvent>);
}

impl<O> History for Instance<O> {
    fn events(&self) -> (String, Vec<HistoryEvent>) {
        (format!("'{}'", self.id()), self.history())
    }
}

impl<H: History + ?Sized> History for &H {
    fn events(&self) -> (String, Vec<HistoryEvent>) {
        (**self).events()
    }
}

impl History for [HistoryEvent] {
    fn events(&self) -> (String, Vec<HistoryEvent>) {
        ("the instance".to_owned(), self.to_vec())
    }
}

impl History for Vec<HistoryEvent> {
    fn events(&self) -> (String, Vec<HistoryEvent>) {
        self.as_slice().events()
    }
}

macro_rules! event_types {
    ($($name:ident),* $(,)?) => {
        /// The kinds of history events, as patterns name them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[non_exhaustive]
        #[expect(missing_docs, reason = "they have the names and meanings of `durable_core::history::EventKind`")]
        pub enum EventType { $($name),* }

        impl EventType {
            const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),* }
            }
        }
    };
}

event_types!(
    OrchestratorStarted,
    OrchestratorCompleted,
    ExecutionStarted,
    ExecutionCompleted,
    ExecutionTerminated,
    ExecutionSuspended,
    ExecutionResumed,
    ExecutionRewound,
    TaskScheduled,
    TaskCompleted,
    TaskFailed,
    TaskCanceled,
    SubOrchestrationInstanceCreated,
    SubOrchestrationInstanceCompleted,
    SubOrchestrationInstanceFailed,
    TimerCreated,
    TimerFired,
    EventSent,
    EventRaised,
    MarkerRecorded,
);

/// One place of a pattern of [`assert_history!`](crate::assert_history).
#[derive(Debug, Clone)]
pub struct Expected(Part);

#[derive(Debug, Clone)]
enum Part {
    /// Any number of events, also none.
    Gap,
    Event {
        kind: EventType,
        subject: Option<String>,
        payload: Option<Payload>,
    },
}

impl Expected {
    /// `..` in a pattern.
    #[must_use]
    pub const fn gap() -> Self {
        Self(Part::Gap)
    }

    /// An event of this kind.
    #[must_use]
    pub const fn event(kind: EventType) -> Self {
        Self(Part::Event { kind, subject: None, payload: None })
    }

    /// ... that is about this.
    #[must_use]
    pub fn about(mut self, about: impl Into<String>) -> Self {
        if let Part::Event { subject, .. } = &mut self.0 {
            *subject = Some(about.into());
        }
        self
    }

    /// ... that carries this.
    ///
    /// # Panics
    ///
    /// When it has no JSON form.
    #[must_use]
    #[track_caller]
    pub fn with(mut self, carried: impl Serialize) -> Self {
        if let Part::Event { payload, .. } = &mut self.0 {
            let carried = Payload::encode(&carried);
            *payload = Some(carried.or_fail(|error| format!("the value has no JSON form: {error}")));
        }
        self
    }

    fn fits(&self, said: &Said) -> bool {
        let Part::Event { kind, subject, payload } = &self.0 else { return false };
        let same_name = |wanted: &str| said.subject.as_deref().is_some_and(|is| is.eq_ignore_ascii_case(wanted));
        kind.name() == said.kind
            && subject.as_deref().is_none_or(same_name)
            && payload.as_ref().is_none_or(|wanted| said.payload.as_ref().is_some_and(|is| is.same_value(wanted)))
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Part::Gap => f.write_str(".."),
            Part::Event { kind, subject, payload } => {
                f.write_str(kind.name())?;
                match (subject, payload) {
                    (Some(subject), Some(payload)) => write!(f, "({subject:?}, {payload})"),
                    (Some(subject), None) => write!(f, "({subject:?})"),
                    _ => Ok(()),
                }
            }
        }
    }
}

/// Fails the test unless a history is as the pattern says. [`assert_history!`](crate::assert_history) calls it.
///
/// # Panics
///
/// When it is not: all events, with a mark at the first that does not fit.
#[track_caller]
pub fn expect_history<H: History + ?Sized>(history: &H, pattern: &[Expected]) {
    let (name, events) = history.events();
    let of_turns = [EventType::OrchestratorStarted, EventType::OrchestratorCompleted];
    let wants_turns = pattern.iter().any(|part| matches!(&part.0, Part::Event { kind, .. } if of_turns.contains(kind)));
    let said: Vec<_> = events
        .iter()
        .filter(|event| wants_turns || !bounds_a_turn(&event.kind))
        .map(|event| Said::by(event, &events))
        .collect();
    if let Some(report) = difference(&said, pattern) {
        panic!("the history of {name} is not as expected\n{report}");
    }
}

/// Where events and pattern part, `None` when they do not.
fn difference(events: &[Said], pattern: &[Expected]) -> Option<String> {
    // The places of the pattern that the events so far lead to. A gap stays, and may be left at any time.
    let skip_gaps = |places: &mut Vec<bool>| {
        for at in 0..pattern.len() {
            if places[at] && matches!(pattern[at].0, Part::Gap) {
                places[at + 1] = true;
            }
        }
    };
    let mut places = vec![false; pattern.len() + 1];
    places[0] = true;
    skip_gaps(&mut places);
    // How far into the pattern the best way leads, and after how many events.
    let furthest = |places: &[bool]| places.iter().rposition(|reached| *reached);
    let mut best = (furthest(&places).unwrap_or(0), 0);
    for (at, event) in events.iter().enumerate() {
        let mut next = vec![false; pattern.len() + 1];
        for (place, part) in pattern.iter().enumerate().filter(|(place, _)| places[*place]) {
            match part.0 {
                Part::Gap => next[place] = true,
                Part::Event { .. } => next[place + 1] |= part.fits(event),
            }
        }
        skip_gaps(&mut next);
        places = next;
        // Of equally good ways the one that explains most; one that only waits in a gap explains nothing new.
        match furthest(&places) {
            Some(place) if place > best.0 || (place == best.0 && !waits(pattern, place)) => best = (place, at + 1),
            Some(_) => {}
            None => break,
        }
    }
    if places[pattern.len()] { None } else { Some(report(events, pattern, best)) }
}

/// True when this place was reached by a gap, so that it is reached again after every event.
fn waits(pattern: &[Expected], place: usize) -> bool {
    place > 0 && matches!(pattern[place - 1].0, Part::Gap)
}

fn report(events: &[Said], pattern: &[Expected], (place, fitting): (usize, usize)) -> String {
    let rest = &pattern[place..];
    let wanted = match rest.first() {
        None => "the end of the history".to_owned(),
        Some(part) if waits(pattern, place) => format!("{part}, at any later place, and it never comes"),
        Some(part) => part.to_string(),
    };
    let mut text = String::new();
    for (at, event) in events.iter().enumerate() {
        if at == fitting {
            text += &format!("- expected: {wanted}\n");
        }
        let mark = if at == fitting && !waits(pattern, place) { '+' } else { ' ' };
        text += &format!("{mark} {}\n", event.line());
    }
    if fitting == events.len() {
        text += &format!("- expected: {wanted}\n");
    }
    let pattern: Vec<_> = pattern.iter().map(ToString::to_string).collect();
    text + &format!("the pattern: [{}]", pattern.join(", "))
}

/// Fails the test unless the history of an instance is as a pattern says.
///
/// The pattern names kinds of events in their order; `..` stands for any number of others. Behind a kind there may be what the
/// event is about, and what it carries:
///
/// | Kind | is about | carries |
/// |---|---|---|
/// | `ExecutionStarted` | the orchestrator | its input |
/// | `TaskScheduled`, `TaskCompleted`, `TaskFailed`, `TaskCanceled` | the activity | its input, its result, the message |
/// | `SubOrchestrationInstance...` | the orchestrator of the child | its input, its output, the message |
/// | `TimerCreated`, `TimerFired` | how long it runs: `"+3d 00:00:00"` | |
/// | `EventRaised`, `EventSent` | the name of the event | its payload |
/// | `ExecutionCompleted` | `"Completed"`, `"Failed"` and so on | the output, the message |
/// | `ExecutionTerminated`, `...Suspended`, `...Resumed`, `...Rewound` | the reason | |
///
/// The beginnings and ends of turns count only when the pattern names them.
///
/// ```
/// use durable_core::prelude::*;
/// use durable_testing::{World, assert_history};
///
/// #[activity]
/// async fn charge(amount: u64) -> Result<u64, ActivityError> { Ok(amount) }
///
/// #[orchestrator]
/// async fn pay(ctx: OrchestrationContext, amount: u64) -> Result<u64, OrchestratorError> {
///     ctx.call_activity(charge, amount).await
/// }
///
/// let world = World::builder().orchestrator(pay).activity(charge).build();
/// let run = world.start(pay, 5);
/// assert_history!(run, [ExecutionStarted, TaskScheduled("charge"), TaskCompleted("charge", 5), ExecutionCompleted]);
/// assert_history!(run, [.., TaskCompleted, ..]);
/// ```
///
/// # Panics
///
/// When it is not so: with all events, and a mark at the first that does not fit.
#[macro_export]
macro_rules! assert_history {
    ($run:expr, [$($pattern:tt)*] $(,)?) => {
        $crate::world::expect_history(&$run, &$crate::__expected_events!([] $($pattern)*))
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __expected_events {
    ([$($done:tt)*]) => {
        [$($done)*]
    };
    ([$($done:tt)*] .. $(, $($rest:tt)*)?) => {
        $crate::__expected_events!([$($done)* $crate::world::Expected::gap(),] $($($rest)*)?)
    };
    ([$($done:tt)*] $kind:ident $(, $($rest:tt)*)?) => {
        $crate::__expected_events!(
            [$($done)* $crate::world::Expected::event($crate::world::EventType::$kind),] $($($rest)*)?
        )
    };
    ([$($done:tt)*] $kind:ident($subject:expr $(, $payload:expr)? $(,)?) $(, $($rest:tt)*)?) => {
        $crate::__expected_events!(
            [$($done)* $crate::world::Expected::event($crate::world::EventType::$kind)
                .about($subject)$(.with($payload))?,]
            $($($rest)*)?
        )
    };
}
