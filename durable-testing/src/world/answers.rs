//! What a mock answers, call by call.

use std::sync::Arc;
use std::time::Duration;

use durable_core::model::{FailureDetails, Payload};

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

    /// True when the test has said anything.
    pub(super) fn has_any(&self) -> bool {
        !self.steps.is_empty()
    }

    /// How many of several answers were not given.
    pub(super) fn unused(&self) -> Option<u32> {
        let all: u32 = self.steps.iter().map(|step| step.times).sum();
        (all > 1 && self.given < all).then(|| all - self.given)
    }

    /// True when it does not matter which call is the first one.
    pub(super) fn are_all_the_same(&self) -> bool {
        matches!(
            &*self.steps,
            [] | [Step {
                answer: Answer::Returns(_) | Answer::Fails(_) | Answer::Panics(_) | Answer::Hangs | Answer::Dies,
                ..
            }]
        )
    }

    /// The answer to the next call.
    pub(super) fn next(&mut self) -> Option<Step> {
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
