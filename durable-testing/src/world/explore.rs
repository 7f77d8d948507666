//! Running a story under every order in which things can happen that are ready at the same time.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::gate::{Chooser, Gate, Trace};
use super::orders::Orders;
use super::{World, WorldBuilder};
use crate::or_fail::OrFail as _;

/// How many orders are run at most, unless told otherwise.
const MOST: usize = 5_000;
/// How many random orders are run beyond, unless told otherwise.
const RANDOM: usize = 500;

/// Runs a story under every order in which its activities can answer and its timers can fire, and fails with the shortest order
/// that makes it fail.
///
/// Each run has a world of its own. When answers of several activities or mocked sub-orchestrations are ready at the same
/// virtual time, one is given, everything that follows from it happens, and then the next one. Which one is next is what
/// differs between runs. Timers that are due have their places among answers, and so have the first turns of children and the
/// turns that follow from events to several instances: a timeout comes before and after the answer that is due with it, and
/// children that end at the same time end in every order. So the answers of activities that take no time, or equally long, come in every order:
///
/// ```should_panic
/// use durable_core::prelude::*;
/// use durable_testing::{World, world::explore};
///
/// #[activity]
/// async fn ask(bank: u64) -> u64 { bank }
///
/// #[orchestrator]
/// async fn cheapest(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
///     // The first to answer is taken for the cheapest.
///     let (first, second) = (ctx.call_activity(ask, 1), ctx.call_activity(ask, 2));
///     match select(first, second).await {
///         Either::Left((price, _)) | Either::Right((price, _)) => price,
///     }
/// }
///
/// let world = || World::builder().orchestrator(cheapest).activity(ask);
/// explore(world, |world| assert_eq!(world.start(cheapest, ()).output(), 1));
/// ```
///
/// It prints the order, and the text with which [`explore_with`] runs it again. [`Explorer`] has options.
///
/// Generated ids and random numbers follow from the [seed](WorldBuilder::seed) of the world, which is the same in all runs.
///
/// # What counts as the same
///
/// Answers that have effects on different instances, and not on the same mock with several answers, can come in any order with
/// the same result. One of these orders is run, and stands for all of them. What activities do to each other outside of the
/// world, for example through a shared counter, is not seen; [`Explorer::all_orders`] runs every order.
///
/// Timers of one instance fire in the order in which they are due, and in which they were set, as they always do.
///
/// # Panics
///
/// When the story fails in some order, and when it is not the same each time.
#[track_caller]
pub fn explore(world: impl Fn() -> WorldBuilder, story: impl Fn(&World)) -> Explored {
    Explorer::new().run(world, story)
}

/// Runs a story in one order of answers, with the text that [`explore`] gave: the places of the answers among those that were
/// ready, from 0.
///
/// ```
/// # use durable_core::prelude::*;
/// # use durable_testing::{World, world::explore_with};
/// # #[activity]
/// # async fn ask(bank: u64) -> u64 { bank }
/// # #[orchestrator]
/// # async fn cheapest(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
/// #     match select(ctx.call_activity(ask, 1), ctx.call_activity(ask, 2)).await {
/// #         Either::Left((price, _)) | Either::Right((price, _)) => price,
/// #     }
/// # }
/// # let world = || World::builder().orchestrator(cheapest).activity(ask);
/// explore_with("1", world, |world| assert_eq!(world.start(cheapest, ()).output(), 2));
/// ```
///
/// # Panics
///
/// When the story fails, and when the text is no order of this story.
#[track_caller]
pub fn explore_with(schedule: &str, world: impl Fn() -> WorldBuilder, story: impl Fn(&World)) {
    let parts = schedule.split('.').filter(|part| !part.is_empty());
    let places = parts.map(str::parse).collect::<Result<Vec<usize>, _>>();
    let places = places.or_fail(|error| format!("'{schedule}' is no order of answers: {error}"));
    let run = run(&world, &story, Chooser::Places(places));
    if let Some(panic) = run.panic {
        std::panic::resume_unwind(panic);
    }
    assert!(!run.trace.misfit, "'{schedule}' is no order of the answers of this story:\n{}", Order(&run.trace));
}

