//! Clients that send too much, too little, too slowly, or nonsense. The server answers or hangs up, and lives.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::time::Duration;

use durable_core::model::RuntimeStatus;
use durable_http::ServerBuilder;
use durable_http::testing::{call, request};
use http_body_util::BodyExt;
use hyper_util::rt::{TokioExecutor, TokioIo};
use support::*;
use tokio::io::AsyncWriteExt;

const SHORTLY: Duration = Duration::from_millis(50);

/// A whole request that asks for the connection to be closed.
fn raw(verb: &str, path: &str, body: &str) -> String {
    format!(
        "{verb} {RPC}/{path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[track_caller]
fn assert_code(response: &str, code: u16) {
    assert!(response.starts_with(&format!("HTTP/1.1 {code} ")), "{response}");
}

#[tokio::test]
async fn a_huge_body_is_a_413_with_an_error_object() {
    let mock = MockClient::new();
    let service = mock.service().max_body_bytes(8);
    let start = |body: &'static str| request("POST", format!("{RPC}/orchestrators/Hello/i1")).body("", body);
    assert_eq!(call(&service, start("\"123456\"")).await.status, 202);
    let response = call(&service, start("\"1234567\"")).await;
    assert_json(&response, 413, r#"{"Message":"The request body is larger than 8 bytes."}"#);
    assert_eq!(mock.calls().len(), 1);
}

#[tokio::test]
async fn an_announced_huge_body_is_refused_before_it_is_sent() {
    let mock = MockClient::new();
    let server = Running::start(&mock, |builder| builder).await;
    for length in ["16777217", "9223372036854775807"] {
        let head = format!("POST {RPC}/orchestrators/Hello HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n");
        let response = server.exchange(head).await;
        assert_code(&response, 413);
        assert!(response.ends_with(r#"{"Message":"The request body is larger than 16777216 bytes."}"#), "{response}");
    }
    assert_eq!(mock.calls(), []);
}

#[tokio::test]
async fn a_huge_chunked_body_is_refused_while_it_comes() {
    let mock = MockClient::new();
    let server = Running::serve(mock.service().max_body_bytes(10), |builder| builder).await;
    let head = format!("POST {RPC}/orchestrators/Hello HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    let response = server.exchange(format!("{head}6\r\n[1,2,3\r\n6\r\n,4,5,6\r\n")).await;
    assert_code(&response, 413);
    assert_eq!(mock.calls(), []);
}

#[tokio::test]
async fn a_body_up_to_the_default_limit_is_taken() {
    let mock = MockClient::new();
    let body = format!("\"{}\"", "x".repeat(16 * 1024 * 1024 - 2));
    let target = format!("{RPC}/orchestrators/Hello/i1");
    assert_eq!(send(&mock, request("POST", &target).body("", body.clone())).await.status, 202);
    assert_eq!(send(&mock, request("POST", &target).body("", body + " ")).await.status, 413);
}

#[tokio::test]
async fn deeply_nested_json_does_not_overflow_the_stack() {
    let mock = MockClient::new();
    let deep = format!("{}{}", "[".repeat(1_000_000), "]".repeat(1_000_000));
    let response = send(&mock, request("POST", format!("{RPC}/orchestrators/Hello/i1")).body("", deep.clone())).await;
    assert_eq!(response.status, 202);
    // Not compared with the document, whose validator does not go as deep.
    let status = call(&mock.service(), request("GET", format!("{RPC}/instances/i1"))).await;
    assert!(status.body.contains(&deep));
    let broken = request("POST", format!("{RPC}/orchestrators/Hello")).body("", "[".repeat(1_000_000));
    assert_eq!(send(&mock, broken).await.status, 400);
}

#[tokio::test]
async fn a_client_that_sends_its_head_too_slowly_is_hung_up_on() {
    let mock = MockClient::new();
    let server = Running::start(&mock, |builder| builder.header_read_timeout(SHORTLY)).await;
    for start in ["", "P", "PRI * HTTP/2.0\r\n", "POST /durabletask/orch", "GET / HTTP/1.1\r\nHost: x\r\n"] {
        let response = server.exchange(start).await;
        assert!(!response.contains(" 200 ") && !response.contains(" 202 "), "{response}");
    }
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let mock = MockClient::new();
    let server = Running::start(&mock, |builder| builder.header_read_timeout(SHORTLY)).await;
    let response = server.exchange(format!("GET {RPC}/instances HTTP/1.1\r\nHost: x\r\n\r\n")).await;
    assert_code(&response, 200);
}

#[tokio::test]
async fn a_client_that_sends_its_body_too_slowly_is_a_408() {
    let mock = MockClient::new();
    let server = Running::serve(mock.service().body_read_timeout(SHORTLY), |builder| builder).await;
    let head = format!("POST {RPC}/orchestrators/Hello HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n[");
    let response = server.exchange(head).await;
    assert_code(&response, 408);
    assert!(response.ends_with(r#"{"Message":"The request body did not come in time."}"#), "{response}");
    assert_eq!(mock.calls(), []);
}

#[tokio::test]
async fn a_half_closed_client_still_gets_its_answer() {
    let mock = MockClient::new();
    let server = Running::start(&mock, |builder| builder).await;
    let mut stream = server.connect().await;
    stream.write_all(raw("POST", "orchestrators/Hello/i1?timeout=60", "1").as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    within_reason(mock.called(|call| matches!(call, Call::Wait { .. }))).await;
    mock.complete("i1", "\"done\"");
    let response = read_to_end(&mut stream).await;
    assert_code(&response, 200);
    assert!(response.ends_with("\r\n\r\n\"done\""), "{response}");
}

#[tokio::test]
async fn a_body_that_breaks_off_starts_nothing() {
    let mock = MockClient::new();
    let server = Running::start(&mock, |builder| builder).await;
    let mut stream = server.connect().await;
    let head = format!("POST {RPC}/orchestrators/Hello HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n[1]");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let response = read_to_end(&mut stream).await;
    assert!(response.is_empty() || response.starts_with("HTTP/1.1 400 "), "{response}");
    assert_eq!(mock.calls(), []);
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let mock = MockClient::new();
    let server = Running::start(&mock, |builder| builder).await;
    let keep = |text: String| text.replace("Connection: close\r\n", "");
    let pipeline = [
        keep(raw("POST", "orchestrators/Hello/i1", "\"a\"")),
        keep(raw("POST", "instances/i1/raiseEvent/E", "{\"x\":1}")),
        // A body that nobody reads.
        keep(raw("POST", "instances/i1/terminate?reason=r", "ignored")),
        keep(raw("GET", "instances/nope", "")),
        raw("GET", "instances/i1", ""),
    ];
    let responses = server.exchange(pipeline.concat()).await;
    let codes: Vec<_> = responses.split("HTTP/1.1 ").skip(1).map(|response| &response[..3]).collect();
    assert_eq!(codes, ["202", "202", "202", "404", "200"]);
    assert!(responses.contains("\"output\":\"r\""), "{responses}");
}

#[tokio::test]
async fn nonsense_is_answered_or_hung_up_on() {
    let mock = MockClient::new();
    let server = Running::start(&mock, |builder| builder.header_read_timeout(SHORTLY)).await;
    for nonsense in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"hello\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\ngarbage garbage garbage garbage",
    ] {
        let mut stream = server.connect().await;
        let _ = stream.write_all(nonsense).await;
        let mut answer = Vec::new();
        let _ = within_reason(tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut answer)).await;
    }
    assert_code(&server.exchange(raw("GET", "instances", "")).await, 200);
}

#[tokio::test]
async fn a_long_target_or_head_is_refused() {
    let mock = MockClient::new();
    let server = Running::start(&mock, |builder| builder).await;
    let long = "x".repeat(100_000);
    let target = server.exchange(format!("GET {RPC}/instances/{long} HTTP/1.1\r\nHost: x\r\n\r\n")).await;
    assert!(target.starts_with("HTTP/1.1 414 ") || target.starts_with("HTTP/1.1 431 "), "{target}");
    let head = server.exchange(format!("GET {RPC}/instances HTTP/1.1\r\nHost: x\r\nX-Long: {long}\r\n\r\n")).await;
    assert_code(&head, 431);
    let many = "X-Many: 1\r\n".repeat(1_000);
    assert_code(&server.exchange(format!("GET / HTTP/1.1\r\nHost: x\r\n{many}\r\n")).await, 431);
}

#[tokio::test]
async fn more_connections_than_allowed_wait_for_their_turn() {
    let mock = MockClient::new();
    let server = Running::start(&mock, |builder| builder.max_connections(1)).await;
    let first = server.exchange(raw("POST", "orchestrators/Hello/i1?timeout=60", "1"));
    let second = async {
        within_reason(mock.called(|call| matches!(call, Call::Wait { .. }))).await;
        let mut stream = server.connect().await;
        stream.write_all(raw("GET", "instances", "").as_bytes()).await.unwrap();
        assert!(!mock.calls().iter().any(|call| matches!(call, Call::List(_))));
        mock.complete("i1", "2");
        read_to_end(&mut stream).await
    };
    let (first, second) = tokio::join!(first, second);
    assert_code(&first, 200);
    assert_code(&second, 200);
}

#[tokio::test]
async fn a_client_that_does_not_read_its_answer_is_hung_up_on() {
    let mock = MockClient::new();
    mock.complete("i1", &format!("\"{}\"", "x".repeat(32 * 1024 * 1024)));
    let server = Running::start(&mock, |builder| builder.max_connections(1).write_timeout(SHORTLY)).await;
    let mut deaf = server.connect().await;
    deaf.write_all(raw("GET", "instances/i1", "").as_bytes()).await.unwrap();
    // The only place becomes free although the first client stays.
    assert_code(&server.exchange(raw("GET", "instances/nope", "")).await, 404);
    drop(deaf);
}

#[tokio::test]
async fn without_a_host_links_name_the_address_of_the_connection() {
    let mock = MockClient::new();
    let server = Running::start(&mock, |builder| builder).await;
    let response = server.exchange(format!("POST {RPC}/orchestrators/Hello/i1 HTTP/1.0\r\n\r\n")).await;
    assert!(response.ends_with(&check_status(&format!("http://{}", server.address), "i1", "i1")), "{response}");
    mock.put("i1", RuntimeStatus::Completed);
    let odd = format!("POST {RPC}/orchestrators/Hello/i1 HTTP/1.0\r\nHost: <b>\r\n\r\n");
    let response = server.exchange(odd).await;
    assert!(response.ends_with(&check_status(&format!("http://{}", server.address), "i1", "i1")), "{response}");
}

#[tokio::test]
async fn http_2_is_spoken_with_prior_knowledge() {
    let mock = MockClient::new();
    let server = Running::start(&mock, |builder| builder).await;
    let io = TokioIo::new(server.connect().await);
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    let connection = tokio::spawn(connection);
    let target = format!("http://h2.example:8080{RPC}/orchestrators/Hello/i1");
    let request = http::Request::post(target).body(durable_http::Body::from("1")).unwrap();
    let response = within_reason(sender.send_request(request)).await.unwrap();
    assert_eq!(response.status(), 202);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, check_status("http://h2.example:8080", "i1", "i1"));
    drop(sender);
    within_reason(connection).await.unwrap().unwrap();
}

#[tokio::test]
async fn an_http_2_connection_on_which_nothing_happens_is_closed() {
    let mock = MockClient::new();
    mock.complete("huge", &format!("\"{}\"", "x".repeat(4 * 1024 * 1024)));
    let limits = |builder: ServerBuilder| builder.header_read_timeout(SHORTLY).write_timeout(SHORTLY);
    let server = Running::start(&mock, limits).await;
    // An answer that is not read to its end is something that does not happen.
    for id in ["none", "huge"] {
        let io = TokioIo::new(server.connect().await);
        let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
        let connection = tokio::spawn(connection);
        let target = format!("http://localhost{RPC}/instances/{id}");
        let request = http::Request::get(target).body(durable_http::Body::empty()).unwrap();
        let unread = within_reason(sender.send_request(request)).await.unwrap();
        let _ = within_reason(connection).await.unwrap();
        drop((sender, unread));
    }
}

#[tokio::test]
async fn an_http_2_connection_is_not_closed_while_a_request_waits() {
    let mock = MockClient::new();
    let server = Running::start(&mock, |builder| builder.header_read_timeout(SHORTLY).write_timeout(SHORTLY)).await;
    let io = TokioIo::new(server.connect().await);
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    let connection = tokio::spawn(connection);
    let target = format!("http://localhost{RPC}/orchestrators/Hello/i1?timeout=0.2");
    let request = http::Request::post(target).body(durable_http::Body::from("1")).unwrap();
    assert_eq!(within_reason(sender.send_request(request)).await.unwrap().status(), 202);
    drop(sender);
    connection.abort();
}
