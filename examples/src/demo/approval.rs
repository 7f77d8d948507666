//! Human interaction: an external event or a timeout, whichever comes first.

use std::time::Duration;

use durable_core::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request {
    timeout_seconds: f64,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Decision {
    approved: bool,
    by: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Outcome {
    approved: bool,
    by: Option<String>,
    timed_out: bool,
}

/// Waits for the event `Approval`, at most for the given time.
#[orchestrator]
pub(super) async fn approval(ctx: OrchestrationContext, request: Request) -> Result<Outcome, OrchestratorError> {
    let timeout = ctx.create_timer(Duration::try_from_secs_f64(request.timeout_seconds)?);
    ctx.set_custom_status(&serde_json::json!({ "waitingFor": "Approval", "until": timeout.fire_at() }))?;
    let decision = ctx.wait_for_external_event::<Decision>("Approval");
    let outcome = match select(decision, timeout).await {
        Either::Left((decision, _)) => {
            let Decision { approved, by } = decision?;
            Outcome { approved, by: Some(by), timed_out: false }
        }
        Either::Right(((), _)) => Outcome { approved: false, by: None, timed_out: true },
    };
    ctx.set_custom_status(if outcome.timed_out { "timed out" } else { "decided" })?;
    Ok(outcome)
}

#[cfg(test)]
mod tests {
    use super::*;
    use durable_testing::Script;
    use serde_json::json;

    fn waiting() -> Script {
        Script::new(approval, Request { timeout_seconds: 60.0 })
    }

    #[test]
    fn the_event_decides() {
        let mut script = waiting();
        script.raise("approval", json!({ "approved": true, "by": "Ada" }));
        assert_eq!(script.output(), Some(json!({ "approved": true, "by": "Ada", "timedOut": false })));
        assert_eq!(script.calls(), ["-#0"], "the timer is cancelled");
    }

    #[test]
    fn the_timeout_decides() {
        let mut script = waiting();
        assert!(script.outcome().custom_status.as_ref().unwrap().as_str().contains("waitingFor"));
        script.fire(0);
        assert_eq!(script.output(), Some(json!({ "approved": false, "by": null, "timedOut": true })));
    }
}
