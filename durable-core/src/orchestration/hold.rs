//! What the durable futures of the code hold on to.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use parking_lot::Mutex;

use crate::history::{Action, ExecutionHeader};
use crate::model::{FailureDetails, InstanceId, SourceLocation, TaskId};
use crate::replay::{LeafId, ReplayHandle, Resolution, digest};

/// What a durable future of the code holds on to.
pub(super) enum Hold {
    /// A leaf that the code has not taken yet.
    Leaf(LeafId),
    /// The call was refused before it became durable.
    Refused(Box<FailureDetails>),
    /// Made outside the orchestrator's code, taken, or given up: it never resolves.
    Nothing,
}

impl Hold {
    pub(super) fn new(leaf: Option<LeafId>) -> Self {
        leaf.map_or(Self::Nothing, Self::Leaf)
    }

    pub(super) fn poll(&mut self, handle: &ReplayHandle, cx: &Context<'_>) -> Poll<Resolution> {
        let result = match std::mem::replace(self, Self::Nothing) {
            Self::Leaf(leaf) => match handle.poll_leaf(leaf, cx) {
                Poll::Ready(result) => result,
                Poll::Pending => {
                    *self = Self::Leaf(leaf);
                    return Poll::Pending;
                }
            },
            Self::Refused(failure) => Err(failure),
            Self::Nothing => return Poll::Pending,
        };
        Poll::Ready(result)
    }

    pub(super) fn release(&mut self, handle: &ReplayHandle) {
        if let Self::Leaf(leaf) = std::mem::replace(self, Self::Nothing) {
            handle.drop_leaf(leaf);
        }
    }
}

/// What another attempt of a call repeats.
#[derive(Debug)]
pub(super) struct Template {
    pub(super) action: Action,
    /// The id of the child was made from the sequence number of its call, so that each attempt has its own.
    pub(super) derives_id: bool,
}

impl Template {
    /// The action of a later attempt. Its child, if it has one, is the one that the template names from now on.
    fn attempt(&mut self, number: u32, first: TaskId, header: &ExecutionHeader, task: TaskId) -> Action {
        match &mut self.action {
            Action::ScheduleTask { options, .. } => {
                options.attempt = number;
                options.first_attempt = Some(first);
            }
            Action::StartChild { child, .. } if self.derives_id => child.instance = derived_id(header, task),
            _ => {}
        }
        self.action.clone()
    }

    pub(super) fn copy(&self) -> Self {
        Self { action: self.action.clone(), derives_id: self.derives_id }
    }

    pub(super) fn child(&self) -> Option<InstanceId> {
        match &self.action {
            Action::StartChild { child, .. } => Some(child.instance.clone()),
            _ => None,
        }
    }

    pub(super) fn source(&self) -> Option<SourceLocation> {
        match &self.action {
            Action::ScheduleTask { source, .. } | Action::StartChild { source, .. } => Some(source.clone()),
            _ => None,
        }
    }
}

/// The id of a child whose caller gives none. It has the execution in it, so that the next one after continue-as-new does
/// not meet the children of this one.
pub(super) fn derived_id(header: &ExecutionHeader, task: TaskId) -> InstanceId {
    let execution: String = header.execution.as_str().chars().take(8).collect();
    let text = format!("{}:{execution}:{:04x}", header.instance, task.0);
    // Only the length can be wrong, since the parent's own id is valid. A digest always is.
    InstanceId::new(&text).or_else(|_| InstanceId::new(digest(&text))).unwrap_or_else(|_| header.instance.clone())
}

/// A call of an activity or a child, with a result of JSON.
pub(super) struct RawCall {
    handle: ReplayHandle,
    hold: Hold,
    /// The first attempt.
    task: Option<TaskId>,
    /// Somebody has asked for the result.
    is_awaited: bool,
    template: Kept,
}

/// Where a call keeps what its attempts repeat.
enum Kept {
    Nowhere,
    /// Only for options that may still come.
    Here(Template),
    /// Together with the driver that makes the attempts.
    Shared(Arc<Mutex<Template>>),
}

impl RawCall {
    /// Makes the call.
    pub(super) fn issue(handle: &ReplayHandle, derives_id: bool, make: impl FnOnce(TaskId) -> Action) -> Self {
        let mut template = Kept::Nowhere;
        let issued = handle.act(|task| {
            let action = make(task);
            template = Kept::Here(Template { action: action.clone(), derives_id });
            action
        });
        match issued {
            Ok(issued) => {
                let (leaf, task) = issued.map(|issued| (issued.leaf, issued.task)).unzip();
                Self { handle: handle.clone(), hold: Hold::new(leaf), task, is_awaited: false, template }
            }
            Err(failure) => Self::refused(handle, failure),
        }
    }

