//! Removing instances.

use std::collections::BTreeMap;

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, params};

use super::error::Result;
use crate::backend::{Gone, InstanceKey, Written};

pub(super) fn purge(conn: &Connection, keys: &[InstanceKey], force: bool) -> Result<Written> {
    let mut gone = Vec::new();
    for key in keys {
        let fits = conn
            .prepare_cached("SELECT 1 FROM instances WHERE key = ?1 AND (?2 OR ended IS NOT NULL)")?
            .query_row(params![key.0, force], |_| Ok(()))
            .optional()?;
        if fits.is_some() {
            remove(conn, *key)?;
            gone.push(Gone { key: *key, owner: None });
        }
    }
    Ok(Written::Purged(gone))
}

/// Removes an instance and every row of it.
pub(super) fn remove(conn: &Connection, key: InstanceKey) -> Result<()> {
    remove_tags(conn, key)?;
    for sql in [
        "DELETE FROM timers WHERE key = ?1",
        "DELETE FROM activities WHERE key = ?1",
        "DELETE FROM inbox WHERE key = ?1",
        "DELETE FROM history WHERE key = ?1",
        "DELETE FROM custom_statuses WHERE key = ?1",
        "DELETE FROM headers WHERE key = ?1",
        "DELETE FROM instances WHERE key = ?1",
    ] {
        conn.prepare_cached(sql)?.execute([key.0])?;
    }
    Ok(())
}

/// The tags are ordered by their texts, so each is looked for by what the header says.
fn remove_tags(conn: &Connection, key: InstanceKey) -> Result<()> {
    let text: Option<String> = conn
        .prepare_cached("SELECT tags FROM headers WHERE key = ?1 AND tags IS NOT NULL")?
        .query_row([key.0], |row| row.get(0))
        .optional()?;
    let Some(text) = text else { return Ok(()) };
    let tags: BTreeMap<String, String> = serde_json::from_str(&text)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, Type::Text, error.into()))?;
    for (tag, value) in tags {
        conn.prepare_cached("DELETE FROM tags WHERE tag = ?1 AND value = ?2 AND key = ?3")?
            .execute(params![tag, value, key.0])?;
    }
    Ok(())
}
