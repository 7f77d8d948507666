//! Opening a schema: whose it is, which version it has, and how it comes to the present one.

use sha2::{Digest, Sha256};

use super::connection::Connection;
use super::error::{Failure, Result};
use crate::backend::BackendErrorKind;

/// One file of statements for each version; version n is what the first n files make.
const MIGRATIONS: &[&str] = &[include_str!("migrations/0001.sql")];

/// As `server_version_num` has it.
const OLDEST_SERVER: i32 = 130_000;

/// Marks a schema as a task hub, and says which version it has.
const MARK: &str = "CREATE TABLE durable_schema (version bigint NOT NULL)";

/// Checks the server, and says whether the schema has the version of this program.
pub(super) async fn is_present(connection: &Connection, schema: &str) -> Result<bool> {
    check_server(connection).await?;
    Ok(version(connection, schema).await? == Some(MIGRATIONS.len()))
}

/// Brings the schema to the version of this program. Processes that start at the same time wait for each other.
pub(super) async fn bring_up(connection: &Connection, schema: &str) -> Result<()> {
    let client = connection.client();
    client.batch_execute("BEGIN").await?;
    let done = migrate(connection, schema).await;
    let end = if done.is_ok() { "COMMIT" } else { "ROLLBACK" };
    let ended = client.batch_execute(end).await;
    done?;
    Ok(ended?)
}

async fn check_server(connection: &Connection) -> Result<()> {
    let sql = "SELECT current_setting('server_version_num')::int, current_setting('server_version'),
                      current_setting('server_encoding')";
    let rows = connection.query(sql, &[]).await?;
    let Some(row) = rows.first() else { return Ok(()) };
    let (number, version): (i32, &str) = (row.try_get(0)?, row.try_get(1)?);
    let encoding: &str = row.try_get(2)?;
    let refuse = |what| Err(Failure::new(BackendErrorKind::Other, what));
    if number < OLDEST_SERVER {
        return refuse(format!("the server is PostgreSQL {version}; this needs 13 or newer"));
    }
    if encoding != "UTF8" {
        return refuse(format!("the database has the encoding {encoding}; make one with UTF8"));
    }
    Ok(())
}

/// The version of a schema that is there and is ours, if it is one that this program knows.
async fn version(connection: &Connection, schema: &str) -> Result<Option<usize>> {
    let sql = "SELECT count(*), count(*) FILTER (WHERE c.relname = 'durable_schema')
               FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1";
    let rows = connection.query(sql, &[&schema]).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    match (row.try_get::<_, i64>(0)?, row.try_get::<_, i64>(1)?) {
        (0, _) => Ok(None),
        (_, 0) => {
            let what = format!("the schema {schema} has tables of another program; name another one");
            Err(Failure::new(BackendErrorKind::Foreign, what))
        }
        _ => {
            let rows = connection.query("SELECT max(version) FROM durable_schema", &[]).await?;
            let version: Option<i64> = rows.first().map(|row| row.try_get(0)).transpose()?.flatten();
            let version = version.and_then(|version| usize::try_from(version).ok()).unwrap_or_default();
            if version <= MIGRATIONS.len() {
                return Ok(Some(version));
            }
            let what = format!(
                "the schema has version {version}, and this program knows only up to {}; it was written by a newer \
                 version of this program: use that one",
                MIGRATIONS.len()
            );
            Err(Failure::new(BackendErrorKind::Foreign, what))
        }
    }
}

/// Within a transaction.
async fn migrate(connection: &Connection, schema: &str) -> Result<()> {
    let client = connection.client();
    // Who waits for a migration waits longer than for a row.
    client.batch_execute("SET LOCAL lock_timeout = '1min'; SET LOCAL client_min_messages = warning").await?;
    client.execute("SELECT pg_advisory_xact_lock($1)", &[&lock(schema)]).await?;
    let exists = client.query("SELECT 1 FROM pg_namespace WHERE nspname = $1", &[&schema]).await?;
    if exists.is_empty() {
        // Only then, because it takes a right that whoever finds the schema made may lack.
        client.batch_execute(&format!("CREATE SCHEMA \"{schema}\"")).await?;
    }
    let version = match version(connection, schema).await? {
        Some(version) => version,
        None => {
            client.batch_execute(MARK).await?;
            0
        }
    };
    for (done, statements) in MIGRATIONS.iter().enumerate().skip(version) {
        client.batch_execute(statements).await?;
        let next = i64::try_from(done + 1).unwrap_or(i64::MAX);
        client.execute("INSERT INTO durable_schema (version) VALUES ($1)", &[&next]).await?;
    }
    Ok(())
}

/// The number of an advisory lock that nobody else has for something else.
fn lock(schema: &str) -> i64 {
    let hash = Sha256::digest(format!("durable task hub {schema}"));
    let mut number = [0; 8];
    number.copy_from_slice(&hash[..8]);
    i64::from_be_bytes(number)
}
