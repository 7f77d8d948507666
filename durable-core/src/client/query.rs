//! What a client sees of instances, one or many.

use crate::model::{ExecutionId, FailureDetails, FunctionName, InstanceId, Payload, RuntimeStatus, Timestamp};

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
    /// Only ids that start with this.
    pub id_prefix: Option<String>,
    /// Only instances created at this time or later.
    pub created_from: Option<Timestamp>,
    /// Only instances created at this time or earlier.
    pub created_to: Option<Timestamp>,
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
            id_prefix: None,
            created_from: None,
            created_to: None,
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
