//! Instances that go on in another execution.

use std::sync::Arc;

use durable_core::backend::{
    Backend, CallId, Committed, Completes, CreateInstance, InboxRow, MessageTarget, NewActivity, NewMessage,
    NextExecution, TurnCommit, Written,
};
use durable_core::model::{RuntimeStatus, TaskId};

use super::fixtures::{
    Hub, at, call, child, completion, continuing_turn, create, event, execution, free_call, happened, json, last_turn,
    message, next, own_call, timer, turn,
};

/// The turn of this number of the execution with this generation.
fn later_turn(key: durable_core::backend::InstanceKey, generation: u32, number: u64) -> TurnCommit {
    TurnCommit { execution: format!("execution {generation}"), ..turn("a", key, number) }
}

/// The next execution begins from nothing, under the same key.
pub async fn the_next_execution_starts_from_nothing(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let tags = [("team".to_owned(), "blue".to_owned())].into();
    let key = hub.start_as(CreateInstance { tags, origin: Some("client".to_owned()), ..create("a") }).await;
    hub.done(TurnCommit {
        custom_status: Some(json("5")),
        history: vec![happened(1), happened(2)],
        new_timers: vec![timer(2, 90)],
        ..turn("a", key, 1)
    })
    .await;
    let before = hub.row("a").await;
    let next = NextExecution { version: Some("2".to_owned()), input: json("[2]"), ..*next(1) };
    hub.done(TurnCommit { next: Some(Box::new(next)), ..continuing_turn("a", key, 2) }).await;
    let expected = durable_core::backend::InstanceRow {
        execution: "execution 1".to_owned(),
        version: Some("2".to_owned()),
        input: json("[2]"),
        generation: 1,
        status: RuntimeStatus::ContinuedAsNew,
        history_len: 0,
        turn: 2,
        turn_time: at(2),
        updated: at(2),
        ..before
    };
    assert_eq!(hub.row("a").await, expected);
    assert_eq!((hub.history(key).await, hub.timers().await), (vec![], vec![]));
}

/// Turns are counted on, and the new history begins at its first row.
pub async fn turns_go_on_in_the_next_execution(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let key = hub.start("a").await;
    hub.done(TurnCommit { history: vec![happened(1), happened(2)], ..turn("a", key, 1) }).await;
    hub.done(continuing_turn("a", key, 2)).await;
    assert_eq!(hub.turn(turn("a", key, 3)).await, Written::Refused);
    hub.done(TurnCommit { history: vec![happened(3)], ..later_turn(key, 1, 3) }).await;
    let row = hub.row("a").await;
    assert_eq!((row.status, row.turn, row.history_len), (RuntimeStatus::Running, 3, 1));
    let history = hub.history(key).await;
    assert_eq!((history.len(), history[0].seq, &history[0].event), (1, 1, &happened(3).event));
    hub.done(TurnCommit { next: Some(next(2)), ..later_turn(key, 1, 4) }).await;
    assert_eq!(hub.row("a").await.generation, 2);
    hub.done(TurnCommit { next: Some(next(3)), ..later_turn(key, 2, 5) }).await;
    hub.done(TurnCommit { status: RuntimeStatus::Failed, ..later_turn(key, 3, 6) }).await;
    assert_eq!(hub.turn(later_turn(key, 3, 7)).await, Written::Refused);
}

/// What a turn that continues as new records of its own execution goes with it.
pub async fn a_continuing_turn_leaves_no_history(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let key = hub.start("a").await;
    hub.done(TurnCommit { history: vec![happened(1)], ..continuing_turn("a", key, 1) }).await;
    assert_eq!((hub.history(key).await.len(), hub.row("a").await.history_len), (0, 0));
}

