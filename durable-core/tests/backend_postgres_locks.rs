//! What a hub on PostgreSQL does while somebody else has rows locked, or the server refuses for a while.
#![cfg(feature = "postgres")]
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

#[path = "support/postgres.rs"]
mod postgres;

use std::time::Duration;

use durable_core::client::{ClientError, InstanceHandle};
use durable_core::prelude::*;
use futures_util::future::{join_all, try_join_all};
use tokio::time::timeout;
use tokio_postgres::Client;

use self::postgres::Schema;

/// Nothing here takes so long unless it waits for something that does not come.
const LONG: Duration = Duration::from_secs(60);

#[orchestrator]
async fn waits(ctx: OrchestrationContext) -> Result<String, OrchestratorError> {
    ctx.wait_for_external_event("go").await
}

#[orchestrator]
async fn steps(ctx: OrchestrationContext, n: u64) -> Result<u64, OrchestratorError> {
    let mut sum = 0;
    for _ in 0..n {
        sum = ctx.call_activity(add_one, sum).await?;
    }
    Ok(sum)
}

/// What it is told, in the order in which it comes.
#[orchestrator]
async fn listens(ctx: OrchestrationContext, count: usize) -> Result<Vec<usize>, OrchestratorError> {
    let mut heard = Vec::new();
    while heard.len() < count {
        heard.push(ctx.wait_for_external_event("go").await?);
    }
    Ok(heard)
}

#[activity]
async fn add_one(_ctx: ActivityContext, n: u64) -> Result<u64, ActivityError> {
    Ok(n + 1)
}

async fn worker(schema: &Schema) -> TaskHub {
    let hub = TaskHub::builder().backend(schema.store().await);
    hub.orchestrator(waits).orchestrator(steps).orchestrator(listens).activity(add_one).start().await.unwrap()
}

/// Starts instances that wait for an event, and waits until they do.
async fn start_waiting(hub: &TaskHub, prefix: &str, count: usize) -> Vec<InstanceHandle<String>> {
    let starts = (0..count).map(|n| async move {
        let instance = hub.client().start(waits, ()).id(format!("{prefix}-{n}")).await?;
        instance.wait_for_start().await?;
        Ok::<_, ClientError>(instance)
    });
    try_join_all(starts).await.unwrap()
}

/// Runs instances to their ends, one after the other, so that each commit of theirs stands for itself.
async fn run_others(hub: &TaskHub, count: usize) {
    for _ in 0..count {
        assert_eq!(hub.client().start(steps, 3).await.unwrap().output().await.unwrap(), 3);
    }
}

/// Somebody has left a transaction open that has some rows. What is about these rows waits, and nothing else does.
#[tokio::test(flavor = "multi_thread")]
async fn locked_rows_stop_only_what_is_about_them() {
    let schema = Schema::new();
    let hub = worker(&schema).await;
    let held = start_waiting(&hub, "held", 20).await;
    let mut client = schema.client().await;
    let lock = client.transaction().await.unwrap();
    lock.batch_execute("UPDATE instances SET version = '1' WHERE id LIKE 'held-%'").await.unwrap();
    let raise = join_all(held.iter().map(|instance| instance.raise_event("go", &"now")));
    let others = async {
        let others = join_all((0..16).map(|_| run_others(&hub, 10)));
        timeout(LONG / 2, others).await.expect("nobody has locked these");
        lock.rollback().await.unwrap();
    };
    let (raised, ()) = tokio::join!(raise, others);
    // Whoever was told of an error may try again.
    for (instance, raised) in held.iter().zip(raised) {
        if raised.is_err() {
            instance.raise_event("go", &"now").await.unwrap();
        }
        assert_eq!(timeout(LONG, instance.output()).await.unwrap().unwrap(), "now");
    }
    hub.shutdown().await.unwrap();
}

