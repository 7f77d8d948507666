//! The executor of one orchestration.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::fault::{ForeignAwait, NonDeterminism, ReplayFault, Side};
use super::handle::ReplayHandle;
use super::leaf::LeafResult;
use super::matching;
use super::silence::Here;
use super::state::{Phase, State};
use super::turn::{TurnInput, TurnOutcome};
use super::waker::{RootWaker, WakeHook};
use crate::BoxFuture;
use crate::history::{Completion, Continuation, EventKind, ExecutionHeader, HistoryRecord};
use crate::model::{FailureDetails, Limits, Payload, TaskId, Version};

/// How often the code may wake itself in a row without a durable call. `FuturesUnordered` and `join_all` yield to be
/// fair, far less often than this.
const MAX_IDLE_POLLS: u32 = 10_000;

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
    handle: ReplayHandle,
    program: Program,
    root: Option<BoxFuture<'static, Result<Ended, FailureDetails>>>,
    root_waker: Arc<RootWaker>,
    waker: Waker,
    turn: u64,
    completion: Option<Completion>,
}

impl Executor {
    /// An executor that has not run yet. `hook` is called when something foreign wakes the code between two turns.
    #[must_use]
    pub fn new(header: Arc<ExecutionHeader>, program: Program, limits: Limits, hook: Option<WakeHook>) -> Self {
        let root_waker = RootWaker::new(hook);
        Self {
            handle: ReplayHandle::new(header, limits),
            program,
            root: None,
            waker: Waker::from(Arc::clone(&root_waker)),
            root_waker,
            turn: 0,
            completion: None,
        }
    }

