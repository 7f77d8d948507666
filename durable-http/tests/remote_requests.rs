//! What a remote client asks of a server, and what it keeps to itself.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::time::Duration;

use durable_core::client::{
    Client, ClientErrorKind, ControlRequest, DurableClient, InstanceQuery, PurgePage, PurgeRequest, StartRequest,
    WaitUntil,
};
use durable_core::model::{FunctionName, IdReusePolicy, InstanceId, Payload, RuntimeStatus, Timestamp};
use durable_http::RemoteClient;
use support::fake::{Fake, azure_status, reply};
use support::*;

const FINISHED: [RuntimeStatus; 4] =
    [RuntimeStatus::Completed, RuntimeStatus::Failed, RuntimeStatus::Canceled, RuntimeStatus::Terminated];

fn id(text: &str) -> InstanceId {
    text.try_into().unwrap()
}

fn hello() -> StartRequest {
    StartRequest::new(FunctionName::new("Hello").unwrap(), Payload::from_json("{\"b\": 1}").unwrap())
}

async fn serve(mock: &std::sync::Arc<MockClient>) -> (Running, RemoteClient) {
    let server = Running::start(mock, |builder| builder).await;
    let client = RemoteClient::connect(&format!("http://{}{RPC}/", server.address)).unwrap();
    (server, client)
}

#[tokio::test]
async fn a_start_carries_id_input_and_trace() {
    let mock = MockClient::new();
    let (_server, client) = serve(&mock).await;
    let mut request = hello().with_id(id("a b+ü%?".trim_end_matches('?')));
    request.trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse().ok();
    assert_eq!(client.start(request.clone()).await.unwrap(), id("a b+ü%"));
    let started = |id: &InstanceId| Call::Start {
        name: "Hello".to_owned(),
        id: Some(id.to_string()),
        input: "{\"b\": 1}".to_owned(),
    };
    assert_eq!(mock.calls(), [started(&id("a b+ü%"))]);
    assert_eq!(mock.traces(), [request.trace]);

    // The id of a start without one is made here.
    let made = client.start(hello()).await.unwrap();
    assert_eq!(mock.calls()[1..], [started(&made)]);
}

#[tokio::test]
async fn what_the_api_has_no_words_for_is_refused_and_not_sent() {
    let mock = MockClient::new();
    mock.put("i", RuntimeStatus::Running);
    let (_server, client) = serve(&mock).await;
    let edits: [fn(&mut StartRequest); 4] = [
        |request| request.tags.insert("tenant", "a").unwrap(),
        |request| request.start_at = Some(created()),
        |request| request.delay = Some(Duration::ZERO),
        |request| request.id_reuse = Some(IdReusePolicy::never()),
    ];
    for edit in edits {
        let mut request = hello();
        edit(&mut request);
        let error = client.start(request).await.unwrap_err();
        assert!(error.is_unsupported(), "{error:?}");
    }
    let recursive = || ControlRequest::default().recursive();
    assert!(client.terminate(&id("i"), recursive()).await.unwrap_err().is_unsupported());
    assert!(client.suspend(&id("i"), recursive()).await.unwrap_err().is_unsupported());
    assert!(client.resume(&id("i"), recursive()).await.unwrap_err().is_unsupported());
    let edits: [fn(&mut PurgeRequest); 2] = [|request| request.recursive = true, |request| request.force = true];
    for edit in edits {
        let mut request = PurgeRequest::default();
        edit(&mut request);
        assert!(client.purge(&id("i"), request).await.unwrap_err().is_unsupported());
    }
    for query in [
        InstanceQuery::new().version("1".parse().unwrap()),
        InstanceQuery::new().without_version(),
        InstanceQuery::new().tag("tenant", "a"),
        InstanceQuery::new().children_of(id("i")),
        InstanceQuery::new().updated_from(created()),
        InstanceQuery::new().updated_to(created()),
    ] {
        assert!(client.list(query.clone()).await.unwrap_err().is_unsupported(), "{query:?}");
        assert!(client.count(query.clone()).await.unwrap_err().is_unsupported(), "{query:?}");
        assert!(client.purge_page(query.clone()).await.unwrap_err().is_unsupported(), "{query:?}");
    }
    for name in ["a/b", ".", ".."] {
        let error = client.raise_event(&id("i"), name.try_into().unwrap(), Payload::null()).await.unwrap_err();
        assert!(error.is_invalid_argument(), "{error:?}");
    }
    assert_eq!(mock.calls(), []);
}

