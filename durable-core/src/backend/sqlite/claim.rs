//! Taking instances and activities over.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::error::Result;
use super::query::{self, event, int, optional_payload, payload};
use crate::backend::{ActivityRow, CallId, Claimed, HeldCall, InboxRow, InstanceKey, Release, WorkerId, Written};
use crate::model::Timestamp;

/// How many starts of workers are remembered. One before them counts as lost even if it was drained, so that what it owned and
/// nobody has touched since is tried with care, once.
const REMEMBERED: i64 = 1_000;

/// What [`activity`] reads. The join is made in this order, so that an index of the activities leads.
macro_rules! select_activity {
    ($from:literal, $where:literal) => {
        concat!(
            "SELECT a.key, i.id, i.execution, a.call, a.name, a.input, a.claim, a.deliveries, a.runner, a.options,
             a.progress FROM ",
            $from,
            " CROSS JOIN instances i ON i.key = a.key WHERE ",
            $where
        )
    };
}

/// What the index gives in order.
const WAITING: &str = select_activity!(
    "activities a INDEXED BY activities_waiting",
    "a.place = 1 ORDER BY a.call & 0xffffffff, a.key, a.call LIMIT ?1"
);

pub(super) fn attach(conn: &Connection, name: &str) -> Result<WorkerId> {
    conn.prepare_cached("INSERT INTO workers (name, started) VALUES (?1, ?2)")?
        .execute(params![name, Timestamp::system_now().ticks()])?;
    let worker = WorkerId(conn.last_insert_rowid());
    conn.prepare_cached("DELETE FROM workers WHERE worker <= ?1")?.execute([worker.0 - REMEMBERED])?;
    // One process holds this file, so whoever was attached before is gone, and what it ran is lost.
    conn.prepare_cached("UPDATE activities SET place = 1 WHERE place <> 1")?.execute([])?;
    Ok(worker)
}

pub(super) fn detach(conn: &Connection, worker: WorkerId) -> Result<()> {
    conn.prepare_cached("UPDATE workers SET drained = ?2 WHERE worker = ?1 AND drained IS NULL")?
        .execute(params![worker.0, Timestamp::system_now().ticks()])?;
    Ok(())
}

/// Whether what `runner` had, if there was one, is taken from it before it ended in order.
fn is_lost(conn: &Connection, runner: Option<i64>) -> Result<bool> {
    let Some(runner) = runner else { return Ok(false) };
    let drained = conn
        .prepare_cached("SELECT 1 FROM workers WHERE worker = ?1 AND drained IS NOT NULL")?
        .query_row([runner], |_| Ok(()))
        .optional()?;
    Ok(drained.is_none())
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
    let mut owner_lost = false;
    if owner != Some(worker.0) {
        owner_lost = is_lost(conn, owner)?;
        instance.epoch += 1;
        conn.prepare_cached("UPDATE instances SET epoch = ?2, owner = ?3 WHERE key = ?1")?.execute(params![
            key.0,
            int(instance.epoch),
            worker.0
        ])?;
    }
    Ok(Written::Claimed(Box::new(Claimed { instance, inbox: inbox(conn, key)?, timers: None, owner_lost })))
}

pub(super) fn claim_ready(
    conn: &Connection,
    worker: WorkerId,
    after: InstanceKey,
    limit: usize,
    again: bool,
) -> Result<Written> {
    let except = (!again).then_some(worker);
    let mut taken = Vec::new();
    for key in query::waiting(conn, except, after, limit)? {
        if let Written::Claimed(claimed) = claim(conn, key, worker)? {
            taken.push(*claimed);
        }
    }
    Ok(Written::Taken(taken))
}

pub(super) fn release(conn: &Connection, releases: &[Release]) -> Result<Written> {
    let mut update = conn.prepare_cached(
        "UPDATE instances SET owner = NULL WHERE key = ?1 AND epoch = ?2 AND inbox_seq = coalesce(?3, inbox_seq)",
    )?;
    let mut kept = Vec::new();
    for Release { key, epoch, inbox_seq, .. } in releases {
        let changed = update.execute(params![key.0, int(*epoch), inbox_seq.map(int)])?;
        let exists = || {
            let mut select = conn.prepare_cached("SELECT 1 FROM instances WHERE key = ?1")?;
            select.exists([key.0])
        };
        if changed == 0 && exists()? {
            kept.push(*key);
        }
    }
    Ok(Written::Kept(kept))
}

