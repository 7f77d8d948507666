//! The replay core without a store: `cargo bench -p durable-core --no-default-features --bench replay`.
//!
//! A line `replay/<story>` is a cold replay: what an instance costs that comes back from the store. A line `live/<story>` is
//! the same story on a warm executor with one event for each turn. Elements are events of the history, and turns.

#![expect(clippy::unwrap_used, reason = "a measurement fails by panicking")]

mod stories;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use durable_core::history::{decode_event, encode_event};

use stories::Story;

/// How many steps each story has.
const SIZES: &[(&str, u64)] =
    &[("sequence", 10_000), ("fan_out", 10_000), ("timers", 1_000), ("retries", 1_000), ("signals", 1_000)];

fn replay(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("replay");
    for (name, size) in SIZES {
        let story = Story::new(name, *size);
        let history = story.history();
        group.throughput(Throughput::Elements(history.len() as u64));
        group.bench_function(BenchmarkId::new(*name, size), |bencher| bencher.iter(|| story.replay(&history)));
    }
    group.finish();
}

fn live(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("live");
    for (name, size) in SIZES {
        let story = Story::new(name, *size);
        group.throughput(Throughput::Elements(story.live()));
        group.bench_function(BenchmarkId::new(*name, size), |bencher| bencher.iter(|| story.live()));
    }
    group.finish();
}

/// Events to rows and back, as a store does it.
fn rows(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("rows");
    let story = Story::new("sequence", 1_000);
    let (history, header) = (story.history(), story.executor().header().clone());
    group.throughput(Throughput::Elements(history.len() as u64));
    let encode = || history.iter().map(|record| encode_event(&record.kind)).collect::<Vec<_>>();
    group.bench_function("encode", |bencher| bencher.iter(encode));
    group.bench_function("decode", |bencher| {
        bencher.iter_batched(
            encode,
            |rows| rows.into_iter().map(|row| decode_event(row, &header).unwrap()).collect::<Vec<_>>(),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    replay(&mut criterion);
    live(&mut criterion);
    rows(&mut criterion);
    criterion.final_summary();
}
