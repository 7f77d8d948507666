//! What the PostgreSQL backend promises about servers, schemas, connections and other workers.
#![cfg(feature = "postgres")]
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

#[path = "support/postgres.rs"]
mod postgres;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use durable_core::backend::postgres::Postgres;
use durable_core::backend::{
    Backend, BackendErrorKind, CallId, CreateInstance, Heartbeat, InstanceKey, MessageTarget, NewActivity, NewEvent,
    NewMessage, Notice, Notices, OutgoingMessage, Recipient, SharedBackend, TurnCommit, WorkerId, Write, Written,
};
use durable_core::history::StoredEvent;
use durable_core::model::{Payload, RuntimeStatus, TaskId, Timestamp};
use futures_util::future::join_all;

use self::postgres::{Schema, connect, url};

const LEASE: Duration = Duration::from_secs(3600);

fn create(id: &str, execution: &str) -> CreateInstance {
    CreateInstance {
        id: id.to_owned(),
        execution: execution.to_owned(),
        name: "Greet".to_owned(),
        version: None,
        input: Payload::null(),
        tags: [("team".to_owned(), "blue".to_owned())].into(),
        origin: None,
        parent: None,
        parent_call: None,
        start_at: None,
        now: Timestamp::from_ticks(17_145_648_001_234_567),
        owner: None,
        replace: Vec::new(),
    }
}

fn event(n: usize) -> StoredEvent {
    let payload = Some(Payload::from_stored(&n.to_string()));
    StoredEvent { kind: "EventRaised".into(), task_id: None, name: Some("Go".into()), payload, detail: None }
}

fn message(id: &str, n: usize) -> Write {
    let to = MessageTarget::Id(id.to_owned());
    Write::Message(NewMessage { to, time: Timestamp::UNIX_EPOCH, event: event(n), completes: None })
}

fn turn(key: InstanceKey, execution: &str, epoch: u64, number: u64) -> TurnCommit {
    TurnCommit {
        key,
        execution: execution.to_owned(),
        epoch,
        turn: number,
        turn_time: Timestamp::from_ticks(17_145_648_007_654_321),
        status: RuntimeStatus::Running,
        custom_status: None,
        output: None,
        reason: None,
        first_seq: number,
        history: vec![NewEvent { time: Timestamp::UNIX_EPOCH, event: event(0) }],
        inbox_through: 0,
        activities_gone: Vec::new(),
        results: Vec::new(),
        timers_gone: Vec::new(),
        new_activities: Vec::new(),
        new_timers: Vec::new(),
        drop_activities: false,
        children: Vec::new(),
        messages: Vec::new(),
        next: None,
    }
}

async fn commit(store: &Postgres, writes: Vec<Write>) -> Vec<Written> {
    store.commit(Arc::new(writes)).await.unwrap()
}

async fn start(store: &Postgres, id: &str) -> InstanceKey {
    match commit(store, vec![Write::Create(create(id, "e"))]).await.remove(0) {
        Written::Created(started) => started.key,
        other => panic!("{other:?}"),
    }
}

async fn attach(store: &Postgres) -> WorkerId {
    store.attach("test", LEASE).await.unwrap().worker
}

/// Ends the connections of all stores in a schema, as a fail-over would.
async fn cut(schema: &Schema, what: &str) -> i64 {
    let sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE application_name = $1 AND query LIKE $2";
    connect().await.query_one(sql, &[&schema.name, &what]).await.unwrap().get(0)
}

