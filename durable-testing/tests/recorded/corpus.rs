//! The tests that are made of a folder, and how they fail.

use super::*;

durable_testing::replay_tests!("tests/histories", orchestrators = [order]);

/// The same files once more, against the code of a hub.
mod of_a_hub {
    use super::*;

    durable_testing::replay_tests!(
        "tests/histories",
        deployment = Deployment::of_hub(TaskHub::builder().orchestrator(order)).unwrap(),
        crate = "::durable_testing"
    );
}

#[orchestrator(name = "order")]
async fn other(ctx: OrchestrationContext, amount: u64) -> Result<u64, OrchestratorError> {
    ctx.call_activity(charge, amount).await
}

#[test]
#[should_panic(expected = "order.json: instance 'order-7' of orchestrator 'order' does not replay: turn 1, event 2")]
fn a_history_that_does_not_fit_fails_its_test() {
    let text = include_str!("../histories/order.json");
    durable_testing::recorded::check_recorded("order.json", text, &Deployment::new().orchestrator(other));
}

#[test]
#[should_panic(expected = "new.json: instance 'order-7' of orchestrator 'order' does not replay")]
fn a_file_that_came_after_the_build_is_replayed_too() {
    let folder = tempfile::tempdir().unwrap();
    ordered().save(folder.path().join("new.json")).unwrap();
    ordered().save(folder.path().join("known.json")).unwrap();
    let check = |known: &[&str]| {
        let code = Deployment::new().orchestrator(other);
        durable_testing::recorded::check_unknown(folder.path().to_str().unwrap(), known, &code);
    };
    check(&["known.json", "new.json"]);
    check(&["known.json"]);
}
