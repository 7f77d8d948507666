//! A local stand-in for the public API, so that the demo needs no network.

use std::net::SocketAddr;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A small API of planets and characters on a free port of this machine. It ends when this is dropped.
#[derive(Debug)]
pub struct StandIn {
    address: SocketAddr,
    server: JoinHandle<()>,
}

impl StandIn {
    /// Begins to serve.
    ///
    /// # Errors
    ///
    /// There is no free port.
    pub async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let routes = Router::new()
            .route("/api/{kind}/", get(search))
            .route("/api/{kind}/{number}/", get(one))
            .with_state(format!("http://{address}/api"));
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, routes).await {
                tracing::error!(%error, "the stand-in has ended");
            }
        });
        Ok(Self { address, server })
    }

    /// What a [`Lookup`](super::Lookup) starts its addresses with.
    #[must_use]
    pub fn base(&self) -> String {
        format!("http://{}/api", self.address)
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.server.abort();
    }
}

#[derive(Deserialize)]
struct Search {
    #[serde(default)]
    search: String,
}

async fn search(
    State(base): State<String>,
    Path(kind): Path<String>,
    Query(query): Query<Search>,
) -> Result<Json<Value>, StatusCode> {
    let wanted = query.search.to_lowercase();
    let fits = |thing: &Value| thing["name"].as_str().is_some_and(|name| name.to_lowercase().contains(&wanted));
    let results: Vec<Value> = things(&base, &kind).ok_or(StatusCode::NOT_FOUND)?.into_iter().filter(fits).collect();
    Ok(Json(json!({ "count": results.len(), "results": results })))
}

async fn one(
    State(base): State<String>,
    Path((kind, number)): Path<(String, usize)>,
) -> Result<Json<Value>, StatusCode> {
    let things = things(&base, &kind).ok_or(StatusCode::NOT_FOUND)?;
    let index = number.checked_sub(1).ok_or(StatusCode::NOT_FOUND)?;
    things.into_iter().nth(index).map(Json).ok_or(StatusCode::NOT_FOUND)
}

/// Everything of a kind; its number is its place. Addresses start with `base`.
fn things(base: &str, kind: &str) -> Option<Vec<Value>> {
    let at = |kind: &str, number: u32| format!("{base}/{kind}/{number}/");
    let character = |name: &str, species: Option<u32>| {
        json!({
            "name": name,
            "homeworld": at("planets", 1),
            "species": species.map(|number| at("species", number)).into_iter().collect::<Vec<_>>(),
            "films": [at("films", 1)],
        })
    };
    let things = match kind {
        "people" => {
            vec![character("Luke Skywalker", Some(1)), character("C-3PO", Some(2)), character("Owen Lars", None)]
        }
        "planets" => vec![
            json!({ "name": "Tatooine", "residents": [at("people", 1), at("people", 2), at("people", 3)] }),
            json!({ "name": "Hoth", "residents": [] }),
        ],
        "species" => vec![json!({ "name": "Human" }), json!({ "name": "Droid" })],
        "films" => vec![json!({ "title": "A New Hope" })],
        _ => return None,
    };
    Some(things)
}
