//! The first round trip: locks, and what the writes must know.

use std::collections::HashMap;

use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::super::connection::{Connection, Step};
use super::super::error::Result;
use super::super::query::{self, get};
use super::super::time::now;
use super::super::workers::living;
use super::work::{Locked, Work};
use crate::backend::{
    CallId, Completes, InboxRow, InstanceKey, InstanceRow, MessageTarget, NewChild, NewMessage, NewTimer,
    OutgoingMessage, Recipient, WorkerId, Write,
};
use crate::model::{TaskId, Timestamp};

macro_rules! lock {
    ($where:literal) => {
        concat!(
            "SELECT key, id, execution, status, epoch, turn, generation, inbox_seq, owner, parent, parent_call, watched
             FROM instances WHERE ",
            $where,
            " ORDER BY key FOR UPDATE"
        )
    };
}

const LOCK_KEYS: &str = lock!("key = ANY($1::bigint[])");

const LOCK: &str = lock!("key = ANY($1::bigint[]) OR id = ANY($2::text[])");

/// The children that messages of turns go to. Only turns of an instance start its children, so this needs no lock.
const CHILDREN: &str = concat!(
    "SELECT i.key FROM unnest($1::bigint[], $2::bigint[]) AS u (parent, call) JOIN instances i ON i.parent = u.parent
     WHERE i.parent_call = u.call AND i.status NOT IN ",
    finished!(),
    " UNION SELECT key FROM instances WHERE parent = ANY($3::bigint[]) AND parent_call IS NOT NULL AND status NOT IN ",
    finished!()
);

const FRESH_KEYS: &str = "SELECT nextval('instance_keys') FROM generate_series(1, $1::bigint)";

const LIVING: &str = concat!("SELECT l.worker, false FROM (", living!(), ") AS l");

/// Those who live, and those who ended in order and own one of these instances.
const WORKERS: &str = concat!(
    "SELECT l.worker, false FROM (",
    living!(),
    ") AS l UNION ALL SELECT worker, true FROM workers WHERE drained IS NOT NULL
      AND worker = ANY(ARRAY(SELECT owner FROM instances WHERE key = ANY($1::bigint[])))"
);

/// Claims change calls without the lock of the instance, hence these locks.
const CALLS: &str = "SELECT a.key, a.call, a.claim FROM unnest($1::bigint[], $2::bigint[]) AS u (key, call)
    JOIN activities a ON a.key = u.key AND a.call = u.call FOR UPDATE OF a";

const TIMERS: &str = "SELECT t.key, t.call FROM unnest($1::bigint[], $2::bigint[]) AS u (key, call)
    JOIN timers t ON t.key = u.key AND t.call = u.call";

const TIMERS_OF: &str = "SELECT key, call, fire_at FROM timers WHERE key = ANY($1::bigint[])";

const ARRIVED: &str = "SELECT m.key, m.task_id, m.kind, min(m.seq)
    FROM unnest($1::bigint[], $2::bigint[], $3::text[]) AS u (key, task_id, kind) JOIN inbox m ON m.key = u.key
    WHERE m.kind = u.kind AND m.task_id IS NOT DISTINCT FROM u.task_id GROUP BY m.key, m.task_id, m.kind";

/// What writes are about.
#[derive(Default)]
pub(super) struct Needs<'a> {
    pub(super) keys: Vec<i64>,
    pub(super) ids: Vec<&'a str>,
    /// Of these, the ones that somebody thinks are there.
    expected: Vec<&'a str>,
    creations: i64,
    /// Whether it matters who lives.
    owners: bool,
    /// Whether the claims matter under which turns have results.
    with_claims: bool,
    children_by_call: (Vec<i64>, Vec<i64>),
    children: Vec<i64>,
    calls: (Vec<i64>, Vec<i64>),
    timers: (Vec<i64>, Vec<i64>),
    /// Instances that are claimed.
    claimed: Vec<i64>,
    /// What they have is read later.
    only_owners: bool,
    /// Messages that complete something.
    completing: Vec<&'a NewMessage>,
}

impl<'a> Needs<'a> {
    pub(super) fn of(writes: &'a [Write], with_claims: bool) -> Self {
        let mut needs = Self { with_claims, ..Self::default() };
        for write in writes {
            needs.add(write);
        }
        needs.keys.sort_unstable();
        needs.keys.dedup();
        needs
    }

