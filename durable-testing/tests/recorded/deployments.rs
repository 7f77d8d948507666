//! Code by name and version, and the check of live instances.

use durable_core::client::ClientErrorKind;
use durable_testing::MockClient;
use durable_testing::mock_client::Instance as Live;

use super::*;

#[orchestrator(name = "invoice", version = "1.0")]
async fn invoice_1(ctx: OrchestrationContext, amount: u64) -> Result<u64, OrchestratorError> {
    ctx.call_activity(charge, amount).await
}

#[orchestrator(name = "invoice", version = "2.0")]
async fn invoice_2(ctx: OrchestrationContext, amount: u64) -> Result<u64, OrchestratorError> {
    ctx.wait_for_external_event::<()>("Checked").await?;
    ctx.call_activity(charge, amount).await
}

fn hub() -> World {
    World::builder().orchestrator(invoice_1).orchestrator(order).activity(reserve).activity(charge).build()
}

#[test]
fn the_code_is_found_by_name_and_version() {
    let world = hub();
    let recorded = world.record(&world.start_as("i-1", invoice_1, 5));
    let both = Deployment::new().orchestrator(invoice_1).orchestrator(invoice_2);
    recorded.replay_against(&both).unwrap();
    let report = recorded.replay_against(&Deployment::new().orchestrator(invoice_2)).unwrap_err();
    assert!(report.is_missing_code());
    assert_eq!(
        report.to_string(),
        "instance 'i-1' of orchestrator 'invoice' in version '1.0' has no code: of this orchestrator there is version '2.0'"
    );
    let report = recorded.replay_against(&Deployment::new().orchestrator(order)).unwrap_err();
    assert!(report.to_string().ends_with("has no code: there is no orchestrator of this name. There is 'order'"));
}

#[tokio::test]
async fn every_live_instance_of_a_hub_is_checked_and_nothing_is_changed() {
    let world = World::builder().orchestrator(order).orchestrator(invoice_2).activity(reserve).activity(charge).build();
    for n in 0..450 {
        let _ = world.start_as(&format!("o-{n:03}"), order, n);
    }
    let invoice = world.start_as("i-1", invoice_2, 1);
    let done = world.start_as("done", order, 1);
    done.raise("Paid", &());
    assert_eq!(done.output(), 1);
    let client = world.client();
    let later = client.start(order, 1).id("later").delay(Duration::from_secs(3_600)).await.unwrap();
    let before = (invoice.status(), invoice.history());

    let check = check_live(&client, &Deployment::new().orchestrator(order).orchestrator(invoice_2)).await.unwrap();
    assert!(check.all_fit(), "{check}");
    assert_eq!(check.instances().len(), 452, "all but the one that is done");
    assert!(check.instances().iter().any(|instance| instance.id == *later.id()));
    assert_eq!(before, (invoice.status(), invoice.history()));

    let check = check_live(&client, &Deployment::new().orchestrator(invoice_1)).await.unwrap();
    assert_eq!(check.problems().count(), 452);
    assert!(check.instances().iter().all(|instance| matches!(instance.verdict, Verdict::NoCode(_))));
    let text = check.to_string();
    assert!(text.starts_with("live instances: 452, of which fit: 0, differ: 0, have no code: 452"), "{text}");
    assert!(text.ends_with("and 432 more"), "{text}");
}

#[tokio::test]
async fn only_lists_and_histories_are_asked_for() {
    let events = ordered().events().to_vec();
    let waits = RecordedHistory::load("tests/histories/order-waits.json").unwrap();
    // Strict: any other call panics.
    let mock = MockClient::new();
    let live = ["ended", "gone", "odd", "order-7", "pending"].map(|id| Live::new(id, "order").suspended());
    mock.expect_list().shows_all(live);
    mock.expect_history("ended").returns(Some(events.clone()));
    mock.expect_history("gone").returns(None);
    mock.expect_history("odd").returns(Some(events[1..3].to_vec()));
    mock.expect_history("order-7").returns(Some(waits.events().to_vec()));
    mock.expect_history("pending").returns(Some(Vec::new()));
    let check = check_live(&mock.client(), &Deployment::new().orchestrator(order)).await;
    mock.verify();
    let check = check.unwrap();
    let found: Vec<_> = check.instances().iter().map(|found| (found.id.as_str(), found.verdict.fits())).collect();
    assert_eq!(found, [("odd", false), ("order-7", true), ("pending", true)], "the others have ended meanwhile");
    assert!(matches!(check.instances()[0].verdict, Verdict::Unreadable(_)));
    assert!(check.to_string().contains("instance 'odd': the history is not complete"), "{check}");
}

#[tokio::test]
async fn a_client_that_cannot_read_histories_is_an_error_and_no_success() {
    let mock = MockClient::new();
    mock.expect_list().shows_all([Live::new("a", "order").running()]);
    mock.expect_history("a").fails(ClientErrorKind::Unsupported { operation: "read a history" });
    assert!(check_live(&mock.client(), &Deployment::new().orchestrator(order)).await.unwrap_err().is_unsupported());
}
