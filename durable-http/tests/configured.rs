//! What `host.json` and the environment say about the HTTP side.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use durable_core::config::HostConfig;
use durable_http::testing::{call, request};
use durable_http::{DurableService, PeerAddr, Server, Starters, http_starter};
use support::*;

fn config(json: &str, vars: &[(&str, &str)]) -> HostConfig {
    let vars = vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    HostConfig::builder().json(json).vars(vars).load().unwrap()
}

#[http_starter(methods("GET"))]
async fn hello() {}

#[tokio::test]
async fn keys_origin_and_prefix_are_taken_over() {
    let json = r#"{ "extensions": {
        "http": { "routePrefix": "v1/functions" },
        "durableTask": { "httpSettings": { "publicOrigin": "https://shop.example", "signedLinks": 60 } }
    } }"#;
    let config = config(json, &[("DURABLE__http__keys__ops", "a-long-and-secret-word")]);
    let mock = MockClient::new();
    let service = mock.service().starters(Starters::new().starter(hello)).unwrap().config(&config).unwrap();
    assert_empty(&call(&service, request("GET", "/v1/functions/hello")).await, 401);
    let with_key = |method, path: &str| request(method, path).header("x-functions-key", "a-long-and-secret-word");
    assert_empty(&call(&service, with_key("GET", "/v1/functions/hello")).await, 204);
    assert_empty(&call(&service, with_key("GET", "/api/hello")).await, 404);
    let started = call(&service, with_key("POST", &format!("{RPC}/orchestrators/Hello/i1"))).await;
    let location = started.header("location").unwrap();
    assert!(location.starts_with("https://shop.example/runtime/") && location.contains("&code=sl1."), "{location}");
}

#[tokio::test]
async fn without_settings_nothing_changes() {
    let mock = MockClient::new();
    let service = mock.service().config(&config("{}", &[])).unwrap();
    let started = call(&service, request("POST", format!("{RPC}/orchestrators/Hello/i1"))).await;
    assert_json(&started, 202, &check_status("http://localhost:7071", "i1", "i1"));

    let starters = mock.service().starters(Starters::new().starter(hello)).unwrap();
    let prefixed = |vars| starters.clone().route_prefix("own").config(&config("{}", vars)).unwrap();
    assert_empty(&call(&prefixed(&[]), request("GET", "/own/hello")).await, 204);
    let set = [("AzureFunctionsJobHost__extensions__http__routePrefix", "api")];
    assert_empty(&call(&prefixed(&set), request("GET", "/api/hello")).await, 204);
    let server = Server::builder(mock.service()).addr("127.0.0.1:0").config(&config("{}", &[]));
    assert_ne!(server.bind().await.unwrap().local_addr().port(), 7071, "a free one was asked for");
}

#[tokio::test]
async fn forwarded_hosts_are_believed_where_that_is_said() {
    let mock = MockClient::new();
    let location = async |json: &str, peer: [u8; 4]| {
        let service: DurableService = mock.service().config(&config(json, &[])).unwrap();
        let start = request("POST", format!("{RPC}/orchestrators/Hello")).header("x-forwarded-host", "shop.example");
        let mut start = start.header("x-forwarded-proto", "https").build();
        start.extensions_mut().insert(PeerAddr((peer, 5_000).into()));
        call(&service, start).await.header("location").unwrap().starts_with("https://shop.example/")
    };
    let settings = |text: &str| format!(r#"{{"extensions":{{"durableTask":{{"httpSettings":{{{text}}}}}}}}}"#);
    assert!(!location("{}", [10, 0, 0, 1]).await);
    assert!(location(&settings(r#""useForwardedHost": true"#), [10, 0, 0, 1]).await);
    let trusted = settings(r#""useForwardedHost": true, "trustedProxies": ["10.0.0.0/8"]"#);
    assert!(location(&trusted, [10, 0, 0, 1]).await);
    assert!(!location(&trusted, [11, 0, 0, 1]).await);
}

#[tokio::test]
async fn the_address_is_taken_over() {
    let mock = MockClient::new();
    let bind = async |vars: &[(&str, &str)]| {
        let config = config("{}", vars);
        Server::builder(mock.service().config(&config).unwrap()).config(&config).bind().await
    };
    let bound = bind(&[("DURABLE__http__listen", "127.0.0.1:0")]).await.unwrap();
    assert!(bound.local_addr().ip().is_loopback());
    let public = ("DURABLE__http__listen", "0.0.0.0:0");
    assert!(bind(&[public]).await.unwrap_err().is_public_address());
    assert!(bind(&[public, ("DURABLE__http__allowPublic", "true")]).await.is_ok());
    assert!(bind(&[public, ("DURABLE__http__keys__ops", "a-long-and-secret-word")]).await.is_ok());
}

#[tokio::test]
async fn a_read_only_configuration_makes_a_read_only_service() {
    let service = MockClient::new().service().config(&config("{}", &[("DURABLE__http__readOnly", "true")])).unwrap();
    assert_eq!(call(&service, request("POST", format!("{RPC}/orchestrators/Hello"))).await.status, 403);
}
