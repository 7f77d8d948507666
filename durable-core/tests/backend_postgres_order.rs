//! A batch that PostgreSQL carries out in sets does what one write after the other does. The in-memory store, where several
//! workers share it, is the model: the same batches, made at random, get the same answers and leave the same rows.
#![cfg(feature = "postgres")]
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

#[path = "support/postgres.rs"]
mod postgres;

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use durable_core::backend::memory::Memory;
use durable_core::backend::{
    Backend, CallId, Completes, CreateInstance, HeldCall, InboxRow, InstanceFilter, InstanceKey, InstanceRow,
    MessageTarget, NewActivity, NewChild, NewEvent, NewMessage, NewTimer, NextExecution, OutgoingMessage, Recipient,
    Release, RewindCommit, Runnable, TurnCommit, WorkerId, Write, Written,
};
use durable_core::history::StoredEvent;
use durable_core::model::{Payload, RuntimeStatus, TaskId, Timestamp, Version, VersionSet};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use self::postgres::Schema;

const IDS: [&str; 4] = ["a", "b", "c", "d"];

/// What a write is about, by small numbers. They mean something only against the rows that are there.
#[derive(Debug, Clone)]
enum Op {
    Create { id: usize, fresh: bool, replace: bool, starts_later: bool, owned: bool },
    Turn { id: usize, ahead: i8, ends: bool, next: bool, child: Option<usize>, to: u8, over: bool, adds: bool },
    Message { id: usize, by_key: bool, completes: u8, call: u8 },
    Claim { id: usize, worker: usize, any: bool },
    ClaimReady { worker: usize, again: bool, any: bool },
    Release { id: usize, behind: Option<bool>, watched: bool },
    HandBack { id: usize, call: u8 },
    Watch { id: usize },
    Attempt { id: usize },
    ClaimActivities { worker: usize, any: bool },
    Stall { id: usize, clear: bool },
    Progress { id: usize, call: u8 },
    Rewind { id: usize },
    Purge { id: usize, force: bool },
    Expire { age: u32, limit: usize },
}

fn op() -> impl Strategy<Value = Op> {
    let id = 0..IDS.len();
    let b = any::<bool>;
    prop_oneof![
        4 => (id.clone(), b(), b(), prop::bool::weighted(0.2), b())
            .prop_map(|(id, fresh, replace, starts_later, owned)| Op::Create { id, fresh, replace, starts_later, owned }),
        8 => (id.clone(), prop_oneof![6 => Just(1_i8), 1 => Just(0), 1 => Just(2)], prop::bool::weighted(0.2),
              prop::bool::weighted(0.15), prop::option::weighted(0.3, id.clone()), 0..8_u8, b(), b())
            .prop_map(|(id, ahead, ends, next, child, to, over, adds)| {
                Op::Turn { id, ahead, ends, next: next && !ends, child, to, over, adds }
            }),
        6 => (id.clone(), b(), 0..4_u8, 1..4_u8)
            .prop_map(|(id, by_key, completes, call)| Op::Message { id, by_key, completes, call }),
        3 => (id.clone(), 0..2_usize, b()).prop_map(|(id, worker, any)| Op::Claim { id, worker, any }),
        1 => (0..2_usize, b(), b()).prop_map(|(worker, again, any)| Op::ClaimReady { worker, again, any }),
        2 => (id.clone(), prop::option::of(b()), b()).prop_map(|(id, behind, watched)| Op::Release { id, behind, watched }),
        1 => (id.clone(), 1..4_u8).prop_map(|(id, call)| Op::HandBack { id, call }),
        1 => id.clone().prop_map(|id| Op::Watch { id }),
        1 => id.clone().prop_map(|id| Op::Attempt { id }),
        1 => (0..2_usize, b()).prop_map(|(worker, any)| Op::ClaimActivities { worker, any }),
        1 => (id.clone(), b()).prop_map(|(id, clear)| Op::Stall { id, clear }),
        1 => (id.clone(), 1..4_u8).prop_map(|(id, call)| Op::Progress { id, call }),
        2 => id.clone().prop_map(|id| Op::Rewind { id }),
        1 => (id, b()).prop_map(|(id, force)| Op::Purge { id, force }),
        2 => (0..12_u32, 0..4_usize).prop_map(|(age, limit)| Op::Expire { age, limit }),
    ]
}

fn at(n: i64) -> Timestamp {
    Timestamp::from_ticks(17_145_648_001_234_567 + n)
}

/// Keys are told apart by what they were given for: the same one may have another number in each store.
#[derive(Default)]
struct Names {
    of: HashMap<i64, String>,
}

impl Names {
    fn learn(&mut self, rows: &[InstanceRow]) {
        for row in rows {
            self.of.insert(row.key.0, format!("{}/{}", row.id, row.execution));
        }
    }

