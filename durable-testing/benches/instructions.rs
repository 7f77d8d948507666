//! Runs the stories under callgrind, which counts the instructions of `measured`; see `.ci/instructions`.
//!
//! Each line that it prints belongs to one call of `measured`: what was measured, its size, and how many events it had.

#![expect(clippy::unwrap_used, reason = "a measurement fails by panicking")]
#![expect(clippy::print_stdout, reason = "the lines are what the script reads")]

// Not a bench of durable-core: its libraries for tests take longer to compile than all the rest.
#[path = "../../durable-core/benches/stories/mod.rs"]
mod stories;

use std::hint::black_box;
use std::time::Duration;

use durable_core::history::{decode_event, encode_event};
use durable_core::prelude::*;
use durable_testing::World;

use stories::{STORIES, Story};

/// The sizes that are compared: a cost that is the same for each event is the same for both.
const SIZES: [u64; 2] = [1_000, 4_000];

/// Callgrind knows it by its name: it writes down its counts when this ends, and begins again with zero.
#[inline(never)]
fn written<T>(work: impl FnOnce() -> T) -> T {
    black_box(work())
}

/// What came before goes into a part of its own.
fn measured<T>(work: impl FnOnce() -> T) -> T {
    written(|| ());
    written(work)
}

/// Measures each story at each size; with a name as the argument, that story alone, for a look at its profile.
fn main() {
    let only = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let stories = STORIES.iter().filter(|name| only.as_ref().is_none_or(|only| only == *name));
    for name in stories {
        for size in SIZES {
            let story = Story::new(name, size);
            let history = story.history();
            let turns = measured(|| story.live());
            println!("live {name} {size} {turns}");
            measured(|| story.replay(&history));
            println!("replay {name} {size} {}", history.len());
        }
    }
    if only.is_none() {
        rows();
        worlds();
    }
}

#[orchestrator]
async fn hours(ctx: OrchestrationContext, n: u64) -> Result<u64, OrchestratorError> {
    for _ in 0..n {
        ctx.create_timer(Duration::from_secs(3_600)).await;
    }
    Ok(n)
}

/// Hourly timers on the whole engine, with the checks that a world makes by itself.
fn worlds() {
    for size in SIZES {
        let run = || World::builder().orchestrator(hours).build().start(hours, size).output();
        println!("world hours {size} {}", measured(run));
    }
}

/// Events to rows and back, as a store does it.
fn rows() {
    for size in SIZES {
        let story = Story::new("sequence", size);
        let history = story.history();
        let rows = measured(|| history.iter().map(|record| encode_event(&record.kind)).collect::<Vec<_>>());
        println!("encode sequence {size} {}", rows.len());
        let header = story.executor().header().clone();
        let events = measured(|| rows.into_iter().map(|row| decode_event(row, &header).unwrap()).collect::<Vec<_>>());
        println!("decode sequence {size} {}", events.len());
    }
}
