//! Carrying out writes.

use rusqlite::{Connection, params};

use super::error::Result;
use super::query::int;
use super::statements::Statements;
use super::{claim, create, expire, message, purge, rewind, turn};
use crate::backend::{CallId, InstanceKey, Write, Written};
use crate::model::Payload;

pub(super) fn apply(conn: &Statements<'_>, write: &Write) -> Result<Written> {
    match write {
        Write::Create(create) => create::create(conn, create, create.parent),
        Write::Turn(turn) => turn::turn(conn, turn),
        Write::Message(message) => message::message(conn, message),
        // What waits here has no other worker, so nobody asks what this one can run.
        Write::Claim { key, worker, .. } => claim::claim(conn, *key, *worker),
        Write::ClaimReady { worker, after, limit, again, .. } => {
            claim::claim_ready(conn, *worker, *after, *limit, *again)
        }
        Write::Release(releases) => claim::release(conn, releases),
        Write::HandBack(calls) => claim::hand_back(conn, calls),
        Write::Watch { .. } => Ok(Written::Done),
        Write::Attempt { key, epoch } => claim::attempt(conn, *key, *epoch),
        Write::ClaimActivities { worker, first_claim, limit, .. } => {
            claim::claim_activities(conn, *worker, *first_claim, *limit)
        }
        Write::Stall { key, epoch, reason } => stall(conn, *key, *epoch, reason.as_deref()),
        Write::Progress { key, call, claim, progress: told } => progress(conn, *key, *call, *claim, told),
        Write::Rewind(rewinds) => rewind::rewind(conn, rewinds),
        Write::Purge { keys, force } => purge::purge(conn, keys, *force),
        Write::Expire { status, through, limit } => expire::expire(conn, *status, *through, *limit),
    }
}

fn stall(conn: &Connection, key: InstanceKey, epoch: u64, reason: Option<&str>) -> Result<Written> {
    let changed = conn
        .prepare_cached(
            "UPDATE instances SET stalled = ?3, crashes = 0 WHERE key = ?1 AND epoch = ?2 AND ended IS NULL",
        )?
        .execute(params![key.0, int(epoch), reason])?;
    Ok(if changed == 0 { Written::Refused } else { Written::Done })
}

fn progress(conn: &Connection, key: InstanceKey, call: CallId, claim: i64, progress: &Payload) -> Result<Written> {
    let changed = conn
        .prepare_cached("UPDATE activities SET progress = ?4 WHERE key = ?1 AND call = ?2 AND claim = ?3")?
        .execute(params![key.0, call.0, claim, progress.as_str()])?;
    Ok(if changed == 0 { Written::Refused } else { Written::Done })
}