    /// A text in which keys have their names.
    fn tell(&self, value: &impl Debug) -> String {
        let text = format!("{value:?}");
        let mut told = String::new();
        let mut parts = text.split("InstanceKey(");
        told.push_str(parts.next().unwrap());
        for part in parts {
            let (key, rest) = part.split_once(')').unwrap();
            let name = self.of.get(&key.parse().unwrap()).map_or("gone", String::as_str);
            // The key of an instance that came and went within a batch has no name, and its order says enough.
            told.push_str(&format!("<{name}>{rest}"));
        }
        told
    }
}

/// A store, and what is known of it before a batch.
struct Side {
    store: Arc<dyn Backend>,
    workers: [WorkerId; 2],
    names: Names,
    serial: u32,
}

impl Side {
    async fn new(store: Arc<dyn Backend>) -> Self {
        let lease = Duration::from_secs(3600);
        let workers = [store.attach("a", lease).await.unwrap().worker, store.attach("b", lease).await.unwrap().worker];
        Self { store, workers, names: Names::default(), serial: 0 }
    }

    async fn rows(&self) -> Vec<InstanceRow> {
        self.store.list(InstanceFilter { limit: 100, ..InstanceFilter::default() }).await.unwrap()
    }

    async fn run(&mut self, ops: &[Op]) -> Vec<String> {
        let rows = self.rows().await;
        self.names.learn(&rows);
        let writes: Vec<_> = ops.iter().map(|op| self.write(op, &rows)).collect();
        let answers = self.store.commit(Arc::new(writes)).await.unwrap();
        let rows = self.rows().await;
        self.names.learn(&rows);
        let mut told: Vec<_> = answers.iter().map(|answer| self.names.tell(&without_timers(answer))).collect();
        for row in &rows {
            told.push(self.names.tell(row));
            told.push(self.names.tell(&self.store.history(row.key).await.unwrap()));
            told.push(self.names.tell(&self.store.activities(row.key).await.unwrap()));
            let after = vec![(row.key, 0)];
            told.push(self.names.tell(&self.store.shared().unwrap().unread(after).await.unwrap()));
        }
        for worker in self.workers {
            for runs in [None, Some(Arc::from([runnable(None)]))] {
                told.push(self.names.tell(&self.store.ready(worker, InstanceKey(-1), 100, runs).await.unwrap()));
            }
            told.push(self.names.tell(&self.store.timers(worker, None, 100).await.unwrap()));
        }
        told
    }

    /// The write for the rows as they stand before the batch. Later writes of a batch may find them otherwise.
    #[expect(clippy::too_many_lines, reason = "one arm for each kind of write")]
    fn write(&mut self, op: &Op, rows: &[InstanceRow]) -> Write {
        self.serial += 1;
        let serial = self.serial;
        let row = |id: usize| rows.iter().find(|row| row.id == IDS[id]);
        let key = |id: usize| row(id).map_or(InstanceKey(1_000_000), |row| row.key);
        let epoch = |id: usize| row(id).map_or(1, |row| row.epoch);
        let runs = |any: bool| (!any).then(|| Arc::from([runnable(Some("1"))]));
        match *op {
            Op::Create { id, fresh, replace, starts_later, owned } => {
                Write::Create(self.create(id, fresh.then_some(serial), replace, starts_later, owned))
            }
            Op::Turn { id, .. } => Write::Turn(Box::new(self.turn(op, row(id), key(id), serial))),
            Op::Message { id, by_key, completes, call } => Write::Message(NewMessage {
                to: match row(id).filter(|_| by_key) {
                    Some(row) => MessageTarget::Execution(row.key, row.execution.clone()),
                    None => MessageTarget::Id(IDS[id].to_owned()),
                },
                time: at(i64::from(serial)),
                event: event("told", u32::from(call), serial),
                completes: match completes {
                    0 => Some(Completes::Timer(CallId::new(generation(row(id)), TaskId(call.into())))),
                    1 => Some(Completes::Activity(CallId::new(generation(row(id)), TaskId(call.into())), 7)),
                    _ => None,
                },
            }),
            Op::Claim { id, worker, any } => {
                Write::Claim { key: key(id), worker: self.workers[worker], runs: runs(any) }
            }
            Op::ClaimReady { worker, again, any } => {
                let worker = self.workers[worker];
                Write::ClaimReady { worker, after: InstanceKey(-1), limit: 2, runs: runs(any), again }
            }
            Op::Release { id, behind, watched } => Write::Release(vec![Release {
                key: key(id),
                epoch: epoch(id),
                inbox_seq: behind.map(|behind| row(id).map_or(0, |row| row.inbox_seq) + u64::from(behind)),
                watched,
            }]),
            Op::HandBack { id, call } => Write::HandBack(vec![HeldCall {
                key: key(id),
                call: CallId::new(generation(row(id)), TaskId(call.into())),
                claim: 7,
            }]),
            Op::Watch { id } => Write::Watch { id: IDS[id].to_owned() },
            Op::Attempt { id } => Write::Attempt { key: key(id), epoch: epoch(id) },
            Op::ClaimActivities { worker, any } => Write::ClaimActivities {
                worker: self.workers[worker],
                first_claim: i64::from(serial) * 100,
                limit: 2,
                runs: (!any).then(|| Arc::from(["PACK".to_owned()])),
            },
            Op::Stall { id, clear } => {
                Write::Stall { key: key(id), epoch: epoch(id), reason: (!clear).then(|| format!("stall {serial}")) }
            }
            Op::Progress { id, call } => Write::Progress {
                key: key(id),
                call: CallId::new(generation(row(id)), TaskId(call.into())),
                claim: 7,
                progress: Payload::from_stored(&serial.to_string()),
            },
            Op::Rewind { id } => Write::Rewind(vec![rewind(row(id), key(id), serial)]),
            Op::Purge { id, force } => Write::Purge { keys: vec![key(id)], force },
            Op::Expire { age, limit } => Write::Expire {
                status: RuntimeStatus::Completed,
                through: at(i64::from(serial) - i64::from(age)),
                limit,
            },
        }
    }