pub(super) fn attempt(conn: &Connection, key: InstanceKey, epoch: u64) -> Result<Written> {
    let changed = conn
        .prepare_cached("UPDATE instances SET crashes = crashes + 1 WHERE key = ?1 AND epoch = ?2")?
        .execute(params![key.0, int(epoch)])?;
    Ok(if changed == 0 { Written::Refused } else { Written::Done })
}

pub(super) fn hand_back(conn: &Connection, calls: &[HeldCall]) -> Result<Written> {
    let mut update = conn
        .prepare_cached("UPDATE activities SET runner = NULL, place = 1 WHERE key = ?1 AND call = ?2 AND claim = ?3")?;
    for HeldCall { key, call, claim } in calls {
        update.execute(params![key.0, call.0, claim])?;
    }
    Ok(Written::Done)
}

pub(super) fn inbox(conn: &Connection, key: InstanceKey) -> Result<Vec<InboxRow>> {
    let mut select = conn.prepare_cached(
        "SELECT kind, task_id, name, payload, detail, seq, time FROM inbox WHERE key = ?1 ORDER BY seq",
    )?;
    let rows = select.query_map([key.0], |row| {
        Ok(InboxRow { seq: query::count(row, 5)?, time: Timestamp::from_ticks(row.get(6)?), event: event(row)? })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn claim_activities(conn: &Connection, worker: WorkerId, first_claim: i64, limit: usize) -> Result<Written> {
    let limit = int(limit as u64);
    let taken_before = taken(conn, worker, first_claim, limit)?;
    if !taken_before.is_empty() {
        return Ok(Written::Activities(taken_before));
    }
    let mut select = conn.prepare_cached(WAITING)?;
    let waiting = select.query_map([limit], activity)?;
    let waiting = waiting.collect::<rusqlite::Result<Vec<_>>>()?;
    let mut update = conn.prepare_cached(
        "UPDATE activities SET runner = ?3, claim = ?4, deliveries = ?5, place = 2 WHERE key = ?1 AND call = ?2",
    )?;
    let mut rows = Vec::with_capacity(waiting.len());
    for (claim, mut row) in (first_claim..).zip(waiting) {
        row.claim = claim;
        row.deliveries += u32::from(is_lost(conn, row.runner.map(|runner| runner.0))?);
        row.runner = Some(worker);
        update.execute(params![row.key.0, row.call.0, worker.0, claim, row.deliveries])?;
        rows.push(row);
    }
    Ok(Written::Activities(rows))
}

/// What this very claim took when it was made before, and its answer was lost.
fn taken(conn: &Connection, worker: WorkerId, first_claim: i64, limit: i64) -> Result<Vec<ActivityRow>> {
    let mut select = conn.prepare_cached(select_activity!(
        "activities a INDEXED BY activities_taken",
        "a.place = 2 AND a.claim >= ?1 AND a.claim < ?2 AND a.runner = ?3 ORDER BY a.claim"
    ))?;
    let rows = select.query_map([first_claim, first_claim.saturating_add(limit), worker.0], activity)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The calls of an instance that are not consumed.
pub(super) fn activities(conn: &Connection, key: InstanceKey) -> Result<Vec<ActivityRow>> {
    let mut select = conn.prepare_cached(select_activity!("activities a", "a.key = ?1 ORDER BY a.call"))?;
    let rows = select.query_map([key.0], activity)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn activity(row: &Row<'_>) -> rusqlite::Result<ActivityRow> {
    Ok(ActivityRow {
        key: InstanceKey(row.get(0)?),
        instance: row.get(1)?,
        execution: row.get(2)?,
        call: CallId(row.get(3)?),
        name: row.get(4)?,
        input: payload(row, 5)?,
        claim: row.get(6)?,
        deliveries: row.get(7)?,
        runner: row.get::<_, Option<i64>>(8)?.map(WorkerId),
        options: row.get(9)?,
        progress: optional_payload(row, 10)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_calls_come_from_their_index_in_order() {
        let plan = query::tests::plan(WAITING);
        assert!(plan.contains("INDEX activities_waiting") && !plan.contains("B-TREE"), "{plan}");
    }
}
