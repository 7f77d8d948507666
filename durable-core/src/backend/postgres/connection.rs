//! One connection, and how it is made.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::Duration;

use futures_util::future::join_all;
use parking_lot::Mutex;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres::types::ToSql;
use tokio_postgres::{AsyncMessage, Client, Config, NoTls, Row, Socket, Statement};

use super::error::{Failure, Result};
use super::tls::Tls;
use crate::backend::BackendErrorKind;

/// How long a connection may take to come into being, or to notice that nobody answers.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a statement is given.
pub(super) type Params<'a> = Vec<&'a (dyn ToSql + Sync)>;

/// Where a hub lies, and how one gets there.
pub(super) struct Address {
    config: Config,
    tls: Tls,
    schema: String,
    place: String,
    relaxed: bool,
}

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Statements that find their rows by an index, whatever the planner knows about a table that was empty a moment ago.
    Rows,
    /// Queries whose best way depends on what they ask for.
    Lists,
    /// What may get lost.
    Hints,
}

/// One statement of several that are sent together.
pub(super) struct Step<'a> {
    pub(super) sql: &'static str,
    pub(super) params: Params<'a>,
}

/// A connection with the statements that it has prepared.
pub(super) struct Connection {
    client: Client,
    statements: Mutex<HashMap<&'static str, Statement>>,
}

impl Address {
    pub(super) fn new(url: &str, schema: &str, authorities: Option<&str>, relaxed: bool) -> Result<Self> {
        let fail = |what: String| Failure::new(BackendErrorKind::Other, what);
        // Encrypted always means checked, whatever the word.
        let url = url.replace("sslmode=verify-full", "sslmode=require").replace("sslmode=verify-ca", "sslmode=require");
        let mut config: Config = url.parse().map_err(|error: tokio_postgres::Error| {
            let cause = std::error::Error::source(&error).map_or_else(String::new, |cause| format!(": {cause}"));
            fail(format!("this is not the URL of a PostgreSQL database{cause}"))
        })?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(fail("the URL names no host".to_owned()));
        }
        if schema.is_empty() || schema.len() > 63 || schema.contains(['"', '\0']) || schema.starts_with("pg_") {
            return Err(fail(format!("'{}' cannot be the name of a schema", schema.escape_debug())));
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(PATIENCE);
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(PATIENCE);
        }
        config.keepalives_idle(PATIENCE);
        if config.get_target_session_attrs() == TargetSessionAttrs::Any {
            config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        if config.get_application_name().is_none() {
            config.application_name("durable");
        }
        // On the way to itself nobody listens, and a server's certificate is rarely made for that name.
        if config.get_ssl_mode() == SslMode::Prefer && config.get_hosts().iter().all(is_here) {
            config.ssl_mode(SslMode::Disable);
        }
        let place = place(&config, schema);
        Ok(Self { tls: Tls::new(authorities)?, config, schema: schema.to_owned(), place, relaxed })
    }

    /// Host, database and schema, for messages.
    pub(super) fn place(&self) -> &str {
        &self.place
    }

    pub(super) fn schema(&self) -> &str {
        &self.schema
    }

    pub(super) async fn connect(&self, purpose: Purpose) -> Result<Connection> {
        let client = self.client(|_| {}).await?;
        client.batch_execute(&self.settings(purpose)).await?;
        Ok(Connection { client, statements: Mutex::default() })
    }

    /// A connection, with what happens to the messages that come on it unasked.
    pub(super) async fn client(&self, told: impl Fn(AsyncMessage) + Send + 'static) -> Result<Client> {
        if self.config.get_ssl_mode() == SslMode::Disable {
            let (client, connection) = self.config.connect(NoTls).await.map_err(Failure::of_connection)?;
            tokio::spawn(drive(connection, told));
            Ok(client)
        } else {
            let (client, connection) = self.config.connect(self.tls.clone()).await.map_err(Failure::of_connection)?;
            tokio::spawn(drive(connection, told));
            Ok(client)
        }
    }

