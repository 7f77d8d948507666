//! Sending messages.

use rusqlite::{OptionalExtension, ToSql, params};

use super::error::Result;
use super::query;
use super::statements::Statements;
use crate::backend::{
    Arrived, CallId, Completes, InboxRow, InstanceKey, MessageTarget, NewEvent, NewMessage, Recipient, Written,
};
use crate::history::StoredEvent;
use crate::model::{Payload, RuntimeStatus, Timestamp};

/// What a message must know of its instance.
struct Target {
    key: InstanceKey,
    status: RuntimeStatus,
    generation: u32,
    /// The last position that was given out in its inbox.
    inbox_seq: u64,
    /// It is in another execution than the one that the message is for.
    is_other: bool,
}

pub(super) fn message(conn: &Statements<'_>, message: &NewMessage) -> Result<Written> {
    let Some(target) = target(conn, &message.to)? else { return Ok(Written::NotFound) };
    let key = target.key;
    if is_stale(&target, message) {
        // Nobody waits for the result, but the call is over.
        if let Some(Completes::Activity(call, claim)) = message.completes {
            complete_activity(conn, key, call, claim)?;
        }
        return Ok(Written::Refused);
    }
    let completed = match message.completes {
        None => true,
        Some(Completes::Activity(call, claim)) => complete_activity(conn, key, call, claim)?,
        Some(Completes::Timer(call)) => complete_timer(conn, key, call)?,
    };
    if !completed {
        return arrived_before(conn, key, &message.event);
    }
    if target.status.is_terminal() {
        return Ok(Written::Finished { status: target.status });
    }
    let seq = target.inbox_seq + 1;
    put(conn, key, seq, message.time, &message.event)?;
    Ok(Written::Queued { key, seq, owner: None })
}

fn target(conn: &Statements<'_>, to: &MessageTarget) -> Result<Option<Target>> {
    let (sql, value, asked): (_, &dyn ToSql, _) = match to {
        MessageTarget::Id(id) => {
            ("SELECT key, id, execution, status, generation, inbox_seq FROM instances WHERE id = ?1", id, None)
        }
        MessageTarget::Execution(key, execution) => (
            "SELECT key, id, execution, status, generation, inbox_seq FROM instances WHERE key = ?1",
            &key.0,
            Some(execution.as_str()),
        ),
    };
    conn.held(sql)?
        .query_row([value], |row| {
            let text = |column| row.get_ref(column).ok().and_then(|text| text.as_str().ok()).unwrap_or("(no text)");
            let status = query::status(text(1), text(3));
            let is_other = asked.is_some_and(|asked| text(2) != asked);
            let (key, generation, inbox_seq) = (InstanceKey(row.get(0)?), row.get(4)?, query::count(row, 5)?);
            Ok(status.map(|status| Target { key, status, generation, inbox_seq, is_other }))
        })
        .optional()?
        .transpose()
}

/// Whether the message belongs to another execution than the present one. A call that was taken over later than its
/// instance continued as new is told apart by its generation only.
fn is_stale(target: &Target, message: &NewMessage) -> bool {
    let old = matches!(message.completes, Some(Completes::Activity(call, _)) if call.generation() != target.generation);
    target.is_other || old
}

fn complete_activity(conn: &Statements<'_>, key: InstanceKey, call: CallId, claim: i64) -> Result<bool> {
    let gone = conn
        .held("DELETE FROM activities WHERE key = ?1 AND call = ?2 AND claim = ?3")?
        .execute([key.0, call.0, claim])?;
    Ok(gone > 0)
}

fn complete_timer(conn: &Statements<'_>, key: InstanceKey, call: CallId) -> Result<bool> {
    let gone = conn.held("DELETE FROM timers WHERE key = ?1 AND call = ?2")?.execute([key.0, call.0])?;
    Ok(gone > 0)
}

