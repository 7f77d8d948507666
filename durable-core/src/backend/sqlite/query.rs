//! Reading.

use std::collections::BTreeMap;

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::error::{Failure, Result};
use crate::backend::{CallId, HistoryRow, InstanceKey, InstanceRow, TimerRow, WorkerId};
use crate::history::StoredEvent;
use crate::model::{Payload, RuntimeStatus, TaskId, Timestamp};

macro_rules! select_instance {
    ($where:literal) => {
        concat!(
            "SELECT i.key, i.id, i.execution, i.name, i.status, p.input, c.custom_status, i.output, i.reason, i.stalled,
             i.created, i.updated, i.epoch, i.turn, i.turn_time, i.history_len, i.crashes, i.owner, i.version, p.tags,
             p.origin, i.parent, i.parent_call, i.start_at, i.generation, i.inbox_seq
             FROM instances i LEFT JOIN headers p ON p.key = i.key LEFT JOIN custom_statuses c ON c.key = i.key ",
            $where
        )
    };
}

pub(super) const INSTANCE_BY_KEY: &str = select_instance!("WHERE i.key = ?1");

/// The column of [`INSTANCE_BY_KEY`] that is no part of an [`InstanceRow`].
pub(super) const OWNER: usize = 17;

/// What [`instance_row`] reads, for queries that add their own conditions.
pub(super) const INSTANCES: &str = select_instance!("");

/// What never ran, or has not run since it continued as new.
const FRESH: &str = "SELECT key FROM instances INDEXED BY instances_fresh
    WHERE (status = 'ContinuedAsNew' OR (status = 'Pending' AND start_at IS NULL)) AND key > ?1
      AND (turn = 0 OR status = 'ContinuedAsNew') AND owner IS NOT ?2 ORDER BY key LIMIT ?3";

/// What has messages, going from one key to the next, however many messages it has.
const TOLD: &str = "WITH RECURSIVE waiting (key) AS (
        SELECT min(key) FROM inbox WHERE key > ?1
        UNION ALL SELECT (SELECT min(key) FROM inbox WHERE key > waiting.key) FROM waiting WHERE key IS NOT NULL)
    SELECT i.key FROM waiting CROSS JOIN instances i ON i.key = waiting.key
    WHERE i.owner IS NOT ?2 AND i.ended IS NULL LIMIT ?3";

/// A number for SQLite, whose integers are signed.
pub(super) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn instance(conn: &Connection, id: &str) -> Result<Option<InstanceRow>> {
    conn.prepare_cached(select_instance!("WHERE i.id = ?1"))?
        .query_row([id], |row| Ok(instance_row(row)))
        .optional()?
        .transpose()
}

pub(super) fn ready(conn: &Connection, worker: WorkerId, after: InstanceKey, limit: usize) -> Result<Vec<InstanceKey>> {
    // Both looks see the same.
    let _tx = conn.unchecked_transaction()?;
    waiting(conn, Some(worker), after, limit)
}

/// What has something to do, except what this worker owns. Within a transaction.
pub(super) fn waiting(
    conn: &Connection,
    except: Option<WorkerId>,
    after: InstanceKey,
    limit: usize,
) -> Result<Vec<InstanceKey>> {
    // No worker has the number 0; `IS NOT NULL` would leave out what nobody owns.
    let except = except.map_or(0, |worker| worker.0);
    let mut keys = Vec::new();
    for sql in [FRESH, TOLD] {
        let mut select = conn.prepare_cached(sql)?;
        for key in select.query_map(params![after.0, except, int(limit as u64)], |row| row.get(0))? {
            keys.push(InstanceKey(key?));
        }
    }
    keys.sort_unstable();
    keys.dedup();
    keys.truncate(limit);
    Ok(keys)
}

