//! Every row of the tables of the contract: one request, and all bytes of its response, under both base paths.
//!
//! The tests of the single routes go further; this is the page on which a change of the wire shows.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use durable_core::client::{ClientErrorKind, PurgePage};
use durable_core::model::RuntimeStatus;
use durable_http::testing::TestRequest;
use support::golden::{bare, golden, golden_in, json, one_of_each, plain, render, status_of};
use support::*;

const ORIGIN: &str = "http://localhost:7071";
const LIVE: [&str; 4] = ["running", "pending", "continuedasnew", "suspended"];
const FINISHED: [&str; 4] = ["completed", "failed", "canceled", "terminated"];
const WENT_WRONG: &str = "Something went wrong while processing your request";

/// The name of the state whose instance has this id.
fn state(id: &str) -> &'static str {
    RuntimeStatus::ALL.into_iter().find(|status| status.as_str().eq_ignore_ascii_case(id)).unwrap().as_str()
}

/// The check-status response.
fn started(id: &str) -> String {
    let location = format!("{ORIGIN}{WEBHOOK}/instances/{id}?taskHub=TestHub&connection=Storage");
    format!("202 json location={location} retry-after=10\n{}", check_status(ORIGIN, id, id))
}

fn short(code: u16, message: &str) -> String {
    json(code, &format!("{{\"Message\":{}}}", serde_json::to_string(message).unwrap()))
}

/// A body of this content type.
fn body<'a>(content_type: &'a str, body: &'a str) -> impl Fn(TestRequest) -> TestRequest + 'a {
    move |request| request.body(content_type, body.to_owned())
}

#[tokio::test]
async fn start() {
    for (content_type, text) in [
        ("application/json", "\"Tokyo\""),
        ("", "{\"a\":1}"),
        ("text/plain", "1"),
        ("application/octet-stream", ""),
        ("", ""),
        ("application/json", " \n"),
    ] {
        golden("POST orchestrators/Hello/new", body(content_type, text), &started("new")).await;
    }
    golden("POST Orchestrators/Hello/new/?pollingInterval=5", plain, &started("new")).await;
    let with_header = |request: TestRequest| request.header("x-azure-functions-invocationid", "not a GUID");
    golden("POST orchestrators/Hello/new?taskHub=testhub&connection=Storage&code=x", with_header, &started("new"))
        .await;
    for id in FINISHED {
        golden(&format!("POST orchestrators/Hello/{id}"), plain, &started(id)).await;
    }
    for id in LIVE {
        let message = format!("An Orchestration instance with the status {} already exists.", state(id));
        golden(&format!("POST orchestrators/Hello/{id}"), plain, &short(409, &message)).await;
    }
    for verb in ["GET", "PUT", "DELETE", "PATCH", "HEAD"] {
        golden(&format!("{verb} orchestrators/Hello/new"), plain, &bare(404)).await;
    }
    golden("POST orchestrators", plain, &bare(404)).await;
}

#[tokio::test]
async fn start_refuses() {
    let malformed =
        |exception| json(400, &long_error("Invalid JSON content", exception, "Newtonsoft.Json.JsonReaderException"));
    let expected = malformed("EOF while parsing an object at line 1 column 1");
    golden("POST orchestrators/Hello/new", body("application/json", "{"), &expected).await;
    let expected = malformed("expected ident at line 1 column 2");
    golden("POST orchestrators/Hello/new", body("text/plain", "not JSON"), &expected).await;

    let unknown = |known| {
        let info = "doesn't exist, is disabled, or is not an orchestrator function. Additional info: ";
        json(400, &bad_argument(&format!("The function 'Nope' {info}{known}")))
    };
    let expected = unknown("The following are the known orchestrator functions: 'Hello', 'Goodbye'.");
    golden("POST orchestrators/Nope", plain, &expected).await;
    let expected = unknown("No orchestrator functions are currently registered!");
    golden("POST orchestrators/Nope?taskHub=Other", plain, &expected).await;

    let too_long = "x".repeat(257);
    for (segment, why) in [
        ("@x", "'@x' is not a valid instance id: it starts with '@', which is reserved for entities"),
        ("a%5Cb", "'a\\b' is not a valid instance id: it contains one of / \\ ? #"),
        ("a%3F", "'a?' is not a valid instance id: it contains one of / \\ ? #"),
        ("%23a", "'#a' is not a valid instance id: it contains one of / \\ ? #"),
        ("a%7F", "'a\u{7f}' is not a valid instance id: it contains a control character"),
        (
            &too_long,
            &format!("'{}…' is not a valid instance id: it is longer than 256 UTF-16 code units", &too_long[..64]),
        ),
    ] {
        let expected = json(400, &bad_argument(why));
        golden(&format!("POST orchestrators/Hello/{segment}"), plain, &expected).await;
    }
    let longest = "x".repeat(256);
    golden(&format!("POST orchestrators/Hello/{longest}"), plain, &started(&longest)).await;
    let version = "x".repeat(65);
    let expected =
        json(400, &bad_argument(&format!("'{}' is not a valid version: it is longer than 64 bytes", &version[..64])));
    golden(&format!("POST orchestrators/Hello/new?version={version}"), plain, &expected).await;
    let expected = json(400, &bad_argument("Total timeout 1 should be bigger than retry timeout 1.5"));
    golden("POST orchestrators/Hello/new?timeout=1&pollingInterval=1.5", plain, &expected).await;
}

