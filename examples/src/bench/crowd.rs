//! Many clients at once, each with one call after the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::task::JoinSet;

use super::Outcome;

/// Does `work` for each number below `count`, so many of them at once. What comes of it is in no order.
pub(super) async fn crowd<W, F, T>(count: u64, at_once: u64, work: W) -> Outcome<Vec<T>>
where
    W: Fn(u64) -> F + Clone + Send + 'static,
    F: Future<Output = Outcome<T>> + Send,
    T: Send + 'static,
{
    let next = Arc::new(AtomicU64::new(0));
    let mut clients = JoinSet::new();
    for _ in 0..at_once.min(count) {
        let (next, work) = (Arc::clone(&next), work.clone());
        clients.spawn(async move {
            let mut done = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return Outcome::Ok(done);
                }
                done.push(work(number).await?);
            }
        });
    }
    let mut all = Vec::new();
    while let Some(client) = clients.join_next().await {
        all.extend(client??);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;

    use super::*;

    #[tokio::test]
    async fn each_number_is_done_once() {
        let done = Arc::new(Mutex::new(Vec::new()));
        let note = Arc::clone(&done);
        let work = move |number| {
            let note = Arc::clone(&note);
            async move {
                note.lock().push(number);
                Ok(10 * number)
            }
        };
        let mut came = crowd(5, 2, work).await.unwrap();
        came.sort_unstable();
        done.lock().sort_unstable();
        assert_eq!(*done.lock(), [0, 1, 2, 3, 4]);
        assert_eq!(came, [0, 10, 20, 30, 40]);
    }

    #[tokio::test]
    async fn a_failure_is_not_lost() {
        assert!(
            crowd(3, 2, |number| async move { if number == 2 { Err("no".into()) } else { Ok(()) } }).await.is_err()
        );
    }
}
