//! The HTTP API of Durable Functions for a task hub of [`durable_core`]: existing clients, tools and links work
//! unchanged.
//!
//! [`serve`] is a whole server in one line, [`Server`] one with settings. [`DurableService`] is the API as a
//! [`tower_service::Service`], to be mounted in your own server. [`DurableClientHttpExt`] makes the answers of your own
//! HTTP functions. [`testing`] calls any of them without a socket.
//!
//! # Routes
//!
//! Each is there under `/runtime/webhooks/durabletask` and under `/durabletask`:
//!
//! | request | does |
//! | --- | --- |
//! | `POST /orchestrators/{name}/{id?}` | starts an instance; with `timeout` waits for it |
//! | `GET /instances/{id}` | shows its state; with `showHistory=true` also its history |
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
//! There are no keys yet: whoever reaches the server can do everything. It therefore listens on loopback addresses only,
//! unless [`ServerBuilder::allow_public`] is said. Programs and browsers on the same machine reach it there too. Links
//! repeat the host that a request named only when it is a plain host name or address. Sizes, times and the number of
//! connections are limited; see [`ServerBuilder`].

mod body;
mod client_ext;
mod error_json;
mod history_json;
mod links;
mod media_type;
mod openapi;
mod origin;
mod query;
mod router;
mod routes;
mod serve;
mod serve_error;
mod server;
mod service;
mod stall_guard;
mod status_json;
pub mod testing;
mod trace;

pub use self::body::{Body, BoxError};
pub use self::client_ext::{DurableClientHttpExt, WaitForCompletion};
pub use self::links::HttpManagementPayload;
pub use self::origin::RequestHead;
pub use self::serve::{AsClient, serve};
pub use self::serve_error::ServeError;
pub use self::server::{BoundServer, Server, ServerBuilder};
pub use self::service::DurableService;
