//! A few connections that are used again.

use std::ops::Deref;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::connection::{Address, Connection, Purpose};
use super::error::{Failure, Result};
use crate::backend::BackendErrorKind;

/// Connections for one purpose. They are made when they are needed and kept.
pub(super) struct Pool {
    address: Arc<Address>,
    purpose: Purpose,
    idle: Mutex<Vec<Arc<Connection>>>,
    permits: Semaphore,
}

/// A connection that goes back when it is dropped, unless it is lost or in the middle of something.
pub(super) struct Pooled<'a> {
    pool: &'a Pool,
    connection: Arc<Connection>,
    in_transaction: bool,
    _permit: SemaphorePermit<'a>,
}

impl Pool {
    pub(super) fn new(address: Arc<Address>, purpose: Purpose, most: usize) -> Self {
        Self { address, purpose, idle: Mutex::default(), permits: Semaphore::new(most) }
    }

    pub(super) async fn get(&self) -> Result<Pooled<'_>> {
        let closed = |_| Failure::new(BackendErrorKind::Unavailable, "the store is closed");
        let permit = self.permits.acquire().await.map_err(closed)?;
        let idle = std::iter::from_fn(|| self.idle.lock().pop()).find(|connection| !connection.is_closed());
        let connection = match idle {
            Some(connection) => connection,
            None => Arc::new(self.address.connect(self.purpose).await?),
        };
        Ok(Pooled { pool: self, connection, in_transaction: false, _permit: permit })
    }
}

impl Pooled<'_> {
    /// From here to [`end`](Self::end), giving the connection up closes it, which rolls the transaction back.
    pub(super) fn begin(&mut self) {
        self.in_transaction = true;
    }

    /// The transaction is over.
    pub(super) fn end(&mut self) {
        self.in_transaction = false;
    }
}

impl Deref for Pooled<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl Drop for Pooled<'_> {
    fn drop(&mut self) {
        if !self.in_transaction && !self.connection.is_closed() {
            self.pool.idle.lock().push(Arc::clone(&self.connection));
        }
    }
}