/// A continuing turn whose answer was lost is done, under the same fence as every other.
pub async fn a_continuing_turn_can_be_resubmitted(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let key = hub.start("a").await;
    hub.done(turn("a", key, 1)).await;
    hub.done(continuing_turn("a", key, 2)).await;
    let before = hub.row("a").await;
    hub.done(continuing_turn("a", key, 2)).await;
    assert_eq!(hub.row("a").await, before);
    let other = TurnCommit { next: Some(next(9)), ..continuing_turn("a", key, 2) };
    assert_eq!(hub.turn(other).await, Written::Refused, "another execution follows");
    assert_eq!(hub.turn(turn("a", key, 2)).await, Written::Refused, "no execution follows");
    assert_eq!(hub.turn(TurnCommit { epoch: 2, ..continuing_turn("a", key, 2) }).await, Written::Refused);
    hub.done(later_turn(key, 1, 3)).await;
    assert_eq!(hub.turn(continuing_turn("a", key, 2)).await, Written::Refused, "there was another turn");
}

/// The repetition of a continuing turn tells of its children too.
pub async fn a_continuing_turn_with_children_can_be_resubmitted(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let key = hub.start("a").await;
    let commit = || TurnCommit { children: vec![child("b", 1)], ..continuing_turn("a", key, 1) };
    let first = hub.reached(commit()).await;
    assert_eq!(hub.reached(commit()).await, Committed { look: vec![key], ..first });
}

/// An execution that waits for its first turn is ready, whenever the instance was to start.
pub async fn the_next_execution_is_ready(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let worker = hub.attach().await;
    let mut keys = Vec::new();
    for (id, start_at) in [("a", None), ("b", Some(at(500)))] {
        let key = hub.start_as(CreateInstance { start_at, ..create(id) }).await;
        hub.done(turn(id, key, 1)).await;
        hub.done(continuing_turn(id, key, 2)).await;
        keys.push(key);
    }
    assert_eq!(hub.ready(worker).await, keys);
    hub.done(later_turn(keys[0], 1, 3)).await;
    assert_eq!(hub.ready(worker).await, keys[1..]);
    hub.claimed(keys[1], worker).await;
    assert_eq!(hub.ready(worker).await, []);
}

/// Messages that no turn has consumed stay, and those that are carried over come first, where they were.
pub async fn messages_are_carried_over(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let key = hub.start("a").await;
    for _ in 0..4 {
        hub.message(message("a")).await;
    }
    hub.done(TurnCommit { inbox_through: 2, ..turn("a", key, 1) }).await;
    let carried = [1, 3].map(|seq| InboxRow { seq, time: at(7), event: event("carried", "0") });
    let next = NextExecution { carried: carried.to_vec(), ..*next(1) };
    let commit = TurnCommit { inbox_through: 3, next: Some(Box::new(next)), ..continuing_turn("a", key, 2) };
    hub.done(commit.clone()).await;
    hub.done(commit).await;
    let worker = hub.attach().await;
    let inbox = hub.claimed(key, worker).await.inbox;
    assert_eq!(inbox[..2], carried);
    assert_eq!(inbox[2..].iter().map(|row| row.seq).collect::<Vec<_>>(), [4]);
    assert_eq!(hub.message(message("a")).await, Written::Queued { key, seq: 5, owner: None });
    hub.done(TurnCommit { epoch: 2, inbox_through: 4, ..later_turn(key, 1, 3) }).await;
    assert_eq!(hub.inbox(key, worker).await, [5]);
}

/// Calls go on, next to those of the next execution with the same numbers.
pub async fn calls_outlive_their_execution(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let worker = hub.attach().await;
    let key = hub.start("a").await;
    let calls = vec![own_call(1, worker, 11), free_call(2), own_call(3, worker, 13)];
    hub.done(TurnCommit { new_activities: calls, ..turn("a", key, 1) }).await;
    hub.done(TurnCommit { activities_gone: vec![call(3)], ..continuing_turn("a", key, 2) }).await;
    let second = CallId::new(1, TaskId(1));
    let new = NewActivity { call: second, ..own_call(1, worker, 21) };
    hub.done(TurnCommit { new_activities: vec![new], ..later_turn(key, 1, 3) }).await;
    let calls: Vec<_> = hub.activities(key).await.iter().map(|row| row.call).collect();
    assert_eq!(calls, [call(1), call(2), second]);
    assert_eq!(hub.free_tasks(worker).await, [2]);
    hub.done(TurnCommit { drop_activities: true, ..later_turn(key, 1, 4) }).await;
    assert_eq!(hub.activities(key).await, []);
}

