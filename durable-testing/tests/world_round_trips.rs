//! A world for tests: payloads of events, custom states and typed errors that are not read as they were written.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::panic::{AssertUnwindSafe, catch_unwind};

use durable_core::Failure;
use durable_core::prelude::*;
use durable_testing::World;
use durable_testing::world::{Instance, WorldBuilder};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Loses the comment, and takes seconds for minutes.
#[derive(Debug, Serialize, Deserialize)]
struct Answer {
    #[serde(skip_deserializing)]
    comment: String,
    #[serde(serialize_with = "in_seconds")]
    minutes: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde says so")]
fn in_seconds<S: serde::Serializer>(minutes: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(minutes * 60)
}

/// A part of it, as one may read it.
#[derive(Debug, Serialize, Deserialize)]
struct Part {
    minutes: u64,
}

#[derive(Debug, Serialize, Deserialize, Failure)]
enum PayError {
    Poor {
        #[serde(skip_deserializing)]
        balance: u64,
    },
    Stolen,
}

impl std::fmt::Display for PayError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Poor { balance } => write!(f, "{balance} is not enough"),
            Self::Stolen => f.write_str("the card is stolen"),
        }
    }
}

impl std::error::Error for PayError {}

#[activity]
async fn pay(balance: u64) -> Result<u64, PayError> {
    match balance {
        0 => Err(PayError::Stolen),
        balance if balance < 10 => Err(PayError::Poor { balance }),
        balance => Ok(balance),
    }
}

#[orchestrator]
async fn asks(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    Ok(ctx.wait_for_external_event::<Answer>("Answer").await?.minutes)
}

#[orchestrator]
async fn asks_for_a_part(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    Ok(ctx.wait_for_external_event::<Part>("Answer").await?.minutes)
}

#[orchestrator]
async fn answers(ctx: OrchestrationContext, to: String) -> Result<(), OrchestratorError> {
    let answer = Answer { comment: "no".to_owned(), minutes: 0 };
    ctx.send_event(&to.parse::<InstanceId>()?, "Answer", &answer)
}

#[orchestrator]
async fn shows(ctx: OrchestrationContext, minutes: u64) -> Result<(), OrchestratorError> {
    ctx.set_custom_status(&Answer { comment: String::new(), minutes })?;
    Ok(())
}

#[orchestrator]
async fn pays(ctx: OrchestrationContext, balance: u64) -> Result<String, OrchestratorError> {
    match ctx.call_activity(pay, balance).await {
        Ok(_) => Ok("paid".to_owned()),
        Err(error) => Ok(format!("{error:#}")),
    }
}

#[orchestrator]
async fn refuses(_ctx: OrchestrationContext, balance: u64) -> Result<(), PayError> {
    Err(PayError::Poor { balance })
}

#[orchestrator]
async fn goes_round(_ctx: OrchestrationContext, round: Round) -> Result<Next<u64, Round>, OrchestratorError> {
    Ok(if round.number < 2 {
        Next::continue_as_new(Round { number: round.number + 1, note: "on".to_owned() })
    } else {
        Next::Complete(round.number)
    })
}

#[derive(Debug, Serialize, Deserialize)]
struct Round {
    number: u64,
    #[serde(skip_deserializing, skip_serializing_if = "String::is_empty")]
    note: String,
}

fn builder() -> WorldBuilder {
    let world = World::builder().orchestrator(asks).orchestrator(asks_for_a_part).orchestrator(answers);
    world.orchestrator(shows).orchestrator(pays).orchestrator(refuses).orchestrator(goes_round).activity(pay)
}

/// What a world says that fails the test.
fn complaint(story: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(story)).expect_err("the test passes");
    panic.downcast_ref::<String>().cloned().unwrap()
}

#[test]
fn the_payload_of_an_event_survives() {
    let raised = |minutes, text: &str| {
        let world = builder().build();
        let run = world.start_as("a", asks, ());
        run.raise("Answer", &Answer { comment: text.to_owned(), minutes });
    };
    let lost = complaint(|| raised(0, "no"));
    let expected = r#"the payload of event 'Answer' (`world_round_trips::Answer`) does not survive JSON: {"comment":"no","minutes":0} is read, and written again it is {"comment":"","minutes":0}. Serialize and Deserialize of its type differ"#;
    assert_eq!(lost, expected);
    let changed = complaint(|| raised(5, ""));
    assert!(
        changed.contains(
            r#"{"comment":"","minutes":300} is read, and written again it is {"comment":"","minutes":18000}"#
        )
    );
    raised(0, "");
}

#[test]
fn the_payload_of_an_event_between_instances_survives() {
    let sent = || {
        let world = builder().build();
        let run = world.start_as("a", asks, ());
        let _teller = world.start(answers, "a".to_owned());
        assert!(run.is_finished());
    };
    assert!(complaint(sent).starts_with("the payload of event 'Answer'"));
}

#[test]
fn a_type_of_its_own_may_read_less_of_an_event() {
    let world = builder().build();
    let run = world.start(asks_for_a_part, ());
    run.raise("Answer", &json!({"comment": "no", "minutes": 7}));
    assert_eq!(run.output(), 7);
    let run = world.start(asks_for_a_part, ());
    run.raise("Answer", &Answer { comment: "no".to_owned(), minutes: 1 });
    assert_eq!(run.output(), 60);
    let run = world.start(asks, ());
    let other_name = complaint(|| run.raise("answer", &json!({"comment": "no", "minutes": 7})));
    assert!(other_name.contains("`world_round_trips::Answer`"), "what is there may not change: {other_name}");
}

#[test]
fn the_custom_status_survives() {
    let world = builder().build();
    let run = world.start_as("a", shows, 5);
    let text = complaint(|| drop(run.custom_status::<Answer>()));
    assert!(text.starts_with("the custom status of 'a' does not survive JSON: "), "{text}");
    assert_eq!(run.status().custom_status.unwrap().decode::<Part>().unwrap().minutes, 300);
    let unchecked = builder().without_round_trip_checks().build();
    let run: Instance<()> = unchecked.start(shows, 5);
    assert_eq!(run.custom_status::<Answer>().unwrap().minutes, 300);
}

#[test]
fn typed_errors_survive() {
    let expected = r#"the error 'PayError::Poor' does not survive JSON: {"Poor":{"balance":5}} is read, and written again it is {"Poor":{"balance":0}}. Serialize and Deserialize of its type differ"#;
    let of_activity = || drop(builder().build().start(pays, 5).output());
    assert_eq!(complaint(of_activity), expected);
    let of_orchestrator = || drop(builder().build().start(refuses, 5).failure());
    assert_eq!(complaint(of_orchestrator), expected);
    let of_mock = || _ = builder().build().mock(pay).fails(PayError::Poor { balance: 5 });
    assert_eq!(complaint(of_mock), expected);
    let of_closure = || {
        let world = builder().build();
        world.mock(pay).answers(|balance, _| Err(PayError::Poor { balance }));
        drop(world.start(pays, 5).output());
    };
    assert_eq!(complaint(of_closure), expected);
    assert_eq!(builder().build().start(pays, 0).output(), "activity 'pay' failed: the card is stolen");
    assert_eq!(
        builder().without_round_trip_checks().build().start(pays, 5).output(),
        "activity 'pay' failed: 5 is not enough"
    );
}

#[test]
fn the_input_of_the_next_execution_survives() {
    let round = Round { number: 0, note: String::new() };
    let text = complaint(|| _ = builder().build().start(goes_round, round).output());
    assert!(text.starts_with("the next input of 'goes_round' does not survive JSON: "), "{text}");
}
