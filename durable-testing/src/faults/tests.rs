use std::sync::Arc;

use durable_core::backend::memory::Memory;
use durable_core::backend::{Backend, Write};
use parking_lot::Mutex;

use super::FaultyBackend;

fn store() -> FaultyBackend {
    FaultyBackend::new(Arc::new(Memory::new()))
}

fn batch(id: &str) -> Arc<Vec<Write>> {
    Arc::new(vec![Write::Create(crate::conformance::fixtures::create(id))])
}

fn block_on<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(test)
}

#[test]
fn a_commit_fails_before_or_after_it_happens() {
    block_on(async {
        let store = store();
        store.fail(1);
        store.lose_answer(2);
        assert!(store.commit(batch("a")).await.unwrap_err().is_retryable());
        assert!(store.commit(batch("b")).await.unwrap_err().is_retryable());
        assert!(store.instance("a").await.unwrap().is_none());
        assert!(store.instance("b").await.unwrap().is_some());
        assert_eq!(store.commits(), 2);
    });
}

#[test]
fn a_process_that_dies_at_a_commit_gets_no_answer() {
    block_on(async {
        let store = store();
        store.crash(1);
        store.crash_after(2);
        let deaths = Arc::new(Mutex::new(0));
        let counted = Arc::clone(&deaths);
        store.on_crash(move || *counted.lock() += 1);
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        for (n, id) in [(1, "a"), (2, "b")] {
            assert!(std::pin::pin!(store.commit(batch(id))).poll(&mut context).is_pending());
            assert_eq!(*deaths.lock(), n);
        }
        assert!(store.instance("a").await.unwrap().is_none());
        assert!(store.instance("b").await.unwrap().is_some());
    });
}

#[test]
fn a_write_that_is_refused_fails_for_good_until_the_store_is_healed() {
    block_on(async {
        let store = store();
        store.refuse(|write| matches!(write, Write::Create(create) if create.id == "b"));
        assert!(store.commit(batch("a")).await.is_ok());
        assert!(!store.commit(batch("b")).await.unwrap_err().is_retryable());
        store.heal();
        assert!(store.commit(batch("b")).await.is_ok());
    });
}

#[test]
fn a_dead_store_can_be_healed() {
    block_on(async {
        let store = store();
        store.fail_from(2);
        assert!(store.commit(batch("a")).await.is_ok());
        assert!(store.commit(batch("b")).await.is_err());
        assert!(store.commit(batch("b")).await.is_err());
        store.heal();
        assert!(store.commit(batch("b")).await.is_ok());
        assert_eq!(store.commits(), 4);
    });
}

#[test]
fn a_store_that_is_held_answers_nothing_until_it_goes_on() {
    block_on(async {
        let store = Arc::new(store());
        store.hold();
        let held = Arc::clone(&store);
        let mut commit = std::pin::pin!(held.commit(batch("a")));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(commit.as_mut().poll(&mut context).is_pending());
        assert!(std::pin::pin!(held.instance("a")).poll(&mut context).is_pending());
        store.resume();
        assert!(store.instance("a").await.unwrap().is_none(), "nothing has happened meanwhile");
        commit.await.unwrap();
        assert!(store.instance("a").await.unwrap().is_some());
    });
}

#[test]
fn waiting_for_a_commit_ends_when_it_has_ended() {
    block_on(async {
        let store = Arc::new(store());
        store.fail(2);
        let watched = Arc::clone(&store);
        let mut waiting = std::pin::pin!(watched.reached(2));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(waiting.as_mut().poll(&mut context).is_pending());
        let _ = store.commit(batch("a")).await;
        assert!(waiting.as_mut().poll(&mut context).is_pending());
        let _ = store.commit(batch("b")).await;
        assert!(waiting.as_mut().poll(&mut context).is_ready());
        store.reached(0).await;
    });
}