#[tokio::test]
async fn a_wait_is_one_request_until_the_end() {
    let mock = MockClient::new();
    mock.put("i", RuntimeStatus::Running);
    let (_server, client) = serve(&mock).await;
    let id = id("i");
    let waits = async {
        tokio::join!(client.wait(&id, WaitUntil::Finished, None), async {
            mock.called(|call| matches!(call, Call::Wait { .. })).await;
            mock.complete("i", "\"Tokyo\"");
        })
    };
    let (status, ()) = within_reason(waits).await;
    assert_eq!(status.unwrap().unwrap().output.unwrap().as_str(), "\"Tokyo\"");
    assert_eq!(mock.calls(), [Call::Wait { id: "i".to_owned(), timeout: Some(Duration::from_secs(30)) }]);
}

#[tokio::test]
async fn a_wait_asks_for_no_longer_than_it_may_take() {
    let mock = MockClient::new();
    mock.put("i", RuntimeStatus::Suspended);
    let (_server, client) = serve(&mock).await;
    let wait = client.wait(&id("i"), WaitUntil::Finished, Some(Duration::from_millis(40)));
    let status = within_reason(wait).await.unwrap().unwrap();
    assert_eq!(status.runtime_status, RuntimeStatus::Suspended);
    let calls = mock.calls();
    let within = |call: &Call| matches!(call, Call::Wait { timeout: Some(timeout), .. } if *timeout <= Duration::from_millis(40));
    assert!(!calls.is_empty() && calls.iter().all(within), "{calls:?}");
}

#[tokio::test]
async fn reasons_and_events_arrive_as_they_were_sent() {
    let mock = MockClient::new();
    let (_server, client) = serve(&mock).await;
    for reason in [None, Some(""), Some("50% & more: ü+ü=2ü #1?")] {
        let request = || ControlRequest::new(reason.map(str::to_owned));
        mock.put("i", RuntimeStatus::Running);
        client.suspend(&id("i"), request()).await.unwrap();
        client.resume(&id("i"), request()).await.unwrap();
        client.terminate(&id("i"), request()).await.unwrap();
        let (id, reason) = ("i".to_owned(), reason.map(str::to_owned));
        let calls = mock.calls();
        assert_eq!(
            calls[calls.len() - 3..],
            [
                Call::Suspend { id: id.clone(), reason: reason.clone() },
                Call::Resume { id: id.clone(), reason: reason.clone() },
                Call::Terminate { id, reason },
            ]
        );
    }
    mock.put("i", RuntimeStatus::Running);
    let (name, payload) = ("Go + ü%\\", Payload::from_json("{\"a\": [ ]}").unwrap());
    client.raise_event(&id("i"), name.try_into().unwrap(), payload).await.unwrap();
    let raised = Call::Raise { id: "i".to_owned(), name: name.to_owned(), payload: "{\"a\": [ ]}".to_owned() };
    assert_eq!(mock.calls().pop(), Some(raised));
}

#[tokio::test]
async fn a_list_asks_for_what_its_query_says() {
    let mock = MockClient::new();
    mock.put("i", RuntimeStatus::Running);
    mock.continue_with("a b%ü");
    let (_server, client) = serve(&mock).await;
    let query = InstanceQuery::new()
        .statuses([RuntimeStatus::Running, RuntimeStatus::Failed])
        .id_prefix("a&b ")
        .created_from(created())
        .created_to(created())
        .page_size(7);
    let page = client.list(query.clone()).await.unwrap();
    assert_eq!(page.instances.len(), 1);
    let next = query.clone().continue_from(page.continuation.unwrap());
    client.list(next).await.unwrap();
    // Values in a query string lose the white space around them.
    let asked = query.id_prefix("a&b");
    assert_eq!(mock.calls(), [Call::List(asked.clone()), Call::List(asked.continue_from("a b%ü".to_owned()))]);
    let error = client.list(InstanceQuery::new().continue_from("\n".to_owned())).await.unwrap_err();
    assert!(error.is_invalid_argument(), "{error:?}");
}

#[tokio::test]
async fn entities_in_a_list_are_left_out() {
    let fake = Fake::start(|_, _| {
        let entity = azure_status("Running", "null").replace("\"i\"", "\"@counter@a\"");
        reply(200, format!("[{entity},{}]", azure_status("Running", "null")))
    })
    .await;
    let client = Client::from(RemoteClient::connect(&fake.url()).unwrap());
    let page = client.list(InstanceQuery::new()).await.unwrap();
    assert_eq!((page.instances.len(), page.continuation), (1, None));
    assert_eq!(client.count(InstanceQuery::new()).await.unwrap(), 1);
    let lines = ["GET /api/instances?top=100&showInput=true", "GET /api/instances?top=1000&showInput=false"];
    assert_eq!(fake.lines(), lines);
}

