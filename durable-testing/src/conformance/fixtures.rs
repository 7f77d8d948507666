//! What the cases write, and how they look at it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use durable_core::backend::{
    ActivityRow, Backend, CallId, Claimed, Committed, Completes, CountRow, CreateInstance, Heartbeat, HistoryRow,
    InstanceFilter, InstanceKey, InstanceRow, MessageTarget, NewActivity, NewChild, NewEvent, NewMessage, NewTimer,
    NextExecution, OutgoingMessage, Owned, Recipient, Started, TimerRow, TurnCommit, WorkerId, Write, Written,
};
use durable_core::history::StoredEvent;
use durable_core::model::{Payload, RuntimeStatus, TaskId, Timestamp};
use parking_lot::Mutex;

/// A time that uses the whole precision, `n` ticks after all others. It has not come yet for any store, so that no timer is
/// due.
pub(crate) fn at(n: i64) -> Timestamp {
    Timestamp::from_ticks(80_257_392_001_234_567 + n)
}

pub(crate) fn json(text: &str) -> Payload {
    Payload::from_stored(text)
}

/// The execution of an instance that [`create`] makes.
pub(crate) fn execution(id: &str) -> String {
    format!("execution of {id}")
}

pub(crate) fn create(id: &str) -> CreateInstance {
    CreateInstance {
        id: id.to_owned(),
        execution: execution(id),
        name: "Greet".to_owned(),
        version: None,
        input: json(r#""Ada""#),
        tags: BTreeMap::new(),
        origin: None,
        parent: None,
        parent_call: None,
        start_at: None,
        now: at(0),
        owner: None,
        replace: Vec::new(),
    }
}

/// A task of the first execution.
pub(crate) fn call(task: u32) -> CallId {
    CallId::new(0, TaskId(task))
}

/// A child whose end its parent waits for under a task of its first execution.
pub(crate) fn child(id: &str, task: u32) -> NewChild {
    NewChild { create: CreateInstance { parent_call: Some(call(task)), ..create(id) }, if_taken: Some(taken()) }
}

/// What a parent is told when the id of a child is taken.
pub(crate) fn taken() -> NewEvent {
    NewEvent { time: at(40), event: event("taken", "0") }
}

/// A message of a turn, told apart by its number.
pub(crate) fn outgoing(to: Recipient, n: i64) -> OutgoingMessage {
    OutgoingMessage { to, event: happened(n) }
}

/// The execution of this number of an instance, with nothing carried over.
pub(crate) fn next(generation: u32) -> Box<NextExecution> {
    Box::new(NextExecution {
        execution: format!("execution {generation}"),
        version: None,
        input: json(&generation.to_string()),
        generation,
        carried: Vec::new(),
    })
}

/// The turn of this number, with which the first execution of an instance continues as new.
pub(crate) fn continuing_turn(id: &str, key: InstanceKey, number: u64) -> TurnCommit {
    TurnCommit { status: RuntimeStatus::ContinuedAsNew, next: Some(next(1)), ..turn(id, key, number) }
}

/// Another start of the same id, which replaces the first in these states.
pub(crate) fn create_again(id: &str, replace: &[RuntimeStatus]) -> CreateInstance {
    CreateInstance { execution: "second".to_owned(), replace: replace.to_vec(), ..create(id) }
}

/// The turn of this number, which leaves the instance running and has no rows.
pub(crate) fn turn(id: &str, key: InstanceKey, number: u64) -> TurnCommit {
    TurnCommit {
        key,
        execution: execution(id),
        epoch: 1,
        turn: number,
        turn_time: at(number.cast_signed()),
        status: RuntimeStatus::Running,
        custom_status: None,
        output: None,
        reason: None,
        first_seq: 1,
        history: Vec::new(),
        inbox_through: 0,
        activities_gone: Vec::new(),
        results: Vec::new(),
        timers_gone: Vec::new(),
        new_activities: Vec::new(),
        new_timers: Vec::new(),
        drop_activities: false,
        children: Vec::new(),
        messages: Vec::new(),
        next: None,
    }
}

/// The turn of this number, with which the instance completes.
pub(crate) fn last_turn(id: &str, key: InstanceKey, number: u64) -> TurnCommit {
    TurnCommit { status: RuntimeStatus::Completed, output: Some(json("1")), ..turn(id, key, number) }
}

pub(crate) fn event(name: &str, payload: &str) -> StoredEvent {
    StoredEvent {
        kind: "EventRaised".into(),
        task_id: None,
        name: Some(name.to_owned().into()),
        payload: Some(json(payload)),
        detail: None,
    }
}

/// A history row without a position.
pub(crate) fn happened(n: i64) -> NewEvent {
    NewEvent { time: at(n), event: event(&format!("event {n}"), &n.to_string()) }
}

pub(crate) fn message(id: &str) -> NewMessage {
    NewMessage {
        to: MessageTarget::Id(id.to_owned()),
        time: at(50),
        event: event("Go", r#"{"to": 1}"#),
        completes: None,
    }
}

/// The result of a call that ran under `claim`.
pub(crate) fn completion(id: &str, key: InstanceKey, task: u32, claim: i64) -> NewMessage {
    let event = StoredEvent {
        kind: "TaskCompleted".into(),
        task_id: Some(TaskId(task)),
        name: None,
        payload: Some(json("7")),
        detail: None,
    };
    let to = MessageTarget::Execution(key, execution(id));
    NewMessage { to, time: at(60), event, completes: Some(Completes::Activity(call(task), claim)) }
}

/// A call that any worker may take.
pub(crate) fn free_call(task: u32) -> NewActivity {
    let (name, input) = ("Say".to_owned(), json("[1]"));
    NewActivity { call: call(task), name, input, options: None, runner: None, claim: 0 }
}

/// A call that `runner` has under `claim`.
pub(crate) fn own_call(task: u32, runner: WorkerId, claim: i64) -> NewActivity {
    NewActivity { runner: Some(runner), claim, ..free_call(task) }
}

pub(crate) fn timer(task: u32, due: i64) -> NewTimer {
    NewTimer { call: call(task), fire_at: at(due) }
}

pub(crate) fn timer_row(key: InstanceKey, task: u32, due: i64) -> TimerRow {
    TimerRow { fire_at: at(due), key, call: call(task) }
}

/// A sign of life that asks for everything.
pub(crate) fn heartbeat(worker: WorkerId) -> Heartbeat {
    Heartbeat {
        worker,
        lease: LONG,
        after: InstanceKey(i64::MIN),
        limit: usize::MAX,
        watching: Vec::new(),
        orchestrators: None,
        activities: None,
    }
}

pub(crate) fn every_instance() -> InstanceFilter {
    InstanceFilter { limit: usize::MAX, ..InstanceFilter::default() }
}

/// How long a worker lives that no case lets die.
pub(crate) const LONG: Duration = Duration::from_secs(3600);

/// A store, asked in the words of the cases.
pub(crate) struct Hub {
    pub(crate) store: Arc<dyn Backend>,
    workers: Mutex<Vec<WorkerId>>,
}

impl Hub {
    pub(crate) fn new(store: Arc<dyn Backend>) -> Self {
        Self { store, workers: Mutex::default() }
    }

    /// A worker that has the store to itself: all that were attached before are dead.
    pub(crate) async fn attach(&self) -> WorkerId {
        let before = std::mem::take(&mut *self.workers.lock());
        for worker in before {
            self.die(worker).await;
        }
        self.join().await
    }

    /// A worker beside the others.
    pub(crate) async fn join(&self) -> WorkerId {
        let worker = self.store.attach("worker", LONG).await.expect("a worker can be attached").worker;
        self.workers.lock().push(worker);
        worker
    }

    /// Ends the lease of a worker. In a store of one process the next one ends it.
    pub(crate) async fn die(&self, worker: WorkerId) {
        if let Some(shared) = self.store.shared() {
            let heartbeat = Heartbeat { lease: Duration::ZERO, ..heartbeat(worker) };
            shared.heartbeat(heartbeat).await.expect("a worker can give a sign of life");
        }
    }

    /// The worker that was attached last.
    fn last(&self) -> WorkerId {
        self.workers.lock().last().copied().unwrap_or(WorkerId(i64::MAX))
    }

    /// Carries a batch out. The answers leave out who lives, which only shared stores know.
    pub(crate) async fn commit(&self, batch: Vec<Write>) -> Vec<Written> {
        let mut written = self.commit_fully(batch).await;
        for written in &mut written {
            match written {
                Written::Queued { owner, .. } => *owner = None,
                Written::Committed(committed) => committed.arrived.iter_mut().for_each(|arrived| arrived.owner = None),
                Written::Purged(gone) => gone.iter_mut().for_each(|gone| gone.owner = None),
                Written::Created(Started { replaced: Some(replaced), .. }) => replaced.owner = None,
                _ => {}
            }
        }
        written
    }

    pub(crate) async fn commit_fully(&self, batch: Vec<Write>) -> Vec<Written> {
        let count = batch.len();
        let written = self.store.commit(Arc::new(batch)).await.expect("a batch can be committed");
        assert_eq!(written.len(), count, "every write is answered");
        written
    }

    pub(crate) async fn write(&self, write: Write) -> Written {
        self.commit(vec![write]).await.remove(0)
    }

    pub(crate) async fn create(&self, create: CreateInstance) -> Written {
        self.write(Write::Create(create)).await
    }

    pub(crate) async fn turn(&self, turn: TurnCommit) -> Written {
        self.write(Write::Turn(Box::new(turn))).await
    }

    /// Commits a turn that must fit.
    pub(crate) async fn done(&self, turn: TurnCommit) {
        let what = format!("turn {} of {}", turn.turn, turn.execution);
        assert_eq!(self.turn(turn).await, Written::Done, "{what}");
    }

    /// Commits a turn that reaches other instances.
    pub(crate) async fn reached(&self, turn: TurnCommit) -> Committed {
        match self.turn(turn).await {
            Written::Committed(committed) => *committed,
            other => panic!("a turn with children or messages was answered by {other:?}"),
        }
    }

    pub(crate) async fn purge(&self, keys: &[InstanceKey], force: bool) -> Vec<InstanceKey> {
        match self.write(Write::Purge { keys: keys.to_vec(), force }).await {
            Written::Purged(gone) => gone.into_iter().map(|gone| gone.key).collect(),
            other => panic!("a purge was answered by {other:?}"),
        }
    }

    pub(crate) async fn expire(
        &self,
        status: RuntimeStatus,
        through: i64,
        limit: usize,
    ) -> (Vec<InstanceKey>, Option<Timestamp>) {
        match self.write(Write::Expire { status, through: at(through), limit }).await {
            Written::Expired { gone, oldest } => (gone.into_iter().map(|gone| gone.key).collect(), oldest),
            other => panic!("a removal by age was answered by {other:?}"),
        }
    }

    pub(crate) async fn message(&self, message: NewMessage) -> Written {
        self.write(Write::Message(message)).await
    }

    pub(crate) async fn claim(&self, key: InstanceKey, worker: WorkerId) -> Written {
        self.write(Write::Claim { key, worker, runs: None }).await
    }

    pub(crate) async fn claimed(&self, key: InstanceKey, worker: WorkerId) -> Claimed {
        match self.claim(key, worker).await {
            Written::Claimed(claimed) => *claimed,
            other => panic!("a claim was answered by {other:?}"),
        }
    }

    pub(crate) async fn owned(&self, worker: WorkerId, keys: &[InstanceKey]) -> Vec<Owned> {
        self.store.owned(worker, keys.to_vec()).await.expect("own instances can be read")
    }

    /// The unread messages. Looking at them makes `worker` the owner.
    pub(crate) async fn inbox(&self, key: InstanceKey, worker: WorkerId) -> Vec<u64> {
        self.claimed(key, worker).await.inbox.iter().map(|row| row.seq).collect()
    }

    pub(crate) async fn claim_activities(&self, worker: WorkerId, first_claim: i64, limit: usize) -> Vec<ActivityRow> {
        match self.write(Write::ClaimActivities { worker, first_claim, limit, runs: None }).await {
            Written::Activities(rows) => rows,
            other => panic!("a claim of activities was answered by {other:?}"),
        }
    }

    /// The calls that have no living runner, which `worker` runs from now on.
    pub(crate) async fn free_tasks(&self, worker: WorkerId) -> Vec<u32> {
        // Tokens are never used twice.
        static CLAIMS: AtomicI64 = AtomicI64::new(1 << 40);
        let first = CLAIMS.fetch_add(1 << 20, Ordering::Relaxed);
        self.claim_activities(worker, first, 1 << 20).await.iter().map(|row| row.call.task().0).collect()
    }

    /// A new instance that nobody owns.
    pub(crate) async fn start(&self, id: &str) -> InstanceKey {
        self.start_as(create(id)).await
    }

    pub(crate) async fn start_as(&self, create: CreateInstance) -> InstanceKey {
        match self.create(create).await {
            Written::Created(Started { key, .. }) => key,
            other => panic!("a creation was answered by {other:?}"),
        }
    }

    pub(crate) async fn row(&self, id: &str) -> InstanceRow {
        let row = self.store.instance(id).await.expect("an instance can be read");
        row.unwrap_or_else(|| panic!("there is no instance '{id}'"))
    }

    pub(crate) async fn history(&self, key: InstanceKey) -> Vec<HistoryRow> {
        self.store.history(key).await.expect("a history can be read")
    }

    pub(crate) async fn timers(&self) -> Vec<TimerRow> {
        self.timers_after(None, usize::MAX).await
    }

    pub(crate) async fn timers_after(&self, after: Option<TimerRow>, limit: usize) -> Vec<TimerRow> {
        self.store.timers(self.last(), after, limit).await.expect("timers can be read")
    }

    pub(crate) async fn ready(&self, worker: WorkerId) -> Vec<InstanceKey> {
        self.store.ready(worker, InstanceKey(0), usize::MAX, None).await.expect("ready instances can be read")
    }

    pub(crate) async fn list(&self, filter: InstanceFilter) -> Vec<String> {
        let rows = self.store.list(filter).await.expect("instances can be listed");
        rows.into_iter().map(|row| row.id).collect()
    }

    pub(crate) async fn count(&self, filter: InstanceFilter) -> Vec<CountRow> {
        let mut rows = self.store.count(filter).await.expect("instances can be counted");
        rows.sort_by_key(|row| (row.name.to_ascii_lowercase(), row.version.clone(), row.status));
        rows
    }

    pub(crate) async fn activities(&self, key: InstanceKey) -> Vec<ActivityRow> {
        self.store.activities(key).await.expect("activities can be read")
    }
}
