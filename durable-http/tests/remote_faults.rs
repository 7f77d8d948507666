//! A remote client and servers that are not ours, or do not work.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::error::Error;
use std::time::Duration;

use durable_core::client::{
    Client, ClientError, ClientErrorKind, ControlRequest, DurableClient, InstanceQuery, WaitUntil,
};
use durable_core::model::{InstanceId, RuntimeStatus};
use durable_http::{RemoteAnswer, RemoteClient};
use support::fake::{Fake, Reply, azure_status, reply};
use support::within_reason;

fn i() -> InstanceId {
    "i".try_into().unwrap()
}

/// A client that does not let a test wait.
fn impatient(url: &str) -> RemoteClient {
    let pauses = Duration::from_millis(1)..Duration::from_millis(4);
    RemoteClient::builder(url).timeout(Duration::from_secs(20)).poll_interval(pauses).build().unwrap()
}

fn status_of(error: &ClientError) -> Option<u16> {
    error.source()?.downcast_ref::<RemoteAnswer>().map(RemoteAnswer::status)
}

#[track_caller]
fn assert_remote(error: &ClientError, message: &str) {
    assert!(matches!(error.kind(), ClientErrorKind::Remote { .. }), "{error:?}");
    assert!(format!("{error:?}").contains(message), "{error:?}");
}

#[tokio::test]
async fn a_server_that_does_not_wait_is_asked_again() {
    let fake = Fake::start(|before, _| {
        let now = if before < 3 { azure_status("Running", "null") } else { azure_status("Completed", "[1]") };
        reply(if before < 3 { 202 } else { 200 }, now)
    })
    .await;
    let client = impatient(&format!("{}?code=k&taskHub=Orders", fake.url()));
    let status = within_reason(client.wait(&i(), WaitUntil::Finished, None)).await.unwrap().unwrap();
    assert_eq!(status.runtime_status, RuntimeStatus::Completed);
    assert_eq!(status.output.unwrap().as_str(), "[1]");
    assert_eq!(status.last_updated_at.to_string(), "2024-05-01T12:00:01Z");
    assert_eq!(fake.lines(), ["GET /api/instances/i?timeout=30.000&code=k&taskHub=Orders"; 4]);
}

#[tokio::test]
async fn a_wait_ends_in_time() {
    let fake = Fake::start(|_, _| reply(202, azure_status("Running", "null"))).await;
    let client = impatient(&fake.url());
    let wait = client.wait(&i(), WaitUntil::Finished, Some(Duration::from_millis(30)));
    let status = within_reason(wait).await.unwrap().unwrap();
    assert_eq!(status.runtime_status, RuntimeStatus::Running);
    let lines = fake.lines();
    assert!(lines.len() >= 2, "{lines:?}");
    assert_eq!(lines.last().unwrap(), "GET /api/instances/i", "the last question is at the deadline");
}

#[tokio::test]
async fn the_start_of_an_instance_is_waited_for_by_asking() {
    let fake =
        Fake::start(|before, _| reply(202, azure_status(if before < 2 { "Pending" } else { "Running" }, "null"))).await;
    let status = within_reason(impatient(&fake.url()).wait(&i(), WaitUntil::Started, None)).await.unwrap().unwrap();
    assert_eq!(status.runtime_status, RuntimeStatus::Running);
    assert_eq!(fake.lines(), ["GET /api/instances/i"; 3]);
}

#[tokio::test]
async fn a_history_that_a_server_does_not_show_is_not_an_instance_that_does_not_exist() {
    let fake = Fake::start(|_, line| {
        let known = line.ends_with("/instances/i");
        reply(if known { 202 } else { 404 }, if known { azure_status("Running", "null") } else { String::new() })
    })
    .await;
    let client = impatient(&fake.url());
    assert!(client.history(&i()).await.unwrap_err().is_unsupported());
    assert_eq!(client.history(&"j".try_into().unwrap()).await.unwrap(), None);
    assert!(client.activities(&i()).await.unwrap_err().is_unsupported());
}

#[tokio::test]
async fn a_refused_pause_is_judged_by_the_state() {
    for (status, suspended, resumed) in
        [("Suspended", "fine", "remote"), ("Running", "remote", "fine"), ("Terminated", "finished", "finished")]
    {
        let fake = Fake::start(move |_, line| {
            if line.starts_with("GET") {
                reply(202, azure_status(status, "null"))
            } else {
                reply(500, "{\"Message\":\"m\"}")
            }
        })
        .await;
        let client = impatient(&fake.url());
        let told = |result: Result<(), ClientError>| match result {
            Ok(()) => "fine",
            Err(error) if error.is_finished() => "finished",
            Err(error) if status_of(&error) == Some(500) => "remote",
            Err(error) => panic!("{error:?}"),
        };
        assert_eq!(told(client.suspend(&i(), ControlRequest::default()).await), suspended, "{status}");
        assert_eq!(told(client.resume(&i(), ControlRequest::default()).await), resumed, "{status}");
    }
}

#[tokio::test]
async fn a_refused_rewind_is_judged_by_the_state() {
    for (code, status) in [(412, "Completed"), (410, "Completed"), (412, "Failed")] {
        let fake = Fake::start(move |_, line| {
            if line.starts_with("GET") { reply(200, azure_status(status, "\"m\"")) } else { reply(code, "\"no way\"") }
        })
        .await;
        let error = impatient(&fake.url()).rewind(&i(), None).await.unwrap_err();
        assert_eq!(error.is_wrong_state(), status == "Completed", "{error:?}");
        assert_eq!(error.is_cannot_rewind(), status == "Failed", "{error:?}");
        assert!(status != "Failed" || error.to_string().contains("no way"), "{error:?}");
    }
}

