//! A PostgreSQL server with stock configuration, which flushes every commit.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::Outcome;

/// Starts the server, and stops it when its standard input ends: also when this process was killed.
const SCRIPT: &str = include_str!("server.sh");

/// Lives as long as this value, or as this process.
#[derive(Debug)]
pub(super) struct Server {
    script: Child,
    url: String,
}

impl Server {
    /// Starts a server whose files lie below this directory.
    pub(super) fn start(dir: &Path) -> Outcome<Self> {
        let programs = programs().ok_or(
            "there is no PostgreSQL server: install one (Debian: `apt-get install postgresql`), or name a database with \
             `--backend postgres://...`",
        )?;
        let mut command = Command::new("sh");
        command.args(["-c", SCRIPT, "server.sh"]).arg(programs).arg(dir.canonicalize()?);
        // Where a server lies is not said by the environment of this one.
        command.env_remove("PGDATA").env_remove("PGPORT");
        let mut script = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn()?;
        let mut home = String::new();
        if let Some(out) = script.stdout.take() {
            BufReader::new(out).read_line(&mut home)?;
        }
        if home.is_empty() {
            return Err(format!("the PostgreSQL server does not start: {}", script.wait()?).into());
        }
        let url = format!("postgres://durable@{}/postgres", home.trim().replace('%', "%25").replace('/', "%2F"));
        Ok(Self { script, url })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.script.stdin.take());
        // Its files are gone when it ends.
        let _ = self.script.wait();
    }
}

/// Where `initdb` and its like lie, of the newest version that is installed.
fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let in_path = std::env::split_paths(&path).find(|dir| dir.join("initdb").is_file());
    let version = |dir: &Path| dir.file_name()?.to_str()?.parse::<u32>().ok();
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions.map(|entry| entry.path()).filter(|dir| version(dir).is_some()).max_by_key(|dir| version(dir));
    in_path.or_else(|| newest.map(|dir| dir.join("bin"))).filter(|dir| dir.join("pg_ctl").is_file())
}