/// What was explored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explored {
    /// How many orders were run one after the other, none of them twice.
    pub orders: usize,
    /// How many random ones were run beyond.
    pub random: usize,
    /// True when no order is left that could have another result.
    pub is_complete: bool,
}

/// [`explore`] with options.
///
/// ```
/// # use durable_core::prelude::*;
/// # use durable_testing::{World, world::Explorer};
/// # #[activity]
/// # async fn ask(bank: u64) -> u64 { bank }
/// # #[orchestrator]
/// # async fn total(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
/// #     let (a, b) = join(ctx.call_activity(ask, 1), ctx.call_activity(ask, 2)).await;
/// #     Ok(a? + b?)
/// # }
/// # let world = || World::builder().orchestrator(total).activity(ask);
/// let explored = Explorer::new()
///     .at_most(1_000)
///     .then_random(100, 42)
///     .run(world, |world| assert_eq!(world.start(total, ()).output(), 3));
/// assert_eq!(explored.orders, 2);
/// assert!(explored.is_complete);
/// ```
#[derive(Debug, Clone)]
#[must_use = "nothing is explored before `run`"]
pub struct Explorer {
    most: usize,
    random: usize,
    seed: u64,
    all: bool,
}

impl Default for Explorer {
    fn default() -> Self {
        Self { most: MOST, random: RANDOM, seed: 0, all: false }
    }
}

impl Explorer {
    /// As [`explore`] does it: up to 5000 orders, and 500 random ones if there are more.
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs so many orders one after the other at most.
    pub const fn at_most(mut self, orders: usize) -> Self {
        self.most = orders;
        self
    }

    /// Runs so many random orders if there are more than [`at_most`](Self::at_most). The same seed gives the same orders.
    pub const fn then_random(mut self, orders: usize, seed: u64) -> Self {
        self.random = orders;
        self.seed = seed;
        self
    }

    /// Runs also those orders that differ only in answers to different instances.
    pub const fn all_orders(mut self) -> Self {
        self.all = true;
        self
    }

    /// Explores.
    ///
    /// # Panics
    ///
    /// As [`explore`].
    #[track_caller]
    pub fn run(self, world: impl Fn() -> WorldBuilder, story: impl Fn(&World)) -> Explored {
        let mut orders = Orders::new(self.all);
        let mut explored = Explored { orders: 0, random: 0, is_complete: false };
        let mut next = Some(Chooser::Given { first: Vec::new(), sleeping: std::collections::BTreeMap::new() });
        // Runs that turn out to repeat another one count for the bound as well.
        for _ in 0..self.most {
            let Some(chooser) = next else { break };
            let run = run(&world, &story, chooser);
            run.expect_the_same();
            explored.orders += usize::from(run.trace.redundant_from.is_none());
            self.judge(&world, &story, run.panic, &run.trace, explored);
            orders.learn(&run.trace);
            next = orders.next();
        }
        explored.is_complete = next.is_none();
        if !explored.is_complete {
            for number in 0..self.random {
                let chooser = Chooser::Random(self.seed.wrapping_add(number as u64));
                let run = run(&world, &story, chooser);
                explored.random += 1;
                self.judge(&world, &story, run.panic, &run.trace, explored);
            }
        }
        explored
    }

