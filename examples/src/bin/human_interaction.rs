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
    use durable_testing::World;

    fn world() -> World {
        let world = World::builder().orchestrator(expense_report).build();
        world.mock(ask_the_boss).returns(());
        world
    }

    #[test]
    fn the_boss_decides() {
        let run = world().start(expense_report, 120);
        assert_eq!(run.custom_status::<String>().unwrap(), "waiting for the boss");
        run.raise("Decision", &false);
        assert_eq!(run.output(), "rejected");
    }

    #[test]
    fn nobody_answers_for_three_days() {
        let world = world();
        let run = world.start(expense_report, 120);
        world.advance(THREE_DAYS - Duration::from_secs(1));
        assert!(!run.is_finished());
        assert_eq!(run.output(), "nobody answered");
        assert_eq!(world.elapsed(), THREE_DAYS);
    }
}
