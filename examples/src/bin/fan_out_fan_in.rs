//! Fan-out and fan-in: many activities, a few at a time, and a sum of what they found.
//!
//! Run with `cargo run -p examples --bin fan_out_fan_in`.

#![expect(clippy::print_stdout, reason = "an example prints what it does")]

use durable_core::prelude::*;

/// The chapters of a book.
#[activity]
async fn list_chapters() -> Vec<String> {
    ["it was the best of times", "it was the worst of times", "it was the age of wisdom"].map(str::to_owned).into()
}

/// A plain function runs off the async threads, so it may take its time.
#[activity]
fn count_words(chapter: String) -> usize {
    chapter.split_whitespace().count()
}

#[orchestrator]
async fn count_book(ctx: OrchestrationContext) -> Result<usize, OrchestratorError> {
    let chapters = ctx.call_activity(list_chapters, ()).await?;
    // Two calls run at a time. Without `concurrency` all of them would run at once.
    let counts = ctx.map(chapters, |chapter| ctx.call_activity(count_words, chapter)).concurrency(2).await?;
    Ok(counts.into_iter().sum())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let hub = TaskHub::builder()
        .backend(Sqlite::open("fan_out_fan_in.db")?)
        .orchestrator(count_book)
        .activity(list_chapters)
        .activity(count_words)
        .start()
        .await?;
    let run = hub.client().start(count_book, ()).await?;
    println!("{} words", run.output().await?);
    hub.shutdown().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use durable_testing::World;
    use durable_testing::world::explore;

    #[test]
    fn results_may_come_in_any_order() {
        let world = || World::builder().orchestrator(count_book).activity(list_chapters).activity(count_words);
        let explored = explore(world, |world| assert_eq!(world.start(count_book, ()).output(), 18));
        assert!(explored.orders > 1);
    }

    #[test]
    fn two_run_at_a_time() {
        let world = World::builder().orchestrator(count_book).activity(list_chapters).build();
        let counts = world.mock(count_words);
        counts.returns(6).takes(std::time::Duration::from_secs(10));
        let run = world.start(count_book, ());
        counts.assert_called(2);
        assert_eq!(run.output(), 18);
        counts.assert_called(3);
    }
}
