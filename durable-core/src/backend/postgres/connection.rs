//! One connection.

use std::collections::HashMap;

use futures_util::future::join_all;
use parking_lot::Mutex;
use tokio::task::AbortHandle;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row, Statement};

use super::error::{Failure, Result};

/// What a statement is given.
pub(super) type Params<'a> = Vec<&'a (dyn ToSql + Sync)>;

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
    line: Line,
    /// How much was doubted of the server when it was made.
    doubts: u64,
    statements: Mutex<HashMap<&'static str, Statement>>,
}

/// What goes over a connection. Left alone, it ends in order some time after the connection is given up.
pub(super) struct Line {
    driver: AbortHandle,
}

impl Line {
    pub(super) fn new(driver: AbortHandle) -> Self {
        Self { driver }
    }

    /// Ends it at once, whatever answers are still to come.
    pub(super) fn cut(&self) {
        self.driver.abort();
    }
}

impl Connection {
    pub(super) fn new(client: Client, line: Line, doubts: u64) -> Self {
        Self { client, line, doubts, statements: Mutex::default() }
    }

    pub(super) fn line(&self) -> &Line {
        &self.line
    }

    pub(super) fn doubts(&self) -> u64 {
        self.doubts
    }

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
