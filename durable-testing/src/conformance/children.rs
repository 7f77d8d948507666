//! Instances that a turn starts.

use std::sync::Arc;

use durable_core::backend::{
    Arrived, Backend, Committed, CreateInstance, Gone, InstanceFilter, NewChild, Started, TurnCommit, Written,
};
use durable_core::model::RuntimeStatus;

use super::fixtures::{
    Hub, at, call, child, create, create_again, every_instance, execution, last_turn, taken, timer_row, turn,
};

/// A child is an instance like any other, which knows its parent; the answer tells its key.
pub async fn a_turn_starts_children(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let worker = hub.attach().await;
    let key = hub.start_as(CreateInstance { owner: Some(worker), ..create("a") }).await;
    let alone = NewChild { create: CreateInstance { owner: Some(worker), ..create("c") }, if_taken: None };
    let committed = hub.reached(TurnCommit { children: vec![child("b", 3), alone], ..turn("a", key, 1) }).await;
    let (b, c) = (hub.row("b").await, hub.row("c").await);
    let started = |key, owner| Some(Started { key, epoch: 1, owner, replaced: None });
    let expected =
        Committed { started: vec![started(b.key, None), started(c.key, Some(worker))], ..Committed::default() };
    assert_eq!(committed, expected);
    assert!(key < b.key && b.key < c.key);
    assert_eq!((b.parent, b.parent_call, b.execution), (Some(key), Some(call(3)), execution("b")));
    assert_eq!((c.parent, c.parent_call, c.status), (Some(key), None, RuntimeStatus::Pending));
    assert_eq!(hub.ready(worker).await, [b.key]);
    assert_eq!(hub.list(InstanceFilter { parent: Some(key), ..every_instance() }).await, ["b", "c"]);
}

/// The instance of the turn is the parent, whatever the child says.
pub async fn a_child_has_no_other_parent(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let (a, other) = (hub.start("a").await, hub.start("other").await);
    let create = CreateInstance { parent: Some(other), ..create("b") };
    let children = vec![NewChild { create, if_taken: None }];
    hub.reached(TurnCommit { children, ..turn("a", a, 1) }).await;
    assert_eq!(hub.row("b").await.parent, Some(a));
}

/// When the id of a child is taken, the parent is told, if it wants to know.
pub async fn a_taken_id_is_a_message_to_the_parent(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let key = hub.start("a").await;
    hub.start("b").await;
    let other = |if_taken| NewChild { create: create_again("b", &[RuntimeStatus::Failed]), if_taken };
    let children = vec![other(Some(taken())), other(None), child("c", 1)];
    let committed = hub.reached(TurnCommit { children, ..turn("a", key, 1) }).await;
    assert_eq!(committed.arrived, [Arrived { key, seq: 1, event: taken(), owner: None }]);
    let started = committed.started.iter().map(Option::is_some).collect::<Vec<_>>();
    assert_eq!((started, committed.look), (vec![false, false, true], vec![]));
    assert_eq!((hub.row("b").await.execution, hub.row("a").await.inbox_seq), (execution("b"), 1));
    let worker = hub.attach().await;
    let inbox = hub.claimed(key, worker).await.inbox;
    assert_eq!((inbox.len(), inbox[0].seq, inbox[0].time, &inbox[0].event), (1, 1, at(40), &taken().event));
}

/// A turn that ends its instance can start others, but is told nothing any more.
pub async fn a_last_turn_can_start_children(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let key = hub.start("a").await;
    hub.start("b").await;
    let other = NewChild { create: create_again("b", &[]), if_taken: Some(taken()) };
    let committed = hub.reached(TurnCommit { children: vec![other, child("c", 1)], ..last_turn("a", key, 1) }).await;
    assert_eq!((committed.arrived, committed.started[0]), (vec![], None));
    assert_eq!(hub.row("c").await.parent, Some(key));
    assert_eq!(hub.row("a").await.inbox_seq, 0);
}

/// A child replaces what a client may replace, and says so.
pub async fn a_child_can_replace(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let key = hub.start("a").await;
    let old = hub.start("b").await;
    hub.done(last_turn("b", old, 1)).await;
    let create = create_again("b", &[RuntimeStatus::Completed]);
    let children = vec![NewChild { create, if_taken: Some(taken()) }];
    let committed = hub.reached(TurnCommit { children, ..turn("a", key, 1) }).await;
    let new = hub.row("b").await;
    assert_eq!(
        committed.started,
        [Some(Started { key: new.key, epoch: 2, owner: None, replaced: Some(Gone { key: old, owner: None }) })]
    );
    assert_eq!((new.execution.as_str(), committed.arrived), ("second", vec![]));
}