/// Events that are raised one after the other arrive so, whether a lock is in the way of some of them or not.
#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_lock_keeps_its_order() {
    let schema = Schema::new();
    let hub = worker(&schema).await;
    let listener = hub.client().start(listens, 60).id("held").await.unwrap();
    listener.wait_for_start().await.unwrap();
    let mut client = schema.client().await;
    let lock = client.transaction().await.unwrap();
    lock.batch_execute("SELECT FROM instances WHERE id = 'held' FOR UPDATE").await.unwrap();
    let raise = |from: usize| {
        let listener = &listener;
        try_join_all((from..from + 20).map(move |n| async move { listener.raise_event("go", &n).await }))
    };
    let others = async {
        run_others(&hub, 3).await;
        let (more, ()) = tokio::join!(raise(20), async {
            run_others(&hub, 3).await;
            lock.rollback().await.unwrap();
        });
        more.unwrap();
        raise(40).await.unwrap();
    };
    let (first, ()) = tokio::join!(raise(0), others);
    first.unwrap();
    assert_eq!(timeout(LONG, listener.output()).await.unwrap().unwrap(), (0..60).collect::<Vec<_>>());
    hub.shutdown().await.unwrap();
}

/// Has the server refuse messages: the first few, or those to one instance for as long as the trigger is there.
async fn refuse_messages(client: &Client, code: &str, when: &str) {
    let sql = format!(
        "CREATE SEQUENCE IF NOT EXISTS refused; SELECT setval('refused', 1);
         CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             IF {when} THEN RAISE EXCEPTION 'not now' USING ERRCODE = '{code}'; END IF;
             RETURN NEW;
         END $$;
         DROP TRIGGER IF EXISTS refuse ON inbox; CREATE TRIGGER refuse BEFORE INSERT ON inbox FOR EACH ROW EXECUTE FUNCTION refuse()"
    );
    client.batch_execute(&sql).await.unwrap();
}

/// The server ends a transaction and says so. Nothing happened, so that whoever raises an event need not hear of it.
#[tokio::test(flavor = "multi_thread")]
async fn events_get_through_when_the_server_refuses_for_a_moment() {
    let schema = Schema::new();
    let hub = worker(&schema).await;
    let client = schema.client().await;
    // A conflict, a deadlock, a full disk, no memory, a lock, and a statement that took too long.
    for code in ["40001", "40P01", "53100", "53200", "55P03", "57014"] {
        let instance = hub.client().start(waits, ()).await.unwrap();
        instance.wait_for_start().await.unwrap();
        refuse_messages(&client, code, "nextval('refused') <= 4").await;
        instance.raise_event("go", &code).await.unwrap_or_else(|error| panic!("{code}: {error}"));
        assert_eq!(timeout(LONG, instance.output()).await.unwrap().unwrap(), code);
        let tries: i64 = client.query_one("SELECT last_value FROM refused", &[]).await.unwrap().get(0);
        assert_eq!(tries, 5, "{code}: three were refused, and one got through");
    }
    hub.shutdown().await.unwrap();
}

/// Under load, every fifth transaction ends in one of the ways in which servers end them. Nobody sees anything of it.
#[tokio::test(flavor = "multi_thread")]
async fn turns_get_through_when_the_server_refuses_again_and_again() {
    let schema = Schema::new();
    let hub = worker(&schema).await;
    let client = schema.client().await;
    let refuse = "CREATE SEQUENCE refused;
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE
            codes text[] := '{40001,40P01,53100,55P03,57014}';
            n bigint := nextval('refused');
        BEGIN
            IF n % 5 = 0 THEN RAISE EXCEPTION 'not now' USING ERRCODE = codes[1 + n / 5 % 5]; END IF;
            RETURN NULL;
        END $$;
        CREATE TRIGGER refuse AFTER INSERT ON history FOR EACH STATEMENT EXECUTE FUNCTION refuse()";
    client.batch_execute(refuse).await.unwrap();
    timeout(LONG, join_all((0..16).map(|_| run_others(&hub, 10)))).await.unwrap();
    let tries: i64 = client.query_one("SELECT last_value FROM refused", &[]).await.unwrap().get(0);
    assert!(tries > 25, "each code had its turn: {tries}");
    // One row for each thing that happened, and not two.
    let sql = "SELECT count(*), count(DISTINCT (key, kind, task_id)) FROM history WHERE kind = 'TaskCompleted'";
    let row = client.query_one(sql, &[]).await.unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (480, 480));
    hub.shutdown().await.unwrap();
}

