//! A monitor: look, wait, look again, until something is seen or the time is up. It starts over after each look, so that its
//! history stays as short as that of one look, however long it watches.
//!
//! Run with `cargo run -p examples --bin monitor`.

#![expect(clippy::print_stdout, reason = "an example prints what it does")]

use std::time::Duration;

use durable_core::prelude::*;
use serde::{Deserialize, Serialize};

/// What one look hands to the next: all that a monitor remembers.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Watch {
    job: String,
    looks: u32,
    pause: Duration,
}

/// Here a service would be asked. This job is done at the fourth look.
#[activity]
async fn is_done(watch: Watch) -> bool {
    println!("look {} at {}", watch.looks + 1, watch.job);
    watch.looks == 3
}

#[orchestrator]
async fn monitor(ctx: OrchestrationContext, watch: Watch) -> Result<Next<String, Watch>, OrchestratorError> {
    if ctx.call_activity(is_done, watch.clone()).await? {
        return Ok(Next::Complete(format!("{} is done after {} looks", watch.job, watch.looks + 1)));
    }
    if watch.looks == 99 {
        return Ok(Next::Complete(format!("{} takes too long", watch.job)));
    }
    ctx.create_timer(watch.pause).await;
    Ok(Next::continue_as_new(Watch { looks: watch.looks + 1, ..watch }))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let store = Sqlite::open("monitor.db")?;
    let hub = TaskHub::builder().backend(store).orchestrator(monitor).activity(is_done).start().await?;
    let watch = Watch { job: "the backup".to_owned(), looks: 0, pause: Duration::from_millis(100) };
    let run = hub.client().start(monitor, watch).await?;
    println!("{}", run.output().await?);
    println!("it has started over {} times", run.status().await?.generation);
    hub.shutdown().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use durable_testing::World;

    fn watch(looks: u32) -> Watch {
        Watch { job: "a job".to_owned(), looks, pause: Duration::from_secs(60) }
    }

    #[test]
    fn it_looks_until_the_job_is_done() {
        let world = World::builder().orchestrator(monitor).activity(is_done).build();
        let run = world.start(monitor, watch(0));
        assert_eq!(run.output(), "a job is done after 4 looks");
        assert_eq!((run.status().generation, world.elapsed()), (3, Duration::from_secs(180)));
    }

    #[test]
    fn it_gives_up() {
        let world = World::builder().orchestrator(monitor).build();
        world.mock(is_done).returns(false);
        assert_eq!(world.start(monitor, watch(97)).output(), "a job takes too long");
    }
}
