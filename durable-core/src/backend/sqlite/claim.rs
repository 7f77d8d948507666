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
    conn.prepare_cached("UPDATE activities SET runner = NULL, deliveries = deliveries + 1 WHERE runner IS NOT NULL")?
        .execute([])?;
    Ok(worker)
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
        instance.crashes += u32::from(owner.is_some());
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
    let mut select = conn.prepare_cached(
        "SELECT a.key, i.id, i.execution, a.task_id, a.name, a.input, a.deliveries
         FROM activities a INDEXED BY activities_free CROSS JOIN instances i ON i.key = a.key
         WHERE a.runner IS NULL ORDER BY a.key, a.task_id LIMIT ?1",
    )?;
    let free = select.query_map([int(limit as u64)], free_activity)?;
    let mut rows = free.collect::<rusqlite::Result<Vec<_>>>()?;
    let mut update =
        conn.prepare_cached("UPDATE activities SET runner = ?3, claim = ?4 WHERE key = ?1 AND task_id = ?2")?;
    for (claim, row) in (first_claim..).zip(&mut rows) {
        row.claim = claim;
        update.execute(params![row.key.0, row.task_id.0, worker.0, claim])?;
    }
    Ok(Written::Activities(rows))
}

fn free_activity(row: &Row<'_>) -> rusqlite::Result<ActivityRow> {
    Ok(ActivityRow {
        key: InstanceKey(row.get(0)?),
        instance: row.get(1)?,
        execution: row.get(2)?,
        task_id: TaskId(row.get(3)?),
        name: row.get(4)?,
        input: payload(row, 5)?,
        claim: 0,
        deliveries: row.get(6)?,
    })
}
