//! Taking back the ends of instances.

use std::sync::Arc;

use durable_core::backend::{
    Backend, CreateInstance, HistoryRow, InstanceKey, InstanceRow, NewChild, RewindCommit, TurnCommit, Write, Written,
};
use durable_core::model::RuntimeStatus;

use super::fixtures::{
    Hub, at, child, completion, create_again, every_instance, execution, free_call, happened, json, last_turn, message,
    own_call, taken, timer, timer_row, turn,
};

/// Takes back an end after this turn, leaving no history.
fn rewind(id: &str, key: InstanceKey, turn: u64) -> RewindCommit {
    RewindCommit {
        key,
        execution: execution(id),
        epoch: 1,
        turn,
        now: at(80),
        history: Vec::new(),
        inbox: Vec::new(),
        activities: Vec::new(),
        timers: Vec::new(),
        children: Vec::new(),
    }
}

fn row(seq: u64, n: i64) -> HistoryRow {
    HistoryRow { seq, turn: 1, turn_time: at(1), time: at(n), event: happened(n).event }
}

/// An instance that has failed in its second turn, with three rows of history.
async fn failed(hub: &Hub, id: &str) -> InstanceKey {
    let key = hub.start(id).await;
    hub.message(message(id)).await;
    let custom_status = Some(json("5"));
    hub.done(TurnCommit { custom_status, history: vec![happened(1), happened(2)], ..turn(id, key, 1) }).await;
    hub.done(TurnCommit {
        first_seq: 3,
        history: vec![happened(3)],
        status: RuntimeStatus::Failed,
        reason: Some("it broke".to_owned()),
        inbox_through: 1,
        ..last_turn(id, key, 2)
    })
    .await;
    key
}

async fn write(hub: &Hub, rewinds: Vec<RewindCommit>) -> Written {
    hub.write(Write::Rewind(rewinds)).await
}

