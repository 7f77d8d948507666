//! What a client sees of instances, one or many.

use crate::model::{
    ExecutionId, FailureDetails, FunctionName, InstanceId, Payload, RuntimeStatus, Tags, TaskId, Timestamp,
    TraceContext, Version,
};

/// The state of one instance.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct InstanceStatus {
    /// The id.
    pub instance_id: InstanceId,
    /// The current execution.
    pub execution_id: ExecutionId,
    /// The orchestrator.
    pub name: FunctionName,
    /// The version of its code.
    pub version: Option<Version>,
    /// Its tags, with those that it inherited.
    pub tags: Tags,
    /// The instance that started it, when that was another orchestration.
    pub parent_id: Option<InstanceId>,
    /// When it is to start, or was to start, if not at once.
    pub scheduled_start: Option<Timestamp>,
    /// The trace that its start was part of.
    pub trace: Option<TraceContext>,
    /// How often it has continued as new.
    pub generation: u32,
    /// Where it stands.
    pub runtime_status: RuntimeStatus,
    /// The input; `null` when it was started without one.
    pub input: Payload,
    /// What the orchestrator set last with `ctx.set_custom_status`.
    pub custom_status: Option<Payload>,
    /// The result of a completed instance.
    pub output: Option<Payload>,
    /// The reason a terminated instance was given.
    pub termination_reason: Option<String>,
    /// The error of a failed instance.
    pub failure: Option<FailureDetails>,
    /// Why the instance makes no progress although it has work: the code no longer fits its history.
    pub stalled: Option<String>,
    /// When it was started.
    pub created_at: Timestamp,
    /// When its state last changed.
    pub last_updated_at: Timestamp,
}

impl InstanceStatus {
    /// The state of an instance that has just been accepted. Tests and remote clients fill in the rest.
    #[must_use]
    pub fn pending(instance_id: InstanceId, name: FunctionName, input: Payload, created_at: Timestamp) -> Self {
        Self {
            instance_id,
            execution_id: ExecutionId::generate(),
            name,
            version: None,
            tags: Tags::new(),
            parent_id: None,
            scheduled_start: None,
            trace: None,
            generation: 0,
            runtime_status: RuntimeStatus::Pending,
            input,
            custom_status: None,
            output: None,
            termination_reason: None,
            failure: None,
            stalled: None,
            created_at,
            last_updated_at: created_at,
        }
    }
}

/// Which instances a list shall contain. The default is all of them.
///
/// ```
/// use durable_core::client::InstanceQuery;
/// use durable_core::prelude::*;
///
/// # async fn doc(client: Client) -> Result<(), Box<dyn std::error::Error>> {
/// let mut query = InstanceQuery::new().statuses([RuntimeStatus::Failed]).id_prefix("order-").page_size(50);
/// loop {
///     let page = client.list(query.clone()).await?;
///     for instance in &page.instances {
///         println!("{} {}", instance.instance_id, instance.created_at);
///     }
///     let Some(next) = page.continuation else { break };
///     query = query.continue_from(next);
/// }
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct InstanceQuery {
    /// Only these states; empty means all.
    pub statuses: Vec<RuntimeStatus>,
    /// Only this orchestrator.
    pub name: Option<FunctionName>,
    /// Only this version; `Some(None)` means instances without one.
    pub version: Option<Option<Version>>,
    /// Only instances that have all of these tags.
    pub tags: Vec<(String, String)>,
    /// Only instances that this one started, by call or left alone.
    pub parent: Option<InstanceId>,
    /// Only ids that start with this.
    pub id_prefix: Option<String>,
    /// Only instances created at this time or later.
    pub created_from: Option<Timestamp>,
    /// Only instances created at this time or earlier.
    pub created_to: Option<Timestamp>,
    /// Only instances that last changed at this time or later.
    pub updated_from: Option<Timestamp>,
    /// Only instances that last changed at this time or earlier.
    pub updated_to: Option<Timestamp>,
    /// The most instances in a page; at least 1, at most 1,000.
    pub page_size: usize,
    /// Where the last page ended, from [`InstancePage::continuation`].
    pub continuation: Option<String>,
}

impl InstanceQuery {
    /// All instances.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Only these states.
    #[must_use]
    pub fn statuses(mut self, statuses: impl IntoIterator<Item = RuntimeStatus>) -> Self {
        self.statuses = statuses.into_iter().collect();
        self
    }

    /// Only this orchestrator.
    #[must_use]
    pub fn name(mut self, name: FunctionName) -> Self {
        self.name = Some(name);
        self
    }

    /// Only instances of this version.
    #[must_use]
    pub fn version(mut self, version: Version) -> Self {
        self.version = Some(Some(version));
        self
    }

