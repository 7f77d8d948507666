//! The benchmark works: each workload, as small as it can be. What it measures here means nothing and is not looked at.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::Value;

/// The rows that the benchmark prints.
fn bench(arguments: &[&str]) -> Vec<Value> {
    let dir = tempfile::tempdir().unwrap();
    // The server of PostgreSQL has another user when this one is root.
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_bench"));
    let output =
        program.args(arguments).args(["--json", "--seconds", "0.05", "--dir"]).arg(dir.path()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "it leaves nothing behind");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The workload and the size of each row, none of which ran into an error of the store.
fn rows(arguments: &[&str]) -> Vec<(String, u64)> {
    let of_row = |row: Value| {
        assert!(row["errors"].as_f64().unwrap_or(0.0) == 0.0, "{row}");
        (row["workload"].as_str().unwrap().to_owned(), row["size"].as_u64().unwrap())
    };
    bench(arguments).into_iter().map(of_row).collect()
}

fn expected(workload: &str, sizes: &[u64]) -> Vec<(String, u64)> {
    sizes.iter().map(|size| (workload.to_owned(), *size)).collect()
}

#[test]
fn w1_runs_sequences_beside_the_ceiling() {
    let rows = bench(&["w1", "--concurrent", "1,256", "--count", "10"]);
    let budget = |row: &Value| row["budgets"][0]["name"].as_str().unwrap().to_owned();
    assert_eq!(budget(&rows[0]), "commits end to end");
    assert_eq!(budget(&rows[1]), "ceiling ratio");
    assert!(rows[1]["ceiling_steps_per_s"].as_f64().unwrap() > 0.0);
    let commits = rows[0]["commits_per_step"].as_f64().unwrap() * 6.0;
    assert!(commits <= 7.0, "one for the start and one for each turn: {commits}");
}

#[test]
fn w2_fans_out() {
    assert_eq!(rows(&["w2", "--width", "10,20", "--repeat", "1"]), expected("w2", &[10, 20]));
}

#[test]
fn w3_lives_long_and_is_replayed() {
    let rows = bench(&["w3", "--steps", "10,40"]);
    assert!(rows.iter().all(|row| row["replay_events_per_s"].as_f64().unwrap() > 0.0), "{rows:?}");
    assert!(rows[1]["cpu_us_last"].is_number(), "the last of ten tenths was seen: {rows:?}");
}

#[test]
fn w4_waits_for_single_instances() {
    assert_eq!(rows(&["w4", "--activities", "0,1", "--count", "10"]), expected("w4", &[0, 1]));
}

#[test]
fn w5_parks_and_raises() {
    assert_eq!(rows(&["w5", "--count", "10", "--at-once", "3", "--warm", "5"]), expected("w5", &[10]));
}

#[test]
fn w6_looks_at_memory_in_processes_of_their_own() {
    let rows = rows(&["w6", "--population", "10", "--warm", "10"]);
    assert_eq!(rows, [expected("w6-warm", &[10]), expected("w6-cold", &[10])].concat());
}

#[test]
fn w7_asks_over_http() {
    let rows = rows(&["w7", "--connections", "2"]);
    assert_eq!(rows, [expected("w7-status", &[2]), expected("w7-run", &[2])].concat());
}

#[test]
fn w8_lets_timers_fire_and_idles() {
    let rows = bench(&["w8", "--count", "10", "--idle", "0.05"]);
    assert_eq!(rows[0]["budgets"][2]["name"], "store errors");
    assert_eq!(rows[0]["errors"], 0.0);
}

#[test]
fn a_store_in_memory_has_no_budgets() {
    let rows = bench(&["w2", "--backend", "memory", "--width", "10", "--repeat", "1"]);
    assert_eq!(rows[0]["budgets"], serde_json::json!([]));
}

#[test]
fn workers_share_a_store_in_postgresql() {
    let shared = |arguments: &[&str], figures: &[&str]| {
        let rows = bench(&[arguments, &["--backend", "postgres", "--workers", "1,2,4"]].concat());
        let workers: Vec<_> = rows.iter().map(|row| row["workers"].as_f64().unwrap()).collect();
        assert_eq!(workers, [1.0, 2.0, 4.0]);
        for row in &rows {
            assert!(figures.iter().all(|figure| row[*figure].as_f64().unwrap() > 0.0), "{row}");
            assert_eq!(row["errors"], 0.0, "{row}");
        }
        rows
    };
    let rows = shared(&["w1", "--concurrent", "4", "--count", "8"], &["orch_per_s", "ceiling_steps_per_s"]);
    // As above; what the workers do besides, such as looking for work, is not much.
    assert!(rows.iter().all(|row| row["commits_per_step"].as_f64().unwrap() <= 2.0), "{rows:?}");
    shared(&["w2", "--width", "20", "--repeat", "1"], &["activities_per_s", "commits"]);
    shared(&["w5", "--count", "10", "--at-once", "4"], &["park_per_s", "raise_per_s", "bare_raise_per_s"]);
}

#[test]
fn a_hub_on_postgresql_is_measured_like_others() {
    let rows = bench(&["w1", "--backend", "postgres", "--concurrent", "1,256", "--count", "10"]);
    assert_eq!(rows[0]["budgets"], serde_json::json!([]), "they are made for files");
    let commits = rows[0]["commits_per_step"].as_f64().unwrap() * 6.0;
    assert!(commits < 8.5, "one for the start, one for each turn, and one to give the instance up: {commits}");
    assert!(rows[1]["ceiling ratio"].as_f64().unwrap() > 0.0);
}

#[test]
fn people_get_a_table() {
    let output =
        Command::new(env!("CARGO_BIN_EXE_bench")).args(["w4", "--activities", "0", "--count", "1"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("p50_ms") && text.contains("commits end to end"), "{text}");
}
