//! Several workers on one store: leases, and who is told of what. Only for stores that are shared.

use std::sync::Arc;
use std::time::Duration;

use durable_core::backend::{
    Backend, CreateInstance, Gone, Heartbeat, HeldCall, InstanceKey, NewTimer, Notice, Notices, Pulse, Recipient,
    Release, Runnable, SharedBackend, TurnCommit, Unread, WorkerId, Write, Written,
};
use durable_core::model::{RuntimeStatus, Timestamp, Version, VersionSet};

use super::fixtures::{
    Hub, LONG, at, call, child, completion, continuing_turn, create, create_again, free_call, happened, heartbeat,
    last_turn, message, outgoing, own_call, timer_row, turn,
};

fn shared(hub: &Hub) -> &dyn SharedBackend {
    hub.store.shared().expect("these cases are for stores that several workers share")
}

async fn beat(hub: &Hub, heartbeat: Heartbeat) -> Option<Pulse> {
    shared(hub).heartbeat(heartbeat).await.expect("a worker can give a sign of life")
}

async fn pulse(hub: &Hub, worker: WorkerId) -> Pulse {
    beat(hub, heartbeat(worker)).await.expect("the worker is known")
}

/// An instance that has had its first turn, and its owner.
async fn owned(hub: &Hub, id: &str, owner: WorkerId) -> InstanceKey {
    let key = hub.start_as(CreateInstance { owner: Some(owner), ..create(id) }).await;
    hub.done(turn(id, key, 1)).await;
    key
}

/// The only answer to a write, with what it says of those who live.
async fn written(hub: &Hub, write: Write) -> Written {
    hub.commit_fully(vec![write]).await.remove(0)
}

async fn taken(hub: &Hub, worker: WorkerId) -> Vec<InstanceKey> {
    taken_by(hub, worker, None, false).await
}

async fn taken_by(hub: &Hub, worker: WorkerId, runs: Option<Vec<Runnable>>, again: bool) -> Vec<InstanceKey> {
    let runs = runs.map(Into::into);
    match hub.write(Write::ClaimReady { worker, after: InstanceKey(0), limit: 100, runs, again }).await {
        Written::Taken(taken) => taken.iter().map(|claimed| claimed.instance.key).collect(),
        other => panic!("a claim of what is ready was answered by {other:?}"),
    }
}

fn version(text: &str) -> Version {
    Version::new(text).expect("a version")
}

fn runnable(name: &str, versions: Option<&[Option<&str>]>) -> Runnable {
    let these = |versions: &[Option<&str>]| versions.iter().map(|text| text.map(version)).collect();
    let versions = versions.map_or(VersionSet::All, |versions| VersionSet::These(these(versions)));
    Runnable { name: name.to_owned(), versions }
}

/// A lease runs by the store's time, which heartbeats tell.
pub async fn a_heartbeat_tells_the_time(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let attached = hub.store.attach("worker", LONG).await.expect("a worker can be attached");
    let first = attached.now.expect("a shared store has a time");
    let second = pulse(&hub, attached.worker).await.now;
    assert!(second >= first && second < first.saturating_add(LONG), "{first} and then {second}");
}

/// What a living worker owns is taken by nobody; whoever wants it learns its name.
pub async fn a_living_owner_keeps_its_instances(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let (a, b) = (hub.join().await, hub.join().await);
    let key = owned(&hub, "a", a).await;
    hub.message(message("a")).await;
    let before = hub.row("a").await;
    assert_eq!(hub.claim(key, b).await, Written::Owned { worker: a });
    assert_eq!((taken(&hub, b).await, hub.ready(b).await), (vec![], vec![]));
    assert_eq!(hub.row("a").await, before);
    assert_eq!(hub.claimed(key, a).await.instance.epoch, 1);
}

