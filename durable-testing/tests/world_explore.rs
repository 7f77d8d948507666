//! A world for tests: every order in which activities can answer.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use durable_core::prelude::*;
use durable_testing::World;
use durable_testing::world::{Explorer, explore, explore_with};

const HOUR: Duration = Duration::from_secs(3_600);

/// What a test says when it fails.
fn complaint<T>(story: impl FnOnce() -> T) -> String {
    let Err(panic) = catch_unwind(AssertUnwindSafe(story)) else { panic!("the story has not failed") };
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap()
}

#[activity]
async fn ask(number: u64) -> u64 {
    tokio::time::sleep(HOUR).await;
    number
}

/// The order in which so many answers come, as digits.
#[orchestrator]
async fn in_order(ctx: OrchestrationContext, number: u64) -> Result<u64, OrchestratorError> {
    let mut rest: Vec<_> = (1..=number).map(|number| ctx.call_activity(ask, number)).collect();
    let mut digits = 0;
    while !rest.is_empty() {
        let (_, answer, others) = when_any(rest).await.unwrap();
        digits = digits * 10 + answer?;
        rest = others;
    }
    Ok(digits)
}

/// Calls a second activity after each of the first two.
#[orchestrator]
async fn chains(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    let chain = async |number: u64| {
        let first: u64 = ctx.call_activity(ask, number).await?;
        ctx.call_activity(ask, first + 1).await
    };
    let (a, b) = join(chain(1), chain(3)).await;
    let (a, b): (Result<u64, OrchestratorError>, Result<u64, OrchestratorError>) = (a, b);
    Ok(a? * 10 + b?)
}

/// Asks twice, and gives the second answer.
#[orchestrator]
async fn twice(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    let first = ctx.call_activity(ask, 1).await?;
    ctx.call_activity(ask, first).await
}

#[orchestrator]
async fn child(ctx: OrchestrationContext, number: u64) -> Result<u64, OrchestratorError> {
    ctx.call_activity(ask, number).await
}

#[orchestrator]
async fn race(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    match select(ctx.call_sub_orchestrator(child, 1), ctx.call_sub_orchestrator(child, 2)).await {
        Either::Left((winner, _)) | Either::Right((winner, _)) => winner,
    }
}

/// Asks, and tells another instance.
#[orchestrator]
async fn reporter(ctx: OrchestrationContext, number: u64) -> Result<(), OrchestratorError> {
    let first = ctx.call_activity(ask, number).await?;
    let second = ctx.call_activity(ask, first).await?;
    let collector = InstanceId::new("collector").unwrap();
    ctx.send_event(&collector, "Report", &second)?;
    Ok(())
}

/// The order in which reports and an own answer come, as digits.
#[orchestrator]
async fn collector(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    let own = async {
        let (first, second) = join(ctx.call_activity(ask, 7), ctx.call_activity(ask, 8)).await;
        Ok::<_, OrchestratorError>(first? + second?)
    };
    let mut digits = 0;
    let reports = async {
        for _ in 0..2 {
            let report: u64 = ctx.wait_for_external_event("Report").await?;
            digits = digits * 10 + report;
        }
        Ok::<_, OrchestratorError>(())
    };
    let (own, reports) = join(own, reports).await;
    own?;
    reports?;
    Ok(digits)
}

/// Races two children, and then asks again.
#[orchestrator]
async fn race_twice(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    let (a, b) = (ctx.call_sub_orchestrator(in_order, 2), ctx.call_sub_orchestrator(child, 3));
    let (winner, loser) = match select(a, b).await {
        Either::Left((winner, loser)) | Either::Right((winner, loser)) => (winner?, loser),
    };
    Ok(winner * 1_000 + ctx.call_activity(ask, 4).await? + loser.await? * 10)
}

/// A planted bug: it takes the last answer for the one of the last call.
#[orchestrator]
async fn last_of_three(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    let mut rest: Vec<_> = (1..=3).map(|number| ctx.call_activity(ask, number)).collect();
    let mut last = 0;
    while !rest.is_empty() {
        let (_, answer, others) = when_any(rest).await.unwrap();
        last = answer?;
        rest = others;
    }
    Ok(last)
}

