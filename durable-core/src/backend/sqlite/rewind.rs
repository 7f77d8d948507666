//! Taking back the ends of instances.

use rusqlite::{OptionalExtension, params};

use super::error::Result;
use super::query::{self, int};
use super::statements::Statements;
use super::turn::{INSERT_EVENT, insert_event};
use super::{message, reach};
use crate::backend::{RewindCommit, Written};
use crate::model::RuntimeStatus;

pub(super) fn rewind(conn: &Statements<'_>, rewinds: &[RewindCommit]) -> Result<Written> {
    if all_stand(conn, rewinds, |rewind, epoch, status| epoch == rewind.epoch && status.is_terminal())? {
        for rewind in rewinds {
            rewind_one(conn, rewind)?;
        }
        return Ok(Written::Done);
    }
    let done = |rewind: &RewindCommit, epoch, status| epoch == rewind.epoch + 1 && status == rewind.status();
    Ok(if all_stand(conn, rewinds, done)? { Written::Done } else { Written::Refused })
}

/// Whether all instances stand where `fits` wants them.
fn all_stand(
    conn: &Statements<'_>,
    rewinds: &[RewindCommit],
    fits: impl Fn(&RewindCommit, u64, RuntimeStatus) -> bool,
) -> Result<bool> {
    let mut select =
        conn.held("SELECT id, status, epoch FROM instances WHERE key = ?1 AND execution = ?2 AND turn = ?3")?;
    for rewind in rewinds {
        let found = select
            .query_row(params![rewind.key.0, rewind.execution, int(rewind.turn)], |row| {
                Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, query::count(row, 2)?))
            })
            .optional()?;
        let Some((id, status, epoch)) = found else { return Ok(false) };
        if !fits(rewind, epoch, query::status(&id, &status)?) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn rewind_one(conn: &Statements<'_>, rewind: &RewindCommit) -> Result<()> {
    let key = rewind.key;
    conn.held(
        "UPDATE instances SET status = ?2, ended = NULL, output = NULL, reason = NULL, stalled = NULL, epoch = epoch + 1,
             owner = NULL, crashes = 0, updated = ?3, history_len = ?4
         WHERE key = ?1",
    )?
    .execute(params![key.0, rewind.status().as_str(), rewind.now.ticks(), int(rewind.history.len() as u64)])?;
    for sql in ["DELETE FROM history WHERE key = ?1", "DELETE FROM inbox WHERE key = ?1"] {
        conn.held(sql)?.execute([key.0])?;
    }
    let mut insert = conn.held(INSERT_EVENT)?;
    for row in &rewind.history {
        insert_event(&mut insert, key, row.seq, (row.turn, row.turn_time), row.time, &row.event)?;
    }
    for new in &rewind.activities {
        // A detached call may still be there; the result of its runner does not count any more.
        conn.held(
            "INSERT OR REPLACE INTO activities (key, call, name, input, options, claim, place, deliveries)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, 1, 1)",
        )?
        .execute(params![key.0, new.call.0, new.name, new.input.as_str(), new.options, new.claim])?;
    }
    for new in &rewind.timers {
        conn.held("INSERT OR REPLACE INTO timers (key, call, fire_at) VALUES (?1, ?2, ?3)")?.execute([
            key.0,
            new.call.0,
            new.fire_at.ticks(),
        ])?;
    }
    for event in &rewind.inbox {
        message::deliver_new(conn, key, event)?;
    }
    for child in &rewind.children {
        reach::create_child(conn, key, child, true)?;
    }
    Ok(())
}
