//! Chaining: one activity after the other, each with the result of the one before.
//!
//! Run with `cargo run -p examples --bin hello_sequence`. Kill it in between and run it again: it goes on.

#![expect(clippy::print_stdout, reason = "an example prints what it does")]

use durable_core::prelude::*;

#[activity]
async fn say_hello(city: String) -> String {
    format!("Hello {city}!")
}

#[activity]
async fn join_lines(lines: Vec<String>) -> String {
    lines.join("\n")
}

#[orchestrator]
async fn hello_sequence(ctx: OrchestrationContext) -> Result<String, OrchestratorError> {
    let mut greetings = Vec::new();
    for city in ["Tokyo", "Seattle", "London"] {
        greetings.push(ctx.call_activity(say_hello, city.to_owned()).await?);
    }
    ctx.call_activity(join_lines, greetings).await
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let hub = TaskHub::builder()
        .backend(Sqlite::open("hello_sequence.db")?)
        .orchestrator(hello_sequence)
        .activity(say_hello)
        .activity(join_lines)
        .start()
        .await?;
    let run = hub.client().start(hello_sequence, ()).await?;
    println!("{}", run.output().await?);
    hub.shutdown().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use durable_testing::Script;

    #[test]
    fn each_call_waits_for_the_one_before() {
        let mut script = Script::new(hello_sequence, ());
        assert_eq!(script.calls(), [r#"#0 say_hello "Tokyo""#]);
        script.complete(0, "a");
        assert_eq!(script.calls(), [r#"#1 say_hello "Seattle""#]);
        script.complete(1, "b");
        script.complete(2, "c");
        assert_eq!(script.calls(), [r#"#3 join_lines ["a","b","c"]"#]);
        script.complete(3, "a b c");
        assert_eq!(script.output(), Some("a b c".into()));
    }
}