fn world() -> durable_testing::world::WorldBuilder {
    World::builder()
        .orchestrator(in_order)
        .orchestrator(chains)
        .orchestrator(race)
        .orchestrator(twice)
        .orchestrator(last_of_three)
}

#[test]
fn three_answers_come_in_six_orders() {
    let seen = RefCell::new(BTreeSet::new());
    let explored = explore(
        || world().activity(ask),
        |world| {
            seen.borrow_mut().insert(world.start(in_order, 3).output());
        },
    );
    assert_eq!((explored.orders, explored.random, explored.is_complete), (6, 0, true));
    assert_eq!(seen.into_inner(), BTreeSet::from([123, 132, 213, 231, 312, 321]));
}

#[test]
fn answers_to_different_instances_commute() {
    let story = |world: &World| {
        let (a, b) = (world.start(in_order, 2), world.start_as("b", in_order, 2));
        let both = [a.output(), b.output()];
        assert!(both.iter().all(|order| [12, 21].contains(order)), "{both:?}");
    };
    let world = || world().activity(ask);
    let explored = explore(world, story);
    assert_eq!((explored.orders, explored.is_complete), (4, true));
    let all = Explorer::new().all_orders().run(world, story);
    assert_eq!((all.orders, all.is_complete), (24, true));
}

#[test]
fn calls_that_follow_from_answers_are_ordered_as_well() {
    let explored = explore(world, |world| {
        world.mock(ask).answers(|number, _| Ok::<_, ActivityError>(number));
        assert_eq!(world.start(chains, ()).output(), 24);
    });
    // Of the 4! orders those in which each chain is in order.
    assert_eq!((explored.orders, explored.is_complete), (6, true));
}

#[test]
fn children_race_real_and_mocked() {
    for is_mocked in [false, true] {
        let seen = RefCell::new(BTreeSet::new());
        let explored = explore(
            || {
                let world = world().activity(ask);
                if is_mocked { world.mocked_orchestrator(child) } else { world.orchestrator(child) }
            },
            |world| {
                if is_mocked {
                    world.mock_orchestrator(child).answers(|number, _| Ok::<_, ActivityError>(number));
                }
                seen.borrow_mut().insert(world.start(race, ()).output());
            },
        );
        assert_eq!(seen.into_inner(), BTreeSet::from([1, 2]), "{is_mocked}");
        assert_eq!((explored.orders, explored.is_complete), (2, true), "{is_mocked}");
    }
}

#[test]
fn a_mock_with_several_answers_is_the_same_for_all() {
    // Whoever asks again first gets the better answer, so the instances are not independent.
    let seen = RefCell::new(BTreeSet::new());
    let explored = explore(world, |world| {
        world.mock(ask).returns(1).takes(HOUR).returns(1).takes(HOUR).returns(7).returns(8);
        let (a, b) = (world.start(twice, ()), world.start(twice, ()));
        seen.borrow_mut().insert((a.output(), b.output()));
    });
    assert_eq!(seen.into_inner(), BTreeSet::from([(7, 8), (8, 7)]));
    assert!(explored.is_complete);
}

/// Every result that a story can have, and how many orders were run.
fn results<T: Ord>(explorer: &Explorer, story: impl Fn(&World) -> T) -> (BTreeSet<T>, usize) {
    let seen = RefCell::new(BTreeSet::new());
    let world = || {
        world()
            .activity(ask)
            .orchestrator(reporter)
            .orchestrator(collector)
            .orchestrator(race_twice)
            .orchestrator(child)
            .orchestrator(impatient)
            .orchestrator(naps)
            .orchestrator(ends)
            .orchestrator(listens)
            .orchestrator(many_children)
            .orchestrator(at_once)
            .orchestrator(two_timers)
            .activity(charge)
    };
    let explored = explorer.clone().run(world, |world| {
        seen.borrow_mut().insert(story(world));
    });
    assert!(explored.is_complete, "{explored:?}");
    (seen.into_inner(), explored.orders)
}

