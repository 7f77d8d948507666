//! Measures durable orchestrations with full durability, beside what the disk allows: throughput, fan-outs, long lives,
//! latency, events, waiting instances, HTTP and timers. One command a workload, and `all`; `--help` says what each can be told.
//!
//! Run with `cargo run --release -p examples --bin bench -- w1`. Add `--json` for one object a row.

use std::error::Error;

use clap::Parser;
use examples::bench::Options;
use mimalloc::MiMalloc;

/// A step makes many small allocations, and frees them on other threads.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    Options::parse().run()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_workload_has_a_command() {
        for workload in ["w1", "w2", "w3", "w4", "w5", "w6", "w7", "w8", "all"] {
            assert!(Options::try_parse_from(["bench", workload, "--json"]).is_ok(), "{workload}");
        }
        assert!(Options::try_parse_from(["bench", "w1", "--backend", "tape"]).is_err());
    }
}
