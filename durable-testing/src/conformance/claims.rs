//! Taking instances over, and finding those that have something to do.

use std::sync::Arc;

use durable_core::backend::{
    Backend, Claimed, CreateInstance, InstanceKey, Release, TurnCommit, WorkerId, Write, Written,
};
use durable_core::model::RuntimeStatus;

use super::fixtures::{Hub, create, happened, last_turn, message, turn};

/// No two workers have the same number.
pub async fn workers_are_told_apart(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let mut workers = Vec::new();
    for _ in 0..5 {
        workers.push(hub.attach().await);
    }
    let mut unique = workers.clone();
    unique.dedup();
    assert_eq!(unique.len(), 5);
    assert!(workers.is_sorted());
}

/// The first owner bumps the epoch; nobody crashed.
pub async fn the_first_claim_is_no_crash(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let worker = hub.attach().await;
    let key = hub.start("a").await;
    let claimed = hub.claimed(key, worker).await;
    assert_eq!((claimed.instance.epoch, claimed.instance.crashes), (2, 0));
    assert_eq!(claimed.instance, hub.row("a").await);
}

/// Claiming what one owns only reads.
pub async fn a_repeated_claim_changes_nothing(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let worker = hub.attach().await;
    let born = hub.start_as(CreateInstance { owner: Some(worker), ..create("a") }).await;
    assert_eq!(hub.claimed(born, worker).await.instance.epoch, 1);
    let key = hub.start("b").await;
    for _ in 0..3 {
        let claimed = hub.claimed(key, worker).await;
        assert_eq!((claimed.instance.epoch, claimed.instance.crashes), (2, 0));
    }
    hub.done(turn("a", born, 1)).await;
}

/// Whoever takes over from a worker that ended without a word is told so, and counts its attempts until a turn.
pub async fn attempts_are_counted_until_a_turn(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let key = hub.start("a").await;
    for attempts in 0..4_u32 {
        let worker = hub.attach().await;
        let claimed = hub.claimed(key, worker).await;
        assert_eq!(claimed.owner_lost, attempts > 0);
        assert!(!hub.claimed(key, worker).await.owner_lost, "it owns it now");
        let epoch = claimed.instance.epoch;
        assert_eq!((epoch, claimed.instance.crashes), (u64::from(attempts) + 2, attempts));
        assert_eq!(hub.write(Write::Attempt { key, epoch: epoch - 1 }).await, Written::Refused);
        assert_eq!(hub.write(Write::Attempt { key, epoch }).await, Written::Done);
    }
    assert_eq!(hub.row("a").await.crashes, 4);
    hub.done(TurnCommit { epoch: 5, ..turn("a", key, 1) }).await;
    assert_eq!(hub.row("a").await.crashes, 0);
    assert_eq!(hub.write(Write::Attempt { key: InstanceKey(99), epoch: 1 }).await, Written::Refused);
}

/// Taking over what a drained worker owned bumps the epoch, and nobody was lost.
pub async fn a_drained_owner_did_not_crash(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let (crashed, drained) = (hub.attach().await, hub.attach().await);
    let key = hub.start_as(CreateInstance { owner: Some(crashed), ..create("a") }).await;
    assert!(hub.claimed(key, drained).await.owner_lost);
    for _ in 0..2 {
        hub.store.detach(drained).await.expect("a worker can be detached, again too");
    }
    let last = hub.attach().await;
    let claimed = hub.claimed(key, last).await;
    assert_eq!((claimed.instance.epoch, claimed.owner_lost), (3, false));
    let next = hub.attach().await;
    assert!(hub.claimed(key, next).await.owner_lost);
}

/// The one who was replaced cannot commit any more, the new owner can.
pub async fn a_take_over_locks_the_old_owner_out(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let old = hub.attach().await;
    let key = hub.start_as(CreateInstance { owner: Some(old), ..create("a") }).await;
    hub.done(turn("a", key, 1)).await;
    let new = hub.attach().await;
    assert_eq!(hub.claimed(key, new).await.instance.epoch, 2);
    assert_eq!(hub.turn(turn("a", key, 2)).await, Written::Refused);
    hub.done(TurnCommit { epoch: 2, ..turn("a", key, 2) }).await;
}