/// After the end of a lease others may take what the worker owned; it counts as lost.
pub async fn a_dead_owner_loses_its_instances(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let (a, b) = (hub.join().await, hub.join().await);
    let key = owned(&hub, "a", a).await;
    let asleep = owned(&hub, "b", a).await;
    hub.message(message("a")).await;
    assert!(!pulse(&hub, b).await.instances);
    hub.die(a).await;
    assert!(pulse(&hub, b).await.instances);
    assert_eq!((hub.ready(b).await, taken(&hub, b).await), (vec![key], vec![key]));
    assert!(!pulse(&hub, b).await.instances, "it is taken");
    assert_eq!(hub.row("a").await.epoch, 2);
    assert_eq!(hub.turn(turn("a", key, 2)).await, Written::Refused);
    assert!(hub.claimed(asleep, b).await.owner_lost);
}

/// A worker that comes back in time, or late but before others have taken something, still owns it.
pub async fn a_heartbeat_brings_a_worker_back(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let (a, b) = (hub.join().await, hub.join().await);
    let (lost, kept) = (owned(&hub, "lost", a).await, owned(&hub, "kept", a).await);
    hub.done(TurnCommit { new_activities: vec![own_call(1, a, 5), own_call(2, a, 6)], ..turn("kept", kept, 2) }).await;
    hub.die(a).await;
    hub.claimed(lost, b).await;
    assert_eq!(hub.claim_activities(b, 90, 1).await.len(), 1);
    assert!(pulse(&hub, a).await.now > Timestamp::UNIX_EPOCH);
    assert_eq!(hub.claim(kept, b).await, Written::Owned { worker: a });
    assert_eq!(hub.claim(lost, a).await, Written::Owned { worker: b });
    hub.done(turn("kept", kept, 3)).await;
    assert_eq!(hub.turn(turn("lost", lost, 2)).await, Written::Refused);
    assert_eq!(hub.free_tasks(b).await, [0; 0], "it runs the call that nobody has taken");
    assert_eq!(hub.message(completion("kept", kept, 1, 5)).await, Written::Refused);
    assert!(matches!(hub.message(completion("kept", kept, 2, 6)).await, Written::Queued { .. }));
}

/// A worker whose lease has ended is refused only what others have taken.
pub async fn a_dead_worker_may_commit_what_nobody_has_taken(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let (a, b) = (hub.join().await, hub.join().await);
    let key = owned(&hub, "a", a).await;
    hub.die(a).await;
    hub.done(TurnCommit { new_activities: vec![own_call(1, a, 5)], ..turn("a", key, 2) }).await;
    assert!(pulse(&hub, b).await.calls);
    assert_eq!(hub.free_tasks(b).await, [1], "its runner is dead");
    assert_eq!(hub.activities(key).await[0].deliveries, 2);
}

/// Whoever was drained is not known any more, and what it had is free at once; nobody was lost.
pub async fn a_drained_worker_is_not_known(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let (a, b) = (hub.join().await, hub.join().await);
    let key = owned(&hub, "a", a).await;
    hub.done(TurnCommit { new_activities: vec![own_call(1, a, 5)], ..turn("a", key, 2) }).await;
    hub.store.detach(a).await.expect("a worker can be detached");
    assert_eq!(beat(&hub, heartbeat(a)).await, None);
    assert_eq!(beat(&hub, heartbeat(WorkerId(i64::MAX))).await, None);
    assert!(pulse(&hub, b).await.calls);
    let claimed = hub.claimed(key, b).await;
    assert_eq!((claimed.instance.epoch, claimed.owner_lost), (2, false));
    assert_eq!(hub.free_tasks(b).await, [1]);
    assert_eq!(hub.activities(key).await[0].deliveries, 1);
}

/// Of several workers that take what is ready each gets something else.
pub async fn what_is_ready_is_taken_by_one(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let (a, b) = (hub.join().await, hub.join().await);
    let mut keys = Vec::new();
    for n in 0..50 {
        keys.push(hub.start(&n.to_string()).await);
    }
    let mut all = Vec::new();
    for _ in 0..50 {
        let claim = |worker| Write::ClaimReady { worker, after: InstanceKey(0), limit: 5, runs: None, again: false };
        let (first, second) = tokio::join!(hub.write(claim(a)), hub.write(claim(b)));
        for written in [first, second] {
            let Written::Taken(taken) = written else { panic!("nothing was taken") };
            all.extend(taken.into_iter().map(|claimed| claimed.instance.key));
        }
    }
    all.sort_unstable();
    assert_eq!(all, keys);
}

