use durable_core::prelude::*;
use durable_macros::orchestrator;

#[orchestrator]
async fn statements(_ctx: OrchestrationContext) -> Result<String, OrchestratorError> {
    #[nondeterministic(reason = "a log line")]
    let now = std::time::SystemTime::now();
    #[nondeterministic(reason = "a log line")]
    println!("{:?} {:?}", now, std::time::Instant::now());
    #[nondeterministic(reason = "a log line")]
    {
        let _ = std::env::var("A");
    }
    Ok(String::new())
}

#[orchestrator]
#[nondeterministic(reason = "it only logs")]
async fn whole(_ctx: OrchestrationContext) -> Result<String, OrchestratorError> {
    let _ = std::time::SystemTime::now();
    Ok(String::new())
}

fn main() {}
