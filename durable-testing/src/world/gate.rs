//! Holding back the answers of activities, and giving them one at a time in a chosen order.
//!
//! An answer that is ready waits here until nothing else is left to do. Then one of those that wait is given, and everything
//! that follows from it happens before the next one is given. Time goes on only when none waits any more.
//!
//! Timers that are due wait here like answers, and so do turns that are ready at the same time as others. All of them are
//! called answers here. Some must wait for others, and are not among those of which one is given: what reaches an
//! instance comes after a turn of it that waits, and a timer after those of its instance that were due before it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use durable_core::backend::CallId;
use durable_core::model::{FunctionName, InstanceId, Timestamp};
use parking_lot::Mutex;
use tokio::sync::oneshot;

/// What an answer has an effect on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Touch {
    /// An instance, under a name that is the same in every run.
    Instance(String),
    /// The answers of a mock, of which the next call gets another one.
    Mock(String),
}

/// Everything on which an answer had an effect.
pub(super) type Footprint = BTreeSet<Touch>;

/// An answer, by its place in the order in which answers became ready in a run.
pub(super) type Answer = usize;

/// What waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The answer of an activity, or of a mocked sub-orchestration.
    Answer,
    /// A timer that is due, with its place among those of its instance.
    Timer(Timestamp, CallId),
    /// A turn.
    Turn,
}

/// Who decides which answer is next.
#[derive(Debug, Clone)]
pub(super) enum Chooser {
    /// First these, then the ones that have waited longest, except for those that need not be next: what follows has been seen
    /// in another order of independent answers.
    Given { first: Vec<Answer>, sleeping: BTreeMap<Answer, Footprint> },
    /// The one at this place among those that wait, each time when several do; then the first one.
    Places(Vec<usize>),
    /// Any of them, from these random numbers.
    Random(u64),
}

/// An answer was given.
#[derive(Debug, Clone)]
pub(super) struct Release {
    pub(super) answer: Answer,
    /// What it was, for people.
    pub(super) label: String,
    /// All that could be given, also itself.
    pub(super) held: Vec<Answer>,
    /// Counts the times when none waited: those before are over, whatever the order was.
    pub(super) epoch: usize,
    /// The releases from which it follows that this answer could be given.
    pub(super) causes: Vec<usize>,
    pub(super) footprint: Footprint,
    /// What was asleep before it.
    pub(super) sleeping: BTreeMap<Answer, Footprint>,
}

/// All that was given in a run.
#[derive(Debug, Clone, Default)]
pub(super) struct Trace {
    pub(super) releases: Vec<Release>,
    /// From this release on everything has been seen in another order.
    pub(super) redundant_from: Option<usize>,
    /// The answers that should be given were not there: the story is not the same each time.
    pub(super) misfit: bool,
}

impl Trace {
    /// The place of each answer among those that waited, where several did. Zeros at the end mean nothing.
    pub(super) fn places(&self) -> Vec<usize> {
        let choices = self.releases.iter().filter(|release| release.held.len() > 1);
        let place = |release: &Release| release.held.iter().position(|held| *held == release.answer).unwrap_or(0);
        choices.map(place).collect()
    }
}

/// Holds answers back, or does nothing. Clones are the same gate.
#[derive(Debug, Clone, Default)]
pub(super) struct Gate(Option<Arc<Mutex<State>>>);

#[derive(Debug)]
struct State {
    chooser: Chooser,
    held: BTreeMap<Answer, Held>,
    arrivals: usize,
    trace: Trace,
    epoch: usize,
    /// What follows now follows from the last release.
    follows: bool,
    choices: usize,
    roots: Vec<String>,
    /// Instances with an event that was not sent alone.
    several: BTreeSet<InstanceId>,
    /// Orchestrators that are mocked: their answers have places of their own.
    mocked: Vec<FunctionName>,
}

#[derive(Debug)]
struct Held {
    kind: Kind,
    label: String,
    instance: InstanceId,
    causes: Vec<usize>,
    send: oneshot::Sender<()>,
}

impl Gate {
    /// A gate that holds answers back.
    pub(super) fn closed(chooser: Chooser) -> Self {
        Self(Some(Arc::new(Mutex::new(State {
            chooser,
            held: BTreeMap::new(),
            arrivals: 0,
            trace: Trace::default(),
            epoch: 0,
            follows: false,
            choices: 0,
            roots: Vec::new(),
            several: BTreeSet::new(),
            mocked: Vec::new(),
        }))))
    }

    /// True when it holds answers back.
    pub(super) fn is_closed(&self) -> bool {
        self.0.is_some()
    }

    /// What was given so far.
    pub(super) fn trace(&self) -> Trace {
        self.0.as_ref().map(|state| state.lock().trace.clone()).unwrap_or_default()
    }

