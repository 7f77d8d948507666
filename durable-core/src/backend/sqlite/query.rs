//! Reading.

use rusqlite::types::{Type, Value};
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};

use super::error::{Failure, Result};
use crate::backend::{HistoryRow, InstanceFilter, InstanceKey, InstanceRow, TimerRow, WorkerId};
use crate::history::StoredEvent;
use crate::model::{Payload, RuntimeStatus, TaskId, Timestamp};

macro_rules! select_instance {
    ($where:literal) => {
        concat!(
            "SELECT i.key, i.id, i.execution, i.name, i.status, p.input, i.custom_status, i.output, i.reason, i.stalled,
             i.created, i.updated, i.epoch, i.turn, i.turn_time, i.history_len, i.crashes, i.owner
             FROM instances i ",
            $where
        )
    };
}

pub(super) const INSTANCE_BY_KEY: &str = select_instance!("LEFT JOIN inputs p ON p.key = i.key WHERE i.key = ?1");

/// The column of [`INSTANCE_BY_KEY`] that is no part of an [`InstanceRow`].
pub(super) const OWNER: usize = 17;

/// Matches beyond this number are not worth sorting for one page.
const FEW: i64 = 10_000;

/// A number for SQLite, whose integers are signed.
pub(super) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn instance(conn: &Connection, id: &str) -> Result<Option<InstanceRow>> {
    conn.prepare_cached(select_instance!("LEFT JOIN inputs p ON p.key = i.key WHERE i.id = ?1"))?
        .query_row([id], |row| Ok(instance_row(row)))
        .optional()?
        .transpose()
}

pub(super) fn ready(conn: &Connection, worker: WorkerId, after: InstanceKey, limit: usize) -> Result<Vec<InstanceKey>> {
    let never_ran = "SELECT key FROM instances INDEXED BY instances_pending
        WHERE status = 'Pending' AND turn = 0 AND key > ?1 AND owner IS NOT ?2 ORDER BY key LIMIT ?3";
    // From one key to the next, however many messages it has.
    let have_messages = "WITH RECURSIVE waiting (key) AS (
            SELECT min(key) FROM inbox WHERE key > ?1
            UNION ALL SELECT (SELECT min(key) FROM inbox WHERE key > waiting.key) FROM waiting WHERE key IS NOT NULL)
        SELECT i.key FROM waiting CROSS JOIN instances i ON i.key = waiting.key
        WHERE i.owner IS NOT ?2 AND i.status NOT IN ('Completed', 'Failed', 'Canceled', 'Terminated') LIMIT ?3";
    let tx = conn.unchecked_transaction()?;
    let mut keys = Vec::new();
    for sql in [never_ran, have_messages] {
        let mut select = tx.prepare_cached(sql)?;
        for key in select.query_map(params![after.0, worker.0, int(limit as u64)], |row| row.get(0))? {
            keys.push(InstanceKey(key?));
        }
    }
    keys.sort_unstable();
    keys.dedup();
    keys.truncate(limit);
    Ok(keys)
}