/// A claim shows the instance as it is, with its unread messages.
pub async fn a_claim_reads_instance_and_messages(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let worker = hub.attach().await;
    let key = hub.start("a").await;
    hub.done(turn("a", key, 1)).await;
    hub.message(message("a")).await;
    hub.message(message("a")).await;
    let claimed = hub.claimed(key, worker).await;
    assert_eq!(claimed.instance, hub.row("a").await);
    assert_eq!(claimed.inbox.iter().map(|row| row.seq).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(claimed.inbox[0].event, message("a").event);
}

/// There is nothing to own of an instance that is finished or missing.
pub async fn only_unfinished_instances_are_claimed(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let worker = hub.attach().await;
    assert_eq!(hub.claim(InstanceKey(77), worker).await, Written::NotFound);
    let key = hub.start("a").await;
    hub.done(last_turn("a", key, 1)).await;
    let before = hub.row("a").await;
    assert_eq!(hub.claim(key, worker).await, Written::Finished { status: RuntimeStatus::Completed });
    assert_eq!(hub.row("a").await, before);
}

/// A stall is noted by the owner of the present epoch, and taken back by it.
pub async fn a_stall_is_noted_and_taken_back(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let worker = hub.attach().await;
    let key = hub.start("a").await;
    hub.claimed(key, worker).await;
    let before = hub.row("a").await;
    let stall = |key, epoch, reason: Option<&str>| Write::Stall { key, epoch, reason: reason.map(str::to_owned) };
    assert_eq!(hub.write(stall(key, 1, Some("x"))).await, Written::Refused);
    assert_eq!(hub.write(stall(key, 3, Some("x"))).await, Written::Refused);
    assert_eq!(hub.write(stall(InstanceKey(77), 2, Some("x"))).await, Written::Refused);
    assert_eq!(hub.row("a").await, before);
    assert_eq!(hub.write(stall(key, 2, Some("it differs"))).await, Written::Done);
    assert_eq!(hub.row("a").await.stalled.as_deref(), Some("it differs"));
    let claimed = hub.claimed(key, worker).await;
    assert_eq!(claimed.instance.stalled.as_deref(), Some("it differs"));
    assert_eq!(hub.write(stall(key, 2, None)).await, Written::Done);
    assert_eq!(hub.row("a").await, before);
    hub.done(TurnCommit { epoch: 2, ..last_turn("a", key, 1) }).await;
    let ended = hub.row("a").await;
    assert_eq!(hub.write(stall(key, 2, Some("too late"))).await, Written::Refused);
    assert_eq!(hub.row("a").await, ended);
}

/// Ready is what never ran and what has unread messages; what is finished or has nothing to read is not.
pub async fn ready_instances_have_something_to_do(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let worker = hub.attach().await;
    let fresh = hub.start("fresh").await;
    let waiting = hub.start("waiting").await;
    let told = hub.start("told").await;
    let fresh_and_told = hub.start("fresh and told").await;
    let finished = hub.start("finished").await;
    for (id, key) in [("waiting", waiting), ("told", told)] {
        hub.done(turn(id, key, 1)).await;
    }
    hub.done(last_turn("finished", finished, 1)).await;
    for id in ["told", "told", "fresh and told", "finished"] {
        hub.message(message(id)).await;
    }
    assert_eq!(hub.ready(worker).await, [fresh, told, fresh_and_told]);
    hub.done(TurnCommit { inbox_through: 1, ..turn("told", told, 2) }).await;
    assert_eq!(hub.ready(worker).await, [fresh, told, fresh_and_told]);
    hub.done(TurnCommit { inbox_through: 2, ..turn("told", told, 3) }).await;
    hub.done(TurnCommit { inbox_through: 1, ..turn("fresh and told", fresh_and_told, 1) }).await;
    assert_eq!(hub.ready(worker).await, [fresh]);
}

/// Whether an instance ran is a matter of its turns, not of its status.
pub async fn a_pending_instance_that_ran_is_not_ready(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let worker = hub.attach().await;
    let key = hub.start("a").await;
    hub.done(TurnCommit { status: RuntimeStatus::Pending, ..turn("a", key, 1) }).await;
    assert_eq!(hub.ready(worker).await, []);
}

/// A worker's own instances are no news to it; those of others are.
pub async fn own_instances_are_not_ready(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let worker = hub.attach().await;
    let mine = hub.start_as(CreateInstance { owner: Some(worker), ..create("mine") }).await;
    let taken = hub.start("taken").await;
    hub.claimed(taken, worker).await;
    let free = hub.start("free").await;
    let told = hub.start_as(CreateInstance { owner: Some(worker), ..create("told") }).await;
    hub.done(turn("told", told, 1)).await;
    hub.message(message("told")).await;
    assert_eq!(hub.ready(worker).await, [free]);
    let next = hub.attach().await;
    assert_eq!(hub.ready(next).await, [mine, taken, free, told]);
    assert_eq!(hub.ready(WorkerId(i64::MAX)).await, [mine, taken, free, told]);
}

/// Pages of every size put together are the whole, although there are two reasons to be ready.
pub async fn ready_instances_can_be_read_in_pages(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let worker = hub.attach().await;
    let mut all = Vec::new();
    for n in 0..9 {
        let id = n.to_string();
        let key = hub.start(&id).await;
        if n % 3 != 0 {
            hub.done(turn(&id, key, 1)).await;
        }
        if n % 3 != 1 {
            hub.message(message(&id)).await;
            hub.message(message(&id)).await;
            all.push(key);
        }
    }
    for limit in 1..=10 {
        let (mut paged, mut after) = (Vec::new(), InstanceKey(0));
        loop {
            let page = hub.store.ready(worker, after, limit, None).await.expect("ready instances can be read");
            assert!(page.len() <= limit);
            assert!(page.first().is_none_or(|first| *first > after), "{page:?} comes after {after:?}");
            let Some(last) = page.last() else { break };
            after = *last;
            paged.extend(page);
        }
        assert_eq!(paged, all, "in pages of {limit}");
    }
    assert_eq!(hub.store.ready(worker, InstanceKey(0), 0, None).await.expect("ready instances can be read"), []);
}

/// Given up is what has no unread messages, under the epoch of the owner; or whatever it has, when the owner says so.
pub async fn an_instance_is_given_up_unless_it_has_messages(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let owner = hub.attach().await;
    let mut keys = Vec::new();
    for id in ["free", "told", "other"] {
        let key = hub.start_as(CreateInstance { owner: Some(owner), ..create(id) }).await;
        hub.done(turn(id, key, 1)).await;
        keys.push(key);
    }
    hub.message(message("told")).await;
    let release = |key, epoch, inbox_seq| Release { key, epoch, inbox_seq, watched: false };
    let (free, told, other) = (keys[0], keys[1], keys[2]);
    let all = vec![
        release(free, 1, Some(0)),
        release(told, 1, Some(0)),
        release(other, 2, None),
        release(InstanceKey(99), 1, Some(0)),
    ];
    assert_eq!(hub.write(Write::Release(all.clone())).await, Written::Kept(vec![told, other]));
    assert_eq!(hub.write(Write::Release(all)).await, Written::Kept(vec![told, other]), "it can be repeated");
    assert_eq!(hub.row("free").await.epoch, 1);
    hub.done(turn("free", free, 2)).await;
    assert_eq!(hub.ready(owner).await, []);
    assert_eq!(hub.write(Write::Release(vec![release(told, 1, None)])).await, Written::Kept(Vec::new()));
    assert_eq!(hub.ready(owner).await, [told]);
    let claimed = hub.claimed(free, owner).await;
    assert_eq!((claimed.instance.epoch, claimed.owner_lost), (2, false), "nobody was lost");
    assert_eq!(hub.claimed(other, owner).await.instance.epoch, 1, "it was kept");
}

/// What is ready is taken by key, once, and again only for who asks for what it owns already.
pub async fn what_is_ready_is_taken_once(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let worker = hub.attach().await;
    let mut keys = Vec::new();
    for id in ["a", "b", "c"] {
        keys.push(hub.start(id).await);
    }
    hub.message(message("a")).await;
    let take = async |after, limit, again| match hub
        .write(Write::ClaimReady { worker, after, limit, runs: None, again })
        .await
    {
        Written::Taken(taken) => taken,
        other => panic!("a claim of what is ready was answered by {other:?}"),
    };
    let places = |taken: &[Claimed]| taken.iter().map(|claimed| claimed.instance.key).collect::<Vec<_>>();
    let first = take(InstanceKey(0), 2, false).await;
    assert_eq!(places(&first), keys[..2]);
    assert_eq!((&first[0].instance, first[0].inbox.len()), (&hub.row("a").await, 1));
    assert!(first.iter().all(|claimed| claimed.instance.epoch == 2 && !claimed.owner_lost));
    assert_eq!(places(&take(keys[2], 9, false).await), [], "only after that key");
    assert_eq!(places(&take(InstanceKey(0), 9, false).await), keys[2..]);
    assert_eq!(places(&take(InstanceKey(0), 9, false).await), []);
    assert_eq!(places(&take(InstanceKey(0), 9, true).await), keys);
    assert_eq!(hub.row("a").await.epoch, 2, "it did not change hands");
    let next = hub.attach().await;
    let again = Write::ClaimReady { worker: next, after: InstanceKey(0), limit: 9, runs: None, again: false };
    let Written::Taken(taken) = hub.write(again).await else { panic!("nothing was taken") };
    assert_eq!(places(&taken), keys);
    assert!(taken.iter().all(|claimed| claimed.instance.epoch == 3 && claimed.owner_lost));
}

/// What an owner reads of its instances is what a claim would find, with the histories; some may be left out.
pub async fn an_owner_reads_what_a_claim_would_find(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let worker = hub.attach().await;
    let mut keys = Vec::new();
    for id in ["a", "b", "c"] {
        keys.push(hub.start_as(CreateInstance { owner: Some(worker), ..create(id) }).await);
    }
    hub.done(TurnCommit { history: vec![happened(1), happened(2)], ..turn("b", keys[1], 1) }).await;
    hub.message(message("b")).await;
    hub.message(message("c")).await;
    hub.message(message("c")).await;
    for owned in hub.owned(worker, &keys).await {
        let claimed = hub.claimed(owned.instance.key, worker).await;
        assert_eq!((&owned.instance, &owned.inbox), (&claimed.instance, &claimed.inbox));
        if let Some(history) = owned.history {
            assert_eq!(history, hub.history(owned.instance.key).await);
        }
    }
}

/// Neither another worker nor anybody reads what is finished, missing or without an owner: that would be nobody's to run.
pub async fn only_the_owner_reads_what_is_unfinished(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let worker = hub.attach().await;
    let free = hub.start("free").await;
    let own = hub.start_as(CreateInstance { owner: Some(worker), ..create("own") }).await;
    let over = hub.start_as(CreateInstance { owner: Some(worker), ..create("over") }).await;
    hub.done(last_turn("over", over, 1)).await;
    let keys = [free, own, over, InstanceKey(99)];
    assert!(hub.owned(worker, &keys).await.iter().all(|owned| owned.instance.key == own));
    let other = hub.attach().await;
    assert_eq!(hub.owned(other, &keys).await, []);
    hub.claim(own, other).await;
    let still: Vec<_> = hub.owned(worker, &keys).await.iter().map(|owned| owned.instance.key).collect();
    assert!(still.is_empty() || hub.store.shared().is_some(), "another worker has taken it: {still:?}");
}