#[test]
fn what_is_left_out_would_give_nothing_new() {
    let (some, all) = (Explorer::new(), Explorer::new().all_orders().at_most(100_000));
    let reports = |world: &World| {
        let collector = world.start_as("collector", collector, ());
        let _reporters = [world.start(reporter, 1), world.start(reporter, 2)];
        collector.output()
    };
    let ((few, fewer), (many, more)) = (results(&some, reports), results(&all, reports));
    assert_eq!((&few, &many), (&BTreeSet::from([12, 21]), &few));
    // First two answers to the collector, and one to each reporter; then the one to each reporter that makes it report.
    assert_eq!((fewer, more), (2 * 2, 24 * 2));
    let races = |world: &World| world.start(race_twice, ()).output();
    let ((few, fewer), (many, more)) = (results(&some, races), results(&all, races));
    assert_eq!((few.len(), &many), (4, &few));
    // The children have nothing in common but their ends: one ends before or after the second answer of the other.
    // All orders have the first turns of the children in both orders, too.
    assert_eq!((fewer, more), (4, 2 * 6));
}

/// Waits for an answer, an hour at most.
#[orchestrator]
async fn impatient(ctx: OrchestrationContext, number: u64) -> Result<u64, OrchestratorError> {
    match select(ctx.call_activity(ask, number), ctx.create_timer(HOUR)).await {
        Either::Left((answer, _)) => answer,
        Either::Right(((), _)) => Ok(0),
    }
}

/// Ends after an hour.
#[orchestrator]
async fn naps(ctx: OrchestrationContext, number: u64) -> Result<u64, OrchestratorError> {
    ctx.create_timer(HOUR).await;
    Ok(number)
}

/// Ends at once.
#[orchestrator]
async fn ends(ctx: OrchestrationContext, number: u64) -> Result<u64, OrchestratorError> {
    drop(ctx);
    Ok(number)
}

/// Ends when it is told to, and tells the other one.
#[orchestrator]
async fn listens(ctx: OrchestrationContext, number: u64) -> Result<u64, OrchestratorError> {
    let heard: u64 = ctx.wait_for_external_event("Go").await?;
    Ok(number + heard)
}

/// The order in which children end, as digits: three naps, one that is impatient, and one that ends at once.
#[orchestrator]
async fn many_children(ctx: OrchestrationContext, impatience: bool) -> Result<u64, OrchestratorError> {
    let mut rest: Vec<_> = (1..=2).map(|number| ctx.call_sub_orchestrator(naps, number)).collect();
    if impatience {
        rest.push(ctx.call_sub_orchestrator(impatient, 3));
    }
    let mut digits = 0;
    while !rest.is_empty() {
        let (_, ended, others) = when_any(rest).await.unwrap();
        digits = digits * 10 + ended?;
        rest = others;
    }
    Ok(digits)
}

/// What comes first of a child that ends at once, another one, and an activity; then what comes first of two that listen.
#[orchestrator]
async fn at_once(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    let (a, b, c) =
        (ctx.call_sub_orchestrator(ends, 1), ctx.call_sub_orchestrator(ends, 2), ctx.call_activity(charge, 3));
    let first = match select(select(a, b), c).await {
        Either::Left((Either::Left((first, _)) | Either::Right((first, _)), _)) => first?,
        Either::Right((charged, _)) => charged?,
    };
    let listeners = ["x", "y"].map(|id| ctx.call_sub_orchestrator(listens, 4).id(id));
    ctx.create_timer(HOUR).await;
    for (id, number) in [("x", 1), ("y", 2)] {
        ctx.send_event(&InstanceId::new(id)?, "Go", &number)?;
    }
    let [a, b] = listeners;
    let second = match select(a, b).await {
        Either::Left((second, _)) | Either::Right((second, _)) => second?,
    };
    Ok(first * 10 + second)
}