/// A rewound instance runs again, with the rows that it is given.
pub async fn a_rewound_instance_runs_again(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let worker = hub.attach().await;
    let key = failed(&hub, "a").await;
    let before = hub.row("a").await;
    let commit = RewindCommit {
        history: vec![row(1, 1), row(2, 9)],
        inbox: vec![happened(4), happened(5)],
        activities: vec![own_call(7, worker, 5), free_call(8)],
        timers: vec![timer(9, 90)],
        children: vec![child("b", 10)],
        ..rewind("a", key, 2)
    };
    assert_eq!(write(&hub, vec![commit.clone()]).await, Written::Done);
    let expected = InstanceRow {
        status: RuntimeStatus::Running,
        output: None,
        reason: None,
        epoch: 2,
        updated: at(80),
        history_len: 2,
        inbox_seq: 3,
        ..before
    };
    assert_eq!(hub.row("a").await, expected);
    assert_eq!(hub.history(key).await, commit.history);
    assert_eq!(hub.timers().await, [timer_row(key, 9, 90)]);
    assert_eq!(hub.row("b").await.parent, Some(key));
    let calls: Vec<_> = hub.activities(key).await.iter().map(|row| (row.runner, row.deliveries)).collect();
    assert_eq!(calls, [(None, 1), (None, 1)]);
    assert_eq!(hub.free_tasks(worker).await, [7, 8]);
    assert!(hub.ready(worker).await.contains(&key));
    let claimed = hub.claimed(key, worker).await;
    assert!(!claimed.owner_lost);
    assert_eq!(claimed.inbox.iter().map(|row| row.seq).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(claimed.inbox[0].event, happened(4).event);
    assert_eq!(hub.turn(TurnCommit { epoch: 2, ..turn("a", key, 3) }).await, Written::Refused);
    hub.done(TurnCommit { epoch: 3, first_seq: 3, history: vec![happened(6)], ..turn("a", key, 3) }).await;
    assert_eq!(hub.row("a").await.history_len, 3);
}

/// An instance whose whole history is taken back runs again too.
pub async fn nothing_may_be_left_of_a_history(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let key = failed(&hub, "a").await;
    assert_eq!(
        write(&hub, vec![RewindCommit { inbox: vec![happened(4)], ..rewind("a", key, 2) }]).await,
        Written::Done
    );
    let row = hub.row("a").await;
    assert_eq!((row.status, row.history_len, row.turn), (RuntimeStatus::Running, 0, 2));
    let worker = hub.attach().await;
    assert_eq!((hub.history(key).await, hub.ready(worker).await), (vec![], vec![key]));
}

/// A rewind fits an instance that is finished and that nobody has touched since it was read.
pub async fn a_rewind_has_a_fence(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let key = failed(&hub, "a").await;
    let running = hub.start("b").await;
    hub.done(turn("b", running, 1)).await;
    let fits = || rewind("a", key, 2);
    let misfits = [
        RewindCommit { key: InstanceKey(99), ..fits() },
        RewindCommit { execution: "another".to_owned(), ..fits() },
        RewindCommit { epoch: 0, ..fits() },
        RewindCommit { epoch: 2, ..fits() },
        RewindCommit { turn: 1, ..fits() },
        RewindCommit { turn: 3, ..fits() },
        rewind("b", running, 1),
    ];
    let before = (hub.row("a").await, hub.row("b").await, hub.history(key).await);
    for misfit in misfits {
        assert_eq!(write(&hub, vec![misfit.clone()]).await, Written::Refused, "{misfit:?}");
        assert_eq!(write(&hub, vec![fits(), misfit.clone()]).await, Written::Refused, "{misfit:?}");
        let after = (hub.row("a").await, hub.row("b").await, hub.history(key).await);
        assert_eq!(after, before, "{misfit:?}");
    }
    assert_eq!(write(&hub, vec![fits()]).await, Written::Done);
}

/// Several instances are rewound together.
pub async fn several_instances_are_rewound_at_once(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let (a, b) = (failed(&hub, "a").await, failed(&hub, "b").await);
    let both = || vec![rewind("a", a, 2), rewind("b", b, 2)];
    assert_eq!(write(&hub, both()).await, Written::Done);
    for id in ["a", "b"] {
        assert_eq!(hub.row(id).await.status, RuntimeStatus::Running, "{id}");
    }
    assert_eq!(write(&hub, Vec::new()).await, Written::Done);
}

/// A rewind whose answer was lost is done, and is not done again.
pub async fn a_rewind_can_be_resubmitted(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let (a, b) = (failed(&hub, "a").await, failed(&hub, "b").await);
    let commit = |id, key| RewindCommit {
        history: vec![row(1, 1)],
        inbox: vec![happened(4)],
        children: vec![child(if id == "a" { "c" } else { "d" }, 1)],
        ..rewind(id, key, 2)
    };
    let both = || vec![commit("a", a), commit("b", b)];
    assert_eq!(write(&hub, both()).await, Written::Done);
    let before = hub.store.list(every_instance()).await.expect("instances can be listed");
    assert_eq!(write(&hub, both()).await, Written::Done);
    assert_eq!(hub.store.list(every_instance()).await.expect("instances can be listed"), before);
    let worker = hub.attach().await;
    hub.claimed(a, worker).await;
    assert_eq!(write(&hub, both()).await, Written::Refused, "somebody goes on with it");
}

/// A call that is given again belongs to whoever takes it next.
pub async fn a_detached_call_can_be_given_again(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let worker = hub.attach().await;
    let key = hub.start("a").await;
    let calls = vec![own_call(1, worker, 11), own_call(2, worker, 12)];
    hub.done(TurnCommit { new_activities: calls, ..turn("a", key, 1) }).await;
    hub.done(last_turn("a", key, 2)).await;
    let commit = RewindCommit { activities: vec![free_call(1)], ..rewind("a", key, 2) };
    assert_eq!(write(&hub, vec![commit]).await, Written::Done);
    assert_eq!(hub.message(completion("a", key, 1, 11)).await, Written::Refused);
    assert_eq!(hub.free_tasks(worker).await, [1]);
    assert_eq!(
        hub.message(completion("a", key, 2, 12)).await,
        Written::Queued { key, seq: 1, owner: None },
        "it was not given"
    );
}

/// When the id of a child is taken, the rewound parent is told after all that it was given.
pub async fn a_rewound_parent_is_told_of_taken_ids(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let key = failed(&hub, "a").await;
    hub.start("b").await;
    let other = NewChild { create: CreateInstance { parent: None, ..create_again("b", &[]) }, if_taken: Some(taken()) };
    let commit = RewindCommit { inbox: vec![happened(4)], children: vec![other], ..rewind("a", key, 2) };
    assert_eq!(write(&hub, vec![commit]).await, Written::Done);
    let worker = hub.attach().await;
    let inbox = hub.claimed(key, worker).await.inbox;
    let events: Vec<_> = inbox.iter().map(|row| (row.seq, &row.event)).collect();
    assert_eq!(events, [(2, &happened(4).event), (3, &taken().event)]);
}
