//! Everything that a starter may be.

use std::time::Duration;

use durable_core::activity::State;
use durable_core::client::{Client, ClientError};
use durable_core::model::{EventName, FunctionName, InstanceId, Payload};
use durable_http::{
    Body, FromHttpRequest, HttpError, HttpRequest, Json, RawBody, RequestContext, RouteValue, Starters, Text, http_starter,
};

mod inner {
    use durable_http::http_starter;

    /// Documented.
    #[http_starter(crate = "durable_http")]
    #[deprecated]
    pub(crate) async fn plain() {}
}

struct Size(u8);

impl RouteValue for Size {
    const EXPECTED: &'static str = "a size";

    fn from_route(text: &str) -> Option<Self> {
        text.parse().ok().map(Self)
    }
}

struct Tenant;

impl FromHttpRequest for Tenant {
    fn from_http_request(_: &RequestContext) -> Result<Self, HttpError> {
        Ok(Self)
    }
}

#[http_starter(
    route = "all/{name}/{id:string}/{event}/{size:int}/{count?}/{wait:duration=0.5}?{showAll=false}&{ratio:float?}&{type?}",
    methods("GET", "post"),
    crate = durable_http,
)]
async fn everything(
    client: Client,
    request: HttpRequest,
    name: FunctionName,
    mut id: InstanceId,
    event: EventName,
    size: Size,
    count: Option<u8>,
    wait: Duration,
    show_all: bool,
    ratio: Option<f64>,
    r#type: Option<String>,
    Json(input): Json<Payload>,
) -> Result<(http::StatusCode, Json<String>), HttpError> {
    if show_all {
        id = client.start(name, input).await?.id().clone();
    }
    let type_ = r#type;
    let shown = format!("{id} {event} {} {count:?} {wait:?} {ratio:?} {type_:?} {}", size.0, request.uri());
    Ok((http::StatusCode::OK, Json(shown)))
}

#[http_starter(methods("DELETE"))]
async fn bytes(State(number): State<u32>, _tenant: Tenant, RawBody(bytes): RawBody) -> Result<http::Response<Body>, ClientError> {
    let _ = number;
    Ok(http::Response::new(bytes.into()))
}

#[http_starter(methods("PATCH"))]
#[must_use]
async fn text(Text(text): Text) -> http::StatusCode {
    if text.is_empty() { http::StatusCode::NO_CONTENT } else { http::StatusCode::OK }
}

fn all() -> Starters {
    #[allow(deprecated, reason = "a deprecated starter can still be used")]
    Starters::new().state(1_u32).starter(everything).starter(bytes).starter(text).starter(inner::plain)
}

fn main() {
    let _ = all;
}
