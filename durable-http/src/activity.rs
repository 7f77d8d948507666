//! What happens on an HTTP/2 connection, so that one on which nothing does can be closed: hyper only asks whether the peer
//! is still there.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;

/// Who writes less than this is not sending a response. Pings and their answers have a few bytes each.
const MANY_BYTES: u64 = 1_024;

/// The requests of one connection, and the bytes that it was sent.
#[derive(Debug)]
pub(crate) struct Activity {
    /// How many requests have no answer yet.
    running: watch::Sender<usize>,
    written: Arc<AtomicU64>,
}

impl Activity {
    /// `written` counts the bytes that were written.
    pub(crate) fn new(written: Arc<AtomicU64>) -> Self {
        Self { running: watch::Sender::new(0), written }
    }

    /// Answers a request, and knows meanwhile that there is one.
    pub(crate) async fn during<T>(&self, answer: impl Future<Output = T>) -> T {
        let _running = Running::new(&self.running);
        answer.await
    }

    /// Completes when for this long there was no request, and next to nothing was written: what is left then is at most an
    /// answer that nobody reads.
    pub(crate) async fn ended(&self, pause: Duration) {
        let mut running = self.running.subscribe();
        loop {
            // The sender is here, so neither of these can fail.
            let _ = running.wait_for(|count| *count == 0).await;
            let before = self.written.load(Ordering::Relaxed);
            let is_quiet = tokio::time::timeout(pause, running.changed()).await.is_err();
            if is_quiet && self.written.load(Ordering::Relaxed) - before < MANY_BYTES {
                return;
            }
        }
    }
}

/// One request without an answer. It ends also when nobody waits for the answer any more.
struct Running<'a>(&'a watch::Sender<usize>);

impl<'a> Running<'a> {
    fn new(count: &'a watch::Sender<usize>) -> Self {
        count.send_modify(|count| *count += 1);
        Self(count)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}
