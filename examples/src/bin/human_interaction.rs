//! Human interaction: somebody decides, or the time is up. Here nobody waits, since the program decides itself.
//!
//! Run with `cargo run -p examples --bin human_interaction`.

#![expect(clippy::print_stdout, reason = "an example prints what it does")]

use std::time::Duration;

use durable_core::prelude::*;

const THREE_DAYS: Duration = Duration::from_secs(3 * 24 * 3600);

#[activity]
async fn ask_the_boss(_expense: u64) {
    // Here a mail would be sent, with `ctx.idempotency_key()` so that a second run sends no second one.
}

#[orchestrator]
async fn expense_report(ctx: OrchestrationContext, expense: u64) -> Result<String, OrchestratorError> {
    ctx.call_activity(ask_the_boss, expense).await?;
    // The three days count from here. When they are over, the answer is no answer.
    let decision = ctx.wait_for_external_event("Decision").timeout_or(THREE_DAYS, None);
    ctx.set_custom_status("waiting for the boss")?;
    let answer = match decision.await? {
        Some(true) => "approved",
        Some(false) => "rejected",
        None => "nobody answered",
    };
    Ok(answer.to_owned())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let hub = TaskHub::builder()
        .backend(Sqlite::open("human_interaction.db")?)
        .orchestrator(expense_report)
        .activity(ask_the_boss)
        .start()
        .await?;
    let run = hub.client().start(expense_report, 120).await?;
    run.raise_event("Decision", &true).await?; // An event may come before anybody waits for it.
    println!("{}", run.output().await?);
    hub.shutdown().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use durable_testing::{Script, VirtualClock};

    #[test]
    fn a_decision_cancels_the_deadline() {
        let mut script = Script::new(expense_report, 120);
        script.complete(0, ());
        script.raise("Decision", false);
        assert_eq!(script.output(), Some("rejected".into()));
        assert_eq!(script.calls(), ["-#1"]);
    }

    #[tokio::test]
    async fn three_days_pass_at_once() {
        let clock = VirtualClock::new();
        let hub = TaskHub::builder().backend(Memory::new()).orchestrator(expense_report).activity(ask_the_boss);
        let hub = hub.clock(clock.clone()).start().await.unwrap();
        let run = hub.client().start(expense_report, 120).await.unwrap();
        let mut output = std::pin::pin!(run.output());
        let output = loop {
            tokio::select! {
                biased;
                output = &mut output => break output,
                () = tokio::task::yield_now() => clock.advance(Duration::from_secs(3600)),
            }
        };
        assert_eq!(output.unwrap(), "nobody answered");
    }
}
