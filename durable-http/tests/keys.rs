//! Keys, signed links, read-only services and those without management routes.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use durable_core::client::Client;
use durable_core::model::RuntimeStatus;
use durable_http::testing::{TestRequest, TestResponse, call, request};
use durable_http::{
    DurableClientHttpExt, DurableService, HttpError, HttpManagementPayload, HttpRequest, Json, Keys, PeerAddr, Server,
    Starters, http_starter,
};
use support::*;

const KEY: &str = "a-long+and/secret=key";
const ENCODED: &str = "a-long%2Band%2Fsecret%3Dkey";

fn guarded(mock: &Arc<MockClient>) -> DurableService {
    mock.service().key(KEY).unwrap()
}

/// A request from another machine, unless `peer` says otherwise.
fn from(peer: [u8; 4], request: TestRequest) -> http::Request<durable_http::Body> {
    let mut request = request.build();
    request.extensions_mut().insert(PeerAddr((peer, 50_000).into()));
    request
}

/// Every route of the management API, with something to do it to.
fn routes() -> [(&'static str, String); 16] {
    let instance = |operation| format!("{WEBHOOK}/instances/i1{operation}");
    [
        ("GET", instance("")),
        ("GET", format!("{WEBHOOK}/instances")),
        ("POST", format!("{WEBHOOK}/makeprimary")),
        ("POST", format!("{WEBHOOK}/orchestrators/Hello/new")),
        ("POST", instance("/raiseEvent/E")),
        ("POST", instance("/terminate")),
        ("POST", instance("/suspend")),
        ("POST", instance("/resume")),
        ("POST", instance("/rewind")),
        ("POST", instance("/restart")),
        ("DELETE", instance("")),
        ("DELETE", format!("{WEBHOOK}/instances?createdTimeFrom=2024-01-01")),
        ("GET", format!("{WEBHOOK}/entities")),
        ("POST", format!("{WEBHOOK}/entities/Counter/a")),
        ("DELETE", format!("{WEBHOOK}/entities/Counter/a")),
        ("GET", format!("{WEBHOOK}/openapi.json")),
    ]
}

#[tokio::test]
async fn without_a_key_nothing_is_answered() {
    let mock = MockClient::new();
    mock.put("i1", RuntimeStatus::Running);
    let service = guarded(&mock);
    for (method, path) in routes() {
        for (name, value) in [("x-functions-key", ""), ("x-functions-key", "wrong"), ("authorization", KEY)] {
            assert_empty(&call(&service, request(method, &path).header(name, value)).await, 401);
        }
        let separator = if path.contains('?') { '&' } else { '?' };
        for code in ["", "wrong", "a-long", KEY] {
            // The plus of a key that is not encoded is a space.
            assert_empty(&call(&service, request(method, format!("{path}{separator}code={code}"))).await, 401);
        }
    }
    assert_eq!(mock.calls(), []);
}

#[tokio::test]
async fn a_key_in_the_query_or_the_header_lets_in() {
    let mock = MockClient::new();
    mock.put("i1", RuntimeStatus::Running);
    let service = guarded(&mock);
    let path = format!("{WEBHOOK}/instances/i1");
    assert_eq!(call(&service, request("GET", &path).header("X-Functions-Key", KEY)).await.status, 202);
    assert_eq!(call(&service, request("GET", format!("{path}?CODE={ENCODED}"))).await.status, 202);
    let wrong_and_right = request("GET", format!("{path}?code=wrong")).header("x-functions-key", KEY);
    assert_eq!(call(&service, wrong_and_right).await.status, 202);
}

#[tokio::test]
async fn links_carry_the_key_and_work() {
    let mock = MockClient::new();
    let service = guarded(&mock);
    let start = request("POST", format!("{WEBHOOK}/orchestrators/Hello/i1")).header("x-functions-key", KEY);
    let response = call(&service, start).await;
    let code = format!("connection=Storage&code={ENCODED}");
    assert_json(&response, 202, &check_status(ORIGIN, "i1", "i1").replace("connection=Storage", &code));
    let link = response.header("location").unwrap().strip_prefix(ORIGIN).unwrap();
    assert_eq!(call(&service, request("GET", link)).await.status, 202);
}

const ORIGIN: &str = "http://localhost:7071";

#[tokio::test]
async fn keys_change_while_a_service_runs() {
    let mock = MockClient::new();
    mock.put("i1", RuntimeStatus::Running);
    let keys = Keys::new();
    let service = mock.service().keys(keys.clone());
    let code = async |key: &str| {
        call(&service, request("GET", format!("{WEBHOOK}/instances/i1?code={key}"))).await.status.as_u16()
    };
    assert_eq!(code("old-and-long-enough").await, 401, "no key lets nobody in");
    keys.set("old", "old-and-long-enough").unwrap();
    keys.set("new", "new-and-long-enough").unwrap();
    assert_eq!((code("old-and-long-enough").await, code("new-and-long-enough").await), (202, 202));
    keys.remove("old");
    assert_eq!((code("old-and-long-enough").await, code("new-and-long-enough").await), (401, 202));
}

#[tokio::test]
async fn a_signed_link_is_good_for_one_operation_on_one_instance() {
    let mock = MockClient::new();
    let service = guarded(&mock).signed_links(Duration::from_secs(60));
    let start = |id| request("POST", format!("{WEBHOOK}/orchestrators/Hello/{id}")).header("x-functions-key", KEY);
    let response = call(&service, start("i1")).await;
    assert!(!response.body.contains(ENCODED), "the key itself is not in signed links: {}", response.body);
    let links: serde_json::Value = response.json();
    let link = |name: &str| links[name].as_str().unwrap().strip_prefix(ORIGIN).unwrap().to_owned();
    let code = async |method, target: &str| call(&service, request(method, target)).await.status.as_u16();

    let status = link("statusQueryGetUri");
    assert_eq!(code("GET", &status).await, 202);
    assert_eq!(code("GET", &status.replace(WEBHOOK, RPC)).await, 202);
    assert_eq!(code("DELETE", &status).await, 401, "another operation");
    assert_eq!(code("GET", &status.replace("/i1?", "/i2?")).await, 401, "another instance");
    assert_eq!(code("POST", &status.replace("/i1?", "/i1/terminate?")).await, 401, "another operation");
    assert_eq!(code("GET", &status.replace("/instances/i1?", "/instances?")).await, 401, "no instance");
    assert_eq!(code("POST", &link("suspendPostUri")).await, 202);
    assert_eq!(code("POST", &link("resumePostUri")).await, 202);
    assert_eq!(code("POST", &link("terminatePostUri").replace("{text}", "enough")).await, 202);
    assert_eq!(code("POST", &link("sendEventPostUri").replace("{eventName}", "E")).await, 410);
    assert_eq!(code("POST", &link("restartPostUri")).await, 202);
    assert_eq!(code("DELETE", &link("purgeHistoryDeleteUri")).await, 200);
}

#[tokio::test]
async fn a_signed_link_expires() {
    let mock = MockClient::new();
    let service = guarded(&mock).signed_links(Duration::ZERO);
    let start = request("POST", format!("{WEBHOOK}/orchestrators/Hello/i1")).header("x-functions-key", KEY);
    let response = call(&service, start).await;
    let link = response.header("location").unwrap().strip_prefix(ORIGIN).unwrap();
    assert_empty(&call(&service, request("GET", link)).await, 401);
}

#[tokio::test]
async fn programs_on_this_machine_need_no_key_where_that_is_said() {
    let mock = MockClient::new();
    mock.put("i1", RuntimeStatus::Running);
    let here = [127, 0, 0, 1];
    let rpc = || request("GET", format!("{RPC}/instances/i1"));
    let open = guarded(&mock).local_rpc_without_key();
    assert_eq!(call(&open, from(here, rpc())).await.status, 202);
    assert_eq!(call(&open, from(here, rpc().header("sec-fetch-site", "none"))).await.status, 202, "typed by a person");
    for refused in [
        from([10, 0, 0, 1], rpc()),
        from(here, rpc().header("host", "evil.example")),
        from(here, rpc().header("x-forwarded-for", "1.2.3.4")),
        from(here, rpc().header("x-real-ip", "1.2.3.4")),
        from(here, rpc().header("origin", "https://evil.example")),
        from(here, rpc().header("sec-fetch-site", "cross-site")),
        from(here, request("GET", format!("{WEBHOOK}/instances/i1"))),
        rpc().build(),
    ] {
        assert_empty(&call(&open, refused).await, 401);
    }
    assert_empty(&call(&guarded(&mock), from(here, rpc())).await, 401);
}

#[tokio::test]
async fn a_read_only_service_only_looks() {
    let mock = MockClient::new();
    mock.put("i1", RuntimeStatus::Running);
    let service = mock.service().read_only();
    for (method, path) in routes() {
        let response = call(&service, request(method, &path).json(&1)).await;
        if method == "GET" || path.ends_with("/makeprimary") {
            assert!(response.status.is_success(), "{method} {path}: {}", response.status);
        } else {
            assert_json(&response, 403, r#"{"Message":"This server is read-only."}"#);
        }
    }
    assert!(mock.calls().iter().all(|call| matches!(call, Call::List(_))), "{:?}", mock.calls());
}

#[http_starter(route = "begin", methods("GET", "POST"))]
async fn begin(client: Client) -> Result<(), HttpError> {
    client.start("Hello", 1).await?;
    Ok(())
}

#[tokio::test]
async fn a_read_only_service_starts_nothing() {
    let mock = MockClient::new();
    for (starters, without_key) in [(Starters::new(), 401), (Starters::new().anonymous(), 403)] {
        let service = guarded(&mock).starters(starters.starter(begin)).unwrap().read_only();
        for method in ["GET", "POST"] {
            assert_eq!(call(&service, request(method, "/api/begin")).await.status, without_key);
            let response = call(&service, request(method, "/api/begin").header("x-functions-key", KEY)).await;
            assert_json(&response, 403, r#"{"Message":"This server is read-only."}"#);
        }
    }
    assert_eq!(mock.calls(), []);
}

#[http_starter(route = "links")]
async fn links(client: Client, request: HttpRequest) -> Result<Json<HttpManagementPayload>, HttpError> {
    let instance = client.start("Hello", 1).await?;
    Ok(Json(client.create_http_management_payload_for(&request, instance.id())))
}

#[tokio::test]
async fn a_caller_of_an_anonymous_starter_is_not_given_the_key() {
    let mock = MockClient::new();
    let service = guarded(&mock).starters(Starters::new().starter(links).anonymous()).unwrap();
    let response = call(&service, request("POST", "/api/links")).await;
    assert!(!response.body.contains(ENCODED), "{}", response.body);
    let links: serde_json::Value = response.json();
    let link = |name: &str| links[name].as_str().unwrap().strip_prefix(ORIGIN).unwrap().to_owned();
    assert_eq!(call(&service, request("GET", link("statusQueryGetUri"))).await.status, 202);
    let other = link("statusQueryGetUri").replace("/instances/", "/instances/other");
    assert_empty(&call(&service, request("GET", other)).await, 401);
    let with_key = call(&service, request("POST", "/api/links").header("x-functions-key", KEY)).await;
    assert!(with_key.body.contains(ENCODED), "{}", with_key.body);
}

#[tokio::test]
async fn pages_of_other_web_sites_change_nothing_where_there_is_no_key() {
    let mock = MockClient::new();
    mock.put("i1", RuntimeStatus::Running);
    let start = || request("POST", format!("{WEBHOOK}/orchestrators/Hello"));
    let refused = r#"{"Message":"This server has no key and takes no requests of other web sites."}"#;
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("origin", "http://localhost:8080"),
    ] {
        assert_json(&send(&mock, start().header(name, value)).await, 403, refused);
        let look = request("GET", format!("{WEBHOOK}/instances/i1")).header(name, value);
        assert_eq!(send(&mock, look).await.status, 202, "its answer is not shown to the page");
        let open = mock.service().allow_other_sites();
        assert_eq!(call(&open, start().header(name, value)).await.status, 202);
        let with_key = start().header(name, value).header("x-functions-key", KEY);
        assert_eq!(call(&guarded(&mock), with_key).await.status, 202);
    }
    for (name, value) in
        [("sec-fetch-site", "none"), ("sec-fetch-site", "same-origin"), ("origin", "http://localhost:7071")]
    {
        assert_eq!(send(&mock, start().header(name, value)).await.status, 202);
    }
}

#[tokio::test]
async fn the_management_api_can_be_left_out() {
    let mock = MockClient::new();
    mock.put("i1", RuntimeStatus::Running);
    let service = mock.service().without_management();
    for (method, path) in routes() {
        assert_empty(&call(&service, request(method, &path)).await, 404);
    }
    assert_eq!(call(&service, request("GET", "/healthz")).await.status, 200);
}

#[tokio::test]
async fn health_needs_no_key() {
    let mock = MockClient::new();
    let service = guarded(&mock);
    for path in ["/healthz", "/readyz"] {
        assert_json(&call(&service, request("GET", path)).await, 200, r#"{"status":"Healthy"}"#);
        assert_empty(&call(&service, request("POST", path)).await, 404);
    }
    mock.fail_with(durable_core::client::ClientErrorKind::Store);
    assert_json(&call(&service, request("GET", "/readyz")).await, 503, r#"{"status":"Unhealthy"}"#);
    assert_eq!(call(&service, request("GET", "/healthz")).await.status, 200);
}

#[tokio::test]
async fn a_service_that_stops_is_not_ready() {
    let service = MockClient::new().service();
    service.stop_waiting();
    assert_eq!(call(&service, request("GET", "/readyz")).await.status, 503);
}

#[tokio::test]
async fn functions_beside_the_service_hand_out_the_same_links() {
    let mock = MockClient::new();
    let service = guarded(&mock).public_origin("https://shop.example/durable").unwrap();
    let mut request = request("POST", "/api/mine").build();
    request.extensions_mut().insert(service.links());
    let id = "i1".try_into().unwrap();
    let response = TestResponse::read(mock.client().create_check_status_response(&request, &id)).await;
    let start = format!("https://shop.example/durable{WEBHOOK}/instances/i1?");
    assert!(response.header("location").unwrap().starts_with(&start), "{response:?}");
    assert!(response.header("location").unwrap().ends_with(&format!("&code={ENCODED}")), "{response:?}");
}

#[tokio::test]
async fn a_server_with_a_key_may_be_public_and_knows_its_address() {
    let mock = MockClient::new();
    let server = Server::builder(guarded(&mock)).addr("0.0.0.0:0").bind().await.unwrap();
    let port = server.local_addr().port();
    let payload: HttpManagementPayload =
        server.client().create_http_management_payload(&"i1".try_into().unwrap()).unwrap();
    let expected =
        format!("http://localhost:{port}{WEBHOOK}/instances/i1?taskHub=TestHub&connection=Storage&code={ENCODED}");
    assert_eq!(payload.status_query_get_uri, expected);
}

#[tokio::test]
async fn a_proxy_on_the_same_machine_is_believed_over_a_real_connection() {
    let mock = MockClient::new();
    mock.put("i1", RuntimeStatus::Running);
    for (service, expected) in [
        (mock.service().trusted_proxies(["127.0.0.1"]).unwrap(), "https://shop.example"),
        (mock.service(), "http://inner"),
    ] {
        let server = Running::serve(service, |builder| builder).await;
        let request = format!(
            "GET {RPC}/instances/i1 HTTP/1.1\r\nHost: inner\r\nForwarded: for=9.9.9.9;host=shop.example;proto=https\r\n\
             Connection: close\r\n\r\n"
        );
        let response = server.exchange(request).await;
        assert!(response.contains(&format!("location: {expected}{RPC}/instances/i1\r\n")), "{response}");
    }
}
