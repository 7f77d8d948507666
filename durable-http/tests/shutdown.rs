//! How a server stops.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::time::Duration;

use durable_core::model::RuntimeStatus;
use support::*;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

fn started() -> impl Fn(&Call) -> bool {
    |call| matches!(call, Call::Wait { .. })
}

#[tokio::test]
async fn waiting_requests_are_answered_with_their_202_at_once() {
    let mock = MockClient::new();
    let server = Running::start(&mock, |builder| builder).await;
    let mut stream = server.connect().await;
    let start = format!("POST {RPC}/orchestrators/Hello/i1?timeout=3000 HTTP/1.1\r\nHost: x\r\n\r\n");
    stream.write_all(start.as_bytes()).await.unwrap();
    within_reason(mock.called(started())).await;
    server.stop();
    let response = read_to_end(&mut stream).await;
    assert!(response.starts_with("HTTP/1.1 202 "), "{response}");
    assert!(response.ends_with(&check_status("http://x", "i1", "i1")), "{response}");
    server.stopped().await;
    assert_eq!(mock.status_now("i1").unwrap().runtime_status, RuntimeStatus::Pending);
}

/// A connection whose request head has been read by the server, but of whose body nothing has been sent.
async fn half_a_request(server: &Running) -> TcpStream {
    let mut stream = server.connect().await;
    let head = format!(
        "POST {RPC}/orchestrators/Hello/i1 HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\nExpect: 100-continue\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    read_until(&mut stream, "HTTP/1.1 100 Continue\r\n\r\n").await;
    stream
}

#[tokio::test]
async fn requests_in_flight_finish_and_new_connections_are_refused() {
    let mock = MockClient::new();
    let server = Running::start(&mock, |builder| builder).await;
    let mut stream = half_a_request(&server).await;
    server.stop();
    // A refused connection shows that the server is stopping.
    while TcpStream::connect(server.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    stream.write_all(b"\"Tokyo\"").await.unwrap();
    let response = read_to_end(&mut stream).await;
    assert!(response.starts_with("HTTP/1.1 202 "), "{response}");
    server.stopped().await;
    assert_eq!(mock.calls().len(), 1);
}

#[tokio::test]
async fn a_request_that_never_finishes_is_given_up_after_the_grace() {
    let mock = MockClient::new();
    let server = Running::start(&mock, |builder| builder.shutdown_grace(Duration::from_millis(50))).await;
    let mut stream = half_a_request(&server).await;
    server.stop();
    server.stopped().await;
    assert_eq!(read_to_end(&mut stream).await, "");
    assert_eq!(mock.calls(), []);
}

#[tokio::test]
async fn idle_connections_do_not_delay_the_end() {
    let mock = MockClient::new();
    let server = Running::start(&mock, |builder| builder).await;
    let mut kept_alive = server.connect().await;
    kept_alive.write_all(format!("GET {RPC}/instances HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await.unwrap();
    read_until(&mut kept_alive, "\r\n\r\n[]").await;
    let mut silent = server.connect().await;
    let mut begun = server.connect().await;
    begun.write_all(b"P").await.unwrap();
    server.stop();
    server.stopped().await;
    for stream in [&mut kept_alive, &mut silent, &mut begun] {
        assert_eq!(read_to_end(stream).await, "");
    }
}

#[tokio::test]
async fn a_service_can_be_told_to_stop_waiting() {
    let mock = MockClient::new();
    let service = mock.service();
    let start = durable_http::testing::request("POST", format!("{RPC}/orchestrators/Hello/i1?timeout=3000"));
    let (response, ()) = tokio::join!(durable_http::testing::call(&service, start), async {
        mock.called(started()).await;
        service.stop_waiting();
    });
    assert_json(&response, 202, &check_status("http://localhost:7071", "i1", "i1"));
}
