//! `/entities`, as long as there are none.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use durable_core::client::ClientErrorKind;
use durable_http::testing::request;
use support::*;

const UNKNOWN: &str = "{\"Message\":\"The function 'counter' doesn't exist, is disabled, or is not an entity function. \
                       Additional info: No entity functions are currently registered!\"}";
const NAMELESS: &str = "{\"Message\":\"An entity has a name, and this request has none.\"}";

#[tokio::test]
async fn an_entity_that_is_read_does_not_exist() {
    let mock = MockClient::new();
    for path in ["counter/a", "Counter/A/", "counter/$", "counter/a%5Cb", "@/@", "counter/a?taskHub=Other"] {
        assert_empty(&get(&mock, &format!("{RPC}/entities/{path}")).await, 404);
        assert_empty(&get(&mock, &format!("{WEBHOOK}/ENTITIES/{path}")).await, 404);
    }
}

#[tokio::test]
async fn a_list_of_entities_is_empty_and_has_the_continuation_header() {
    let mock = MockClient::new();
    mock.fail_with(ClientErrorKind::Store);
    for path in ["entities", "entities/", "Entities/counter", "entities/counter/?fetchState=True&top=5&taskHub=Other"] {
        for base in [RPC, WEBHOOK] {
            let response = get(&mock, &format!("{base}/{path}")).await;
            assert_json(&response, 200, "[]");
            assert_eq!(response.header("x-ms-continuation-token"), Some(""), "{path}");
        }
    }
}

#[tokio::test]
async fn a_signal_is_refused_as_one_to_an_unknown_function() {
    let mock = MockClient::new();
    for path in ["counter/a?op=add", "Counter/a", "COUNTER", "counter/", "counter/$?taskHub=Other"] {
        for verb in ["POST", "DELETE"] {
            for base in [RPC, WEBHOOK] {
                let response = send(&mock, request(verb, format!("{base}/entities/{path}"))).await;
                assert_json(&response, 400, UNKNOWN);
            }
        }
    }
    assert_eq!(mock.calls(), []);
}

#[tokio::test]
async fn an_entity_has_a_name() {
    let mock = MockClient::new();
    for (verb, path) in [("POST", "entities"), ("POST", "entities/?op=add"), ("DELETE", "Entities/")] {
        assert_json(&send(&mock, request(verb, format!("{RPC}/{path}"))).await, 400, NAMELESS);
    }
}

#[tokio::test]
async fn a_bad_key_is_named() {
    let mock = MockClient::new();
    for (segment, key) in [("a%5Cb", "a\\\\b"), ("a%23", "a#"), ("%3F", "?"), ("%0A", "\\n")] {
        for verb in ["POST", "DELETE"] {
            let response = send(&mock, request(verb, format!("{RPC}/entities/counter/{segment}"))).await;
            let text = "is not a valid entity key: it contains one of / \\\\ # ? or a control character.";
            assert_json(&response, 400, &format!("{{\"Message\":\"'{key}' {text}\"}}"));
        }
    }
    assert_empty(&post(&mock, &format!("{RPC}/entities/counter/a%2Fb")).await, 404);
}

#[tokio::test]
async fn the_body_of_a_signal_is_read_by_its_type() {
    let mock = MockClient::new();
    let signal = |content_type, body: &'static [u8]| {
        send(&mock, request("POST", format!("{RPC}/entities/counter/a")).body(content_type, body))
    };
    for (body, text) in [
        (&b"{"[..], "EOF while parsing an object at line 1 column 1"),
        (b" ", "EOF while parsing a value at line 1 column 0"),
        (b"1 2", "trailing characters at line 1 column 3"),
        (b"\"\xff\"", "invalid utf-8 sequence of 1 bytes from index 1"),
    ] {
        let expected = format!("{{\"Message\":\"Could not parse JSON content: {text}\"}}");
        assert_json(&signal("Application/JSON; charset=utf-8", body).await, 400, &expected);
        assert_json(&signal("text/plain", body).await, 400, UNKNOWN);
        assert_json(&signal("", body).await, 400, UNKNOWN);
    }
    assert_json(&signal("application/json", b"").await, 400, UNKNOWN);
    assert_json(&signal("application/json", b"{\"by\":1}").await, 400, UNKNOWN);
}

#[tokio::test]
async fn a_delete_ignores_its_body() {
    let mock = MockClient::new();
    let delete = request("DELETE", format!("{RPC}/entities/counter/a")).body("application/json", "{");
    assert_json(&send(&mock, delete).await, 400, UNKNOWN);
}

#[tokio::test]
async fn other_verbs_and_shapes_are_an_empty_404() {
    let mock = MockClient::new();
    for (verb, path) in [
        ("PUT", "entities/counter/a"),
        ("PATCH", "entities/counter"),
        ("HEAD", "entities"),
        ("GET", "entities/counter/a/b"),
        ("POST", "entities/counter/a/b"),
        ("POST", "entities//a"),
    ] {
        assert_empty(&send(&mock, request(verb, format!("{RPC}/{path}"))).await, 404);
    }
}
