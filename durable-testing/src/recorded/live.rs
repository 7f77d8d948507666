//! Replaying what is alive in a hub.

use std::fmt;

use durable_core::client::{Client, ClientError, InstanceQuery, InstanceStatus};
use durable_core::history::{EventKind, ExecutionHeader};
use durable_core::model::{FunctionName, InstanceId, RuntimeStatus, Version};

use super::{Deployment, RecordedHistory, RecordingError, ReplayReport};

/// How many instances are asked for at once.
const PAGE: usize = 200;
/// How many reports a text has.
const SHOWN: usize = 20;

/// Replays every live instance of a hub against the code of a deployment, and changes nothing. Run it in the new program
/// before it takes the place of the old one.
///
/// It works over any client, local or remote: it lists the instances that are not finished, page by page, and reads their
/// histories. The hub may run meanwhile: an instance that ends before its history is read is left out, and one that starts
/// later may be missing.
///
/// What a worker does not take because of its `version_match` is not considered, and neither is what
/// [no history shows](super).
///
/// ```
/// use durable_core::prelude::*;
/// use durable_testing::World;
/// use durable_testing::recorded::{Deployment, check_live};
///
/// #[orchestrator]
/// async fn order(ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
///     ctx.wait_for_external_event::<()>("Paid").await
/// }
///
/// /// What shall take its place.
/// #[orchestrator(name = "order")]
/// async fn slow(ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
///     ctx.create_timer(std::time::Duration::from_secs(60)).await;
///     ctx.wait_for_external_event::<()>("Paid").await
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let world = World::builder().orchestrator(order).build();
/// let _ = world.start_as("order-7", order, ());
///
/// let check = check_live(&world.client(), &Deployment::new().orchestrator(order)).await?;
/// assert!(check.all_fit());
///
/// let check = check_live(&world.client(), &Deployment::new().orchestrator(slow)).await?;
/// assert!(!check.all_fit());
/// println!("{check}");
/// # Ok::<_, durable_core::client::ClientError>(()) }).unwrap();
/// ```
///
/// # Errors
///
/// The client failed, or cannot list instances or read histories.
pub async fn check_live(client: &Client, deployment: &Deployment) -> Result<LiveCheck, ClientError> {
    let live =
        [RuntimeStatus::Pending, RuntimeStatus::Running, RuntimeStatus::Suspended, RuntimeStatus::ContinuedAsNew];
    let mut query = InstanceQuery::new().statuses(live).page_size(PAGE);
    let mut instances = Vec::new();
    loop {
        let page = client.list(query.clone()).await?;
        for status in page.instances {
            instances.extend(check(client, deployment, status).await?);
        }
        match page.continuation {
            Some(next) => query = query.continue_from(next),
            None => return Ok(LiveCheck { instances }),
        }
    }
}

/// Nothing when the instance is not alive any more.
async fn check(
    client: &Client,
    deployment: &Deployment,
    status: InstanceStatus,
) -> Result<Option<LiveInstance>, ClientError> {
    let Some(events) = client.history(&status.instance_id).await? else { return Ok(None) };
    let is_over =
        |kind: &EventKind| matches!(kind, EventKind::ExecutionCompleted { status, .. } if status.is_terminal());
    if events.iter().any(|event| is_over(&event.kind)) {
        return Ok(None);
    }
    let verdict = if events.is_empty() {
        // It has not run, so all that it needs is code.
        let has_code = deployment.registry.orchestrator(&status.name, status.version.as_ref()).is_some();
        if has_code { Verdict::Fits } else { Verdict::NoCode(missing(&status, deployment)) }
    } else {
        match RecordedHistory::from_events(events).map(|recorded| recorded.replay_against(deployment)) {
            Ok(Ok(())) => Verdict::Fits,
            Ok(Err(report)) if report.is_missing_code() => Verdict::NoCode(report),
            Ok(Err(report)) => Verdict::Differs(report),
            Err(error) => Verdict::Unreadable(error),
        }
    };
    let InstanceStatus { instance_id: id, name, version, runtime_status, .. } = status;
    Ok(Some(LiveInstance { id, name, version, status: runtime_status, verdict }))
}

fn missing(status: &InstanceStatus, deployment: &Deployment) -> ReplayReport {
    let (id, execution, name) = (status.instance_id.clone(), status.execution_id.clone(), status.name.clone());
    let mut header = ExecutionHeader::new(id, execution, name, status.input.clone());
    header.version.clone_from(&status.version);
    ReplayReport::missing(&header, deployment)
}

/// What [`check_live`] found. Its text sums up and shows the first 20 problems.
#[derive(Debug)]
pub struct LiveCheck {
    instances: Vec<LiveInstance>,
}

/// One live instance.
#[derive(Debug)]
#[non_exhaustive]
pub struct LiveInstance {
    /// Its id.
    pub id: InstanceId,
    /// Its orchestrator.
    pub name: FunctionName,
    /// The version that it was started with.
    pub version: Option<Version>,
    /// Its state when it was listed.
    pub status: RuntimeStatus,
    /// Whether it can go on.
    pub verdict: Verdict,
}

/// Whether a live instance can go on with the code of a deployment.
#[derive(Debug)]
#[non_exhaustive]
pub enum Verdict {
    /// It can.
    Fits,
    /// The code does something else than its history says.
    Differs(ReplayReport),
    /// There is no code of its name and version.
    NoCode(ReplayReport),
    /// Its history cannot be replayed by this program.
    Unreadable(RecordingError),
}

impl Verdict {
    /// True when the instance can go on.
    #[must_use]
    pub fn fits(&self) -> bool {
        matches!(self, Self::Fits)
    }
}

impl LiveCheck {
    /// All instances that were alive, ordered by id.
    #[must_use]
    pub fn instances(&self) -> &[LiveInstance] {
        &self.instances
    }

    /// The instances that cannot go on.
    pub fn problems(&self) -> impl Iterator<Item = &LiveInstance> {
        self.instances.iter().filter(|instance| !instance.verdict.fits())
    }

    /// True when every instance can go on, and when there is none.
    #[must_use]
    pub fn all_fit(&self) -> bool {
        self.problems().next().is_none()
    }
}

impl fmt::Display for LiveCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |is: fn(&Verdict) -> bool| self.instances.iter().filter(|instance| is(&instance.verdict)).count();
        write!(
            f,
            "live instances: {}, of which fit: {}, differ: {}, have no code: {}, cannot be read: {}",
            self.instances.len(),
            count(Verdict::fits),
            count(|verdict| matches!(verdict, Verdict::Differs(_))),
            count(|verdict| matches!(verdict, Verdict::NoCode(_))),
            count(|verdict| matches!(verdict, Verdict::Unreadable(_))),
        )?;
        for instance in self.problems().take(SHOWN) {
            match &instance.verdict {
                Verdict::Fits => {}
                Verdict::Differs(report) | Verdict::NoCode(report) => write!(f, "\n{report}")?,
                Verdict::Unreadable(error) => write!(f, "\ninstance '{}': {error}", instance.id)?,
            }
        }
        match self.problems().count().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, "\nand {more} more"),
        }
    }
}
