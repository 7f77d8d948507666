//! A remote client and a local one live through the same story.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use durable_core::client::{Client, ClientError, InstanceQuery, InstanceStatus};
use durable_core::model::{InstanceId, Timestamp};
use durable_core::prelude::*;
use durable_http::{DurableService, RemoteAnswer, RemoteClient};
use support::*;

#[orchestrator]
async fn approve(ctx: OrchestrationContext, order: Option<String>) -> Result<String, OrchestratorError> {
    ctx.set_custom_status("waiting")?;
    let who: String = ctx.wait_for_external_event("Approval").await?;
    Ok(format!("{} approved by {who}", order.unwrap_or_default()))
}

/// A bank that is closed at first.
#[derive(Clone, Default)]
struct Bank(Arc<AtomicBool>);

#[activity]
async fn charge(State(bank): State<Bank>, amount: u64) -> Result<u64, ActivityError> {
    if bank.0.load(Ordering::SeqCst) { Ok(amount) } else { Err(ActivityError::msg("the bank is closed")) }
}

#[orchestrator]
async fn pay(ctx: OrchestrationContext, amount: u64) -> Result<u64, OrchestratorError> {
    ctx.create_timer(Duration::from_millis(1)).await;
    ctx.call_activity(charge, amount).await
}

struct World {
    hub: TaskHub,
    bank: Bank,
}

impl World {
    async fn new() -> Self {
        let bank = Bank::default();
        let hub = TaskHub::builder()
            .name("Orders")
            .backend(Memory::new())
            .orchestrator(approve)
            .orchestrator(pay)
            .activity(charge)
            .state(bank.clone())
            .start()
            .await
            .unwrap();
        Self { hub, bank }
    }

    async fn serve(&self) -> (Running, RemoteClient) {
        let service = DurableService::new(self.hub.client()).key("a-long-and-secret-key").unwrap();
        let server = Running::serve(service, |builder| builder).await;
        let url = format!("http://{}/", server.address);
        let client = RemoteClient::builder(&url).key("a-long-and-secret-key").task_hub("Orders").build().unwrap();
        (server, client)
    }
}

fn id(text: &str) -> InstanceId {
    text.try_into().unwrap()
}

async fn until(client: &Client, id: &InstanceId, expected: RuntimeStatus) {
    let reached = async {
        while client.status(id).await.unwrap().unwrap().runtime_status != expected {
            tokio::task::yield_now().await;
        }
    };
    within_reason(reached).await;
}

/// What a status says on both sides.
fn told(status: Option<InstanceStatus>) -> String {
    let Some(status) = status else { return "none".to_owned() };
    let InstanceStatus { instance_id, name, runtime_status, input, custom_status, output, termination_reason, .. } =
        status;
    let failure = status.failure.map(|failure| format!("{failure:#}"));
    format!(
        "{instance_id} {name} {runtime_status} {input} {custom_status:?} {output:?} {termination_reason:?} {failure:?}"
    )
}

fn result<T: std::fmt::Debug>(result: Result<T, ClientError>) -> String {
    match result {
        Ok(value) => format!("{value:?}"),
        Err(error) => format!("{:?}", error.kind()),
    }
}

/// From a start to its end, with a pause in between.
async fn approval(client: &Client, log: &mut Vec<String>) {
    let order = id("order 7 ü+%");
    let handle = client.start(approve, Some("Order 7".to_owned())).id(&order).await.unwrap();
    log.push(told(Some(handle.wait_for_start().await.unwrap())));
    log.push(result(client.start(approve, None).id(&order).await));
    log.push(told(client.wait(&order, Some(Duration::from_millis(20))).await.unwrap()));
    log.push(result(client.purge(&order).await));
    log.push(result(client.restart(&order).await));
    log.push(result(client.rewind(&order, "why").await));

    handle.suspend("lunch & more").await.unwrap();
    until(client, &order, RuntimeStatus::Suspended).await;
    handle.suspend("again").await.unwrap();
    handle.resume("back").await.unwrap();
    until(client, &order, RuntimeStatus::Running).await;
    handle.resume("again").await.unwrap();
    handle.raise_event("Approval", "Ada").await.unwrap();
    log.push(told(Some(within_reason(handle.wait()).await.unwrap())));
    log.push(handle.output().await.unwrap());

    log.push(result(handle.raise_event("Approval", "Bob").await));
    log.push(result(handle.terminate("too late").await));
    log.push(result(handle.suspend("too late").await));
    log.push(result(handle.resume("too late").await));
    log.push(result(handle.rewind("too late").await));
}