    fn add(&mut self, write: &'a Write) {
        match write {
            Write::Create(create) => {
                self.ids.push(&create.id);
                self.creations += 1;
                self.owners = true;
            }
            Write::Turn(turn) => {
                self.keys.push(turn.key.0);
                self.add_children(&turn.children);
                self.add_messages(turn.key, &turn.messages);
                for held in turn.results.iter().filter(|_| self.with_claims) {
                    self.calls.0.push(held.key.0);
                    self.calls.1.push(held.call.0);
                }
            }
            Write::Message(message) => self.add_message(message),
            Write::Claim { key, .. } => {
                self.keys.push(key.0);
                self.claimed.push(key.0);
                self.owners = true;
            }
            Write::Attempt { key, .. } | Write::Stall { key, .. } => self.keys.push(key.0),
            Write::Release(releases) => self.keys.extend(releases.iter().map(|release| release.key.0)),
            Write::HandBack(calls) => {
                for held in calls {
                    self.keys.push(held.key.0);
                    self.calls.0.push(held.key.0);
                    self.calls.1.push(held.call.0);
                }
            }
            Write::Watch { id } => {
                self.ids.push(id);
                self.expected.push(id);
            }
            Write::Progress { key, call, .. } => {
                self.keys.push(key.0);
                self.calls.0.push(key.0);
                self.calls.1.push(call.0);
            }
            Write::Rewind(rewinds) => {
                for rewind in rewinds {
                    self.keys.push(rewind.key.0);
                    self.add_children(&rewind.children);
                }
            }
            Write::Purge { keys, .. } => {
                self.keys.extend(keys.iter().map(|key| key.0));
                self.owners = true;
            }
            Write::ClaimReady { .. } | Write::ClaimActivities { .. } | Write::Expire { .. } => {}
        }
    }

    fn add_children(&mut self, children: &'a [NewChild]) {
        self.ids.extend(children.iter().map(|child| child.create.id.as_str()));
        self.creations += children.len().cast_signed() as i64;
        self.owners |= !children.is_empty();
    }

    fn add_messages(&mut self, from: InstanceKey, messages: &'a [OutgoingMessage]) {
        self.owners |= !messages.is_empty();
        for message in messages {
            match &message.to {
                Recipient::Id(id) => {
                    self.ids.push(id);
                    self.expected.push(id);
                }
                Recipient::Execution(key, _) => self.keys.push(key.0),
                Recipient::Child(call) => {
                    self.children_by_call.0.push(from.0);
                    self.children_by_call.1.push(call.0);
                }
                Recipient::Children => self.children.push(from.0),
            }
        }
    }

    fn add_message(&mut self, message: &'a NewMessage) {
        self.owners = true;
        match &message.to {
            MessageTarget::Id(id) => {
                self.ids.push(id);
                self.expected.push(id);
            }
            MessageTarget::Execution(key, _) => {
                self.keys.push(key.0);
                if let Some(completes) = message.completes {
                    self.add_completes(*key, completes);
                }
            }
        }
        if message.completes.is_some() {
            self.completing.push(message);
        }
    }

    fn add_completes(&mut self, key: InstanceKey, completes: Completes) {
        let (rows, call) = match completes {
            Completes::Activity(call, _) => (&mut self.calls, call),
            Completes::Timer(call) => (&mut self.timers, call),
        };
        rows.0.push(key.0);
        rows.1.push(call.0);
    }
}

/// Locks and reads for the writes of a stage, as the beginning of a transaction or within it.
pub(super) async fn load<'a>(
    connection: &Connection,
    begins: bool,
    writes: &'a [Write],
    with_claims: bool,
) -> Result<Work<'a>> {
    let mut needs = Needs::of(writes, with_claims);
    let mut steps = Vec::new();
    if begins {
        steps.push(Step { sql: "BEGIN", params: Vec::new() });
    }
    let asks_for_children = !needs.children.is_empty() || !needs.children_by_call.0.is_empty();
    if asks_for_children {
        let (parents, calls) = &needs.children_by_call;
        steps.push(Step { sql: CHILDREN, params: vec![parents, calls, &needs.children] });
        let rows = connection.run(&steps).await?;
        let children = rows.last().into_iter().flatten().map(|row| get::<i64>(row, 0)).collect::<Result<Vec<_>>>()?;
        steps.clear();
        needs.keys.extend(children);
    }
    let mut work = Work::default();
    work.are_claims_known = with_claims;
    let mut reads: Vec<Reader<'a>> = steps.iter().map(|_| ignore as Reader<'a>).collect();
    add_steps(&needs, &mut steps, &mut reads);
    let answers = connection.run(&steps).await?;
    for (rows, read) in answers.iter().zip(reads) {
        for row in rows {
            read(&mut work, row)?;
        }
    }
    // They are taken from the end.
    work.fresh_keys.reverse();
    look_again(connection, &needs, &mut work).await?;
    Ok(work)
}

