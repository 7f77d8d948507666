//! Where a hub lies, and how one gets there.

use std::io;
use std::time::Duration;

use tokio::sync::watch;
use tokio_postgres::config::{SslMode, TargetSessionAttrs};
use tokio_postgres::{AsyncMessage, Client, Config, NoTls, Socket};

use super::connection::{Connection, Line, Purpose};
use super::error::{Failure, Result};
use super::hosts::{Hosts, Server};
use super::tls::Tls;
use super::url;
use crate::backend::BackendErrorKind;

/// How long a connection may take to come into being, or to notice that nobody is there any more.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often and how long somebody is knocked for who has been quiet for [`PATIENCE`].
const KNOCKS: u32 = 3;
const KNOCK_INTERVAL: Duration = Duration::from_secs(2);

pub(super) struct Address {
    config: Config,
    hosts: Hosts,
    tls: Tls,
    schema: String,
    place: String,
    relaxed: bool,
    /// How often the server was found to be the wrong one, or to say nothing. Connections from before are not used again.
    doubts: watch::Sender<u64>,
}

impl Address {
    pub(super) fn new(url: &str, schema: &str, authorities: Option<&str>, relaxed: bool) -> Result<Self> {
        let fail = |what: String| Failure::new(BackendErrorKind::Other, what);
        let mut config: Config = url::for_driver(url).parse().map_err(|error: tokio_postgres::Error| {
            let cause = std::error::Error::source(&error).map_or_else(String::new, |cause| format!(": {cause}"));
            fail(format!("this is not the URL of a PostgreSQL database{cause}"))
        })?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(fail("the URL names no host".to_owned()));
        }
        let Some(hosts) = Hosts::new(&config) else {
            return Err(fail("the URL has not as many addresses or ports as hosts".to_owned()));
        };
        if !is_name(schema) {
            return Err(fail(format!("'{}' cannot be the name of a schema", schema.escape_debug())));
        }
        set_defaults(&mut config, url);
        // On the way to itself nobody listens, and a server's certificate is rarely made for that name.
        if config.get_ssl_mode() == SslMode::Prefer && hosts.are_here() {
            config.ssl_mode(SslMode::Disable);
        }
        let database = config.get_dbname().or(config.get_user()).unwrap_or_default();
        let place = format!("{schema} in postgres://{}/{database}", hosts.told());
        let (tls, schema) = (Tls::new(authorities)?, schema.to_owned());
        Ok(Self { tls, config, hosts, schema, place, relaxed, doubts: watch::Sender::new(0) })
    }

    /// Host, database and schema, for messages.
    pub(super) fn place(&self) -> &str {
        &self.place
    }

    pub(super) fn schema(&self) -> &str {
        &self.schema
    }

    pub(super) async fn connect(&self, purpose: Purpose) -> Result<Connection> {
        let doubts = self.doubts();
        let (client, line) = self.client(&self.settings(purpose), |_| {}).await?;
        Ok(Connection::new(client, line, doubts))
    }

    /// Changes when connections that were made before must not be used again.
    pub(super) fn doubts(&self) -> u64 {
        *self.doubts.borrow()
    }

    /// Whoever is at the other end of the connections that there are, others should be asked now. Nothing happens when somebody
    /// else has said so since the connection was made that gives the reason.
    pub(super) fn doubt(&self, connection: &Connection) {
        self.doubts.send_if_modified(|doubts| {
            let is_new = *doubts == connection.doubts();
            *doubts += u64::from(is_new);
            is_new
        });
    }

    /// Ends at the next doubt after this one.
    pub(super) async fn doubted(&self, before: u64) {
        // The sending end is there as long as this.
        let _ = self.doubts.subscribe().wait_for(|doubts| *doubts != before).await;
    }

    /// A connection to the first server that is the right one and carries out these statements, with what happens to the
    /// messages that come on it unasked.
    pub(super) async fn client(
        &self,
        statements: &str,
        told: impl Fn(AsyncMessage) + Clone + Send + 'static,
    ) -> Result<(Client, Line)> {
        let mut failed: Option<Failure> = None;
        for (number, server) in self.hosts.in_turn() {
            let failure = match self.client_of(server, statements, &told).await {
                Ok(connected) => {
                    self.hosts.was_right(number);
                    return Ok(connected);
                }
                Err(failure) if self.hosts.are_several() => failure.while_doing(&server.told()),
                Err(failure) => failure,
            };
            failed = Some(match failed {
                Some(before) => before.and(failure),
                None => failure,
            });
        }
        Err(failed.unwrap_or_else(|| Failure::unavailable("there is no host")))
    }

    /// The same with one server, whose addresses have as much time each.
    async fn client_of(
        &self,
        server: &Server,
        statements: &str,
        told: &(impl Fn(AsyncMessage) + Clone + Send + 'static),
    ) -> Result<(Client, Line)> {
        let limit = self.config.get_connect_timeout().copied().unwrap_or(PATIENCE);
        let configs = tokio::time::timeout(limit, server.configs(&self.config)).await;
        let configs = configs.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        let configs = configs.map_err(|error| Failure::unavailable(format!("the host is not found ({error})")))?;
        let mut failed = Failure::unavailable("the host has no address");
        for config in configs {
            let mut line = None;
            let attempt = async {
                let (client, new) = self.open(&config, told.clone()).await?;
                line = Some(new);
                client.batch_execute(statements).await?;
                Ok(client)
            };
            let end = tokio::time::timeout(limit, attempt).await.unwrap_or_else(|_| Err(Failure::silent(limit)));
            match (end, line) {
                (Ok(client), Some(line)) => return Ok((client, line)),
                (Err(failure), line) => {
                    line.iter().for_each(Line::cut);
                    // Whoever says no says more than whoever is not there.
                    failed = if failed.is_hopeless() { failed } else { failure };
                }
                (Ok(_), None) => {}
            }
        }
        Err(failed)
    }

    async fn open(&self, config: &Config, told: impl Fn(AsyncMessage) + Send + 'static) -> Result<(Client, Line)> {
        if config.get_ssl_mode() == SslMode::Disable {
            let (client, connection) = config.connect(NoTls).await.map_err(Failure::of_connection)?;
            Ok((client, Line::new(tokio::spawn(drive(connection, told)).abort_handle())))
        } else {
            let (client, connection) = config.connect(self.tls.clone()).await.map_err(Failure::of_connection)?;
            Ok((client, Line::new(tokio::spawn(drive(connection, told)).abort_handle())))
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
            // The other timeouts do not count while the server waits for somebody to read what he asked for. The system of
            // the server does, in milliseconds, but for connections on the same machine that are none of TCP.
            sql.push_str("SET tcp_user_timeout = 4000;");
            // A plan is made once, maybe when the tables are empty, and must be right when they are not.
            sql.push_str(
                "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET enable_hashjoin = off; \
                 SET enable_mergejoin = off; SET enable_material = off; SET jit = off;",
            );
        }
        sql
    }
}

