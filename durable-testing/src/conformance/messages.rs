//! Sending messages.

use std::sync::Arc;

use durable_core::backend::{
    Backend, CallId, Completes, CreateInstance, InboxRow, InstanceKey, InstanceRow, MessageTarget, NewMessage,
    TurnCommit, Write, Written,
};
use durable_core::history::StoredEvent;
use durable_core::model::{Payload, RuntimeStatus, TaskId};

use super::fixtures::{
    Hub, at, call, completion, create, event, execution, free_call, json, last_turn, message, own_call, timer,
    timer_row, turn,
};

/// A message can be addressed to an id and to an execution; positions grow from 1.
pub async fn messages_queue_up_in_order(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let key = hub.start("a").await;
    let other = hub.start("b").await;
    assert_eq!(hub.message(message("a")).await, Written::Queued { key, seq: 1, owner: None });
    let to = MessageTarget::Execution(key, execution("a"));
    assert_eq!(hub.message(NewMessage { to, ..message("a") }).await, Written::Queued { key, seq: 2, owner: None });
    assert_eq!(hub.message(message("b")).await, Written::Queued { key: other, seq: 1, owner: None });
    let batch = vec![Write::Message(message("a")), Write::Message(message("b")), Write::Message(message("a"))];
    let queued = |key, seq| Written::Queued { key, seq, owner: None };
    assert_eq!(hub.commit(batch).await, [queued(key, 3), queued(other, 2), queued(key, 4)]);
    let worker = hub.attach().await;
    assert_eq!(hub.inbox(key, worker).await, [1, 2, 3, 4]);
    assert_eq!(hub.inbox(other, worker).await, [1, 2]);
}