/// A worker takes what it has the code for.
pub async fn only_what_can_run_is_taken(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let worker = hub.join().await;
    let of = |id: &str, name: &str, version: Option<&str>| CreateInstance {
        name: name.to_owned(),
        version: version.map(str::to_owned),
        ..create(id)
    };
    let order = hub.start_as(of("a", "Order", None)).await;
    let new = hub.start_as(of("b", "Order", Some("2.0"))).await;
    let other = hub.start_as(of("c", "Refund", Some("1.0"))).await;
    let claim = |key, runs: &[Runnable]| Write::Claim { key, worker, runs: Some(runs.into()) };
    assert_eq!(taken_by(&hub, worker, Some(Vec::new()), false).await, []);
    assert_eq!(hub.write(claim(order, &[runnable("refund", None)])).await, Written::Unfit);
    assert_eq!(hub.row("a").await.epoch, 1);
    let old = vec![runnable("ORDER", Some(&[None, Some("1.0")]))];
    assert_eq!(hub.write(claim(new, &old)).await, Written::Unfit);
    assert_eq!(taken_by(&hub, worker, Some(old), false).await, [order]);
    assert_eq!(taken_by(&hub, worker, Some(vec![runnable("order", Some(&[Some("2.0")]))]), false).await, [new]);
    assert!(matches!(hub.write(claim(order, &[])).await, Written::Claimed(_)), "it owns it already");
    assert!(matches!(hub.write(claim(other, &[runnable("refund", None)])).await, Written::Claimed(_)));
}

/// Versions compare by their numbers, or as texts without regard to case, in every look for what a worker can run.
pub async fn versions_compare_by_their_numbers(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let worker = hub.join().await;
    let all =
        ["0.9", "1.2", "01.02", "1.2.0", "1.10", "1.10.4294967295", "1.10.4294967296", "10", "1.2.3.4.5", "Beta", "rc"];
    let mut keys = vec![(None, hub.start("none").await)];
    for text in all {
        let of_version = CreateInstance { version: Some(text.to_owned()), ..create(text) };
        keys.push((Some(version(text)), hub.start_as(of_version).await));
    }
    let mut sets = vec![VersionSet::All, VersionSet::Through(None), VersionSet::These(Vec::new())];
    for text in all.iter().chain(&["1.3", "beta", "BETA2", "9.9.9.9"]) {
        sets.push(VersionSet::Through(Some(version(text))));
        sets.push(VersionSet::These(vec![None, Some(version(text))]));
    }
    for versions in sets {
        let fits = keys.iter().filter(|(version, _)| versions.contains(version.as_ref())).map(|(_, key)| *key);
        let runs = Some(Arc::from([Runnable { name: "GREET".to_owned(), versions: versions.clone() }]));
        let ready = hub.store.ready(worker, InstanceKey(0), usize::MAX, runs).await;
        assert_eq!(ready.expect("ready instances can be read"), fits.collect::<Vec<_>>(), "{versions:?}");
    }
    let beta = vec![runnable("greet", Some(&[Some("BETA"), Some("1.2")]))];
    let named = |text: &str| keys.iter().find(|(of, _)| *of == Some(version(text))).expect("it is there").1;
    assert_eq!(
        taken_by(&hub, worker, Some(beta), false).await,
        [named("1.2"), InstanceKey(named("1.2").0 + 1), named("Beta")]
    );
}

