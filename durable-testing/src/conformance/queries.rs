//! Reading histories and lists.

use std::collections::BTreeMap;
use std::sync::Arc;

use durable_core::backend::{
    Backend, CreateInstance, InstanceFilter, InstanceKey, NewEvent, TurnCommit, Write, Written,
};
use durable_core::history::StoredEvent;
use durable_core::model::{RuntimeStatus, TaskId};

use super::fixtures::{Hub, at, create, event, every_instance, happened, json, last_turn, turn};

/// The history of an instance that does not exist is empty.
pub async fn an_unknown_history_is_empty(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    hub.start("a").await;
    assert_eq!(hub.history(InstanceKey(77)).await, []);
}

/// A long history comes in order, and one instance's is not another's.
pub async fn a_long_history_comes_in_order(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let (a, b) = (hub.start("a").await, hub.start("b").await);
    for n in 0..10u64 {
        for (id, key) in [("a", a), ("b", b)] {
            let first_seq = n * 1_000 + 1;
            let history = (0..1_000).map(|i| happened(first_seq.cast_signed() + i)).collect();
            hub.done(TurnCommit { first_seq, history, ..turn(id, key, n + 1) }).await;
        }
    }
    for (id, key) in [("a", a), ("b", b)] {
        assert_eq!(hub.row(id).await.history_len, 10_000);
        let history = hub.history(key).await;
        assert_eq!(history.len(), 10_000);
        for (seq, row) in (1..).zip(history) {
            assert_eq!((row.seq, row.turn), (seq, (seq - 1) / 1_000 + 1));
            assert_eq!(row.event, happened(seq.cast_signed()).event);
        }
    }
}

