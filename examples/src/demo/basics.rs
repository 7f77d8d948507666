//! Fan-out and fan-in, an echo, a durable timer, and an external event.

use std::time::Duration;

use durable_core::model::Payload;
use durable_core::prelude::*;

#[activity]
pub(super) async fn square(n: u64) -> u64 {
    n.wrapping_mul(n)
}

/// Squares the numbers below `n` in parallel and adds the squares.
#[orchestrator]
pub(super) async fn fan_out(ctx: OrchestrationContext, n: u64) -> Result<u64, OrchestratorError> {
    let squares = try_join_all((0..n).map(|i| ctx.call_activity(square, i))).await?;
    Ok(squares.into_iter().fold(0, u64::wrapping_add))
}

/// Gives its input back, byte for byte.
#[orchestrator]
pub(super) async fn echo(_ctx: OrchestrationContext, input: Payload) -> Payload {
    input
}

/// Sleeps for a number of seconds.
#[orchestrator]
pub(super) async fn sleep(ctx: OrchestrationContext, seconds: f64) -> Result<(), OrchestratorError> {
    ctx.create_timer(Duration::try_from_secs_f64(seconds)?).await;
    Ok(())
}

/// Waits for the event `Go` and gives back what came with it.
#[orchestrator]
pub(super) async fn relay(ctx: OrchestrationContext) -> Result<Payload, OrchestratorError> {
    ctx.wait_for_external_event::<Payload>("Go").await
}

#[cfg(test)]
mod tests {
    use super::*;
    use durable_testing::Script;
    use durable_testing::events::completed;

    #[test]
    fn all_calls_are_made_at_once() {
        let mut script = Script::new(fan_out, 3);
        assert_eq!(script.calls(), ["#0 square 0", "#1 square 1", "#2 square 2"]);
        script.turn([completed(2, 4), completed(0, 0), completed(1, 1)]);
        assert_eq!(script.output(), Some(5.into()));
    }

    #[test]
    fn an_echo_keeps_the_bytes() {
        let input = Payload::from_json(r#"{"b": 1.50, "a": [ ]}"#).unwrap();
        let script = Script::new(echo, input.clone());
        assert!(
            matches!(script.completion(), Some(durable_core::history::Completion::Completed(out)) if *out == input)
        );
    }

    #[test]
    fn sleeping_sets_a_timer() {
        let mut script = Script::new(sleep, 1.5);
        assert_eq!(script.calls(), ["#0 timer"]);
        script.fire(0);
        assert_eq!(script.output(), Some(serde_json::Value::Null));
    }

    #[test]
    fn a_relay_gives_its_event_back() {
        let mut script = Script::new(relay, ());
        assert_eq!(script.output(), None);
        script.raise("Go", serde_json::json!([1, "2"]));
        assert_eq!(script.output(), Some(serde_json::json!([1, "2"])));
    }
}
