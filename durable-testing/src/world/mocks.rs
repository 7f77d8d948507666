//! Mocked activities and sub-orchestrations: their answers, and the calls that reached them.

use std::collections::{HashMap, HashSet};
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use durable_core::activity::ActivityContext;
use durable_core::backend::{ActivityRow, InstanceRow};
use durable_core::engine::Clock as _;
use durable_core::model::{FailureDetails, FunctionName, InstanceId, Payload, TaskId, Timestamp};
use durable_core::orchestration::OrchestrationContext;
use durable_core::registry::{ActivityProgram, StandIns, program};
use durable_core::replay::{Ended, Program};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::gate::Kind;
use super::journal::Journal;
use super::shapes::Shape;
use super::time::WorldClock;
use crate::faults::FaultyBackend;

/// One call that reached a mock.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct MockCall<I = serde_json::Value> {
    /// The function that was called.
    pub function: FunctionName,
    /// Who called; for a sub-orchestration its own instance.
    pub instance: InstanceId,
    /// What it was given.
    pub input: I,
    /// Which attempt of a retried call this was, from 1.
    pub attempt: u32,
    /// How often this very call was handed out, counting this time: more than 1 after a crash.
    pub delivery: u32,
    /// When it was called, on the clock of the world.
    pub at: Timestamp,
    /// Its place among all calls of the world, from 0.
    pub order: usize,
}

/// What a mock does when it is called.
#[derive(Clone)]
pub(super) enum Answer {
    Returns(Payload),
    Fails(FailureDetails),
    Panics(String),
    Hangs,
    /// The process dies of it.
    Dies,
    Does(Arc<dyn Fn(Payload, u32) -> Result<Payload, FailureDetails> + Send + Sync>),
}

/// An answer, and how much time passes before it is given.
#[derive(Clone)]
pub(super) struct Step {
    pub(super) takes: Duration,
    pub(super) times: u32,
    pub(super) answer: Answer,
}

/// The answers of one function, in turn. The last one is given to every further call.
#[derive(Clone, Default)]
pub(super) struct Steps {
    steps: Vec<Step>,
    given: u32,
}

impl Steps {
    pub(super) fn push(&mut self, answer: Answer, times: u32) {
        self.steps.push(Step { takes: Duration::ZERO, times, answer });
    }

    pub(super) fn last_mut(&mut self) -> Option<&mut Step> {
        self.steps.last_mut()
    }

    fn has_any(&self) -> bool {
        !self.steps.is_empty()
    }

    /// How many of several answers were not given.
    fn unused(&self) -> Option<u32> {
        let all: u32 = self.steps.iter().map(|step| step.times).sum();
        (all > 1 && self.given < all).then(|| all - self.given)
    }

    /// True when it does not matter which call is the first one.
    fn are_all_the_same(&self) -> bool {
        matches!(
            &*self.steps,
            [] | [Step {
                answer: Answer::Returns(_) | Answer::Fails(_) | Answer::Panics(_) | Answer::Hangs | Answer::Dies,
                ..
            }]
        )
    }

    fn next(&mut self) -> Option<Step> {
        let mut first = 0;
        let at = self.steps.iter().find(|step| {
            first += step.times;
            self.given < first
        });
        let step = at.or(self.steps.last())?.clone();
        self.given += 1;
        Some(step)
    }
}

/// Everything that stands in for functions of a world.
pub(super) struct Mocks {
    tables: Mutex<Tables>,
    journal: Arc<Journal>,
    clock: WorldClock,
    faults: Arc<FaultyBackend>,
    /// There are other answers.
    changed: Notify,
    /// Real activities: what is neither here nor mocked is a mistake of the test.
    pub(super) real: Vec<FunctionName>,
}

#[derive(Clone, Default)]
pub(super) struct Tables {
    activities: HashMap<FunctionName, Steps>,
    orchestrators: HashMap<FunctionName, Steps>,
    /// The answer that each mocked orchestration has got: a replay gets it again.
    settled: HashMap<(InstanceId, String), Option<Step>>,
    /// The answer that each call of an activity has got: when it is handed out again, it gets it again.
    given: HashMap<CallKey, Given>,
    /// Calls that were under way in a past to which a test has gone back: they wait for its answers.
    open: HashSet<(InstanceId, TaskId)>,
    /// Mocked orchestrations that were under way in such a past: they wait as well.
    waiting: HashSet<(InstanceId, String)>,
    /// Mocked orchestrations that wait for their turn among other answers.
    in_turn: HashSet<(InstanceId, String)>,
    calls: Vec<MockCall>,
    runs: Vec<Run>,
}

