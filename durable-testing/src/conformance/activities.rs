//! Calls of activities and who runs them.

use std::sync::Arc;

use durable_core::backend::{
    ActivityRow, Backend, CreateInstance, HeldCall, InstanceKey, NewActivity, TurnCommit, WorkerId, Write, Written,
};

use super::fixtures::{
    Hub, call, completion, create, create_again, execution, free_call, json, last_turn, own_call, turn,
};

async fn scheduled(hub: &Hub, id: &str, calls: Vec<NewActivity>) -> InstanceKey {
    let key = hub.start(id).await;
    hub.done(TurnCommit { new_activities: calls, ..turn(id, key, 1) }).await;
    key
}

/// A claimed call comes with everything that a runner needs.
pub async fn a_claimed_call_is_complete(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let worker = hub.attach().await;
    let options = Some("quickly".to_owned());
    let full = NewActivity { input: json(r#"{"x":  1}"#), options, ..free_call(3) };
    let key = scheduled(&hub, "a", vec![full]).await;
    let expected = ActivityRow {
        key,
        instance: "a".to_owned(),
        execution: execution("a"),
        call: call(3),
        name: "Say".to_owned(),
        input: json(r#"{"x":  1}"#),
        options: Some("quickly".to_owned()),
        progress: None,
        runner: Some(worker),
        claim: 70,
        deliveries: 1,
    };
    assert_eq!(hub.claim_activities(worker, 70, 10).await, [expected]);
}

/// Waiting calls are taken each under a token of its own, as many as there is room for. The first calls of all instances come
/// before their later ones, so that an instance with very many of them keeps nobody waiting.
pub async fn waiting_calls_are_taken_in_order(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let worker = hub.attach().await;
    let b = scheduled(&hub, "b", vec![free_call(9), free_call(2), free_call(10)]).await;
    let a = scheduled(&hub, "a", vec![free_call(1), free_call(2)]).await;
    let take = async |first, limit| -> Vec<_> {
        let rows = hub.claim_activities(worker, first, limit).await;
        rows.iter().map(|row| (row.key, row.call.task().0, row.claim)).collect()
    };
    assert_eq!(take(1, 0).await, []);
    assert_eq!(take(100, 2).await, [(a, 1, 100), (b, 2, 101)]);
    assert_eq!(take(102, 10).await, [(a, 2, 102), (b, 9, 103), (b, 10, 104)]);
    assert_eq!(take(105, 10).await, []);
}

/// What has a living runner is nobody else's.
pub async fn running_calls_are_not_taken(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let worker = hub.attach().await;
    let key = scheduled(&hub, "a", vec![own_call(1, worker, 5), free_call(2)]).await;
    assert_eq!(hub.free_tasks(worker).await, [2]);
    hub.done(TurnCommit { new_activities: vec![own_call(3, worker, 6)], ..turn("a", key, 2) }).await;
    assert_eq!(hub.free_tasks(worker).await, [0; 0]);
}

/// A new worker takes over what the dead one ran, and counts that.
pub async fn calls_of_a_dead_runner_are_delivered_again(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let worker = hub.attach().await;
    scheduled(&hub, "a", vec![free_call(0), own_call(1, worker, 5), free_call(2)]).await;
    assert_eq!(hub.claim_activities(worker, 6, 1).await[0].deliveries, 1);
    for deliveries in 2..5 {
        let next = hub.attach().await;
        assert_ne!(next, worker);
        let rows = hub.claim_activities(next, 10 * i64::from(deliveries), 2).await;
        let found: Vec<_> = rows.iter().map(|row| (row.call.task().0, row.claim, row.deliveries)).collect();
        let claim = 10 * i64::from(deliveries);
        assert_eq!(found, [(0, claim, deliveries), (1, claim + 1, deliveries)]);
    }
    let rows = hub.claim_activities(worker, 90, 9).await;
    assert_eq!(rows.iter().map(|row| (row.call.task().0, row.deliveries)).collect::<Vec<_>>(), [(2, 1)]);
}

/// A worker that comes and goes without taking a call has not run it.
pub async fn only_deliveries_are_counted(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let worker = hub.attach().await;
    scheduled(&hub, "a", vec![own_call(1, worker, 5), free_call(2)]).await;
    let mut last = worker;
    for _ in 0..3 {
        last = hub.attach().await;
    }
    let rows = hub.claim_activities(last, 10, 9).await;
    assert_eq!(rows.iter().map(|row| (row.call.task().0, row.deliveries)).collect::<Vec<_>>(), [(1, 2), (2, 1)]);
}

/// What a drained worker had started was not lost, so its next delivery is not a further one.
pub async fn calls_of_a_drained_runner_are_not_counted(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let worker = hub.attach().await;
    scheduled(&hub, "a", vec![own_call(1, worker, 5), free_call(2)]).await;
    hub.store.detach(worker).await.expect("a worker can be detached");
    let next = hub.attach().await;
    let rows = hub.claim_activities(next, 10, 9).await;
    assert_eq!(rows.iter().map(|row| (row.call.task().0, row.deliveries)).collect::<Vec<_>>(), [(1, 1), (2, 1)]);
    let last = hub.attach().await;
    hub.store.detach(next).await.expect("a worker can be detached late");
    let rows = hub.claim_activities(last, 20, 1).await;
    assert_eq!(rows.iter().map(|row| (row.call.task().0, row.deliveries)).collect::<Vec<_>>(), [(1, 1)]);
    let lost = hub.attach().await;
    let rows = hub.claim_activities(lost, 30, 9).await;
    assert_eq!(rows.iter().map(|row| (row.call.task().0, row.deliveries)).collect::<Vec<_>>(), [(1, 2), (2, 1)]);
}

/// A claim whose answer was lost can be repeated under its tokens: it gives what it gave, and takes nothing more.
pub async fn a_claim_can_be_resubmitted(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let worker = hub.attach().await;
    let key = scheduled(&hub, "a", vec![free_call(3), own_call(1, worker, 5), free_call(7), free_call(9)]).await;
    let taken = hub.claim_activities(worker, 20, 2).await;
    assert_eq!(hub.claim_activities(worker, 20, 2).await, taken);
    hub.message(completion("a", key, 3, 20)).await;
    assert_eq!(hub.claim_activities(worker, 20, 2).await, taken[1..]);
    let found: Vec<_> =
        hub.claim_activities(worker, 22, 2).await.iter().map(|row| (row.call.task().0, row.claim)).collect();
    assert_eq!(found, [(9, 22)]);
    let next = hub.attach().await;
    let found = hub.claim_activities(next, 20, 2).await;
    assert_eq!(found.iter().map(|row| (row.call.task().0, row.deliveries)).collect::<Vec<_>>(), [(1, 2), (7, 2)]);
}

/// The result of a dead runner counts while nobody has taken the call over, and no longer.
pub async fn a_late_result_counts_until_the_call_is_taken_over(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let worker = hub.attach().await;
    let key = scheduled(&hub, "a", vec![own_call(1, worker, 5), own_call(2, worker, 6)]).await;
    let next = hub.attach().await;
    assert_eq!(hub.message(completion("a", key, 1, 5)).await, Written::Queued { key, seq: 1, owner: None });
    assert_eq!(hub.free_tasks(next).await, [2]);
    assert_eq!(hub.message(completion("a", key, 2, 6)).await, Written::Refused);
}

/// A call that is over is not taken, whether it waited or ran.
pub async fn calls_that_are_over_are_not_taken(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let worker = hub.attach().await;
    let key = scheduled(&hub, "a", vec![free_call(1), own_call(2, worker, 5), free_call(3)]).await;
    hub.done(TurnCommit { activities_gone: vec![call(1), call(2)], ..turn("a", key, 2) }).await;
    let taken = hub.claim_activities(worker, 40, 1).await;
    assert_eq!(taken.iter().map(|row| row.call.task().0).collect::<Vec<_>>(), [3], "what is over takes up no room");
    let next = hub.attach().await;
    hub.done(TurnCommit { drop_activities: true, ..turn("a", key, 3) }).await;
    assert_eq!(hub.free_tasks(next).await, [0; 0]);
}

/// A call number can be used again once the call is over.
pub async fn a_number_can_return_as_another_call(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let worker = hub.attach().await;
    let key = scheduled(&hub, "a", vec![free_call(1)]).await;
    let again = |n, runner: Option<WorkerId>| TurnCommit {
        activities_gone: vec![call(1)],
        new_activities: vec![NewActivity { runner, name: format!("call {n}"), ..free_call(1) }],
        ..turn("a", key, n)
    };
    hub.done(again(2, Some(worker))).await;
    assert_eq!(hub.free_tasks(worker).await, [0; 0]);
    hub.done(again(3, None)).await;
    assert_eq!(hub.claim_activities(worker, 9, 9).await[0].name, "call 3");
}

/// Detached calls of a finished instance still find a runner.
pub async fn calls_outlive_their_instance(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let worker = hub.attach().await;
    let key = scheduled(&hub, "a", vec![free_call(1), own_call(2, worker, 5)]).await;
    hub.done(last_turn("a", key, 2)).await;
    assert_eq!(hub.free_tasks(worker).await, [1]);
    let next = hub.attach().await;
    assert_eq!(hub.free_tasks(next).await, [1, 2]);
}

/// A call goes with the instance that is replaced.
pub async fn calls_of_a_replaced_instance_are_gone(store: Arc<dyn Backend>) {
    use durable_core::model::RuntimeStatus;
    let hub = Hub::new(store);
    let worker = hub.attach().await;
    scheduled(&hub, "a", vec![free_call(1), own_call(2, worker, 5)]).await;
    let next = hub.attach().await;
    hub.start_as(create_again("a", &[RuntimeStatus::Running])).await;
    assert_eq!(hub.free_tasks(next).await, [0; 0]);
}

/// The input of a call is kept however large it is.
pub async fn inputs_can_be_large(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let worker = hub.attach().await;
    let input = json(&format!("\"{}\"", "ü".repeat(2_500_000)));
    scheduled(&hub, "a", vec![NewActivity { input: input.clone(), ..own_call(1, worker, 5) }]).await;
    let next = hub.attach().await;
    assert!(hub.claim_activities(next, 9, 9).await[0].input == input, "the input changed");
}

/// All calls of an instance can be seen, whoever runs them.
pub async fn calls_can_be_read(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let worker = hub.attach().await;
    let key = scheduled(&hub, "a", vec![free_call(3), own_call(1, worker, 5)]).await;
    scheduled(&hub, "b", vec![free_call(4)]).await;
    let runners =
        async || -> Vec<_> { hub.activities(key).await.iter().map(|row| (row.call, row.runner, row.claim)).collect() };
    assert_eq!(runners().await, [(call(1), Some(worker), 5), (call(3), None, 0)]);
    let next = hub.attach().await;
    assert_eq!(runners().await, [(call(1), Some(worker), 5), (call(3), None, 0)], "nobody has taken them yet");
    let taken = hub.claim_activities(next, 20, 2).await;
    assert_eq!(hub.activities(key).await, taken);
    assert_eq!(hub.activities(InstanceKey(99)).await, []);
}

/// Whoever runs a call can tell how far it is.
pub async fn progress_needs_the_claim(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let worker = hub.attach().await;
    let key = scheduled(&hub, "a", vec![own_call(1, worker, 5), free_call(2)]).await;
    let tell = |key, n, claim, progress: &str| {
        hub.write(Write::Progress { key, call: call(n), claim, progress: json(progress) })
    };
    assert_eq!(tell(key, 1, 5, "10").await, Written::Done);
    assert_eq!(tell(key, 1, 5, "20").await, Written::Done);
    for (key, n, claim) in [(key, 1, 6), (key, 2, 5), (key, 3, 5), (InstanceKey(99), 1, 5)] {
        assert_eq!(tell(key, n, claim, "30").await, Written::Refused);
    }
    let progress = async || -> Vec<_> { hub.activities(key).await.into_iter().map(|row| row.progress).collect() };
    assert_eq!(progress().await, [Some(json("20")), None]);
    let next = hub.attach().await;
    let taken = hub.claim_activities(next, 20, 1).await;
    assert_eq!(taken[0].progress, Some(json("20")), "who takes it over can go on from there");
    assert_eq!(tell(key, 1, 5, "30").await, Written::Refused);
    assert_eq!(tell(key, 1, 20, "30").await, Written::Done);
}

/// A call that is given back runs elsewhere, under another claim and without a further delivery.
pub async fn a_call_can_be_given_back(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let worker = hub.attach().await;
    let key = hub.start_as(CreateInstance { owner: Some(worker), ..create("a") }).await;
    let calls = vec![own_call(1, worker, 5), own_call(2, worker, 6)];
    hub.done(TurnCommit { new_activities: calls, ..turn("a", key, 1) }).await;
    assert_eq!(hub.free_tasks(worker).await, [0; 0]);
    let held = |task, claim| HeldCall { key, call: call(task), claim };
    let back = Write::HandBack(vec![held(1, 5), held(2, 7), held(9, 1)]);
    assert_eq!(hub.write(back).await, Written::Done);
    let taken = hub.claim_activities(worker, 100, 9).await;
    assert_eq!(taken.iter().map(|row| (row.call, row.claim, row.deliveries)).collect::<Vec<_>>(), [(call(1), 100, 1)]);
    assert_eq!(hub.message(completion("a", key, 1, 5)).await, Written::Refused);
    assert!(matches!(hub.message(completion("a", key, 2, 6)).await, Written::Queued { .. }), "its claim is another");
}
