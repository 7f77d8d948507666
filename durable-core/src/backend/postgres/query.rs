//! Reading.

use std::collections::BTreeMap;

use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use super::connection::Connection;
use super::error::{Failure, Result};
use crate::backend::{CallId, HistoryRow, InboxRow, InstanceKey, InstanceRow, TimerRow};
use crate::history::StoredEvent;
use crate::model::{Payload, RuntimeStatus, TaskId, Timestamp};

macro_rules! select_instance {
    ($where:expr) => {
        concat!(
            "SELECT i.key, i.id, i.execution, i.name, i.status, p.input, i.custom_status, i.output, i.reason, i.stalled,
             i.created, i.updated, i.epoch, i.turn, i.turn_time, i.history_len, i.crashes, i.version, p.tags,
             p.origin, i.parent, i.parent_call, i.start_at, i.generation, i.inbox_seq
             FROM instances i LEFT JOIN headers p ON p.key = i.key ",
            $where
        )
    };
}

pub(super) const INSTANCES_BY_KEY: &str = select_instance!("WHERE i.key = ANY($1::bigint[])");

/// What [`instance_row`] reads, for queries that add their own conditions.
pub(super) const INSTANCES: &str = select_instance!("");

/// What [`inbox_row`] reads, after the key.
pub(super) const INBOX_BY_KEY: &str = "SELECT kind, task_id, name, payload, detail, key, seq, time FROM inbox
    WHERE key = ANY($1::bigint[]) ORDER BY key, seq";

/// A number for PostgreSQL, whose integers are signed.
pub(super) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The number of rows that a query may give.
pub(super) fn limit(limit: usize) -> i64 {
    int(limit as u64)
}

pub(super) async fn instance(connection: &Connection, id: &str) -> Result<Option<InstanceRow>> {
    let rows = connection.query(select_instance!("WHERE i.id = $1"), &[&id]).await?;
    rows.first().map(instance_row).transpose()
}

pub(super) fn timer_row(row: &Row) -> Result<TimerRow> {
    Ok(TimerRow { fire_at: time(row, 0)?, key: InstanceKey(get(row, 1)?), call: CallId(get(row, 2)?) })
}

pub(super) async fn history(connection: &Connection, key: InstanceKey) -> Result<Vec<HistoryRow>> {
    let sql = "SELECT kind, task_id, name, payload, detail, seq, turn, turn_time, time FROM history
        WHERE key = $1 ORDER BY seq";
    let rows = connection.query(sql, &[&key.0]).await?;
    let read = |row: &Row| {
        Ok(HistoryRow {
            seq: count(row, 5)?,
            turn: count(row, 6)?,
            turn_time: time(row, 7)?,
            time: time(row, 8)?,
            event: event(row)?,
        })
    };
    rows.iter().map(read).collect()
}

/// Reads what [`INBOX_BY_KEY`] selects.
pub(super) fn inbox_row(row: &Row) -> Result<(InstanceKey, InboxRow)> {
    let message = InboxRow { seq: count(row, 6)?, time: time(row, 7)?, event: event(row)? };
    Ok((InstanceKey(get(row, 5)?), message))
}

/// Reads what [`INSTANCES`] and its like select.
pub(super) fn instance_row(row: &Row) -> Result<InstanceRow> {
    let id: String = get(row, 1)?;
    let status = self::status(&id, get(row, 4)?)?;
    let read = || -> Result<_> {
        Ok(InstanceRow {
            key: InstanceKey(get(row, 0)?),
            id: id.clone(),
            execution: get(row, 2)?,
            name: get(row, 3)?,
            status,
            input: payload(row, 5)?,
            custom_status: optional_payload(row, 6)?,
            output: optional_payload(row, 7)?,
            reason: get(row, 8)?,
            stalled: get(row, 9)?,
            created: time(row, 10)?,
            updated: time(row, 11)?,
            epoch: count(row, 12)?,
            turn: count(row, 13)?,
            turn_time: time(row, 14)?,
            history_len: count(row, 15)?,
            crashes: small(row, 16)?,
            version: get(row, 17)?,
            tags: tags(row, 18)?,
            origin: get(row, 19)?,
            parent: get::<Option<i64>>(row, 20)?.map(InstanceKey),
            parent_call: get::<Option<i64>>(row, 21)?.map(CallId),
            start_at: get::<Option<i64>>(row, 22)?.map(Timestamp::from_ticks),
            generation: small(row, 23)?,
            inbox_seq: count(row, 24)?,
        })
    };
    read().map_err(|failure| failure.while_doing(&format!("reading the instance '{id}'")))
}

pub(super) fn get<'a, T: FromSql<'a>>(row: &'a Row, column: usize) -> Result<T> {
    row.try_get(column).map_err(Failure::unreadable)
}

pub(super) fn status(id: &str, text: &str) -> Result<RuntimeStatus> {
    let unknown = || format!("the instance '{id}' has the status '{text}', which this version does not know");
    text.parse().map_err(|_| Failure::corrupt(unknown()))
}

/// Reads the first five columns of a message or an event.
fn event(row: &Row) -> Result<StoredEvent> {
    Ok(StoredEvent {
        kind: get::<String>(row, 0)?.into(),
        task_id: get::<Option<i64>>(row, 1)?.map(|task| number(task).map(TaskId)).transpose()?,
        name: get::<Option<String>>(row, 2)?.map(Into::into),
        payload: optional_payload(row, 3)?,
        detail: get::<Option<String>>(row, 4)?.map(Into::into),
    })
}

pub(super) fn payload(row: &Row, column: usize) -> Result<Payload> {
    optional_payload(row, column)?.ok_or_else(|| Failure::corrupt("a payload is missing"))
}

pub(super) fn optional_payload(row: &Row, column: usize) -> Result<Option<Payload>> {
    Ok(get::<Option<&str>>(row, column)?.map(Payload::from_stored))
}

fn tags(row: &Row, column: usize) -> Result<BTreeMap<String, String>> {
    let Some(text) = get::<Option<&str>>(row, column)? else { return Ok(BTreeMap::new()) };
    serde_json::from_str(text).map_err(|error| Failure::corrupt(format!("the tags cannot be read ({error})")))
}

fn time(row: &Row, column: usize) -> Result<Timestamp> {
    get(row, column).map(Timestamp::from_ticks)
}

pub(super) fn count(row: &Row, column: usize) -> Result<u64> {
    number(get(row, column)?)
}

pub(super) fn small(row: &Row, column: usize) -> Result<u32> {
    number(get(row, column)?)
}

fn number<T: TryFrom<i64>>(number: i64) -> Result<T> {
    T::try_from(number).map_err(|_| Failure::corrupt(format!("the number {number} is out of its range")))
}