/// One call, and one attempt of it.
type CallKey = (String, TaskId);

fn key(ctx: &ActivityContext) -> CallKey {
    (ctx.idempotency_key(), ctx.task_id())
}

/// The answer that a call has got.
#[derive(Clone)]
struct Given {
    step: Step,
    until: Timestamp,
    is_under_way: bool,
    /// What happens when it is handed out for the first time, as it seems, once more.
    again: Again,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Again {
    /// It is called once more, and gets the next answer: it was taken back.
    Next,
    /// It begins again: its process was shut down.
    Same,
    /// It goes on: it was under way when its world was copied.
    GoesOn,
}

/// One run of an activity, mocked or real.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub(super) function: FunctionName,
    pub(super) instance: InstanceId,
    pub(super) task: TaskId,
    pub(super) input: Payload,
    pub(super) delivery: u32,
}

impl Tables {
    /// Those of a past in which these activities and mocked orchestrations are under way. What a test has said of the future
    /// does not hold there: only which functions are mocked.
    pub(super) fn of_the_past(mut self, open: &[ActivityRow], under_way: &[InstanceRow]) -> Self {
        self.activities.values_mut().chain(self.orchestrators.values_mut()).for_each(|steps| *steps = Steps::default());
        let id = |id: &str| InstanceId::new(id).ok();
        self.open = open.iter().filter_map(|call| Some((id(&call.instance)?, call.call.task()))).collect();
        self.waiting = under_way.iter().filter_map(|row| Some((id(&row.id)?, row.execution.clone()))).collect();
        for name in under_way.iter().filter_map(|row| FunctionName::new(&row.name).ok()) {
            self.orchestrators.entry(name).or_default();
        }
        self.settled.retain(|key, _| !self.waiting.contains(key));
        self.in_turn.retain(|key| !self.waiting.contains(key));
        self.given.clear();
        Self { calls: Vec::new(), runs: Vec::new(), ..self }
    }

    /// Calls that are under way begin again without being counted as called again.
    fn repeat(&mut self, again: Again) {
        for given in self.given.values_mut().filter(|given| given.is_under_way) {
            given.again = again;
        }
    }

    /// The answer for a call and the time of it; and whether it goes on, so that it does not count as a call.
    fn answer(&mut self, ctx: &ActivityContext, now: Timestamp) -> (Option<(Step, Timestamp)>, bool) {
        let key = key(ctx);
        let until = |step: &Step| now.saturating_add(step.takes);
        if let Some(given) = self.given.get_mut(&key) {
            let again = std::mem::replace(&mut given.again, Again::Next);
            given.is_under_way = true;
            if again == Again::GoesOn {
                return (Some((given.step.clone(), given.until)), true);
            }
            let dies = matches!(given.step.answer, Answer::Dies);
            if !dies && (again == Again::Same || ctx.delivery() > 1) {
                given.until = until(&given.step);
                return (Some((given.step.clone(), given.until)), false);
            }
        }
        let Some(step) = self.activities.get_mut(ctx.name()).and_then(Steps::next) else { return (None, false) };
        let until = until(&step);
        let given = Given { step: step.clone(), until, is_under_way: true, again: Again::Next };
        self.given.insert(key, given);
        (Some((step, until)), false)
    }
}

impl Mocks {
    pub(super) fn new(
        tables: Tables,
        journal: Arc<Journal>,
        (clock, faults): (WorldClock, Arc<FaultyBackend>),
        real: Vec<FunctionName>,
    ) -> Arc<Self> {
        Arc::new(Self { tables: Mutex::new(tables), journal, clock, faults, changed: Notify::new(), real })
    }

    /// What an orchestration has died of is not its answer.
    pub(super) fn next_process(&self) {
        let dies = |step: &Option<Step>| matches!(step, Some(Step { answer: Answer::Dies, .. }));
        self.tables.lock().settled.retain(|_, step| !dies(step));
    }

