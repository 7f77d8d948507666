//! A hub as its users see it.

use durable_core::client::InstanceQuery;
use durable_core::history::EventKind;
use durable_core::model::FunctionName;
use durable_core::prelude::*;
use durable_testing::World;
use serde::{Deserialize, Serialize};
use std::time::Duration;

#[activity]
async fn say_hello(_ctx: ActivityContext, city: String) -> Result<String, ActivityError> {
    Ok(format!("Hello {city}!"))
}

#[activity]
fn blocking_square(n: u64) -> u64 {
    n * n
}

#[orchestrator]
async fn hello_cities(ctx: OrchestrationContext, cities: Vec<String>) -> Result<Vec<String>, OrchestratorError> {
    let greetings = cities.into_iter().map(|city| ctx.call_activity(say_hello, city));
    try_join_all(greetings).await
}

#[orchestrator]
async fn squares(ctx: OrchestrationContext, n: u64) -> Result<u64, OrchestratorError> {
    Ok(try_join_all((0..n).map(|i| ctx.call_activity(blocking_square, i))).await?.into_iter().sum())
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Approval {
    approved: bool,
    timed_out: bool,
}

#[orchestrator]
async fn approval(ctx: OrchestrationContext, seconds: u64) -> Result<Approval, OrchestratorError> {
    ctx.set_custom_status("waiting")?;
    let event = ctx.wait_for_external_event::<bool>("Approval");
    let timer = ctx.create_timer(Duration::from_secs(seconds));
    Ok(match select(event, timer).await {
        Either::Left((approved, _)) => Approval { approved: approved?, timed_out: false },
        Either::Right(_) => Approval { approved: false, timed_out: true },
    })
}

fn world() -> World {
    let world = World::builder().orchestrator(hello_cities).orchestrator(squares).orchestrator(approval);
    world.activity(say_hello).activity(blocking_square).build()
}

/// What a program does with a hub. All other tests have a world around theirs.
#[tokio::test]
async fn activities_run_and_the_output_comes_back() {
    let hub = TaskHub::builder().backend(Memory::new()).orchestrator(hello_cities).orchestrator(squares);
    let hub = hub.activity(say_hello).activity(blocking_square).start().await.unwrap();
    let run = hub.client().start(hello_cities, vec!["Tokyo".to_owned(), "London".to_owned()]).await.unwrap();
    assert_eq!(run.output().await.unwrap(), ["Hello Tokyo!", "Hello London!"]);
    let run = hub.client().start("SQUARES", 100).await.unwrap();
    assert_eq!(run.output().await.unwrap(), (0..100_u64).map(|n| n * n).sum::<u64>());
    hub.shutdown().await.unwrap();
}

#[test]
fn an_event_or_the_timer_decides() {
    let world = world();
    let approved = world.start(approval, 60);
    approved.raise("approval", &true);
    assert_eq!(approved.output(), Approval { approved: true, timed_out: false });
    assert_eq!(world.elapsed(), Duration::ZERO);

    let late = world.start(approval, 60);
    assert_eq!(late.output(), Approval { approved: false, timed_out: true });
    assert_eq!(world.elapsed(), Duration::from_secs(60));
    assert_eq!(late.custom_status::<String>().as_deref(), Some("waiting"));
}

#[test]
fn a_history_has_the_durable_functions_events() {
    let world = world();
    let run = world.start(hello_cities, vec!["Tokyo".to_owned()]);
    assert_eq!(run.output(), ["Hello Tokyo!"]);
    let history = run.history();
    let names: Vec<_> = history.iter().map(|event| event.kind.name()).collect();
    assert_eq!(
        names,
        [
            "OrchestratorStarted",
            "ExecutionStarted",
            "TaskScheduled",
            "OrchestratorCompleted",
            "OrchestratorStarted",
            "TaskCompleted",
            "ExecutionCompleted",
            "OrchestratorCompleted"
        ]
    );
    let ids: Vec<_> = history.iter().map(|event| event.event_id).collect();
    assert_eq!(ids, [-1, -1, 0, -1, -1, -1, 1, -1]);
    assert!(
        matches!(&history[2].kind, EventKind::TaskScheduled { source: Some(at), .. } if at.to_string().contains("hub.rs"))
    );
}

#[tokio::test]
async fn ids_names_and_states_are_checked() {
    let world = world();
    let client = world.client();
    let error = client.start("nobody", ()).await.unwrap_err();
    assert!(error.is_unknown_orchestrator());
    assert_eq!(error.to_string(), "there is no orchestrator 'nobody'; registered are: approval, hello_cities, squares");
    assert!(client.start(approval, 1).id("a/b").await.unwrap_err().is_invalid_argument());

    let run = client.start(approval, 1).id("one").await.unwrap();
    let error = client.start(approval, 1).id("one").await.unwrap_err();
    assert!(error.is_already_exists(), "{error}");
    run.terminate("because").await.unwrap();
    let status = run.wait().await.unwrap();
    assert_eq!(status.runtime_status, RuntimeStatus::Terminated);
    assert_eq!(status.termination_reason.as_deref(), Some("because"));
    assert!(run.raise_event("Approval", &true).await.unwrap_err().is_finished());
    assert!(run.terminate("again").await.unwrap_err().is_finished());

    // A finished instance gives its id up, and its messages do not reach the new one.
    let again = client.start(approval, 1).id("one").await.unwrap();
    assert!(!again.status().await.unwrap().runtime_status.is_terminal());
    let nobody = client.instance::<(), _>("nobody").unwrap();
    assert!(nobody.raise_event("x", &()).await.unwrap_err().is_not_found());
    assert!(nobody.status().await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn a_list_has_filters_and_pages() {
    let world = world();
    let client = world.client();
    for i in 0..5 {
        client.start(approval, 1).id(format!("a-{i}")).await.unwrap();
    }
    client.start(hello_cities, vec![]).id("b").await.unwrap().wait().await.unwrap();
    let mut query = InstanceQuery::new().page_size(2).id_prefix("a-");
    let mut seen = Vec::new();
    loop {
        let page = client.list(query.clone()).await.unwrap();
        seen.extend(page.instances.into_iter().map(|status| status.instance_id.to_string()));
        let Some(next) = page.continuation else { break };
        query = query.continue_from(next);
    }
    assert_eq!(seen, ["a-0", "a-1", "a-2", "a-3", "a-4"]);
    let done =
        InstanceQuery::new().statuses([RuntimeStatus::Completed]).name(FunctionName::new("HELLO_cities").unwrap());
    assert_eq!(client.list(done).await.unwrap().instances.len(), 1);
    let wrong = InstanceQuery::new().continue_from("xyz".to_owned());
    assert!(client.list(wrong).await.unwrap_err().is_invalid_argument());
}

#[tokio::test]
async fn every_mistake_of_a_builder_is_reported_at_once() {
    #[activity]
    async fn needs_state(State(text): State<&'static str>) -> String {
        text.to_owned()
    }
    let error = TaskHub::builder()
        .name("my hub")
        .orchestrator(approval)
        .orchestrator(approval)
        .activity(needs_state)
        .activity_fn("", |n: u64| async move { Ok::<_, ActivityError>(n) })
        .state(1_u8)
        .state(2_u8)
        .start()
        .await
        .unwrap_err();
    let mistakes = error.mistakes_in_builder().join("\n");
    for part in [
        "'my hub'",
        "two orchestrators",
        "'' is not a valid function name",
        "`u8`",
        "needs state of type `&str`",
        "no backend",
    ] {
        assert!(mistakes.contains(part), "{part} is not in: {mistakes}");
    }
}

#[test]
fn state_closures_and_methods_reach_the_outside() {
    #[derive(Clone)]
    struct Prices(u64);
    impl Prices {
        async fn of(&self, n: u64) -> Result<u64, ActivityError> {
            Ok(self.0 * n)
        }
    }
    #[activity]
    async fn by_argument(State(prices): State<Prices>, n: u64) -> u64 {
        prices.0 + n
    }
    #[activity(state(Prices))]
    async fn by_context(ctx: ActivityContext, n: u64) -> Result<u64, ActivityError> {
        Ok(ctx.state::<Prices>()?.0 - n)
    }
    #[orchestrator]
    async fn all(ctx: OrchestrationContext) -> Result<Vec<u64>, OrchestratorError> {
        let by_method = ctx.call_activity("method", 2);
        try_join_all([ctx.call_activity(by_argument, 1), ctx.call_activity(by_context, 1), by_method]).await
    }
    let prices = Prices(10);
    let method = prices.clone();
    let by_method = move |n: u64| {
        let prices = method.clone();
        async move { prices.of(n).await }
    };
    let world = World::builder().orchestrator(all).activity(by_argument).activity(by_context).state(prices);
    let world = world.hub(move |hub| hub.activity_fn("method", by_method.clone())).real("method").build();
    assert_eq!(world.start(all, ()).output(), [11, 9, 20]);
}

/// A world has an opinion of its own on activities that are not there, so this is a hub.
#[tokio::test]
async fn an_unknown_activity_and_a_bad_input_fail_with_names() {
    #[orchestrator]
    async fn calls_nobody(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
        ctx.call_activity("nobody", 1).await
    }
    let hub = TaskHub::builder().backend(Memory::new()).orchestrator(calls_nobody).orchestrator(approval);
    let hub = hub.start().await.unwrap();
    let error = hub.client().start(calls_nobody, ()).await.unwrap().output().await.unwrap_err();
    assert!(error.details().is_caused_by("ActivityTaskNotFound"), "{error:?}");
    let error = hub.client().start("approval", "soon").await.unwrap().output().await.unwrap_err();
    assert_eq!(error.details().error_type, "InvalidInput");
    assert!(error.to_string().contains("the input of orchestrator 'approval' is no `u64`"), "{error}");
}

#[orchestrator]
async fn count_of(_ctx: OrchestrationContext, items: Option<Vec<u64>>) -> Option<usize> {
    items.map(|items| items.len())
}

#[orchestrator]
async fn length_of(_ctx: OrchestrationContext, text: Option<String>) -> Option<usize> {
    text.map(|text| text.len())
}

/// The published JavaScript client sends an empty string where it has no input.
#[tokio::test]
async fn an_empty_string_is_no_input_where_no_string_is_wanted() {
    let world = World::builder().orchestrator(count_of).orchestrator(length_of).without_round_trip_checks().build();
    let output = async |name: &str, input: &str| world.client().start(name, input).await.unwrap().output().await;
    assert_eq!(output("count_of", "").await.unwrap(), serde_json::Value::Null);
    assert_eq!(output("length_of", "").await.unwrap(), 0);
    let error = output("count_of", " ").await.unwrap_err();
    assert!(error.to_string().contains("the input of orchestrator 'count_of' is no"), "{error}");
}

#[test]
fn panics_become_failures_with_their_message() {
    #[activity]
    async fn bursts(n: u64) -> u64 {
        panic!("cannot take {n}")
    }
    #[activity]
    fn bursts_off_the_async_threads(n: u64) -> u64 {
        panic!("cannot take {n} either")
    }
    #[orchestrator]
    async fn careful(ctx: OrchestrationContext) -> Result<Vec<String>, OrchestratorError> {
        let one = ctx.call_activity(bursts, 1).await.unwrap_err();
        let two = ctx.call_activity(bursts_off_the_async_threads, 2).await.unwrap_err();
        assert!(one.is_panic() && two.is_panic());
        Ok(vec![format!("{one:#}"), format!("{two:#}")])
    }
    let world = World::builder().orchestrator(careful).activity(bursts).activity(bursts_off_the_async_threads).build();
    assert_eq!(
        world.start(careful, ()).output(),
        [
            "activity 'bursts' failed: cannot take 1",
            "activity 'bursts_off_the_async_threads' failed: cannot take 2 either"
        ]
    );
}
