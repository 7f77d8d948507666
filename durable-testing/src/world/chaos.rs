//! The same story with something going wrong at each of its commits.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Debug, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use durable_core::backend::{MessageTarget, TurnCommit, Write};
use parking_lot::Mutex;

use super::WorldBuilder;
use super::journal::Journal;
use super::masked::{are_alike, masked};
use super::mock_tables::Run;
use super::mocks::Mocks;
use crate::faults::{Fault, FaultyBackend};

/// Runs a story once undisturbed, and then once for each of its commits and each of these faults: the process dies just before
/// it, the process dies just after it, it fails once, and its answer gets lost. The outcome must be the same each time, and so
/// must be the set of activities and inputs that were called.
///
/// The story describes its world on the builder that it is given, lets something happen in it, and returns what must not
/// depend on the faults: an output, what has become of the outside. It begins anew each time, so it makes everything itself
/// that it uses. Its client is one that tries again: a call that has not happened because of the fault is repeated.
///
/// ```
/// use durable_core::prelude::*;
/// use durable_testing::world::chaos;
/// use std::collections::BTreeSet;
/// use std::sync::{Arc, Mutex};
///
/// /// A bank outside: it knows the payments that it has made.
/// #[derive(Clone, Default)]
/// struct Bank(Arc<Mutex<BTreeSet<String>>>);
///
/// #[activity]
/// async fn charge(ctx: ActivityContext, State(bank): State<Bank>, _amount: u64) -> Result<(), ActivityError> {
///     bank.0.lock().unwrap().insert(ctx.idempotency_key());
///     Ok(())
/// }
///
/// #[orchestrator]
/// async fn pay(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
///     let amount = ctx.wait_for_external_event::<u64>("Amount").await?;
///     ctx.call_activity(charge, amount).await?;
///     Ok(amount)
/// }
///
/// let survived = chaos::every_crash_point(|world| {
///     let bank = Bank::default();
///     let world = world.orchestrator(pay).activity(charge).state(bank.clone()).build();
///     let run = world.start(pay, ());
///     run.raise("Amount", &5);
///     let output = run.output();
///     let payments = bank.0.lock().unwrap().len();
///     (output, payments)
/// });
/// assert!(survived.runs > 10);
/// ```
///
/// Activities are handed out again after a crash, so a story must not count calls. What is given to
/// [`WorldBuilder::state`] stands for something outside, and survives the process; what
/// [`WorldBuilder::hub`] makes is made again for each process. A commit that fails is made again after 10 ms of the world's
/// time. So outcomes and inputs that differ in nothing but times, as RFC 3339 writes them, count as the same, and so do those that
/// differ in nothing but [GUIDs](durable_core::orchestration::OrchestrationContext::new_guid), which follow from times: which of
/// them are equal within an outcome or an input does count. Of each input there must be as many as undisturbed. Times in another
/// form, numbers of seconds for example, should be in no outcome and no input. Ids of instances and executions, and random numbers,
/// are the same in each run, unless an activity starts instances without an id, or a client
/// [starts one again](durable_core::client::DurableClient::restart) under a new one. Only the first world that a story builds is disturbed. Calls that an
/// activity makes with a client of its own are not repeated. A story that takes its builder as an argument runs on any
/// store: `every_crash_point(|world| story(world.sqlite()))`.
///
/// # Panics
///
/// When an outcome is another one, or the story panics: the message names the commit, the fault, and the activities that were
/// handed out more than once.
#[track_caller]
pub fn every_crash_point<T: PartialEq + Debug>(story: impl Fn(WorldBuilder) -> T) -> Survived {
    let calm = Attempt::of(&story, &Trial::calm());
    let expected = match &calm.outcome {
        Ok(outcome) => outcome,
        Err(panic) => panic!("the story fails undisturbed: {panic}"),
    };
    let mut survived = Survived { commits: calm.commits, runs: 0 };
    for n in 1..=calm.commits {
        for fault in [Fault::Crash, Fault::CrashAfter, Fault::Fail, Fault::LoseAnswer] {
            let attempt = Attempt::of(&story, &Trial::with(n, fault));
            survived.runs += u64::from(attempt.struck.is_some());
            let difference = match &attempt.outcome {
                Err(panic) => Some(format!("the story fails: {panic}")),
                Ok(outcome) if !are_alike(outcome, expected) => Some(format!(
                    "the story has another outcome\n  undisturbed: {expected:?}\n  disturbed:   {outcome:?}"
                )),
                Ok(_) => calm.other_inputs(&attempt),
            };
            if let Some(difference) = difference {
                panic!("{}", attempt.complaint((n, calm.commits), fault, &difference));
            }
        }
    }
    survived
}

/// What [`every_crash_point`] has tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Survived {
    /// How many commits the undisturbed story has.
    pub commits: u64,
    /// How often it was disturbed.
    pub runs: u64,
}

/// What shall go wrong, and what can be seen of the world in which it does.
pub(super) struct Trial {
    fault: Option<(u64, Fault)>,
    seen: Mutex<Option<Seen>>,
}

struct Seen {
    faults: Arc<FaultyBackend>,
    journal: Arc<Journal>,
    mocks: Arc<Mocks>,
}

impl Trial {
    fn calm() -> Arc<Self> {
        Arc::new(Self { fault: None, seen: Mutex::default() })
    }

    fn with(n: u64, fault: Fault) -> Arc<Self> {
        Arc::new(Self { fault: Some((n, fault)), seen: Mutex::default() })
    }

