//! From an outcome to a write: the pure middle between the program and the store.

use super::entry::Known;
use super::message::{Message, Origin};
use super::stored;
use crate::backend::{
    CallId, CreateInstance, HeldCall, InboxRow, InstanceKey, NewActivity, NewChild, NewEvent, NewTimer, NextExecution,
    OutgoingMessage, Recipient, TurnCommit, WorkerId,
};
use crate::history::{
    Action, ChildStart, Completion, Continuation, EventKind, ExecutionHeader, ParentInstance, encode_event,
};
use crate::model::{
    ExecutionId, FailureDetails, FunctionName, IdReusePolicy, InstanceId, Payload, RuntimeStatus, TaskId, Timestamp,
    Version,
};
use crate::replay::TurnOutcome;

/// Where an instance stands before a turn.
#[derive(Debug, Clone)]
pub(super) struct Standing {
    pub(super) key: InstanceKey,
    pub(super) epoch: u64,
    pub(super) turn: u64,
    pub(super) turn_time: Timestamp,
    pub(super) history_len: u64,
    /// The last message of the inbox that a turn has consumed.
    pub(super) consumed: u64,
    /// The instance that waits for the end of this one.
    pub(super) parent: Option<InstanceKey>,
    /// It is paused.
    pub(super) is_suspended: bool,
}

impl Standing {
    /// An instance that has not had a turn.
    pub(super) fn new(key: InstanceKey, epoch: u64, parent: Option<InstanceKey>) -> Self {
        Self {
            key,
            epoch,
            turn: 0,
            turn_time: Timestamp::UNIX_EPOCH,
            history_len: 0,
            consumed: 0,
            parent,
            is_suspended: false,
        }
    }
}

/// Who runs a new call: a worker under a claim, or whoever has room.
pub(super) type Placement = Option<(WorkerId, i64)>;

/// What a turn needs to know of the world around it.
pub(super) trait Surroundings {
    /// Who runs a new call. Asked once for each call that will run.
    fn place(&mut self, name: &FunctionName) -> Placement;
    /// Who owns a new child; `None` when there is no room for it here, or no code. Asked once for each child that starts at
    /// once.
    fn adopt(&mut self, name: &FunctionName, version: Option<&Version>) -> Option<WorkerId>;
    /// The version in which a child starts.
    fn version(&self, name: &FunctionName, asked: Option<&Version>) -> Result<Option<Version>, FailureDetails>;
    /// The id of a new execution of an instance.
    fn execution(&self, instance: &InstanceId) -> ExecutionId;
}

/// The write that commits one turn: what the instance received, what its code decided, and where both leave it.
pub(super) fn apply(
    before: &Known,
    turn_time: Timestamp,
    received: &[Message],
    outcome: TurnOutcome,
    world: &mut impl Surroundings,
) -> TurnCommit {
    let mut turn = Turn { commit: empty(before, turn_time), before, turn_time };
    let decided = outcome.actions.len() + outcome.markers.len() + outcome.canceled.len();
    // Exactly, since a store may keep it for long.
    turn.commit.history.reserve_exact(received.len() + decided + usize::from(outcome.completion.is_some()));
    turn.commit.custom_status = outcome.custom_status;
    turn.receive(received);
    let runs = |id: &TaskId| !outcome.drop_tasks && outcome.canceled.binary_search(id).is_err();
    // Sequence numbers only grow, so what is not below the first new one is new.
    let first_new = outcome.actions.first().map(|(id, _)| *id);
    for (id, action) in outcome.actions {
        let runs = runs(&id);
        turn.act(id, action, runs, world);
    }
    for marker in outcome.markers {
        turn.record(&EventKind::MarkerRecorded { marker });
    }
    for task_id in outcome.canceled {
        let is_child = outcome.canceled_children.binary_search(&task_id).is_ok();
        turn.cancel(task_id, is_child, first_new.is_some_and(|first| task_id >= first));
    }
    for event in outcome.for_children {
        turn.send(Recipient::Children, &event);
    }
    turn.commit.drop_activities = outcome.drop_tasks;
    if outcome.is_suspended {
        turn.commit.status = RuntimeStatus::Suspended;
    }
    if let Some((id, completion)) = outcome.completion {
        turn.complete(id, completion, world);
    }
    turn.commit
}

