//! The benchmark works: each workload, as small as it can be. What it measures here means nothing and is not looked at.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::Value;

/// The rows that the benchmark prints.
fn printed(arguments: &[&str]) -> Vec<Value> {
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

/// The rows; none ran into an error of the store, and each says so.
fn bench(arguments: &[&str]) -> Vec<Value> {
    let rows = printed(arguments);
    for row in &rows {
        assert_eq!(row["errors"], 0, "{row}");
        let errors = row["budgets"].as_array().unwrap().last().unwrap();
        assert_eq!((&errors["name"], &errors["verdict"]), (&"store errors".into(), &"met".into()), "{row}");
    }
    rows
}

/// Whether these figures are there, and more than nothing. What is written to a directory in memory is nothing, though.
fn assert_figures(row: &Value, names: &[&str]) {
    for name in names {
        let is_there = |figure: f64| figure > 0.0 || (figure == 0.0 && name.starts_with("kib_"));
        assert!(row[*name].as_f64().is_some_and(is_there), "{name} of {row}");
    }
}

/// The names of the budgets of a row, that of errors not among them.
fn budgets(row: &Value) -> Vec<&str> {
    let names = row["budgets"].as_array().unwrap().iter().map(|budget| budget["name"].as_str().unwrap());
    names.filter(|name| *name != "store errors").collect()
}

/// The workload and the size of each row.
fn rows(arguments: &[&str]) -> Vec<(String, u64)> {
    let of_row = |row: Value| (row["workload"].as_str().unwrap().to_owned(), row["size"].as_u64().unwrap());
    bench(arguments).into_iter().map(of_row).collect()
}

fn expected(workload: &str, sizes: &[u64]) -> Vec<(String, u64)> {
    sizes.iter().map(|size| (workload.to_owned(), *size)).collect()
}

#[test]
fn w1_runs_sequences_beside_the_ceiling() {
    let rows = bench(&["w1", "--concurrent", "1,256", "--count", "10"]);
    assert_eq!(budgets(&rows[0]), ["commits end to end"]);
    assert_eq!(budgets(&rows[1]), ["ceiling ratio", "ceiling ratio in same groups"]);
    assert_figures(
        &rows[1],
        &["ceiling_steps_per_s", "ceiling_in_same_groups_per_s", "p50_ms", "p99_ms", "kib_per_step", "cpu_us_per_step"],
    );
    let commits = rows[0]["commits_per_step"].as_f64().unwrap() * 6.0;
    assert!(commits <= 7.0, "one for the start and one for each turn: {commits}");
}

#[test]
fn w2_fans_out() {
    assert_eq!(rows(&["w2", "--width", "10,20", "--repeat", "1"]), expected("w2", &[10, 20]));
}

#[test]
fn w3_lives_long_and_is_replayed() {
    let rows = bench(&["w3", "--steps", "0,400"]);
    // Without steps there is nothing to measure, and no verdict.
    assert_eq!(budgets(&rows[0]), ["commits a step", "replayed events/s", "CPU last/first tenth"]);
    let verdicts: Vec<_> = rows[0]["budgets"].as_array().unwrap().iter().map(|budget| &budget["verdict"]).collect();
    assert_eq!((verdicts[0], verdicts[2]), (&"not measured".into(), &"not measured".into()), "{}", rows[0]);
    assert_figures(&rows[1], &["activities_per_s", "commits_per_step", "kib_per_step", "cpu_us_per_step"]);
    assert_figures(&rows[1], &["first_ms", "last_ms", "cpu_us_first", "cpu_us_last", "kib_per_step_last"]);
    assert_eq!(rows[1]["replays"], 5.0);
    // So short a replay may drown in what other tests do meanwhile. Then it has no verdict either.
    let is_measured = !rows[1]["replay_ms"].is_null();
    if is_measured {
        assert_figures(&rows[1], &["replay_ms", "replay_events_per_s"]);
    }
    let has_verdict = |place: usize| rows[1]["budgets"][place]["met"].is_boolean();
    // Its tenths are too short to be compared.
    assert_eq!([has_verdict(0), has_verdict(1), has_verdict(2)], [true, is_measured, false], "{}", rows[1]);
}

#[test]
fn w4_waits_for_single_instances() {
    let rows = bench(&["w4", "--activities", "0,1", "--count", "15"]);
    for row in &rows {
        assert_figures(row, &["p50_ms", "p99_ms", "commit_ms", "kib_per_orch", "cpu_us_per_orch"]);
    }
    assert_eq!((budgets(&rows[0]), budgets(&rows[1])), (vec!["commits end to end"], vec![]));
    // One for the start and one for each turn, as far as those do not fall together.
    let commits = |row: &Value| row["commits"].as_f64().unwrap();
    assert!(commits(&rows[0]) <= 2.0 && commits(&rows[1]) <= 3.0, "{rows:?}");
}

#[test]
fn w5_parks_and_raises() {
    let rows = bench(&["w5", "--count", "10", "--at-once", "3", "--warm", "5"]);
    for what in ["park", "raise"] {
        let names = ["{}_per_s", "{}_p50_ms", "{}_p99_ms", "kib_per_{}", "cpu_us_per_{}", "bare_{}_per_s"];
        let names = names.map(|name| name.replace("{}", what));
        assert_figures(&rows[0], &names.each_ref().map(String::as_str));
    }
    assert_figures(&rows[0], &["park_commits", "commits"]);
}

#[test]
fn w6_looks_at_memory_in_processes_of_their_own() {
    let rows = bench(&["w6", "--population", "10", "--warm", "10"]);
    let names: Vec<_> = rows.iter().map(|row| (&row["workload"], &row["size"])).collect();
    assert_eq!(names, [(&"w6-warm".into(), &10.into()), (&"w6-cold".into(), &10.into())]);
    for row in &rows {
        assert_figures(row, &["park_per_s", "park_commits", "kib_per_park", "cpu_us_per_park", "resident_mib"]);
    }
    assert_figures(&rows[1], &["open_ms", "start_ms", "start_cpu_ms", "disk_bytes_per_instance"]);
}

#[test]
fn w7_asks_over_http() {
    let rows = bench(&["w7", "--connections", "2"]);
    let names: Vec<_> = rows.iter().map(|row| (&row["workload"], &row["size"])).collect();
    assert_eq!(names, [(&"w7-status".into(), &2.into()), (&"w7-run".into(), &2.into())]);
    assert_figures(&rows[1], &["p50_ms", "p99_ms", "kib_per_request", "cpu_us_per_request", "commits_per_request"]);
    assert_eq!(rows[0]["commits_per_request"], 0.0, "who only reads writes nothing");
}

#[test]
fn w8_lets_timers_fire_and_idles() {
    let rows = bench(&["w8", "--count", "10", "--idle", "0.05"]);
    assert_eq!(budgets(&rows[0]), ["p99 late ms", "idle CPU percent"]);
    for what in ["set", "fire"] {
        let names = ["{}_commits", "kib_per_{}", "cpu_us_per_{}"].map(|name| name.replace("{}", what));
        assert_figures(&rows[0], &names.each_ref().map(String::as_str));
    }
}

#[test]
fn a_store_in_memory_has_no_budgets() {
    let rows = bench(&["w2", "--backend", "memory", "--width", "10", "--repeat", "1"]);
    assert!(budgets(&rows[0]).is_empty(), "{}", rows[0]);
    assert!(rows[0]["kib_per_activity"].is_null(), "nothing was written");
}

#[test]
fn workers_share_a_store_in_postgresql() {
    let shared = |arguments: &[&str], figures: &[&str]| {
        let rows = bench(&[arguments, &["--backend", "postgres", "--workers", "1,2,4"]].concat());
        let workers: Vec<_> = rows.iter().map(|row| row["workers"].as_f64().unwrap()).collect();
        assert_eq!(workers, [1.0, 2.0, 4.0]);
        for row in &rows {
            assert_figures(row, figures);
        }
        rows
    };
    let rows = shared(&["w1", "--concurrent", "4", "--count", "8"], &["orch_per_s", "ceiling_steps_per_s"]);
    // As above; what the workers do besides, such as looking for work, is not much.
    assert!(rows.iter().all(|row| row["commits_per_step"].as_f64().unwrap() <= 2.0), "{rows:?}");
    shared(&["w2", "--width", "20", "--repeat", "1"], &["activities_per_s", "commits"]);
    let figures = ["park_per_s", "park_p99_ms", "park_commits", "cpu_us_per_park", "raise_p99_ms", "bare_raise_per_s"];
    shared(&["w5", "--count", "10", "--at-once", "4"], &figures);
}

#[test]
fn a_hub_on_postgresql_is_measured_like_others() {
    let rows = bench(&["w1", "--backend", "postgres", "--concurrent", "1,256", "--count", "10"]);
    assert!(budgets(&rows[0]).is_empty(), "they are made for files");
    assert!(rows[0]["kib_per_step"].is_null(), "it is the server that writes");
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
    let (rows, legend) = text.split_once("\n\n#").unwrap();
    assert!(rows.contains("errors") && legend.contains("checkpoint: not a commit"), "{text}");
}
