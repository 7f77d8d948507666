//! The worker processes, and what can be done to them.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Tells a process of this test that it is a worker: the URL of the database.
pub(crate) const URL: &str = "DURABLE_FLEET_URL";
/// The schema of the hub.
pub(crate) const SCHEMA: &str = "DURABLE_FLEET_SCHEMA";

/// Whether instances stay in memory between their turns.
const WARM: &str = "DURABLE__extendedSessionsEnabled";

const HEARTBEAT: &str = "DURABLE__storageProvider__heartbeatInterval";

/// How workers are started.
pub(crate) struct Recipe {
    /// The test that is a worker when it finds [`URL`].
    pub(crate) test: &'static str,
    pub(crate) url: String,
    pub(crate) schema: String,
    pub(crate) heartbeat: Duration,
}

/// One process. Dropping it kills it.
pub(crate) struct Worker {
    process: Child,
    /// It ends when this does, and waiting for the process would close it.
    _lifeline: Option<ChildStdin>,
    pub(crate) base: String,
    /// What marks its connections.
    pub(crate) name: String,
    log: Arc<Mutex<Vec<String>>>,
}

impl Worker {
    /// Starts a process and waits until it listens. `None` when it ends before, since the server was away.
    pub(crate) fn start(recipe: &Recipe, name: &str) -> Option<Self> {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", recipe.test, "--nocapture"])
            .env(URL, format!("{}?application_name={name}", recipe.url))
            .env(SCHEMA, &recipe.schema)
            // One of the workers replays at every turn, so it gives up and takes over all the time.
            .env(WARM, (!name.starts_with("w2")).to_string())
            .env(HEARTBEAT, format!("00:00:{:09.6}", recipe.heartbeat.as_secs_f64()))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let mut said = Vec::new();
        let address = loop {
            let Some(line) = lines.next().transpose().unwrap() else {
                eprintln!("{name} did not start: {}", said.last().map_or("", String::as_str));
                process.wait().unwrap();
                return None;
            };
            if let Some((_, rest)) = line.split_once("address=") {
                break rest.split_whitespace().next().unwrap().to_owned();
            }
            said.push(line);
        };
        let log = Arc::new(Mutex::new(said));
        let keep = Arc::clone(&log);
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| keep.lock().unwrap().push(line)));
        let base = format!("http://{address}/runtime/webhooks/durabletask");
        Some(Self { _lifeline: process.stdin.take(), process, base, name: name.to_owned(), log })
    }

    pub(crate) fn signal(&self, signal: &str) {
        let id = self.process.id().to_string();
        assert!(Command::new("sh").args(["-c", &format!("kill -{signal} {id}")]).status().unwrap().success());
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Ends in order. Gives what the process said of its end.
    pub(crate) fn finish(&mut self) -> std::process::ExitStatus {
        self.signal("TERM");
        self.process.wait().unwrap()
    }

    /// Warnings and errors by their text without what differs, with how many there are of each.
    pub(crate) fn complaints(&self) -> BTreeMap<String, usize> {
        let mut found = BTreeMap::new();
        for line in self.log.lock().unwrap().iter() {
            let Some(at) = line.find(" WARN ").or_else(|| line.find("ERROR ")).or_else(|| line.find("panicked")) else {
                continue;
            };
            let text: String = line[at..].chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).take(140).collect();
            *found.entry(text).or_insert(0) += 1;
        }
        found
    }

    pub(crate) fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
