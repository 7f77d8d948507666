//! Removing instances that have ended long ago.

use rusqlite::{Connection, params};

use super::error::Result;
use super::purge;
use super::query::{self, int};
use crate::backend::{Gone, InstanceKey, Written};
use crate::model::{RuntimeStatus, Timestamp};

/// One more event is too many for one transaction.
const MOST_EVENTS: u64 = 5_000;

/// One more freed page is too many: SQLite reads each of them, and writes a list of them. Pages have 4 KiB.
const MOST_PAGES: u64 = 1_024;

/// What has ended with a status, the oldest first.
const OLDEST: &str = "SELECT key, ended, history_len FROM instances INDEXED BY instances_ended
    WHERE status = ?1 AND ended IS NOT NULL ORDER BY ended, key LIMIT ?2";

pub(super) fn expire(conn: &Connection, status: RuntimeStatus, through: Timestamp, limit: usize) -> Result<Written> {
    let mut select = conn.prepare_cached(OLDEST)?;
    let rows = select.query_map(params![status.as_str(), int(limit as u64).saturating_add(1)], |row| {
        Ok((InstanceKey(row.get(0)?), Timestamp::from_ticks(row.get(1)?), query::count(row, 2)?))
    })?;
    let rows = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    let before = free_pages(conn)?;
    let (mut gone, mut events) = (Vec::new(), 0);
    for (key, ended, history_len) in &rows {
        let is_much = !gone.is_empty()
            && (events + history_len > MOST_EVENTS || free_pages(conn)?.saturating_sub(before) > MOST_PAGES);
        if gone.len() == limit || *ended > through || is_much {
            break;
        }
        purge::remove(conn, *key)?;
        events += history_len;
        gone.push(Gone { key: *key, owner: None });
    }
    let oldest = rows.get(gone.len()).map(|(_, ended, _)| *ended);
    Ok(Written::Expired { gone, oldest })
}

fn free_pages(conn: &Connection) -> Result<u64> {
    Ok(conn.prepare_cached("PRAGMA freelist_count")?.query_row([], |row| query::count(row, 0))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::sqlite::query::tests::plan;

    #[test]
    fn the_oldest_come_from_an_index_in_order() {
        let plan = plan(OLDEST);
        assert!(plan.contains("SEARCH instances USING INDEX instances_ended (status=? AND ended>?)"), "{plan}");
        assert!(!plan.contains("B-TREE"), "{plan}");
    }
}
