//! `kill -9` in the middle of any workload of the benchmark loses nothing that was acknowledged.
//!
//! The benchmark tells, line by line, what was acknowledged (`--acknowledged`). It is killed somewhere, and started anew on the
//! same file, again and again. After each kill, a copy of the file is held against all that was ever told; in the end, what is
//! left runs to its end.
//!
//! `DURABLE_BENCH_KILL_COUNT` says how often each workload is killed, and `DURABLE_BENCH_KILL_SIZE` makes the workloads as many
//! times larger than in the everyday loop; `DURABLE_BENCH_KILL_SEED` repeats the kills of a run that printed it, as far as the
//! machine does.

#![expect(clippy::print_stderr, reason = "a run that nobody can repeat tells what it did")]
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod account;
#[path = "../support/dice.rs"]
mod dice;
mod end;
#[path = "../../../durable-core/tests/support/postgres.rs"]
mod postgres;
#[path = "../support/valid_history.rs"]
mod valid_history;
mod victim;

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use account::{Account, Accounts};
use dice::Dice;
use durable_core::backend::postgres::Postgres;
use durable_core::backend::sqlite::Sqlite;
use end::Time;
use examples::bench::{Line, What};
use victim::{Kill, Victim};

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

fn size(small: u64) -> String {
    (small * setting("DURABLE_BENCH_KILL_SIZE", 1)).to_string()
}

fn dice(workload: &str) -> Dice {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let seed = setting("DURABLE_BENCH_KILL_SEED", u64::from(now.subsec_nanos()));
    eprintln!("{workload}: DURABLE_BENCH_KILL_SEED={seed}");
    Dice(seed)
}

/// Runs a workload that acknowledges about so many starts, events and turns, kills it within them, and does so again.
async fn kill_again_and_again(workload: &str, arguments: &[&str], steps: u64) {
    let dir = tempfile::Builder::new().prefix(&format!("{workload}-")).tempdir().unwrap();
    let file = dir.path().join("bench.db");
    let (store, place) = (format!("sqlite:{}", file.display()), dir.path().to_str().unwrap().to_owned());
    let arguments = [&[workload, "--backend", &store, "--dir", &place], arguments].concat();
    let steps = steps * setting("DURABLE_BENCH_KILL_SIZE", 1);
    let (mut dice, mut accounts) = (dice(workload), Accounts::default());
    for _ in 0..setting("DURABLE_BENCH_KILL_COUNT", 3) {
        let mut most = steps;
        loop {
            let kill = Kill::within(most, &mut dice);
            let (was_killed, lines) = run(&arguments, &kill);
            eprintln!("{workload}: {kill:?}, was killed: {was_killed}, {} lines", lines.len());
            assert!(!lines.is_empty(), "nothing was acknowledged, so nothing would be looked for");
            accounts.enter(lines);
            look_at_copies(&accounts, dir.path()).await;
            if was_killed {
                break;
            }
            // It came to its end before.
            most = (most / 2).max(1);
        }
        end_others(&mut accounts, &file).await;
    }
    // There is none when all kills came while parts of the measurement had files of their own.
    if let Some(account) = accounts.take(&file) {
        end_file(&file, &account).await;
    }
}

/// All lines of a run, and whether it was killed before its end.
fn run(arguments: &[&str], kill: &Kill) -> (bool, Vec<Line>) {
    let mut victim = Victim::start(arguments);
    let (mut lines, mut steps, mut killed) = (Vec::new(), 0, false);
    while let Some(line) = victim.next() {
        steps += u64::from(matches!(line.what, What::Start { .. } | What::Event { .. } | What::Turn { .. }));
        lines.push(line);
        if !killed && steps >= kill.after {
            victim.kill(kill);
            killed = true;
        }
    }
    (victim.was_killed(), lines)
}

/// Looks at the stores that exist at present, and leaves them as the kill did, so that the benchmark finds them like that.
async fn look_at_copies(accounts: &Accounts, dir: &Path) {
    for (file, account) in accounts.files() {
        let copy = dir.join("copy");
        std::fs::create_dir(&copy).unwrap();
        for end in ["", "-wal"] {
            let part = PathBuf::from(format!("{}{end}", file.display()));
            if part.exists() {
                std::fs::copy(&part, copy.join(format!("copy.db{end}"))).unwrap();
            }
        }
        let file = copy.join("copy.db");
        account.check(&Sqlite::open(&file).unwrap()).await;
        check_integrity(&file);
        std::fs::remove_dir_all(copy).unwrap();
    }
}

