//! Greetings, long and large work, a loop without end, and work that fails.

use std::time::Duration;

use durable_core::prelude::*;

#[orchestrator(name = "HelloWorld")]
pub(super) async fn hello_world(_ctx: OrchestrationContext) -> String {
    "Hello Orchestration!".to_owned()
}

#[activity(name = "HelloNameActivity")]
pub(super) async fn hello_name_activity(name: String) -> String {
    format!("Hello {name} from an Activity function.")
}

#[orchestrator(name = "HelloName")]
pub(super) async fn hello_name(ctx: OrchestrationContext, name: String) -> Result<String, OrchestratorError> {
    ctx.call_activity(hello_name_activity, name).await
}

/// Stands for work that takes this many seconds.
#[activity(name = "SleepActivity")]
pub(super) async fn sleep_activity(seconds: f64) -> Result<(), ActivityError> {
    tokio::time::sleep(Duration::try_from_secs_f64(seconds)?).await;
    Ok(())
}

/// With a wait of 12 seconds and an input of 20 a caller sees both answers: links first, and the output later.
#[orchestrator(name = "LongRunning")]
pub(super) async fn long_running(ctx: OrchestrationContext, seconds: f64) -> Result<String, OrchestratorError> {
    ctx.call_activity(sleep_activity, seconds).await?;
    Ok(format!("Done after {seconds} seconds."))
}

#[activity(name = "LargeMessageActivity")]
pub(super) async fn large_message_activity(length: usize) -> String {
    "X".repeat(length)
}

#[orchestrator(name = "LargeMessage")]
pub(super) async fn large_message(ctx: OrchestrationContext, length: usize) -> Result<String, OrchestratorError> {
    ctx.call_activity(large_message_activity, length).await
}

/// Does its work once an hour, for ever.
#[orchestrator(name = "NeverEnding")]
pub(super) async fn never_ending(
    ctx: OrchestrationContext,
    _input: Option<String>,
) -> Result<Next<(), Option<String>>, OrchestratorError> {
    ctx.create_timer(Duration::from_secs(3_600)).await;
    Ok(Next::continue_as_new(None))
}

#[activity(name = "FailingActivity")]
pub(super) async fn failing_activity(ctx: ActivityContext) -> Result<(), ActivityError> {
    Err(ActivityError::msg(format!("attempt {} has failed, as the others", ctx.attempt())))
}

/// Three attempts, five seconds apart, none of which succeeds.
#[orchestrator(name = "Failing")]
pub(super) async fn failing(ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
    let policy = RetryPolicy::fixed(3, Duration::from_secs(5));
    ctx.call_activity(failing_activity, ()).retry(policy).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use durable_core::history::Completion;
    use durable_core::model::FailureDetails;
    use durable_testing::Script;
    use serde_json::json;

    #[test]
    fn greetings() {
        assert_eq!(Script::new(hello_world, ()).output(), Some(json!("Hello Orchestration!")));
        let mut script = Script::new(hello_name, "Ada".to_owned());
        assert_eq!(script.calls(), [r#"#0 HelloNameActivity "Ada""#]);
        script.complete(0, "Hello Ada!");
        assert_eq!(script.output(), Some(json!("Hello Ada!")));
    }

    #[test]
    fn the_loop_starts_over_every_hour() {
        let mut script = Script::new(never_ending, None);
        script.fire(0);
        assert_eq!(script.next_execution().calls(), ["#0 timer"]);
    }

    #[test]
    fn failing_work_is_tried_three_times() {
        let mut script = Script::new(failing, ());
        for attempt in 0..3 {
            let call = attempt * 2;
            script.fail(call, FailureDetails::new("Error", "no luck"));
            if attempt < 2 {
                script.fire(call + 1);
            }
        }
        assert!(matches!(script.completion(), Some(Completion::Failed(_))), "{:?}", script.completion());
    }

    #[tokio::test]
    async fn a_large_message_is_large() {
        assert_eq!(large_message_activity(1_000_000).await.len(), 1_000_000);
    }
}