    fn create(&self, id: usize, fresh: Option<u32>, replace: bool, later: bool, owned: bool) -> CreateInstance {
        CreateInstance {
            id: IDS[id].to_owned(),
            execution: fresh.map_or("first".to_owned(), |serial| format!("execution {serial}")),
            name: if id == 0 { "pack" } else { "Greet" }.to_owned(),
            version: (id != 1).then(|| "1".to_owned()),
            input: Payload::from_stored("[1]"),
            tags: [("team".to_owned(), IDS[id].to_owned())].into(),
            origin: None,
            parent: None,
            parent_call: None,
            start_at: later.then(|| at(1)),
            now: at(0),
            owner: owned.then_some(self.workers[0]).filter(|_| !later),
            replace: if replace { RuntimeStatus::ALL.to_vec() } else { vec![RuntimeStatus::Completed] },
        }
    }

    #[expect(clippy::too_many_lines, reason = "one literal with every part of a turn")]
    fn turn(&self, op: &Op, row: Option<&InstanceRow>, key: InstanceKey, serial: u32) -> TurnCommit {
        let &Op::Turn { ahead, ends, next, child, to, over, adds, .. } = op else { panic!("a turn") };
        let turn = row.map_or(0, |row| row.turn) + u64::try_from(ahead).unwrap();
        let call = |n: u32| CallId::new(generation(row), TaskId(n));
        // Each turn has its own numbers, so that what it adds is new, and what it ends may be there.
        let task = u32::try_from(turn % 3).unwrap() + 1;
        let fresh = u32::try_from(turn).unwrap() * 10 + 10;
        let message = |to| OutgoingMessage { to, event: NewEvent { time: at(5), event: event("sent", 9, serial) } };
        TurnCommit {
            key,
            execution: row.map_or("none".to_owned(), |row| row.execution.clone()),
            epoch: row.map_or(1, |row| row.epoch),
            turn,
            turn_time: at(i64::from(serial)),
            status: match (ends, next) {
                (true, _) => RuntimeStatus::Completed,
                (_, true) => RuntimeStatus::ContinuedAsNew,
                _ => RuntimeStatus::Running,
            },
            custom_status: adds.then(|| Payload::from_stored(&serial.to_string())),
            output: ends.then(|| Payload::from_stored("1")),
            reason: None,
            // Also right when it is the second of its batch.
            first_seq: turn * 10,
            history: vec![NewEvent { time: at(3), event: event("happened", task, serial) }; usize::from(over) + 1],
            inbox_through: row.map_or(0, |row| row.inbox_seq.saturating_sub(u64::from(to % 2))),
            activities_gone: if over { vec![call(task), call(fresh - 10)] } else { Vec::new() },
            results: if over && to > 4 {
                vec![HeldCall { key, call: call(task), claim: 6 + i64::from(to % 2) }]
            } else {
                Vec::new()
            },
            timers_gone: if over { vec![call(task)] } else { Vec::new() },
            new_activities: if adds && turn == 1 {
                (1..4).map(|n| self.activity(call(n), n == 2)).collect()
            } else if adds {
                vec![self.activity(call(fresh), false)]
            } else {
                Vec::new()
            },
            new_timers: if turn == 1 && !ends {
                (1..4).map(|n| NewTimer { call: call(n), fire_at: at(i64::from(n)) }).collect()
            } else {
                Vec::new()
            },
            drop_activities: to == 7,
            children: child
                .map(|id| NewChild {
                    create: CreateInstance {
                        parent_call: adds.then(|| call(fresh)),
                        ..self.create(id, Some(serial), over, false, adds)
                    },
                    if_taken: Some(NewEvent { time: at(4), event: event("taken", 1, serial) }),
                })
                .into_iter()
                .collect(),
            messages: match to {
                0 => vec![message(Recipient::Id(IDS[usize::try_from(serial).unwrap() % IDS.len()].to_owned()))],
                1 => vec![message(Recipient::Children), message(Recipient::Id("nobody".to_owned()))],
                2 => {
                    vec![message(Recipient::Child(call(fresh))), message(Recipient::Execution(key, "first".to_owned()))]
                }
                _ => Vec::new(),
            },
            next: next.then(|| {
                Box::new(NextExecution {
                    execution: format!("next {serial}"),
                    version: Some("1".to_owned()),
                    input: Payload::from_stored("[2]"),
                    generation: generation(row) + 1,
                    carried: row
                        .filter(|row| row.inbox_seq > 1 && to % 2 == 0)
                        .map(|_| InboxRow { seq: 1, time: at(1), event: event("carried", 1, serial) })
                        .into_iter()
                        .collect(),
                })
            }),
        }
    }

