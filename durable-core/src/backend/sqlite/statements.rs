//! Statements that a batch of writes uses again and again.
//!
//! rusqlite keeps prepared statements too, but finds them by hashing their whole text and clears their values after every use.
//! A step of an orchestration is five short statements, for which that is a tenth of the work.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};

use rusqlite::{CachedStatement, Connection, Statement};

/// A connection for the time of one batch, with the statements that it has used.
pub(super) struct Statements<'c> {
    conn: &'c Connection,
    idle: RefCell<Vec<(&'static str, CachedStatement<'c>)>>,
}

impl<'c> Statements<'c> {
    pub(super) fn new(conn: &'c Connection) -> Self {
        Self { conn, idle: RefCell::default() }
    }

    /// The statement of this text. Texts are told apart by where they stand in the program, so the same words twice are two
    /// statements, which does no harm.
    pub(super) fn held(&self, sql: &'static str) -> rusqlite::Result<Held<'_, 'c>> {
        let mut idle = self.idle.borrow_mut();
        let statement = match idle.iter().rposition(|(text, _)| std::ptr::eq(*text, sql)) {
            Some(place) => idle.swap_remove(place).1,
            None => self.conn.prepare_cached(sql)?,
        };
        Ok(Held { home: self, sql, statement: Some(statement) })
    }
}

impl Deref for Statements<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.conn
    }
}

/// A statement in use.
pub(super) struct Held<'a, 'c> {
    home: &'a Statements<'c>,
    sql: &'static str,
    /// There until it is dropped.
    statement: Option<CachedStatement<'c>>,
}

impl<'c> Deref for Held<'_, 'c> {
    type Target = Statement<'c>;

    fn deref(&self) -> &Statement<'c> {
        match &self.statement {
            Some(statement) => statement,
            None => unreachable!("a statement is used after its end"),
        }
    }
}

impl<'c> DerefMut for Held<'_, 'c> {
    fn deref_mut(&mut self) -> &mut Statement<'c> {
        match &mut self.statement {
            Some(statement) => statement,
            None => unreachable!("a statement is used after its end"),
        }
    }
}

impl Drop for Held<'_, '_> {
    fn drop(&mut self) {
        if let Some(statement) = self.statement.take() {
            self.home.idle.borrow_mut().push((self.sql, statement));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNT: &str = "SELECT count(*) FROM numbers WHERE n = ?1";

    #[test]
    fn a_statement_is_prepared_once_and_forgets_the_values_of_its_last_use() {
        let conn = Connection::open_in_memory().unwrap();
        conn.execute_batch("CREATE TABLE numbers (n); INSERT INTO numbers VALUES (1), (1), (2)").unwrap();
        let statements = Statements::new(&conn);
        let count =
            |n: Option<i64>| -> i64 { statements.held(COUNT).unwrap().query_row([n], |row| row.get(0)).unwrap() };
        assert_eq!((count(Some(1)), count(Some(2)), count(None)), (2, 1, 0));
        assert_eq!(statements.idle.borrow().len(), 1);
    }

    #[test]
    fn a_statement_that_is_in_use_is_not_lent_twice() {
        let conn = Connection::open_in_memory().unwrap();
        let statements = Statements::new(&conn);
        let sql = "SELECT ?1";
        let mut outer = statements.held(sql).unwrap();
        let mut inner = statements.held(sql).unwrap();
        let mut rows = outer.query([1]).unwrap();
        assert_eq!(inner.query_row([2], |row| row.get::<_, i64>(0)).unwrap(), 2);
        assert_eq!(rows.next().unwrap().unwrap().get::<_, i64>(0).unwrap(), 1);
    }
}