pub(super) fn empty(before: &Known, turn_time: Timestamp) -> TurnCommit {
    let Known { header, standing } = before;
    TurnCommit {
        key: standing.key,
        execution: header.execution.as_str().to_owned(),
        epoch: standing.epoch,
        turn: standing.turn + 1,
        turn_time,
        status: RuntimeStatus::Running,
        custom_status: None,
        output: None,
        reason: None,
        first_seq: standing.history_len + 1,
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

/// A write in the making.
struct Turn<'a> {
    commit: TurnCommit,
    before: &'a Known,
    turn_time: Timestamp,
}

impl Turn<'_> {
    fn header(&self) -> &ExecutionHeader {
        &self.before.header
    }

    fn call(&self, task: TaskId) -> CallId {
        CallId::new(self.header().generation, task)
    }

    fn record(&mut self, event: &EventKind) {
        self.commit.history.push(NewEvent { time: self.turn_time, event: encode_event(event) });
    }

    fn send(&mut self, to: Recipient, event: &EventKind) {
        let event = NewEvent { time: self.turn_time, event: encode_event(event) };
        self.commit.messages.push(OutgoingMessage { to, event });
    }

    fn receive(&mut self, received: &[Message]) {
        for message in received {
            let commit = &mut self.commit;
            commit.history.push(NewEvent { time: message.time, event: encode_event(&message.event) });
            match message.origin {
                Origin::Start => {}
                Origin::Inbox(seq) => commit.inbox_through = commit.inbox_through.max(seq),
                Origin::Activity { call, claim } => {
                    commit.activities_gone.push(call);
                    commit.results.push(HeldCall { key: commit.key, call, claim });
                }
                Origin::Timer(call) => commit.timers_gone.push(call),
            }
        }
        if self.before.standing.turn == 0 && self.header().scheduled_start.is_some() {
            self.commit.timers_gone.push(CallId::START);
        }
    }

    fn act(&mut self, id: TaskId, action: Action, runs: bool, world: &mut impl Surroundings) {
        let call = self.call(id);
        match action {
            Action::ScheduleTask { name, input, options, source } => {
                let trace = self.before.header.trace.as_ref();
                let placement = runs.then(|| world.place(&name));
                if let Some(placement) = placement {
                    self.commit.new_activities.push(new_activity(
                        call,
                        &name,
                        &input,
                        stored::options(options, trace),
                        placement,
                    ));
                }
                self.record(&EventKind::TaskScheduled { id, name, input, options, source: Some(source) });
            }
            Action::CreateTimer { fire_at, source } => {
                self.record(&EventKind::TimerCreated { id, fire_at, source: Some(source) });
                if runs {
                    self.commit.new_timers.push(NewTimer { call, fire_at });
                }
            }
            Action::StartChild { child, id_reuse, source } => {
                if runs || child.is_detached {
                    self.start(id, &child, id_reuse, world);
                }
                self.record(&EventKind::SubOrchestrationInstanceCreated { id, child, source: Some(source) });
            }
            Action::SendEvent { instance, name, input, source } => {
                let event = EventKind::EventRaised { name: name.clone(), input: input.clone() };
                self.send(Recipient::Id(instance.as_str().to_owned()), &event);
                self.record(&EventKind::EventSent { id, instance, name, input, source: Some(source) });
            }
        }
    }

    /// Starts a child; when that is not possible, its call fails.
    fn start(&mut self, id: TaskId, child: &ChildStart, id_reuse: IdReusePolicy, world: &mut impl Surroundings) {
        match world.version(&child.name, child.version.as_ref()) {
            Ok(version) => {
                let call = (!child.is_detached).then_some(self.call(id));
                let start_at = child.start_at.filter(|at| *at > self.turn_time);
                let owner = if start_at.is_none() { world.adopt(&child.name, version.as_ref()) } else { None };
                let mut create = new_child(self.before, (id, child), version, world.execution(&child.instance));
                create.start_at = start_at;
                create.parent_call = call;
                create.owner = owner;
                create.now = self.turn_time;
                create.replace = id_reuse.replaced();
                let taken = EventKind::SubOrchestrationInstanceFailed { task_id: id, failure: id_taken(child) };
                let if_taken = call.map(|_| NewEvent { time: self.turn_time, event: encode_event(&taken) });
                self.commit.children.push(NewChild { create, if_taken });
            }
            Err(failure) if child.is_detached => {
                tracing::error!(instance = %self.header().instance, child = %child.instance, %failure, "a start from an orchestration failed");
            }
            Err(failure) => {
                let to = Recipient::Execution(self.commit.key, self.commit.execution.clone());
                self.send(to, &EventKind::SubOrchestrationInstanceFailed { task_id: id, failure });
            }
        }
    }

    fn cancel(&mut self, task_id: TaskId, is_child: bool, is_new: bool) {
        let call = self.call(task_id);
        self.record(&EventKind::TaskCanceled { task_id });
        if is_child && !is_new {
            let reason = Some("the orchestration that had started it no longer waits for it".to_owned());
            self.send(Recipient::Child(call), &EventKind::ExecutionTerminated { reason, recursive: true });
        } else if !is_child {
            self.commit.activities_gone.push(call);
            self.commit.timers_gone.push(call);
        }
    }

    fn complete(&mut self, id: TaskId, completion: Completion, world: &impl Surroundings) {
        let status = completion.status();
        self.commit.status = status;
        self.tell_parent(&completion);
        let (mut result, mut failure) = (None, None);
        match completion {
            Completion::Completed(output) => result = Some(output),
            Completion::Failed(details) => {
                self.commit.reason = serde_json::to_string(&details).ok();
                failure = Some(details);
            }
            Completion::Terminated(reason) => {
                result = reason.as_ref().and_then(|reason| Payload::encode(reason).ok());
                self.commit.reason = reason;
            }
            Completion::ContinuedAsNew(next) => {
                let execution = world.execution(&self.before.header.instance);
                return self.go_on(*next, &execution);
            }
        }
        self.commit.output = result.clone().filter(|_| status == RuntimeStatus::Completed);
        self.record(&EventKind::ExecutionCompleted { id, status, result, failure });
    }

    /// Tells the orchestration that waits for the end of this one.
    fn tell_parent(&mut self, completion: &Completion) {
        let Some(parent) = self.before.standing.parent else { return };
        let Some(link) = self.before.header.parent.clone() else { return };
        let Some(task_id) = link.task_id else { return };
        let event = match completion {
            Completion::Completed(result) => {
                EventKind::SubOrchestrationInstanceCompleted { task_id, result: result.clone() }
            }
            Completion::Failed(failure) => {
                EventKind::SubOrchestrationInstanceFailed { task_id, failure: failure.clone() }
            }
            Completion::Terminated(reason) => {
                let failure = terminated(self.header(), reason.as_deref());
                EventKind::SubOrchestrationInstanceFailed { task_id, failure }
            }
            Completion::ContinuedAsNew(_) => return,
        };
        self.send(Recipient::Execution(parent, link.execution.as_str().to_owned()), &event);
    }

    /// The next execution begins with what the last one left unread, at positions of the inbox that were consumed before: so
    /// it stands before whatever has arrived meanwhile.
    fn go_on(&mut self, next: Continuation, execution: &ExecutionId) {
        let consumed = self.commit.inbox_through.max(self.before.standing.consumed);
        let first = (consumed + 1).saturating_sub(next.carried.len() as u64);
        let row = |(seq, event): (u64, EventKind)| InboxRow { seq, time: self.turn_time, event: encode_event(&event) };
        let carried = (first..).zip(next.carried).map(row).collect();
        let header = &self.before.header;
        self.commit.history.clear();
        self.commit.next = Some(Box::new(NextExecution {
            execution: execution.as_str().to_owned(),
            version: next.version.as_ref().or(header.version.as_ref()).map(|version| version.as_str().to_owned()),
            input: next.input,
            generation: header.generation + 1,
            carried,
        }));
    }
}

