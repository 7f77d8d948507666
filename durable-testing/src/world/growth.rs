//! How histories grow.

use std::fmt;

use durable_core::history::{EventKind, HistoryEvent, StoredEvent, encode_event, records_of};
use durable_core::model::{FunctionName, InstanceId, Payload, Timestamp};

use super::World;
use super::executions::Executions;
use super::words::{Said, source};

/// How many of the largest payloads of an execution are kept.
const LARGEST: usize = 3;
/// An execution that has had so many turns, goes on and has never continued as new may grow for ever.
const MANY_TURNS: usize = 64;

/// How the histories of a world grow: an execution for each part. Made by [`World::growth`].
///
/// As text it has a few lines for each execution: turns, events and bytes as a whole and for each turn, in steps that double,
/// and the largest payloads with the lines of the calls.
#[derive(Debug, Clone)]
pub struct Growth {
    executions: Vec<ExecutionGrowth>,
}

/// How one execution has grown.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExecutionGrowth {
    /// The instance.
    pub instance: InstanceId,
    /// Its orchestrator.
    pub orchestrator: FunctionName,
    /// Its number among the executions of the instance, from 0.
    pub generation: usize,
    /// True when it is over, also because it has continued as new.
    pub is_over: bool,
    /// Its turns, in order.
    pub turns: Vec<TurnGrowth>,
    /// Its largest payloads, the largest first.
    pub largest: Vec<LargePayload>,
}

/// What one turn has added to a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct TurnGrowth {
    /// When.
    pub at: Timestamp,
    /// How many events, without the bounds of turns, which are not stored.
    pub events: usize,
    /// How many bytes they take in a store, about.
    pub bytes: usize,
}

/// A payload in a history.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LargePayload {
    /// What it is, for people.
    pub what: String,
    /// How long its JSON text is.
    pub bytes: usize,
}

impl World {
    /// How the histories of this world have grown so far: all executions of all instances.
    ///
    /// ```
    /// use durable_core::prelude::*;
    /// use durable_testing::World;
    /// use std::time::Duration;
    ///
    /// /// It polls for ever, and its history grows for ever.
    /// #[orchestrator]
    /// async fn polls(ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
    ///     loop {
    ///         ctx.create_timer(Duration::from_secs(3600)).await;
    ///     }
    /// }
    ///
    /// let world = World::builder().orchestrator(polls).build();
    /// let run = world.start_as("poll", polls, ());
    /// world.advance(Duration::from_secs(100 * 3600));
    /// let growth = world.growth();
    /// println!("{growth}");
    /// assert!(growth.to_string().contains("'poll' (polls): 101 turns, 202 events"));
    /// assert!(growth.to_string().contains("has never continued as new"));
    /// assert_eq!(growth.executions()[0].events(), 202);
    /// ```
    ///
    /// # Panics
    ///
    /// When the store cannot be read.
    #[must_use]
    #[track_caller]
    pub fn growth(&self) -> Growth {
        let all = Executions::all(&self.0);
        let executions = all.iter().flat_map(|instance| {
            let last = instance.histories.len() - 1;
            let of =
                move |(at, history): (usize, &Vec<HistoryEvent>)| ExecutionGrowth::of(instance, at, at < last, history);
            instance.histories.iter().enumerate().map(of)
        });
        Growth { executions: executions.collect() }
    }
}

impl Growth {
    /// The executions, in the order in which their instances were created.
    #[must_use]
    pub fn executions(&self) -> &[ExecutionGrowth] {
        &self.executions
    }

    /// The execution with most events.
    #[must_use]
    pub fn longest(&self) -> Option<&ExecutionGrowth> {
        self.executions.iter().max_by_key(|execution| execution.events())
    }
}

impl ExecutionGrowth {
    fn of(instance: &Executions, generation: usize, is_earlier: bool, history: &[HistoryEvent]) -> Self {
        let status = &instance.status;
        let records = records_of(history);
        let turn = |records: &[durable_core::history::HistoryRecord]| TurnGrowth {
            at: records[0].turn_time,
            events: records.len(),
            bytes: records.iter().map(|record| bytes(&encode_event(&record.kind))).sum(),
        };
        let mut largest: Vec<_> = history.iter().filter_map(|event| LargePayload::of(event, history)).collect();
        largest.sort_by_key(|payload| std::cmp::Reverse(payload.bytes));
        largest.truncate(LARGEST);
        Self {
            instance: status.instance_id.clone(),
            orchestrator: status.name.clone(),
            generation,
            is_over: is_earlier || status.runtime_status.is_terminal(),
            turns: records.chunk_by(|a, b| a.turn == b.turn).map(turn).collect(),
            largest,
        }
    }

