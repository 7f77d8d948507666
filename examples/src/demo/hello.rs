//! Chaining: one activity after the other.

use durable_core::prelude::*;

#[activity]
pub(super) async fn say_hello(city: String) -> String {
    format!("Hello {city}!")
}

/// Greets each city; Tokyo, Seattle and London when there is no input.
#[orchestrator]
pub(super) async fn hello_cities(
    ctx: OrchestrationContext,
    cities: Option<Vec<String>>,
) -> Result<Vec<String>, OrchestratorError> {
    let cities = cities.unwrap_or_else(|| ["Tokyo", "Seattle", "London"].map(str::to_owned).into());
    let mut greetings = Vec::new();
    for city in cities {
        greetings.push(ctx.call_activity(say_hello, city).await?);
    }
    Ok(greetings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use durable_testing::Script;

    #[test]
    fn one_after_the_other() {
        let mut script = Script::new(hello_cities, None);
        assert_eq!(script.calls(), [r#"#0 say_hello "Tokyo""#]);
        script.complete(0, "Hello Tokyo!");
        assert_eq!(script.calls(), [r#"#1 say_hello "Seattle""#]);
        script.complete(1, "Hello Seattle!");
        script.complete(2, "Hello London!");
        assert_eq!(script.output(), Some(serde_json::json!(["Hello Tokyo!", "Hello Seattle!", "Hello London!"])));
    }

    #[tokio::test]
    async fn the_activity_alone() {
        assert_eq!(say_hello("Oslo".to_owned()).await, "Hello Oslo!");
    }
}