pub(super) fn new_activity(
    call: CallId,
    name: &FunctionName,
    input: &Payload,
    options: Option<String>,
    placement: Placement,
) -> NewActivity {
    let (runner, claim) = placement.unzip();
    NewActivity {
        call,
        name: name.as_str().to_owned(),
        input: input.clone(),
        options,
        runner,
        claim: claim.unwrap_or(0),
    }
}

/// The instance that a call starts, as far as the call and its caller say.
pub(super) fn new_child(
    parent: &Known,
    (task, child): (TaskId, &ChildStart),
    version: Option<Version>,
    execution: ExecutionId,
) -> CreateInstance {
    let mut header = ExecutionHeader::new(child.instance.clone(), execution, child.name.clone(), child.input.clone());
    header.parent = Some(ParentInstance {
        instance: parent.header.instance.clone(),
        execution: parent.header.execution.clone(),
        name: parent.header.name.clone(),
        task_id: (!child.is_detached).then_some(task),
        depth: parent.header.depth() + 1,
    });
    header.version = version;
    header.trace.clone_from(&parent.header.trace);
    header.tags = child.tags.clone().inherit(&parent.header.tags);
    let mut create = stored::create(&header);
    create.parent = Some(parent.standing.key);
    create
}

fn id_taken(child: &ChildStart) -> FailureDetails {
    let message = format!("the child '{}' cannot be started: an instance with this id already exists", child.instance);
    FailureDetails::new("InstanceAlreadyExists", message).non_retriable()
}

/// How the end of a terminated child looks to its parent.
pub(super) fn terminated(header: &ExecutionHeader, reason: Option<&str>) -> FailureDetails {
    let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
    FailureDetails::new("Terminated", format!("instance '{}' was terminated{reason}", header.instance)).non_retriable()
}