    /// How many events its history has, without the bounds of turns.
    #[must_use]
    pub fn events(&self) -> usize {
        self.turns.iter().map(|turn| turn.events).sum()
    }

    /// How many bytes its history takes in a store, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.turns.iter().map(|turn| turn.bytes).sum()
    }

    /// True for one that goes on after many turns and is the first of its instance: it may grow without bound.
    #[must_use]
    pub fn may_grow_for_ever(&self) -> bool {
        !self.is_over && self.generation == 0 && self.turns.len() >= MANY_TURNS
    }
}

fn bytes(event: &StoredEvent) -> usize {
    let texts = [Some(&*event.kind), event.name.as_deref(), event.payload.as_ref().map(Payload::as_str)];
    texts.into_iter().chain([event.detail.as_deref()]).flatten().map(str::len).sum()
}

impl LargePayload {
    fn of(event: &HistoryEvent, history: &[HistoryEvent]) -> Option<Self> {
        let said = Said::by(event, history);
        let payload = said.payload?;
        let subject = said.subject.unwrap_or_default();
        let task = said.task.map(|task| format!(" {task}")).unwrap_or_default();
        let what = match &event.kind {
            EventKind::ExecutionStarted(_) => "the input".to_owned(),
            EventKind::ExecutionCompleted { .. } => "the output".to_owned(),
            EventKind::TaskScheduled { .. } => format!("the input of '{subject}'{task}"),
            EventKind::SubOrchestrationInstanceCreated { .. } => format!("the input of child '{subject}'{task}"),
            EventKind::TaskCompleted { .. } => format!("the result of '{subject}'{task}"),
            EventKind::SubOrchestrationInstanceCompleted { .. } => format!("the output of child '{subject}'{task}"),
            EventKind::EventRaised { .. } | EventKind::EventSent { .. } => format!("event '{subject}'"),
            _ => format!("the failure of '{subject}'{task}"),
        };
        let call = said.task.and_then(|task| history.iter().find(|event| event.kind.action_id() == Some(task)));
        let place = call.and_then(|call| source(&call.kind)).map(|source| format!(", called at {source}"));
        Some(Self { what: what + &place.unwrap_or_default(), bytes: payload.as_str().len() })
    }
}

impl fmt::Display for Growth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.executions.iter().try_for_each(|execution| execution.fmt(f))
    }
}

impl fmt::Display for ExecutionGrowth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = if self.generation == 0 { String::new() } else { format!(", execution {}", self.generation + 1) };
        let (turns, events) = (self.turns.len(), self.events());
        writeln!(
            f,
            "'{}' ({}){number}: {turns} turns, {events} events, {}",
            self.instance,
            self.orchestrator,
            size(self.bytes())
        )?;
        let (mut begin, mut length) = (0, 1);
        while begin < turns {
            let end = (begin + length).min(turns);
            let part = &self.turns[begin..end];
            let events = part.iter().map(|turn| turn.events).sum::<usize>() as f64 / part.len() as f64;
            let bytes = part.iter().map(|turn| turn.bytes).sum::<usize>() / part.len();
            let which = if part.len() == 1 { format!("turn {end}") } else { format!("turns {} to {end}", begin + 1) };
            writeln!(f, "  {which:<20} {events:>7.1} events and {:>8} each", size(bytes))?;
            length = end;
            begin = end;
        }
        for payload in self.largest.iter().filter(|payload| payload.bytes > 0) {
            writeln!(f, "  {:>8}  {}", size(payload.bytes), payload.what)?;
        }
        if self.may_grow_for_ever() {
            writeln!(f, "  it goes on and has never continued as new: its history may grow without bound")?;
        }
        Ok(())
    }
}

/// A number of bytes, for people.
fn size(bytes: usize) -> String {
    match bytes {
        0..=9_999 => format!("{bytes} B"),
        10_000..=9_999_999 => format!("{:.1} KB", bytes as f64 / 1_000.0),
        _ => format!("{:.1} MB", bytes as f64 / 1_000_000.0),
    }
}