/// A heartbeat tells only of what its worker can run.
pub async fn a_heartbeat_tells_of_what_its_worker_can_run(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let worker = hub.join().await;
    hub.start_as(CreateInstance { version: Some("2.0".to_owned()), ..create("a") }).await;
    let found = async |runnable: Option<Runnable>, names: Option<&str>| {
        let orchestrators = Some(runnable.into_iter().collect());
        let activities = Some(names.into_iter().map(str::to_owned).collect());
        let pulse = beat(&hub, Heartbeat { orchestrators, activities, ..heartbeat(worker) }).await;
        let pulse = pulse.expect("the worker is known");
        (pulse.instances, pulse.calls)
    };
    assert_eq!(found(None, None).await, (false, false));
    assert_eq!(found(Some(runnable("other", None)), None).await, (false, false));
    assert_eq!(found(Some(runnable("GREET", Some(&[None, Some("1.0")]))), None).await, (false, false));
    assert_eq!(found(Some(runnable("GREET", Some(&[None, Some("2.0")]))), None).await, (true, false));
    let through = |text| Runnable { name: "greet".to_owned(), versions: VersionSet::Through(Some(version(text))) };
    assert_eq!(found(Some(through("1.9")), Some("say")).await, (false, false));
    assert_eq!(found(Some(through("2.0")), Some("say")).await, (true, false));
    let other = hub.start_as(CreateInstance { owner: Some(worker), ..create("b") }).await;
    hub.done(TurnCommit { new_activities: vec![free_call(1)], ..turn("b", other, 1) }).await;
    assert_eq!(found(None, Some("sing")).await, (false, false));
    assert_eq!(found(None, Some("SAY")).await, (false, true));
}

/// The same for calls.
pub async fn only_calls_that_can_run_are_taken(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let worker = hub.join().await;
    let key = hub.start("a").await;
    let mut calls = vec![free_call(1), free_call(2), free_call(3)];
    calls[1].name = "Sing".to_owned();
    hub.done(TurnCommit { new_activities: calls, ..turn("a", key, 1) }).await;
    let claim = |first_claim, names: &[&str]| {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        Write::ClaimActivities { worker, first_claim, limit: 9, runs: Some(names.into()) }
    };
    assert_eq!(hub.write(claim(100, &["dance"])).await, Written::Activities(Vec::new()));
    let Written::Activities(rows) = hub.write(claim(200, &["SING", "dance"])).await else { panic!("no calls") };
    assert_eq!(rows.iter().map(|row| (row.call.task().0, row.claim)).collect::<Vec<_>>(), [(2, 200)]);
    assert!(pulse(&hub, worker).await.calls);
    assert_eq!(hub.free_tasks(worker).await, [1, 3]);
    assert!(!pulse(&hub, worker).await.calls);
}

/// A call of a living runner is its own.
pub async fn a_living_runner_keeps_its_calls(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let (a, b) = (hub.join().await, hub.join().await);
    let key = owned(&hub, "a", a).await;
    hub.done(TurnCommit { new_activities: vec![own_call(1, a, 5), free_call(2)], ..turn("a", key, 2) }).await;
    assert_eq!(hub.free_tasks(b).await, [2]);
    hub.die(b).await;
    assert_eq!(hub.free_tasks(a).await, [2], "the runner of that one is dead");
    assert_eq!(hub.activities(key).await[1].deliveries, 2);
}

/// A claim whose answer was lost gives what it gave before anything else, also to a worker that was found dead meanwhile. Others
/// may have taken some of it.
pub async fn a_claim_can_be_resubmitted_after_a_time_of_death(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let (a, b) = (hub.join().await, hub.join().await);
    let (early, late) = (owned(&hub, "early", b).await, owned(&hub, "late", b).await);
    hub.done(TurnCommit { new_activities: (1..4).map(free_call).collect(), ..turn("late", late, 2) }).await;
    let taken = hub.claim_activities(a, 20, 3).await;
    hub.die(a).await;
    assert_eq!(hub.claim_activities(b, 90, 1).await.len(), 1, "its runner is dead");
    hub.done(TurnCommit { new_activities: vec![free_call(7)], ..turn("early", early, 2) }).await;
    assert_eq!(hub.claim_activities(a, 20, 3).await, taken[1..]);
    assert!(pulse(&hub, a).await.calls, "it lives again, and nobody has taken what came last");
    assert_eq!(hub.claim_activities(a, 20, 3).await, taken[1..]);
    assert_eq!(hub.free_tasks(b).await, [7], "all the others run");
}

