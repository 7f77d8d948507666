//! Committing a turn.

use rusqlite::{OptionalExtension, Statement, params};

use super::error::Result;
use super::query::int;
use super::statements::{Held, Statements};
use super::{next, reach};
use crate::backend::{InstanceKey, TurnCommit, Written};
use crate::history::StoredEvent;
use crate::model::{Payload, Timestamp};

/// The columns that every turn sets, and its fence. Given the statements below, the numbers fit.
macro_rules! fenced_update {
    ($set:literal, $and:expr) => {
        concat!(
            "UPDATE instances SET ",
            $set,
            "turn = ?4, turn_time = ?5, updated = ?5, output = ?7, reason = ?8, history_len = history_len + ?9,
             crashes = 0, stalled = NULL
             WHERE key = ?1 AND execution = ?2 AND epoch = ?3 AND turn = ?4 - 1 AND ",
            $and
        )
    };
}

/// A turn that leaves the status as it is, as most do: SQLite looks after the indexes of every column that is named.
const SAME_STATUS: &str = fenced_update!("", "status = ?6");

/// A turn after which the instance is alive with another status.
const NEW_STATUS: &str = fenced_update!("status = ?6, ", "ended IS NULL");

/// The last turn.
const ENDS: &str = fenced_update!("status = ?6, ended = ?5, ", "ended IS NULL");

pub(super) fn turn(conn: &Statements<'_>, turn: &TurnCommit) -> Result<Written> {
    let changed = match turn.status.is_terminal() {
        true => update(conn.held(ENDS)?, turn)?,
        false => (turn.turn > 1 && update(conn.held(SAME_STATUS)?, turn)?) || update(conn.held(NEW_STATUS)?, turn)?,
    };
    if !changed {
        return refused(conn, turn);
    }
    set_custom_status(conn, turn)?;
    insert_history(conn, turn)?;
    remove_what_is_over(conn, turn)?;
    if let Some(next) = &turn.next {
        next::continue_as(conn, turn.key, next)?;
    }
    insert_activities(conn, turn)?;
    insert_timers(conn, turn)?;
    reach::reach(conn, turn)
}

fn update(mut statement: Held<'_, '_>, turn: &TurnCommit) -> Result<bool> {
    let changed = statement.execute(params![
        turn.key.0,
        turn.execution,
        int(turn.epoch),
        int(turn.turn),
        turn.turn_time.ticks(),
        turn.status.as_str(),
        turn.output.as_ref().map(Payload::as_str),
        turn.reason,
        int(turn.history.len() as u64),
    ])?;
    Ok(changed == 1)
}

/// The fence did not hold: because the turn is there already?
fn refused(conn: &Statements<'_>, turn: &TurnCommit) -> Result<Written> {
    let execution = turn.next.as_ref().map_or(&turn.execution, |next| &next.execution);
    let applied = conn
        .held("SELECT 1 FROM instances WHERE key = ?1 AND execution = ?2 AND epoch = ?3 AND turn = ?4")?
        .query_row(params![turn.key.0, execution, int(turn.epoch), int(turn.turn)], |_| Ok(()))
        .optional()?;
    if applied.is_some() { reach::reached_before(conn, turn) } else { Ok(Written::Refused) }
}

/// Apart from the row of the instance, which every turn and every message rewrites as a whole.
fn set_custom_status(conn: &Statements<'_>, turn: &TurnCommit) -> Result<()> {
    if let Some(custom_status) = &turn.custom_status {
        conn.held("INSERT OR REPLACE INTO custom_statuses (key, custom_status) VALUES (?1, ?2)")?
            .execute(params![turn.key.0, custom_status.as_str()])?;
    }
    Ok(())
}

fn insert_history(conn: &Statements<'_>, turn: &TurnCommit) -> Result<()> {
    if turn.history.is_empty() {
        return Ok(());
    }
    let mut insert = conn.held(INSERT_EVENT)?;
    for (seq, new) in (turn.first_seq..).zip(&turn.history) {
        insert_event(&mut insert, turn.key, seq, (turn.turn, turn.turn_time), new.time, &new.event)?;
    }
    Ok(())
}

pub(super) const INSERT_EVENT: &str =
    "INSERT INTO history (key, seq, turn, turn_time, time, kind, task_id, name, payload, detail)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";

/// Carries [`INSERT_EVENT`] out for an event of the turn with this number and time.
pub(super) fn insert_event(
    insert: &mut Statement<'_>,
    key: InstanceKey,
    seq: u64,
    (turn, turn_time): (u64, Timestamp),
    time: Timestamp,
    event: &StoredEvent,
) -> Result<()> {
    insert.execute(params![
        key.0,
        int(seq),
        int(turn),
        turn_time.ticks(),
        time.ticks(),
        event.kind,
        event.task_id.map(|task| task.0),
        event.name,
        event.payload.as_ref().map(Payload::as_str),
        event.detail,
    ])?;
    Ok(())
}

fn remove_what_is_over(conn: &Statements<'_>, turn: &TurnCommit) -> Result<()> {
    let key = turn.key.0;
    for call in &turn.activities_gone {
        conn.held("DELETE FROM activities WHERE key = ?1 AND call = ?2")?.execute([key, call.0])?;
    }
    for call in &turn.timers_gone {
        conn.held("DELETE FROM timers WHERE key = ?1 AND call = ?2")?.execute([key, call.0])?;
    }
    if turn.drop_activities {
        conn.held("DELETE FROM activities WHERE key = ?1")?.execute([key])?;
    }
    if turn.status.is_terminal() || turn.next.is_some() {
        conn.held("DELETE FROM timers WHERE key = ?1")?.execute([key])?;
    }
    if turn.status.is_terminal() {
        conn.held("DELETE FROM inbox WHERE key = ?1")?.execute([key])?;
    } else if turn.inbox_through > 0 {
        conn.held("DELETE FROM inbox WHERE key = ?1 AND seq <= ?2")?.execute([key, int(turn.inbox_through)])?;
    }
    Ok(())
}

fn insert_activities(conn: &Statements<'_>, turn: &TurnCommit) -> Result<()> {
    for new in &turn.new_activities {
        conn.held(
            "INSERT INTO activities (key, call, name, input, runner, claim, place, deliveries, options)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?5 IS NULL, 1, ?7)",
        )?
        .execute(params![
            turn.key.0,
            new.call.0,
            new.name,
            new.input.as_str(),
            new.runner.map(|worker| worker.0),
            new.claim,
            new.options,
        ])?;
    }
    Ok(())
}

fn insert_timers(conn: &Statements<'_>, turn: &TurnCommit) -> Result<()> {
    for new in &turn.new_timers {
        conn.held("INSERT INTO timers (key, call, fire_at) VALUES (?1, ?2, ?3)")?.execute([
            turn.key.0,
            new.call.0,
            new.fire_at.ticks(),
        ])?;
    }
    Ok(())
}
