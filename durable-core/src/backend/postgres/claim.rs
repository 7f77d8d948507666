//! Taking instances and activities over.

use tokio_postgres::Row;

use super::connection::{Connection, Step};
use super::error::Result;
use super::query::{self, get, limit, optional_payload, payload};
use super::runs::{Runs, can_run, numbers, order};
use super::time::now;
use super::workers::{self, living, ready_query};
use super::writer::{self, Work};
use crate::backend::{
    ActivityRow, CallId, Claimed, HeldCall, InstanceKey, InstanceRow, Release, RunnableActivities,
    RunnableOrchestrators, WorkerId, Written,
};

/// What [`activity`] reads.
macro_rules! activity_columns {
    () => {
        "a.key, i.id, i.execution, a.call, a.name, a.input, a.claim, a.deliveries, a.runner, a.options, a.progress"
    };
}

const ACTIVITIES: &str = concat!(
    "SELECT ",
    activity_columns!(),
    " FROM activities a JOIN instances i ON i.key = a.key WHERE a.key = $1 ORDER BY a.call"
);

/// What this very claim took when it was made before, else what waits. Calls that somebody else is just taking are passed
/// over, so that nobody waits here. A worker that is settled gets nothing new before its next heartbeat: nobody would sweep up
/// after it again. What it took before it was found dead waits for anybody, but is its own as long as nobody has taken it.
const CLAIM_ACTIVITIES: &str = concat!(
    "WITH again AS MATERIALIZED (
        SELECT key, call FROM activities WHERE place = 2 AND claim >= $2 AND claim < $3 AND runner = $1
        UNION ALL SELECT key, call FROM activities WHERE place = 1 AND claim >= $2 AND claim < $3 AND runner = $1
            AND EXISTS (SELECT FROM workers WHERE worker = $1 AND swept IS NOT NULL)),
    back AS (
        UPDATE activities a SET place = 2 FROM again t
        WHERE a.key = t.key AND a.call = t.call AND a.place = 1 AND a.claim >= $2 AND a.claim < $3 AND a.runner = $1
            AND EXISTS (SELECT FROM workers WHERE worker = $1 AND NOT settled)),
    waiting AS MATERIALIZED (
        SELECT key, call FROM activities
        WHERE place = 1 AND ($5::text[] IS NULL OR lower(name) = ANY($5)) AND NOT EXISTS (SELECT FROM again)
            AND EXISTS (SELECT FROM workers WHERE worker = $1 AND NOT settled)
        ORDER BY call & 4294967295, key, call LIMIT $4 FOR UPDATE SKIP LOCKED),
    numbered AS (
        SELECT key, call, row_number() OVER (ORDER BY call & 4294967295, key, call) - 1 AS number FROM waiting),
    taken AS (
        UPDATE activities a SET runner = $1, claim = $2 + n.number, place = 2, deliveries = a.deliveries
            + CASE WHEN a.runner IS NULL
                OR a.runner = ANY(ARRAY(SELECT worker FROM workers WHERE drained IS NOT NULL AND worker = a.runner))
              THEN 0 ELSE 1 END
        FROM numbered n WHERE a.key = n.key AND a.call = n.call RETURNING a.*)
    SELECT ",
    activity_columns!(),
    " FROM taken a JOIN instances i ON i.key = a.key
    UNION ALL SELECT ",
    activity_columns!(),
    " FROM again t JOIN activities a ON a.key = t.key AND a.call = t.call JOIN instances i ON i.key = t.key
    ORDER BY claim"
);