/// A call has one result: a turn that brings one under a claim that does not hold any more is refused as a whole, and can be
/// made without it.
pub async fn a_turn_needs_the_claims_of_its_results(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let (a, b) = (hub.join().await, hub.join().await);
    let (key, other) = (owned(&hub, "a", a).await, owned(&hub, "b", a).await);
    let calls = vec![own_call(1, a, 5), own_call(2, a, 6), own_call(3, a, 7)];
    hub.done(TurnCommit { new_activities: calls, ..turn("a", key, 2) }).await;
    hub.done(TurnCommit { new_activities: vec![own_call(1, a, 8)], ..turn("b", other, 2) }).await;
    hub.die(a).await;
    assert_eq!(hub.claim_activities(b, 90, 1).await.len(), 1);
    assert!(pulse(&hub, a).await.now > Timestamp::UNIX_EPOCH, "it comes back");
    let held = |task, claim| HeldCall { key, call: call(task), claim };
    let with = |number, results: &[HeldCall]| TurnCommit {
        activities_gone: results.iter().map(|held| held.call).collect(),
        results: results.to_vec(),
        history: vec![happened(1)],
        ..turn("a", key, number)
    };
    let results = [HeldCall { key: other, call: call(1), claim: 8 }];
    let beside = TurnCommit { activities_gone: vec![call(1)], results: results.to_vec(), ..turn("b", other, 3) };
    let batch = vec![Write::Turn(Box::new(beside)), Write::Turn(Box::new(with(3, &[held(2, 6), held(1, 5)])))];
    assert_eq!(hub.commit(batch).await, [Written::Done, Written::Refused]);
    assert_eq!((hub.activities(key).await.len(), hub.history(key).await), (3, Vec::new()));
    assert_eq!(hub.activities(other).await, []);
    hub.done(with(3, &[held(2, 6)])).await;
    assert_eq!(hub.turn(with(3, &[held(2, 6)])).await, Written::Done, "it can be resubmitted");
    assert_eq!(hub.turn(with(4, &[held(2, 6)])).await, Written::Refused, "the call is over");
    assert_eq!(hub.message(completion("a", key, 1, 5)).await, Written::Refused);
    assert!(matches!(hub.message(completion("a", key, 1, 90)).await, Written::Queued { .. }));
    assert_eq!(hub.turn(with(4, &[held(1, 90)])).await, Written::Refused, "it has arrived");
    let batch = vec![Write::Message(completion("a", key, 3, 7)), Write::Turn(Box::new(with(4, &[held(3, 7)])))];
    assert_eq!(hub.commit(batch).await[1], Written::Refused, "the one before it brings the result");
    hub.done(TurnCommit { inbox_through: 2, ..turn("a", key, 4) }).await;
    let calls = vec![own_call(4, a, 9), own_call(5, a, 10)];
    hub.done(TurnCommit { new_activities: calls, ..turn("b", other, 4) }).await;
    let results = vec![HeldCall { key: other, call: call(4), claim: 9 }];
    let drop_activities = true;
    hub.done(TurnCommit { activities_gone: vec![call(4)], results, drop_activities, ..last_turn("b", other, 5) }).await;
    assert_eq!(hub.activities(other).await, [], "one has ended, and the other was dropped");
}

