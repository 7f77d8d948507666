//! Which writes somebody else's lock is in the way of.

use std::collections::HashSet;

use super::super::connection::Step;
use super::super::error::Result;
use super::super::pool::Pooled;
use super::super::query::get;
use super::load::Needs;
use crate::backend::Write;

const ALL: &str = "SELECT key, id FROM instances WHERE key = ANY($1::bigint[]) OR id = ANY($2::text[])";

const FREE: &str = "SELECT key, id FROM instances WHERE key = ANY($1::bigint[]) OR id = ANY($2::text[])
    FOR UPDATE SKIP LOCKED";

/// The positions of writes about instances that somebody else has locked.
pub(in super::super) async fn blocked(connection: &Pooled<'_>, batch: &[Write]) -> Result<Vec<usize>> {
    let Needs { keys, ids, .. } = Needs::of(batch, false);
    let step = |sql| Step { sql, params: Vec::new() };
    let found = |sql| Step { sql, params: vec![&keys, &ids] };
    connection.begin();
    // What comes into being between the two is locked by nobody that matters, but looking at it again does no harm.
    let rows = connection.run(&[step("BEGIN"), found(ALL), found(FREE), step("ROLLBACK")]).await?;
    connection.end();
    let (mut locked, mut locked_ids) = (HashSet::new(), HashSet::new());
    for row in &rows[1] {
        locked.insert(get::<i64>(row, 0)?);
        locked_ids.insert(get::<String>(row, 1)?);
    }
    for row in &rows[2] {
        locked.remove(&get::<i64>(row, 0)?);
        locked_ids.remove(&get::<String>(row, 1)?);
    }
    let is_blocked = |write: &Write| {
        let needs = Needs::of(std::slice::from_ref(write), false);
        needs.keys.iter().any(|key| locked.contains(key)) || needs.ids.iter().any(|id| locked_ids.contains(*id))
    };
    Ok(batch.iter().enumerate().filter(|(_, write)| is_blocked(write)).map(|(at, _)| at).collect())
}
