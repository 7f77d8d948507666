//! Serving a hub until the process is asked to stop.

use std::future;
use std::io;
use std::net::ToSocketAddrs;

use durable_core::BoxFuture;
use durable_core::client::Client;
use durable_core::hub::TaskHub;
use durable_core::registry::HttpTrigger;

use crate::body::BoxError;
use crate::serve_error::ServeError;
use crate::server::{BoundServer, Server, ServerBuilder};
use crate::service::DurableService;
use crate::starter::{Starters, StartersError};

/// Something that gives out a durable client: a task hub, or a client itself.
pub trait AsClient: Send + Sync {
    /// The client.
    fn as_client(&self) -> Client;

    /// The orchestrators that requests start: those with the option `http`.
    fn http_triggers(&self) -> &[HttpTrigger] {
        &[]
    }

    /// Lets the work in hand come to a safe stop, after the last request has been answered.
    ///
    /// # Errors
    ///
    /// What memory held could not be stored. Nothing that was acknowledged is lost.
    fn drain(&self) -> BoxFuture<'_, Result<(), BoxError>> {
        Box::pin(future::ready(Ok(())))
    }
}

impl AsClient for Client {
    fn as_client(&self) -> Client {
        self.clone()
    }
}

impl AsClient for TaskHub {
    fn as_client(&self) -> Client {
        self.client()
    }

    fn http_triggers(&self) -> &[HttpTrigger] {
        self.http_triggers()
    }

    fn drain(&self) -> BoxFuture<'_, Result<(), BoxError>> {
        Box::pin(async { Ok(self.shutdown().await?) })
    }
}

/// Serves the HTTP API on `address` until Ctrl-C or SIGTERM, and the orchestrators that have an `http` option under `/api`.
///
/// Then it accepts no more connections, answers waiting requests with their check-status response, lets the other
/// requests finish, and drains the hub. A second signal ends the draining early: nothing is lost by that either, since
/// whatever was promised is stored.
///
/// The address must be a loopback address, since nobody is asked for a key. [`ServerBuilder::serve`] does the same with
/// settings.
///
/// ```no_run
/// # async fn doc(hub: durable_core::hub::TaskHub) -> Result<(), durable_http::ServeError> {
/// durable_http::serve(&hub, "127.0.0.1:7071").await?;
/// # Ok(()) }
/// ```
///
/// # Errors
///
/// [`ServeError`] when the address is not a loopback address or cannot be listened on, when two orchestrators have the same
/// `http` option, and when the hub cannot be drained.
pub async fn serve<S: AsClient + ?Sized>(source: &S, address: impl ToSocketAddrs) -> Result<(), ServeError> {
    let service = DurableService::of(source).map_err(ServeError::starters)?;
    Server::builder(service).addr(address).serve(source).await
}

impl DurableService {
    /// The service for a task hub, with its orchestrators that have an `http` option as [`starters`](Self::starters). For
    /// functions of yours beside them, name both:
    ///
    /// ```
    /// # use durable_http::{DurableService, Json, Starters, StartersError, http_starter};
    /// # #[http_starter(methods("GET"))]
    /// # async fn ping() -> Json<bool> { Json(true) }
    /// # fn doc(hub: &durable_core::hub::TaskHub) -> Result<DurableService, StartersError> {
    /// DurableService::new(hub.client()).starters(Starters::new().starters_of(hub).starter(ping))
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Two of them answer the same requests.
    pub fn of<S: AsClient + ?Sized>(source: &S) -> Result<Self, StartersError> {
        let service = Self::new(source.as_client());
        if source.http_triggers().is_empty() {
            return Ok(service);
        }
        service.starters(Starters::new().starters_of(source))
    }
}

impl ServerBuilder {
    /// Serves until Ctrl-C or SIGTERM, and drains the hub then, as [`serve`] does.
    ///
    /// ```no_run
    /// # async fn doc(hub: durable_core::hub::TaskHub) -> Result<(), Box<dyn std::error::Error>> {
    /// use durable_http::{DurableService, Server};
    ///
    /// let service = DurableService::new(hub.client()).key(&std::env::var("DURABLE_KEY")?)?;
    /// Server::builder(service).addr("0.0.0.0:7071").serve(&hub).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`bind`](Self::bind), and when the hub cannot be drained.
    pub async fn serve<S: AsClient + ?Sized>(self, source: &S) -> Result<(), ServeError> {
        self.bind().await?.serve(source).await
    }
}

impl BoundServer {
    /// Serves until Ctrl-C or SIGTERM, and drains the hub then, as [`serve`] does.
    ///
    /// # Errors
    ///
    /// The signals cannot be waited for, or the hub cannot be drained.
    pub async fn serve<S: AsClient + ?Sized>(self, source: &S) -> Result<(), ServeError> {
        let mut signals = Signals::listen().map_err(ServeError::signal)?;
        self.run_until(signals.next()).await;
        tracing::info!("no more requests, draining the task hub");
        tokio::select! {
            drained = source.drain() => {
                drained.map_err(ServeError::drain)?;
                tracing::info!("drained");
                Ok(())
            }
            () = signals.next() => {
                tracing::warn!("stopped before the task hub was drained");
                Ok(())
            }
        }
    }
}

/// Ctrl-C and SIGTERM.
struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(windows)]
    interrupt: tokio::signal::windows::CtrlC,
}

#[cfg(unix)]
impl Signals {
    fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(windows)]
impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self { interrupt: tokio::signal::windows::ctrl_c()? })
    }

    async fn next(&mut self) {
        self.interrupt.recv().await;
    }
}
