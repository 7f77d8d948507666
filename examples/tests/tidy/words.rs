//! Words that have no place in some files, or anywhere.

use crate::code::{line_of, places_of};
use crate::repository::{Source, rust_files};
use crate::{Fault, assert_none, lines};

/// A word, the only places where it may stand, and what to do about others.
struct Fence {
    word: &'static str,
    inside: &'static [&'static str],
    remedy: &'static str,
}

const FENCES: &[Fence] = &[
    Fence {
        word: "rusqlite",
        // The benchmark compares the engine with SQLite alone, and what is measured cannot be its own yardstick.
        inside: &["durable-core/src/backend/sqlite/", "examples/src/bench/ceiling.rs"],
        remedy: "go through `Backend`",
    },
    Fence {
        word: "tokio_postgres",
        inside: &["durable-core/src/backend/postgres/", "examples/src/bench/ceiling_postgres.rs"],
        remedy: "go through `Backend`",
    },
    Fence { word: "syn", inside: &["durable-macros/src/"], remedy: "leave parsing of code to the macros" },
    Fence { word: "axum", inside: &["examples/src/"], remedy: "the library is a `tower_service::Service`" },
];

/// What the replay core must not know, so that it gives the same answer in every replay.
const IMPURE: &[&str] = &["tokio", "rusqlite", "SystemTime", "Instant", "thread::spawn", "thread::sleep", "tracing"];

/// Tests that may name a sleep, with the reason.
const MAY_SLEEP: &[(&str, &str)] = &[
    ("durable-macros/tests/ui/", "the macro refuses it"),
    ("durable-core/tests/backend_postgres_fan_out.rs", "the calls of a fan-out that is shared take time"),
    ("durable-core/tests/engine_activities.rs", "time is virtual in a world"),
    ("durable-core/tests/engine_handoff.rs", "time is virtual in a world"),
    ("durable-core/tests/engine_ownership.rs", "time is virtual in a fleet"),
    ("durable-core/tests/engine_promises.rs", "time is virtual in a world"),
    ("durable-core/tests/engine_sharing.rs", "time is virtual in a fleet"),
    ("durable-core/tests/engine_waiting.rs", "the mistake that the engine is to find"),
    ("durable-core/tests/telemetry.rs", "time is virtual in a world"),
    ("examples/tests/fleet_faults/", "faults of processes come at times of their own"),
    ("durable-testing/src/clock.rs", "it follows tokio's paused time"),
    ("durable-testing/src/fleet.rs", "time is virtual in a fleet"),
    ("durable-testing/src/world/time.rs", "time is virtual there"),
    ("durable-testing/tests/world.rs", "time is virtual in a world"),
    ("durable-testing/tests/world_explore.rs", "time is virtual in a world"),
    ("durable-testing/tests/world_store.rs", "time is virtual in a world"),
];

fn outside_its_fence(source: &Source) -> Vec<Fault> {
    if !source.path.contains("/src/") {
        return Vec::new();
    }
    let is_inside = |fence: &Fence| fence.inside.iter().any(|place| source.path.starts_with(place));
    let faults = FENCES.iter().filter(|fence| !is_inside(fence)).flat_map(|fence| {
        let what = format!("only {} may name `{}`: {}", fence.inside.join(" and "), fence.word, fence.remedy);
        places_of(&source.code, fence.word).into_iter().map(move |(line, _)| Fault::new(source, line, &*what))
    });
    faults.collect()
}

fn impure(source: &Source) -> Vec<Fault> {
    if !source.path.starts_with("durable-core/src/replay/") {
        return Vec::new();
    }
    let faults = IMPURE.iter().flat_map(|word| {
        let what = format!("the replay core may not name `{word}`: let its caller pass in what it needs");
        places_of(&source.code, word).into_iter().map(move |(line, _)| Fault::new(source, line, &*what))
    });
    faults.collect()
}

fn left_open(source: &Source) -> Vec<Fault> {
    let words = [
        ("todo!(", "write it, or leave it out"),
        ("unimplemented!(", "write it, or leave it out"),
        ("#[ignore", "assert what happens today, and say in a comment what should"),
        ("dbg!(", "use `tracing`, or an assertion"),
    ];
    let faults = words.into_iter().flat_map(|(word, remedy)| {
        let places = places_of(&source.code, word).into_iter();
        places.map(move |(line, _)| Fault::new(source, line, format!("`{word}` is left over: {remedy}")))
    });
    let ignored = source.text.lines().enumerate().filter(|(_, line)| {
        let doc = line.trim_start().trim_start_matches("///").trim_start_matches("//!").trim_start();
        doc.starts_with("```ignore") || doc.starts_with("```rust,ignore")
    });
    let what = "an ignored example rots: make it compile, or mark it as `text`";
    faults.chain(ignored.map(|(i, _)| Fault::new(source, i + 1, what))).collect()
}

