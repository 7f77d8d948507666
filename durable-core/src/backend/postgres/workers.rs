//! Who lives, and what there is to do for whom.

use std::time::Duration;

use tokio_postgres::types::ToSql;

use super::connection::Connection;
use super::error::Result;
use super::query::{self, get, int, limit};
use super::runs::{Runs, can_run, numbers, order};
use super::time::now;
use crate::backend::{
    Attached, Heartbeat, InstanceKey, Pulse, RunnableActivities, RunnableOrchestrators, TimerRow, Unread, WorkerId,
};
use crate::model::Timestamp;

/// The workers that live. Written as an array where rows are locked, because a row that was waited for is then compared
/// once more with its new owner, which a join would not do. Whoever is settled has been dead for long; not to ask for its
/// lease alone lets an index find the others that no heartbeat has to write.
macro_rules! living {
    () => {
        concat!("SELECT worker FROM workers WHERE NOT settled AND drained IS NULL AND lease_until > ", now!())
    };
}
pub(super) use living;

/// Instances above a key that a turn can begin, that have messages or a timer that is due, as the query `ready`, whoever
/// owns them. It goes through the inbox from one key to the next, however many messages there are.
macro_rules! ready_query {
    ($after:literal) => {
        concat!(
            "told (key) AS (
                (SELECT key FROM inbox WHERE key > ",
            $after,
            " ORDER BY key LIMIT 1)
                UNION ALL SELECT (SELECT m.key FROM inbox m WHERE m.key > told.key ORDER BY m.key LIMIT 1)
                FROM told WHERE told.key IS NOT NULL),
            due (key) AS MATERIALIZED (SELECT DISTINCT key FROM timers WHERE fire_at <= ",
            now!(),
            " AND key > ",
            $after,
            "), messages_or_none (key) AS MATERIALIZED (
                SELECT key FROM instances
                WHERE (status = 'ContinuedAsNew' OR (status = 'Pending' AND start_at IS NULL)) AND key > ",
            $after,
            " AND (turn = 0 OR status = 'ContinuedAsNew')
                UNION SELECT key FROM told WHERE key IS NOT NULL),
            ready (key) AS (SELECT key FROM messages_or_none UNION SELECT key FROM due)"
        )
    };
}
pub(super) use ready_query;

const READY: &str = concat!(
    "WITH RECURSIVE ",
    ready_query!("$2"),
    " SELECT i.key FROM instances i
    WHERE i.key = ANY(ARRAY(SELECT key FROM ready)) AND i.status NOT IN ",
    finished!(),
    " AND i.owner IS DISTINCT FROM $1 AND (i.owner IS NULL OR i.owner <> ALL(ARRAY(",
    living!(),
    "))) AND ",
    can_run!("$4", "$5", "$6", "$7", "$8"),
    " ORDER BY i.key LIMIT $3"
);