    /// The first world of a story begins.
    pub(super) fn begin(&self, faults: &Arc<FaultyBackend>, journal: &Arc<Journal>, mocks: &Arc<Mocks>) {
        let mut seen = self.seen.lock();
        if seen.is_some() {
            return;
        }
        if let Some((n, fault)) = self.fault {
            faults.set(n, fault);
        }
        let (faults, journal, mocks) = (Arc::clone(faults), Arc::clone(journal), Arc::clone(mocks));
        *seen = Some(Seen { faults, journal, mocks });
    }
}

/// A story that was told once.
struct Attempt<T> {
    outcome: Result<T, String>,
    commits: u64,
    /// What was to be written as the fault struck.
    struck: Option<Arc<Vec<Write>>>,
    runs: Vec<Run>,
    journal: Option<Arc<Journal>>,
}

impl<T> Attempt<T> {
    #[track_caller]
    fn of(story: impl Fn(WorldBuilder) -> T, trial: &Arc<Trial>) -> Self {
        let mut builder = WorldBuilder::new();
        builder.plan.trial = Some(Arc::clone(trial));
        let outcome = catch_unwind(AssertUnwindSafe(|| story(builder)));
        let mut outcome = outcome.map_err(|panic| text(&*panic));
        let seen = trial.seen.lock().take();
        let Some(Seen { faults, journal, mocks }) = seen else {
            return match outcome {
                Ok(_) => panic!("the story must build its world on the builder that it is given"),
                Err(_) => Self { outcome, commits: 0, struck: None, runs: Vec::new(), journal: None },
            };
        };
        let complaints = journal.take_complaints();
        if outcome.is_ok() && !complaints.is_empty() {
            outcome = Err(complaints.join("\n"));
        }
        let (commits, struck, runs) = (faults.commits(), faults.struck_batch(), mocks.runs());
        Self { outcome, commits, struck, runs, journal: Some(journal) }
    }

    /// The inputs of each function that differ in nothing but generated ids and times, together.
    fn inputs(&self) -> BTreeMap<(&str, String), BTreeSet<String>> {
        let mut inputs: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
        for Run { function, input, .. } in &self.runs {
            let input = input.to_string();
            inputs.entry((function.as_str(), masked(&input))).or_default().insert(input);
        }
        inputs
    }

    /// What was called in one of them only.
    fn other_inputs(&self, other: &Self) -> Option<String> {
        let (here, there) = (self.inputs(), other.inputs());
        let (none, mut lines) = (BTreeSet::new(), [String::new(), String::new()]);
        let calls: BTreeSet<_> = here.keys().chain(there.keys()).collect();
        for call in calls {
            let (before, after) = (here.get(call).unwrap_or(&none), there.get(call).unwrap_or(&none));
            if before.len() == after.len() {
                continue;
            }
            let list = |what: &str, inputs: BTreeSet<&String>| {
                inputs.into_iter().map(|input| format!("\n  {what} '{}' with {input}", call.0)).collect::<String>()
            };
            lines[0] += &list("only undisturbed:", before.difference(after).collect());
            lines[1] += &list("only disturbed:", after.difference(before).collect());
        }
        let lines = lines.concat();
        (!lines.is_empty()).then(|| format!("other activities are called{lines}"))
    }

    fn complaint(&self, (n, of): (u64, u64), fault: Fault, difference: &str) -> String {
        let how = match fault {
            Fault::Crash => "the process dies just before",
            Fault::CrashAfter => "the process dies just after",
            Fault::Fail => "the store once refuses",
            Fault::LoseAnswer => "the answer gets lost to",
        };
        let mut text = format!("when {how} commit {n} of {of}");
        if let Some(batch) = &self.struck {
            let writes: Vec<_> = batch.iter().map(describe).collect();
            text += &format!(" ({})", writes.join("; "));
        }
        // Writing to a string cannot fail.
        let _ = write!(text, ", {difference}");
        for Run { function, instance, task, input, delivery } in self.runs.iter().filter(|run| run.delivery > 1) {
            let source = self.journal.as_ref().and_then(|journal| journal.source_of(instance, *task));
            let place = source.map(|source| format!(", called at {source}")).unwrap_or_default();
            let _ = write!(
                text,
                "\nactivity '{function}' was handed out again: delivery {delivery} of the call of '{instance}' with {input}{place}"
            );
        }
        text
    }
}

/// A write, for people.
fn describe(write: &Write) -> String {
    match write {
        Write::Create(create) => format!("the start of '{}'", create.id),
        Write::Turn(turn) => describe_turn(turn),
        Write::Message(message) => match &message.to {
            MessageTarget::Id(id) => format!("{} for '{id}'", message.event.kind),
            MessageTarget::Execution(..) => format!("{} for an instance", message.event.kind),
        },
        Write::Claim { .. } => "an instance is taken over".to_owned(),
        Write::ClaimReady { .. } => "instances are taken up".to_owned(),
        Write::Release(_) => "instances are given up".to_owned(),
        Write::HandBack(_) => "activities are handed back".to_owned(),
        Write::Watch { id } => format!("a wait for '{id}'"),
        Write::Attempt { .. } => "an instance is tried again".to_owned(),
        Write::ClaimActivities { .. } => "activities are handed out".to_owned(),
        Write::Stall { .. } => "an instance stalls".to_owned(),
        Write::Progress { .. } => "the progress of an activity".to_owned(),
        Write::Rewind(_) => "a rewind".to_owned(),
        Write::Purge { .. } => "a purge".to_owned(),
        Write::Expire { .. } => "a removal of old instances".to_owned(),
        other => format!("{other:?}"),
    }
}

fn describe_turn(turn: &TurnCommit) -> String {
    let events: Vec<_> = turn.history.iter().map(|new| new.event.kind.as_ref()).collect();
    format!("turn {}: {}", turn.turn, events.join(", "))
}

/// The text of a panic.
fn text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without a text").to_owned()
}

impl Debug for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trial").field("fault", &self.fault).finish_non_exhaustive()
    }
}