/// Ends what parts of the measurement have left behind in files of their own. Nobody else will.
async fn end_others(accounts: &mut Accounts, main: &Path) {
    let files: Vec<_> = accounts.files().map(|(file, _)| file.to_owned()).filter(|file| file != main).collect();
    for file in files {
        let account = accounts.take(&file).unwrap();
        end_file(&file, &account).await;
        std::fs::remove_dir_all(file.parent().unwrap()).unwrap();
    }
}

async fn end_file(file: &Path, account: &Account) {
    end::run_to_the_end(Sqlite::open(file).unwrap(), account, Time::Ahead).await;
    account.check(&Sqlite::open(file).unwrap()).await;
    check_integrity(file);
    eprintln!("{}: {account}", file.display());
}

fn check_integrity(file: &Path) {
    let shell = rusqlite::Connection::open(file).unwrap();
    let found: String = shell.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(found, "ok", "{}", file.display());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn w1_sequences() {
    kill_again_and_again("w1", &["--concurrent", "32", "--count", &size(200)], 7 * 232).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn w2_fan_outs() {
    kill_again_and_again("w2", &["--width", &format!("{},{}", size(50), size(300)), "--repeat", "5"], 40).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn w3_a_long_life() {
    kill_again_and_again("w3", &["--steps", &size(300)], 330).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn w4_one_at_a_time() {
    kill_again_and_again("w4", &["--activities", "0,1,5", "--count", &size(40)], 600).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn w5_events() {
    // Most of them do not fit into memory.
    kill_again_and_again("w5", &["--count", &size(500), "--at-once", "64", "--warm", "100"], 2_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn w6_many_that_wait() {
    kill_again_and_again("w6", &["--population", &size(800), "--warm", &size(100)], 6_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn w7_http() {
    kill_again_and_again("w7", &["--connections", "8", "--seconds", "0.25"], 600).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn w8_timers() {
    kill_again_and_again("w8", &["--count", &size(300), "--idle", "0.05"], 3_800).await;
}

/// Two worker processes share the store, and are killed together. The survivors of others are those of `fleet_faults`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_with_two_workers() {
    let workloads: [(&str, &[&str], u64); 3] = [
        ("w1", &["--concurrent", "16", "--count", &size(100)], 7 * 116),
        ("w2", &["--width", &size(200), "--repeat", "3"], 12),
        ("w5", &["--count", &size(200), "--at-once", "16"], 800),
    ];
    for round in 0..setting("DURABLE_BENCH_KILL_COUNT", 3).div_ceil(3) {
        // Their leases end at about the same time.
        let left: Vec<_> = workloads
            .iter()
            .map(|(workload, arguments, steps)| {
                let arguments = [&[*workload, "--backend", postgres::url(), "--workers", "2"], *arguments].concat();
                let steps = steps * setting("DURABLE_BENCH_KILL_SIZE", 1);
                kill_on_postgresql(&arguments, steps, &mut dice(workload))
            })
            .collect();
        let ends = left.iter().map(|(schema, account)| async move {
            let store = || Postgres::options().schema(&schema.name).connect(postgres::url());
            account.check(&store().await.unwrap()).await;
            end::run_to_the_end(store().await.unwrap(), account, Time::OfTheStore).await;
            account.check(&store().await.unwrap()).await;
            eprintln!("round {round} on PostgreSQL: {account}");
        });
        futures_util::future::join_all(ends).await;
    }
}

/// Gives the schema that was left behind, and what was acknowledged there.
fn kill_on_postgresql(arguments: &[&str], mut steps: u64, dice: &mut Dice) -> (postgres::Schema, Account) {
    loop {
        let kill = Kill { all_at_once: true, ..Kill::within(steps, dice) };
        let (was_killed, lines) = run(arguments, &kill);
        eprintln!("{}: {kill:?}, was killed: {was_killed}, {} lines", arguments[0], lines.len());
        if was_killed {
            let name = lines[0].store.clone();
            let mut accounts = Accounts::default();
            accounts.enter(lines);
            let account = accounts.take(Path::new(&name)).unwrap();
            return (postgres::Schema { name }, account);
        }
        steps = (steps / 2).max(1);
    }
}