    fn settings(&self, purpose: Purpose) -> String {
        let mut sql = format!(
            // Whoever waits for a lock has other locks and keeps a whole batch waiting, so it does that for a moment only, and
            // then tries without what is locked. A worker that stands still in the middle of a transaction must not keep its
            // locks either. It has time enough for sending the largest batch over the network of a data centre.
            "SET search_path = \"{}\"; SET lock_timeout = '1s'; SET idle_in_transaction_session_timeout = '4s'; \
             SET default_transaction_isolation = 'read committed';",
            self.schema
        );
        if self.relaxed || purpose == Purpose::Hints {
            sql.push_str("SET synchronous_commit = off;");
        } else {
            // Whatever waits for more than the local disk stays.
            sql.push_str(
                "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';",
            );
        }
        if purpose == Purpose::Rows {
            // A plan is made once, maybe when the tables are empty, and must be right when they are not.
            sql.push_str(
                "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET enable_hashjoin = off; \
                 SET enable_mergejoin = off; SET enable_material = off; SET jit = off;",
            );
        }
        sql
    }
}

fn is_here(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => matches!(name.as_str(), "localhost" | "127.0.0.1" | "::1"),
        #[cfg(unix)]
        Host::Unix(_) => true,
    }
}

fn place(config: &Config, schema: &str) -> String {
    let mut place = String::new();
    for (at, host) in config.get_hosts().iter().enumerate() {
        let comma = if at == 0 { "" } else { "," };
        let _ = match host {
            Host::Tcp(name) => write!(place, "{comma}{name}"),
            #[cfg(unix)]
            Host::Unix(path) => write!(place, "{comma}{}", path.display()),
        };
        let port = config.get_ports().get(at).or(config.get_ports().first()).copied().unwrap_or(5432);
        if port != 5432 {
            let _ = write!(place, ":{port}");
        }
    }
    for address in config.get_hostaddrs().iter().filter(|_| config.get_hosts().is_empty()) {
        let _ = write!(place, "{address} ");
    }
    let database = config.get_dbname().or(config.get_user()).unwrap_or_default();
    format!("{schema} in postgres://{}/{database}", place.trim_end())
}

/// Moves what goes over a connection, until it ends.
async fn drive<S>(mut connection: tokio_postgres::Connection<Socket, S>, told: impl Fn(AsyncMessage))
where
    S: tokio_postgres::tls::TlsStream + Unpin,
{
    // The end of the connection is told to whoever waits for an answer.
    while let Some(Ok(message)) = std::future::poll_fn(|cx| connection.poll_message(cx)).await {
        if let AsyncMessage::Notice(notice) = &message {
            tracing::debug!(code = notice.code().code(), "PostgreSQL says: {}", notice.message());
        }
        told(message);
    }
}

impl Connection {
    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    async fn statement(&self, sql: &'static str) -> std::result::Result<Statement, tokio_postgres::Error> {
        let known = self.statements.lock().get(sql).cloned();
        if let Some(statement) = known {
            return Ok(statement);
        }
        let statement = self.client.prepare(sql).await?;
        self.statements.lock().insert(sql, statement.clone());
        Ok(statement)
    }

    pub(super) async fn query(&self, sql: &'static str, params: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>> {
        let statement = self.statement(sql).await?;
        Ok(self.client.query(&statement, params).await?)
    }

    /// A query that always gives a row.
    pub(super) async fn one(&self, sql: &'static str, params: &[&(dyn ToSql + Sync)]) -> Result<Row> {
        let row = self.query(sql, params).await?.pop();
        row.ok_or_else(|| Failure::corrupt("a query that always gives a row gave none"))
    }

    /// Carries out several statements in their order, in one round trip, and gives the rows of each. The first that fails
    /// is the one whose error is told; the others behind it do nothing in a transaction.
    pub(super) async fn run(&self, steps: &[Step<'_>]) -> Result<Vec<Vec<Row>>> {
        // What is new is prepared first, also in one round trip.
        let statements = join_all(steps.iter().map(|step| self.statement(step.sql))).await;
        let statements = statements.into_iter().collect::<std::result::Result<Vec<_>, _>>()?;
        let sent = steps.iter().zip(&statements).map(|(step, statement)| self.client.query(statement, &step.params));
        // Each is sent when it is polled first, which happens in order.
        let answers = join_all(sent).await;
        let mut rows = Vec::with_capacity(steps.len());
        for answer in answers {
            rows.push(answer?);
        }
        Ok(rows)
    }
}
