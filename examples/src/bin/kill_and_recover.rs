//! A long chain that prints where it is. Kill it, also with `kill -9`, and run it again: it goes on after the last step
//! whose result was stored, and repeats at most one.
//!
//! In a test, `World::crash` of durable-testing ends a process like that, and `durable_testing::fleet` one of several that share a
//! store.
//!
//! Run with `cargo run -p examples --bin kill_and_recover`.

#![expect(clippy::print_stdout, reason = "an example prints what it does")]

use std::time::Duration;

use durable_core::prelude::*;

#[activity]
async fn step(ctx: ActivityContext, n: u64) -> u64 {
    let again = if ctx.delivery() > 1 { " (again: the process ended while this step ran)" } else { "" };
    println!("step {n}{again}");
    tokio::time::sleep(Duration::from_millis(300)).await;
    n
}

#[orchestrator]
async fn long_chain(ctx: OrchestrationContext, steps: u64) -> Result<u64, OrchestratorError> {
    let mut sum = 0;
    for n in 1..=steps {
        sum += ctx.call_activity(step, n).await?;
        ctx.set_custom_status(&n)?;
    }
    Ok(sum)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let store = Sqlite::open("kill_and_recover.db")?;
    let hub = TaskHub::builder().backend(store).orchestrator(long_chain).activity(step).start().await?;
    let client = hub.client();
    let run = match client.start(long_chain, 30).id("the-chain").await {
        Ok(run) => run,
        Err(error) if error.is_already_exists() => {
            let run = client.instance("the-chain")?;
            let done = run.status().await?.custom_status.map_or("0".to_owned(), |status| status.to_string());
            println!("going on after step {done}");
            run
        }
        Err(error) => return Err(error.into()),
    };
    println!("the sum is {}", run.output().await?);
    hub.shutdown().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use durable_testing::Script;

    #[test]
    fn a_step_follows_the_step_before_and_shows_its_number() {
        let mut script = Script::new(long_chain, 2);
        assert_eq!(script.calls(), ["#0 step 1"]);
        script.complete(0, 1);
        assert_eq!(script.calls(), ["#1 step 2"]);
        assert_eq!(script.outcome().custom_status.as_ref().unwrap().as_str(), "1");
        script.complete(1, 2);
        assert_eq!(script.output(), Some(3.into()));
    }
}
