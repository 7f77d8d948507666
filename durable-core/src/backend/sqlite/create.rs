//! Creating instances.

use std::collections::BTreeMap;

use rusqlite::params;

use super::error::{Failure, Result};
use super::statements::Statements;
use super::{purge, query};
use crate::backend::{CallId, CreateInstance, Gone, InstanceKey, Started, WorkerId, Written};
use crate::model::{RuntimeStatus, Timestamp};

pub(super) fn create(conn: &Statements<'_>, create: &CreateInstance, parent: Option<InstanceKey>) -> Result<Written> {
    if let Some(key) = insert(conn, create, parent, 1)? {
        return Ok(Written::Created(Started { key, epoch: 1, owner: create.owner, replaced: None }));
    }
    let (key, status, epoch, execution, awaited, owner) = conn
        .held("SELECT key, status, epoch, execution, parent_call IS NOT NULL, owner FROM instances WHERE id = ?1")?
        .query_row([&create.id], |row| {
            let (status, execution): (String, String) = (row.get(1)?, row.get(3)?);
            let owner = row.get::<_, Option<i64>>(5)?.map(WorkerId);
            Ok((InstanceKey(row.get(0)?), status, query::count(row, 2)?, execution, row.get::<_, bool>(4)?, owner))
        })?;
    let status = query::status(&create.id, &status)?;
    // Whatever a child may replace, the instance that starts it goes on.
    if parent == Some(key) {
        return Ok(Written::Exists { status });
    }
    if execution == create.execution {
        return Ok(Written::Created(Started { key, epoch, owner, replaced: None }));
    }
    let awaited = awaited && !status.is_terminal();
    if awaited || !create.replace.contains(&status) {
        return Ok(Written::Exists { status });
    }
    purge::remove(conn, key)?;
    let (epoch, replaced) = (epoch + 1, Some(Gone { key, owner: None }));
    let key = insert(conn, create, parent, epoch)?
        .ok_or_else(|| Failure::corrupt("the index of the instance ids is damaged"))?;
    Ok(Written::Created(Started { key, epoch, owner: create.owner, replaced }))
}

/// Inserts the rows of a new instance, unless its id is taken.
fn insert(
    conn: &Statements<'_>,
    create: &CreateInstance,
    parent: Option<InstanceKey>,
    epoch: u64,
) -> Result<Option<InstanceKey>> {
    let inserted = conn
        .held(
            "INSERT INTO instances
                 (id, execution, name, status, created, updated, owner, epoch, version, parent, parent_call, start_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT (id) DO NOTHING",
        )?
        .execute(params![
            create.id,
            create.execution,
            create.name,
            RuntimeStatus::Pending.as_str(),
            create.now.ticks(),
            create.owner.map(|worker| worker.0),
            query::int(epoch),
            create.version,
            parent.map(|parent| parent.0),
            create.parent_call.map(|call| call.0),
            create.start_at.map(Timestamp::ticks),
        ])?;
    if inserted == 0 {
        return Ok(None);
    }
    let key = conn.last_insert_rowid();
    conn.held("INSERT INTO headers (key, input, tags, origin) VALUES (?1, ?2, ?3, ?4)")?.execute(params![
        key,
        create.input.as_str(),
        tags_text(&create.tags)?,
        create.origin,
    ])?;
    for (tag, value) in &create.tags {
        conn.held("INSERT INTO tags (tag, value, key) VALUES (?1, ?2, ?3)")?.execute(params![tag, value, key])?;
    }
    if let Some(start_at) = create.start_at {
        conn.held("INSERT INTO timers (key, call, fire_at) VALUES (?1, ?2, ?3)")?.execute([
            key,
            CallId::START.0,
            start_at.ticks(),
        ])?;
    }
    Ok(Some(InstanceKey(key)))
}

fn tags_text(tags: &BTreeMap<String, String>) -> Result<Option<String>> {
    if tags.is_empty() {
        return Ok(None);
    }
    let text = serde_json::to_string(tags);
    text.map(Some).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()).into())
}
