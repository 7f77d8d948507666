//! What a world knows of its mocks: their answers, which call has got which, and what has reached them.

use std::collections::{HashMap, HashSet};

use durable_core::activity::ActivityContext;
use durable_core::backend::{ActivityRow, InstanceRow};
use durable_core::model::{FunctionName, InstanceId, Payload, TaskId, Timestamp};

use super::answers::{Answer, Step, Steps};
use super::mocks::MockCall;

/// What a world knows of its mocks, and takes along into its copies.
#[derive(Clone, Default)]
pub(super) struct Tables {
    pub(super) activities: HashMap<FunctionName, Steps>,
    pub(super) orchestrators: HashMap<FunctionName, Steps>,
    /// The answer that each mocked orchestration has got: a replay gets it again.
    pub(super) settled: HashMap<(InstanceId, String), Option<Step>>,
    /// The answer that each call of an activity has got: when it is handed out again, it gets it again.
    pub(super) given: HashMap<CallKey, Given>,
    /// Calls that were under way in a past to which a test has gone back: they wait for its answers.
    pub(super) open: HashSet<(InstanceId, TaskId)>,
    /// Mocked orchestrations that were under way in such a past: they wait as well.
    pub(super) waiting: HashSet<(InstanceId, String)>,
    /// Mocked orchestrations that wait for their turn among other answers.
    pub(super) in_turn: HashSet<(InstanceId, String)>,
    pub(super) calls: Vec<MockCall>,
    pub(super) runs: Vec<Run>,
}

/// One call, and one attempt of it.
pub(super) type CallKey = (String, TaskId);

/// The call that an activity runs for.
pub(super) fn key(ctx: &ActivityContext) -> CallKey {
    (ctx.idempotency_key(), ctx.task_id())
}

/// The answer that a call has got.
#[derive(Clone)]
pub(super) struct Given {
    step: Step,
    until: Timestamp,
    pub(super) is_under_way: bool,
    /// What happens when it is handed out for the first time, as it seems, once more.
    again: Again,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
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
    pub(super) fn repeat(&mut self, again: Again) {
        for given in self.given.values_mut().filter(|given| given.is_under_way) {
            given.again = again;
        }
    }

    /// The answer for a call and the time of it; and whether it goes on, so that it does not count as a call.
    pub(super) fn answer(&mut self, ctx: &ActivityContext, now: Timestamp) -> (Option<(Step, Timestamp)>, bool) {
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