#[tokio::test]
async fn codes_have_their_meanings() {
    for (code, kind) in [(400, "argument"), (413, "argument"), (501, "unsupported"), (401, "remote"), (503, "remote")] {
        let fake = Fake::start(move |_, _| reply(code, "{\"Message\":\"m\",\"ExceptionMessage\":\"why not\"}")).await;
        let client = Client::from(impatient(&fake.url()));
        let error = client.start("Hello", 1).await.unwrap_err();
        assert_eq!(status_of(&error), Some(code));
        assert_eq!(error.is_invalid_argument(), kind == "argument", "{error:?}");
        assert_eq!(error.is_unsupported(), kind == "unsupported", "{error:?}");
        assert!(format!("{error:?}").contains("why not"), "{error:?}");
        let unauthorized = error.source().unwrap().downcast_ref::<RemoteAnswer>().unwrap().is_unauthorized();
        assert_eq!(unauthorized, code == 401);
    }
}

#[tokio::test]
async fn an_id_that_is_taken_is_told_with_its_state() {
    let fake = Fake::start(|_, line| {
        if line.starts_with("GET") { reply(202, azure_status("Suspended", "null")) } else { reply(409, "{}") }
    })
    .await;
    let error = Client::from(impatient(&fake.url())).start("Hello", 1).id("i").await.unwrap_err();
    assert_eq!(*error.kind(), ClientErrorKind::AlreadyExists { id: i(), status: RuntimeStatus::Suspended });
}

#[tokio::test]
async fn an_answer_without_sense_is_an_error() {
    for body in [
        String::new(),
        "<html>".to_owned(),
        "[]".to_owned(),
        "null".to_owned(),
        "{\"name\":\"Hello\"}".to_owned(),
        azure_status("Dreaming", "null"),
        azure_status("Running", "null").replace("\"i\"", "\"a/b\""),
        azure_status("Running", "null").replace("2024-05-01", "yesterday"),
        "\u{1}".repeat(5_000),
    ] {
        let text = body.clone();
        let fake = Fake::start(move |_, _| reply(200, text.clone())).await;
        let client = Client::from(impatient(&fake.url()));
        assert_remote(&client.status(&i()).await.unwrap_err(), "its answer cannot be read");
        if body != "[]" {
            assert_remote(&client.history(&i()).await.unwrap_err(), "its answer cannot be read");
            assert_remote(&client.list(InstanceQuery::new()).await.unwrap_err(), "its answer cannot be read");
        }
        assert_remote(&client.start("Hello", 1).await.unwrap_err(), "its answer cannot be read");
        assert_remote(&client.restart(&i()).await.unwrap_err(), "its answer cannot be read");
        assert_remote(&client.purge(&i()).await.unwrap_err(), "its answer cannot be read");
    }
}

#[tokio::test]
async fn a_server_that_hangs_is_given_up() {
    let fake = Fake::start(|_, _| Reply::Hang).await;
    let client = RemoteClient::builder(&fake.url()).timeout(Duration::from_millis(50)).build().unwrap();
    assert_remote(&within_reason(client.status(&i())).await.unwrap_err(), "did not answer in time");
    assert!(fake.lines().len() <= 1, "a timeout is not tried again");
    let wait = client.wait(&i(), WaitUntil::Finished, Some(Duration::from_millis(10)));
    assert_remote(&within_reason(wait).await.unwrap_err(), "did not answer in time");
}

#[tokio::test]
async fn only_what_changes_nothing_is_sent_again() {
    let fake = Fake::start(|before, _| match before {
        2 => reply(202, azure_status("Running", "null")),
        _ => Reply::HangUp,
    })
    .await;
    let client = Client::from(impatient(&format!("{}?code=very-secret", fake.url())));
    assert_eq!(client.status(&i()).await.unwrap().unwrap().runtime_status, RuntimeStatus::Running);
    assert_eq!(fake.lines().len(), 3);
    let error = client.start("Hello", 1).await.unwrap_err();
    assert_eq!(fake.lines().len(), 4);
    let line = fake.lines().pop().unwrap();
    let id = line.strip_prefix("POST /api/orchestrators/Hello/").unwrap().strip_suffix("?code=very-secret").unwrap();
    assert_remote(&error, id);
    assert!(!format!("{error:?}").contains("very-secret"), "{error:?}");
    assert_remote(&client.terminate(&i(), "why").await.unwrap_err(), "gave no answer");
    assert_eq!(fake.lines().len(), 5);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_an_error() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/api?code=very-secret", listener.local_addr().unwrap());
    drop(listener);
    let client = Client::from(impatient(&url));
    let error = within_reason(client.status(&i())).await.unwrap_err();
    assert_remote(&error, "cannot be reached");
    assert!(error.source().is_some() && !format!("{error:?}").contains("very-secret"), "{error:?}");
    assert_remote(&client.start("Hello", 1).id("i").await.unwrap_err(), "the instance 'i' was not started");
}

#[tokio::test]
async fn an_encrypted_connection_is_tried_and_checked() {
    let fake = Fake::start(|_, _| reply(200, "")).await;
    match RemoteClient::connect(&fake.url().replace("http://", "https://")) {
        // The other side does not speak TLS.
        Ok(client) => assert_remote(&within_reason(client.status(&i())).await.unwrap_err(), "cannot be reached"),
        // A machine that trusts nobody.
        Err(error) => assert!(error.is_tls(), "{error:?}"),
    }
    assert_eq!(fake.seen(), []);
}