/// What becomes of a row.
type Reader<'a> = fn(&mut Work<'a>, &Row) -> Result<()>;

fn add_steps<'s, 'a>(needs: &'s Needs<'a>, steps: &mut Vec<Step<'s>>, reads: &mut Vec<Reader<'a>>) {
    let mut add = |sql, params: Vec<&'s (dyn ToSql + Sync)>, read: Reader<'a>| {
        steps.push(Step { sql, params });
        reads.push(read);
    };
    if !needs.ids.is_empty() {
        add(LOCK, vec![&needs.keys, &needs.ids], read_instance);
    } else if !needs.keys.is_empty() {
        add(LOCK_KEYS, vec![&needs.keys], read_instance);
    }
    if needs.creations > 0 {
        add(FRESH_KEYS, vec![&needs.creations], read_key);
    }
    if !needs.calls.0.is_empty() {
        add(CALLS, vec![&needs.calls.0, &needs.calls.1], read_call);
    }
    if !needs.timers.0.is_empty() {
        add(TIMERS, vec![&needs.timers.0, &needs.timers.1], read_timer);
    }
    if !needs.claimed.is_empty() {
        add(WORKERS, vec![&needs.claimed], read_worker);
        if !needs.only_owners {
            add(query::INSTANCES_BY_KEY, vec![&needs.claimed], read_row);
            add(query::INBOX_BY_KEY, vec![&needs.claimed], read_message);
            add(TIMERS_OF, vec![&needs.claimed], read_timer_of);
        }
    } else if needs.owners {
        add(LIVING, Vec::new(), read_worker);
    }
}

/// Looks once more for what should be there and is not. An id may have been taken over while we waited for the lock of the
/// instance that had it; a call may be over because its result has arrived before.
async fn look_again(connection: &Connection, needs: &Needs<'_>, work: &mut Work<'_>) -> Result<()> {
    let missing: Vec<_> = needs.expected.iter().copied().filter(|id| work.by_id(id).is_none()).collect();
    if !missing.is_empty() {
        for row in connection.query(LOCK, &[&Vec::<i64>::new(), &missing]).await? {
            read_instance(work, &row)?;
        }
    }
    let mut late = Needs::default();
    for message in &needs.completing {
        if let (MessageTarget::Id(id), Some(completes)) = (&message.to, message.completes)
            && let Some(key) = work.by_id(id)
        {
            late.add_completes(key, completes);
        }
    }
    if !late.calls.0.is_empty() || !late.timers.0.is_empty() {
        for row in connection.query(CALLS, &[&late.calls.0, &late.calls.1]).await? {
            read_call(work, &row)?;
        }
        for row in connection.query(TIMERS, &[&late.timers.0, &late.timers.1]).await? {
            read_timer(work, &row)?;
        }
    }
    look_for_arrived(connection, needs, work).await
}

async fn look_for_arrived(connection: &Connection, needs: &Needs<'_>, work: &mut Work<'_>) -> Result<()> {
    let (mut keys, mut tasks, mut kinds) = (Vec::new(), Vec::new(), Vec::new());
    for message in &needs.completing {
        let key = match &message.to {
            MessageTarget::Id(id) => work.by_id(id),
            MessageTarget::Execution(key, _) => Some(*key),
        };
        let Some((key, completes)) = key.zip(message.completes) else { continue };
        let is_there = match completes {
            Completes::Activity(call, claim) => work.read.calls.get(&(key, call)) == Some(&claim),
            Completes::Timer(call) => work.read.timers.contains(&(key, call)),
        };
        if !is_there {
            keys.push(key.0);
            tasks.push(message.event.task_id.map(|task| i64::from(task.0)));
            kinds.push(&*message.event.kind);
        }
    }
    if keys.is_empty() {
        return Ok(());
    }
    for row in connection.query(ARRIVED, &[&keys, &tasks, &kinds]).await? {
        let task = get::<Option<i64>>(&row, 1)?.and_then(|task| u32::try_from(task).ok()).map(TaskId);
        let seq = query::count(&row, 3)?;
        work.read.arrived.insert((InstanceKey(get(&row, 0)?), task, get(&row, 2)?), seq);
    }
    Ok(())
}

fn ignore(_: &mut Work<'_>, _: &Row) -> Result<()> {
    Ok(())
}

fn read_instance(work: &mut Work<'_>, row: &Row) -> Result<()> {
    let id: String = get(row, 1)?;
    let locked = Locked {
        execution: get(row, 2)?,
        status: query::status(&id, get(row, 3)?)?,
        epoch: query::count(row, 4)?,
        turn: query::count(row, 5)?,
        generation: query::small(row, 6)?,
        inbox_seq: query::count(row, 7)?,
        owner: get::<Option<i64>>(row, 8)?.map(WorkerId),
        parent: get::<Option<i64>>(row, 9)?.map(InstanceKey),
        parent_call: get::<Option<i64>>(row, 10)?.map(CallId),
        watched: get(row, 11)?,
        id,
    };
    work.add(InstanceKey(get(row, 0)?), locked);
    Ok(())
}