    /// A copy of all answers and calls, for a copy of the world.
    pub(super) fn tables(&self) -> Tables {
        let mut tables = self.tables.lock().clone();
        tables.repeat(Again::GoesOn);
        tables
    }

    /// What is under way will begin again: the process is shut down.
    pub(super) fn run_again(&self) {
        self.tables.lock().repeat(Again::Same);
    }

    /// Every run of an activity, mocked or real, in order.
    pub(super) fn runs(&self) -> Vec<Run> {
        self.tables.lock().runs.clone()
    }

    fn note_run(&self, ctx: &ActivityContext, input: &Payload) {
        let run = Run {
            function: ctx.name().clone(),
            instance: ctx.instance_id().clone(),
            task: ctx.task_id(),
            input: input.clone(),
            delivery: ctx.delivery(),
        };
        self.tables.lock().runs.push(run);
    }

    pub(super) fn calls(&self) -> Vec<MockCall> {
        self.tables.lock().calls.clone()
    }

    pub(super) fn of_activity<T>(&self, name: &FunctionName, change: impl FnOnce(&mut Steps) -> T) -> T {
        let changed = change(self.tables.lock().activities.entry(name.clone()).or_default());
        self.changed.notify_waiters();
        changed
    }

    pub(super) fn of_orchestrator<T>(&self, name: &FunctionName, change: impl FnOnce(&mut Steps) -> T) -> T {
        self.journal.gate.has_mock(name);
        let changed = change(self.tables.lock().orchestrators.entry(name.clone()).or_default());
        self.changed.notify_waiters();
        changed
    }

    /// The instances of these that are alive and run by a mock.
    pub(super) fn under_way(&self, rows: Vec<InstanceRow>) -> Vec<InstanceRow> {
        let tables = self.tables.lock();
        let is_mocked = |row: &InstanceRow| {
            let Ok(id) = InstanceId::new(&row.id) else { return false };
            let key = (id, row.execution.clone());
            let name = FunctionName::new(&row.name);
            tables.settled.contains_key(&key)
                || tables.waiting.contains(&key)
                || (row.turn == 0 && name.is_ok_and(|name| tables.orchestrators.contains_key(&name)))
        };
        rows.into_iter().filter(|row| !row.status.is_terminal() && is_mocked(row)).collect()
    }

    /// Functions that were called less often than they have answers, and how many are left. A single answer may stay unused.
    pub(super) fn unused(&self) -> Vec<(FunctionName, u32)> {
        let tables = self.tables.lock();
        let all = tables.activities.iter().chain(&tables.orchestrators);
        let mut unused: Vec<_> = all.filter_map(|(name, steps)| Some((name.clone(), steps.unused()?))).collect();
        unused.sort_by_key(|(name, _)| name.folded());
        unused
    }

    /// Knows the types of an activity from now on.
    pub(super) fn knows(&self, name: &FunctionName, shape: Shape) {
        self.journal.round_trips.mocks_activity(name.clone(), shape);
    }

    fn note(&self, function: &FunctionName, instance: &InstanceId, input: &Payload, (attempt, delivery): (u32, u32)) {
        let mut tables = self.tables.lock();
        let call = MockCall {
            function: function.clone(),
            instance: instance.clone(),
            input: input.decode().unwrap_or_default(),
            attempt,
            delivery,
            at: self.clock.coarse(),
            order: tables.calls.len(),
        };
        tables.calls.push(call);
    }

    /// Which answer a call gets may depend on the order of calls.
    fn touch(&self, name: &FunctionName) {
        let tables = self.tables.lock();
        let steps = [&tables.activities, &tables.orchestrators].into_iter().find_map(|steps| steps.get(name));
        if steps.is_some_and(|steps| !steps.are_all_the_same()) {
            self.journal.gate.touch_mock(name);
        }
    }