#[test]
fn timers_and_children_are_ordered_without_loss_as_well() {
    let (some, all) = (Explorer::new(), Explorer::new().all_orders().at_most(100_000));
    let digits = |results: &[u64]| results.iter().copied().collect::<BTreeSet<_>>();
    let timeout = |world: &World| world.start(impatient, 5).output();
    let ((few, fewer), (many, more)) = (results(&some, timeout), results(&all, timeout));
    assert_eq!((&few, &many, fewer, more), (&digits(&[0, 5]), &few, 2, 2));

    let naps = |world: &World| world.start(many_children, false).output();
    let ((few, fewer), (many, more)) = (results(&some, naps), results(&all, naps));
    assert_eq!((&few, &many, fewer, more), (&digits(&[12, 21]), &few, 2, 4));

    let children = |world: &World| world.start(many_children, true).output();
    let ((few, fewer), (many, more)) = (results(&some, children), results(&all, children));
    // The impatient one ends in one of two ways, before, between or after the others.
    assert_eq!((few.len(), &many), (12, &few));
    assert!(fewer < more / 3, "{fewer} of {more}");

    let ends = |world: &World| world.start(at_once, ()).output();
    let ((few, fewer), (many, more)) = (results(&some, ends), results(&all, ends));
    assert_eq!((&few, &many), (&digits(&[15, 16, 25, 26, 35, 36]), &few));
    assert!(fewer <= more, "{fewer} of {more}");

    let two = |world: &World| {
        let (a, b) = (world.start(impatient, 5), world.start(impatient, 6));
        (a.output(), b.output())
    };
    let ((few, fewer), (many, more)) = (results(&some, two), results(&all, two));
    assert_eq!((few.len(), &many, fewer, more), (4, &few, 4, 24));
}

/// Two timers of one instance that are due at the same time.
#[orchestrator]
async fn two_timers(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    match select(ctx.create_timer(HOUR), ctx.create_timer(HOUR)).await {
        Either::Left(_) => Ok(1),
        Either::Right(_) => Ok(2),
    }
}

#[test]
fn timers_of_one_instance_keep_their_order() {
    let timers = |world: &World| world.start(two_timers, ()).output();
    assert_eq!(results(&Explorer::new().all_orders(), timers), (BTreeSet::from([1]), 1));
}

/// A planted bug: when the timeout comes with the answer, the order is paid for and canceled.
#[orchestrator]
async fn pays_or_cancels(ctx: OrchestrationContext) -> Result<String, OrchestratorError> {
    let paid = ctx.call_activity(ask, 1);
    let reminded = ctx.create_timer(HOUR / 2);
    let timeout = ctx.create_timer(HOUR);
    reminded.await;
    match select(paid, timeout).await {
        Either::Left((paid, _)) => Ok(format!("paid {}", paid?)),
        Either::Right(((), paid)) => Ok(format!("canceled, and paid {}", paid.await?)),
    }
}