/// A message comes out as it went in, with and without its optional parts.
pub async fn messages_keep_all_their_parts(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let key = hub.start("a").await;
    let full = StoredEvent {
        kind: "TaskFailed".into(),
        task_id: Some(TaskId(u32::MAX)),
        name: Some("Grüße 😀".into()),
        payload: Some(json(r#"{"b": 1.50, "a":  [ ]}"#)),
        detail: Some("{\"m\":\"it's \\\"bad\\\"\"}".into()),
    };
    let bare = StoredEvent { kind: "X".into(), task_id: None, name: None, payload: None, detail: None };
    for (n, event) in [(1, &full), (2, &bare)] {
        hub.message(NewMessage { time: at(n), event: event.clone(), ..message("a") }).await;
    }
    let worker = hub.attach().await;
    let expected = [InboxRow { seq: 1, time: at(1), event: full }, InboxRow { seq: 2, time: at(2), event: bare }];
    assert_eq!(hub.claimed(key, worker).await.inbox, expected);
}

/// There must be somebody to receive it.
pub async fn messages_need_an_instance(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    assert_eq!(hub.message(message("a")).await, Written::NotFound);
    let to = MessageTarget::Execution(InstanceKey(77), execution("a"));
    assert_eq!(hub.message(NewMessage { to, ..message("a") }).await, Written::NotFound);
}

/// A message to another execution than the current one is refused.
pub async fn messages_to_another_execution_are_refused(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let key = hub.start("a").await;
    let to = MessageTarget::Execution(key, "another".to_owned());
    assert_eq!(hub.message(NewMessage { to, ..message("a") }).await, Written::Refused);
    assert_eq!(hub.message(message("a")).await, Written::Queued { key, seq: 1, owner: None });
}

/// A finished instance takes no messages, however it finished.
pub async fn finished_instances_take_no_messages(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    for status in RuntimeStatus::ALL {
        let id = status.as_str();
        let key = hub.start(id).await;
        hub.done(TurnCommit { status, ..turn(id, key, 1) }).await;
        let expected = if status.is_terminal() {
            Written::Finished { status }
        } else {
            Written::Queued { key, seq: 1, owner: None }
        };
        assert_eq!(hub.message(message(id)).await, expected);
        let to = MessageTarget::Execution(key, execution(id));
        let expected = if status.is_terminal() {
            Written::Finished { status }
        } else {
            Written::Queued { key, seq: 2, owner: None }
        };
        assert_eq!(hub.message(NewMessage { to, ..message(id) }).await, expected);
    }
}

/// A turn consumes messages up to a position; later ones stay, and positions are not given out again.
pub async fn a_turn_consumes_what_it_has_read(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let worker = hub.attach().await;
    let key = hub.start("a").await;
    for _ in 0..3 {
        hub.message(message("a")).await;
    }
    let fence = |n| TurnCommit { epoch: 2, ..turn("a", key, n) };
    assert_eq!(hub.inbox(key, worker).await, [1, 2, 3]);
    hub.done(fence(1)).await;
    assert_eq!(hub.inbox(key, worker).await, [1, 2, 3]);
    hub.done(TurnCommit { inbox_through: 2, ..fence(2) }).await;
    assert_eq!(hub.inbox(key, worker).await, [3]);
    hub.done(TurnCommit { inbox_through: 3, ..fence(3) }).await;
    assert_eq!(hub.inbox(key, worker).await, [0; 0]);
    assert_eq!(hub.message(message("a")).await, Written::Queued { key, seq: 4, owner: None });
    hub.done(TurnCommit { inbox_through: 3, ..fence(4) }).await;
    assert_eq!(hub.inbox(key, worker).await, [4]);
}

/// A message alone does not change what clients see of an instance.
pub async fn messages_do_not_change_the_instance(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let key = hub.start("a").await;
    hub.done(turn("a", key, 1)).await;
    let before = hub.row("a").await;
    hub.message(message("a")).await;
    assert_eq!(hub.row("a").await, InstanceRow { inbox_seq: 1, ..before });
}

/// A result arrives together with the end of its call, once. As long as it is unread, a repetition finds it.
pub async fn a_result_ends_its_call(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let worker = hub.attach().await;
    let key = hub.start("a").await;
    let calls = vec![own_call(1, worker, 11), own_call(2, worker, 12)];
    hub.done(TurnCommit { new_activities: calls, ..turn("a", key, 1) }).await;
    for _ in 0..2 {
        assert_eq!(hub.message(completion("a", key, 1, 11)).await, Written::Queued { key, seq: 1, owner: None });
    }
    let worker = hub.attach().await;
    assert_eq!(hub.inbox(key, worker).await, [1]);
    hub.done(TurnCommit { epoch: 2, inbox_through: 1, ..turn("a", key, 2) }).await;
    assert_eq!(hub.message(completion("a", key, 1, 11)).await, Written::Refused);
    assert_eq!(hub.free_tasks(worker).await, [2]);
}

/// A result under another claim than the present one is refused, and the call stays.
pub async fn a_result_needs_its_claim(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let worker = hub.attach().await;
    let key = hub.start("a").await;
    hub.done(TurnCommit { new_activities: vec![own_call(1, worker, 11)], ..turn("a", key, 1) }).await;
    assert_eq!(hub.message(completion("a", key, 1, 12)).await, Written::Refused);
    assert_eq!(hub.message(completion("a", key, 2, 11)).await, Written::Refused);
    let worker = hub.attach().await;
    assert_eq!(hub.claim_activities(worker, 40, 1).await.len(), 1);
    assert_eq!(hub.message(completion("a", key, 1, 11)).await, Written::Refused);
    assert_eq!(hub.message(completion("a", key, 1, 40)).await, Written::Queued { key, seq: 1, owner: None });
}

/// Two calls with the same number in different instances have nothing to do with each other.
pub async fn a_result_ends_the_call_of_its_instance(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let worker = hub.attach().await;
    let (a, b) = (hub.start("a").await, hub.start("b").await);
    for (id, key) in [("a", a), ("b", b)] {
        hub.done(TurnCommit { new_activities: vec![own_call(1, worker, 11)], ..turn(id, key, 1) }).await;
    }
    assert_eq!(hub.message(completion("a", a, 1, 11)).await, Written::Queued { key: a, seq: 1, owner: None });
    assert_eq!(hub.message(completion("b", b, 1, 11)).await, Written::Queued { key: b, seq: 1, owner: None });
}

/// The result for an execution that is gone has no reader. Its call is over, if the claim fits.
pub async fn a_result_for_another_execution_ends_the_call(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let worker = hub.attach().await;
    let key = hub.start("a").await;
    hub.done(TurnCommit { new_activities: vec![own_call(1, worker, 11)], ..turn("a", key, 1) }).await;
    for (claim, left) in [(12, 1), (11, 0), (11, 0)] {
        let to = MessageTarget::Execution(key, "another".to_owned());
        assert_eq!(hub.message(NewMessage { to, ..completion("a", key, 1, claim) }).await, Written::Refused);
        assert_eq!(hub.activities(key).await.len(), left);
    }
    assert_eq!(hub.row("a").await.inbox_seq, 0);
}

/// Nobody reads the result of a detached call whose instance is finished, but the call is over.
pub async fn a_result_for_a_finished_instance_ends_the_call(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let worker = hub.attach().await;
    let key = hub.start("a").await;
    hub.done(TurnCommit { new_activities: vec![own_call(1, worker, 11)], ..turn("a", key, 1) }).await;
    hub.done(last_turn("a", key, 2)).await;
    assert_eq!(hub.message(completion("a", key, 1, 12)).await, Written::Refused);
    let finished = Written::Finished { status: RuntimeStatus::Completed };
    assert_eq!(hub.message(completion("a", key, 1, 11)).await, finished);
    assert_eq!(hub.message(completion("a", key, 1, 11)).await, Written::Refused);
    let worker = hub.attach().await;
    assert_eq!(hub.free_tasks(worker).await, [0; 0]);
}

/// A call that waits for a runner is completed by whoever knows its token, and then waits no more.
pub async fn a_result_can_end_a_waiting_call(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let worker = hub.attach().await;
    let key = hub.start("a").await;
    hub.done(TurnCommit { new_activities: vec![free_call(1), free_call(2)], ..turn("a", key, 1) }).await;
    assert_eq!(hub.message(completion("a", key, 1, 0)).await, Written::Queued { key, seq: 1, owner: None });
    let taken = hub.claim_activities(worker, 40, 1).await;
    assert_eq!(taken.iter().map(|row| row.call.task().0).collect::<Vec<_>>(), [2], "what is over takes up no room");
}

/// A large message passes.
pub async fn messages_can_be_large(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let key = hub.start("a").await;
    let payload = format!("\"{}\"", "x".repeat(5_000_000));
    hub.message(NewMessage { event: event("Go", &payload), ..message("a") }).await;
    let worker = hub.attach().await;
    let inbox = hub.claimed(key, worker).await.inbox;
    assert!(inbox[0].event.payload.as_ref().map(Payload::as_str) == Some(&payload), "the payload changed");
}

fn fired(key: InstanceKey, task: u32) -> NewMessage {
    let completes = Some(Completes::Timer(call(task)));
    let event = StoredEvent { kind: "TimerFired".into(), ..completion("a", key, task, 0).event };
    NewMessage { event, completes, ..completion("a", key, task, 0) }
}

/// A timer's message arrives together with the end of the timer, once.
pub async fn a_message_ends_its_timer(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let worker = hub.attach().await;
    let key = hub.start("a").await;
    hub.done(TurnCommit { new_timers: vec![timer(1, 90), timer(2, 90)], ..turn("a", key, 1) }).await;
    for _ in 0..2 {
        assert_eq!(hub.message(fired(key, 1)).await, Written::Queued { key, seq: 1, owner: None });
    }
    assert_eq!(hub.timers().await, [timer_row(key, 2, 90)]);
    hub.claimed(key, worker).await;
    hub.done(TurnCommit { epoch: 2, inbox_through: 1, ..turn("a", key, 2) }).await;
    assert_eq!(hub.message(fired(key, 1)).await, Written::Refused);
    assert_eq!(hub.message(fired(key, 3)).await, Written::Refused);
    let to = MessageTarget::Execution(key, "another".to_owned());
    assert_eq!(hub.message(NewMessage { to, ..fired(key, 2) }).await, Written::Refused);
    assert_eq!(hub.timers().await, [timer_row(key, 2, 90)], "it belongs to this execution");
    hub.done(TurnCommit { epoch: 2, ..last_turn("a", key, 3) }).await;
    assert_eq!(hub.message(fired(key, 2)).await, Written::Refused);
}

/// The timer of a scheduled start, which is no task, ends in the same way.
pub async fn a_message_ends_the_timer_of_a_start(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let key = hub.start_as(CreateInstance { start_at: Some(at(500)), ..create("a") }).await;
    let completes = Some(Completes::Timer(CallId::START));
    for _ in 0..2 {
        let start = NewMessage { completes, ..message("a") };
        assert_eq!(hub.message(start).await, Written::Queued { key, seq: 1, owner: None });
    }
    assert_eq!(hub.timers().await, []);
    let worker = hub.attach().await;
    assert_eq!(hub.ready(worker).await, [key]);
}