#[tokio::test]
async fn a_purge_of_many_names_its_states_and_its_start() {
    let mock = MockClient::new();
    let (_server, client) = serve(&mock).await;
    mock.purge_next(vec![PurgePage { deleted: 3, continuation: None }]);
    assert_eq!(client.purge_page(InstanceQuery::new()).await.unwrap(), PurgePage { deleted: 3, continuation: None });
    let live = InstanceQuery::new().statuses([RuntimeStatus::Running]);
    assert_eq!(client.purge_page(live).await.unwrap(), PurgePage { deleted: 0, continuation: None });
    let some = InstanceQuery::new().statuses([RuntimeStatus::Running, RuntimeStatus::Failed]);
    let some = some.created_from(created()).created_to(created());
    assert_eq!(client.purge_page(some.clone()).await.unwrap().deleted, 0);
    let all = InstanceQuery::new().statuses(FINISHED).created_from(Timestamp::UNIX_EPOCH);
    assert_eq!(mock.calls(), [Call::PurgePage(all), Call::PurgePage(some.statuses([RuntimeStatus::Failed]))]);
}

#[tokio::test]
async fn a_purge_by_prefix_takes_one_after_the_other() {
    let mock = MockClient::new();
    mock.put("a", RuntimeStatus::Completed);
    mock.put("b", RuntimeStatus::Running);
    let (_server, client) = serve(&mock).await;
    let page = client.purge_page(InstanceQuery::new().id_prefix("x").page_size(5)).await.unwrap();
    assert_eq!(page, PurgePage { deleted: 1, continuation: None });
    let query = InstanceQuery::new().id_prefix("x").page_size(5).statuses(FINISHED);
    // The mock lists what does not fit, like a server on which an instance has just been started again.
    let calls = [Call::List(query), Call::Purge { id: "a".to_owned() }, Call::Purge { id: "b".to_owned() }];
    assert_eq!(mock.calls(), calls);
}

#[tokio::test]
async fn a_key_is_sent_and_never_shown() {
    let fake = Fake::start(|_, _| reply(404, "")).await;
    let builder =
        RemoteClient::builder(&format!("{}?code=in-the-address", fake.url())).key("in-a-header").task_hub("Orders");
    assert!(!format!("{builder:?}").contains("in-"), "{builder:?}");
    let client = builder.build().unwrap();
    assert_eq!(client.status(&id("i")).await.unwrap(), None);
    let seen = fake.seen().pop().unwrap();
    assert_eq!(seen.line, "GET /api/instances/i?code=in-the-address&taskHub=Orders");
    assert_eq!(seen.key.as_deref(), Some("in-a-header"));
    let shown = format!("{client:?}");
    assert!(shown.contains("***") && !shown.contains("in-"), "{shown}");
    assert_eq!(client.task_hub().as_str(), "Orders");
    assert_eq!(client.webhook_url(), format!("{}?code=in-the-address&taskHub=Orders", fake.url()));
    assert_eq!(Client::from(client.clone()).webhook_url(), Some(client.webhook_url()));
}

#[test]
fn settings_that_cannot_be_used_are_told_apart() {
    assert!(RemoteClient::connect("app.example").unwrap_err().is_url());
    assert!(RemoteClient::connect("http://h?taskHub=1").unwrap_err().is_task_hub());
    assert!(RemoteClient::builder("http://h").task_hub("no-hub").build().unwrap_err().is_task_hub());
    for key in ["", "a\nb"] {
        let error = RemoteClient::builder("http://h").key(key).build().unwrap_err();
        assert!(error.is_key(), "{error:?}");
    }
}

#[tokio::test]
async fn errors_of_the_hub_arrive() {
    let mock = MockClient::new();
    mock.put("i", RuntimeStatus::Failed);
    let (_server, client) = serve(&mock).await;
    assert!(client.raise_event(&id("i"), "Go".try_into().unwrap(), Payload::null()).await.unwrap_err().is_finished());
    mock.fail_with(ClientErrorKind::CannotRewind { id: id("i"), reason: "its code has changed".to_owned() });
    let error = client.rewind(&id("i"), None).await.unwrap_err();
    assert!(matches!(error.kind(), ClientErrorKind::Remote { .. }), "the state cannot be read either: {error:?}");
    mock.fail_with(ClientErrorKind::Store);
    let error = client.list(InstanceQuery::new()).await.unwrap_err();
    assert!(matches!(error.kind(), ClientErrorKind::Remote { .. }), "{error:?}");
    mock.fail_with(ClientErrorKind::Unsupported { operation: "rewind" });
    assert!(client.rewind(&id("i"), None).await.unwrap_err().is_unsupported());
}