/// An instance does not put a child in its own place.
pub async fn a_child_does_not_replace_its_parent(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let key = hub.start("a").await;
    let own = || NewChild { create: create_again("a", &RuntimeStatus::ALL), if_taken: Some(taken()) };
    let committed = hub.reached(TurnCommit { children: vec![own()], ..turn("a", key, 1) }).await;
    assert_eq!((committed.started, committed.arrived.len()), (vec![None], 1));
    let same = NewChild { create: create("a"), if_taken: None };
    let committed = hub.reached(TurnCommit { children: vec![same], ..turn("a", key, 2) }).await;
    assert_eq!(committed.started, [None]);
    let committed = hub.reached(TurnCommit { children: vec![own()], ..last_turn("a", key, 3) }).await;
    assert_eq!((committed.started, hub.row("a").await.key), (vec![None], key));
}

/// Whoever waits for an instance can rely on it: it is not replaced before it is finished.
pub async fn an_awaited_child_is_not_replaced(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let key = hub.start("a").await;
    let alone = NewChild { create: create("c"), if_taken: None };
    hub.reached(TurnCommit { children: vec![child("b", 1), alone], ..turn("a", key, 1) }).await;
    let replace = |id| hub.create(create_again(id, &RuntimeStatus::ALL));
    assert_eq!(replace("b").await, Written::Exists { status: RuntimeStatus::Pending });
    assert!(matches!(replace("c").await, Written::Created(_)), "nobody waits for it");
    let b = hub.row("b").await.key;
    hub.done(turn("b", b, 1)).await;
    assert_eq!(replace("b").await, Written::Exists { status: RuntimeStatus::Running });
    hub.done(last_turn("b", b, 2)).await;
    let Written::Created(started) = replace("b").await else { panic!("it was not replaced") };
    assert_eq!(started.replaced.map(|gone| gone.key), Some(b));
}

/// A refused turn starts nothing.
pub async fn a_refused_turn_starts_nothing(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let key = hub.start("a").await;
    let refused = TurnCommit { children: vec![child("b", 1)], ..turn("a", key, 2) };
    assert_eq!(hub.turn(refused).await, Written::Refused);
    assert_eq!(hub.list(every_instance()).await, ["a"]);
}

/// When the answer to a turn was lost, its repetition tells of the children, and where messages may lie.
pub async fn a_turn_with_children_can_be_resubmitted(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let key = hub.start("a").await;
    hub.start("b").await;
    let other = NewChild { create: create_again("b", &[]), if_taken: Some(taken()) };
    let start = || TurnCommit { children: vec![other.clone(), child("c", 1)], ..turn("a", key, 1) };
    let first = hub.reached(start()).await;
    let again = hub.reached(start()).await;
    assert_eq!(again, Committed { arrived: vec![], look: vec![key], ..first });
    let c = hub.row("c").await.key;
    assert_eq!(again.started[1].map(|started| started.key), Some(c));
    assert_eq!((hub.row("a").await.inbox_seq, hub.list(every_instance()).await.len()), (1, 3));
    hub.purge(&[c], true).await;
    assert_eq!(hub.reached(start()).await.started, [None, None]);
}

/// An instance that starts later has a timer for that, and is not ready before.
pub async fn a_scheduled_instance_waits_for_its_timer(store: Arc<dyn Backend>) {
    use durable_core::backend::CallId;
    let hub = Hub::new(store);
    let worker = hub.attach().await;
    let later = |id: &str| CreateInstance { start_at: Some(at(500)), ..create(id) };
    let key = hub.start_as(later("a")).await;
    let start = NewChild { create: later("b"), if_taken: None };
    hub.done(turn("a", key, 1)).await;
    hub.reached(TurnCommit { children: vec![start], ..turn("a", key, 2) }).await;
    let b = hub.row("b").await;
    assert_eq!((b.start_at, b.status), (Some(at(500)), RuntimeStatus::Pending));
    let row = |key| durable_core::backend::TimerRow { call: CallId::START, ..timer_row(key, 0, 500) };
    assert_eq!(hub.timers().await, [row(key), row(b.key)]);
    assert_eq!(hub.ready(worker).await, []);
    hub.message(super::fixtures::message("b")).await;
    assert_eq!(hub.ready(worker).await, [b.key], "somebody has to read the message");
    hub.done(TurnCommit { timers_gone: vec![CallId::START], ..turn("a", key, 3) }).await;
    assert_eq!(hub.timers().await, [row(b.key)]);
}
