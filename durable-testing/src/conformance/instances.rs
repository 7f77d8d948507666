//! Creating and replacing instances.

use std::collections::BTreeMap;
use std::sync::Arc;

use durable_core::backend::{
    Backend, CallId, CreateInstance, InstanceKey, InstanceRow, Started, TurnCommit, Write, Written,
};
use durable_core::model::{RuntimeStatus, TaskId, Timestamp};

use super::fixtures::{
    Hub, at, create, create_again, execution, free_call, happened, json, last_turn, message, timer, turn,
};

/// A new instance is pending, with what it was created with and nothing else.
pub async fn a_new_instance_is_pending(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let Written::Created(Started { key, epoch, .. }) = hub.create(create("a")).await else {
        panic!("it was not created")
    };
    assert_eq!(epoch, 1);
    let expected = InstanceRow {
        key,
        id: "a".to_owned(),
        execution: execution("a"),
        name: "Greet".to_owned(),
        version: None,
        status: RuntimeStatus::Pending,
        input: json(r#""Ada""#),
        tags: BTreeMap::new(),
        origin: None,
        parent: None,
        parent_call: None,
        start_at: None,
        generation: 0,
        custom_status: None,
        output: None,
        reason: None,
        stalled: None,
        created: at(0),
        updated: at(0),
        epoch: 1,
        turn: 0,
        turn_time: Timestamp::UNIX_EPOCH,
        history_len: 0,
        inbox_seq: 0,
        crashes: 0,
    };
    assert_eq!(hub.row("a").await, expected);
    assert!(hub.history(key).await.is_empty());
}

/// An id that nobody created has no row.
pub async fn an_unknown_instance_is_none(store: Arc<dyn Backend>) {
    assert_eq!(store.instance("a").await.expect("it can be read"), None);
}

/// Keys grow in the order of creation, within a batch too.
pub async fn keys_grow(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let batch = |ids: &[&str]| ids.iter().map(|id| Write::Create(create(id))).collect::<Vec<_>>();
    let mut written = hub.commit(batch(&["z", "m"])).await;
    written.extend(hub.commit(batch(&["a"])).await);
    let mut last = InstanceKey(0);
    for written in written {
        let Written::Created(Started { key, .. }) = written else { panic!("it was not created: {written:?}") };
        assert!(key > last, "{key:?} after {last:?}");
        last = key;
    }
}

/// An existing id is not created again; the answer says how it is doing.
pub async fn an_existing_id_is_reported_with_its_status(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let key = hub.start("a").await;
    let again = || CreateInstance { input: json("2"), ..create_again("a", &[]) };
    assert_eq!(hub.create(again()).await, Written::Exists { status: RuntimeStatus::Pending });
    hub.done(turn("a", key, 1)).await;
    assert_eq!(hub.create(again()).await, Written::Exists { status: RuntimeStatus::Running });
    hub.done(last_turn("a", key, 2)).await;
    assert_eq!(hub.create(again()).await, Written::Exists { status: RuntimeStatus::Completed });
    let row = hub.row("a").await;
    assert_eq!((row.key, row.input), (key, json(r#""Ada""#)));
}

/// A creation whose answer was lost can be repeated: it is told again what it made, and changes nothing.
pub async fn a_creation_can_be_resubmitted(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let key = hub.start("a").await;
    assert_eq!(hub.create(create("a")).await, Written::Created(Started { key, epoch: 1, owner: None, replaced: None }));
    let worker = hub.attach().await;
    hub.claimed(key, worker).await;
    hub.done(TurnCommit { epoch: 2, ..last_turn("a", key, 1) }).await;
    let before = hub.row("a").await;
    let again = CreateInstance { input: json("2"), replace: RuntimeStatus::ALL.to_vec(), ..create("a") };
    let started = Started { key, epoch: 2, owner: Some(worker), replaced: None };
    assert_eq!(hub.create(again).await, Written::Created(started), "it tells who owns it now");
    assert_eq!(hub.row("a").await, before);
}

/// A batch sees what it did before.
pub async fn the_second_creation_of_a_batch_finds_the_first(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let written = hub.commit(vec![Write::Create(create("a")), Write::Create(create_again("a", &[]))]).await;
    assert!(matches!(written[0], Written::Created(_)), "{written:?}");
    assert_eq!(written[1], Written::Exists { status: RuntimeStatus::Pending });
}

/// Ids that differ only in case are different.
pub async fn ids_are_case_sensitive(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let (lower, upper) = (hub.start("order").await, hub.start("Order").await);
    assert_ne!(lower, upper);
    hub.done(turn("Order", upper, 1)).await;
    assert_eq!(hub.row("order").await.status, RuntimeStatus::Pending);
    assert_eq!(hub.row("Order").await.status, RuntimeStatus::Running);
    assert_eq!(hub.store.instance("ORDER").await.expect("it can be read"), None);
}

/// Replacing happens in the named states only.
pub async fn only_the_named_states_are_replaced(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let replace = |states: &[RuntimeStatus]| create_again("a", states);
    let key = hub.start("a").await;
    let finished = [RuntimeStatus::Completed, RuntimeStatus::Failed];
    assert_eq!(hub.create(replace(&finished)).await, Written::Exists { status: RuntimeStatus::Pending });
    hub.done(turn("a", key, 1)).await;
    assert_eq!(hub.create(replace(&finished)).await, Written::Exists { status: RuntimeStatus::Running });
    hub.done(last_turn("a", key, 2)).await;
    assert_eq!(
        hub.create(replace(&[RuntimeStatus::Failed])).await,
        Written::Exists { status: RuntimeStatus::Completed }
    );
    assert!(matches!(hub.create(replace(&finished)).await, Written::Created(_)));
}

/// The replacement has a new key, a higher epoch and nothing of what was there.
pub async fn a_replacement_starts_from_nothing(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let old = hub.start("a").await;
    hub.done(TurnCommit {
        custom_status: Some(json("1")),
        history: vec![happened(1), happened(2)],
        new_activities: vec![free_call(0)],
        new_timers: vec![timer(1, 9)],
        ..turn("a", old, 1)
    })
    .await;
    hub.message(message("a")).await;
    let replace = CreateInstance {
        name: "Part".to_owned(),
        input: json("[2]"),
        now: at(70),
        ..create_again("a", &[RuntimeStatus::Running])
    };
    let Written::Created(Started { key, epoch, .. }) = hub.create(replace).await else { panic!("it was not replaced") };
    assert!(key > old);
    assert_eq!(epoch, 2);
    let row = hub.row("a").await;
    assert_eq!((row.key, row.epoch, row.turn, row.history_len), (key, 2, 0, 0));
    assert_eq!((row.execution.as_str(), row.name.as_str(), row.input), ("second", "Part", json("[2]")));
    assert_eq!((row.status, row.custom_status, row.created), (RuntimeStatus::Pending, None, at(70)));
    for key in [old, key] {
        assert!(hub.history(key).await.is_empty());
    }
    assert!(hub.timers().await.is_empty());
    let worker = hub.attach().await;
    assert!(hub.free_tasks(worker).await.is_empty());
    assert_eq!(hub.claim(old, worker).await, Written::NotFound);
    assert!(hub.inbox(key, worker).await.is_empty());
    assert_eq!(hub.message(message("a")).await, Written::Queued { key, seq: 1, owner: None });
}

/// What the old owner still commits is refused, even when it guesses the new key.
pub async fn turns_of_a_replaced_instance_are_refused(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let old = hub.start("a").await;
    let replace = create_again("a", &[RuntimeStatus::Pending]);
    let new = hub.start_as(replace).await;
    assert_eq!(hub.turn(turn("a", old, 1)).await, Written::Refused);
    assert_eq!(hub.turn(turn("a", new, 1)).await, Written::Refused);
    assert_eq!(hub.row("a").await.turn, 0);
}

/// The epoch goes on from what take-overs made of it.
pub async fn a_replacement_has_a_higher_epoch_than_every_owner(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let key = hub.start("a").await;
    let worker = hub.attach().await;
    assert_eq!(hub.claimed(key, worker).await.instance.epoch, 2);
    let replace = |execution: &str| CreateInstance {
        execution: execution.to_owned(),
        ..create_again("a", &[RuntimeStatus::Pending])
    };
    assert!(matches!(hub.create(replace("second")).await, Written::Created(Started { epoch: 3, .. })));
    assert!(matches!(hub.create(replace("third")).await, Written::Created(Started { epoch: 4, .. })));
}

/// Replacing inside one batch works, and the other instances keep what they have.
pub async fn a_replacement_leaves_the_neighbours_alone(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let (a, b) = (hub.start("a").await, hub.start("b").await);
    for (id, key) in [("a", a), ("b", b)] {
        hub.done(TurnCommit {
            history: vec![happened(1)],
            new_timers: vec![timer(1, 9)],
            new_activities: vec![free_call(2)],
            ..turn(id, key, 1)
        })
        .await;
        hub.message(message(id)).await;
    }
    hub.start_as(create_again("a", &[RuntimeStatus::Running])).await;
    let worker = hub.attach().await;
    assert_eq!(hub.history(b).await.len(), 1);
    assert_eq!(hub.timers().await.len(), 1);
    assert_eq!(hub.free_tasks(worker).await, [2]);
    assert_eq!(hub.inbox(b, worker).await, [1]);
}

/// Everything that an instance is created with is kept.
pub async fn a_creation_keeps_all_its_parts(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let parent = hub.start("parent").await;
    let full = CreateInstance {
        version: Some("1.2".to_owned()),
        tags: [("team", "blue"), ("", "Gr\u{fc}\u{df}e \"😀\""), ("empty", "")]
            .map(|(tag, value)| (tag.to_owned(), value.to_owned()))
            .into(),
        origin: Some("{\"by\":  1}".to_owned()),
        parent: Some(parent),
        parent_call: Some(CallId::new(u32::MAX >> 1, TaskId(u32::MAX - 1))),
        start_at: Some(at(99)),
        ..create("a")
    };
    hub.start_as(full.clone()).await;
    let row = hub.row("a").await;
    assert_eq!((row.version, row.tags, row.origin), (full.version, full.tags, full.origin));
    assert_eq!((row.parent, row.parent_call, row.start_at), (full.parent, full.parent_call, full.start_at));
}

/// The answer names the instance that was replaced.
pub async fn a_replacement_names_the_replaced(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let old = hub.start("a").await;
    let again = || create_again("a", &[RuntimeStatus::Pending]);
    let Written::Created(first) = hub.create(again()).await else { panic!("it was not replaced") };
    assert_eq!((first.epoch, first.replaced.map(|gone| gone.key)), (2, Some(old)));
    let repeated = Written::Created(Started { replaced: None, ..first });
    assert_eq!(hub.create(again()).await, repeated);
}