/// The result of a call takes the instance from an owner that is dead: what that one has decided without it does not count, even
/// when it comes back in time.
pub async fn a_result_takes_an_instance_from_a_dead_owner(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let (a, b) = (hub.join().await, hub.join().await);
    let (taken, back, kept) =
        (owned(&hub, "taken", a).await, owned(&hub, "back", a).await, owned(&hub, "kept", a).await);
    for (id, key, claim) in [("taken", taken, 5), ("back", back, 6), ("kept", kept, 7)] {
        hub.done(TurnCommit { new_activities: vec![own_call(1, a, claim)], ..turn(id, key, 2) }).await;
    }
    let told = async |id, key, claim| written(&hub, Write::Message(completion(id, key, 1, claim))).await;
    hub.die(a).await;
    assert_eq!(hub.claim_activities(b, 90, 3).await.len(), 3);
    hub.message(message("kept")).await;
    assert_eq!(hub.row("kept").await.epoch, 1, "any message is for whoever owns it");
    for (id, key, claim) in [("taken", taken, 90), ("back", back, 91)] {
        assert_eq!(told(id, key, claim).await, Written::Queued { key, seq: 1, owner: None });
        assert_eq!(told(id, key, claim).await, Written::Queued { key, seq: 1, owner: None }, "it is told once");
        assert_eq!(hub.row(id).await.epoch, 2);
        assert_eq!(hub.turn(turn(id, key, 3)).await, Written::Refused);
    }
    let claimed = hub.claimed(taken, b).await;
    assert_eq!((claimed.instance.epoch, claimed.inbox.len(), claimed.owner_lost), (3, 1, true));
    assert!(pulse(&hub, a).await.own.contains(&(back, 1)), "it lives again");
    let claimed = hub.claimed(back, a).await;
    assert_eq!((claimed.instance.epoch, claimed.inbox.len(), claimed.owner_lost), (2, 1, false));
    hub.done(TurnCommit { epoch: 2, inbox_through: 1, ..turn("back", back, 3) }).await;
    assert_eq!(told("kept", kept, 92).await, Written::Queued { key: kept, seq: 2, owner: Some(a) });
    assert_eq!(hub.row("kept").await.epoch, 1, "its owner lives");
}

/// Whoever writes a message learns which living worker it concerns.
pub async fn a_message_names_the_living_owner(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let (a, b) = (hub.join().await, hub.join().await);
    let key = owned(&hub, "a", a).await;
    let queued = |seq, owner| Written::Queued { key, seq, owner };
    assert_eq!(written(&hub, Write::Message(message("a"))).await, queued(1, Some(a)));
    hub.die(a).await;
    assert_eq!(written(&hub, Write::Message(message("a"))).await, queued(2, None));
    hub.claimed(key, b).await;
    assert_eq!(written(&hub, Write::Message(message("a"))).await, queued(3, Some(b)));
    let sender = hub.start("sender").await;
    let event = outgoing(Recipient::Id("a".to_owned()), 7);
    let commit = TurnCommit { messages: vec![event], ..turn("sender", sender, 1) };
    let Written::Committed(reached) = written(&hub, Write::Turn(Box::new(commit))).await else {
        panic!("the message was not sent")
    };
    assert_eq!(reached.arrived.iter().map(|arrived| arrived.owner).collect::<Vec<_>>(), [Some(b)]);
}

/// Whoever removes an instance learns which living worker has it in memory.
pub async fn what_is_removed_names_the_living_owner(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let (a, b) = (hub.join().await, hub.join().await);
    let (purged, dead, replaced) =
        (owned(&hub, "purged", a).await, owned(&hub, "dead", b).await, owned(&hub, "replaced", a).await);
    hub.die(b).await;
    let purge = Write::Purge { keys: vec![purged, dead], force: true };
    let gone = |key, owner| Gone { key, owner };
    assert_eq!(written(&hub, purge).await, Written::Purged(vec![gone(purged, Some(a)), gone(dead, None)]));
    let again = create_again("replaced", &[RuntimeStatus::Running]);
    let Written::Created(started) = written(&hub, Write::Create(again)).await else { panic!("it was not replaced") };
    assert_eq!(started.replaced, Some(gone(replaced, Some(a))));
}

/// A wait that was noted is answered by the first and by the last turn, whoever owns the instance and whatever it does
/// beside, and by no other.
pub async fn a_watched_instance_says_so(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let watch = |id: &str| Write::Watch { id: id.to_owned() };
    assert_eq!(hub.write(watch("a")).await, Written::NotFound);
    let key = hub.start("a").await;
    assert_eq!(hub.write(watch("a")).await, Written::Done);
    assert!(hub.reached(turn("a", key, 1)).await.watched);
    assert!(hub.reached(turn("a", key, 1)).await.watched, "a repeated turn has the same answer");
    hub.done(turn("a", key, 2)).await;
    hub.done(continuing_turn("a", key, 3)).await;
    let last = TurnCommit { execution: "execution 1".to_owned(), ..last_turn("a", key, 4) };
    assert!(hub.reached(last).await.watched);
    let parent = hub.start("b").await;
    assert!(!hub.reached(TurnCommit { children: vec![child("c", 1)], ..turn("b", parent, 1) }).await.watched);
    hub.write(watch("b")).await;
    assert!(!hub.reached(TurnCommit { children: vec![child("d", 2)], ..turn("b", parent, 2) }).await.watched);
    let messages = vec![outgoing(Recipient::Id("c".to_owned()), 1)];
    assert!(hub.reached(TurnCommit { messages, ..last_turn("b", parent, 3) }).await.watched);
}