/// Sends `VERB path` under both base paths, and puts `new` into this state once the request waits.
async fn waited(line: &str, id: &str, end: &str, expected: &str) {
    let (verb, path) = line.split_once(' ').unwrap();
    for base in [RPC, WEBHOOK] {
        let mock = one_of_each();
        let ended = one_of_each().status_now(end).unwrap();
        let request = durable_http::testing::request(verb, format!("{base}/{path}"));
        let (response, ()) = tokio::join!(send(&mock, request), async {
            mock.called(|call| matches!(call, Call::Wait { .. })).await;
            mock.put_with(id, |instance| {
                *instance = ended;
                instance.instance_id = id.try_into().unwrap();
            });
        });
        assert_eq!(render(&response), expected, "{line}");
    }
}

#[tokio::test(start_paused = true)]
async fn start_and_wait() {
    let line = "POST orchestrators/Hello/new?timeout=10&pollingInterval=1";
    waited(line, "new", "completed", &json(200, "[\"Grüße\"]")).await;
    for end in ["failed", "canceled", "terminated"] {
        let expected = status_of(end).replace(&format!("\"{end}\""), "\"new\"");
        waited(line, "new", end, &json(200, &expected)).await;
        let hidden = expected.replace("{\"city\": \"Tokyo\"}", "null");
        waited(&format!("{line}&showInput=false"), "new", end, &json(200, &hidden)).await;
        let flagged = format!("{line}&returnInternalServerErrorOnFailure=true");
        waited(&flagged, "new", end, &json(200, &expected)).await;
    }
    for end in ["running", "suspended"] {
        waited(line, "new", end, &started("new")).await;
    }
    for query in ["timeout=10", "timeout=0&pollingInterval=0", "timeout=2.5&pollingInterval=2.5"] {
        golden(&format!("POST orchestrators/Hello/new?{query}"), plain, &started("new")).await;
    }
}

#[tokio::test]
async fn get_one() {
    for id in LIVE {
        let expected = |query: &str| {
            let location = format!("{ORIGIN}{{base}}/instances/{id}{query}");
            format!("202 json location={location} retry-after=5\n{}", status_of(id))
        };
        golden(&format!("GET instances/{id}"), plain, &expected("")).await;
        let query = "?taskHub=TestHub&connection=Storage&returnInternalServerErrorOnFailure=true&code=a%20b";
        golden(&format!("GET instances/{id}{query}"), plain, &expected(query)).await;
    }
    for id in FINISHED {
        golden(&format!("GET instances/{id}"), plain, &json(200, &status_of(id))).await;
        let code = if id == "failed" { 500 } else { 200 };
        let line = format!("GET instances/{id}?returnInternalServerErrorOnFailure=True");
        golden(&line, plain, &json(code, &status_of(id))).await;
        let hidden = status_of(id).replace("{\"city\": \"Tokyo\"}", "null");
        golden(&format!("GET instances/{id}?showInput=False"), plain, &json(200, &hidden)).await;
        let with_history = format!("{},\"historyEvents\":[]}}", status_of(id).strip_suffix('}').unwrap());
        golden(&format!("GET instances/{id}?showHistory=True"), plain, &json(200, &with_history)).await;
    }
    for line in ["GET instances/nope", "GET instances/@a@b", "GET instances/completed?taskHub=Other"] {
        golden(line, plain, &bare(404)).await;
    }
}

