//! Running turns.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::Span;

use super::{CheckedTurn, NonDeterminismPolicy, Refusal, RefusalReason, Shared, VersionMismatch, WorkerOptions};
use crate::engine::{Rehearsal, SourceError, TurnWork, WorkSource, without_budget};
use crate::history::{Completion, EventKind, ExecutionHeader};
use crate::model::{FailureDetails, FunctionName, NameList, Version};
use crate::registry::Registry;
use crate::replay::{Executor, Program, ReplayFault, TurnInput, TurnOutcome, WakeHook};

/// Runs turns until there are none any more.
pub(super) async fn take_turns(shared: Arc<Shared>, slots: Arc<Semaphore>) {
    while let Ok(slot) = Arc::clone(&slots).acquire_owned().await {
        let Some(work) = shared.source.next_turn().await else { return };
        shared.running.spawn(Arc::clone(&shared).run_turn(work, slot));
    }
}

/// What a turn comes to: its outcome with the executor that has run it, unless that is over; `Err(Some(reason))` to put the
/// instance aside, or `Err(None)` when it is not ours any more.
type Decided = Result<(TurnOutcome, Option<Box<Executor>>), Option<String>>;

/// Why a turn has no outcome.
enum Trouble {
    /// The source does not want it any more.
    Lost(SourceError),
    /// The code and the history differ, or the code awaits what is not durable.
    Fault(ReplayFault, Option<Box<Executor>>),
    /// This program does not have the orchestrator, or not in the instance's version.
    Missing(Box<FailureDetails>, bool),
}

/// Runs orchestrators for nothing but their faults.
pub(super) fn rehearsal(registry: Registry, options: &WorkerOptions) -> Rehearsal {
    let (limits, order) = (options.limits, options.event_order);
    Arc::new(move |header, history| {
        let Some(program) = registry.orchestrator(&header.name, header.version.as_ref()) else {
            return Err(no_code(&registry, &header.name, header.version.as_ref()));
        };
        let executor = Executor::new(Arc::clone(header), program, limits, None);
        let mut executor = executor.with_event_order(order);
        executor.replay(history).map_err(|fault| fault.to_failure())
    })
}

/// Why there is no code for an instance.
fn no_code(registry: &Registry, name: &FunctionName, version: Option<&Version>) -> FailureDetails {
    let versions = registry.versions(name);
    if versions.is_empty() {
        let known = registry.orchestrator_names();
        let message = format!("there is no orchestrator '{name}'; registered are: {}", NameList(&known));
        return FailureDetails::new("OrchestratorTaskNotFound", message).non_retriable();
    }
    let text = |version: Option<&Version>| version.map_or_else(|| "none".to_owned(), ToString::to_string);
    let known: Vec<_> = versions.iter().map(|version| text(version.as_ref())).collect();
    let message =
        format!("orchestrator '{name}' has no version {}; registered are: {}", text(version), known.join(", "));
    FailureDetails::new("VersionMismatch", message).non_retriable()
}

impl Shared {
    /// A task is copied several times while it is spawned, so this one keeps little across its waits, and what only some turns
    /// need stands on the heap.
    #[expect(clippy::manual_async_fn, reason = "an async function keeps its arguments twice")]
    pub(super) fn run_turn(
        self: Arc<Self>,
        mut work: TurnWork,
        slot: OwnedSemaphorePermit,
    ) -> impl Future<Output = ()> + Send {
        async move {
            let held = self.check.as_ref().and_then(|check| check.before(&work.header, &work.input));
            if let Some(held) = held {
                held.await;
            }
            let executor = match self.warm.take(&work) {
                Some(executor) => Ok(executor),
                None => Box::pin(self.replayed(&work)).await,
            };
            let decided = match self.check {
                None => self.decide(&mut work, executor),
                Some(_) => Box::pin(self.decide_checked(&mut work, executor)).await,
            };
            match decided {
                Ok((outcome, executor)) => self.commit(work, outcome, executor, slot),
                Err(Some(reason)) => Box::pin(self.stall(work, reason)).await,
                Err(None) => {}
            }
        }
    }

