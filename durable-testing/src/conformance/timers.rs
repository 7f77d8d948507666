//! Timers.

use std::sync::Arc;

use durable_core::backend::{Backend, InstanceKey, TurnCommit};
use durable_core::model::{RuntimeStatus, Timestamp};

use super::fixtures::{Hub, call, create_again, last_turn, timer, timer_row, turn};

/// Two instances with timers, some due at the same time.
async fn crowd(hub: &Hub) -> (InstanceKey, InstanceKey) {
    let (a, b) = (hub.start("a").await, hub.start("b").await);
    hub.done(TurnCommit { new_timers: vec![timer(2, 30), timer(10, 20), timer(1, 30)], ..turn("b", b, 1) }).await;
    hub.done(TurnCommit { new_timers: vec![timer(7, 30), timer(3, 10)], ..turn("a", a, 1) }).await;
    (a, b)
}

/// Timers come in the order of their due times, then keys, then ids.
pub async fn timers_come_in_the_order_of_their_due_times(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let (a, b) = crowd(&hub).await;
    let expected =
        [timer_row(a, 3, 10), timer_row(b, 10, 20), timer_row(a, 7, 30), timer_row(b, 1, 30), timer_row(b, 2, 30)];
    assert_eq!(hub.timers().await, expected);
}

/// Pages of every size put together are the whole, even if the timer they go on from is gone.
pub async fn timers_can_be_read_in_pages(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let (a, b) = crowd(&hub).await;
    let all = hub.timers().await;
    for limit in 1..=6 {
        let (mut paged, mut after) = (Vec::new(), None);
        loop {
            let page = hub.timers_after(after, limit).await;
            assert!(page.len() <= limit);
            assert!(after.is_none() || page.first().is_none_or(|first| Some(*first) > after), "{page:?}");
            let Some(last) = page.last() else { break };
            after = Some(*last);
            paged.extend(page);
        }
        assert_eq!(paged, all, "in pages of {limit}");
    }
    let after = |row| hub.timers_after(Some(row), 1);
    assert_eq!(after(timer_row(InstanceKey(0), 0, 30)).await, [timer_row(a, 7, 30)]);
    assert_eq!(after(timer_row(b, 0, 30)).await, [timer_row(b, 1, 30)]);
    assert_eq!(after(timer_row(b, 2, 30)).await, []);
    assert_eq!(hub.timers_after(None, 0).await, []);
}

/// A timer that fired or was cancelled is gone; so are those of a finished and of a replaced instance.
pub async fn timers_go_away(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let (a, b) = crowd(&hub).await;
    hub.done(TurnCommit { timers_gone: vec![call(1), call(10), call(7)], ..turn("b", b, 2) }).await;
    assert_eq!(hub.timers().await, [timer_row(a, 3, 10), timer_row(a, 7, 30), timer_row(b, 2, 30)]);
    hub.done(last_turn("b", b, 3)).await;
    assert_eq!(hub.timers().await, [timer_row(a, 3, 10), timer_row(a, 7, 30)]);
    hub.start_as(create_again("a", &[RuntimeStatus::Running])).await;
    assert_eq!(hub.timers().await, []);
}

/// A timer's number can be used again, with another due time, once the timer is over.
pub async fn a_number_can_return_as_another_timer(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let key = hub.start("a").await;
    hub.done(TurnCommit { new_timers: vec![timer(1, 10)], ..turn("a", key, 1) }).await;
    let again = TurnCommit { timers_gone: vec![call(1)], new_timers: vec![timer(1, 5)], ..turn("a", key, 2) };
    hub.done(again).await;
    assert_eq!(hub.timers().await, [timer_row(key, 1, 5)]);
}

/// Due times are exact to the tick, over the whole range of times.
pub async fn due_times_are_exact(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let key = hub.start("a").await;
    let times = [Timestamp::UNIX_EPOCH, Timestamp::from_ticks(1), Timestamp::system_now(), Timestamp::MAX];
    let new_timers = (0..).zip(times).map(|(n, fire_at)| durable_core::backend::NewTimer { call: call(n), fire_at });
    hub.done(TurnCommit { new_timers: new_timers.collect(), ..turn("a", key, 1) }).await;
    assert_eq!(hub.timers().await.iter().map(|row| row.fire_at).collect::<Vec<_>>(), times);
}