async fn nobody(client: &Client, log: &mut Vec<String>) {
    let nobody = id("nobody");
    log.push(told(client.status(&nobody).await.unwrap()));
    log.push(told(client.wait(&nobody, None).await.unwrap()));
    log.push(told(client.wait_for_start(&nobody, None).await.unwrap()));
    log.push(result(client.history(&nobody).await));
    log.push(result(client.raise_event(&nobody, "Approval", "Ada").await));
    log.push(result(client.terminate(&nobody, "why").await));
    log.push(result(client.suspend(&nobody, "why").await));
    log.push(result(client.resume(&nobody, "why").await));
    log.push(result(client.rewind(&nobody, "why").await));
    log.push(result(client.restart(&nobody).await));
    log.push(result(client.restart(&nobody).new_id().await));
    log.push(result(client.purge(&nobody).await));
}

async fn failure(client: &Client, bank: &Bank, log: &mut Vec<String>) {
    let payment = client.start(pay, 12).id("payment").await.unwrap();
    log.push(told(Some(within_reason(payment.wait()).await.unwrap())));
    log.push(format!("{:#}", payment.output().await.unwrap_err()));
    bank.0.store(true, Ordering::SeqCst);
    payment.rewind("the bank is open").await.unwrap();
    log.push(told(Some(within_reason(payment.wait()).await.unwrap())));
}

async fn endings(client: &Client, log: &mut Vec<String>) {
    let handle = client.start(approve, None).id("ended").await.unwrap();
    handle.wait_for_start().await.unwrap();
    handle.terminate("12 monkeys").await.unwrap();
    log.push(told(Some(within_reason(handle.wait()).await.unwrap())));
    log.push(result(client.restart(handle.id()).await));
    until(client, handle.id(), RuntimeStatus::Running).await;
    let copy = client.restart(handle.id()).new_id().await.unwrap();
    assert_ne!(copy, *handle.id());
    for id in [handle.id(), &copy] {
        client.terminate(id, "").await.unwrap();
        within_reason(client.wait(id, None)).await.unwrap();
    }
    log.push(result(client.purge(&copy).await));
    log.push(told(client.status(&copy).await.unwrap()));
}

async fn many(client: &Client, log: &mut Vec<String>) {
    for n in 0..5 {
        client.start(pay, n).id(format!("many-{n}")).await.unwrap().wait().await.unwrap();
    }
    for query in [
        InstanceQuery::new().page_size(2),
        InstanceQuery::new().id_prefix("many-").page_size(3),
        InstanceQuery::new().statuses([RuntimeStatus::Terminated, RuntimeStatus::Failed]),
        InstanceQuery::new().statuses([RuntimeStatus::Running]),
        InstanceQuery::new().created_from(Timestamp::UNIX_EPOCH).created_to(Timestamp::UNIX_EPOCH),
        InstanceQuery::new().name("PAY".try_into().unwrap()),
    ] {
        let mut next = Some(query.clone());
        while let Some(query) = next {
            let page = client.list(query.clone()).await.unwrap();
            log.extend(page.instances.into_iter().map(|status| told(Some(status))));
            next = page.continuation.map(|token| query.continue_from(token));
        }
        let mut counts = client.counts(query).await.unwrap();
        counts.sort_by_key(|count| (count.name.folded(), count.status));
        log.push(format!("{counts:?}"));
    }
    let some = InstanceQuery::new().id_prefix("many-").page_size(2);
    log.push(result(client.purge_where(some.clone().statuses([RuntimeStatus::Running])).await));
    log.push(result(client.purge_where(some).await));
    log.push(result(client.purge_where(InstanceQuery::new().name("approve".try_into().unwrap())).await));
    log.push(result(client.purge_where(InstanceQuery::new().created_from(created())).await));
    log.push(result(client.count(InstanceQuery::new()).await));
}

