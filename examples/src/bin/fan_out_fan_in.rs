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
    use durable_testing::Script;
    use durable_testing::events::completed;

    #[test]
    fn results_may_come_in_any_order() {
        let mut script = Script::new(count_book, ());
        script.complete(0, ["one", "two words", "three more words"]);
        assert_eq!(script.calls().len(), 2, "two are called at once");
        script.complete(2, 2);
        assert_eq!(script.calls().len(), 1, "one that is done makes room for the next");
        script.turn([completed(3, 3), completed(1, 1)]);
        assert_eq!(script.output(), Some(6.into()));
    }

    #[tokio::test]
    async fn words_are_counted() {
        assert_eq!(count_words("a  b\nc".to_owned()).await, 3);
    }
}
