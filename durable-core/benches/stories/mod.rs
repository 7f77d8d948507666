//! Stories for measurements of the replay core: an orchestrator, and a world that answers whatever it calls.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use durable_core::history::{Action, EventKind, ExecutionHeader, HistoryRecord};
use durable_core::model::{
    EventName, ExecutionId, FailureDetails, FunctionName, InstanceId, Limits, Payload, TaskId, Timestamp,
};
use durable_core::prelude::*;
use durable_core::registry::Registry;
use durable_core::replay::{Executor, Program, TurnInput, TurnOutcome};
use durable_testing::events;

#[activity]
async fn work(n: u64) -> Result<u64, ActivityError> {
    Ok(n)
}

/// One activity after the other.
#[orchestrator]
async fn sequence(ctx: OrchestrationContext, n: u64) -> Result<u64, OrchestratorError> {
    let mut sum = 0;
    for i in 0..n {
        sum += ctx.call_activity(work, i).await?;
    }
    Ok(sum)
}

/// All activities at once.
#[orchestrator]
async fn fan_out(ctx: OrchestrationContext, n: u64) -> Result<u64, OrchestratorError> {
    let calls = (0..n).map(|i| ctx.call_activity(work, i));
    Ok(try_join_all(calls).await?.into_iter().sum())
}

/// One timer after the other.
#[orchestrator]
async fn timers(ctx: OrchestrationContext, n: u64) -> Result<u64, OrchestratorError> {
    for _ in 0..n {
        ctx.create_timer(Duration::from_secs(3_600)).await;
    }
    Ok(n)
}

/// One activity after the other, each of which succeeds at the second attempt.
#[orchestrator]
async fn retries(ctx: OrchestrationContext, n: u64) -> Result<u64, OrchestratorError> {
    let mut sum = 0;
    for i in 0..n {
        sum += ctx.call_activity(work, i).retry(RetryPolicy::fixed(3, Duration::from_secs(1))).await?;
    }
    Ok(sum)
}

/// One external event after the other.
#[orchestrator]
async fn signals(ctx: OrchestrationContext, n: u64) -> Result<u64, OrchestratorError> {
    let mut sum = 0;
    for _ in 0..n {
        sum += ctx.wait_for_external_event::<u64>("Go").await?;
    }
    Ok(sum)
}

/// The stories by name.
pub(crate) const STORIES: &[&str] = &["sequence", "fan_out", "timers", "retries", "signals"];

/// An orchestrator with its input, and what answers it.
pub(crate) struct Story {
    program: Program,
    header: Arc<ExecutionHeader>,
    /// What an activity returns.
    result: Payload,
    failure: FailureDetails,
    /// The external events that come, one after the other.
    signals: u64,
    signal: EventName,
}

impl Story {
    /// A story of `n` steps.
    pub(crate) fn new(name: &str, n: u64) -> Self {
        let mut registry = Registry::default();
        let added = match name {
            "sequence" => registry.add_orchestrator::<sequence>(),
            "fan_out" => registry.add_orchestrator::<fan_out>(),
            "timers" => registry.add_orchestrator::<timers>(),
            "retries" => registry.add_orchestrator::<retries>(),
            "signals" => registry.add_orchestrator::<signals>(),
            other => panic!("there is no story '{other}'; there are {STORIES:?}"),
        };
        added.unwrap();
        let orchestrator = FunctionName::new(name).unwrap();
        let program = registry.orchestrator(&orchestrator, None).unwrap();
        let instance = InstanceId::new("measured").unwrap();
        let execution = ExecutionId::from_stored("0123456789abcdef0123456789abcdef");
        let header = ExecutionHeader::new(instance, execution, orchestrator, Payload::encode(&n).unwrap());
        Self {
            program,
            header: Arc::new(header),
            result: Payload::encode(&1).unwrap(),
            failure: FailureDetails::new("Unavailable", "not yet"),
            signals: if name == "signals" { n } else { 0 },
            signal: EventName::new("Go").unwrap(),
        }
    }

    /// An executor at the beginning.
    pub(crate) fn executor(&self) -> Executor {
        Executor::new(Arc::clone(&self.header), Arc::clone(&self.program), Limits::default(), None)
    }

    fn answer(&self, id: TaskId, action: &Action) -> EventKind {
        match action {
            Action::CreateTimer { fire_at, .. } => EventKind::TimerFired { timer_id: id, fire_at: *fire_at },
            Action::ScheduleTask { options, .. } if self.header.name.as_str() == "retries" && options.attempt == 1 => {
                EventKind::TaskFailed { task_id: id, failure: self.failure.clone() }
            }
            _ => EventKind::TaskCompleted { task_id: id, result: self.result.clone() },
        }
    }

    /// Runs the story to its end on a warm executor, with one event for each turn. Gives the number of turns.
    pub(crate) fn live(&self) -> u64 {
        self.run(|_, _| ())
    }

    /// The history of the story, which is one of the same turns.
    pub(crate) fn history(&self) -> Vec<HistoryRecord> {
        let mut history = Vec::new();
        self.run(|input, outcome| {
            let record = |kind| HistoryRecord { turn: input.turn, turn_time: input.time, time: input.time, kind };
            history.extend(input.events.iter().cloned().chain(events::recorded(outcome)).map(record));
        });
        history
    }

    fn run(&self, mut after: impl FnMut(&TurnInput, &TurnOutcome)) -> u64 {
        let mut executor = self.executor();
        let mut answers = VecDeque::from([EventKind::ExecutionStarted(Arc::clone(&self.header))]);
        answers.extend(
            (0..self.signals).map(|_| EventKind::EventRaised { name: self.signal.clone(), input: self.result.clone() }),
        );
        let mut time = Timestamp::from_ticks(17_040_672_000_000_000);
        for turn in 1.. {
            let event = answers.pop_front().expect("the story goes on until it is complete");
            time = time.next_tick();
            let input = TurnInput { turn, time, events: vec![event] };
            let seen = input.clone();
            let outcome = executor.run_turn(input).unwrap();
            after(&seen, &outcome);
            if outcome.completion.is_some() {
                return turn;
            }
            answers.extend(outcome.actions.iter().map(|(id, action)| self.answer(*id, action)));
        }
        unreachable!("there is no last turn number")
    }

    /// Replays a history of this story to its end.
    pub(crate) fn replay(&self, history: &[HistoryRecord]) {
        self.executor().replay(history).unwrap();
    }
}