fn allowed_without_reason(source: &Source) -> Vec<Fault> {
    let attributes = ["#[allow(", "#![allow(", "#[expect(", "#![expect("];
    let places = attributes.into_iter().flat_map(|attribute| places_of(&source.code, attribute));
    let bare = places.filter(|(_, behind)| {
        let inside = &source.code[*behind..];
        let end = inside.find(']').unwrap_or(inside.len());
        places_of(&inside[..end], "reason").is_empty()
    });
    let what = "an exception needs a reason: `#[expect(lint, reason = \"...\")]`, or fix what the lint says";
    bare.map(|(line, _)| Fault::new(source, line, what)).collect()
}

fn sleeping_test(source: &Source) -> Vec<Fault> {
    if !source.is_test() || MAY_SLEEP.iter().any(|(path, _)| source.path.starts_with(path)) {
        return Vec::new();
    }
    let what = "tests do not sleep: wait for what should happen, or use a `VirtualClock` or tokio's paused time";
    let places = source.code.match_indices("sleep(").map(|(at, _)| line_of(&source.code, at));
    places.map(|line| Fault::new(source, line, what)).collect()
}

#[test]
fn foreign_crates_stay_inside_their_fences() {
    assert_none(rust_files().iter().flat_map(outside_its_fence));
}

#[test]
fn the_replay_core_is_pure() {
    assert_none(rust_files().iter().flat_map(impure));
}

#[test]
fn nothing_is_left_open() {
    assert_none(rust_files().iter().flat_map(left_open));
}

#[test]
fn every_exception_has_a_reason() {
    assert_none(rust_files().iter().flat_map(allowed_without_reason));
}

#[test]
fn every_allowed_sleep_exists() {
    let files = rust_files();
    for (path, _) in MAY_SLEEP {
        let used = files.iter().any(|source| source.path.starts_with(path) && source.code.contains("sleep("));
        assert!(used, "{path} does not sleep any more: take it out of `MAY_SLEEP`");
    }
}

#[test]
fn no_test_sleeps() {
    assert_none(rust_files().iter().flat_map(sleeping_test));
}

#[test]
fn a_fence_that_is_crossed_is_found() {
    let text = "// rusqlite\nuse rusqlite::Connection;\nlet x = tokio_postgres::connect;";
    assert_eq!(lines(outside_its_fence, "durable-core/src/engine/x.rs", text), [2, 3]);
    assert_eq!(lines(outside_its_fence, "durable-core/src/backend/sqlite/x.rs", text), [3]);
    assert_eq!(lines(outside_its_fence, "durable-core/src/backend/postgres/x.rs", text), [2]);
    assert_eq!(lines(outside_its_fence, "examples/src/bench/ceiling.rs", text), [3]);
    assert_eq!(lines(outside_its_fence, "examples/src/bench/store.rs", text), [2, 3]);
}

#[test]
fn an_impure_replay_core_is_found() {
    let text = "use std::time::{Duration, Instant};\nuse std::time::SystemTime;\nstd::thread::spawn(f);\ntokio::spawn(g);\nstd::thread::current();";
    assert_eq!(lines(impure, "durable-core/src/replay/x.rs", text), [4, 2, 1, 3]);
    assert_eq!(lines(impure, "durable-core/src/engine/x.rs", text), [0; 0]);
}

#[test]
fn what_is_left_open_is_found() {
    let text = "todo!()\nunimplemented!(\"x\")\n#[ignore = \"slow\"]\n/// ```ignore\n// todo!()\n\"todo!()\"";
    assert_eq!(lines(left_open, "x.rs", text), [1, 2, 3, 4]);
}

#[test]
fn an_exception_without_reason_is_found() {
    let text = "#[allow(dead_code)]\n#[expect(\n dead_code,\n reason = \"x\")]\n#![expect(clippy::all)]\n#[allow(dead_code, reason = \"y\")]";
    assert_eq!(lines(allowed_without_reason, "x.rs", text), [1, 5]);
}

#[test]
fn a_test_that_sleeps_is_found() {
    let text = "tokio::time::sleep(d).await;\nthread::sleep(d);\nclock.sleep_until(t);\n// sleep(1)";
    assert_eq!(lines(sleeping_test, "durable-core/tests/x.rs", text), [1, 2]);
    assert_eq!(lines(sleeping_test, "durable-core/src/x.rs", text), [0; 0]);
    assert_eq!(lines(sleeping_test, "durable-macros/tests/ui/x.rs", text), [0; 0]);
}
