//! Removing instances.

use std::sync::Arc;

use durable_core::backend::{Backend, CreateInstance, Gone, InstanceFilter, InstanceKey, TurnCommit, Write, Written};

use super::fixtures::{
    Hub, at, child, create, every_instance, free_call, happened, last_turn, message, own_call, timer, turn,
};

/// An instance with a row in every table.
async fn full(hub: &Hub, id: &str) -> InstanceKey {
    let tags = [("team".to_owned(), "blue".to_owned()), ("week".to_owned(), "7".to_owned())].into();
    let key = hub.start_as(CreateInstance { tags, start_at: Some(at(500)), ..create(id) }).await;
    hub.done(TurnCommit {
        history: vec![happened(1)],
        new_activities: vec![free_call(1)],
        new_timers: vec![timer(2, 90)],
        ..turn(id, key, 1)
    })
    .await;
    hub.message(message(id)).await;
    key
}

/// Finished instances go, the others stay; the answer says which went.
pub async fn only_finished_instances_are_purged(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let (a, b, c) = (full(&hub, "a").await, full(&hub, "b").await, hub.start("c").await);
    hub.done(last_turn("b", b, 2)).await;
    assert_eq!(hub.purge(&[c, b, a, InstanceKey(99), b], false).await, [b]);
    assert_eq!(hub.list(every_instance()).await, ["a", "c"]);
    assert_eq!(hub.purge(&[b], false).await, []);
    assert_eq!(hub.purge(&[], true).await, []);
    assert_eq!((hub.history(a).await.len(), hub.timers().await.len()), (1, 2));
    assert_eq!(hub.activities(a).await.len(), 1);
}

/// By force, everything goes that is named.
pub async fn force_purges_everything(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let keys = [full(&hub, "a").await, full(&hub, "b").await];
    hub.reached(TurnCommit { children: vec![child("c", 1)], ..turn("a", keys[0], 2) }).await;
    let c = hub.row("c").await.key;
    assert_eq!(hub.purge(&[c, keys[0]], true).await, [c, keys[0]]);
    assert_eq!(hub.list(every_instance()).await, ["b"]);
}

/// Nothing is left of an instance that is gone, and its id is free.
pub async fn a_purge_leaves_nothing_behind(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let worker = hub.attach().await;
    let key = full(&hub, "a").await;
    hub.done(TurnCommit { new_activities: vec![own_call(7, worker, 5)], ..turn("a", key, 2) }).await;
    assert_eq!(hub.purge(&[key], true).await, [key]);
    assert!(hub.store.instance("a").await.expect("it can be read").is_none());
    assert_eq!((hub.history(key).await, hub.timers().await, hub.activities(key).await), (vec![], vec![], vec![]));
    let tags = vec![("team".to_owned(), "blue".to_owned())];
    assert_eq!(hub.list(InstanceFilter { tags, ..every_instance() }).await, [""; 0]);
    assert_eq!(hub.ready(worker).await, []);
    assert_eq!(hub.message(message("a")).await, Written::NotFound);
    assert_eq!(hub.turn(turn("a", key, 3)).await, Written::Refused);
    assert_eq!(hub.claim(key, worker).await, Written::NotFound);
    let next = hub.attach().await;
    assert_eq!(hub.free_tasks(next).await, [0; 0]);
    let new = hub.start("a").await;
    assert!(new > key);
    assert_eq!((hub.row("a").await.epoch, hub.inbox(new, next).await), (1, vec![]));
}

/// A batch sees that an instance is gone.
pub async fn a_batch_goes_on_without_the_purged(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let key = hub.start("a").await;
    let batch = vec![
        Write::Turn(Box::new(last_turn("a", key, 1))),
        Write::Purge { keys: vec![key], force: false },
        Write::Message(message("a")),
        Write::Create(create("a")),
    ];
    let written = hub.commit(batch).await;
    assert_eq!(written[..3], [Written::Done, Written::Purged(vec![Gone { key, owner: None }]), Written::NotFound]);
    assert!(matches!(written[3], Written::Created(started) if started.replaced.is_none()));
}