const TIMERS: &str = concat!(
    "SELECT t.fire_at, t.key, t.call FROM timers t JOIN instances i ON i.key = t.key
    WHERE (t.fire_at, t.key, t.call) > ($2, $3, $4)
      AND (i.owner IS NULL OR i.owner = $1 OR i.owner <> ALL(ARRAY(",
    living!(),
    "))) ORDER BY t.fire_at, t.key, t.call LIMIT $5"
);

/// Workers whose calls must be put among those that wait. This happens when they are found dead, and once more when no
/// transaction of theirs can be under way any more.
macro_rules! dead {
    () => {
        concat!(
            "NOT w.settled AND (w.drained IS NOT NULL OR w.lease_until <= ",
            now!(),
            ") AND (w.swept IS NULL OR coalesce(w.drained, w.lease_until) + 600000000 <= ",
            now!(),
            ")"
        )
    };
}

/// One heartbeat: the lease, whether the worker was taken for dead, whether others are, and all that it asks.
const HEARTBEAT: &str = concat!(
    "WITH RECURSIVE me AS (
        UPDATE workers SET lease_until = ",
    now!(),
    " + $2::bigint WHERE worker = $1 AND drained IS NULL RETURNING swept), ",
    ready_query!("-1"),
    ", unowned AS (
        SELECT i.key FROM instances i
        WHERE i.key = ANY(ARRAY(SELECT key FROM ready)) AND i.status NOT IN ",
    finished!(),
    " AND i.owner IS DISTINCT FROM $1 AND (i.owner IS NULL OR i.owner <> ALL(ARRAY(",
    living!(),
    "))) AND ",
    can_run!("$6", "$7", "$8", "$9", "$10"),
    " LIMIT 1), own AS (
        SELECT i.key, i.inbox_seq FROM instances i
        WHERE i.key = ANY(ARRAY(SELECT key FROM ready WHERE key > $3)) AND i.status NOT IN ",
    finished!(),
    " AND i.owner = $1 ORDER BY i.key LIMIT $4)
    SELECT ",
    now!(),
    ", me.swept IS NOT NULL, EXISTS (SELECT FROM unowned),
        EXISTS (SELECT FROM activities WHERE place = 1 AND ($11::text[] IS NULL OR lower(name) = ANY($11))),
        ARRAY(SELECT key FROM own ORDER BY key), ARRAY(SELECT inbox_seq FROM own ORDER BY key),
        ARRAY(SELECT u.id FROM unnest($5::text[]) AS u (id) LEFT JOIN instances i ON i.id = u.id
              WHERE i.key IS NULL OR i.status IN ",
    finished!(),
    "), EXISTS (SELECT FROM workers w WHERE w.worker <> $1 AND ",
    dead!(),
    ") FROM me"
);

/// Every claim of calls does this, so it must cost nothing while nobody is dead: the calls are read once for each of the dead,
/// which `OFFSET 0` keeps the planner from turning around.
pub(super) const SWEEP: &str = concat!(
    "WITH dead AS (
        UPDATE workers SET swept = ",
    now!(),
    ", settled = swept IS NOT NULL WHERE worker = ANY(ARRAY(
            SELECT w.worker FROM workers w WHERE ",
    dead!(),
    " FOR UPDATE SKIP LOCKED)) RETURNING worker)
    UPDATE activities a SET place = 1 FROM (
        SELECT x.key, x.call, dead.worker FROM dead CROSS JOIN LATERAL (
            SELECT key, call FROM activities WHERE runner = dead.worker AND place <> 1 OFFSET 0) x) lost
    WHERE a.key = lost.key AND a.call = lost.call AND a.runner = lost.worker AND a.place <> 1"
);

/// Whoever comes back from the dead runs what nobody has taken.
const REVIVE: &str = "WITH me AS (UPDATE workers SET swept = NULL, settled = false WHERE worker = $1 RETURNING worker)
    UPDATE activities a SET place = 2 FROM me WHERE a.runner = me.worker AND a.place = 1";

/// How many starts of workers are remembered, and for how long at least. One before them counts as lost even if it was drained,
/// so that what it owned and nobody has touched since is tried with care, once. Its calls wait for a runner, because it is
/// settled; should it still come back, its next heartbeat tells it that it is gone, and what it writes until then does not
/// depend on its row.
const FORGET: &str = concat!(
    "DELETE FROM workers WHERE worker <= $1::bigint - 1000 AND settled AND coalesce(drained, lease_until) + 864000000000 <= ",
    now!()
);

pub(super) async fn attach(connection: &Connection, name: &str, lease: Duration) -> Result<Attached> {
    let sql = concat!(
        "INSERT INTO workers (name, started, lease_until) SELECT $1, now, now + $2::bigint FROM (SELECT ",
        now!(),
        " AS now) AS clock RETURNING worker, started"
    );
    let row = connection.one(sql, &[&name, &ticks(lease)]).await?;
    let worker: i64 = get(&row, 0)?;
    connection.query(FORGET, &[&worker]).await?;
    Ok(Attached { worker: WorkerId(worker), now: Some(Timestamp::from_ticks(get(&row, 1)?)) })
}

pub(super) async fn detach(connection: &Connection, worker: WorkerId) -> Result<()> {
    let sql = concat!("UPDATE workers SET drained = ", now!(), " WHERE worker = $1 AND drained IS NULL");
    connection.query(sql, &[&worker.0]).await?;
    Ok(())
}

pub(super) async fn heartbeat(connection: &Connection, heartbeat: &Heartbeat) -> Result<Option<Pulse>> {
    let worker = heartbeat.worker.0;
    let (lease, most) = (ticks(heartbeat.lease), limit(heartbeat.limit));
    let (Runs { all, names, of, versions, or_earlier }, activities) =
        (Runs::new(&heartbeat.orchestrators), lowercase(&heartbeat.activities));
    loop {
        let watching = &heartbeat.watching;
        let params: &[&(dyn ToSql + Sync)] = &[
            &worker,
            &lease,
            &heartbeat.after.0,
            &most,
            watching,
            &all,
            &names,
            &of,
            &versions,
            &or_earlier,
            &activities,
        ];
        let rows = connection.query(HEARTBEAT, params).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let (is_taken_for_dead, are_others_dead) = (get(row, 1)?, get(row, 7)?);
        // Both are rare; what was found is then not the whole truth.
        if is_taken_for_dead {
            connection.query(REVIVE, &[&worker]).await?;
            continue;
        }
        if are_others_dead {
            connection.query(SWEEP, &[]).await?;
        }
        let keys = get::<Vec<i64>>(row, 4)?.into_iter().map(InstanceKey);
        let seqs = get::<Vec<i64>>(row, 5)?.into_iter().map(|seq| u64::try_from(seq).unwrap_or_default());
        let calls: bool = get(row, 3)?;
        return Ok(Some(Pulse {
            now: Timestamp::from_ticks(get(row, 0)?),
            instances: get(row, 2)?,
            calls: calls || are_others_dead && has_calls(connection, &activities).await?,
            own: keys.zip(seqs).collect(),
            ended: get(row, 6)?,
        }));
    }
}

async fn has_calls(connection: &Connection, names: &Option<Vec<String>>) -> Result<bool> {
    let sql =
        "SELECT EXISTS (SELECT FROM activities WHERE place = 1 AND ($1::text[] IS NULL OR lower(name) = ANY($1)))";
    get(&connection.one(sql, &[names]).await?, 0)
}

/// Names of activities as statements compare them.
pub(super) fn lowercase(runs: &RunnableActivities) -> Option<Vec<String>> {
    runs.as_ref().map(|names| names.iter().map(|name| name.to_ascii_lowercase()).collect())
}

pub(super) async fn ready(
    connection: &Connection,
    worker: WorkerId,
    after: InstanceKey,
    most: usize,
    runs: &RunnableOrchestrators,
) -> Result<Vec<InstanceKey>> {
    let Runs { all, names, of, versions, or_earlier } = Runs::new(runs);
    let params: &[&(dyn ToSql + Sync)] =
        &[&worker.0, &after.0, &limit(most), &all, &names, &of, &versions, &or_earlier];
    let rows = connection.query(READY, params).await?;
    rows.iter().map(|row| Ok(InstanceKey(get(row, 0)?))).collect()
}

pub(super) async fn timers(
    connection: &Connection,
    worker: WorkerId,
    after: Option<TimerRow>,
    most: usize,
) -> Result<Vec<TimerRow>> {
    let after = after.map_or((i64::MIN, 0, 0), |after| (after.fire_at.ticks(), after.key.0, after.call.0));
    let rows = connection.query(TIMERS, &[&worker.0, &after.0, &after.1, &after.2, &limit(most)]).await?;
    rows.iter().map(query::timer_row).collect()
}

pub(super) async fn unread(connection: &Connection, after: &[(InstanceKey, u64)]) -> Result<Vec<Unread>> {
    let (keys, seqs): (Vec<_>, Vec<_>) = after.iter().map(|(key, seq)| (key.0, int(*seq))).unzip();
    let sql = "SELECT m.kind, m.task_id, m.name, m.payload, m.detail, m.key, m.seq, m.time
        FROM unnest($1::bigint[], $2::bigint[]) AS u (key, seq) JOIN inbox m ON m.key = u.key AND m.seq > u.seq
        ORDER BY m.key, m.seq";
    let rows = connection.query(sql, &[&keys, &seqs]).await?;
    let read = |row| query::inbox_row(row).map(|(key, row)| Unread { key, row });
    rows.iter().map(read).collect()
}

fn ticks(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos() / 100).unwrap_or(i64::MAX / 2)
}