#[tokio::test]
async fn list() {
    let mut ids = [LIVE, FINISHED].concat();
    ids.sort_unstable();
    let page = format!("[{}]", ids.into_iter().map(status_of).collect::<Vec<_>>().join(","));
    for line in ["GET instances", "GET instances/", "GET Instances?showHistory=true&top=x&createdTimeFrom=x"] {
        golden(line, plain, &format!("200 json x-ms-continuation-token=\n{page}")).await;
    }
    let hidden = page.replace("{\"city\": \"Tokyo\"}", "null");
    golden("GET instances?showInput=false", plain, &format!("200 json x-ms-continuation-token=\n{hidden}")).await;
    let more = || {
        let mock = one_of_each();
        mock.continue_with("next page");
        mock
    };
    golden_in(more, "GET instances", plain, &format!("200 json x-ms-continuation-token=next%20page\n{page}")).await;
    golden("GET instances?taskHub=Other", plain, "200 json x-ms-continuation-token=\n[]").await;
    let foreign = |request: TestRequest| request.header("x-ms-continuation-token", "%ff");
    golden("GET instances", foreign, &json(400, &bad_argument("the continuation token is not valid"))).await;
}

#[tokio::test]
async fn purge_one() {
    for id in FINISHED {
        golden(&format!("DELETE instances/{id}"), plain, &json(200, "{\"instancesDeleted\":1}")).await;
    }
    for id in LIVE {
        let text = format!("\"instance '{id}' is {}, and would have to be finished to be purged\"", state(id));
        golden(&format!("DELETE instances/{id}"), body("application/json", ""), &json(412, &text)).await;
    }
    for id in ["nope", "@counter@a", "completed?taskHub=Other"] {
        golden(&format!("DELETE instances/{id}"), plain, &bare(404)).await;
    }
}

#[tokio::test]
async fn purge_many() {
    let text = "\"Please provide value for 'createdTimeFrom' parameter.\"";
    for query in ["", "?createdTimeFrom=x", "?createdTimeTo=2024-05-01&runtimeStatus=Completed"] {
        golden(&format!("DELETE instances{query}"), plain, &json(400, text)).await;
        golden(&format!("DELETE instances/{query}"), plain, &json(400, text)).await;
    }
    let three = || {
        let mock = MockClient::new();
        mock.purge_next(vec![PurgePage { deleted: 3, continuation: None }]);
        mock
    };
    let line = "DELETE instances?createdTimeFrom=2024-05-01T00:00:00Z";
    golden_in(three, line, body("application/json", ""), &json(200, "{\"instancesDeleted\":3}")).await;
    golden(line, plain, &bare(404)).await;
    for statuses in ["Running", "completed", "x"] {
        golden_in(three, &format!("{line}&runtimeStatus={statuses}"), plain, &bare(404)).await;
    }
}

#[tokio::test]
async fn raise_event() {
    let ok = body("Application/JSON; charset=utf-8", "null");
    for id in LIVE {
        golden(&format!("POST instances/{id}/raiseevent/E"), &ok, &bare(202)).await;
    }
    let ill_typed = body("text/plain", "{");
    for id in FINISHED {
        golden(&format!("POST instances/{id}/raiseEvent/E"), &ill_typed, &bare(410)).await;
    }
    golden("POST instances/nope/raiseEvent/E", &ill_typed, &bare(404)).await;
    let unsupported = short(400, "Only application/json request content is supported");
    golden("POST instances/running/raiseEvent/E", &ill_typed, &unsupported).await;
    for (text, exception) in [
        ("", "EOF while parsing a value at line 1 column 0"),
        ("{", "EOF while parsing an object at line 1 column 1"),
        // The original ignores what follows the first value.
        ("1 2", "trailing characters at line 1 column 3"),
    ] {
        let error = long_error("Invalid JSON content", exception, "Newtonsoft.Json.JsonReaderException");
        let line = "POST instances/running/raiseEvent/E";
        golden(line, body("application/json", text), &json(400, &error)).await;
    }
    golden("POST instances/running/raiseEvent", &ok, &bare(404)).await;
}

