//! Every accepted form of a helper, under strict lints.
#![deny(missing_docs, unreachable_pub, unused, warnings, clippy::pedantic)]
#![forbid(unsafe_code)]

use durable_core::prelude::*;

#[durable]
const fn double(n: u32) -> u32 {
    n * 2
}

/// Generic, borrowing, and `async`.
#[durable]
async fn later<'a, T: AsRef<str> + ?Sized>(ctx: &OrchestrationContext, text: &'a T) -> &'a str {
    let _ = ctx.now();
    text.as_ref()
}

#[durable]
#[nondeterministic(reason = "it only logs")]
fn logs() {
    println!("{:?}", std::time::SystemTime::now());
}

#[durable]
fn logs_in_a_statement() {
    #[nondeterministic(reason = "a log line")]
    let _ = std::time::Instant::now();
}

struct Prices(Vec<u32>);

impl Prices {
    #[durable]
    fn sum(&self) -> u32 {
        self.0.iter().sum()
    }
}

trait Total {
    #[durable]
    fn total(&self) -> u32 {
        1
    }
}

impl Total for Prices {}

#[orchestrator]
async fn order(ctx: OrchestrationContext, text: String) -> Result<String, OrchestratorError> {
    logs();
    logs_in_a_statement();
    Ok(later(&ctx, &text).await.to_owned())
}

const FOUR: u32 = double(2);

fn main() {
    let prices = Prices(vec![FOUR]);
    assert_eq!(prices.sum() + prices.total(), 5);
    let _ = order;
}