    /// Waits until this answer may be given.
    pub(super) async fn pass(&self, kind: Kind, label: String, instance: &InstanceId) {
        /// Takes an answer away that nobody waits for any more.
        struct Gone<'a>(&'a Mutex<State>, Answer);
        impl Drop for Gone<'_> {
            fn drop(&mut self) {
                self.0.lock().held.remove(&self.1);
            }
        }
        let Some(state) = &self.0 else { return };
        let (send, given) = oneshot::channel();
        let answer = state.lock().arrive(Held { kind, label, instance: instance.clone(), causes: Vec::new(), send });
        let _gone = Gone(state, answer);
        let _ = given.await;
    }

    /// Nothing else is left to do: gives an answer. False when none waits.
    pub(super) fn release(&self) -> bool {
        self.0.as_ref().is_some_and(|state| state.lock().release())
    }

    /// Something happens to an instance.
    pub(super) fn touch(&self, instance: &InstanceId) {
        if let Some(state) = &self.0 {
            let mut state = state.lock();
            let name = state.name(instance);
            state.touch(Touch::Instance(name));
        }
    }

    /// This instance gets an event, and others have got something in the same turn of the sender.
    pub(super) fn is_one_of_several(&self, instance: &InstanceId) {
        if let Some(state) = &self.0 {
            state.lock().several.insert(instance.clone());
        }
    }

    /// True, once, when it was [one of several](Self::is_one_of_several).
    pub(super) fn take_one_of_several(&self, instance: &InstanceId) -> bool {
        self.0.as_ref().is_some_and(|state| state.lock().several.remove(instance))
    }

    /// This orchestrator is mocked from now on.
    pub(super) fn has_mock(&self, name: &FunctionName) {
        if let Some(state) = &self.0 {
            state.lock().mocked.push(name.clone());
        }
    }

    /// True for the name of an orchestrator that is mocked.
    pub(super) fn is_mocked(&self, name: &FunctionName) -> bool {
        self.0.as_ref().is_some_and(|state| state.lock().mocked.contains(name))
    }

    /// A mock has given one of several answers.
    pub(super) fn touch_mock(&self, name: &FunctionName) {
        if let Some(state) = &self.0 {
            state.lock().touch(Touch::Mock(name.folded()));
        }
    }
}

impl Held {
    /// True when the other one must wait for this one.
    fn is_before(&self, other: &Self) -> bool {
        self.instance == other.instance
            && match (self.kind, other.kind) {
                (Kind::Turn, Kind::Answer | Kind::Timer(..)) => true,
                (Kind::Timer(at, call), Kind::Timer(others, later)) => (at, call) < (others, later),
                _ => false,
            }
    }
}

impl State {
    fn arrive(&mut self, held: Held) -> Answer {
        let answer = self.arrivals;
        self.arrivals += 1;
        // Known from the first time on, so that the names are the same in every order.
        let _ = self.name(&held.instance);
        let causes = self.follows.then(|| self.trace.releases.len() - 1).into_iter().collect();
        self.held.insert(answer, Held { causes, ..held });
        answer
    }

    fn touch(&mut self, touch: Touch) {
        if self.follows
            && let Some(last) = self.trace.releases.last_mut()
        {
            last.footprint.insert(touch);
        }
    }

    /// A name of the instance that does not depend on generated ids. Those of children end with the execution of the parent
    /// and the number of the call.
    fn name(&mut self, instance: &InstanceId) -> String {
        let mut parts = instance.as_str().split(':');
        let root = parts.next().unwrap_or_default();
        let place = self.roots.iter().position(|known| known == root).unwrap_or_else(|| {
            self.roots.push(root.to_owned());
            self.roots.len() - 1
        });
        let is_execution = |part: &&str| part.len() == 8 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
        let rest: Vec<_> = parts.filter(|part| !is_execution(part)).collect();
        format!("{place}:{}", rest.join(":"))
    }

    fn release(&mut self) -> bool {
        self.fall_asleep_or_wake();
        if self.held.is_empty() {
            self.epoch += usize::from(self.follows);
            self.follows = false;
            return false;
        }
        let is_free = |held: &Held| !self.held.values().any(|other| other.is_before(held));
        let answers: Vec<_> = self.held.iter().filter(|(_, held)| is_free(held)).map(|(answer, _)| *answer).collect();
        let answer = self.choose(&answers);
        let Some(held) = self.held.remove(&answer) else { return false };
        let place = self.trace.releases.len();
        self.held.values_mut().filter(|other| held.is_before(other)).for_each(|other| other.causes.push(place));
        let sleeping = match &self.chooser {
            Chooser::Given { sleeping, .. } => sleeping.clone(),
            _ => BTreeMap::new(),
        };
        let own = Touch::Instance(self.name(&held.instance));
        self.trace.releases.push(Release {
            answer,
            label: held.label,
            held: answers,
            epoch: self.epoch,
            causes: held.causes,
            footprint: BTreeSet::from([own]),
            sleeping,
        });
        self.follows = true;
        // Its future may be gone.
        let _ = held.send.send(());
        true
    }

    /// All effects of the last release are known now: what depends on them need be looked at again.
    fn fall_asleep_or_wake(&mut self) {
        let Some(last) = self.trace.releases.last().filter(|_| self.follows) else { return };
        if let Chooser::Given { first, sleeping } = &mut self.chooser
            && self.trace.releases.len() >= first.len()
        {
            sleeping.remove(&last.answer);
            sleeping.retain(|_, footprint| footprint.is_disjoint(&last.footprint));
        }
    }

    fn choose(&mut self, answers: &[Answer]) -> Answer {
        let (at, is_choice) = (self.trace.releases.len(), answers.len() > 1);
        match &mut self.chooser {
            Chooser::Given { first, .. } if at < first.len() => {
                let answer = first[at];
                if answers.contains(&answer) {
                    return answer;
                }
                self.trace.misfit = true;
                answers[0]
            }
            Chooser::Given { sleeping, .. } => {
                let awake = answers.iter().find(|answer| !sleeping.contains_key(answer));
                if awake.is_none() {
                    self.trace.redundant_from.get_or_insert(at);
                }
                *awake.unwrap_or(&answers[0])
            }
            _ if !is_choice => answers[0],
            Chooser::Places(places) => {
                let place = places.get(self.choices).copied().unwrap_or(0);
                self.choices += 1;
                self.trace.misfit |= place >= answers.len();
                answers.get(place).copied().unwrap_or(answers[0])
            }
            Chooser::Random(state) => answers[below(state, answers.len())],
        }
    }
}

/// A random number below `end`, by splitmix64.
fn below(state: &mut u64, end: usize) -> usize {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^= mixed >> 31;
    usize::try_from(mixed % end as u64).unwrap_or(0)
}
