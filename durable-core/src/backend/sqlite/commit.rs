//! Creating instances and sending messages.

use rusqlite::{Connection, OptionalExtension, params};

use super::error::{Failure, Result};
use super::{claim, query, turn};
use crate::backend::{CreateInstance, InstanceKey, MessageTarget, NewMessage, Write, Written};
use crate::model::RuntimeStatus;

pub(super) fn apply(conn: &Connection, write: &Write) -> Result<Written> {
    match write {
        Write::Create(create) => self::create(conn, create),
        Write::Turn(turn) => turn::turn(conn, turn),
        Write::Message(message) => self::message(conn, message),
        Write::Claim { key, worker } => claim::claim(conn, *key, *worker),
        Write::Attempt { key, epoch } => claim::attempt(conn, *key, *epoch),
        Write::ClaimActivities { worker, first_claim, limit } => {
            claim::claim_activities(conn, *worker, *first_claim, *limit)
        }
        Write::Stall { key, epoch, reason } => stall(conn, *key, *epoch, reason.as_deref()),
    }
}

fn create(conn: &Connection, create: &CreateInstance) -> Result<Written> {
    if let Some(created) = insert(conn, create, 1)? {
        return Ok(created);
    }
    let (key, status, epoch, execution) = conn
        .prepare_cached("SELECT key, status, epoch, execution FROM instances WHERE id = ?1")?
        .query_row([&create.id], |row| {
            let (status, epoch, execution): (String, i64, String) = (row.get(1)?, row.get(2)?, row.get(3)?);
            Ok((InstanceKey(row.get(0)?), status, epoch, execution))
        })?;
    if execution == create.execution {
        return Ok(Written::Created { key, epoch: epoch.unsigned_abs() });
    }
    let status = query::status(&create.id, &status)?;
    if !create.replace.contains(&status) {
        return Ok(Written::Exists { status });
    }
    remove(conn, key)?;
    insert(conn, create, epoch + 1)?.ok_or_else(|| Failure::corrupt("the index of the instance ids is damaged"))
}

fn insert(conn: &Connection, create: &CreateInstance, epoch: i64) -> Result<Option<Written>> {
    let inserted = conn
        .prepare_cached(
            "INSERT INTO instances (id, execution, name, status, created, updated, owner, epoch)
             VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6, ?7) ON CONFLICT (id) DO NOTHING",
        )?
        .execute(params![
            create.id,
            create.execution,
            create.name,
            RuntimeStatus::Pending.as_str(),
            create.now.ticks(),
            create.owner.map(|worker| worker.0),
            epoch,
        ])?;
    if inserted == 0 {
        return Ok(None);
    }
    let key = conn.last_insert_rowid();
    conn.prepare_cached("INSERT INTO inputs (key, input) VALUES (?1, ?2)")?
        .execute(params![key, create.input.as_str()])?;
    Ok(Some(Written::Created { key: InstanceKey(key), epoch: epoch.unsigned_abs() }))
}

/// Removes an instance and every row of it.
fn remove(conn: &Connection, key: InstanceKey) -> Result<()> {
    for sql in [
        "DELETE FROM timers WHERE key = ?1",
        "DELETE FROM activities WHERE key = ?1",
        "DELETE FROM inbox WHERE key = ?1",
        "DELETE FROM history WHERE key = ?1",
        "DELETE FROM inputs WHERE key = ?1",
        "DELETE FROM instances WHERE key = ?1",
    ] {
        conn.prepare_cached(sql)?.execute([key.0])?;
    }
    Ok(())
}

fn message(conn: &Connection, message: &NewMessage) -> Result<Written> {
    let (sql, target): (_, &dyn rusqlite::ToSql) = match &message.to {
        MessageTarget::Id(id) => ("SELECT key, id, execution, status FROM instances WHERE id = ?1", id),
        MessageTarget::Execution(key, _) => ("SELECT key, id, execution, status FROM instances WHERE key = ?1", &key.0),
    };
    let found = conn
        .prepare_cached(sql)?
        .query_row([target], |row| {
            let execution: String = row.get(2)?;
            Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, execution, row.get::<_, String>(3)?))
        })
        .optional()?;
    let Some((key, id, execution, status)) = found else { return Ok(Written::NotFound) };
    if matches!(&message.to, MessageTarget::Execution(_, wanted) if *wanted != execution) {
        return Ok(Written::Refused);
    }
    let status = query::status(&id, &status)?;
    if let Some((task, claim)) = message.completes {
        let gone = conn
            .prepare_cached("DELETE FROM activities WHERE key = ?1 AND task_id = ?2 AND claim = ?3")?
            .execute(params![key, task.0, claim])?;
        if gone == 0 {
            return delivered_before(conn, key, message);
        }
    }
    if status.is_terminal() {
        return Ok(Written::Finished { status });
    }
    let seq: i64 = conn
        .prepare_cached("UPDATE instances SET inbox_seq = inbox_seq + 1 WHERE key = ?1 RETURNING inbox_seq")?
        .query_row([key], |row| row.get(0))?;
    let event = &message.event;
    conn.prepare_cached(
        "INSERT INTO inbox (key, seq, time, kind, task_id, name, payload, detail)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute(params![
        key,
        seq,
        message.time.ticks(),
        event.kind,
        event.task_id.map(|task| task.0),
        event.name,
        event.payload.as_ref().map(|payload| payload.as_str()),
        event.detail,
    ])?;
    Ok(Written::Queued { key: InstanceKey(key), seq: seq.unsigned_abs() })
}

/// The call's row is gone: because this very result has arrived already, and the answer was lost?
fn delivered_before(conn: &Connection, key: i64, message: &NewMessage) -> Result<Written> {
    let seq = conn
        .prepare_cached("SELECT seq FROM inbox WHERE key = ?1 AND task_id = ?2 AND kind = ?3")?
        .query_row(params![key, message.completes.map(|(task, _)| task.0), message.event.kind], |row| {
            query::count(row, 0)
        })
        .optional()?;
    Ok(seq.map_or(Written::Refused, |seq| Written::Queued { key: InstanceKey(key), seq }))
}

fn stall(conn: &Connection, key: InstanceKey, epoch: u64, reason: Option<&str>) -> Result<Written> {
    let changed = conn
        .prepare_cached("UPDATE instances SET stalled = ?3, crashes = 0 WHERE key = ?1 AND epoch = ?2")?
        .execute(params![key.0, query::int(epoch), reason])?;
    Ok(if changed == 0 { Written::Refused } else { Written::Done })
}
