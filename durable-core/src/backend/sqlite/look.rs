//! Small queries on the thread of the caller.
//!
//! One row by its key is a few microseconds of work in pages that are nearly always in memory; to hand it to another thread and
//! to be woken by it takes several times as long. A query that would have to wait for anybody is left to the readers' threads.

use parking_lot::Mutex;
use rusqlite::Connection;

use super::error::Result;

/// Connections that nobody uses at present.
#[derive(Debug)]
pub(super) struct Looks {
    idle: Mutex<Vec<Connection>>,
}

impl Looks {
    /// The connections must not wait for locks.
    pub(super) fn new(idle: Vec<Connection>) -> Self {
        Self { idle: Mutex::new(idle) }
    }

    /// Has `look` done here and now. `None` when all connections are in use, or when it did not get through.
    pub(super) fn look<T>(&self, look: impl FnOnce(&Connection) -> Result<T>) -> Option<T> {
        let conn = self.idle.lock().pop()?;
        let found = look(&conn);
        self.idle.lock().push(conn);
        // Whatever is wrong, the slow way tells it, or waits until it is over.
        found.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::sqlite::error::Failure;

    #[test]
    fn a_look_that_fails_or_finds_no_connection_is_left_to_others() {
        let looks = Looks::new(vec![Connection::open_in_memory().unwrap()]);
        assert_eq!(looks.look(|_| Ok(1)), Some(1));
        assert_eq!(looks.look(|_| looks.look(|_| Ok(1)).map_or(Ok(2), Ok)), Some(2), "the only connection is in use");
        assert_eq!(looks.look(|_| Err::<u8, _>(Failure::corrupt("on purpose"))), None);
        assert_eq!(looks.look(|_| Ok(3)), Some(3), "a connection was lost");
    }
}