    fn decide(&self, work: &mut TurnWork, executor: Result<Box<Executor>, Trouble>) -> Decided {
        // The events are needed again only if the turn fails, and then only for one question.
        let terminated = termination(work);
        match executor {
            Ok(mut executor) => {
                let events = std::mem::take(&mut work.input.events);
                let input = TurnInput { events, ..work.input };
                let span = turn_span(work);
                match without_budget(|| span.in_scope(|| executor.run_turn(input))) {
                    Ok(outcome) => Ok((outcome, Some(executor))),
                    Err(fault) => self.settle(work, terminated, Trouble::Fault(fault, Some(executor))),
                }
            }
            Err(trouble) => self.settle(work, terminated, trouble),
        }
    }

    async fn decide_checked(&self, work: &mut TurnWork, executor: Result<Box<Executor>, Trouble>) -> Decided {
        let input = work.input.clone();
        let decided = self.decide(work, executor);
        if let Ok((outcome, Some(executor))) = &decided {
            self.check(work, &input, outcome, executor.program()).await;
        }
        decided
    }

    async fn stall(&self, work: TurnWork, reason: String) {
        let instance = &work.header.instance;
        let pause = self.warm.next_pause(instance, self.options.stall_pause);
        tracing::error!(%instance, %reason, ?pause, "the instance is stalled");
        if let Err(error) = self.source.stall_turn(work.lease, reason, pause).await {
            tracing::error!(%instance, %error, "a stalled instance could not be put aside");
        }
    }

    async fn check(&self, work: &TurnWork, input: &TurnInput, outcome: &TurnOutcome, program: &Program) {
        let Some(check) = &self.check else { return };
        let header = &work.header;
        let history = if !check.wants_history(header, input, outcome) {
            None
        } else if work.prior_turn == 0 {
            Some(Vec::new())
        } else {
            self.source.read_history(&work.lease).await.ok()
        };
        let WorkerOptions { limits, event_order: order, .. } = self.options;
        let history = history.as_deref();
        let registry = &self.registry;
        let turn = CheckedTurn { header, history, input, outcome, registry, program, limits, order };
        without_budget(|| check.check(&turn));
    }

    /// Hands the outcome to the source. The slot is free once the turn is durable.
    fn commit(
        self: Arc<Self>,
        work: TurnWork,
        outcome: TurnOutcome,
        executor: Option<Box<Executor>>,
        slot: OwnedSemaphorePermit,
    ) {
        let TurnWork { lease, header, epoch, input, .. } = work;
        let number = lease.number();
        // Kept before the commit: the next turn may come before anybody hears of it, and must not find the place empty.
        if let (None, Some(executor)) = (&outcome.completion, executor) {
            self.warm.keep(number, epoch, executor);
        }
        let (shared, running) = (Arc::clone(&self), self.running.token());
        let told = move |committed| {
            match committed {
                Ok(()) => shared.warm.went_on(&header.instance),
                Err(error) => {
                    // What the executor did is not what the store has: it goes, and the instance is read again.
                    if let Some(executor) = shared.warm.remove(number, epoch, input.turn) {
                        // Its destructors are user code, which must not hold up whoever tells of commits.
                        shared.running.spawn(async move { drop(executor) });
                    }
                    // Whatever took the instance away, or is the matter with the store, was told once, for all that had a turn
                    // at that time.
                    let instance = &header.instance;
                    tracing::debug!(%instance, %error, "a turn was not committed");
                }
            }
            drop(shared);
            drop((slot, running));
        };
        self.source.complete_turn(lease, outcome, Box::new(told));
    }

    /// An executor that has replayed the history.
    async fn replayed(self: &Arc<Self>, work: &TurnWork) -> Result<Box<Executor>, Trouble> {
        let program = self.program(work)?;
        let hook = Some(self.wake_hook(work));
        let executor = Executor::new(Arc::clone(&work.header), program, self.options.limits, hook);
        let mut executor = Box::new(executor.with_event_order(self.options.event_order));
        if work.prior_turn > 0 {
            let history = self.source.read_history(&work.lease).await.map_err(Trouble::Lost)?;
            if let Err(fault) = without_budget(|| executor.replay(&history)) {
                return Err(Trouble::Fault(fault, Some(executor)));
            }
        }
        Ok(executor)
    }