#[test]
fn a_timeout_that_comes_with_the_answer_is_found_and_shown() {
    let real = || World::builder().orchestrator(pays_or_cancels).orchestrator(naps).activity(ask);
    let story = |world: &World| {
        let (_others, run) = ([world.start(naps, 1), world.start(naps, 2)], world.start_as("o-1", pays_or_cancels, ()));
        assert_eq!(run.output(), "paid 1");
    };
    let texts = [
        complaint(|| explore(real, story)),
        complaint(|| Explorer::new().at_most(1).then_random(50, 3).run(real, story)),
    ];
    for text in texts {
        assert!(text.contains("'canceled, and paid 1'") || text.contains("\"canceled, and paid 1\""), "{text}");
        assert!(text.contains("the timer #2 of 'o-1'"), "{text}");
        let schedule = text.split("explore_with(\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        assert_eq!(schedule, "3", "it is minimised: {text}");
        assert!(complaint(|| explore_with(&schedule, real, story)).contains("canceled, and paid 1"));
    }
}

#[test]
fn copies_of_a_world_have_no_part_in_its_order() {
    let seen = RefCell::new(BTreeSet::new());
    let explored = explore(
        || world().activity(ask),
        |world| {
            let run = world.start(in_order, 2);
            let copy = world.fork();
            assert_eq!(copy.instance_of(&run).output(), 12);
            seen.borrow_mut().insert(run.output());
        },
    );
    assert_eq!((explored.orders, explored.is_complete), (2, true));
    assert_eq!(seen.into_inner(), BTreeSet::from([12, 21]));
}

#[activity]
async fn breaks(number: u64) -> u64 {
    panic!("{number} is broken")
}

/// What answers first: 1 for the broken activity.
#[orchestrator]
async fn broken_first(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    match select(ctx.call_activity(charge, 0), ctx.call_activity(breaks, 1)).await {
        Either::Left((charged, _)) => Ok(charged?),
        Either::Right((broken, _)) => Ok(u64::from(broken.is_err())),
    }
}

#[activity]
async fn charge(amount: u64) -> u64 {
    amount
}

#[test]
fn a_panic_has_its_place_among_answers() {
    let seen = RefCell::new(BTreeSet::new());
    let explored = explore(
        || World::builder().orchestrator(broken_first).activity(charge).activity(breaks),
        |world| {
            seen.borrow_mut().insert(world.start(broken_first, ()).output());
        },
    );
    assert_eq!((explored.orders, seen.into_inner()), (2, BTreeSet::from([0, 1])));
}

fn bug(world: &World) {
    assert_eq!(world.start_as("l-1", last_of_three, ()).output(), 3);
}

#[test]
fn an_order_that_is_not_foreseen_is_found_and_shown() {
    let real = || world().activity(ask);
    let text = complaint(|| explore(real, bug));
    let expected = "\
  'ask' #0 of 'l-1', before 2 others
  'ask' #2 of 'l-1', before 1 others
  'ask' #1 of 'l-1'
it says: assertion `left == right` failed";
    assert!(text.contains(expected), "{text}");
    assert!(text.contains("`explore_with(\"0.1\", ..)` runs it again"), "{text}");
    assert!(complaint(|| explore_with("0.1", real, bug)).contains("left: 2"), "it is the same order");
    explore_with("", real, bug);
    explore_with("1", real, bug);
}

#[test]
fn a_random_order_finds_it_as_well_and_is_minimised() {
    let real = || world().activity(ask);
    let text = complaint(|| Explorer::new().at_most(1).then_random(50, 7).run(real, bug));
    let fewest = ["0.1", "2"].iter().any(|order| text.contains(&format!("explore_with(\"{order}\", ..)")));
    assert!(fewest, "{text}");
}

#[test]
fn beyond_the_bound_it_is_not_complete() {
    let real = || world().activity(ask);
    let explored = Explorer::new().at_most(3).then_random(2, 1).run(real, |world| {
        let _ = world.start(in_order, 3).output();
    });
    assert_eq!((explored.orders, explored.random, explored.is_complete), (3, 2, false));
}

#[test]
fn what_is_no_order_of_the_story_is_refused() {
    let real = || world().activity(ask);
    let text = complaint(|| explore_with("5", real, bug));
    assert!(text.contains("'5' is no order of the answers of this story"), "{text}");
    assert!(complaint(|| explore_with("x", real, bug)).contains("'x' is no order of answers"));
}

#[test]
fn a_story_that_changes_by_itself_is_refused() {
    let runs = std::cell::Cell::new(0);
    let text = complaint(|| {
        explore(
            || world().activity(ask),
            |world| {
                runs.set(runs.get() + 1);
                let number = if runs.get() == 1 { 3 } else { 1 };
                let _ = world.start(in_order, number).output();
            },
        )
    });
    assert!(text.contains("the story is not the same each time"), "{text}");
}

/// As the README has it.
#[orchestrator]
async fn order(ctx: OrchestrationContext, amount: u64) -> Result<String, OrchestratorError> {
    match select(ctx.call_activity(charge, amount), ctx.create_timer(HOUR)).await {
        Either::Left((receipt, _)) => Ok(format!("paid {}", receipt?)),
        Either::Right(((), late)) => Ok(format!("canceled, but paid {}", late.await?)),
    }
}

#[test]
fn what_the_readme_shows_is_what_is_said() {
    let story = |world: &World| {
        world.mock(charge).returns(5).takes(HOUR);
        assert_eq!(world.start_as("order-7", order, 5).output(), "paid 5");
    };
    let text = complaint(|| explore(|| World::builder().orchestrator(order), story));
    assert!(include_str!("../../README.md").contains(&text), "{text}");
}
