//! Messages that a turn sends.

use std::sync::Arc;

use durable_core::backend::{Arrived, Backend, Committed, InstanceKey, NewChild, Recipient, TurnCommit, Written};

use super::fixtures::{
    Hub, call, child, continuing_turn, create, execution, happened, last_turn, message, outgoing, turn,
};

fn arrived(key: InstanceKey, seq: u64, n: i64) -> Arrived {
    Arrived { key, seq, event: happened(n), owner: None }
}

fn to_id(id: &str, n: i64) -> durable_core::backend::OutgoingMessage {
    outgoing(Recipient::Id(id.to_owned()), n)
}

/// A parent with the awaited children `b` and `c`, and `d`, which it left alone.
async fn family(hub: &Hub) -> [InstanceKey; 4] {
    let a = hub.start("a").await;
    let alone = NewChild { create: create("d"), if_taken: None };
    let children = vec![child("b", 1), child("c", 2), alone];
    let started = hub.reached(TurnCommit { children, ..turn("a", a, 1) }).await.started;
    let mut keys = started.iter().map(|started| started.expect("the id is free").key);
    let mut next = || keys.next().expect("three were started");
    [a, next(), next(), next()]
}

/// Messages arrive in order, in the inbox of an id or of an execution, that of the sender too.
pub async fn a_turn_sends_messages(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let (a, b) = (hub.start("a").await, hub.start("b").await);
    hub.message(message("b")).await;
    let one = |key, id| Recipient::Execution(key, execution(id));
    let messages = vec![to_id("b", 1), outgoing(one(b, "b"), 2), to_id("a", 3), outgoing(one(a, "a"), 4)];
    let committed = hub.reached(TurnCommit { messages, ..turn("a", a, 1) }).await;
    let expected = vec![arrived(b, 2, 1), arrived(b, 3, 2), arrived(a, 1, 3), arrived(a, 2, 4)];
    assert_eq!(committed, Committed { arrived: expected, ..Committed::default() });
    let worker = hub.attach().await;
    let inbox = hub.claimed(b, worker).await.inbox;
    assert_eq!((inbox[1].seq, inbox[1].time), (2, happened(1).time));
    assert_eq!(inbox[2].event, happened(2).event);
    assert_eq!(hub.inbox(a, worker).await, [1, 2]);
    assert_eq!(hub.message(message("b")).await, Written::Queued { key: b, seq: 4, owner: None });
}

/// What has no reader is dropped without a word.
pub async fn what_cannot_be_delivered_is_dropped(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let (a, b) = (hub.start("a").await, hub.start("b").await);
    hub.done(last_turn("b", b, 1)).await;
    let nobody = [
        Recipient::Id("nobody".to_owned()),
        Recipient::Id("b".to_owned()),
        Recipient::Execution(InstanceKey(99), execution("a")),
        Recipient::Execution(a, "another".to_owned()),
        Recipient::Execution(b, execution("b")),
        Recipient::Child(call(1)),
        Recipient::Children,
    ];
    let messages = nobody.into_iter().map(|to| outgoing(to, 1)).collect();
    assert_eq!(hub.reached(TurnCommit { messages, ..turn("a", a, 1) }).await, Committed::default());
    assert_eq!((hub.row("a").await.inbox_seq, hub.row("b").await.inbox_seq), (0, 0));
}

/// A child is found by the call that waits for it, and only by its own parent.
pub async fn a_child_is_told_by_its_call(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let [a, b, c, d] = family(&hub).await;
    let send = |n| TurnCommit { messages: vec![outgoing(Recipient::Child(call(2)), 5)], ..turn("a", a, n) };
    assert_eq!(hub.reached(send(2)).await.arrived, [arrived(c, 1, 5)]);
    let foreign = TurnCommit { messages: send(1).messages, ..turn("d", d, 1) };
    assert_eq!(hub.reached(foreign).await.arrived, []);
    hub.done(last_turn("c", c, 1)).await;
    assert_eq!(hub.reached(send(3)).await.arrived, []);
    assert_eq!(hub.row("b").await.key, b);
}

