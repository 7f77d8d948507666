//! A PostgreSQL server for tests: the one that `DURABLE_TEST_POSTGRES` names, or one that lives as long as the test process.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::io::{BufRead, BufReader, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use durable_core::backend::postgres::{Postgres, PostgresOptions};
use tokio_postgres::{Client, NoTls};

const VARIABLE: &str = "DURABLE_TEST_POSTGRES";

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../durable-core/tests/support/postgres.sh");

struct Server {
    url: String,
    /// `None` for somebody else's server.
    own: Option<Own>,
}

/// A server that this process has started.
pub(crate) struct Own {
    /// When this process ends, however it does, its standard input ends and the server stops.
    script: Child,
    told: BufReader<ChildStdout>,
}

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| match std::env::var(VARIABLE) {
        Ok(url) if !url.is_empty() => Server { url, own: None },
        _ => {
            let (url, own) = start();
            Server { url, own: Some(own) }
        }
    })
}

/// Starts a server for this test alone, and gives the URL of a database.
pub(crate) fn start() -> (String, Own) {
    let missing = format!(
        "these tests need PostgreSQL: install its server (Debian: `apt-get install postgresql`), or set {VARIABLE} to the \
         URL of a database in which they may make schemas"
    );
    let programs = programs().expect(&missing);
    let mut command = Command::new("sh");
    command.arg(SCRIPT).arg(&programs).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("a shell can be started");
    let mut home = String::new();
    let mut told = BufReader::new(child.stdout.take().unwrap());
    told.read_line(&mut home).unwrap();
    if home.is_empty() {
        let mut why = String::new();
        child.stderr.take().unwrap().read_to_string(&mut why).unwrap();
        panic!("the server in {} does not start: {why}\n{missing}", programs.display());
    }
    let url = format!("postgres://durable@{}/postgres", home.trim().replace('/', "%2F"));
    (url, Own { script: child, told })
}

impl Own {
    /// Restarts the server: `fast` ends its connections in order, `immediate` is like a crash. Blocks until it is there again.
    pub(crate) fn restart(&mut self, mode: &str) {
        writeln!(self.script.stdin.as_mut().unwrap(), "{mode}").unwrap();
        let mut up = String::new();
        self.told.read_line(&mut up).unwrap();
        assert_eq!(up.trim(), "up", "the server does not come back");
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        drop(self.script.stdin.take());
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

/// The URL of a database that all tests of this process share.
pub(crate) fn url() -> &'static str {
    &server().url
}

/// A schema of its own for one test. It is removed in the end, unless the server is.
pub(crate) struct Schema {
    pub(crate) name: String,
}

impl Schema {
    pub(crate) fn new() -> Self {
        static LAST: AtomicU32 = AtomicU32::new(0);
        let number = LAST.fetch_add(1, Ordering::Relaxed);
        Self { name: format!("Durable test {}.{number}", std::process::id()) }
    }

    pub(crate) fn options(&self) -> PostgresOptions {
        Postgres::options().schema(&self.name)
    }

    /// A store in this schema.
    pub(crate) async fn store(&self) -> Postgres {
        self.options().connect(url()).await.expect("a store can be made")
    }

    /// A connection for looking behind the store.
    pub(crate) async fn client(&self) -> Client {
        let client = connect().await;
        client.batch_execute(&format!("SET search_path = \"{}\"", self.name)).await.unwrap();
        client
    }
}

impl Drop for Schema {
    fn drop(&mut self) {
        if server().own.is_some() {
            return;
        }
        let sql = format!("DROP SCHEMA IF EXISTS \"{}\" CASCADE", self.name);
        let drop = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async { connect().await.batch_execute(&sql).await })
        };
        let _ = std::thread::spawn(drop).join();
    }
}

pub(crate) async fn connect() -> Client {
    let (client, connection) = tokio_postgres::connect(url(), NoTls).await.expect("the server can be reached");
    tokio::spawn(connection);
    client
}
