//! Waiting for people: one, one with a deadline, and two.

use std::time::Duration;

use durable_core::prelude::*;
use serde::{Deserialize, Serialize};

const DAY: Duration = Duration::from_secs(24 * 3_600);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Approval {
    #[serde(rename = "Name", alias = "name")]
    name: String,
    #[serde(rename = "IsApproved", alias = "isApproved")]
    is_approved: bool,
    #[serde(rename = "Reason", alias = "reason", default)]
    reason: Option<String>,
}

/// Stands for telling somebody that an approval is wanted.
#[activity(name = "QueueApprovalActivity")]
pub(super) async fn queue_approval(event: String) -> String {
    format!("An approval was asked for; {event} is awaited.")
}

#[orchestrator(name = "SingleApproval")]
pub(super) async fn single_approval(ctx: OrchestrationContext) -> Result<Approval, OrchestratorError> {
    ctx.wait_for_external_event::<Approval>("ApproveEvent").await
}

/// Who does not answer within ten seconds has not approved.
#[orchestrator(name = "SingleApprovalWithTimeOut")]
pub(super) async fn single_approval_with_timeout(ctx: OrchestrationContext) -> Result<Approval, OrchestratorError> {
    let default = Approval { name: "default approval".to_owned(), is_approved: false, reason: Some(String::new()) };
    ctx.wait_for_external_event("ApproveEvent").timeout_or(Duration::from_secs(10), default).await
}

/// Two people have to answer, each within a day.
#[orchestrator(name = "MultipleApproval")]
pub(super) async fn multiple_approval(ctx: OrchestrationContext) -> Result<bool, OrchestratorError> {
    let queued = ctx.call_activity(queue_approval, "ApproveEvent1, ApproveEvent2".to_owned()).await?;
    ctx.set_custom_status(&serde_json::json!({ "QueueActivityName": queued }))?;
    let answer = |event| ctx.wait_for_external_event::<Approval>(event).timeout(DAY);
    let (first, second) = try_join(answer("ApproveEvent1"), answer("ApproveEvent2")).await?;
    Ok(first.is_approved && second.is_approved)
}

#[cfg(test)]
mod tests {
    use super::*;
    use durable_testing::Script;
    use serde_json::json;

    #[test]
    fn one_person_answers() {
        let mut script = Script::new(single_approval, ());
        script.raise("approveevent", json!({ "name": "Ada", "isApproved": true }));
        assert_eq!(script.output(), Some(json!({ "Name": "Ada", "IsApproved": true, "Reason": null })));
    }

    #[test]
    fn nobody_answers() {
        let mut script = Script::new(single_approval_with_timeout, ());
        script.fire(0);
        let default = json!({ "Name": "default approval", "IsApproved": false, "Reason": "" });
        assert_eq!(script.output(), Some(default));
    }

    #[test]
    fn two_people_answer_in_any_order() {
        let mut script = Script::new(multiple_approval, ());
        script.complete(0, "asked");
        let custom_status = script.outcome().custom_status.as_ref().unwrap().as_str().to_owned();
        assert_eq!(custom_status, r#"{"QueueActivityName":"asked"}"#);
        script.raise("ApproveEvent2", json!({ "Name": "Grace", "IsApproved": true }));
        assert_eq!(script.output(), None);
        script.raise("ApproveEvent1", json!({ "Name": "Ada", "IsApproved": false, "Reason": "too soon" }));
        assert_eq!(script.output(), Some(json!(false)));
    }
}