    /// Only instances without a version.
    #[must_use]
    pub fn without_version(mut self) -> Self {
        self.version = Some(None);
        self
    }

    /// Only instances with this tag. Called again, they must have each of the tags.
    #[must_use]
    pub fn tag(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.tags.push((key.into(), value.into()));
        self
    }

    /// Only instances that this one started.
    #[must_use]
    pub fn children_of(mut self, parent: InstanceId) -> Self {
        self.parent = Some(parent);
        self
    }

    /// Only ids that start with this.
    #[must_use]
    pub fn id_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.id_prefix = Some(prefix.into());
        self
    }

    /// Only instances created at this time or later.
    #[must_use]
    pub fn created_from(mut self, from: Timestamp) -> Self {
        self.created_from = Some(from);
        self
    }

    /// Only instances created at this time or earlier.
    #[must_use]
    pub fn created_to(mut self, to: Timestamp) -> Self {
        self.created_to = Some(to);
        self
    }

    /// Only instances that last changed at this time or later.
    #[must_use]
    pub fn updated_from(mut self, from: Timestamp) -> Self {
        self.updated_from = Some(from);
        self
    }

    /// Only instances that last changed at this time or earlier.
    #[must_use]
    pub fn updated_to(mut self, to: Timestamp) -> Self {
        self.updated_to = Some(to);
        self
    }

    /// The most instances in a page; at least 1, at most 1,000.
    #[must_use]
    pub fn page_size(mut self, size: usize) -> Self {
        self.page_size = size;
        self
    }

    /// Goes on where a page ended, with its [`continuation`](InstancePage::continuation).
    #[must_use]
    pub fn continue_from(mut self, continuation: String) -> Self {
        self.continuation = Some(continuation);
        self
    }
}

impl Default for InstanceQuery {
    fn default() -> Self {
        Self {
            statuses: Vec::new(),
            name: None,
            version: None,
            tags: Vec::new(),
            parent: None,
            id_prefix: None,
            created_from: None,
            created_to: None,
            updated_from: None,
            updated_to: None,
            page_size: 100,
            continuation: None,
        }
    }
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct InstancePage {
    /// The instances, ordered by id.
    pub instances: Vec<InstanceStatus>,
    /// Asks for the next page; `None` on the last one.
    pub continuation: Option<String>,
}

/// How many instances of one orchestrator, version and status there are.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct InstanceCount {
    /// The orchestrator.
    pub name: FunctionName,
    /// The version.
    pub version: Option<Version>,
    /// The status.
    pub status: RuntimeStatus,
    /// How many.
    pub count: u64,
}

impl InstanceCount {
    /// A count.
    #[must_use]
    pub fn new(name: FunctionName, version: Option<Version>, status: RuntimeStatus, count: u64) -> Self {
        Self { name, version, status, count }
    }
}

/// How much a version of an orchestrator is used.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct VersionUse {
    /// The orchestrator.
    pub name: FunctionName,
    /// The version.
    pub version: Option<Version>,
    /// How many instances are not finished: they need this code.
    pub live: u64,
    /// How many there are in all.
    pub total: u64,
}

impl VersionUse {
    /// What counts say about versions, ordered by name and version.
    pub(super) fn of(counts: Vec<InstanceCount>) -> Vec<Self> {
        let mut uses: Vec<Self> = Vec::new();
        for InstanceCount { name, version, status, count } in counts {
            let live = if status.is_terminal() { 0 } else { count };
            match uses.iter_mut().find(|other| other.name == name && other.version == version) {
                Some(other) => {
                    other.live += live;
                    other.total += count;
                }
                None => uses.push(Self { name, version, live, total: count }),
            }
        }
        uses.sort_by(|a, b| (a.name.folded(), &a.version).cmp(&(b.name.folded(), &b.version)));
        uses
    }
}

/// An activity call whose result the instance has not taken yet.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct PendingActivity {
    /// The sequence number of the call.
    pub task_id: TaskId,
    /// The activity.
    pub name: FunctionName,
    /// Its input.
    pub input: Payload,
    /// Which attempt of a retried call this is, from 1.
    pub attempt: u32,
    /// How often the call was handed to a worker; more than 1 after a crash.
    pub deliveries: u32,
    /// What the activity last told about its progress.
    pub progress: Option<Payload>,
}

impl PendingActivity {
    /// A call that was handed out once and has told nothing.
    #[must_use]
    pub fn new(task_id: TaskId, name: FunctionName, input: Payload) -> Self {
        Self { task_id, name, input, attempt: 1, deliveries: 1, progress: None }
    }
}
