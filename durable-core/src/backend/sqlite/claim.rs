//! Taking instances and activities over.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::error::Result;
use super::query::{self, event, int, payload};
use crate::backend::{ActivityRow, Claimed, InboxRow, InstanceKey, WorkerId, Written};
use crate::model::{TaskId, Timestamp};

pub(super) fn attach(conn: &Connection, name: &str) -> Result<WorkerId> {
    conn.prepare_cached("INSERT INTO workers (name, started) VALUES (?1, ?2)")?
        .execute(params![name, Timestamp::system_now().ticks()])?;
    let worker = WorkerId(conn.last_insert_rowid());
    // One process holds this file, so whoever was attached before is gone, and what it ran is lost. Its calls are put
    // among those without a runner once, here, with the count that their next runner shall see.
    conn.prepare_cached(
        "UPDATE activities SET runner = NULL,
                deliveries = deliveries + (runner NOT IN (SELECT worker FROM workers WHERE drained))
         WHERE runner IS NOT NULL",
    )?
    .execute([])?;
    Ok(worker)
}

pub(super) fn detach(conn: &Connection, worker: WorkerId) -> Result<()> {
    conn.prepare_cached("UPDATE workers SET drained = 1 WHERE worker = ?1")?.execute([worker.0])?;
    Ok(())
}

pub(super) fn claim(conn: &Connection, key: InstanceKey, worker: WorkerId) -> Result<Written> {
    let found = conn
        .prepare_cached(query::INSTANCE_BY_KEY)?
        .query_row([key.0], |row| Ok((query::instance_row(row), row.get::<_, Option<i64>>(query::OWNER)?)))
        .optional()?;
    let Some((instance, owner)) = found else { return Ok(Written::NotFound) };
    let mut instance = instance?;
    if instance.status.is_terminal() {
        return Ok(Written::Finished { status: instance.status });
    }
    if owner != Some(worker.0) {
        instance.epoch += 1;
        let crashed: bool = conn
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM workers WHERE worker = ?1 AND NOT drained)")?
            .query_row([owner], |row| row.get(0))?;
        instance.crashes += u32::from(crashed);
        conn.prepare_cached("UPDATE instances SET epoch = ?2, crashes = ?3, owner = ?4 WHERE key = ?1")?
            .execute(params![key.0, int(instance.epoch), instance.crashes, worker.0])?;
    }
    Ok(Written::Claimed(Box::new(Claimed { instance, inbox: inbox(conn, key)? })))
}

fn inbox(conn: &Connection, key: InstanceKey) -> Result<Vec<InboxRow>> {
    let mut select = conn.prepare_cached(
        "SELECT kind, task_id, name, payload, detail, seq, time FROM inbox WHERE key = ?1 ORDER BY seq",
    )?;
    let rows = select.query_map([key.0], |row| {
        Ok(InboxRow { seq: query::count(row, 5)?, time: Timestamp::from_ticks(row.get(6)?), event: event(row)? })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn claim_activities(conn: &Connection, worker: WorkerId, first_claim: i64, limit: usize) -> Result<Written> {
    let first_time = conn
        .prepare_cached("UPDATE workers SET last_claim = ?2 WHERE worker = ?1 AND last_claim IS NOT ?2")?
        .execute(params![worker.0, first_claim])?
        == 1;
    if !first_time {
        let again = claimed_before(conn, worker, first_claim, limit)?;
        if !again.is_empty() {
            return Ok(Written::Activities(again));
        }
    }
    let mut select = conn.prepare_cached(
        "SELECT a.key, i.id, i.execution, a.task_id, a.name, a.input, a.deliveries, 0
         FROM activities a INDEXED BY activities_free CROSS JOIN instances i ON i.key = a.key
         WHERE a.runner IS NULL ORDER BY a.key, a.task_id LIMIT ?1",
    )?;
    let free = select.query_map([int(limit as u64)], activity)?;
    let mut rows = free.collect::<rusqlite::Result<Vec<_>>>()?;
    let mut update =
        conn.prepare_cached("UPDATE activities SET runner = ?3, claim = ?4 WHERE key = ?1 AND task_id = ?2")?;
    for (claim, row) in (first_claim..).zip(&mut rows) {
        row.claim = claim;
        update.execute(params![row.key.0, row.task_id.0, worker.0, claim])?;
    }
    Ok(Written::Activities(rows))
}

/// What this very claim took before its answer was lost. That is rare, so it may look at every call.
fn claimed_before(conn: &Connection, worker: WorkerId, first_claim: i64, limit: usize) -> Result<Vec<ActivityRow>> {
    let mut select = conn.prepare_cached(
        "SELECT a.key, i.id, i.execution, a.task_id, a.name, a.input, a.deliveries, a.claim
         FROM activities a JOIN instances i ON i.key = a.key
         WHERE a.runner = ?1 AND a.claim >= ?2 AND a.claim < ?2 + ?3 ORDER BY a.claim",
    )?;
    let rows = select.query_map(params![worker.0, first_claim, int(limit as u64)], activity)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn activity(row: &Row<'_>) -> rusqlite::Result<ActivityRow> {
    Ok(ActivityRow {
        key: InstanceKey(row.get(0)?),
        instance: row.get(1)?,
        execution: row.get(2)?,
        task_id: TaskId(row.get(3)?),
        name: row.get(4)?,
        input: payload(row, 5)?,
        claim: row.get(7)?,
        deliveries: row.get(6)?,
    })
}