pub(super) fn timers(conn: &Connection, after: Option<TimerRow>, limit: usize) -> Result<Vec<TimerRow>> {
    let after = after.map_or((i64::MIN, 0, 0), |after| (after.fire_at.ticks(), after.key.0, after.task_id.0));
    let mut select = conn.prepare_cached(
        "SELECT fire_at, key, task_id FROM timers WHERE (fire_at, key, task_id) > (?1, ?2, ?3)
         ORDER BY fire_at, key, task_id LIMIT ?4",
    )?;
    let rows = select.query_map(params![after.0, after.1, after.2, int(limit as u64)], |row| {
        Ok(TimerRow {
            fire_at: Timestamp::from_ticks(row.get(0)?),
            key: InstanceKey(row.get(1)?),
            task_id: TaskId(row.get(2)?),
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn history(conn: &Connection, key: InstanceKey) -> Result<Vec<HistoryRow>> {
    let mut select = conn.prepare_cached(
        "SELECT kind, task_id, name, payload, detail, seq, turn, turn_time, time FROM history WHERE key = ?1 ORDER BY seq",
    )?;
    let rows = select.query_map([key.0], |row| {
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

pub(super) fn list(conn: &Connection, filter: &InstanceFilter) -> Result<Vec<InstanceRow>> {
    let tx = conn.unchecked_transaction()?;
    // An index holds each status in the order of the ids, except the one that nearly all instances have in the end.
    if filter.statuses.is_empty() || filter.statuses.contains(&RuntimeStatus::Completed) {
        return page(&tx, filter, &filter.statuses);
    }
    let mut rows = Vec::new();
    for (at, status) in filter.statuses.iter().enumerate() {
        if !filter.statuses[..at].contains(status) {
            rows.extend(page(&tx, filter, &[*status])?);
        }
    }
    rows.sort_unstable_by(|a, b| a.id.cmp(&b.id));
    rows.truncate(filter.limit);
    Ok(rows)
}

fn page(conn: &Connection, filter: &InstanceFilter, statuses: &[RuntimeStatus]) -> Result<Vec<InstanceRow>> {
    let mut terms = Terms::default();
    let created = created_column(conn, filter)?;
    terms.add_bound(&format!("{created} >="), filter.created_from.map(|from| from.ticks().into()));
    terms.add_bound(&format!("{created} <="), filter.created_to.map(|to| to.ticks().into()));
    terms.add_bound("i.id >", filter.after_id.clone().map(Value::Text));
    terms.add_bound("i.id >=", filter.id_prefix.clone().map(Value::Text));
    terms.add_bound("i.id <", filter.id_prefix.as_deref().and_then(end_of_prefix).map(Value::Text));
    // Few instances of a name have a certain status other than the usual one: its index beats that of the names.
    let by_status = matches!(statuses, [one] if *one != RuntimeStatus::Completed);
    let name = if by_status { "+i.name COLLATE NOCASE =" } else { "i.name COLLATE NOCASE =" };
    terms.add_bound(name, filter.name.clone().map(Value::Text));
    match statuses {
        [] => {}
        // The second term is what the condition of the index says; SQLite does not conclude it by itself.
        [one] if by_status => {
            terms.add_bound("i.status <> 'Completed' AND i.status =", Some(one.as_str().to_owned().into()));
        }
        many => {
            let places = vec!["?"; many.len()].join(", ");
            terms.sql.push(format!("i.status IN ({places})"));
            terms.values.extend(many.iter().map(|status| Value::from(status.as_str().to_owned())));
        }
    }
    let mut sql = select_instance!("LEFT JOIN inputs p ON p.key = i.key").to_owned();
    for (at, term) in terms.sql.iter().enumerate() {
        sql.push_str(if at == 0 { " WHERE " } else { " AND " });
        sql.push_str(term);
    }
    sql.push_str(" ORDER BY i.id LIMIT ?");
    terms.values.push(int(filter.limit as u64).into());
    let mut select = conn.prepare_cached(&sql)?;
    let rows = select.query_and_then(params_from_iter(terms.values), instance_row)?;
    rows.collect()
}

/// The conditions of a query and what is bound to them, in order.
#[derive(Default)]
struct Terms {
    sql: Vec<String>,
    values: Vec<Value>,
}

impl Terms {
    fn add_bound(&mut self, term: &str, value: Option<Value>) {
        if let Some(value) = value {
            self.sql.push(format!("{term} ?"));
            self.values.push(value);
        }
    }
}

/// How a query names the time of creation: with a plus, SQLite does not use its index, and scans in the order of the ids
/// instead of sorting what the index finds. The index is for ranges that contain few instances.
fn created_column(conn: &Connection, filter: &InstanceFilter) -> Result<&'static str> {
    if filter.created_from.is_none() && filter.created_to.is_none() {
        return Ok("i.created");
    }
    let from = filter.created_from.map_or(i64::MIN, Timestamp::ticks);
    let to = filter.created_to.map_or(i64::MAX, Timestamp::ticks);
    let matches: i64 = conn
        .prepare_cached("SELECT count(*) FROM (SELECT 1 FROM instances WHERE created BETWEEN ?1 AND ?2 LIMIT ?3)")?
        .query_row([from, to, FEW], |row| row.get(0))?;
    Ok(if matches < FEW { "i.created" } else { "+i.created" })
}

/// The first text after all that start with `prefix`, if there is one.
fn end_of_prefix(prefix: &str) -> Option<String> {
    let mut end = prefix.to_owned();
    while let Some(last) = end.pop() {
        if let Some(next) = (last..=char::MAX).nth(1) {
            end.push(next);
            return Some(end);
        }
    }
    None
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

fn optional_payload(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Payload>> {
    let value = row.get_ref(column)?;
    let text = value
        .as_str_or_null()
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, value.data_type(), error.into()))?;
    Ok(text.map(Payload::from_stored))
}

pub(super) fn count(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let number: i64 = row.get(column)?;
    u64::try_from(number).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_where_no_text_starts_with_it_any_more() {
        assert_eq!(end_of_prefix("ab").as_deref(), Some("ac"));
        assert_eq!(end_of_prefix("a\u{d7ff}").as_deref(), Some("a\u{e000}"));
        assert_eq!(end_of_prefix("a\u{10ffff}").as_deref(), Some("b"));
        assert_eq!(end_of_prefix("\u{10ffff}"), None);
        assert_eq!(end_of_prefix(""), None);
    }
}
