//! The HTTP API of Durable Functions for a task hub of [`durable_core`]: existing clients, tools and links work
//! unchanged.
//!
//! [`serve`] is a whole server in one line, [`Server`] one with settings. [`DurableService`] is the API as a
//! [`tower_service::Service`], to be mounted in your own server. [`DurableClientHttpExt`] makes the answers of your own
//! HTTP functions. [`testing`] calls any of them without a socket. With the feature `remote` there is also `RemoteClient`, a
//! durable client over this API: for a hub in another process, or for a function app in Azure.
//!
//! # Routes
//!
//! Each is there under `/runtime/webhooks/durabletask` and under `/durabletask`:
//!
//! | request | does |
//! | --- | --- |
//! | `POST /orchestrators/{name}/{id?}` | starts an instance; with `timeout` waits for it |
//! | `GET /instances/{id}` | shows its state; with `showHistory=true` also its history; with `timeout` waits for its end |
//! | `GET /instances/{id}/history` | shows the history as it is stored, which no client of Azure asks for |
//! | `GET /instances` | shows a page of instances |
//! | `POST /instances/{id}/raiseEvent/{event}` | sends an external event |
//! | `POST /instances/{id}/terminate` | ends an instance |
//! | `POST /instances/{id}/suspend`, `.../resume` | pauses an instance, and lets it go on |
//! | `POST /instances/{id}/rewind` | takes back the failure of an instance |
//! | `POST /instances/{id}/restart` | starts it once more, under a new id unless `restartWithNewInstanceId=false` |
//! | `DELETE /instances/{id}` | removes a finished instance with its history |
//! | `DELETE /instances` | removes the finished instances created from `createdTimeFrom` on |
//! | `GET /entities/{name?}` | shows a page of entities: an empty one |
//! | `/makeprimary` | nothing: there is one application per task hub |
//! | `GET /openapi.json` | shows the OpenAPI document of this API |
//!
//! There are no entities yet: a signal is refused with a 400 that names the unknown entity function, and to read an entity
//! is a 404.
//!
//! A start takes over the headers `traceparent` and `tracestate` of the W3C: the instance becomes a part of that trace.
//!
//! # What is promised
//!
//! * A 202 means that what was asked for is stored. Its effect on the instance comes later.
//! * Only finished instances are removed, whatever states a request names.
//! * Waiting is by notification, and ends after an hour at most.
//! * Bad input is answered with an error object or an empty body as Durable Functions does; it never ends the process.
//! * `taskHub` selects a hub: without it, or with the name of ours, ours; any other is a hub without orchestrators and
//!   instances.
//!
//! # Security
//!
//! A service asks nobody for a key unless it is given [`Keys`]; a server without them listens on loopback addresses only,
//! unless [`ServerBuilder::allow_public_without_key`] is said. With keys, every caller needs one, in the query parameter
//! `code` or the header `x-functions-key`, and links carry one, so that they work as they are. With
//! [`DurableService::signed_links`] a link is good for one operation on one instance, for some time. Keys are compared in
//! constant time and are not logged.
//!
//! A page of another web site, which a browser on the same machine happens to show, changes nothing:
//! see [`DurableService::allow_other_sites`].
//!
//! Links repeat the host that a request named only when it is a plain host name or address. Behind a proxy, name the
//! [public origin](DurableService::public_origin) or the [proxies to trust](DurableService::trusted_proxies).
//!
//! In an application of your own, put the service under a layer that knows your users, or leave the management API out with
//! [`DurableService::without_management`]. Sizes, times and the number of connections are limited; see [`DurableService`]
//! and [`ServerBuilder`].

mod access;
mod activity;
mod body;
mod client_ext;
mod configured;
mod connection;
mod error_json;
mod health;
mod history_json;
mod links;
mod media_type;
mod openapi;
mod origin;
mod outage;
mod query;
#[cfg(feature = "remote")]
mod remote;
mod router;
mod routes;
mod serve;
mod serve_error;
mod server;
mod service;
mod setting_error;
mod stall_guard;
mod starter;
mod status_json;
pub mod testing;
mod trace;
mod wire;

pub use http;

pub use self::access::Keys;
pub use self::body::{Body, BoxError};
pub use self::client_ext::{DurableClientHttpExt, WaitForCompletion};
pub use self::configured::serve_configured;
pub use self::links::{HttpManagementPayload, Links};
pub use self::origin::{PeerAddr, RequestHead};
#[cfg(feature = "remote")]
pub use self::remote::{RemoteAnswer, RemoteClient, RemoteClientBuilder, RemoteClientError};
pub use self::serve::{AsClient, serve};
pub use self::serve_error::ServeError;
pub use self::server::{BoundServer, Server, ServerBuilder};
pub use self::service::DurableService;
pub use self::setting_error::InvalidSetting;
pub use self::starter::{
    FromHttpRequest, HttpError, HttpRequest, HttpStarter, IntoHttpResponse, Json, RawBody, RequestContext, RouteValue,
    StarterItem, Starters, StartersError, Text,
};
#[doc = include_str!("docs/http_starter.md")]
pub use durable_macros::http_starter;

/// What the generated code of the macros names. Not part of the public interface.
#[doc(hidden)]
pub mod __private {
    pub use crate::starter::private::*;
}