#[tokio::test]
async fn terminate_suspend_resume() {
    let junk = body("application/json", "{");
    for operation in ["terminate", "Suspend", "resume"] {
        for id in FINISHED {
            golden(&format!("POST instances/{id}/{operation}?reason=x"), &junk, &bare(410)).await;
        }
        golden(&format!("POST instances/nope/{operation}"), &junk, &bare(404)).await;
        for verb in ["GET", "PUT", "DELETE"] {
            golden(&format!("{verb} instances/running/{operation}"), plain, &bare(404)).await;
        }
    }
    for id in LIVE {
        golden(&format!("POST instances/{id}/terminate"), &junk, &bare(202)).await;
        let refused = |operation| {
            let text = format!(
                "Cannot {operation} the orchestration instance {id} because instance is in the {} state.",
                state(id)
            );
            json(500, &long_error(WENT_WRONG, &text, "System.InvalidOperationException"))
        };
        let (suspended, resumed) =
            if id == "suspended" { (refused("suspend"), bare(202)) } else { (bare(202), refused("resume")) };
        golden(&format!("POST instances/{id}/suspend?reason=x"), &junk, &suspended).await;
        golden(&format!("POST instances/{id}/resume/?reason=x"), &junk, &resumed).await;
    }
}

#[tokio::test]
async fn rewind() {
    golden("POST instances/failed/rewind?reason=x", plain, &bare(202)).await;
    golden("POST instances/nope/rewind", plain, &json(404, "\"No instance with ID 'nope' was found.\"")).await;
    for id in [LIVE, FINISHED].concat().into_iter().filter(|id| *id != "failed") {
        let text = format!(
            "Cannot rewind the orchestration instance {id} because it is in the \"{}\" state; \
             only orchestrations in the \"Failed\" state can be rewound.",
            state(id)
        );
        let expected = json(412, &serde_json::to_string(&text).unwrap());
        golden(&format!("POST instances/{id}/Rewind"), plain, &expected).await;
    }
    let unable = || {
        let mock = one_of_each();
        mock.fail_with(ClientErrorKind::Unsupported { operation: "rewind" });
        mock
    };
    let text = "Rewind is not supported by the underlying storage provider.";
    let expected = json(501, &long_error(text, text, "System.NotImplementedException"));
    golden_in(unable, "POST instances/failed/rewind", plain, &expected).await;
}

#[tokio::test(start_paused = true)]
async fn restart() {
    for id in [LIVE, FINISHED].concat() {
        golden(&format!("POST instances/{id}/restart"), plain, &started(&format!("{id}-again"))).await;
        let line = format!("POST instances/{id}/restart?restartWithNewInstanceId=False");
        if FINISHED.contains(&id) {
            golden(&line, plain, &started(id)).await;
        } else {
            let message = "A non-terminal instance with this instance ID already exists.";
            let text = format!("An Orchestration instance with the status {} already exists.", state(id));
            let expected = long_error(message, &text, "System.InvalidOperationException");
            golden(&line, plain, &json(409, &expected)).await;
        }
    }
    let message = "InstanceId does not match a valid orchestration instance.";
    let expected = long_error(message, "No instance with ID 'nope' was found.", "System.ArgumentException");
    golden("POST instances/nope/restart?restartWithNewInstanceId=false", plain, &json(400, &expected)).await;
    let line = "POST instances/failed/restart?timeout=9&pollingInterval=1";
    waited(line, "failed-again", "completed", &json(200, "[\"Grüße\"]")).await;
    let ended = status_of("failed").replace("\"failed\"", "\"failed-again\"");
    waited(line, "failed-again", "failed", &json(200, &ended)).await;
    golden(line, plain, &started("failed-again")).await;
}

#[tokio::test]
async fn make_primary() {
    for verb in ["GET", "POST", "PUT", "DELETE", "PATCH"] {
        golden(&format!("{verb} makePrimary/"), plain, &bare(200)).await;
    }
}

#[tokio::test]
async fn failures_of_the_hub() {
    for (kind, code, text, exception) in [
        (ClientErrorKind::Store, 500, "the store failed", "System.Exception"),
        (ClientErrorKind::ShutDown, 503, "the task hub is shut down", "System.InvalidOperationException"),
    ] {
        let broken = || {
            let mock = one_of_each();
            mock.fail_with(kind.clone());
            mock
        };
        let expected = json(code, &long_error(WENT_WRONG, text, exception));
        for line in [
            "POST orchestrators/Hello",
            "GET instances",
            "GET instances/running",
            "DELETE instances?createdTimeFrom=2024-05-01",
            "DELETE instances/failed",
            "POST instances/running/raiseEvent/E",
            "POST instances/running/terminate",
            "POST instances/running/suspend",
            "POST instances/suspended/resume",
            "POST instances/failed/rewind",
            "POST instances/failed/restart",
        ] {
            golden_in(broken, line, body("application/json", "1"), &expected).await;
        }
    }
}
