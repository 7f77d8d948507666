//! Many clients at once, each with one call after the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::task::JoinSet;

use super::Outcome;

/// Does `work` for each number below `count`, so many of them at once.
pub(super) async fn crowd<W, F>(count: u64, at_once: u64, work: W) -> Outcome<()>
where
    W: Fn(u64) -> F + Clone + Send + 'static,
    F: Future<Output = Outcome<()>> + Send,
{
    let next = Arc::new(AtomicU64::new(0));
    let mut clients = JoinSet::new();
    for _ in 0..at_once.min(count) {
        let (next, work) = (Arc::clone(&next), work.clone());
        clients.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return Outcome::Ok(());
                }
                work(number).await?;
            }
        });
    }
    while let Some(client) = clients.join_next().await {
        client??;
    }
    Ok(())
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
                Ok(())
            }
        };
        crowd(5, 2, work).await.unwrap();
        done.lock().sort_unstable();
        assert_eq!(*done.lock(), [0, 1, 2, 3, 4]);
    }

    #[tokio::test]
    async fn a_failure_is_not_lost() {
        assert!(
            crowd(3, 2, |number| async move { if number == 2 { Err("no".into()) } else { Ok(()) } }).await.is_err()
        );
    }
}