fn read_key(work: &mut Work<'_>, row: &Row) -> Result<()> {
    work.fresh_keys.push(InstanceKey(get(row, 0)?));
    Ok(())
}

fn read_call(work: &mut Work<'_>, row: &Row) -> Result<()> {
    work.read.calls.insert((InstanceKey(get(row, 0)?), CallId(get(row, 1)?)), get(row, 2)?);
    Ok(())
}

fn read_timer(work: &mut Work<'_>, row: &Row) -> Result<()> {
    work.read.timers.insert((InstanceKey(get(row, 0)?), CallId(get(row, 1)?)));
    Ok(())
}

fn read_worker(work: &mut Work<'_>, row: &Row) -> Result<()> {
    let worker = WorkerId(get(row, 0)?);
    let is_drained: bool = get(row, 1)?;
    let workers = if is_drained { &mut work.read.drained } else { &mut work.read.living };
    workers.insert(worker);
    Ok(())
}

fn read_row(work: &mut Work<'_>, row: &Row) -> Result<()> {
    let row = query::instance_row(row)?;
    work.read.rows.insert(row.key, row);
    Ok(())
}

fn read_message(work: &mut Work<'_>, row: &Row) -> Result<()> {
    let (key, message) = query::inbox_row(row)?;
    work.read.inboxes.entry(key).or_default().push(message);
    Ok(())
}

fn read_timer_of(work: &mut Work<'_>, row: &Row) -> Result<()> {
    let (key, call) = (InstanceKey(get(row, 0)?), CallId(get(row, 1)?));
    work.read.timers.insert((key, call));
    let fire_at = Timestamp::from_ticks(get(row, 2)?);
    work.read.timers_of.entry(key).or_default().push(NewTimer { call, fire_at });
    Ok(())
}

/// Claims of instances that were just locked, without what they have.
pub(in super::super) async fn load_taken(connection: &Connection, keys: &[i64]) -> Result<Work<'static>> {
    let keys = keys.to_vec();
    load_locked(connection, &Needs { claimed: keys.clone(), keys, only_owners: true, ..Needs::default() }).await
}

/// Rows, messages and timers of instances.
type Contents =
    (HashMap<InstanceKey, InstanceRow>, HashMap<InstanceKey, Vec<InboxRow>>, HashMap<InstanceKey, Vec<NewTimer>>);

/// What instances have that are claimed, at one moment, as a part of a transaction or by itself.
pub(in super::super) async fn read_claimed(
    connection: &Connection,
    keys: &[i64],
    in_transaction: bool,
) -> Result<Contents> {
    let mut steps = vec![Step { sql: "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", params: Vec::new() }];
    let mut reads: Vec<Reader<'static>> = vec![ignore];
    for (sql, read) in [
        (query::INSTANCES_BY_KEY, read_row as Reader<'static>),
        (query::INBOX_BY_KEY, read_message),
        (TIMERS_OF, read_timer_of),
    ] {
        steps.push(Step { sql, params: vec![&keys] });
        reads.push(read);
    }
    steps.push(Step { sql: "COMMIT", params: Vec::new() });
    reads.push(ignore);
    // Who has locked them sees no changes of others.
    let all = if in_transaction { 1..steps.len() - 1 } else { 0..steps.len() };
    let answers = connection.run(&steps[all.clone()]).await?;
    let mut work = Work::default();
    for (rows, read) in answers.iter().zip(&reads[all]) {
        for row in rows {
            read(&mut work, row)?;
        }
    }
    Ok((work.read.rows, work.read.inboxes, work.read.timers_of))
}

/// Instances that were just locked, and who of their owners lives.
pub(in super::super) async fn load_found(connection: &Connection, keys: &[i64]) -> Result<Work<'static>> {
    load_locked(connection, &Needs { keys: keys.to_vec(), owners: true, ..Needs::default() }).await
}

async fn load_locked(connection: &Connection, needs: &Needs<'static>) -> Result<Work<'static>> {
    let (mut steps, mut reads) = (Vec::new(), Vec::new());
    add_steps(needs, &mut steps, &mut reads);
    let answers = connection.run(&steps).await?;
    let mut work = Work::default();
    for (rows, read) in answers.iter().zip(reads) {
        for row in rows {
            read(&mut work, row)?;
        }
    }
    Ok(work)
}
