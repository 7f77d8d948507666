//! The executor of one orchestration.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Waker;

use super::external::EventOrder;
use super::fault::{ForeignAwait, NonDeterminism, ReplayFault, Side};
use super::handle::{ReplayHandle, limit_exceeded};
use super::leaf::Resolution;
use super::matching;
use super::silence::Here;
use super::state::{Phase, State};
use super::turn::{TurnInput, TurnOutcome, Waits};
use super::waker::{RootWaker, WakeHook};
use crate::BoxFuture;
use crate::history::{Completion, EventKind, ExecutionHeader, HistoryRecord};
use crate::model::{FailureDetails, LimitExceeded, Limits, Payload, SourceLocation, TaskId, Timestamp, Version};

/// What the failure of an instance with too long a history is about.
const THE_HISTORY: &str = "the history of instance";

/// Starts an orchestrator's code with its input.
pub type Program =
    Arc<dyn Fn(ReplayHandle, Payload) -> BoxFuture<'static, Result<Ended, FailureDetails>> + Send + Sync>;

/// How an orchestrator's code returned without an error.
#[derive(Debug, Clone, PartialEq)]
pub enum Ended {
    /// With a value.
    Output(Payload),
    /// To start over.
    ContinueAsNew {
        /// The input of the next execution.
        input: Payload,
        /// Its version, when it changes.
        version: Option<Version>,
        /// External events that nobody has waited for go over to it.
        keeps_events: bool,
    },
}

/// Runs one execution of an orchestrator, turn by turn.
///
/// After a fault the executor is of no more use: drop it, and with it everything that the turn did.
pub struct Executor {
    pub(super) handle: ReplayHandle,
    program: Program,
    pub(super) root: Option<BoxFuture<'static, Result<Ended, FailureDetails>>>,
    pub(super) root_waker: Arc<RootWaker>,
    pub(super) waker: Waker,
    turn: u64,
    pub(super) completion: Option<Completion>,
    /// The code continues as new and takes its unread events along.
    pub(super) keeps_events: bool,
    suspended: bool,
    /// What has reached the execution since it was suspended, in order.
    held: Vec<EventKind>,
    for_children: Vec<EventKind>,
    /// How many records the history has before the current turn.
    history_len: u64,
}

impl Executor {
    /// An executor that has not run yet. `hook` is called when something foreign wakes the code between two turns.
    #[must_use]
    pub fn new(header: Arc<ExecutionHeader>, program: Program, limits: Limits, hook: Option<WakeHook>) -> Self {
        let root_waker = RootWaker::new(hook);
        Self {
            handle: ReplayHandle::new(header, limits, Arc::clone(&root_waker)),
            program,
            root: None,
            waker: Waker::from(Arc::clone(&root_waker)),
            root_waker,
            turn: 0,
            completion: None,
            keeps_events: false,
            suspended: false,
            held: Vec::new(),
            for_children: Vec::new(),
            history_len: 0,
        }
    }

    /// This executor, with another order among waits for the same event. It must be the same in every replay.
    #[must_use]
    pub fn with_event_order(self, order: EventOrder) -> Self {
        self.handle.shared.state.lock().set_event_order(order);
        self
    }

    /// An executor for an orchestrator whose code is missing. It can only be ended.
    #[must_use]
    pub fn without_code(header: Arc<ExecutionHeader>) -> Self {
        Self::new(header, Arc::new(|_, _| Box::pin(std::future::pending())), Limits::default(), None)
    }

    /// The code that it runs.
    pub(crate) fn program(&self) -> &Program {
        &self.program
    }

    /// Whose executor this is.
    #[must_use]
    pub fn header(&self) -> &Arc<ExecutionHeader> {
        self.handle.header()
    }

    /// The last turn that was run or replayed.
    #[must_use]
    pub fn turn(&self) -> u64 {
        self.turn
    }

    /// What the code waits for.
    #[must_use]
    pub fn waits(&self) -> Waits {
        let state = self.handle.shared.state.lock();
        let external = state.external();
        let (events, unread, places) = (external.awaited(), external.unread(), state.places().to_vec());
        Waits { tasks: state.open_tasks(), events, unread, places }
    }