/// A wait goes over to the instance that takes the id, and stays with one that is given up or continues as new.
pub async fn a_wait_follows_the_id(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let worker = hub.join().await;
    let old = hub.start("a").await;
    hub.write(Write::Watch { id: "a".to_owned() }).await;
    hub.reached(turn("a", old, 1)).await;
    let new = hub.start_as(create_again("a", &[RuntimeStatus::Running])).await;
    let first = TurnCommit { execution: "second".to_owned(), epoch: 2, ..turn("a", new, 1) };
    assert!(hub.reached(first).await.watched);
    let key = owned(&hub, "b", worker).await;
    let release = Release { key, epoch: 1, inbox_seq: Some(0), watched: true };
    assert_eq!(hub.write(Write::Release(vec![release])).await, Written::Kept(Vec::new()));
    assert!(hub.reached(last_turn("b", key, 2)).await.watched);
}

/// A heartbeat tells which watched instances are finished or gone.
pub async fn a_heartbeat_tells_what_has_ended(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let worker = hub.join().await;
    let (over, _live) = (hub.start("over").await, hub.start("live").await);
    hub.done(last_turn("over", over, 1)).await;
    let watching: Vec<_> = ["live", "over", "never"].map(str::to_owned).to_vec();
    let mut ended = beat(&hub, Heartbeat { watching, ..heartbeat(worker) }).await.expect("it is known").ended;
    ended.sort();
    assert_eq!(ended, ["never", "over"]);
}

/// A heartbeat names the worker's own instances that have something to do, in pages.
pub async fn a_heartbeat_tells_which_own_instances_have_something_to_do(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let (a, b) = (hub.join().await, hub.join().await);
    let mut told = Vec::new();
    for id in ["a", "b", "c"] {
        told.push(owned(&hub, id, a).await);
        hub.message(message(id)).await;
    }
    hub.message(message("b")).await;
    let fresh = hub.start_as(CreateInstance { owner: Some(a), ..create("fresh") }).await;
    owned(&hub, "asleep", a).await;
    let other = owned(&hub, "other", b).await;
    hub.message(message("other")).await;
    let due = owned(&hub, "due", a).await;
    let timers = vec![NewTimer { call: call(1), fire_at: Timestamp::from_ticks(7) }, super::fixtures::timer(2, 90)];
    hub.done(TurnCommit { new_timers: timers, ..turn("due", due, 2) }).await;
    let all = [(told[0], 1), (told[1], 2), (told[2], 1), (fresh, 0), (due, 0)];
    assert_eq!(pulse(&hub, a).await.own, all);
    assert_eq!(pulse(&hub, b).await.own, [(other, 1)]);
    let page = Heartbeat { after: told[0], limit: 2, ..heartbeat(a) };
    assert_eq!(beat(&hub, page).await.expect("it is known").own, all[1..3]);
}

/// Messages are read from where a worker has them, for many instances at once.
pub async fn messages_are_read_from_a_position_on(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let (a, b) = (hub.start("a").await, hub.start("b").await);
    for id in ["a", "a", "a", "b"] {
        hub.message(message(id)).await;
    }
    let read = async |after| shared(&hub).unread(after).await.expect("messages can be read");
    let places = |unread: &[Unread]| unread.iter().map(|unread| (unread.key, unread.row.seq)).collect::<Vec<_>>();
    let unread = read(vec![(b, 0), (a, 1), (InstanceKey(99), 0)]).await;
    assert_eq!(places(&unread), [(a, 2), (a, 3), (b, 1)]);
    assert_eq!(unread[0].row.event, message("a").event);
    assert_eq!(places(&read(vec![(a, 3)]).await), []);
    assert_eq!(places(&read(Vec::new()).await), []);
    assert_eq!(hub.row("a").await.epoch, 1);
}