/// What is in the way of one write cannot be seen from outside, and stays for long.
#[tokio::test(flavor = "multi_thread")]
async fn an_obstacle_that_cannot_be_seen_stops_nothing_else() {
    let schema = Schema::new();
    let hub = worker(&schema).await;
    let client = schema.client().await;
    for code in ["40P01", "55P03"] {
        let held = start_waiting(&hub, code, 3).await;
        refuse_messages(&client, code, &format!("NEW.key = (SELECT key FROM instances WHERE id = '{code}-0')")).await;
        // What is raised together shares a transaction.
        let raise = try_join_all(held.iter().map(|instance| instance.raise_event("go", &"now")));
        let others = async {
            timeout(LONG / 2, run_others(&hub, 20)).await.expect("nothing is in the way of these");
            client.batch_execute("DROP TRIGGER refuse ON inbox").await.unwrap();
        };
        let (raised, ()) = tokio::join!(raise, others);
        raised.unwrap_or_else(|error| panic!("{code}: {error}"));
        for instance in &held {
            assert_eq!(timeout(LONG, instance.output()).await.unwrap().unwrap(), "now");
        }
    }
    hub.shutdown().await.unwrap();
}

/// Whoever stops does not wait for a lock that nobody gives back, and what is not about it is written.
#[tokio::test(flavor = "multi_thread")]
async fn a_locked_row_keeps_no_worker_from_ending() {
    let schema = Schema::new();
    let hub = worker(&schema).await;
    let instances = start_waiting(&hub, "held", 20).await;
    let mut client = schema.client().await;
    let lock = client.transaction().await.unwrap();
    lock.batch_execute("SELECT FROM instances WHERE id = 'held-0' FOR UPDATE").await.unwrap();
    let raise = join_all(instances.iter().map(|instance| instance.raise_event("go", &"now")));
    let end = async { timeout(LONG, hub.shutdown()).await.expect("it gives up").unwrap() };
    let (raised, ()) = tokio::join!(raise, end);
    assert!(raised[0].is_err() && raised[1..].iter().all(Result::is_ok), "{raised:?}");
    lock.rollback().await.unwrap();
    let hub = worker(&schema).await;
    for (n, instance) in instances.iter().enumerate() {
        let instance = hub.client().instance::<String, _>(instance.id().clone()).unwrap();
        if n == 0 {
            instance.raise_event("go", &"now").await.unwrap();
        }
        assert_eq!(timeout(LONG, instance.output()).await.unwrap().unwrap(), "now");
    }
    hub.shutdown().await.unwrap();
}

/// Somebody has locked a whole table. Who waits for an answer gets one, however many do, and what was to happen anyway happens.
#[tokio::test(flavor = "multi_thread")]
async fn a_locked_table_is_told_to_those_who_wait() {
    let schema = Schema::new();
    let hub = worker(&schema).await;
    let running = start_waiting(&hub, "running", 3).await;
    let mut client = schema.client().await;
    let lock = client.transaction().await.unwrap();
    lock.batch_execute("LOCK TABLE tags, headers IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let starts = join_all((0..50).map(async |_| hub.client().start(waits, ()).tag("team", "blue").await.map(|_| ())));
    let starts = timeout(LONG / 2, starts).await.expect("all get an answer");
    assert!(starts.iter().all(Result::is_err), "{starts:?}");
    lock.rollback().await.unwrap();
    for instance in running {
        instance.raise_event("go", &"now").await.unwrap();
        assert_eq!(timeout(LONG, instance.output()).await.unwrap().unwrap(), "now");
    }
    run_others(&hub, 1).await;
    hub.shutdown().await.unwrap();
}
