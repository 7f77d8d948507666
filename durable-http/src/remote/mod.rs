//! A client for a hub behind the HTTP management API.

mod address;
mod answer;
mod builder;
mod client;
mod control;
mod error;
mod list;
mod purge;
mod start;
mod status;
mod tls;
mod transport;
mod wait;

pub use self::answer::RemoteAnswer;
pub use self::builder::RemoteClientBuilder;
pub use self::client::RemoteClient;
pub use self::error::RemoteClientError;