    /// Fails the test when the story has failed in this order.
    #[track_caller]
    fn judge(
        &self,
        world: &impl Fn() -> WorldBuilder,
        story: &impl Fn(&World),
        panic: Option<Panic>,
        trace: &Trace,
        explored: Explored,
    ) {
        let Some(panic) = panic else { return };
        let first = Failing { panic, trace: trace.clone() };
        let Failing { panic, trace } = minimised(world, story, first);
        let places = places(&trace);
        let others = explored.orders + explored.random - usize::from(trace.redundant_from.is_none());
        panic!(
            "the story fails in this order of answers, found after {others} others:\n{}it says: {}\n\
             `explore_with(\"{}\", ..)` runs it again",
            Order(&trace),
            text(&*panic),
            Schedule(&places)
        );
    }
}

/// What the story failed with.
type Panic = Box<dyn Any + Send>;

struct Run {
    trace: Trace,
    panic: Option<Panic>,
}

impl Run {
    #[track_caller]
    fn expect_the_same(&self) {
        assert!(
            !self.trace.misfit,
            "the story is not the same each time: after the same answers, others were ready. Something besides the order \
             of answers decides what happens, such as a clock, random numbers or the order of a HashMap\n{}",
            Order(&self.trace)
        );
    }
}

/// An order in which the story fails.
struct Failing {
    panic: Panic,
    trace: Trace,
}

/// Runs the story once, in a world of its own.
fn run(world: &impl Fn() -> WorldBuilder, story: &impl Fn(&World), chooser: Chooser) -> Run {
    let gate = Gate::closed(chooser);
    let panic = catch_unwind(AssertUnwindSafe(|| {
        let world = world().gate(gate.clone()).build();
        story(&world);
    }));
    Run { trace: gate.trace(), panic: panic.err() }
}

fn places(trace: &Trace) -> Vec<usize> {
    let mut places = trace.places();
    while places.last() == Some(&0) {
        places.pop();
    }
    places
}

/// The order with the fewest answers that are not given first come, first served, as far as simple steps lead.
fn minimised(world: &impl Fn() -> WorldBuilder, story: &impl Fn(&World), first: Failing) -> Failing {
    let mut best = first;
    let again = |places: Vec<usize>| {
        let run = run(world, story, Chooser::Places(places));
        run.panic.filter(|_| !run.trace.misfit).map(|panic| Failing { panic, trace: run.trace })
    };
    let choices = places(&best.trace).into_iter().filter(|place| *place != 0).count();
    if choices > 1
        && let Some(failing) = with_one_choice(&best, &again)
    {
        return failing;
    }
    let shorter = (0..places(&best.trace).len()).find_map(|length| again(places(&best.trace)[..length].to_vec()));
    best = shorter.unwrap_or(best);
    let mut at = 0;
    while at < places(&best.trace).len() {
        let mut fewer = places(&best.trace);
        if std::mem::take(&mut fewer[at]) != 0
            && let Some(failing) = again(fewer)
        {
            best = failing;
        } else {
            at += 1;
        }
    }
    best
}

/// How many runs may be spent on finding an order with a single choice.
const TRIES: usize = 200;

/// An order in which everything but one answer is first come, first served, if one is found that fails.
fn with_one_choice(first: &Failing, again: &impl Fn(Vec<usize>) -> Option<Failing>) -> Option<Failing> {
    let choices = first.trace.releases.iter().filter(|release| release.held.len() > 1).enumerate();
    let single = |at: usize, place: usize| [vec![0; at], vec![place]].concat();
    let tries = choices.flat_map(|(at, release)| (1..release.held.len()).map(move |place| single(at, place)));
    tries.take(TRIES).find_map(again)
}

fn text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without a message")
}

/// The answers of a run, a line for each.
struct Order<'a>(&'a Trace);

impl fmt::Display for Order<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for release in &self.0.releases {
            let others = release.held.len() - 1;
            let choice = if others == 0 { String::new() } else { format!(", before {others} others") };
            writeln!(f, "  {}{choice}", release.label)?;
        }
        Ok(())
    }
}

/// The places of answers as text: `0.2.1`.
struct Schedule<'a>(&'a [usize]);

impl fmt::Display for Schedule<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&places.join("."))
    }
}
