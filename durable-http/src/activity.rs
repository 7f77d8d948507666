//! What happens on a connection, so that one on which nothing does can be closed.
//!
//! hyper has a timeout for the pauses of HTTP/1, but makes a new timer and another attempt to read for each request, and has none
//! at all before it knows the version. Over HTTP/2 it only asks whether the peer is still there.

use std::io;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use http::Version;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

/// Who writes less than this is not sending a response. Pings and their answers have a few bytes each.
const MANY_BYTES: u64 = 1_024;

/// No request has come.
const NEW: u8 = 0;
/// A request has no answer yet.
const ASKED: u8 = 1;
/// An answer is not written, or not to its end.
const ANSWERED: u8 = 2;
/// All that there was to write is written. The next request is awaited.
const WRITTEN: u8 = 3;
/// Requests come side by side.
const HTTP_2: u8 = 4;

/// The requests of one connection, and what it was sent. Only the connection's own task changes it, and others look at it.
#[derive(Debug)]
pub(crate) struct Activity {
    begun: Instant,
    state: AtomicU8,
    /// Nanoseconds from the beginning to the last write.
    wrote_at: AtomicU64,
    written: AtomicU64,
    is_http_2: CancellationToken,
    /// How many requests of HTTP/2 have no answer yet.
    running: watch::Sender<usize>,
}

impl Activity {
    pub(crate) fn new() -> Self {
        Self {
            begun: Instant::now(),
            state: AtomicU8::new(NEW),
            wrote_at: AtomicU64::new(0),
            written: AtomicU64::new(0),
            is_http_2: CancellationToken::new(),
            running: watch::Sender::new(0),
        }
    }

    /// A request has come, and has no answer until the result is dropped.
    pub(crate) fn request(&self, version: Version) -> Running<'_> {
        let is_http_2 = version == Version::HTTP_2;
        if is_http_2 {
            if self.state.swap(HTTP_2, Ordering::Relaxed) != HTTP_2 {
                self.is_http_2.cancel();
            }
            self.running.send_modify(|count| *count += 1);
        } else {
            self.state.store(ASKED, Ordering::Relaxed);
        }
        Running { activity: self, is_http_2 }
    }

    /// Something was written, or could not be written for now.
    pub(crate) fn wrote(&self, written: &Poll<io::Result<usize>>) {
        let state = self.state.load(Ordering::Relaxed);
        match written {
            Poll::Ready(Ok(bytes)) => {
                self.written.fetch_add(*bytes as u64, Ordering::Relaxed);
                if matches!(state, ANSWERED | WRITTEN) {
                    // In this order, so that nobody sees the state with an older time.
                    self.wrote_at.store(self.age(), Ordering::Release);
                    self.state.store(WRITTEN, Ordering::Release);
                }
            }
            Poll::Pending if state == WRITTEN => self.state.store(ANSWERED, Ordering::Relaxed),
            _ => {}
        }
    }

    /// Completes when the next request of HTTP/1 has not come for this long, or the first one of any version.
    pub(crate) async fn paused(&self, pause: Duration) {
        loop {
            let quiet = match self.state.load(Ordering::Acquire) {
                HTTP_2 => return std::future::pending().await,
                NEW | WRITTEN => self.begun.elapsed().saturating_sub(self.last_write()),
                // Where it ends at once, there is still no shorter pause before the next look.
                _ => Duration::ZERO,
            };
            if quiet >= pause {
                return;
            }
            sleep(pause - quiet).await;
        }
    }

    /// Completes when over HTTP/2 there was no request for this long, and next to nothing was written: what is left then is at
    /// most an answer that nobody reads.
    pub(crate) async fn ended(&self, pause: Duration) {
        self.is_http_2.cancelled().await;
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

    /// Nanoseconds since the beginning; centuries have as many as there are numbers.
    fn age(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn last_write(&self) -> Duration {
        Duration::from_nanos(self.wrote_at.load(Ordering::Acquire))
    }
}

/// A request without an answer. It ends also when nobody waits for the answer any more.
pub(crate) struct Running<'a> {
    activity: &'a Activity,
    is_http_2: bool,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if self.is_http_2 {
            self.activity.running.send_modify(|count| *count -= 1);
        } else {
            self.activity.state.store(ANSWERED, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE: Duration = Duration::from_secs(30);

    /// How long it takes until the connection is closed.
    async fn paused(activity: &Activity) -> Option<Duration> {
        let begun = Instant::now();
        tokio::time::timeout(100 * PAUSE, activity.paused(PAUSE)).await.ok().map(|()| begun.elapsed())
    }

    fn write(activity: &Activity) {
        activity.wrote(&Poll::Ready(Ok(10)));
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_request_is_awaited_from_the_beginning() {
        let activity = Activity::new();
        tokio::time::advance(PAUSE / 3).await;
        // What is written before is an answer to a ping.
        write(&activity);
        assert_eq!(paused(&activity).await, Some(PAUSE * 2 / 3));
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_request_is_awaited_from_the_last_write_on() {
        let activity = Activity::new();
        for work in [PAUSE / 2, PAUSE * 3] {
            let request = activity.request(Version::HTTP_11);
            let end = async {
                sleep(work).await;
                drop(request);
                write(&activity);
                sleep(PAUSE / 2).await;
                write(&activity);
            };
            let (closed, ()) = tokio::join!(paused(&activity), end);
            assert_eq!(closed, Some(work + PAUSE / 2 + PAUSE));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_not_written_is_no_pause() {
        let activity = Activity::new();
        drop(activity.request(Version::HTTP_11));
        assert_eq!(paused(&activity).await, None);
        write(&activity);
        activity.wrote(&Poll::Pending);
        assert_eq!(paused(&activity).await, None, "the rest could not be written");
        write(&activity);
        assert_eq!(paused(&activity).await, Some(PAUSE));
        // An answer of before is written while the next request runs already.
        let _running = activity.request(Version::HTTP_11);
        write(&activity);
        assert_eq!(paused(&activity).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn over_http_2_nothing_is_a_pause_between_two_requests() {
        let activity = Activity::new();
        drop(activity.request(Version::HTTP_2));
        write(&activity);
        assert_eq!(paused(&activity).await, None);
        let begun = Instant::now();
        activity.ended(PAUSE).await;
        assert_eq!(begun.elapsed(), PAUSE);
    }
}