    async fn run_activity(self: Arc<Self>, ctx: ActivityContext, input: Payload) -> Result<Payload, FailureDetails> {
        let mut changed = self.changed.notified();
        let (mut given, goes_on) = self.tables.lock().answer(&ctx, self.clock.coarse());
        if !goes_on {
            self.note(ctx.name(), ctx.instance_id(), &input, (ctx.attempt(), ctx.delivery()));
            self.note_run(&ctx, &input);
            self.touch(ctx.name());
        }
        while given.is_none() && self.tables.lock().open.contains(&(ctx.instance_id().clone(), ctx.task_id())) {
            changed.await;
            changed = self.changed.notified();
            (given, _) = self.tables.lock().answer(&ctx, self.clock.coarse());
        }
        let Some((step, until)) = given else {
            return Err(self.unexpected("activity", ctx.name(), ctx.instance_id(), &input));
        };
        if !step.takes.is_zero() {
            self.clock.sleep_until(until).await;
        }
        if !matches!(step.answer, Answer::Hangs)
            && let Some(given) = self.tables.lock().given.get_mut(&key(&ctx))
        {
            given.is_under_way = false;
        }
        if !matches!(step.answer, Answer::Hangs) {
            self.journal.gate.pass(Kind::Answer, label(&ctx), ctx.instance_id()).await;
        }
        let result = match step.answer {
            Answer::Returns(output) => Ok(output),
            Answer::Fails(failure) => Err(failure),
            Answer::Panics(message) => std::panic::panic_any(message),
            Answer::Hangs => std::future::pending().await,
            Answer::Dies => {
                self.faults.die_now();
                std::future::pending().await
            }
            Answer::Does(answer) => answer(input, ctx.attempt()),
        };
        self.journal.look_at_result(ctx.name(), ctx.instance_id(), &result);
        result
    }

    async fn run_orchestrator(
        self: Arc<Self>,
        ctx: OrchestrationContext,
        input: Payload,
    ) -> Result<Ended, FailureDetails> {
        let key = (ctx.instance_id().clone(), ctx.execution_id().to_string());
        if self.tables.lock().waiting.contains(&key) {
            let asked = (ctx.name().as_str(), key.1.as_str(), &input);
            let _: Result<(), _> = ctx.call_activity(ANSWER, asked).await;
        }
        let known = self.tables.lock().settled.get(&key).cloned();
        let step = known.unwrap_or_else(|| self.settle(ctx.name(), key.clone(), &input));
        let Some(step) = step else {
            return Err(self.unexpected("orchestrator", ctx.name(), ctx.instance_id(), &input));
        };
        if !step.takes.is_zero() {
            ctx.create_timer(step.takes).await;
        }
        let is_in_turn = self.tables.lock().in_turn.contains(&key);
        if is_in_turn && !matches!(step.answer, Answer::Hangs) {
            let _: Result<(), _> = ctx.call_activity(TURN, ()).await;
        }
        match step.answer {
            Answer::Returns(output) => Ok(Ended::Output(output)),
            Answer::Fails(failure) => Err(failure),
            Answer::Panics(message) => std::panic::panic_any(message),
            Answer::Hangs | Answer::Dies => {
                if matches!(step.answer, Answer::Dies) {
                    self.faults.die_now();
                }
                let _: Result<Payload, _> = ctx.wait_for_external_event("this mock never answers").await;
                Err(FailureDetails::new("Error", "somebody has raised the event that a hanging mock waits for"))
            }
            Answer::Does(answer) => answer(input, 1).map(Ended::Output),
        }
    }

    /// The answer of a mocked orchestration, for good.
    fn settle(&self, name: &FunctionName, key: (InstanceId, String), input: &Payload) -> Option<Step> {
        self.note(name, &key.0, input, (1, 1));
        self.touch(name);
        let mut tables = self.tables.lock();
        let step = tables.orchestrators.get_mut(name).and_then(Steps::next);
        if self.journal.gate.is_closed() {
            tables.in_turn.insert(key.clone());
        }
        tables.settled.insert(key, step.clone());
        step
    }

