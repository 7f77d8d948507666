//! Removing instances that have ended long ago.

use tokio_postgres::Row;

use super::connection::{Connection, Step};
use super::error::Result;
use super::query::{self, get, limit};
use super::writer;
use crate::backend::{Gone, InstanceKey, Written};
use crate::model::{RuntimeStatus, Timestamp};

/// One more event is too many for one transaction.
const MOST_EVENTS: u64 = 5_000;

/// What has ended with a status by then, the oldest first. What others are just removing is passed over, so that workers that do
/// this at the same time share the work.
const DUE: &str = "SELECT key, history_len FROM instances WHERE status = $1 AND ended IS NOT NULL AND ended <= $2
    ORDER BY ended, key LIMIT $3 FOR UPDATE SKIP LOCKED";

/// Without locks: what was passed over counts, since it may be left.
const OLDEST: &str = "SELECT ended FROM instances WHERE status = $1 AND ended IS NOT NULL ORDER BY ended, key LIMIT 1";

/// A stage of its own: it must find what is due before it can say what it is about.
pub(super) async fn expire(
    connection: &Connection,
    begins: bool,
    status: RuntimeStatus,
    through: Timestamp,
    most: usize,
) -> Result<Written> {
    let (status, through, most) = (status.as_str(), through.ticks(), limit(most));
    let mut steps = Vec::new();
    if begins {
        steps.push(Step { sql: "BEGIN", params: Vec::new() });
    }
    steps.push(Step { sql: DUE, params: vec![&status, &through, &most] });
    let answers = connection.run(&steps).await?;
    let keys = few(answers.last().map(Vec::as_slice).unwrap_or_default())?;
    let mut gone = Vec::with_capacity(keys.len());
    if !keys.is_empty() {
        let mut work = writer::load_found(connection, &keys).await?;
        for key in keys.into_iter().map(InstanceKey) {
            let owner = work.instances.get(&key).and_then(|instance| instance.owner);
            gone.push(Gone { key, owner: work.living(owner) });
            work.remove(key);
        }
        writer::write(connection, work).await?;
    }
    let left = connection.query(OLDEST, &[&status]).await?;
    let oldest = left.first().map(|row| get(row, 0)).transpose()?.map(Timestamp::from_ticks);
    Ok(Written::Expired { gone, oldest })
}

/// The first of them, as many as one transaction can remove.
fn few(rows: &[Row]) -> Result<Vec<i64>> {
    let (mut keys, mut events) = (Vec::new(), 0);
    for row in rows {
        events += query::count(row, 1)?;
        if !keys.is_empty() && events > MOST_EVENTS {
            break;
        }
        keys.push(get(row, 0)?);
    }
    Ok(keys)
}
