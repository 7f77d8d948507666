//! A few connections that are used again.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::address::Address;
use super::connection::{Connection, Purpose};
use super::error::{Failure, Result};

/// Connections for one purpose. They are made when they are needed and kept.
pub(super) struct Pool {
    address: Arc<Address>,
    purpose: Purpose,
    /// How long what is asked may take.
    patience: Duration,
    idle: Mutex<Vec<Arc<Connection>>>,
    permits: Semaphore,
}

/// A connection that goes back when it is dropped, unless it is lost or in the middle of something.
pub(super) struct Pooled<'a> {
    pool: &'a Pool,
    connection: Arc<Connection>,
    in_transaction: AtomicBool,
    is_unfit: AtomicBool,
    _permit: SemaphorePermit<'a>,
}

impl Pool {
    pub(super) fn new(address: Arc<Address>, purpose: Purpose, most: usize, patience: Duration) -> Self {
        Self { address, purpose, patience, idle: Mutex::default(), permits: Semaphore::new(most) }
    }

    pub(super) async fn get(&self) -> Result<Pooled<'_>> {
        let closed = |_| Failure::unavailable("the store is closed");
        let permit = self.permits.acquire().await.map_err(closed)?;
        let idle = std::iter::from_fn(|| self.idle.lock().pop()).find(|connection| self.is_fit(connection));
        let connection = match idle {
            Some(connection) => connection,
            None => Arc::new(self.address.connect(self.purpose).await?),
        };
        let (in_transaction, is_unfit) = (AtomicBool::new(false), AtomicBool::new(false));
        Ok(Pooled { pool: self, connection, in_transaction, is_unfit, _permit: permit })
    }

    fn is_fit(&self, connection: &Connection) -> bool {
        !connection.is_closed() && connection.doubts() == self.address.doubts()
    }
}

impl Pooled<'_> {
    /// From here to [`end`](Self::end), giving the connection up closes it, which rolls the transaction back.
    pub(super) fn begin(&self) {
        self.in_transaction.store(true, Ordering::Relaxed);
    }

    /// The transaction is over.
    pub(super) fn end(&self) {
        self.in_transaction.store(false, Ordering::Relaxed);
    }

    /// Does something with this connection that must have an end, and looks whether the server is still the right one.
    pub(super) async fn within<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.within_limit(self.pool.patience, work).await
    }

    /// The same with another limit.
    pub(super) async fn within_limit<T>(&self, limit: Duration, work: impl Future<Output = Result<T>>) -> Result<T> {
        let Ok(end) = tokio::time::timeout(limit, work).await else {
            self.connection.line().cut();
            self.is_unfit.store(true, Ordering::Relaxed);
            self.pool.address.doubt(&self.connection);
            return Err(Failure::silent(limit));
        };
        if let Err(failure) = &end {
            if failure.is_of_server() {
                self.is_unfit.store(true, Ordering::Relaxed);
            }
            if failure.is_read_only() {
                self.pool.address.doubt(&self.connection);
            }
        }
        end
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
        let is_done = !*self.in_transaction.get_mut() && !*self.is_unfit.get_mut();
        if is_done && self.pool.is_fit(&self.connection) {
            self.pool.idle.lock().push(Arc::clone(&self.connection));
        }
    }
}
