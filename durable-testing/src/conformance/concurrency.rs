//! Many callers at once.

use std::collections::HashSet;
use std::sync::Arc;

use durable_core::backend::{Backend, CreateInstance, TurnCommit, Write, Written};

use super::fixtures::{Hub, at, create, every_instance, free_call, happened, last_turn, message, turn};

const CALLERS: i64 = 16;

/// Runs one task for each caller, and gives their results in order.
async fn together<F, R>(store: &Arc<dyn Backend>, work: impl Fn(Hub, i64) -> F) -> Vec<R>
where
    F: Future<Output = R> + Send + 'static,
    R: Send + 'static,
{
    let tasks: Vec<_> = (0..CALLERS).map(|n| tokio::spawn(work(Hub::new(Arc::clone(store)), n))).collect();
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.expect("no caller panics"));
    }
    results
}

/// Instances that many callers drive come out as if each were alone.
pub async fn callers_do_not_disturb_each_other(store: Arc<dyn Backend>) {
    together(&store, |hub, n| async move {
        for round in 0..10 {
            let id = format!("{n}/{round}");
            let key = hub.start(&id).await;
            for turns in 1..=5u64 {
                let history = vec![happened(n), happened(round)];
                hub.done(TurnCommit { first_seq: turns * 2 - 1, history, ..turn(&id, key, turns) }).await;
                assert_eq!(hub.row(&id).await.turn, turns, "a caller sees what it wrote");
            }
            assert_eq!(hub.turn(turn(&id, key, 9)).await, Written::Refused);
            hub.done(last_turn(&id, key, 6)).await;
            let history = hub.history(key).await;
            assert_eq!(history.len(), 10);
            assert!(history.iter().all(|row| row.event == happened(n).event || row.event == happened(round).event));
        }
    })
    .await;
    let hub = Hub::new(store);
    let rows = hub.store.list(every_instance()).await.expect("instances can be listed");
    assert_eq!(rows.len(), 160);
    assert!(rows.iter().all(|row| row.status.is_terminal() && row.turn == 6 && row.history_len == 10));
    assert_eq!(rows.iter().map(|row| row.key).collect::<HashSet<_>>().len(), 160);
}

/// One of many creations of the same id wins.
pub async fn an_id_is_created_once(store: Arc<dyn Backend>) {
    for id in ["a", "b", "c", "d"] {
        let written = together(&store, |hub, n| async move {
            hub.create(CreateInstance { execution: n.to_string(), ..create(id) }).await
        })
        .await;
        let created = written.iter().filter(|written| matches!(written, Written::Created(_)));
        assert_eq!(created.count(), 1, "{written:?}");
    }
}

/// Messages of many senders get a position each, without gaps.
pub async fn every_message_gets_its_own_position(store: Arc<dyn Backend>) {
    let hub = Hub::new(Arc::clone(&store));
    let worker = hub.attach().await;
    let key = hub.start("a").await;
    together(&store, |hub, _| async move {
        for _ in 0..10 {
            assert!(matches!(hub.message(message("a")).await, Written::Queued { .. }));
        }
    })
    .await;
    assert_eq!(hub.inbox(key, worker).await, (1..=160).collect::<Vec<_>>());
}

/// Many callers never get the same call.
pub async fn a_call_is_taken_once(store: Arc<dyn Backend>) {
    let hub = Hub::new(Arc::clone(&store));
    let worker = hub.attach().await;
    let key = hub.start("a").await;
    hub.done(TurnCommit { new_activities: (0..100).map(free_call).collect(), ..turn("a", key, 1) }).await;
    let taken = together(&store, |hub, n| async move { hub.claim_activities(worker, n * 1_000, 10).await }).await;
    let mut tasks: Vec<_> = taken.into_iter().flatten().map(|row| row.call.task().0).collect();
    tasks.sort_unstable();
    assert_eq!(tasks, (0..100).collect::<Vec<_>>());
}

/// Of many turns with the same number one is committed, whole.
pub async fn a_turn_is_committed_once(store: Arc<dyn Backend>) {
    let hub = Hub::new(Arc::clone(&store));
    let key = hub.start("a").await;
    for number in 1..=10u64 {
        let written = together(&store, |hub, n| async move {
            let history = vec![happened(n), happened(n)];
            hub.turn(TurnCommit { first_seq: number * 2 - 1, history, ..turn("a", key, number) }).await
        })
        .await;
        assert!(written.iter().all(|written| *written == Written::Done), "{written:?}");
    }
    let history = hub.history(key).await;
    assert_eq!(history.len(), 20);
    assert!(history.chunks(2).all(|turn| turn[0].event == turn[1].event && turn[0].turn == turn[1].turn));
}

/// Readers see a batch as a whole or not at all.
pub async fn a_batch_is_seen_whole(store: Arc<dyn Backend>) {
    together(&store, |hub, n| async move {
        for round in 0..20 {
            if n % 2 == 0 {
                let pair = ["left", "right"].map(|side| {
                    Write::Create(CreateInstance { now: at(n), ..create(&format!("{n:02} {round:02} {side}")) })
                });
                hub.commit(pair.to_vec()).await;
            } else {
                let ids = hub.list(every_instance()).await;
                assert_eq!(ids.len() % 2, 0, "{ids:?}");
            }
        }
    })
    .await;
}