/// The completed row is gone: because this very message has arrived already, and the answer was lost?
fn arrived_before(conn: &Statements<'_>, key: InstanceKey, event: &StoredEvent) -> Result<Written> {
    let seq = conn
        .held("SELECT seq FROM inbox WHERE key = ?1 AND task_id IS ?2 AND kind = ?3 ORDER BY seq LIMIT 1")?
        .query_row(params![key.0, event.task_id.map(|task| task.0), event.kind], |row| query::count(row, 0))
        .optional()?;
    Ok(seq.map_or(Written::Refused, |seq| Written::Queued { key, seq, owner: None }))
}

/// Puts a message into the inbox of an instance that is not finished, and says where it lies.
pub(super) fn deliver(conn: &Statements<'_>, key: InstanceKey, time: Timestamp, event: &StoredEvent) -> Result<u64> {
    let last =
        conn.held("SELECT inbox_seq FROM instances WHERE key = ?1")?.query_row([key.0], |row| query::count(row, 0))?;
    put(conn, key, last + 1, time, event)?;
    Ok(last + 1)
}

/// Gives out the next position of an inbox, which is `seq`. It was read by itself: for a `RETURNING` SQLite makes a table at each
/// use.
fn put(conn: &Statements<'_>, key: InstanceKey, seq: u64, time: Timestamp, event: &StoredEvent) -> Result<()> {
    conn.held("UPDATE instances SET inbox_seq = ?2 WHERE key = ?1")?.execute([key.0, query::int(seq)])?;
    insert(conn, key, seq, time, event)
}

/// The same for an event of a turn.
pub(super) fn deliver_new(conn: &Statements<'_>, key: InstanceKey, event: &NewEvent) -> Result<Arrived> {
    let seq = deliver(conn, key, event.time, &event.event)?;
    Ok(Arrived { key, seq, event: event.clone(), owner: None })
}

/// Puts a message back to where it lay before.
pub(super) fn put_back(conn: &Statements<'_>, key: InstanceKey, row: &InboxRow) -> Result<()> {
    insert(conn, key, row.seq, row.time, &row.event)
}

fn insert(conn: &Statements<'_>, key: InstanceKey, seq: u64, time: Timestamp, event: &StoredEvent) -> Result<()> {
    conn.held(
        "INSERT INTO inbox (key, seq, time, kind, task_id, name, payload, detail)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute(params![
        key.0,
        query::int(seq),
        time.ticks(),
        event.kind,
        event.task_id.map(|task| task.0),
        event.name,
        event.payload.as_ref().map(Payload::as_str),
        event.detail,
    ])?;
    Ok(())
}

macro_rules! select_live {
    ($where:literal) => {
        concat!("SELECT key FROM instances WHERE ", $where, " AND ended IS NULL ORDER BY key")
    };
}

const CHILD: &str = select_live!("parent = ?1 AND parent_call = ?2");

const CHILDREN: &str = select_live!("parent = ?1 AND parent_call IS NOT NULL");

/// The unfinished instances that a message of `from` goes to.
pub(super) fn recipients(conn: &Statements<'_>, from: InstanceKey, to: &Recipient) -> Result<Vec<InstanceKey>> {
    let keys = |sql: &'static str, values: &[&dyn ToSql]| -> Result<Vec<InstanceKey>> {
        let mut select = conn.held(sql)?;
        let keys = select.query_map(values, |row| row.get(0).map(InstanceKey))?;
        Ok(keys.collect::<rusqlite::Result<_>>()?)
    };
    match to {
        Recipient::Id(id) => keys(select_live!("id = ?1"), &[id]),
        Recipient::Execution(key, execution) => keys(select_live!("key = ?1 AND execution = ?2"), &[&key.0, execution]),
        Recipient::Child(call) => keys(CHILD, &[&from.0, &call.0]),
        Recipient::Children => keys(CHILDREN, &[&from.0]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::sqlite::query::tests::plan;

    #[test]
    fn children_come_from_their_index() {
        for (sql, terms) in [(CHILD, "(parent=? AND parent_call=?)"), (CHILDREN, "(parent=?")] {
            let plan = plan(sql);
            assert!(plan.contains(&format!("INDEX instances_by_parent {terms}")), "{plan}");
        }
    }
}
