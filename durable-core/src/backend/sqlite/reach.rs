//! What a turn does to other instances.

use rusqlite::OptionalExtension;

use super::error::Result;
use super::message::{deliver_new, recipients};
use super::statements::Statements;
use super::{create, query};
use crate::backend::{
    Arrived, Committed, CreateInstance, InstanceKey, NewChild, Started, TurnCommit, WorkerId, Written,
};

pub(super) fn reach(conn: &Statements<'_>, turn: &TurnCommit) -> Result<Written> {
    if turn.children.is_empty() && turn.messages.is_empty() {
        return Ok(Written::Done);
    }
    let mut committed = Committed::default();
    // A finished instance reads nothing any more.
    let reads = !turn.status.is_terminal();
    for child in &turn.children {
        let (started, arrived) = create_child(conn, turn.key, child, reads)?;
        committed.started.push(started);
        committed.arrived.extend(arrived);
    }
    for message in &turn.messages {
        for to in recipients(conn, turn.key, &message.to)? {
            committed.arrived.push(deliver_new(conn, to, &message.event)?);
        }
    }
    Ok(Written::Committed(Box::new(committed)))
}

/// Starts a child, or tells its parent, if that one still reads, that the id is taken.
pub(super) fn create_child(
    conn: &Statements<'_>,
    parent: InstanceKey,
    child: &NewChild,
    parent_reads: bool,
) -> Result<(Option<Started>, Option<Arrived>)> {
    if let Written::Created(started) = create::create(conn, &child.create, Some(parent))? {
        return Ok((Some(started), None));
    }
    let event = child.if_taken.as_ref().filter(|_| parent_reads);
    Ok((None, event.map(|event| deliver_new(conn, parent, event)).transpose()?))
}

/// The answer to a turn that was committed before.
pub(super) fn reached_before(conn: &Statements<'_>, turn: &TurnCommit) -> Result<Written> {
    if turn.children.is_empty() && turn.messages.is_empty() {
        return Ok(Written::Done);
    }
    let started = turn.children.iter().map(|child| started_before(conn, &child.create)).collect::<Result<_>>()?;
    let mut look = Vec::new();
    for message in &turn.messages {
        look.extend(recipients(conn, turn.key, &message.to)?);
    }
    if turn.children.iter().any(|child| child.if_taken.is_some()) {
        look.push(turn.key);
    }
    look.sort_unstable();
    look.dedup();
    Ok(Written::Committed(Box::new(Committed { started, arrived: Vec::new(), look, watched: false })))
}

fn started_before(conn: &Statements<'_>, create: &CreateInstance) -> Result<Option<Started>> {
    let found = conn
        .held("SELECT key, epoch, owner FROM instances WHERE id = ?1 AND execution = ?2")?
        .query_row([&create.id, &create.execution], |row| {
            let owner = row.get::<_, Option<i64>>(2)?.map(WorkerId);
            Ok(Started { key: InstanceKey(row.get(0)?), epoch: query::count(row, 1)?, owner, replaced: None })
        })
        .optional()?;
    Ok(found)
}
