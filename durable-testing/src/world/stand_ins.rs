//! What a hub runs in the place of code: mocks, and real activities that are watched.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::task::Poll;

use durable_core::activity::ActivityContext;
use durable_core::model::{FunctionName, Payload};
use durable_core::registry::{ActivityProgram, StandIns, program};
use durable_core::replay::Program;

use super::gate::Kind;
use super::mocks::Mocks;

/// What a hub asks for code.
pub(super) struct Stand {
    pub(super) mocks: Arc<Mocks>,
    /// Orchestrators that are only there as mocks, also before they have answers.
    pub(super) declared: Vec<FunctionName>,
}

impl StandIns for Stand {
    fn activity(&self, name: &FunctionName, real: Option<ActivityProgram>) -> Option<ActivityProgram> {
        if name.as_str() == TURN {
            let gate = self.mocks.journal.gate.clone();
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
            let mocks = Arc::clone(&self.mocks);
            return Some(Arc::new(move |ctx, input| {
                Box::pin(Arc::clone(&mocks).wait_for_answer(ctx.instance_id().clone(), input))
            }));
        }
        let is_mocked = self.mocks.tables.lock().activities.contains_key(name);
        let mocks = Arc::clone(&self.mocks);
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
        let is_mocked = self.declared.contains(name) || self.mocks.tables.lock().orchestrators.contains_key(name);
        if !is_mocked {
            return None;
        }
        let mocks = Arc::clone(&self.mocks);
        Some(program(move |ctx, input| Arc::clone(&mocks).run_orchestrator(ctx, input)))
    }
}

/// The activity for which a mocked orchestration waits, so that its answer has a place among those of others.
pub(super) const TURN: &str = "answer-of-a-mock";

/// The activity for which a mocked orchestration of a past waits: the test says what it answers.
pub(super) const ANSWER: &str = "answer-of-the-test";

/// An activity that is called, for people.
pub(super) fn label(ctx: &ActivityContext) -> String {
    format!("'{}' {} of '{}'", ctx.name(), ctx.task_id(), ctx.instance_id())
}
