//! Removing instances.

use std::sync::Arc;

use durable_core::backend::{
    Backend, CreateInstance, Gone, InstanceFilter, InstanceKey, RewindCommit, TurnCommit, Write, Written,
};
use durable_core::model::RuntimeStatus;

use super::fixtures::{
    Hub, at, child, create, every_instance, execution, free_call, happened, json, last_turn, message, own_call, timer,
    turn,
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

/// An instance that has ended with this status, `n` ticks after all began.
async fn ended(hub: &Hub, id: &str, status: RuntimeStatus, n: i64) -> InstanceKey {
    let key = hub.start(id).await;
    hub.done(TurnCommit { status, turn_time: at(n), ..last_turn(id, key, 1) }).await;
    key
}

/// Those that ended first go first, whatever the order of their creation, and the answer says which is next.
pub async fn the_oldest_expire_first(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let mut keys = Vec::new();
    for n in [5, 3, 9, 3, 7] {
        keys.push(ended(&hub, &keys.len().to_string(), RuntimeStatus::Completed, n).await);
    }
    assert_eq!(hub.expire(RuntimeStatus::Completed, 2, 9).await, (vec![], Some(at(3))));
    assert_eq!(hub.expire(RuntimeStatus::Completed, 8, 3).await, (vec![keys[1], keys[3], keys[0]], Some(at(7))));
    assert_eq!(hub.expire(RuntimeStatus::Completed, 9, 0).await, (vec![], Some(at(7))));
    assert_eq!(hub.expire(RuntimeStatus::Completed, 7, 9).await, (vec![keys[4]], Some(at(9))));
    assert_eq!(hub.expire(RuntimeStatus::Completed, 9, 1).await, (vec![keys[2]], None));
    assert_eq!(hub.expire(RuntimeStatus::Completed, 9, 1).await, (vec![], None));
    assert_eq!(hub.list(every_instance()).await, [""; 0]);
}

/// Other ends do not count, and what lives does not expire.
pub async fn only_the_named_status_expires(store: Arc<dyn Backend>) {
    use RuntimeStatus::{Canceled, Completed, ContinuedAsNew, Failed, Pending, Running, Suspended, Terminated};
    let hub = Hub::new(store);
    hub.start("pending").await;
    for (id, status) in [("running", Running), ("suspended", Suspended), ("continued", ContinuedAsNew)] {
        let key = hub.start(id).await;
        hub.done(TurnCommit { status, ..turn(id, key, 1) }).await;
    }
    for (id, status) in [("completed", Completed), ("failed", Failed), ("terminated", Terminated)] {
        ended(&hub, id, status, 1).await;
    }
    let canceled = ended(&hub, "canceled", Canceled, 2).await;
    for status in [Pending, Running, Suspended, ContinuedAsNew] {
        assert_eq!(hub.expire(status, 99, 99).await, (vec![], None), "{status}");
    }
    assert_eq!(hub.expire(Canceled, 99, 99).await, (vec![canceled], None));
    assert_eq!(hub.expire(Completed, 0, 99).await, (vec![], Some(at(1))));
    assert_eq!(hub.list(every_instance()).await.len(), 7);
}

/// Nothing is left of an instance that is gone, and its id is free.
pub async fn an_expired_instance_leaves_nothing_behind(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let key = full(&hub, "a").await;
    let custom_status = Some(json("1"));
    hub.done(TurnCommit { custom_status, new_activities: vec![free_call(7)], ..last_turn("a", key, 2) }).await;
    assert_eq!(hub.expire(RuntimeStatus::Completed, 2, 1).await, (vec![key], None));
    assert!(hub.store.instance("a").await.expect("it can be read").is_none());
    assert_eq!((hub.history(key).await, hub.timers().await, hub.activities(key).await), (vec![], vec![], vec![]));
    let worker = hub.attach().await;
    assert_eq!(hub.free_tasks(worker).await, [0; 0]);
    assert!(hub.start("a").await > key);
    assert_eq!((hub.row("a").await.epoch, hub.row("a").await.custom_status), (1, None));
}

/// An end that was taken back does not count, and the next one counts from when it comes.
pub async fn a_rewound_instance_does_not_expire(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let key = ended(&hub, "a", RuntimeStatus::Failed, 3).await;
    let rewind = RewindCommit {
        key,
        execution: execution("a"),
        epoch: 1,
        turn: 1,
        now: at(5),
        history: Vec::new(),
        inbox: Vec::new(),
        activities: Vec::new(),
        timers: Vec::new(),
        children: Vec::new(),
    };
    assert_eq!(hub.write(Write::Rewind(vec![rewind])).await, Written::Done);
    for status in [RuntimeStatus::Failed, hub.row("a").await.status] {
        assert_eq!(hub.expire(status, 9, 9).await, (vec![], None), "{status}");
    }
    let again = TurnCommit { status: RuntimeStatus::Failed, epoch: 2, turn_time: at(7), ..last_turn("a", key, 2) };
    hub.done(again).await;
    assert_eq!(hub.expire(RuntimeStatus::Failed, 6, 9).await, (vec![], Some(at(7))));
    assert_eq!(hub.expire(RuntimeStatus::Failed, 7, 9).await, (vec![key], None));
}