    /// Where the code has made its last call in the turn that is not over: a fault has ended it. `None` when it made none there.
    #[must_use]
    pub fn last_call(&self) -> Option<SourceLocation> {
        self.handle.shared.state.lock().last_call()
    }

    /// Brings the executor to the end of a recorded history, and checks each of its turns.
    ///
    /// # Errors
    ///
    /// The code does something else than the history says, or waits for something that is not durable.
    pub fn replay(&mut self, history: &[HistoryRecord]) -> Result<(), ReplayFault> {
        for records in history.chunk_by(|a, b| a.turn == b.turn) {
            let first = &records[0];
            if self.completion.is_some() {
                return Err(self.ended_early(first.turn, &records[0].kind).into());
            }
            let received = records.iter().map(|record| &record.kind).filter(|kind| !kind.is_action());
            let outcome = self.run(first.turn, first.turn_time, received, Some(records))?;
            let recorded = || records.iter().map(|record| &record.kind).filter(|kind| kind.is_action());
            matching::compare(first.turn, recorded(), &outcome)?;
            matching::compare_markers(first.turn, recorded(), &outcome, |marker| {
                self.handle.shared.state.lock().markers.is_waived(marker)
            })?;
            self.handle.shared.state.lock().reuse(outcome.actions);
        }
        Ok(())
    }

    /// Runs the next turn and gives what the code decided in it.
    ///
    /// # Errors
    ///
    /// The code waits for something that is not durable, or completions refer to calls that it never made.
    #[expect(clippy::needless_pass_by_value, reason = "a turn takes its events, which come once")]
    pub fn run_turn(&mut self, input: TurnInput) -> Result<TurnOutcome, ReplayFault> {
        self.run(input.turn, input.time, input.events.iter(), None)
    }

