//! How mocked functions run.

use std::sync::Arc;

use durable_core::activity::ActivityContext;
use durable_core::engine::Clock as _;
use durable_core::model::{FailureDetails, FunctionName, InstanceId, Payload, SourceLocation};
use durable_core::orchestration::OrchestrationContext;
use durable_core::replay::Ended;

use super::answers::{Answer, Step, Steps};
use super::gate::Kind;
use super::mock_tables::key;
use super::mocks::Mocks;
use super::stand_ins::{ANSWER, TURN, label};

impl Mocks {
    /// Runs a mocked activity.
    pub(super) async fn run_activity(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: Payload,
    ) -> Result<Payload, FailureDetails> {
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
            let source = self.journal.source_of(ctx.instance_id(), ctx.task_id());
            let call = format!("activity '{}' was called by '{}' with {input}", ctx.name(), ctx.instance_id());
            return Err(self.unexpected(&call, ctx.instance_id(), source));
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

    /// Runs a mocked orchestration.
    pub(super) async fn run_orchestrator(
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
            let parent = ctx.parent_instance().and_then(|parent| Some((&parent.instance, parent.task_id?)));
            let source = parent.and_then(|(parent, task)| self.journal.source_of(parent, task));
            let call = match parent {
                Some((parent, _)) => format!("orchestrator '{}' was called by '{parent}' with {input}", ctx.name()),
                None => format!("orchestrator '{}' was started as '{}' with {input}", ctx.name(), ctx.instance_id()),
            };
            return Err(self.unexpected(&call, parent.map_or(ctx.instance_id(), |(parent, _)| parent), source));
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
    pub(super) async fn wait_for_answer(
        self: Arc<Self>,
        instance: InstanceId,
        asked: Payload,
    ) -> Result<Payload, FailureDetails> {
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
    fn unexpected(&self, call: &str, caller: &InstanceId, source: Option<SourceLocation>) -> FailureDetails {
        let place = source.map(|source| format!(" (called at {source})")).unwrap_or_default();
        let message = format!("{call}, and the world has no answer: mock it, or add it to the world{place}");
        self.journal.complain(caller, message.clone());
        FailureDetails::new("UnexpectedCall", message).non_retriable()
    }
}