    /// An executor for an orchestrator whose code is missing. It can only be ended.
    #[must_use]
    pub fn without_code(header: Arc<ExecutionHeader>) -> Self {
        Self::new(header, Arc::new(|_, _| Box::pin(std::future::pending())), Limits::default(), None)
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
            let input = TurnInput { turn: first.turn, time: first.turn_time, events: received.cloned().collect() };
            let outcome = self.run(input, true)?;
            let recorded = records.iter().map(|record| &record.kind).filter(|kind| kind.is_action());
            matching::compare(first.turn, recorded, &outcome)?;
        }
        Ok(())
    }

    /// Runs the next turn and gives what the code decided in it.
    ///
    /// # Errors
    ///
    /// The code waits for something that is not durable, or completions refer to calls that it never made.
    pub fn run_turn(&mut self, input: TurnInput) -> Result<TurnOutcome, ReplayFault> {
        self.run(input, false)
    }

    fn run(&mut self, input: TurnInput, replaying: bool) -> Result<TurnOutcome, ReplayFault> {
        self.check_strangers()?;
        let _here = Here::replaying(replaying);
        self.turn = input.turn;
        {
            let mut state = self.handle.shared.state.lock();
            state.now = input.time;
            state.replaying = replaying;
        }
        self.root_waker.begin_turn();
        let delivered = input.events.into_iter().try_for_each(|event| self.deliver(event));
        self.root_waker.end_turn();
        delivered?;
        self.check_strangers()?;
        let mut state = self.handle.shared.state.lock();
        let mut outcome = state.take_outcome();
        outcome.drop_tasks = matches!(self.completion, Some(Completion::Terminated(_)));
        outcome.completion = self.completion.clone().map(|completion| (state.take_task_id(), completion));
        Ok(outcome)
    }

    /// The outcome that ends the instance without its code: nothing that the code did in this turn counts.
    #[must_use]
    pub fn end_without_code(self, completion: Completion) -> TurnOutcome {
        let id = self.handle.shared.state.lock().take_task_id();
        TurnOutcome { completion: Some((id, completion)), drop_tasks: true, ..TurnOutcome::default() }
    }

    /// Delivers one event and lets the code run until it can go no further.
    fn deliver(&mut self, event: EventKind) -> Result<(), ReplayFault> {
        if self.completion.is_some() {
            return Ok(());
        }
        match event {
            EventKind::ExecutionStarted(header) => {
                self.root = Some((self.program)(self.handle.clone(), header.input.clone()));
                self.run_code()
            }
            EventKind::TaskCompleted { task_id, result } => self.complete_task(task_id, Ok(result)),
            EventKind::TaskFailed { task_id, failure } => self.complete_task(task_id, Err(failure)),
            EventKind::TimerFired { timer_id, .. } => self.complete_task(timer_id, Ok(Payload::null())),
            EventKind::EventRaised { name, input } => self.resume_with(|state| state.raise_event(&name, input)),
            EventKind::ExecutionTerminated { reason, .. } => {
                self.completion = Some(Completion::Terminated(reason));
                self.tear_down();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn complete_task(&mut self, task: TaskId, result: LeafResult) -> Result<(), ReplayFault> {
        if !self.handle.shared.state.lock().knows(task) {
            let recorded = Side { what: "the completion of an action".to_owned(), source: None };
            let fault =
                NonDeterminism { turn: self.turn, task_id: Some(task), recorded: Some(recorded), produced: None };
            return Err(Box::new(fault).into());
        }
        self.resume_with(|state| state.complete_task(task, result))
    }

    fn resume_with(&mut self, deliver: impl FnOnce(&mut State) -> Option<Waker>) -> Result<(), ReplayFault> {
        let wake = deliver(&mut self.handle.shared.state.lock());
        if let Some(waker) = wake {
            waker.wake();
        }
        // A leaf that nobody has polled wakes nobody, and what nobody waits for changes nothing.
        if self.root_waker.take_woken() { self.run_code() } else { Ok(()) }
    }

    /// Polls the code until it is done, or pending with no wake outstanding.
    fn run_code(&mut self) -> Result<(), ReplayFault> {
        let mut idle_polls = 0;
        let mut calls = self.handle.shared.state.lock().calls();
        loop {
            self.root_waker.take_woken();
            if let Some(completion) = self.poll_code() {
                self.completion = Some(completion);
                self.tear_down();
                return Ok(());
            }
            let state = self.handle.shared.state.lock();
            if !self.root_waker.take_woken() {
                return if state.waiting() == 0 { Err(ForeignAwait::NothingDurable.into()) } else { Ok(()) };
            }
            idle_polls = if state.calls() == calls { idle_polls + 1 } else { 0 };
            calls = state.calls();
            if idle_polls > MAX_IDLE_POLLS {
                return Err(ForeignAwait::Spinning.into());
            }
        }
    }

    fn poll_code(&mut self) -> Option<Completion> {
        let root = self.root.as_mut()?;
        self.handle.shared.state.lock().phase = Phase::Running(std::thread::current().id());
        let polled = catch_unwind(AssertUnwindSafe(|| root.as_mut().poll(&mut Context::from_waker(&self.waker))));
        let completion = match polled {
            Ok(Poll::Pending) => None,
            Ok(Poll::Ready(Ok(Ended::Output(output)))) => Some(Completion::Completed(output)),
            Ok(Poll::Ready(Ok(Ended::ContinueAsNew { input, version, .. }))) => {
                Some(Completion::ContinuedAsNew(Box::new(Continuation { input, version, carried: Vec::new() })))
            }
            Ok(Poll::Ready(Err(failure))) => Some(Completion::Failed(failure)),
            Err(panic) => Some(Completion::Failed(FailureDetails::from_panic(panic))),
        };
        self.handle.shared.state.lock().phase = Phase::Parked;
        completion
    }

    fn check_strangers(&self) -> Result<(), ReplayFault> {
        if self.handle.shared.state.lock().stray_call {
            return Err(ForeignAwait::StrayCall.into());
        }
        if self.root_waker.is_foreign() {
            return Err(ForeignAwait::ForeignWake.into());
        }
        Ok(())
    }

    fn ended_early(&self, turn: u64, next: &EventKind) -> Box<NonDeterminism> {
        let ended = self.completion.as_ref().map(|end| format!("the end of the orchestration as {}", end.status()));
        Box::new(NonDeterminism {
            turn,
            task_id: None,
            recorded: Some(Side { what: format!("a further turn that begins with {}", next.name()), source: None }),
            produced: ended.map(|what| Side { what, source: None }),
        })
    }

    /// Takes the future down. Nothing that its drops do counts as the code's doing.
    fn tear_down(&mut self) {
        self.handle.shared.state.lock().phase = Phase::TornDown;
        self.root_waker.close();
        let root = self.root.take();
        // A panic in a drop must not reach the worker: the outcome stands already.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(root)));
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