/// Nobody waits for the lock of an instance that somebody else is just changing.
const LOCK_READY: &str = concat!(
    "WITH RECURSIVE ",
    ready_query!("$2"),
    " SELECT i.key FROM instances i
    WHERE i.key = ANY(ARRAY(SELECT key FROM ready)) AND i.status NOT IN ",
    finished!(),
    " AND CASE WHEN i.owner = $1 THEN $4::boolean
          ELSE i.owner IS NULL OR i.owner <> ALL(ARRAY(",
    living!(),
    ")) END
      AND ",
    can_run!("$5", "$6", "$7", "$8", "$9"),
    "
    ORDER BY i.key LIMIT $3 FOR UPDATE SKIP LOCKED"
);

/// A claim of activities.
pub(super) struct ActivityClaim {
    worker: i64,
    first: i64,
    end: i64,
    limit: i64,
    names: Option<Vec<String>>,
}

impl ActivityClaim {
    pub(super) fn new(worker: WorkerId, first: i64, most: usize, runs: &RunnableActivities) -> Self {
        let names = workers::lowercase(runs);
        let limit = limit(most);
        Self { worker: worker.0, first, end: first.saturating_add(limit), limit, names }
    }

    pub(super) fn steps<'s>(&'s self, steps: &mut Vec<Step<'s>>) {
        steps.push(Step { sql: workers::SWEEP, params: Vec::new() });
        let params = vec![&self.worker as _, &self.first as _, &self.end as _, &self.limit as _, &self.names as _];
        steps.push(Step { sql: CLAIM_ACTIVITIES, params });
    }
}

pub(super) fn claimed_activities(rows: &[Row]) -> Result<Written> {
    Ok(Written::Activities(rows.iter().map(activity).collect::<Result<_>>()?))
}

/// `None` when the stage must end before it.
pub(super) fn claim(
    work: &mut Work<'_>,
    key: InstanceKey,
    worker: WorkerId,
    runs: &RunnableOrchestrators,
) -> Option<Written> {
    let Some(instance) = work.instances.get(&key) else { return Some(Written::NotFound) };
    if instance.status.is_terminal() {
        return Some(Written::Finished { status: instance.status });
    }
    if instance.is_changed {
        return None;
    }
    if instance.owner != Some(worker) {
        if let Some(worker) = work.living(instance.owner) {
            return Some(Written::Owned { worker });
        }
        if !work.row(key).is_some_and(|row| fits(runs, row)) {
            return Some(Written::Unfit);
        }
    }
    Some(take(work, key, worker).map_or(Written::NotFound, |claimed| Written::Claimed(Box::new(claimed))))
}

fn fits(runs: &RunnableOrchestrators, row: &InstanceRow) -> bool {
    runs.as_ref().is_none_or(|runs| runs.iter().any(|known| known.fits(&row.name, row.version.as_deref())))
}

/// Makes a worker the owner of an instance.
fn take(work: &mut Work<'_>, key: InstanceKey, worker: WorkerId) -> Option<Claimed> {
    let before = work.instances.get(&key)?.owner;
    let owner_lost = before != Some(worker) && work.is_lost(before);
    if let Some(instance) = work.instances.get_mut(&key).filter(|_| before != Some(worker)) {
        instance.epoch += 1;
        instance.owner = Some(worker);
        instance.is_held = true;
    }
    let (instance, inbox, timers) = work.claimed(key)?;
    Some(Claimed { instance, inbox, timers: Some(timers), owner_lost })
}

/// A stage of its own: it must find what is ready before it can say what it is about.
pub(super) async fn claim_ready(
    connection: &Connection,
    begins: bool,
    worker: WorkerId,
    after: InstanceKey,
    most: usize,
    runs: &RunnableOrchestrators,
    again: bool,
) -> Result<Written> {
    let (most, runs) = (limit(most), Runs::new(runs));
    let mut steps = Vec::new();
    if begins {
        steps.push(Step { sql: "BEGIN", params: Vec::new() });
    }
    let params = vec![
        &worker.0 as _,
        &after.0 as _,
        &most as _,
        &again as _,
        &runs.all as _,
        &runs.names as _,
        &runs.of as _,
        &runs.versions as _,
        &runs.or_earlier as _,
    ];
    steps.push(Step { sql: LOCK_READY, params });
    let answers = connection.run(&steps).await?;
    let keys = answers.last().into_iter().flatten().map(|row| get(row, 0)).collect::<Result<Vec<i64>>>()?;
    let mut work = writer::load_claimed(connection, &keys).await?;
    // A row that had another owner when the query began is looked at once more.
    let free = |work: &Work<'_>, key: &i64| {
        let owner = work.instances.get(&InstanceKey(*key)).and_then(|instance| instance.owner);
        owner == Some(worker) || work.living(owner).is_none()
    };
    let mut taken = Vec::with_capacity(keys.len());
    for key in keys {
        if free(&work, &key) {
            taken.extend(take(&mut work, InstanceKey(key), worker));
        }
    }
    writer::write(connection, work).await?;
    Ok(Written::Taken(taken))
}

pub(super) fn release(work: &mut Work<'_>, releases: &[Release]) -> Written {
    let mut kept = Vec::new();
    for release in releases {
        let Some(instance) = work.instances.get_mut(&release.key) else { continue };
        if instance.epoch == release.epoch && release.inbox_seq.is_none_or(|seq| seq == instance.inbox_seq) {
            instance.owner = None;
            instance.watched |= release.watched;
            instance.is_held = true;
        } else {
            kept.push(release.key);
        }
    }
    Written::Kept(kept)
}

pub(super) fn hand_back(work: &mut Work<'_>, calls: &[HeldCall]) -> Written {
    for HeldCall { key, call, claim } in calls {
        if work.claim_of(*key, *call) == Some(*claim) {
            work.take_from_runner(*key, *call);
        }
    }
    Written::Done
}

pub(super) fn watch(work: &mut Work<'_>, id: &str) -> Written {
    let Some(instance) = work.by_id(id).and_then(|key| work.instances.get_mut(&key)) else {
        return Written::NotFound;
    };
    instance.is_held |= !instance.watched;
    instance.watched = true;
    Written::Done
}

/// `None` when the stage must end before it.
pub(super) fn attempt(work: &mut Work<'_>, key: InstanceKey, epoch: u64) -> Option<Written> {
    let Some(instance) = work.instances.get_mut(&key).filter(|instance| instance.epoch == epoch) else {
        return Some(Written::Refused);
    };
    if instance.is_changed {
        return None;
    }
    instance.is_changed = true;
    work.changes.attempts.push((key.0,));
    Some(Written::Done)
}

/// The calls of an instance that are not consumed.
pub(super) async fn activities(connection: &Connection, key: InstanceKey) -> Result<Vec<ActivityRow>> {
    connection.query(ACTIVITIES, &[&key.0]).await?.iter().map(activity).collect()
}

fn activity(row: &Row) -> Result<ActivityRow> {
    Ok(ActivityRow {
        key: InstanceKey(get(row, 0)?),
        instance: get(row, 1)?,
        execution: get(row, 2)?,
        call: CallId(get(row, 3)?),
        name: get(row, 4)?,
        input: payload(row, 5)?,
        claim: get(row, 6)?,
        deliveries: query::small(row, 7)?,
        runner: get::<Option<i64>>(row, 8)?.map(WorkerId),
        options: get(row, 9)?,
        progress: optional_payload(row, 10)?,
    })
}