    fn activity(&self, call: CallId, waits: bool) -> NewActivity {
        NewActivity {
            call,
            name: if waits { "Pack" } else { "pay" }.to_owned(),
            input: Payload::from_stored("1"),
            options: None,
            runner: (!waits).then_some(self.workers[0]),
            claim: 7,
        }
    }
}

fn runnable(version: Option<&str>) -> Runnable {
    let version = version.map(|version| Version::new(version).unwrap());
    Runnable { name: "GREET".to_owned(), versions: VersionSet::These(vec![version]) }
}

fn generation(row: Option<&InstanceRow>) -> u32 {
    row.map_or(0, |row| row.generation)
}

fn event(kind: &'static str, task: u32, serial: u32) -> StoredEvent {
    let payload = Some(Payload::from_stored(&serial.to_string()));
    StoredEvent { kind: kind.into(), task_id: Some(TaskId(task)), name: None, payload, detail: None }
}

fn rewind(row: Option<&InstanceRow>, key: InstanceKey, serial: u32) -> RewindCommit {
    RewindCommit {
        key,
        execution: row.map_or("none".to_owned(), |row| row.execution.clone()),
        epoch: row.map_or(1, |row| row.epoch),
        turn: row.map_or(0, |row| row.turn),
        now: at(i64::from(serial)),
        history: Vec::new(),
        inbox: vec![NewEvent { time: at(6), event: event("again", 1, serial) }],
        activities: Vec::new(),
        timers: vec![NewTimer { call: CallId::new(generation(row), TaskId(2)), fire_at: at(2) }],
        children: Vec::new(),
    }
}

/// Timers come in any order.
fn without_timers(answer: &Written) -> Written {
    let mut answer = answer.clone();
    let sort = |timers: &mut Option<Vec<NewTimer>>| {
        timers.iter_mut().for_each(|timers| timers.sort_by_key(|timer| timer.call));
    };
    match &mut answer {
        Written::Claimed(claimed) => sort(&mut claimed.timers),
        Written::Taken(all) => all.iter_mut().for_each(|claimed| sort(&mut claimed.timers)),
        _ => {}
    }
    answer
}

#[test]
fn batches_do_what_their_writes_do_one_by_one() {
    let cases = std::env::var("DURABLE_ORDER_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(60);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let schema = Schema::new();
    let (store, client) = runtime.block_on(async { (schema.store().await, schema.client().await) });
    let batches = prop::collection::vec(prop::collection::vec(op(), 1..7), 1..14);
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let run = |batches: Vec<Vec<Op>>| {
        runtime.block_on(async {
            let empty = "TRUNCATE instances, headers, tags, history, inbox, activities, timers, workers";
            client.batch_execute(empty).await.unwrap();
            let mut model = Side::new(Arc::new(Memory::shared())).await;
            let mut real = Side::new(Arc::new(store.clone())).await;
            // Workers have other numbers in each store, too.
            let worker = |text: String, side: &Side| {
                let [a, b] = side.workers.map(|worker| format!("{worker:?}"));
                text.replace(&a, "<worker a>").replace(&b, "<worker b>")
            };
            for (n, ops) in batches.iter().enumerate() {
                let (expected, found) = (model.run(ops).await, real.run(ops).await);
                for (expected, found) in expected.into_iter().zip(found) {
                    prop_assert_eq!(worker(found, &real), worker(expected, &model), "batch {} of {:#?}", n, &batches);
                }
            }
            Ok(())
        })
    };
    runner.run(&batches, run).unwrap();
}