/// An event comes out as it went in, with and without its optional parts.
pub async fn events_keep_all_their_parts(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let key = hub.start("a").await;
    let full = StoredEvent {
        kind: "TaskScheduled".into(),
        task_id: Some(TaskId(u32::MAX)),
        name: Some("Grüße 😀".into()),
        payload: Some(json(r#"{"b": 1.50, "a":  [ ]}"#)),
        detail: Some("src/main.rs:1:2".into()),
    };
    let bare = StoredEvent { kind: "X".into(), task_id: None, name: None, payload: None, detail: None };
    let empty = StoredEvent { name: Some("".into()), detail: Some("".into()), ..bare.clone() };
    let events = [full, bare, empty];
    let history = events.iter().map(|event| NewEvent { time: at(9), event: event.clone() }).collect();
    hub.done(TurnCommit { history, ..turn("a", key, 1) }).await;
    let found: Vec<_> = hub.history(key).await.into_iter().map(|row| row.event).collect();
    assert_eq!(found, events);
}

/// Payloads are kept byte for byte, whatever JSON they are.
pub async fn payloads_are_kept_byte_for_byte(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let texts = [
        "null",
        r#""""#,
        "1.0",
        "1e400",
        "-0",
        "123456789012345678901234567890",
        r#"{"b": 1.50, "a":  [ ], "b": 2}"#,
        "{\n\t\"x\" : [1 ,2]\r\n}",
        r#""\u0000 \ud83d\ude00 \/""#,
        "\"Grüße 😀 \u{feff}\u{2028} ' ; -- %_\"",
    ];
    for (n, text) in (0..).zip(texts) {
        let id = format!("{n:02}");
        let key = hub.start_as(CreateInstance { input: json(text), ..create(&id) }).await;
        hub.done(TurnCommit {
            custom_status: Some(json(text)),
            output: Some(json(text)),
            reason: Some(text.to_owned()),
            history: vec![NewEvent { time: at(n), event: event("x", text) }],
            ..turn(&id, key, 1)
        })
        .await;
        let row = hub.row(&id).await;
        assert_eq!((row.input, row.custom_status, row.output), (json(text), Some(json(text)), Some(json(text))));
        assert_eq!(row.reason.as_deref(), Some(text));
        assert_eq!(hub.history(key).await[0].event, event("x", text));
    }
}

/// Large payloads pass everywhere.
pub async fn payloads_can_be_large(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let large = json(&format!("\"{}\"", "x".repeat(5_000_000)));
    let key = hub.start_as(CreateInstance { input: large.clone(), ..create("a") }).await;
    hub.done(TurnCommit {
        custom_status: Some(large.clone()),
        output: Some(large.clone()),
        history: vec![NewEvent { time: at(1), event: StoredEvent { payload: Some(large.clone()), ..event("x", "1") } }],
        ..turn("a", key, 1)
    })
    .await;
    let row = hub.row("a").await;
    let same = row.input == large && row.custom_status.as_ref() == Some(&large) && row.output.as_ref() == Some(&large);
    assert!(same, "a payload of the instance changed");
    assert!(hub.history(key).await[0].event.payload.as_ref() == Some(&large), "the payload of the event changed");
}

/// A listed row is the one that is read alone.
pub async fn lists_contain_whole_rows(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let key = hub.start("a").await;
    hub.done(TurnCommit { custom_status: Some(json("1")), history: vec![happened(1)], ..last_turn("a", key, 1) }).await;
    let rows = hub.store.list(every_instance()).await.expect("instances can be listed");
    assert_eq!(rows, [hub.row("a").await]);
}

/// Lists are ordered by the bytes of the ids, not by time, language or case.
pub async fn lists_are_ordered_by_id(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    for id in ["b", "ä", "B", "a10", "a2", "😀", "~", "Ａ"] {
        hub.start(id).await;
    }
    assert_eq!(hub.list(every_instance()).await, ["B", "a10", "a2", "b", "~", "ä", "Ａ", "😀"]);
}

/// Thirty instances of all states, three names and six times of creation.
async fn population(hub: &Hub) {
    for n in 0..32u8 {
        let id = format!("{}-{n:02}", ["order", "orders", "Order", "x%_y"][usize::from(n) % 4]);
        let name = ["Greet", "greet", "Ship"][usize::from(n) % 3];
        let version = [None, Some("1"), Some("2")][usize::from(n) % 3].map(str::to_owned);
        let tag = |tag: &str, value: u8| (tag.to_owned(), value.to_string());
        let tags = if n % 4 == 0 { [].into() } else { [tag("third", n % 3), tag("half", n % 2)].into() };
        let parent = (n % 5 == 1).then_some(InstanceKey(1));
        let now = at(i64::from(n) / 5);
        let new = CreateInstance { name: name.to_owned(), version, tags, parent, now, ..create(&id) };
        let key = hub.start_as(new).await;
        let status = RuntimeStatus::ALL[usize::from(n) % 8];
        if status != RuntimeStatus::Pending {
            hub.done(TurnCommit { status, turn_time: at(i64::from(n) * 2), ..turn(&id, key, 1) }).await;
        }
    }
}

/// What a filter must let through, told apart by the rows themselves.
async fn expected(hub: &Hub, filter: &InstanceFilter) -> Vec<String> {
    let mut rows = hub.store.list(every_instance()).await.expect("instances can be listed");
    rows.retain(|row| {
        (filter.statuses.is_empty() || filter.statuses.contains(&row.status))
            && filter.name.as_ref().is_none_or(|name| row.name.eq_ignore_ascii_case(name))
            && filter.id_prefix.as_ref().is_none_or(|prefix| row.id.starts_with(prefix.as_str()))
            && filter.version.as_ref().is_none_or(|version| row.version == *version)
            && filter.tags.iter().all(|(tag, value)| row.tags.get(tag) == Some(value))
            && filter.parent.is_none_or(|parent| row.parent == Some(parent))
            && filter.updated_from.is_none_or(|from| row.updated >= from)
            && filter.updated_to.is_none_or(|to| row.updated <= to)
            && filter.created_from.is_none_or(|from| row.created >= from)
            && filter.created_to.is_none_or(|to| row.created <= to)
            && filter.after_id.as_ref().is_none_or(|after| row.id > *after)
    });
    rows.into_iter().map(|row| row.id).collect()
}

fn filters() -> Vec<InstanceFilter> {
    use RuntimeStatus::{Completed, Failed, Pending, Running, Suspended};
    let mut filters = Vec::new();
    let mut states: Vec<Vec<RuntimeStatus>> = RuntimeStatus::ALL.into_iter().map(|status| vec![status]).collect();
    states.extend([vec![], vec![Pending, Running, Suspended], vec![Failed, Completed], vec![Failed, Failed]]);
    for statuses in states {
        for name in [None, Some("GREET"), Some("Ship"), Some("Gree")] {
            for prefix in [None, Some("order"), Some("x%"), Some("x_"), Some("Order-3")] {
                for (from, to) in
                    [(None, None), (Some(2), None), (None, Some(2)), (Some(2), Some(4)), (Some(4), Some(2))]
                {
                    filters.push(InstanceFilter {
                        statuses: statuses.clone(),
                        name: name.map(str::to_owned),
                        id_prefix: prefix.map(str::to_owned),
                        created_from: from.map(at),
                        created_to: to.map(at),
                        ..every_instance()
                    });
                }
            }
        }
    }
    filters.extend(newer_filters());
    filters
}

/// Versions, tags, parents and times of change, alone, together, and with a status, a name and a prefix.
fn newer_filters() -> Vec<InstanceFilter> {
    let tag = |tag: &str, value: &str| (tag.to_owned(), value.to_owned());
    let tags = [vec![], vec![tag("third", "1")], vec![tag("third", "2"), tag("half", "0")], vec![tag("half", "2")]];
    let mut filters = Vec::new();
    for version in [None, Some(None), Some(Some("1")), Some(Some("3"))] {
        for tags in &tags {
            for parent in [None, Some(InstanceKey(1)), Some(InstanceKey(2))] {
                for (from, to) in [(None, None), (Some(20), None), (None, Some(20)), (Some(10), Some(40))] {
                    let all = InstanceFilter {
                        version: version.map(|version| version.map(str::to_owned)),
                        tags: tags.clone(),
                        parent,
                        updated_from: from.map(at),
                        updated_to: to.map(at),
                        ..every_instance()
                    };
                    let statuses = vec![RuntimeStatus::Running];
                    let (name, id_prefix) = (Some("greet".to_owned()), Some("order".to_owned()));
                    filters.push(InstanceFilter { statuses, ..all.clone() });
                    filters.push(InstanceFilter { name, id_prefix, ..all.clone() });
                    filters.push(all);
                }
            }
        }
    }
    filters
}

/// Every filter, alone and together with every other, lets the right instances through.
pub async fn every_filter_holds(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    population(&hub).await;
    let mut found = 0;
    for filter in filters() {
        let listed = hub.list(filter.clone()).await;
        assert_eq!(listed, expected(&hub, &filter).await, "{filter:?}");
        found += listed.len();
    }
    assert!(found > 500, "the filters let only {found} instances through");
}

/// Pages put together are the whole list, with every filter.
pub async fn every_filter_can_be_paged(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    population(&hub).await;
    for filter in filters() {
        let all = hub.list(filter.clone()).await;
        let (mut paged, mut after_id) = (Vec::new(), None);
        loop {
            let page = hub.list(InstanceFilter { after_id: after_id.clone(), limit: 3, ..filter.clone() }).await;
            assert!(page.len() <= 3, "{filter:?}");
            assert!(after_id.is_none() || page.first() > after_id.as_ref() || page.is_empty(), "{filter:?}");
            let Some(last) = page.last() else { break };
            after_id = Some(last.clone());
            paged.extend(page);
        }
        assert_eq!(paged, all, "{filter:?}");
    }
}

/// A page can start before, at, within and after what a prefix covers, and after an id that does not exist.
pub async fn a_page_can_start_anywhere(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    population(&hub).await;
    for after in ["", "A", "order", "order-08", "order-09", "orders-01", "p", "~"] {
        for prefix in ["", "order", "order-", "orders-0", "x%_", "\u{10ffff}"] {
            let filter = InstanceFilter {
                after_id: Some(after.to_owned()),
                id_prefix: Some(prefix.to_owned()),
                ..every_instance()
            };
            assert_eq!(hub.list(filter.clone()).await, expected(&hub, &filter).await, "{filter:?}");
        }
    }
    assert_eq!(hub.list(InstanceFilter { limit: 0, ..every_instance() }).await, [""; 0]);
}

/// Prefixes end where their last character does, in every part of Unicode.
pub async fn prefixes_are_exact(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let ids =
        ["a", "a\u{7e}", "a\u{d7ff}x", "a\u{e000}", "a\u{10ffff}", "a\u{10ffff}z", "b", "\u{10ffff}", "ab%c", "ab_c"];
    for id in ids {
        hub.start(id).await;
    }
    for prefix in ["a", "a\u{d7ff}", "a\u{10ffff}", "\u{10ffff}", "ab%", "ab_", "c"] {
        let filter = InstanceFilter { id_prefix: Some(prefix.to_owned()), ..every_instance() };
        let mut expected: Vec<_> = ids.into_iter().filter(|id| id.starts_with(prefix)).collect();
        expected.sort_unstable();
        assert_eq!(hub.list(filter).await, expected, "{prefix:?}");
    }
}

/// A large population is listed like a small one.
pub async fn lists_can_be_long(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    let count = 12_000;
    let new = |n: i64| Write::Create(CreateInstance { now: at(n), ..create(&format!("{:05}", n * 7_919 % count)) });
    let written = hub.commit((0..count).map(new).collect()).await;
    assert!(written.iter().all(|written| matches!(written, Written::Created(_))));
    let all: Vec<_> = (0..count).map(|n| format!("{n:05}")).collect();
    assert_eq!(hub.list(every_instance()).await, all);
    let created =
        |from, to| InstanceFilter { created_from: Some(at(from)), created_to: Some(at(to)), ..every_instance() };
    assert_eq!(hub.list(created(0, count)).await, all);
    assert_eq!(hub.list(InstanceFilter { limit: 5, ..created(1, count) }).await, all[1..6]);
    assert_eq!(hub.list(created(1, 3)).await, ["03838", "07919", "11757"]);
}

/// A tag filter means the whole tag, to the byte.
pub async fn tags_are_exact(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    for (id, tag, value) in [("a", "team", "blue"), ("b", "Team", "blue"), ("c", "team", "Blue"), ("d", "blue", "team")]
    {
        let tags = [(tag.to_owned(), value.to_owned())].into();
        hub.start_as(CreateInstance { tags, ..create(id) }).await;
    }
    for (id, tag, value) in [("a", "team", "blue"), ("b", "Team", "blue"), ("c", "team", "Blue"), ("d", "blue", "team")]
    {
        let filter = InstanceFilter { tags: vec![(tag.to_owned(), value.to_owned())], ..every_instance() };
        assert_eq!(hub.list(filter).await, [id]);
    }
    let filter = InstanceFilter { tags: vec![("team".to_owned(), "blu".to_owned())], ..every_instance() };
    assert_eq!(hub.list(filter).await, [""; 0]);
}

/// The numbers are those of the lists, for every filter, however small the page.
pub async fn every_filter_can_be_counted(store: Arc<dyn Backend>) {
    let hub = Hub::new(store);
    population(&hub).await;
    for filter in filters() {
        let mut expected = BTreeMap::<_, u64>::new();
        for row in hub.store.list(filter.clone()).await.expect("instances can be listed") {
            *expected.entry((row.name.to_ascii_lowercase(), row.version, row.status)).or_default() += 1;
        }
        let paged = InstanceFilter { after_id: Some("order-2".to_owned()), limit: 1, ..filter.clone() };
        let counted = hub.count(paged).await;
        let counted =
            counted.into_iter().map(|row| ((row.name.to_ascii_lowercase(), row.version, row.status), row.count));
        let counted = counted.collect::<Vec<_>>();
        assert_eq!(counted, expected.into_iter().collect::<Vec<_>>(), "{filter:?}");
    }
}
