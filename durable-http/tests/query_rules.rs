//! The rules for query strings and paths that hold on every route.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use durable_core::model::{RuntimeStatus, Timestamp};
use durable_http::testing::request;
use support::*;

/// True when this query shows the history.
async fn shows_history(query: &str) -> bool {
    let mock = MockClient::new();
    mock.put("i1", RuntimeStatus::Completed);
    let response = get(&mock, &format!("{RPC}/instances/i1?{query}")).await;
    assert_eq!(response.status, 200, "{query}");
    response.body.contains("\"historyEvents\":[]")
}

#[tokio::test]
async fn booleans_are_read_in_any_case_and_everything_else_is_absent() {
    for query in
        ["showHistory=true", "showHistory=True", "SHOWHISTORY=TRUE", "showhistory=+true%20", "&&showHistory=true&"]
    {
        assert!(shows_history(query).await, "{query}");
    }
    for query in [
        "showHistory",
        "showHistory=",
        "showHistory=1",
        "showHistory=yes",
        "showHistory=false",
        "showHistory=true&showHistory=true",
        "showHistory=true,true",
        "=true",
        "%%%=%%%",
        "show%00History=true",
    ] {
        assert!(!shows_history(query).await, "{query}");
    }
    assert!(shows_history("show%48istory=true").await);
}

/// The lower bound that reaches the client.
async fn created_from(value: &str) -> Option<Timestamp> {
    let mock = MockClient::new();
    let response = get(&mock, &format!("{RPC}/instances?createdTimeFrom={value}")).await;
    assert_eq!(response.status, 200, "{value}");
    match mock.calls().as_slice() {
        [Call::List(query)] => query.created_from,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_raw_plus_before_an_offset_does_not_lose_the_filter() {
    let expected = "2024-05-01T10:00:00Z".parse().ok();
    for value in [
        "2024-05-01T12:00:00+02:00",
        "2024-05-01T12:00:00%2B02:00",
        "2024-05-01T12%3A00%3A00.0000000+02%3A00",
        "2024-05-01T10:00:00",
        "2024-05-01+10:00:00",
        "+2024-05-01T10:00:00Z+",
    ] {
        assert_eq!(created_from(value).await, expected, "{value}");
    }
}

#[tokio::test]
async fn times_of_three_digit_years_and_dates_alone_are_read() {
    assert_eq!(created_from("1-01-01T00:00:00.000000Z").await, "0001-01-01T00:00:00Z".parse().ok());
    assert_eq!(created_from("2024-05-01").await, "2024-05-01T00:00:00Z".parse().ok());
}

#[tokio::test]
async fn a_time_that_cannot_be_read_is_absent_and_never_a_400() {
    for value in
        ["", "yesterday", "2024-99-01", "0", "%00", "%F0%9F%98%80", "2024-05-01T12:00:00+x", "9".repeat(400).as_str()]
    {
        assert_eq!(created_from(value).await, None, "{value}");
    }
}

#[tokio::test]
async fn both_base_paths_and_all_literals_have_any_case() {
    let mock = MockClient::new();
    mock.put("i1", RuntimeStatus::Running);
    for path in [
        "/runtime/webhooks/durabletask/instances/i1",
        "/Runtime/WebHooks/DurableTask/Instances/i1",
        "/durabletask/instances/i1",
        "/DURABLETASK/INSTANCES/i1/",
        "/durabletask//instances/i1//",
        "/durabletask/instance%73/%691",
    ] {
        assert_eq!(get(&mock, path).await.status, 202, "{path}");
    }
    assert_empty(&get(&mock, "/durabletask/instances/I1").await, 404);
}

#[tokio::test]
async fn every_other_path_is_an_empty_404() {
    let mock = MockClient::new();
    for path in [
        "/",
        "/durabletask",
        "/durabletask/",
        "/durabletaskinstances",
        "/durabletaskx/instances",
        "/api/durabletask/instances",
        "/instances",
        "/runtime/webhooks/instances",
        "/durabletask/instances//i1",
        "/durabletask/nonsense",
        "/durabletask/makeprimary/x",
        "/admin/extensions/DurableTaskExtension/instances",
        "/%",
        "/%ff",
        "/é",
        "*",
    ] {
        let Ok(target) = path.parse::<http::Uri>() else { continue };
        assert_empty(&send(&mock, request("GET", target.to_string())).await, 404);
    }
    assert_eq!(mock.calls(), []);
}

#[tokio::test]
async fn nothing_but_a_path_is_needed() {
    // The SDKs send neither taskHub nor connection nor code on the RPC path, the demos all of them.
    let mock = MockClient::new();
    mock.put("i1", RuntimeStatus::Running);
    for query in ["", "?", "?taskHub=TestHub&connection=Storage&code=x", "?code", "?&=&"] {
        assert_eq!(get(&mock, &format!("{RPC}/instances/i1{query}")).await.status, 202, "{query}");
    }
}