/// A store whose connections can be told from those of other tests.
async fn marked_store(schema: &Schema) -> Postgres {
    let mark = if url().contains('?') { '&' } else { '?' };
    let name = schema.name.replace(' ', "%20");
    schema.options().connect(&format!("{}{mark}application_name={name}", url())).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_start_together_make_the_tables_once() {
    let schema = Schema::new();
    let stores = join_all((0..8).map(|_| schema.store())).await;
    let client = schema.client().await;
    let versions = client.query("SELECT version FROM durable_schema", &[]).await.unwrap();
    assert_eq!(versions.len(), 1, "one process has made version 1");
    start(&stores[0], "a").await;
    assert!(stores[7].instance("a").await.unwrap().is_some());
}

#[tokio::test]
async fn a_schema_of_another_program_is_left_alone() {
    let schema = Schema::new();
    let client = connect().await;
    client
        .batch_execute(&format!("CREATE SCHEMA \"{0}\"; CREATE TABLE \"{0}\".mine (n int)", schema.name))
        .await
        .unwrap();
    let error = schema.options().connect(url()).await.unwrap_err();
    assert!(error.is_foreign() && error.to_string().contains("another program"), "{error}");
    let sql = "SELECT count(*) FROM pg_class WHERE relnamespace = $1::text::regnamespace";
    let tables: i64 = client.query_one(sql, &[&format!("\"{}\"", schema.name)]).await.unwrap().get(0);
    assert_eq!(tables, 1);
    client.batch_execute(&format!("DROP SCHEMA \"{}\" CASCADE", schema.name)).await.unwrap();
}

#[tokio::test]
async fn a_newer_version_is_left_alone() {
    let schema = Schema::new();
    drop(schema.store().await);
    schema.client().await.batch_execute("INSERT INTO durable_schema VALUES (99)").await.unwrap();
    let error = schema.options().connect(url()).await.unwrap_err();
    assert!(error.is_foreign() && error.to_string().contains("version 99"), "{error}");
}

#[tokio::test]
async fn opening_again_changes_nothing() {
    let schema = Schema::new();
    let client = schema.client().await;
    let dump = async || {
        let sql = "SELECT c.relname, c.relkind::text, c.oid::text FROM pg_class c
            WHERE relnamespace = current_schema::text::regnamespace ORDER BY 1";
        drop(schema.store().await);
        let sql = sql.replace(
            "current_schema::text::regnamespace",
            "(SELECT oid FROM pg_namespace WHERE nspname = current_schema)",
        );
        let rows = client.query(&sql, &[]).await.unwrap();
        rows.iter().map(|row| [0, 1, 2].map(|column| row.get::<_, String>(column))).collect::<Vec<_>>()
    };
    let first = dump().await;
    assert!(first.len() > 20);
    assert_eq!(dump().await, first);
}

/// A user with no right but to make tables in one schema, whose defaults are bad for us.
async fn limited_user(schema: &Schema, name: &str, defaults: &str) -> String {
    let (client, schema) = (connect().await, &schema.name);
    client
        .batch_execute(&format!("DROP ROLE IF EXISTS {name}; CREATE ROLE {name} LOGIN PASSWORD 'hunter2'; {defaults}"))
        .await
        .unwrap();
    client
        .batch_execute(&format!("CREATE SCHEMA \"{schema}\"; GRANT USAGE, CREATE ON SCHEMA \"{schema}\" TO {name}"))
        .await
        .unwrap();
    let (rest, host) = url().split_once('@').unwrap();
    let (scheme, _) = rest.split_once("://").unwrap();
    format!("{scheme}://{name}:hunter2@{host}")
}

async fn drop_user(schema: &Schema, name: &str) {
    let sql = format!("DROP SCHEMA \"{}\" CASCADE; DROP OWNED BY {name}; DROP ROLE {name}", schema.name);
    connect().await.batch_execute(&sql).await.unwrap();
}

#[tokio::test]
async fn a_user_needs_no_special_rights() {
    let schema = Schema::new();
    let name = format!("durable_plain_{}", std::process::id());
    let url = limited_user(&schema, &name, "").await;
    let store = schema.options().connect(&url).await.unwrap();
    start(&store, "a").await;
    assert!(store.instance("a").await.unwrap().is_some());
    drop(store);
    let other = Schema::new();
    let error = other.options().connect(&url).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Other, "{error}");
    assert!(error.to_string().contains("may not"), "{error}");
    drop_user(&schema, &name).await;
}

