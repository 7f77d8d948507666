//! Reading many instances at once that their owner brings back into memory.
//!
//! The writer has better things to do, and another connection begins every transaction with an empty cache once something was
//! written. So many are read in one.

use rusqlite::{Connection, OptionalExtension};

use super::claim::inbox;
use super::error::Result;
use super::{SHORT_HISTORY, query};
use crate::backend::{InstanceKey, Owned, WorkerId};

pub(super) fn owned(conn: &Connection, worker: WorkerId, keys: &[InstanceKey]) -> Result<Vec<Owned>> {
    // All looks see the same.
    let _tx = conn.unchecked_transaction()?;
    let mut found = Vec::with_capacity(keys.len());
    for key in keys {
        found.extend(one(conn, worker, *key)?);
    }
    Ok(found)
}

fn one(conn: &Connection, worker: WorkerId, key: InstanceKey) -> Result<Option<Owned>> {
    let instance = conn
        .prepare_cached(query::INSTANCE_BY_KEY)?
        .query_row([key.0], |row| {
            let is_own = row.get::<_, Option<i64>>(query::OWNER)? == Some(worker.0);
            Ok(is_own.then(|| query::instance_row(row)))
        })
        .optional()?
        .flatten()
        .transpose()?;
    let Some(instance) = instance.filter(|instance| !instance.status.is_terminal()) else { return Ok(None) };
    let inbox = inbox(conn, key)?;
    let history = query::history(conn, key, SHORT_HISTORY + 1)?;
    let history = (history.len() <= SHORT_HISTORY).then_some(history);
    Ok(Some(Owned { instance, inbox, history }))
}