    pub(super) fn refused(handle: &ReplayHandle, failure: Box<FailureDetails>) -> Self {
        Self {
            handle: handle.clone(),
            hold: Hold::Refused(failure),
            task: None,
            is_awaited: false,
            template: Kept::Nowhere,
        }
    }

    /// Makes a later attempt of the same call.
    pub(super) fn again(handle: &ReplayHandle, template: &Arc<Mutex<Template>>, number: u32, first: TaskId) -> Self {
        let issued = handle.act(|task| template.lock().attempt(number, first, handle.header(), task));
        match issued {
            Ok(issued) => {
                let hold = Hold::new(issued.map(|issued| issued.leaf));
                // Its driver has made it, and not the code.
                Self { handle: handle.clone(), hold, task: Some(first), is_awaited: true, template: Kept::Nowhere }
            }
            Err(failure) => Self::refused(handle, failure),
        }
    }

    pub(super) fn handle(&self) -> &ReplayHandle {
        &self.handle
    }

    pub(super) fn task(&self) -> Option<TaskId> {
        self.task
    }

    /// Looks at what the attempts repeat.
    pub(super) fn with_template<T>(&self, look: impl FnOnce(&Template) -> T) -> Option<T> {
        match &self.template {
            Kept::Nowhere => None,
            Kept::Here(template) => Some(look(template)),
            Kept::Shared(template) => Some(look(&template.lock())),
        }
    }

    /// What the attempts repeat, for who makes them. Options that come later reach it.
    pub(super) fn share_template(&mut self) -> Option<Arc<Mutex<Template>>> {
        self.template = match std::mem::replace(&mut self.template, Kept::Nowhere) {
            Kept::Here(template) => Kept::Shared(Arc::new(Mutex::new(template))),
            other => other,
        };
        match &self.template {
            Kept::Shared(template) => Some(Arc::clone(template)),
            Kept::Nowhere | Kept::Here(_) => None,
        }
    }

    /// True when the call has failed without ever being made.
    pub(super) fn is_refused(&self) -> bool {
        matches!(self.hold, Hold::Refused(_))
    }

    /// Sets an option of a call that is not committed yet.
    pub(super) fn amend(&mut self, option: &str, change: impl Fn(&mut Template)) {
        let (Hold::Leaf(_), Some(task)) = (&self.hold, self.task) else { return };
        let amend = |template: &mut Template| {
            self.handle.amend(task, |action| {
                change(template);
                *action = template.action.clone();
            })
        };
        let amended = match &mut self.template {
            Kept::Nowhere => return,
            Kept::Here(template) => amend(template),
            Kept::Shared(template) => amend(&mut template.lock()),
        };
        if !amended {
            self.refuse(late_option(option));
        }
    }

    /// The call fails with this instead of being made. One that is committed already is cancelled.
    pub(super) fn refuse(&mut self, failure: FailureDetails) {
        if self.is_refused() {
            return;
        }
        if let Some(task) = self.task {
            self.handle.withdraw(task);
        }
        // A driver goes in any case; what it holds of a call that was withdrawn is gone already.
        if let Hold::Leaf(leaf) = std::mem::replace(&mut self.hold, Hold::Refused(Box::new(failure))) {
            self.handle.drop_leaf(leaf);
        }
    }

    /// Hands the call over to a driver, which decides what its result is.
    pub(super) fn drive<D>(&mut self, driver: impl FnOnce(Self) -> D)
    where
        D: Future<Output = Resolution> + Send + 'static,
    {
        if !matches!(self.hold, Hold::Leaf(_)) {
            return;
        }
        let hold = std::mem::replace(&mut self.hold, Hold::Nothing);
        let (handle, task) = (self.handle.clone(), self.task);
        // Whether the code awaits it, its handle knows.
        let attempt = Self { handle, hold, task, is_awaited: true, template: Kept::Nowhere };
        self.hold = Hold::new(self.handle.drive(Box::pin(driver(attempt))));
    }

    /// Gives the result up and lets the call, and its driver, go on.
    pub(super) fn detach(mut self) {
        if let Hold::Leaf(leaf) = std::mem::replace(&mut self.hold, Hold::Nothing) {
            self.handle.detach_leaf(leaf);
        }
    }
}

impl Future for RawCall {
    type Output = Resolution;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Resolution> {
        let this = self.get_mut();
        this.is_awaited = true;
        this.hold.poll(&this.handle, cx)
    }
}

impl Drop for RawCall {
    fn drop(&mut self) {
        match (&self.hold, self.task) {
            (Hold::Leaf(leaf), Some(call)) if !self.is_awaited => self.handle.drop_unawaited(*leaf, call),
            _ => self.hold.release(&self.handle),
        }
    }
}

/// An option came when the call was under way.
pub(super) fn late_option(option: &str) -> FailureDetails {
    let message = format!(
        "the option `{option}` came too late: an earlier turn has made the call already. Set the options of a call before \
         anything is awaited"
    );
    FailureDetails::new("LateOption", message).non_retriable()
}