#[tokio::test]
async fn a_statement_that_takes_too_long_may_be_tried_again() {
    let schema = Schema::new();
    let name = format!("durable_hasty_{}", std::process::id());
    let url = limited_user(&schema, &name, &format!("ALTER ROLE {name} SET statement_timeout = '200ms'")).await;
    let store = schema.options().connect(&url).await.unwrap();
    start(&store, "a").await;
    let mut client = schema.client().await;
    let lock = client.transaction().await.unwrap();
    lock.batch_execute("SELECT FROM instances WHERE id = 'a' FOR UPDATE").await.unwrap();
    let error = store.commit(Arc::new(vec![message("a", 1)])).await.unwrap_err();
    assert!(error.is_retryable(), "{error}");
    lock.rollback().await.unwrap();
    assert!(matches!(commit(&store, vec![message("a", 1)]).await[0], Written::Queued { seq: 1, .. }));
    drop(store);
    drop_user(&schema, &name).await;
}

#[tokio::test]
async fn no_password_is_shown() {
    for url in [
        "postgres://ada:hunter2@127.0.0.1:1/shop",
        "postgres://ada:hunter2@127.0.0.1:notaport/shop",
        "postgres://ada:hunter2@/shop?what=that",
        "host=127.0.0.1 port=1 user=ada password=hunter2",
    ] {
        let error = Postgres::connect(url).await.unwrap_err();
        let told =
            format!("{error} {error:?} {:?}", std::error::Error::source(&error).map(|source| format!("{source:?}")));
        assert!(!told.contains("hunter2"), "{told}");
    }
    let store = Postgres::options().connect_later("postgres://ada:hunter2@db.example.com:99/shop").unwrap();
    assert_eq!(format!("{store:?}"), r#"Postgres { place: "durable in postgres://db.example.com:99/shop", .. }"#);
}

#[tokio::test]
async fn what_cannot_be_reached_may_come_back_and_what_is_not_there_does_not() {
    let error = Postgres::connect("postgres://ada@127.0.0.1:1/shop").await.unwrap_err();
    assert!(error.is_retryable(), "{error}");
    let (rest, _) = url().rsplit_once('/').unwrap();
    let error = Postgres::connect(&format!("{rest}/no_such_database")).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Other, "{error}");
    for schema in ["", "$user", "pg_mine", "with\"quote", &"x".repeat(64)] {
        let error = Postgres::options().schema(schema).connect_later(url()).unwrap_err();
        assert_eq!(error.kind(), BackendErrorKind::Other, "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_is_made_again() {
    let schema = Schema::new();
    let store = marked_store(&schema).await;
    let key = start(&store, "a").await;
    assert!(cut(&schema, "%").await > 0);
    // Whether the store has heard of it or not, the next commit but one works.
    let turn = || Arc::new(vec![Write::Turn(Box::new(turn(key, "e", 1, 1)))]);
    match store.commit(turn()).await {
        Ok(answers) => assert_eq!(answers, [Written::Done]),
        Err(error) => assert!(error.is_retryable(), "{error}"),
    }
    assert_eq!(store.commit(turn()).await.unwrap(), [Written::Done]);
    assert_eq!(store.history(key).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_is_cut_off_happens_not_or_once() {
    let schema = Schema::new();
    let store = marked_store(&schema).await;
    start(&store, "a").await;
    let mut client = schema.client().await;
    let lock = client.transaction().await.unwrap();
    lock.batch_execute("SELECT FROM instances WHERE id = 'a' FOR UPDATE").await.unwrap();
    let cut_off = async {
        // Once it waits for the lock.
        while cut(&schema, "%FOR UPDATE%").await == 0 {
            tokio::task::yield_now().await;
        }
    };
    let (end, ()) = tokio::join!(store.commit(Arc::new(vec![message("a", 1)])), cut_off);
    let error = end.unwrap_err();
    assert!(error.is_retryable() && error.is_unapplied(), "it had not come to its end: {error}");
    lock.rollback().await.unwrap();
    assert_eq!(store.instance("a").await.unwrap().unwrap().inbox_seq, 0);
    assert!(matches!(commit(&store, vec![message("a", 1)]).await[0], Written::Queued { seq: 1, .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_nobody_waits_for_any_more_holds_no_locks() {
    let schema = Schema::new();
    let (store, other) = (marked_store(&schema).await, schema.store().await);
    start(&store, "a").await;
    for n in 0..20 {
        let batch = Arc::new(vec![message("a", n)]);
        let commit = store.commit(batch);
        tokio::pin!(commit);
        // Given up at some point within.
        for _ in 0..n {
            if futures_util::poll!(&mut commit).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    assert!(matches!(commit(&other, vec![message("a", 99)]).await[0], Written::Queued { .. }));
    assert!(matches!(commit(&store, vec![message("a", 99)]).await[0], Written::Queued { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_many_makes_an_id_and_the_others_find_it() {
    let schema = Schema::new();
    let stores = join_all((0..4).map(|_| schema.store())).await;
    let batches = stores.iter().enumerate().map(|(at, store)| {
        let mut ids: Vec<_> = (0..50).collect();
        if at % 2 == 1 {
            ids.reverse();
        }
        let write = |id: usize| Write::Create(create(&format!("i-{id}"), &format!("of {at}")));
        let batches: Vec<_> = ids.chunks(10).map(|ids| ids.iter().map(|id| write(*id)).collect::<Vec<_>>()).collect();
        async move {
            let mut created = 0;
            for batch in batches {
                let made = commit(store, batch).await;
                created += made.iter().filter(|written| matches!(written, Written::Created(_))).count();
            }
            created
        }
    });
    let created: usize = join_all(batches).await.into_iter().sum();
    assert_eq!(created, 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_that_write_to_the_same_instances_wait_for_each_other_in_one_order() {
    let schema = Schema::new();
    let stores = join_all((0..4).map(|_| schema.store())).await;
    let ids: Vec<_> = (0..20).map(|id| format!("i-{id}")).collect();
    commit(&stores[0], ids.iter().map(|id| Write::Create(create(id, "e"))).collect()).await;
    let writers = stores.iter().enumerate().map(|(at, store)| {
        let mut ids = ids.clone();
        ids.rotate_left(at * 5);
        if at % 2 == 1 {
            ids.reverse();
        }
        async move {
            let mut seqs = Vec::new();
            for n in 0..10 {
                let written = commit(store, ids.iter().map(|id| message(id, n)).collect()).await;
                seqs.extend(written.into_iter().map(|written| match written {
                    Written::Queued { key, seq, .. } => (key, seq),
                    other => panic!("{other:?}"),
                }));
            }
            seqs
        }
    });
    let places: Vec<_> = join_all(writers).await.into_iter().flatten().collect();
    let unique: HashSet<_> = places.iter().collect();
    assert_eq!((places.len(), unique.len()), (800, 800), "each message has a place of its own");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_call_is_taken_once() {
    let schema = Schema::new();
    let stores = join_all((0..4).map(|_| schema.store())).await;
    let key = start(&stores[0], "a").await;
    let new_activities = (0..400).map(|n| NewActivity {
        call: CallId::new(0, TaskId(n)),
        name: "Pack".to_owned(),
        input: Payload::null(),
        options: None,
        runner: None,
        claim: 0,
    });
    let turn = TurnCommit { new_activities: new_activities.collect(), ..turn(key, "e", 1, 1) };
    assert_eq!(commit(&stores[0], vec![Write::Turn(Box::new(turn))]).await, [Written::Done]);
    let takers = stores.iter().map(|store| async move {
        let worker = attach(store).await;
        let mut calls = Vec::new();
        for first in 1..=20 {
            let write = Write::ClaimActivities { worker, first_claim: first * 1_000, limit: 10, runs: None };
            match commit(store, vec![write]).await.remove(0) {
                Written::Activities(rows) => calls.extend(rows.into_iter().map(|row| row.call)),
                other => panic!("{other:?}"),
            }
        }
        calls
    });
    let calls: Vec<_> = join_all(takers).await.into_iter().flatten().collect();
    assert_eq!(calls.len(), 400, "all are taken");
    assert_eq!(calls.iter().collect::<HashSet<_>>().len(), 400, "none is taken twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_instance_is_taken_once() {
    let schema = Schema::new();
    let stores = join_all((0..4).map(|_| schema.store())).await;
    commit(&stores[0], (0..200).map(|n| Write::Create(create(&format!("i-{n}"), "e"))).collect()).await;
    let takers = stores.iter().map(|store| async move {
        let worker = attach(store).await;
        let mut keys = Vec::new();
        for _ in 0..20 {
            let after = InstanceKey(-1);
            let write = Write::ClaimReady { worker, after, limit: 10, runs: None, again: false };
            match commit(store, vec![write]).await.remove(0) {
                Written::Taken(taken) => keys.extend(taken.into_iter().map(|claimed| claimed.instance.key)),
                other => panic!("{other:?}"),
            }
        }
        keys
    });
    let keys: Vec<_> = join_all(takers).await.into_iter().flatten().collect();
    assert_eq!(keys.len(), 200, "all are taken");
    assert_eq!(keys.iter().collect::<HashSet<_>>().len(), 200, "none is taken twice");
}

/// Ends instances that are there, one tick after the other.
async fn end(store: &Postgres, keys: &[InstanceKey]) {
    let turn = |(n, key): (usize, &InstanceKey)| TurnCommit {
        status: RuntimeStatus::Completed,
        turn_time: Timestamp::from_ticks(n as i64),
        ..turn(*key, "e", 1, 1)
    };
    let turns = keys.iter().enumerate().map(turn).map(|turn| Write::Turn(Box::new(turn)));
    assert!(commit(store, turns.collect()).await.iter().all(|written| *written == Written::Done));
}

async fn expire(store: &Postgres, limit: usize) -> (Vec<InstanceKey>, Option<Timestamp>) {
    let write = Write::Expire { status: RuntimeStatus::Completed, through: Timestamp::from_ticks(1_000), limit };
    match commit(store, vec![write]).await.remove(0) {
        Written::Expired { gone, oldest } => (gone.into_iter().map(|gone| gone.key).collect(), oldest),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_that_remove_old_instances_share_the_work() {
    let schema = Schema::new();
    let stores = join_all((0..4).map(|_| schema.store())).await;
    let ids: Vec<_> = (0..200).map(|n| format!("i-{n}")).collect();
    let created = commit(&stores[0], ids.iter().map(|id| Write::Create(create(id, "e"))).collect()).await;
    let keys = created.into_iter().map(|written| match written {
        Written::Created(started) => started.key,
        other => panic!("{other:?}"),
    });
    end(&stores[0], &keys.collect::<Vec<_>>()).await;
    let removers = stores.iter().map(|store| async move {
        let mut all = Vec::new();
        loop {
            let (gone, oldest) = expire(store, 10).await;
            all.extend(gone);
            if oldest.is_none() {
                return all;
            }
        }
    });
    let gone: Vec<_> = join_all(removers).await.into_iter().flatten().collect();
    assert_eq!(gone.len(), 200, "all are removed");
    assert_eq!(gone.iter().collect::<HashSet<_>>().len(), 200, "none is told twice");
}

#[tokio::test]
async fn an_old_instance_that_somebody_holds_is_left_for_later() {
    let schema = Schema::new();
    let store = schema.store().await;
    let keys = [start(&store, "a").await, start(&store, "b").await];
    end(&store, &keys).await;
    let mut client = schema.client().await;
    let holder = client.transaction().await.unwrap();
    holder.query("SELECT FROM instances WHERE id = 'a' FOR UPDATE", &[]).await.unwrap();
    assert_eq!(expire(&store, 10).await, (vec![keys[1]], Some(Timestamp::from_ticks(0))), "it counts as left");
    holder.rollback().await.unwrap();
    assert_eq!(expire(&store, 10).await, (vec![keys[0]], None));
}

#[tokio::test]
async fn the_oldest_come_from_an_index_in_order() {
    let schema = Schema::new();
    schema.store().await;
    let client = schema.client().await;
    client.batch_execute("SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off").await.unwrap();
    let plan = "EXPLAIN SELECT key, history_len FROM instances
        WHERE status = 'Completed' AND ended IS NOT NULL AND ended <= 9 ORDER BY ended, key LIMIT 9 FOR UPDATE SKIP LOCKED";
    let plan: Vec<String> = client.query(plan, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    let plan = plan.join("\n");
    assert!(plan.contains("Index Scan using instances_ended") && !plan.contains("Sort"), "{plan}");
}

/// Many starts of workers, of which these are the first: one that ended in order, one that crashed, and one that nobody has
/// swept up after.
async fn three_and_many_more(store: &Postgres, schema: &Schema, ended: &str) -> [WorkerId; 3] {
    let workers = [attach(store).await, attach(store).await, attach(store).await];
    let ended = format!("CAST(extract(epoch FROM now() - interval '{ended}') * 10000000 AS bigint)");
    let sql = format!(
        "UPDATE workers SET lease_until = {ended}, settled = worker <> {last}, swept = 1;
         UPDATE workers SET drained = {ended} WHERE worker = {first};
         SELECT setval(pg_get_serial_sequence('workers', 'worker'), {last} + 2000)",
        first = workers[0].0,
        last = workers[2].0
    );
    schema.client().await.batch_execute(&sql).await.unwrap();
    workers
}

#[tokio::test]
async fn workers_that_are_long_gone_are_forgotten() {
    let schema = Schema::new();
    let store = schema.store().await;
    let old = three_and_many_more(&store, &schema, "25 hours").await;
    let owned = CreateInstance { owner: Some(old[1]), ..create("a", "e") };
    commit(&store, vec![Write::Create(owned)]).await;
    let new = attach(&store).await;
    let left = schema.client().await.query("SELECT worker FROM workers ORDER BY worker", &[]).await.unwrap();
    let left: Vec<_> = left.iter().map(|row| WorkerId(row.get(0))).collect();
    assert_eq!(left, [old[2], new], "only those stay that somebody has still to sweep up after");
    // Whoever comes back from so long ago does no harm: what it calls waits for others.
    let key = store.instance("a").await.unwrap().unwrap().key;
    let call = |n| NewActivity {
        call: CallId::new(0, TaskId(n)),
        name: "Pack".to_owned(),
        input: Payload::null(),
        options: None,
        runner: Some(old[1]),
        claim: 7,
    };
    let turn = TurnCommit { new_activities: vec![call(1), call(2)], ..turn(key, "e", 1, 1) };
    assert_eq!(commit(&store, vec![Write::Turn(Box::new(turn))]).await, [Written::Done]);
    let claim = |worker| Write::ClaimActivities { worker, first_claim: 100, limit: 10, runs: None };
    assert_eq!(commit(&store, vec![claim(old[1])]).await, [Written::Activities(Vec::new())]);
    let taken = commit(&store, vec![claim(new)]).await.remove(0);
    assert!(matches!(&taken, Written::Activities(rows) if rows.len() == 2), "{taken:?}");
    // And what it owned goes on elsewhere, with the care that a crash asks for.
    let again = commit(&store, vec![Write::Claim { key, worker: new, runs: None }]).await.remove(0);
    assert!(matches!(&again, Written::Claimed(claimed) if claimed.owner_lost), "{again:?}");
}

#[tokio::test]
async fn workers_of_today_are_remembered_however_many_came_since() {
    let schema = Schema::new();
    let store = schema.store().await;
    three_and_many_more(&store, &schema, "23 hours").await;
    attach(&store).await;
    let count: i64 = schema.client().await.query_one("SELECT count(*) FROM workers", &[]).await.unwrap().get(0);
    assert_eq!(count, 4);
}

#[tokio::test]
async fn large_batches_with_turns_children_and_messages_are_one_commit() {
    let schema = Schema::new();
    let store = schema.store().await;
    let count = 300;
    let started = commit(&store, (0..count).map(|n| Write::Create(create(&format!("i-{n}"), "e"))).collect()).await;
    let keys = started.iter().map(|written| match written {
        Written::Created(started) => started.key,
        other => panic!("{other:?}"),
    });
    let keys: Vec<_> = keys.collect();
    let turns = keys.iter().enumerate().map(|(n, key)| {
        let to = Recipient::Id(format!("i-{}", (n + 1) % count));
        let event = NewEvent { time: Timestamp::UNIX_EPOCH, event: event(n) };
        Write::Turn(Box::new(TurnCommit { messages: vec![OutgoingMessage { to, event }], ..turn(*key, "e", 1, 1) }))
    });
    let written = commit(&store, turns.collect()).await;
    assert!(written.iter().all(|written| matches!(written, Written::Committed(done) if done.arrived.len() == 1)));
    for id in ["i-0", "i-150", "i-299"] {
        let row = store.instance(id).await.unwrap().unwrap();
        assert_eq!((row.turn, row.inbox_seq, row.history_len), (1, 1, 1), "{id}");
    }
}

#[tokio::test]
async fn texts_with_a_nul_do_not_stop_an_instance() {
    let schema = Schema::new();
    let store = schema.store().await;
    let key = start(&store, "a").await;
    let mut turn = turn(key, "e", 1, 1);
    turn.reason = Some("no\0".to_owned());
    turn.history[0].event.detail = Some("\0".into());
    assert_eq!(commit(&store, vec![Write::Turn(Box::new(turn))]).await, [Written::Done]);
    assert_eq!(store.instance("a").await.unwrap().unwrap().reason.as_deref(), Some("no\u{fffd}"));
    assert_eq!(store.history(key).await.unwrap()[0].event.detail.as_deref(), Some("\u{fffd}"));
}

/// The next hint that is not about something else.
async fn heard(notices: &mut Notices) -> Notice {
    notices.next().await.expect("the store listens")
}

#[tokio::test(flavor = "multi_thread")]
async fn hints_reach_those_they_are_for() {
    let schema = Schema::new();
    let (store, other) = (schema.store().await, schema.store().await);
    let (a, b) = (attach(&store).await, attach(&other).await);
    let mut at_a = store.listen(a).await.unwrap();
    let mut at_b = other.listen(b).await.unwrap();
    let mut elsewhere = Schema::new().store().await.listen(b).await.unwrap();
    let keys = vec![InstanceKey(3), InstanceKey(1 << 40)];
    let work = Notice::Work { instances: false, calls: true };
    let ended = Notice::Changed(vec!["\u{20ac} \"x\"".to_owned()]);
    let of_b = [Notice::Messages(b, keys.clone()), Notice::Gone(b, keys)];
    store.notify([&of_b[..], &[work.clone(), ended.clone()]].concat()).await;
    for notice in of_b.iter().chain([&work, &ended]) {
        assert_eq!(heard(&mut at_b).await, *notice);
    }
    for notice in [&work, &ended] {
        assert_eq!(heard(&mut at_a).await, *notice);
    }
    assert_eq!(elsewhere.try_next(), None, "another hub has other hints");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_that_was_cut_off_is_told_that_it_missed_something() {
    let schema = Schema::new();
    let (store, other) = (marked_store(&schema).await, schema.store().await);
    let worker = attach(&store).await;
    let mut notices = store.listen(worker).await.unwrap();
    assert_eq!(cut(&schema, "LISTEN%").await, 1);
    assert_eq!(heard(&mut notices).await, Notice::Missed);
    let work = Notice::Work { instances: true, calls: false };
    other.notify(vec![work.clone()]).await;
    assert_eq!(heard(&mut notices).await, work);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_listens_no_more_keeps_no_connection() {
    let schema = Schema::new();
    let store = marked_store(&schema).await;
    let notices = store.listen(attach(&store).await).await.unwrap();
    drop(notices);
    let client = connect().await;
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1 AND query LIKE 'LISTEN%'";
    while client.query_one(sql, &[&schema.name]).await.unwrap().get::<_, i64>(0) > 0 {
        tokio::task::yield_now().await;
    }
}

/// Whether the server works for somebody, and whether somebody stands still who has locks.
async fn state(schema: &Schema) -> (bool, bool) {
    let sql = "SELECT count(*) FILTER (WHERE state = 'active') > 0,
            count(*) FILTER (WHERE state = 'idle in transaction' AND query LIKE '%FOR UPDATE') > 0
        FROM pg_stat_activity WHERE application_name = $1";
    let row = connect().await.query_one(sql, &[&schema.name]).await.unwrap();
    (row.get(0), row.get(1))
}

/// A worker stands still in the middle of a commit, and its lease ends. The server ends its transaction, as it does with one in
/// which nothing happens for long, and another worker takes the instance. The first one gets an error, once, and learns with
/// the next try that the instance is not its own any more.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_stood_still_within_a_commit_gets_one_error_and_is_refused() {
    let schema = Schema::new();
    let (stale, other) = (marked_store(&schema).await, schema.store().await);
    let owner = attach(&stale).await;
    let owned = CreateInstance { owner: Some(owner), ..create("a", "e") };
    let key = match commit(&stale, vec![Write::Create(owned)]).await.remove(0) {
        Written::Created(started) => started.key,
        other => panic!("{other:?}"),
    };
    let late = Arc::new(vec![Write::Turn(Box::new(turn(key, "e", 1, 1)))]);
    let mut standing = stale.commit(Arc::clone(&late));
    loop {
        match state(&schema).await {
            (true, _) => {}
            (false, true) => break,
            (false, false) => assert!(futures_util::poll!(&mut standing).is_pending(), "it went through"),
        }
    }
    stale.shared().unwrap().heartbeat(dead(owner)).await.unwrap();
    assert_eq!(cut(&schema, "%FOR UPDATE%").await, 1);
    let new = attach(&other).await;
    let claimed = commit(&other, vec![Write::Claim { key, worker: new, runs: None }]).await.remove(0);
    assert!(matches!(claimed, Written::Claimed(_)), "{claimed:?}");
    let error = standing.await.unwrap_err();
    assert!(error.is_retryable(), "{error}");
    assert_eq!(stale.commit(Arc::clone(&late)).await.unwrap(), [Written::Refused]);
    assert_eq!(commit(&other, vec![Write::Turn(Box::new(turn(key, "e", 2, 1)))]).await, [Written::Done]);
    assert_eq!(other.history(key).await.unwrap().len(), 1);
    let claimed = commit(&stale, vec![Write::Claim { key, worker: owner, runs: None }]).await.remove(0);
    assert_eq!(claimed, Written::Owned { worker: new });
}

/// A heartbeat that ends the lease of a worker.
fn dead(worker: WorkerId) -> Heartbeat {
    Heartbeat {
        worker,
        lease: Duration::ZERO,
        after: InstanceKey(0),
        limit: 0,
        watching: Vec::new(),
        orchestrators: None,
        activities: None,
    }
}