    /// Waits until the test has said what a mocked orchestration answers that was under way in a past.
    async fn wait_for_answer(self: Arc<Self>, instance: InstanceId, asked: Payload) -> Result<Payload, FailureDetails> {
        let asked: (String, String, Payload) =
            asked.decode().map_err(|error| FailureDetails::from_error("InvalidInput", &error))?;
        let (name, execution, input) = asked;
        let name = FunctionName::new(name).map_err(|error| FailureDetails::from_error("InvalidInput", &error))?;
        let key = (instance, execution);
        loop {
            let changed = self.changed.notified();
            if self.tables.lock().settled.contains_key(&key) {
                return Ok(Payload::null());
            }
            let has_answers = self.tables.lock().orchestrators.get(&name).is_some_and(Steps::has_any);
            if has_answers {
                let _ = self.settle(&name, key, &input);
                return Ok(Payload::null());
            }
            changed.await;
        }
    }

    /// A call that the test has not foreseen: the test fails, and so does the call.
    fn unexpected(&self, kind: &str, name: &FunctionName, caller: &InstanceId, input: &Payload) -> FailureDetails {
        let message = format!(
            "{kind} '{name}' was called by '{caller}' with {input}, and the world has no answer: mock it, or add it to the world"
        );
        self.journal.complain(caller, message.clone());
        FailureDetails::new("UnexpectedCall", message).non_retriable()
    }
}

/// What a hub asks for code.
pub(super) struct Stand(pub(super) Arc<Mocks>);

impl StandIns for Stand {
    fn activity(&self, name: &FunctionName, real: Option<ActivityProgram>) -> Option<ActivityProgram> {
        if name.as_str() == TURN {
            let gate = self.0.journal.gate.clone();
            return Some(Arc::new(move |ctx, _| {
                let gate = gate.clone();
                Box::pin(async move {
                    let call = format!("mocked '{}'", ctx.instance_id());
                    gate.pass(Kind::Answer, call, ctx.instance_id()).await;
                    Ok(Payload::null())
                })
            }));
        }
        if name.as_str() == ANSWER {
            let mocks = Arc::clone(&self.0);
            return Some(Arc::new(move |ctx, input| {
                Box::pin(Arc::clone(&mocks).wait_for_answer(ctx.instance_id().clone(), input))
            }));
        }
        let is_mocked = self.0.tables.lock().activities.contains_key(name);
        let mocks = Arc::clone(&self.0);
        if let Some(real) = real.filter(|_| !is_mocked && mocks.real.contains(name)) {
            // Whenever it goes on, something was due.
            return Some(Arc::new(move |ctx, input| {
                mocks.note_run(&ctx, &input);
                let journal = Arc::clone(&mocks.journal);
                let (call, name, instance) = (label(&ctx), ctx.name().clone(), ctx.instance_id().clone());
                let mut run = real(ctx, input);
                let clock = mocks.clock.clone();
                Box::pin(async move {
                    // A panic is an answer as well, and has its place among others.
                    let result = poll_fn(move |cx| {
                        clock.pulse();
                        match catch_unwind(AssertUnwindSafe(|| run.as_mut().poll(cx))) {
                            Ok(poll) => poll.map(Ok),
                            Err(panic) => Poll::Ready(Err(panic)),
                        }
                    });
                    let result = result.await;
                    journal.gate.pass(Kind::Answer, call, &instance).await;
                    let result = result.unwrap_or_else(|panic| resume_unwind(panic));
                    journal.look_at_result(&name, &instance, &result);
                    result
                })
            }));
        }
        Some(Arc::new(move |ctx, input| Box::pin(Arc::clone(&mocks).run_activity(ctx, input))))
    }

    fn orchestrator(&self, name: &FunctionName) -> Option<Program> {
        if !self.0.tables.lock().orchestrators.contains_key(name) {
            return None;
        }
        let mocks = Arc::clone(&self.0);
        Some(program(move |ctx, input| Arc::clone(&mocks).run_orchestrator(ctx, input)))
    }
}

/// The activity for which a mocked orchestration waits, so that its answer has a place among those of others.
const TURN: &str = "answer-of-a-mock";

/// The activity for which a mocked orchestration of a past waits: the test says what it answers.
const ANSWER: &str = "answer-of-the-test";

/// An activity that is called, for people.
fn label(ctx: &ActivityContext) -> String {
    format!("'{}' {} of '{}'", ctx.name(), ctx.task_id(), ctx.instance_id())
}

/// Only so that ids of tasks can be compared in messages.
pub(super) fn task(id: TaskId) -> String {
    format!("#{}", id.0)
}
