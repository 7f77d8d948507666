//! A PostgreSQL server for tests: the one that `DURABLE_TEST_POSTGRES` names, or one that lives as long as the test process.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use durable_core::backend::postgres::{Postgres, PostgresOptions};
use durable_testing::PostgresServer;
use tokio_postgres::{Client, NoTls};

enum Server {
    Own(PostgresServer),
    /// Somebody else's, by the URL of a database.
    Other(String),
}

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| match std::env::var("DURABLE_TEST_POSTGRES") {
        Ok(url) if !url.is_empty() => Server::Other(url),
        _ => Server::Own(PostgresServer::start().unwrap()),
    })
}

/// The URL of a database that all tests of this process share.
pub(crate) fn url() -> &'static str {
    match server() {
        Server::Own(own) => own.url(),
        Server::Other(url) => url,
    }
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
        if matches!(server(), Server::Own(_)) {
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