/// All children are those that somebody waits for and that are not finished.
pub async fn all_awaited_children_are_told(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let [a, b, c, d] = family(&hub).await;
    let send = |n| TurnCommit { messages: vec![outgoing(Recipient::Children, 5)], ..turn("a", a, n) };
    assert_eq!(hub.reached(send(2)).await.arrived, [arrived(b, 1, 5), arrived(c, 1, 5)]);
    hub.done(last_turn("b", b, 1)).await;
    assert_eq!(hub.reached(send(3)).await.arrived, [arrived(c, 2, 5)]);
    let ends = TurnCommit { messages: send(4).messages, ..last_turn("a", a, 4) };
    assert_eq!(hub.reached(ends).await.arrived, [arrived(c, 3, 5)]);
    let worker = hub.attach().await;
    assert_eq!(hub.inbox(d, worker).await, [0; 0]);
}

/// The children of a turn are there before its messages are sent.
pub async fn new_children_get_the_messages_of_their_turn(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let key = hub.start("a").await;
    let messages = vec![to_id("b", 1), outgoing(Recipient::Child(call(1)), 2), outgoing(Recipient::Children, 3)];
    let committed = hub.reached(TurnCommit { children: vec![child("b", 1)], messages, ..turn("a", key, 1) }).await;
    let b = hub.row("b").await.key;
    assert_eq!(committed.arrived, [arrived(b, 1, 1), arrived(b, 2, 2), arrived(b, 3, 3)]);
}

/// A finished instance reads nothing, not even from itself.
pub async fn a_last_turn_tells_itself_nothing(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let (a, b) = (hub.start("a").await, hub.start("b").await);
    let messages = vec![to_id("a", 1), outgoing(Recipient::Execution(a, execution("a")), 2), to_id("b", 3)];
    let committed = hub.reached(TurnCommit { messages, ..last_turn("a", a, 1) }).await;
    assert_eq!(committed.arrived, [arrived(b, 1, 3)]);
    assert_eq!(hub.row("a").await.inbox_seq, 0);
}

/// After continue-as-new the id means the new execution, and nobody is the old one.
pub async fn a_continuing_turn_tells_the_next_execution(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let key = hub.start("a").await;
    let messages = vec![outgoing(Recipient::Execution(key, execution("a")), 1), to_id("a", 2)];
    let committed = hub.reached(TurnCommit { messages, ..continuing_turn("a", key, 1) }).await;
    assert_eq!(committed.arrived, [arrived(key, 1, 2)]);
}

/// A refused turn sends nothing.
pub async fn a_refused_turn_sends_nothing(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let key = hub.start("a").await;
    let refused = TurnCommit { messages: vec![to_id("a", 1)], ..turn("a", key, 2) };
    assert_eq!(hub.turn(refused).await, Written::Refused);
    assert_eq!(hub.row("a").await.inbox_seq, 0);
}

/// When the answer to a turn was lost, its repetition sends nothing, and says where messages may lie.
pub async fn a_turn_with_messages_can_be_resubmitted(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let [a, b, c, d] = family(&hub).await;
    let to = [
        Recipient::Id("d".to_owned()),
        Recipient::Children,
        Recipient::Child(call(1)),
        Recipient::Execution(d, execution("d")),
        Recipient::Id("nobody".to_owned()),
    ];
    let messages: Vec<_> = to.into_iter().map(|to| outgoing(to, 1)).collect();
    let send = || TurnCommit { messages: messages.clone(), ..turn("a", a, 2) };
    assert_eq!(hub.reached(send()).await.arrived.len(), 5);
    let again = Committed { look: vec![b, c, d], ..Committed::default() };
    assert_eq!(hub.reached(send()).await, again);
    let seqs = [hub.row("b").await.inbox_seq, hub.row("c").await.inbox_seq, hub.row("d").await.inbox_seq];
    assert_eq!(seqs, [2, 1, 2]);
    hub.done(last_turn("c", c, 1)).await;
    assert_eq!(hub.reached(send()).await.look, [b, d]);
}
