//! Going on in another execution.

use rusqlite::params;

use super::error::Result;
use super::message;
use super::statements::Statements;
use crate::backend::{InstanceKey, NextExecution};

/// What belongs to the instance stays: its calls, its custom status, and the messages that no turn has consumed and that are about
/// no task of the execution that ends.
pub(super) fn continue_as(conn: &Statements<'_>, key: InstanceKey, next: &NextExecution) -> Result<()> {
    conn.held("UPDATE instances SET execution = ?2, version = ?3, generation = ?4, history_len = 0 WHERE key = ?1")?
        .execute(params![key.0, next.execution, next.version, next.generation])?;
    conn.held("UPDATE headers SET input = ?2 WHERE key = ?1")?.execute(params![key.0, next.input.as_str()])?;
    conn.held("DELETE FROM history WHERE key = ?1")?.execute([key.0])?;
    conn.held("DELETE FROM inbox WHERE key = ?1 AND task_id IS NOT NULL")?.execute([key.0])?;
    for row in &next.carried {
        message::put_back(conn, key, row)?;
    }
    Ok(())
}