    fn run<'a>(
        &mut self,
        turn: u64,
        time: Timestamp,
        events: impl Iterator<Item = &'a EventKind> + Clone,
        recorded: Option<&[HistoryRecord]>,
    ) -> Result<TurnOutcome, ReplayFault> {
        let _here = Here::replaying(recorded.is_some());
        self.turn = turn;
        let is_long = self.history_len >= self.handle.limits().history_events.soft;
        {
            let mut state = self.handle.shared.state.lock();
            self.check_strangers(&state)?;
            state.begin_turn(time, recorded.is_some());
            state.markers.begin_turn(recorded.map(markers), is_long);
        }
        let received = events.clone().count() as u64;
        self.root_waker.begin_turn();
        let delivered = self.deliver_all(events);
        self.root_waker.end_turn();
        delivered?;
        let mut outcome = self.take_outcome()?;
        self.limit_history(received, &mut outcome, recorded);
        Ok(outcome)
    }

    fn take_outcome(&mut self) -> Result<TurnOutcome, ForeignAwait> {
        let is_suspended = self.suspended && self.completion.is_none();
        let mut state = self.handle.shared.state.lock();
        self.check_strangers(&state)?;
        let mut outcome = match state.overflow.take() {
            Some(failure) => {
                self.completion = Some(Completion::Failed(failure));
                let custom_status = state.custom_status.clone();
                TurnOutcome { drop_tasks: true, custom_status, ..TurnOutcome::default() }
            }
            None => state.take_outcome(is_suspended),
        };
        outcome.drop_tasks |= matches!(self.completion, Some(Completion::Terminated(_)));
        outcome.for_children = std::mem::take(&mut self.for_children);
        outcome.completion = self.completion.clone().map(|completion| (state.take_task_id(), completion));
        Ok(outcome)
    }

    /// Counts the records of a turn. A history that becomes too long ends the instance, and nothing else of the turn counts.
    /// Whether it did is a matter of the time when the turn was live: a replay follows the record.
    fn limit_history(&mut self, received: u64, outcome: &mut TurnOutcome, recorded: Option<&[HistoryRecord]>) {
        let decided = outcome.actions.len() + outcome.canceled.len() + outcome.markers.len();
        let end = u64::from(outcome.completion.is_some());
        let size = self.history_len + received + decided as u64 + end;
        self.history_len = recorded.map_or(size, |records| self.history_len + records.len() as u64);
        let limit = self.handle.limits().history_events.hard;
        let starts_over_or_ends =
            matches!(self.completion, Some(Completion::ContinuedAsNew(_) | Completion::Terminated(_)));
        let failure = match recorded {
            Some(records) => records.iter().find_map(end_by_limit),
            None if size <= limit || starts_over_or_ends => None,
            None => {
                let what = format!("{THE_HISTORY} '{}'", self.header().instance);
                Some(limit_exceeded(&LimitExceeded { what, size, limit, unit: "events" }))
            }
        };
        let Some(failure) = failure else { return };
        self.completion = Some(Completion::Failed(failure.clone()));
        self.tear_down();
        let id = match outcome.completion {
            Some((id, _)) => id,
            None => self.handle.shared.state.lock().take_task_id(),
        };
        *outcome = TurnOutcome {
            drop_tasks: true,
            for_children: std::mem::take(&mut outcome.for_children),
            custom_status: outcome.custom_status.take(),
            completion: Some((id, Completion::Failed(failure))),
            ..TurnOutcome::default()
        };
    }

    /// The outcome that ends the instance without its code: nothing that the code did in this turn counts.
    #[must_use]
    pub fn end_without_code(self, completion: Completion) -> TurnOutcome {
        let id = self.handle.shared.state.lock().take_task_id();
        TurnOutcome { completion: Some((id, completion)), drop_tasks: true, ..TurnOutcome::default() }
    }

    fn deliver_all<'a>(&mut self, events: impl Iterator<Item = &'a EventKind> + Clone) -> Result<(), ReplayFault> {
        let is_start = |event: &EventKind| matches!(event, EventKind::ExecutionStarted(_));
        let is_end = |event: &&EventKind| matches!(event, EventKind::ExecutionTerminated { .. });
        if events.clone().any(is_start)
            && let Some(end) = events.clone().find(is_end)
        {
            // An instance that was terminated before it ran must not do anything.
            return self.deliver(end);
        }
        for event in events {
            self.deliver_next(event)?;
            if matches!(event, EventKind::ExecutionResumed { .. }) {
                for event in std::mem::take(&mut self.held) {
                    self.deliver_next(&event)?;
                }
            }
        }
        Ok(())
    }

    fn deliver_next(&mut self, event: &EventKind) -> Result<(), ReplayFault> {
        if self.completion.is_some() {
            self.deliver_after_end(event);
            return Ok(());
        }
        self.deliver(event)
    }

    /// Delivers one event and lets the code run until it can go no further.
    fn deliver(&mut self, event: &EventKind) -> Result<(), ReplayFault> {
        self.pass_on(event);
        match event {
            EventKind::ExecutionTerminated { reason, .. } => {
                self.completion = Some(Completion::Terminated(reason.clone()));
                self.tear_down();
                Ok(())
            }
            EventKind::ExecutionSuspended { .. } => {
                self.suspended = true;
                Ok(())
            }
            EventKind::ExecutionResumed { .. } => {
                self.suspended = false;
                Ok(())
            }
            event if self.suspended => {
                self.held.push(event.clone());
                Ok(())
            }
            EventKind::ExecutionStarted(header) => {
                self.root = Some((self.program)(self.handle.clone(), header.input.clone()));
                self.root_waker.note(None);
                self.run_code()
            }
            EventKind::TaskCompleted { task_id, result }
            | EventKind::SubOrchestrationInstanceCompleted { task_id, result } => {
                self.complete_task(*task_id, Ok(result.clone()))
            }
            EventKind::TaskFailed { task_id, failure }
            | EventKind::SubOrchestrationInstanceFailed { task_id, failure } => {
                self.complete_task(*task_id, Err(Box::new(failure.clone())))
            }
            EventKind::TimerFired { timer_id, .. } => self.complete_task(*timer_id, Ok(Payload::null())),
            EventKind::EventRaised { name, input } => {
                let wake = self.handle.shared.state.lock().raise_event(name, input.clone());
                self.resume(wake)
            }
            _ => Ok(()),
        }
    }

    /// What reaches the execution behind its end goes over to the next one, if there is one.
    fn deliver_after_end(&mut self, event: &EventKind) {
        let Some(Completion::ContinuedAsNew(next)) = &mut self.completion else { return };
        match event {
            EventKind::ExecutionTerminated { reason, .. } => {
                self.completion = Some(Completion::Terminated(reason.clone()));
                self.pass_on(event);
            }
            EventKind::EventRaised { .. } if self.keeps_events => next.carried.push(event.clone()),
            EventKind::ExecutionSuspended { .. } | EventKind::ExecutionResumed { .. } => {
                next.carried.push(event.clone());
            }
            _ => {}
        }
    }

    fn pass_on(&mut self, event: &EventKind) {
        if let EventKind::ExecutionTerminated { recursive: true, .. }
        | EventKind::ExecutionSuspended { recursive: true, .. }
        | EventKind::ExecutionResumed { recursive: true, .. } = event
        {
            self.for_children.push(event.clone());
        }
    }

    fn complete_task(&mut self, task: TaskId, result: Resolution) -> Result<(), ReplayFault> {
        let mut state = self.handle.shared.state.lock();
        if !state.knows(task) {
            let recorded = Side { what: "the completion of an action".to_owned(), source: None };
            let fault =
                NonDeterminism { turn: self.turn, task_id: Some(task), recorded: Some(recorded), produced: None };
            return Err(Box::new(fault).into());
        }
        let wake = state.complete_task(task, result);
        drop(state);
        self.resume(wake)
    }

    fn resume(&mut self, wake: Option<Waker>) -> Result<(), ReplayFault> {
        if let Some(waker) = wake {
            waker.wake();
        }
        // A leaf that nobody has polled wakes nobody, and what nobody waits for changes nothing.
        self.run_code()
    }

    fn check_strangers(&self, state: &State) -> Result<(), ForeignAwait> {
        if state.stray_call {
            return Err(ForeignAwait::StrayCall);
        }
        if self.root_waker.is_foreign() {
            return Err(ForeignAwait::ForeignWake);
        }
        Ok(())
    }

    fn ended_early(&self, turn: u64, next: &EventKind) -> Box<NonDeterminism> {
        Box::new(NonDeterminism {
            turn,
            task_id: None,
            recorded: Some(Side { what: format!("a further turn that begins with {}", next.name()), source: None }),
            produced: self.completion.as_ref().map(matching::end_side),
        })
    }

    /// Takes the future down. Nothing that its drops do counts as the code's doing.
    pub(super) fn tear_down(&mut self) {
        let drivers = {
            let mut state = self.handle.shared.state.lock();
            state.phase = Phase::TornDown;
            state.drivers.take_all()
        };
        self.root_waker.close();
        let root = self.root.take();
        // A panic in a drop must not reach the worker: the outcome stands already.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(root)));
        for driver in drivers {
            let _ = catch_unwind(AssertUnwindSafe(|| drop(driver)));
        }
    }
}

/// The markers that a turn has recorded.
fn markers(records: &[HistoryRecord]) -> Vec<String> {
    let marker = |record: &HistoryRecord| match &record.kind {
        EventKind::MarkerRecorded { marker } => Some(marker.clone()),
        _ => None,
    };
    records.iter().filter_map(marker).collect()
}

/// The recorded failure of an instance whose history became too long.
fn end_by_limit(record: &HistoryRecord) -> Option<FailureDetails> {
    match &record.kind {
        EventKind::ExecutionCompleted { failure: Some(failure), .. }
            if failure.error_type == "LimitExceeded" && failure.error_message.starts_with(THE_HISTORY) =>
        {
            Some(failure.clone())
        }
        _ => None,
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        // The code did not decide to be dropped, and will come this way again.
        let _here = Here::replaying(true);
        self.tear_down();
    }
}

impl fmt::Debug for Executor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Executor")
            .field("instance", &self.handle.header().instance)
            .field("turn", &self.turn)
            .field("completion", &self.completion)
            .finish_non_exhaustive()
    }
}