async fn story(client: &Client, bank: &Bank) -> Vec<String> {
    let mut log = Vec::new();
    approval(client, &mut log).await;
    nobody(client, &mut log).await;
    failure(client, bank, &mut log).await;
    endings(client, &mut log).await;
    many(client, &mut log).await;
    log
}

#[tokio::test]
async fn a_remote_client_tells_the_same_story_as_a_local_one() {
    let here = World::new().await;
    let local = story(&here.hub.client(), &here.bank).await;
    here.hub.shutdown().await.unwrap();

    let there = World::new().await;
    let (server, client) = there.serve().await;
    let remote = story(&client.into(), &there.bank).await;
    server.stop();
    server.stopped().await;
    there.hub.shutdown().await.unwrap();
    assert_eq!(remote, local);
    assert!(local.len() > 50, "{local:?}");
}

#[tokio::test]
async fn a_history_is_the_same_from_afar() {
    let world = World::new().await;
    let (server, remote) = world.serve().await;
    let (local, remote) = (world.hub.client(), Client::from(remote));
    let payment = local.start(pay, 12).id("payment").tag("tenant", "a").await.unwrap();
    within_reason(payment.wait()).await.unwrap();
    let order = local.start(approve, None).id("order").await.unwrap();
    order.suspend("{\"lunch\": 1}").await.unwrap();
    order.raise_event("Approval", "Ada").await.unwrap();
    until(&local, order.id(), RuntimeStatus::Suspended).await;
    for id in [payment.id(), order.id()] {
        let (here, there) = (local.history(id).await.unwrap().unwrap(), remote.history(id).await.unwrap().unwrap());
        assert!(here.len() > 3, "{here:?}");
        assert_eq!(serde_json::to_string(&there).unwrap(), serde_json::to_string(&here).unwrap());
        assert_eq!(there, here);
    }
    server.stop();
    server.stopped().await;
    world.hub.shutdown().await.unwrap();
}

#[tokio::test]
async fn what_has_gone_wrong_at_a_real_server_is_told_apart() {
    let world = World::new().await;
    let (server, remote) = world.serve().await;
    let remote = Client::from(remote);
    let unknown = remote.start("Nope", 1).await.unwrap_err();
    assert!(unknown.is_invalid_argument(), "{unknown:?}");
    assert!(format!("{unknown:?}").contains("'approve'"), "{unknown:?}");
    let unreadable = remote.list(InstanceQuery::new().continue_from("%ff".to_owned())).await.unwrap_err();
    assert!(unreadable.is_invalid_argument(), "{unreadable:?}");

    for key in ["", "?code=wrong-key-wrong-key"] {
        let url = format!("http://{}/runtime/webhooks/durabletask{key}", server.address);
        let error = Client::from(RemoteClient::connect(&url).unwrap()).status(&id("i")).await.unwrap_err();
        let answer = std::error::Error::source(&error).unwrap().downcast_ref::<RemoteAnswer>().unwrap();
        assert_eq!((answer.status(), answer.is_unauthorized()), (401, true), "{error:?}");
        assert!(!format!("{error:?}").contains("wrong-key"), "{error:?}");
    }
    let url = format!("http://{}/durabletask?code=a-long-and-secret-key&taskHub=Other", server.address);
    let elsewhere = Client::from(RemoteClient::connect(&url).unwrap());
    assert_eq!(elsewhere.count(InstanceQuery::new()).await.unwrap(), 0);
    server.stop();
    server.stopped().await;
    world.hub.shutdown().await.unwrap();
}