/// A timer that is due makes an instance ready that has no living owner.
pub async fn a_due_timer_needs_an_owner(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let (a, b) = (hub.join().await, hub.join().await);
    let due = |task| NewTimer { call: call(task), fire_at: Timestamp::from_ticks(7) };
    let key = owned(&hub, "a", a).await;
    hub.done(TurnCommit { new_timers: vec![due(1), super::fixtures::timer(2, 90)], ..turn("a", key, 2) }).await;
    let free = hub.start_as(CreateInstance { start_at: Some(at(0)), ..create("later") }).await;
    assert_eq!((hub.ready(b).await, pulse(&hub, b).await.instances), (vec![], false));
    hub.die(a).await;
    assert_eq!((hub.ready(b).await, pulse(&hub, b).await.instances), (vec![key], true));
    let start = CreateInstance { start_at: Some(Timestamp::from_ticks(8)), ..create("now") };
    let started = hub.start_as(start).await;
    assert_eq!(taken(&hub, b).await, [key, started]);
    assert!(!hub.ready(b).await.contains(&free));
}

/// A worker learns of its own timers and of those that nobody looks after, and gets them with what it takes over.
pub async fn timers_go_with_their_instances(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let (a, b) = (hub.join().await, hub.join().await);
    let (of_a, of_b) = (owned(&hub, "a", a).await, owned(&hub, "b", b).await);
    let free = hub.start("free").await;
    let timer = super::fixtures::timer;
    for (id, key, number) in [("a", of_a, 2), ("b", of_b, 2), ("free", free, 1)] {
        hub.done(TurnCommit { new_timers: vec![timer(1, 90)], ..turn(id, key, number) }).await;
    }
    let timers = async |worker| hub.store.timers(worker, None, 9).await.expect("timers can be read");
    let row = |key| timer_row(key, 1, 90);
    assert_eq!(timers(a).await, [row(of_a), row(free)]);
    assert_eq!(timers(b).await, [row(of_b), row(free)]);
    hub.die(b).await;
    assert_eq!(timers(a).await, [row(of_a), row(of_b), row(free)]);
    assert_eq!(hub.claimed(of_b, a).await.timers, Some(vec![timer(1, 90)]));
    hub.done(TurnCommit { epoch: 2, timers_gone: vec![timer(1, 90).call], ..turn("b", of_b, 3) }).await;
    assert_eq!(hub.claimed(of_b, a).await.timers, Some(Vec::new()));
}

/// Hints reach those whom they are for.
pub async fn hints_reach_who_listens(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let (a, b) = (hub.join().await, hub.join().await);
    let mut at_a = shared(&hub).listen(a).await.expect("a worker can listen");
    let mut at_b = shared(&hub).listen(b).await.expect("a worker can listen");
    let messages = Notice::Messages(a, vec![InstanceKey(1), InstanceKey(2)]);
    let gone = Notice::Gone(b, vec![InstanceKey(3)]);
    let (work, changed) = (Notice::Work { instances: true, calls: false }, Notice::Changed(vec!["x".to_owned()]));
    shared(&hub).notify(vec![messages.clone(), gone.clone(), work.clone(), changed.clone()]).await;
    // Others may be told more than once, and something else in between.
    for (listener, wanted) in
        [(&mut at_a, vec![messages, work.clone(), changed.clone()]), (&mut at_b, vec![gone, work, changed])]
    {
        for notice in wanted {
            hears(listener, &notice).await;
        }
    }
}

async fn hears(listener: &mut Notices, wanted: &Notice) {
    let heard = async {
        loop {
            match listener.next().await {
                Some(notice) if notice == *wanted => return,
                Some(Notice::Messages(..) | Notice::Gone(..)) => panic!("it hears what is for somebody else"),
                Some(_) => {}
                None => panic!("the store has stopped telling"),
            }
        }
    };
    let patience = Duration::from_secs(30);
    assert!(tokio::time::timeout(patience, heard).await.is_ok(), "{wanted:?} was not heard");
}