    /// The code of an instance, unless this worker leaves it to others.
    fn program(&self, work: &TurnWork) -> Result<Program, Trouble> {
        let (name, version) = (&work.header.name, work.header.version.as_ref());
        if !self.options.version_match.takes(self.options.version.as_ref(), version) {
            let text = |version: Option<&Version>| version.map_or_else(|| "none".to_owned(), ToString::to_string);
            let message = format!(
                "the instance has the version {}, and this worker of version {} takes {:?} versions",
                text(version),
                text(self.options.version.as_ref()),
                self.options.version_match
            );
            return Err(Trouble::Missing(
                Box::new(FailureDetails::new("VersionMismatch", message).non_retriable()),
                true,
            ));
        }
        self.registry.orchestrator(name, version).ok_or_else(|| {
            let is_mismatch = !self.registry.versions(name).is_empty();
            Trouble::Missing(Box::new(no_code(&self.registry, name, version)), is_mismatch)
        })
    }

    /// Asks for a turn when something foreign wakes the code between its turns, so that the fault shows at once.
    fn wake_hook(self: &Arc<Self>, work: &TurnWork) -> WakeHook {
        let source: std::sync::Weak<dyn WorkSource> = Arc::downgrade(&self.source);
        let instance = work.header.instance.clone();
        let runtime = tokio::runtime::Handle::current();
        Arc::new(move || {
            if let Some(source) = source.upgrade() {
                let instance = instance.clone();
                runtime.spawn(async move { source.nudge(&instance).await });
            }
        })
    }

    /// What becomes of a turn in trouble.
    fn settle(&self, work: &TurnWork, terminated: Option<Option<String>>, trouble: Trouble) -> Decided {
        let instance = &work.header.instance;
        let (failure, executor, stalls, reason) = match trouble {
            Trouble::Lost(SourceError::Corrupt(error)) => {
                (FailureDetails::from_error("CorruptHistory", &error), None, true, None)
            }
            Trouble::Lost(error) if matches!(error, SourceError::Backend(_)) => {
                (FailureDetails::from_error("StoreFailed", &error), None, true, None)
            }
            Trouble::Lost(_) => return Err(None),
            Trouble::Fault(fault, executor) => {
                tracing::error!(%instance, name = %work.header.name, %fault, "a turn cannot be trusted");
                let stalls = fault.is_non_determinism() && self.options.non_determinism == NonDeterminismPolicy::Stall;
                let reason = match &fault {
                    ReplayFault::ForeignAwait(_) => RefusalReason::ForeignAwait {
                        last_call: executor.as_ref().and_then(|executor| executor.last_call()),
                    },
                    ReplayFault::NonDeterminism(_) => RefusalReason::NonDeterminism,
                };
                (fault.to_failure(), executor, stalls, Some(reason))
            }
            // It was there when the instance was started, so a deployment has forgotten it.
            Trouble::Missing(failure, is_mismatch) => {
                let stalls = if is_mismatch {
                    self.options.version_mismatch == VersionMismatch::Reject
                } else {
                    self.options.non_determinism == NonDeterminismPolicy::Stall
                };
                (*failure, None, stalls, Some(RefusalReason::Missing))
            }
        };
        if let (Some(reason), None, Some(check)) = (reason, &terminated, &self.check) {
            check.refused(&work.header, &Refusal { reason, failure: failure.clone(), stalls });
        }
        let completion = match terminated {
            Some(reason) => Completion::Terminated(reason),
            None if stalls => return Err(Some(failure.to_string())),
            None => Completion::Failed(failure),
        };
        let executor = executor.map_or_else(|| Executor::without_code(Arc::clone(&work.header)), |executor| *executor);
        Ok((executor.end_without_code(completion), None))
    }
}

/// What everything that the code logs in this turn carries. A replay has none: nothing of it is logged.
fn turn_span(work: &TurnWork) -> Span {
    let ExecutionHeader { instance, execution, name, .. } = &*work.header;
    let turn = work.input.turn;
    tracing::info_span!(target: "durable", "orchestration", %instance, function = %name, %execution, turn)
}

/// The reason, if the turn's events contain a termination: it needs no code, so nothing keeps it from happening.
fn termination(work: &TurnWork) -> Option<Option<String>> {
    work.input.events.iter().find_map(|event| match event {
        EventKind::ExecutionTerminated { reason, .. } => Some(reason.clone()),
        _ => None,
    })
}
