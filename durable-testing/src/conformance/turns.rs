//! Committing turns.

use std::sync::Arc;

use durable_core::backend::{Backend, HistoryRow, InstanceKey, TurnCommit, Write, Written};
use durable_core::model::RuntimeStatus;

use super::fixtures::{
    Hub, at, call, every_instance, free_call, happened, json, last_turn, message, own_call, timer, timer_row, turn,
};

/// A turn with something in every field.
fn full_turn(id: &str, key: InstanceKey, number: u64, first_seq: u64) -> TurnCommit {
    TurnCommit {
        custom_status: Some(json(r#"{"step":1}"#)),
        first_seq,
        history: vec![happened(1), happened(2)],
        new_activities: vec![free_call(number as u32 * 10)],
        new_timers: vec![timer(number as u32 * 10 + 1, 90)],
        ..turn(id, key, number)
    }
}

/// Everything of a turn is there afterwards.
pub async fn a_turn_writes_all_its_rows(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let key = hub.start("a").await;
    hub.done(full_turn("a", key, 1, 1)).await;
    let row = hub.row("a").await;
    assert_eq!((row.status, row.turn, row.turn_time), (RuntimeStatus::Running, 1, at(1)));
    assert_eq!((row.created, row.updated, row.history_len), (at(0), at(1), 2));
    assert_eq!((row.custom_status, row.output, row.reason), (Some(json(r#"{"step":1}"#)), None, None));
    assert_eq!(row.input, json(r#""Ada""#));
    assert_eq!(hub.timers().await, [timer_row(key, 11, 90)]);
    let worker = hub.attach().await;
    assert_eq!(hub.free_tasks(worker).await, [10]);
}

/// History rows carry their positions, and the number and the time of their turn.
pub async fn history_rows_know_their_turn(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let key = hub.start("a").await;
    hub.done(TurnCommit { history: vec![happened(5), happened(6)], ..turn("a", key, 1) }).await;
    hub.done(TurnCommit { first_seq: 3, history: vec![happened(7)], ..turn("a", key, 2) }).await;
    let row = |seq, turn, n| HistoryRow {
        seq,
        turn,
        turn_time: at(turn.cast_signed()),
        time: at(n),
        event: happened(n).event,
    };
    assert_eq!(hub.history(key).await, [row(1, 1u64, 5), row(2, 1, 6), row(3, 2, 7)]);
    assert_eq!(hub.row("a").await.history_len, 3);
}

/// A turn whose key, execution, epoch or number does not fit changes nothing at all.
pub async fn the_fence_has_four_posts(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let key = hub.start("a").await;
    hub.done(turn("a", key, 1)).await;
    hub.done(turn("a", key, 2)).await;
    let before = hub.row("a").await;
    let fits = || full_turn("a", key, 3, 1);
    let misfits = [
        ("key", TurnCommit { key: InstanceKey(key.0 + 1), ..fits() }),
        ("execution", TurnCommit { execution: "another".to_owned(), ..fits() }),
        ("lower epoch", TurnCommit { epoch: 0, ..fits() }),
        ("higher epoch", TurnCommit { epoch: 2, ..fits() }),
        ("turn before", TurnCommit { turn: 1, ..fits() }),
        ("turn after", TurnCommit { turn: 4, ..fits() }),
        ("finished, turn after", TurnCommit { status: RuntimeStatus::Failed, turn: 4, ..fits() }),
    ];
    for (what, misfit) in misfits {
        assert_eq!(hub.turn(misfit).await, Written::Refused, "{what}");
        assert_eq!(hub.row("a").await, before, "{what}");
    }
    assert!(hub.history(key).await.is_empty());
    assert!(hub.timers().await.is_empty());
    let worker = hub.attach().await;
    assert!(hub.free_tasks(worker).await.is_empty());
    hub.done(fits()).await;
}

/// A turn that is there already is done, and is not done again.
pub async fn a_turn_can_be_resubmitted(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let key = hub.start("a").await;
    hub.done(full_turn("a", key, 1, 1)).await;
    let (row, history) = (hub.row("a").await, hub.history(key).await);
    hub.done(full_turn("a", key, 1, 1)).await;
    assert_eq!(hub.row("a").await, row);
    assert_eq!(hub.history(key).await, history);
    hub.done(last_turn("a", key, 2)).await;
    hub.done(last_turn("a", key, 2)).await;
    assert_eq!(hub.row("a").await.turn, 2);
}

/// Resubmitting under an epoch or an execution that is gone is refused.
pub async fn a_turn_is_resubmitted_under_its_own_fence(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let key = hub.start("a").await;
    hub.done(turn("a", key, 1)).await;
    assert_eq!(hub.turn(TurnCommit { execution: "another".to_owned(), ..turn("a", key, 1) }).await, Written::Refused);
    let worker = hub.attach().await;
    hub.claimed(key, worker).await;
    assert_eq!(hub.turn(turn("a", key, 1)).await, Written::Refused);
    hub.done(TurnCommit { epoch: 2, ..turn("a", key, 1) }).await;
}

/// A finished instance has no further turns.
pub async fn nothing_follows_the_last_turn(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let finals = [RuntimeStatus::Completed, RuntimeStatus::Failed, RuntimeStatus::Canceled, RuntimeStatus::Terminated];
    for status in finals {
        let id = status.as_str();
        let key = hub.start(id).await;
        hub.done(TurnCommit { status, ..turn(id, key, 1) }).await;
        assert_eq!(hub.turn(turn(id, key, 2)).await, Written::Refused, "{status}");
        assert_eq!(hub.turn(TurnCommit { status, ..turn(id, key, 2) }).await, Written::Refused, "{status}");
        assert_eq!(hub.row(id).await.turn, 1);
    }
}

/// A refused turn leaves the rest of its batch alone.
pub async fn a_refused_turn_does_not_disturb_its_batch(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let (a, b, c) = (hub.start("a").await, hub.start("b").await, hub.start("c").await);
    let batch = vec![
        Write::Turn(Box::new(full_turn("a", a, 1, 1))),
        Write::Turn(Box::new(full_turn("b", b, 9, 1))),
        Write::Turn(Box::new(full_turn("c", c, 1, 1))),
        Write::Create(super::fixtures::create("d")),
    ];
    let written = hub.commit(batch).await;
    assert_eq!(written[..3], [Written::Done, Written::Refused, Written::Done]);
    assert!(matches!(written[3], Written::Created(_)));
    assert_eq!((hub.row("a").await.turn, hub.row("b").await.turn, hub.row("c").await.turn), (1, 0, 1));
    assert_eq!(hub.history(b).await, []);
    assert_eq!(hub.history(c).await.len(), 2);
    assert_eq!(hub.timers().await.len(), 2);
}

/// A batch is carried out in order, so it can hold turns that build on each other.
pub async fn turns_of_one_batch_happen_in_order(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let key = hub.start("a").await;
    let turns = (1..=5).map(|n| {
        let history = vec![happened(n)];
        let n = n.unsigned_abs();
        Write::Turn(Box::new(TurnCommit { first_seq: n, history, ..turn("a", key, n) }))
    });
    assert!(hub.commit(turns.collect()).await.iter().all(|written| *written == Written::Done));
    let row = hub.row("a").await;
    assert_eq!((row.turn, row.history_len), (5, 5));
    assert_eq!(hub.history(key).await.iter().map(|row| row.turn).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
}

/// An empty batch is nothing.
pub async fn an_empty_batch_is_done(store: Arc<dyn Backend>) {
    assert_eq!(store.commit(Arc::default()).await.expect("it can be committed"), []);
}

/// Without a new custom status, the old one stays; output and reason are what the turn says.
pub async fn a_turn_keeps_the_custom_status_it_does_not_set(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let key = hub.start("a").await;
    hub.done(TurnCommit { custom_status: Some(json("1")), ..turn("a", key, 1) }).await;
    hub.done(TurnCommit { reason: Some("because".to_owned()), output: Some(json("3")), ..turn("a", key, 2) }).await;
    let row = hub.row("a").await;
    assert_eq!(
        (row.custom_status, row.reason.as_deref(), row.output),
        (Some(json("1")), Some("because"), Some(json("3")))
    );
    hub.done(TurnCommit { custom_status: Some(json("null")), ..turn("a", key, 3) }).await;
    let row = hub.row("a").await;
    assert_eq!((row.custom_status, row.reason, row.output), (Some(json("null")), None, None));
}

/// Every status can follow every status that is not final, and lists know at once.
pub async fn the_status_can_change_with_every_turn(store: Arc<dyn Backend>) {
    use RuntimeStatus::{ContinuedAsNew, Failed, Pending, Running, Suspended};
    let hub = Hub::new(store);
    let key = hub.start("a").await;
    for (n, status) in (1..).zip([Running, Running, Suspended, Suspended, Running, Pending, ContinuedAsNew, Failed]) {
        hub.done(TurnCommit { status, ..turn("a", key, n) }).await;
        assert_eq!(hub.row("a").await.status, status);
        for listed in RuntimeStatus::ALL {
            let mut filter = every_instance();
            filter.statuses = vec![listed];
            assert_eq!(hub.list(filter).await.len(), usize::from(listed == status), "{listed} after turn {n}");
        }
    }
}

/// A committed turn is a sign of life, and so is a stall: the count of attempts starts over.
pub async fn a_turn_clears_stall_and_crashes(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let key = hub.start("a").await;
    for worker in [hub.attach().await, hub.attach().await] {
        hub.claimed(key, worker).await;
    }
    assert_eq!(hub.write(Write::Attempt { key, epoch: 3 }).await, Written::Done);
    let stall = Write::Stall { key, epoch: 3, reason: Some("foreign await".to_owned()) };
    assert_eq!(hub.write(stall).await, Written::Done);
    let row = hub.row("a").await;
    assert_eq!((row.crashes, row.stalled.as_deref()), (0, Some("foreign await")));
    hub.done(TurnCommit { epoch: 3, ..turn("a", key, 1) }).await;
    let row = hub.row("a").await;
    assert_eq!((row.crashes, row.stalled), (0, None));
}

/// Calls and timers that are over go; the others stay.
pub async fn only_what_is_over_goes(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let key = hub.start("a").await;
    hub.done(TurnCommit {
        new_activities: vec![free_call(1), free_call(2), free_call(3)],
        new_timers: vec![timer(4, 90), timer(5, 91), timer(6, 92)],
        ..turn("a", key, 1)
    })
    .await;
    hub.done(TurnCommit {
        activities_gone: vec![call(2), call(77)],
        timers_gone: vec![call(5), call(77)],
        new_activities: vec![free_call(7)],
        new_timers: vec![timer(8, 93)],
        ..turn("a", key, 2)
    })
    .await;
    assert_eq!(hub.timers().await, [timer_row(key, 4, 90), timer_row(key, 6, 92), timer_row(key, 8, 93)]);
    let worker = hub.attach().await;
    assert_eq!(hub.free_tasks(worker).await, [1, 3, 7]);
}

/// The last turn removes messages and timers; calls stay, because some were detached.
pub async fn the_last_turn_tidies_up(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let worker = hub.attach().await;
    let (a, b) = (hub.start("a").await, hub.start("b").await);
    for (id, key) in [("a", a), ("b", b)] {
        hub.done(TurnCommit {
            new_activities: vec![free_call(1), own_call(2, worker, 5)],
            new_timers: vec![timer(3, 90)],
            ..turn(id, key, 1)
        })
        .await;
        hub.message(message(id)).await;
    }
    hub.done(last_turn("a", a, 2)).await;
    assert_eq!(hub.timers().await, [timer_row(b, 3, 90)]);
    assert_eq!(hub.ready(worker).await, [b]);
    let worker = hub.attach().await;
    let rows = hub.claim_activities(worker, 1, usize::MAX).await;
    assert_eq!(
        rows.iter().map(|row| (row.key, row.call.task().0)).collect::<Vec<_>>(),
        [(a, 1), (b, 1), (a, 2), (b, 2)]
    );
    assert_eq!(hub.inbox(b, worker).await, [1]);
}

/// What a last turn starts is there nevertheless: a detached call, and a timer if it must be.
pub async fn a_last_turn_can_start_calls(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let key = hub.start("a").await;
    hub.done(TurnCommit { new_activities: vec![free_call(1)], ..last_turn("a", key, 1) }).await;
    let worker = hub.attach().await;
    assert_eq!(hub.free_tasks(worker).await, [1]);
}

/// Dropping removes all calls but those of the same turn, whoever runs them.
pub async fn dropping_spares_the_calls_of_the_same_turn(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let worker = hub.attach().await;
    let (a, b) = (hub.start("a").await, hub.start("b").await);
    for (id, key) in [("a", a), ("b", b)] {
        let calls = vec![free_call(1), own_call(2, worker, 5)];
        hub.done(TurnCommit { new_activities: calls, ..turn(id, key, 1) }).await;
    }
    hub.done(TurnCommit { drop_activities: true, new_activities: vec![free_call(3)], ..turn("a", a, 2) }).await;
    hub.done(TurnCommit { drop_activities: true, ..last_turn("b", b, 2) }).await;
    let worker = hub.attach().await;
    assert_eq!(hub.free_tasks(worker).await, [3]);
}