/// `$user` would mean the schema that has the name of the user.
fn is_name(schema: &str) -> bool {
    let is_ours = !schema.starts_with("pg_") && schema != "$user";
    is_ours && !schema.is_empty() && schema.len() <= 63 && !schema.contains(['"', '\0'])
}

/// What the URL leaves open.
fn set_defaults(config: &mut Config, url: &str) {
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(PATIENCE);
    }
    // Who is gone after having taken all that was said to him is only found by knocking.
    if !url::names(url, "keepalives_idle") {
        config.keepalives_idle(PATIENCE);
    }
    if config.get_keepalives_interval().is_none() {
        config.keepalives_interval(KNOCK_INTERVAL);
    }
    if config.get_keepalives_retries().is_none() {
        config.keepalives_retries(KNOCKS);
    }
    if config.get_target_session_attrs() == TargetSessionAttrs::Any {
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    }
    if config.get_application_name().is_none() {
        config.application_name("durable");
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn config(url: &str) -> Config {
        Address::new(url, "durable", None, false).unwrap().config
    }

    #[test]
    fn what_the_url_says_of_knocking_holds() {
        let silent = config("postgres://db.example.com/shop");
        assert_eq!(silent.get_keepalives_idle(), PATIENCE);
        assert_eq!(silent.get_keepalives_interval(), Some(KNOCK_INTERVAL));
        assert_eq!(silent.get_keepalives_retries(), Some(KNOCKS));
        // The first of them is what the driver takes by itself.
        let said =
            config("host=db keepalives_idle=7200 keepalives_interval=60 keepalives_retries=9 tcp_user_timeout=5");
        assert_eq!(said.get_keepalives_idle(), Duration::from_secs(7200));
        assert_eq!(said.get_keepalives_interval(), Some(Duration::from_secs(60)));
        assert_eq!(said.get_keepalives_retries(), Some(9));
        assert_eq!(said.get_tcp_user_timeout(), Some(&Duration::from_secs(5)));
    }

    #[test]
    fn only_who_is_here_is_spoken_to_in_clear() {
        for (url, mode) in [
            ("postgres://ada@localhost/shop", SslMode::Disable),
            ("postgres://ada@db.example.com/shop", SslMode::Prefer),
            ("postgres://ada:pw@/shop?hostaddr=192.0.2.1", SslMode::Prefer),
            ("postgres://ada:pw@localhost/shop?hostaddr=192.0.2.1", SslMode::Prefer),
            ("postgres://ada@localhost/shop?sslmode=verify-full", SslMode::Require),
        ] {
            assert_eq!(config(url).get_ssl_mode(), mode, "{url}");
        }
    }

    #[test]
    fn a_password_may_be_anything() {
        let config = config("postgres://ada:sslmode=verify-full@localhost/shop");
        assert_eq!(config.get_password(), Some(&b"sslmode=verify-full"[..]));
        assert_eq!(config.get_ssl_mode(), SslMode::Disable);
    }

    #[test]
    fn a_place_has_all_hosts() {
        let place = |url| Address::new(url, "durable", None, false).unwrap().place;
        assert_eq!(place("postgres://a:99,b/shop"), "durable in postgres://a:99,b/shop");
        assert_eq!(place("host=b hostaddr=192.0.2.1 user=ada"), "durable in postgres://b/ada");
        assert_eq!(place("hostaddr=192.0.2.1 port=99 user=ada"), "durable in postgres://192.0.2.1:99/ada");
    }
}