/// Results that an execution has not read at its end go with it; other messages stay.
pub async fn unread_results_go_with_their_execution(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let worker = hub.attach().await;
    let key = hub.start("a").await;
    hub.done(TurnCommit { new_activities: vec![own_call(1, worker, 11)], ..turn("a", key, 1) }).await;
    hub.message(message("a")).await;
    assert_eq!(hub.message(completion("a", key, 1, 11)).await, Written::Queued { key, seq: 2, owner: None });
    hub.message(message("a")).await;
    hub.done(continuing_turn("a", key, 2)).await;
    assert_eq!(hub.inbox(key, worker).await, [1, 3]);
    assert_eq!(hub.message(completion("a", key, 1, 11)).await, Written::Refused);
}

/// Nobody reads the result of an earlier execution, but its call is over.
pub async fn results_of_earlier_executions_are_refused(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let worker = hub.attach().await;
    let key = hub.start("a").await;
    let calls = vec![own_call(1, worker, 11), own_call(2, worker, 12)];
    hub.done(TurnCommit { new_activities: calls, ..turn("a", key, 1) }).await;
    hub.done(continuing_turn("a", key, 2)).await;
    assert_eq!(hub.message(completion("a", key, 1, 99)).await, Written::Refused);
    assert_eq!(hub.activities(key).await.len(), 2, "the claim does not fit");
    assert_eq!(hub.message(completion("a", key, 1, 11)).await, Written::Refused);
    assert_eq!(hub.activities(key).await.len(), 1);
    // Whoever took the call over since then knows the present execution only.
    let to = MessageTarget::Execution(key, "execution 1".to_owned());
    assert_eq!(hub.message(NewMessage { to, ..completion("a", key, 2, 12) }).await, Written::Refused);
    assert_eq!((hub.activities(key).await.len(), hub.row("a").await.inbox_seq), (0, 0));
}

/// The results of the next execution arrive.
pub async fn results_of_the_next_execution_arrive(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let worker = hub.attach().await;
    let key = hub.start("a").await;
    hub.done(continuing_turn("a", key, 1)).await;
    let second = CallId::new(1, TaskId(1));
    let new = NewActivity { call: second, ..own_call(1, worker, 21) };
    hub.done(TurnCommit { new_activities: vec![new], ..later_turn(key, 1, 2) }).await;
    let to = MessageTarget::Execution(key, "execution 1".to_owned());
    let completes = Some(Completes::Activity(second, 21));
    let result = NewMessage { to, completes, ..completion("a", key, 1, 21) };
    for _ in 0..2 {
        assert_eq!(hub.message(result.clone()).await, Written::Queued { key, seq: 1, owner: None });
    }
    assert_eq!(hub.activities(key).await, []);
}

/// Custom status, tags and children belong to the instance.
pub async fn children_outlive_the_execution(store: Arc<dyn Backend>) {
    use durable_core::backend::Recipient;
    let hub = Hub::new(store);
    let key = hub.start("a").await;
    hub.reached(TurnCommit { children: vec![child("b", 1)], ..turn("a", key, 1) }).await;
    hub.done(continuing_turn("a", key, 2)).await;
    let second = CreateInstance { parent_call: Some(CallId::new(1, TaskId(1))), ..create("c") };
    let children = vec![durable_core::backend::NewChild { create: second, if_taken: None }];
    hub.reached(TurnCommit { children, ..later_turn(key, 1, 3) }).await;
    let (b, c) = (hub.row("b").await.key, hub.row("c").await.key);
    let one = super::fixtures::outgoing(Recipient::Child(call(1)), 1);
    let all = super::fixtures::outgoing(Recipient::Children, 2);
    let end = TurnCommit { execution: "execution 1".to_owned(), ..last_turn("a", key, 4) };
    let arrived = hub.reached(TurnCommit { messages: vec![one, all], ..end }).await.arrived;
    assert_eq!(arrived.iter().map(|arrived| arrived.key).collect::<Vec<_>>(), [b, b, c]);
    assert_eq!(hub.row("b").await.execution, execution("b"));
}