pub(super) fn timers(conn: &Connection, after: Option<TimerRow>, limit: usize) -> Result<Vec<TimerRow>> {
    let after = after.map_or((i64::MIN, 0, 0), |after| (after.fire_at.ticks(), after.key.0, after.call.0));
    let mut select = conn.prepare_cached(
        "SELECT fire_at, key, call FROM timers WHERE (fire_at, key, call) > (?1, ?2, ?3)
         ORDER BY fire_at, key, call LIMIT ?4",
    )?;
    let rows = select.query_map(params![after.0, after.1, after.2, int(limit as u64)], |row| {
        Ok(TimerRow {
            fire_at: Timestamp::from_ticks(row.get(0)?),
            key: InstanceKey(row.get(1)?),
            call: CallId(row.get(2)?),
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The first rows of a history, at most `limit`.
pub(super) fn history(conn: &Connection, key: InstanceKey, limit: usize) -> Result<Vec<HistoryRow>> {
    let mut select = conn.prepare_cached(
        "SELECT kind, task_id, name, payload, detail, seq, turn, turn_time, time FROM history WHERE key = ?1
         ORDER BY seq LIMIT ?2",
    )?;
    let rows = select.query_map([key.0, int(limit as u64)], |row| {
        Ok(HistoryRow {
            seq: count(row, 5)?,
            turn: count(row, 6)?,
            turn_time: Timestamp::from_ticks(row.get(7)?),
            time: Timestamp::from_ticks(row.get(8)?),
            event: event(row)?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Reads what [`INSTANCE_BY_KEY`] and its like select.
pub(super) fn instance_row(row: &Row<'_>) -> Result<InstanceRow> {
    let id: String = row.get(1)?;
    let status = self::status(&id, row.get_ref(4)?.as_str().unwrap_or("(no text)"))?;
    let read = || -> rusqlite::Result<_> {
        Ok(InstanceRow {
            key: InstanceKey(row.get(0)?),
            id: id.clone(),
            execution: row.get(2)?,
            name: row.get(3)?,
            status,
            input: payload(row, 5)?,
            custom_status: optional_payload(row, 6)?,
            output: optional_payload(row, 7)?,
            reason: row.get(8)?,
            stalled: row.get(9)?,
            created: Timestamp::from_ticks(row.get(10)?),
            updated: Timestamp::from_ticks(row.get(11)?),
            epoch: count(row, 12)?,
            turn: count(row, 13)?,
            turn_time: Timestamp::from_ticks(row.get(14)?),
            history_len: count(row, 15)?,
            crashes: row.get(16)?,
            version: row.get(18)?,
            tags: tags(row, 19)?,
            origin: row.get(20)?,
            parent: row.get::<_, Option<i64>>(21)?.map(InstanceKey),
            parent_call: row.get::<_, Option<i64>>(22)?.map(CallId),
            start_at: row.get::<_, Option<i64>>(23)?.map(Timestamp::from_ticks),
            generation: row.get(24)?,
            inbox_seq: count(row, 25)?,
        })
    };
    read().map_err(|error| Failure::from(error).while_doing(&format!("reading the instance '{id}'")))
}

pub(super) fn status(id: &str, text: &str) -> Result<RuntimeStatus> {
    let unknown = || format!("the instance '{id}' has the status '{text}', which this version does not know");
    text.parse().map_err(|_| Failure::corrupt(unknown()))
}

/// Reads the first five columns of a message or an event.
pub(super) fn event(row: &Row<'_>) -> rusqlite::Result<StoredEvent> {
    Ok(StoredEvent {
        kind: row.get::<_, String>(0)?.into(),
        task_id: row.get::<_, Option<u32>>(1)?.map(TaskId),
        name: row.get::<_, Option<String>>(2)?.map(Into::into),
        payload: optional_payload(row, 3)?,
        detail: row.get(4)?,
    })
}

pub(super) fn payload(row: &Row<'_>, column: usize) -> rusqlite::Result<Payload> {
    optional_payload(row, column)?
        .ok_or_else(|| rusqlite::Error::FromSqlConversionFailure(column, Type::Null, "a payload is missing".into()))
}

pub(super) fn optional_payload(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Payload>> {
    let value = row.get_ref(column)?;
    let text = value
        .as_str_or_null()
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, value.data_type(), error.into()))?;
    Ok(text.map(Payload::from_stored))
}

fn tags(row: &Row<'_>, column: usize) -> rusqlite::Result<BTreeMap<String, String>> {
    let Some(text) = row.get::<_, Option<String>>(column)? else { return Ok(BTreeMap::new()) };
    serde_json::from_str(&text)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error.into()))
}

pub(super) fn count(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let number: i64 = row.get(column)?;
    u64::try_from(number).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, number))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// How SQLite carries a query out.
    pub(in super::super) fn plan(sql: &str) -> String {
        let conn = Connection::open_in_memory().unwrap();
        conn.execute_batch(include_str!("migrations/0001.sql")).unwrap();
        let mut explain = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let values = vec![None::<i64>; explain.parameter_count()];
        let steps = explain.query_map(rusqlite::params_from_iter(values), |row| row.get::<_, String>(3)).unwrap();
        steps.map(|step| step.unwrap()).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn what_is_fresh_comes_from_an_index_in_order() {
        let plan = plan(FRESH);
        assert!(plan.contains("SEARCH instances USING") && plan.contains("INDEX instances_fresh (key>?)"), "{plan}");
        assert!(!plan.contains("B-TREE"), "{plan}");
    }
}
