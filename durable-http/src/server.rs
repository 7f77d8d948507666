//! The server: hyper around the service.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use durable_core::client::Client;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::connection::{Connection, Limits};
use crate::origin::PeerAddr;
use crate::serve_error::ServeError;
use crate::service::DurableService;

const DEFAULT_ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 7071);
const DEFAULT_HEADER_READ_TIMEOUT: Duration = Duration::from_secs(30);
const DEFAULT_WRITE_TIMEOUT: Duration = Duration::from_secs(30);
const DEFAULT_SHUTDOWN_GRACE: Duration = Duration::from_secs(30);
/// Half of what systems usually allow a process to open, so that the hub and its activities keep the other half.
const DEFAULT_MAX_CONNECTIONS: usize = 512;
/// How long to wait after the system refused a connection, for lack of file descriptors for example.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A server of its own, where [`serve`](crate::serve) is too simple.
///
/// ```no_run
/// # async fn doc(client: durable_core::client::Client) -> Result<(), Box<dyn std::error::Error>> {
/// let service = durable_http::DurableService::new(client).key("a-long-and-secret-word")?;
/// let server = durable_http::Server::builder(service).addr("127.0.0.1:0").bind().await?;
/// println!("listening on {}", server.local_addr());
/// server.run_until(async { tokio::signal::ctrl_c().await.unwrap_or_default() }).await;
/// # Ok(()) }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Server;

impl Server {
    /// A server for a service, or for the task hub of a client.
    pub fn builder(service: impl Into<DurableService>) -> ServerBuilder {
        ServerBuilder {
            service: service.into(),
            addresses: Ok(vec![DEFAULT_ADDRESS]),
            allow_public_without_key: false,
            limits: Limits { header_read_timeout: DEFAULT_HEADER_READ_TIMEOUT, write_timeout: DEFAULT_WRITE_TIMEOUT },
            max_connections: DEFAULT_MAX_CONNECTIONS,
            shutdown_grace: DEFAULT_SHUTDOWN_GRACE,
        }
    }
}

/// The settings of a server; made by [`Server::builder`].
#[derive(Debug)]
#[must_use = "nothing is served before `bind` and `run_until`"]
pub struct ServerBuilder {
    service: DurableService,
    addresses: io::Result<Vec<SocketAddr>>,
    allow_public_without_key: bool,
    limits: Limits,
    max_connections: usize,
    shutdown_grace: Duration,
}

impl ServerBuilder {
    /// Where to listen, 127.0.0.1:7071 unless set. With port 0 the system chooses a free one. An address that cannot be
    /// resolved is an error of [`bind`](Self::bind).
    pub fn addr(mut self, address: impl ToSocketAddrs) -> Self {
        self.addresses = address.to_socket_addrs().map(Iterator::collect);
        self
    }

    /// Allows an address that other machines can reach, although nobody is asked for a key: whoever reaches it can start,
    /// read and terminate everything. Put something in front that asks.
    pub fn allow_public_without_key(mut self) -> Self {
        self.allow_public_without_key = true;
        self
    }

    /// How long a client may take to send a request line and its header fields, 30 seconds unless set; also the longest
    /// pause between two requests on a connection, which over HTTP/2 is never shorter than the
    /// [write timeout](Self::write_timeout). After that the connection is closed.
    pub fn header_read_timeout(mut self, timeout: Duration) -> Self {
        self.limits.header_read_timeout = timeout;
        self
    }

    /// How long a client may leave a response unread, 30 seconds unless set. After that the connection is closed.
    pub fn write_timeout(mut self, timeout: Duration) -> Self {
        self.limits.write_timeout = timeout;
        self
    }

    /// The most connections at a time, 512 unless set; at least 1. More wait in the queue of the system.
    pub fn max_connections(mut self, max_connections: usize) -> Self {
        self.max_connections = max_connections.clamp(1, Semaphore::MAX_PERMITS);
        self
    }

    /// How long requests in flight may take to finish once the server stops, 30 seconds unless set. After that their
    /// connections are closed.
    pub fn shutdown_grace(mut self, grace: Duration) -> Self {
        self.shutdown_grace = grace;
        self
    }

    /// Begins to listen. Connections wait until the server runs.
    ///
    /// # Errors
    ///
    /// [`ServeError`] when the address cannot be resolved or listened on, and when other machines could reach it, there is
    /// no key, and [`allow_public_without_key`](Self::allow_public_without_key) was not said.
    pub async fn bind(self) -> Result<BoundServer, ServeError> {
        let addresses = self.addresses.map_err(ServeError::resolve)?;
        if self.service.is_open()
            && !self.allow_public_without_key
            && let Some(public) = addresses.iter().find(|address| !address.ip().to_canonical().is_loopback())
        {
            return Err(ServeError::public(*public));
        }
        let refused = |error| ServeError::bind(&addresses, error);
        let listener = TcpListener::bind(&*addresses).await.map_err(refused)?;
        let local_addr = listener.local_addr().map_err(refused)?;
        let Self { service, limits, max_connections, shutdown_grace, .. } = self;
        Ok(BoundServer { service, listener, local_addr, limits, max_connections, shutdown_grace })
    }
}

/// A server that listens; made by [`ServerBuilder::bind`].
#[derive(Debug)]
#[must_use = "nothing is served before `run_until`"]
pub struct BoundServer {
    service: DurableService,
    listener: TcpListener,
    local_addr: SocketAddr,
    limits: Limits,
    max_connections: usize,
    shutdown_grace: Duration,
}

impl BoundServer {
    /// Where the server listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// A client of the task hub that knows where this server is, for code that hands out links without a request to answer:
    /// below the public origin, or else below the address that the server listens on, with the first key of this moment.
    #[must_use]
    pub fn client(&self) -> Client {
        let address = self.local_addr;
        let origin = if address.ip().is_unspecified() {
            format!("http://localhost:{}", address.port())
        } else {
            format!("http://{address}")
        };
        self.service.client_at(&origin)
    }

    /// Serves until `shutdown` completes, and then until the requests in flight are answered; requests that wait for an
    /// instance are answered at once.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops accepting. Connections that are open then are closed.
    pub async fn run_until(self, shutdown: impl Future<Output = ()>) {
        let Self { service, listener, local_addr, limits, max_connections, shutdown_grace } = self;
        tracing::info!(address = %local_addr, task_hub = %service.task_hub(), "serving the Durable Functions HTTP API");
        service.log_starters();
        let slots = Arc::new(Semaphore::new(max_connections));
        let graceful = GracefulShutdown::new();
        let abandon = CancellationToken::new();
        let abandon_on_drop = abandon.clone().drop_guard();
        let mut shutdown = pin!(shutdown);
        loop {
            let (stream, peer, slot) = tokio::select! {
                biased;
                () = &mut shutdown => break,
                accepted = accept(&listener, &slots) => accepted,
            };
            let connection = Connection { service: service.clone(), peer: PeerAddr(peer), limits, slot };
            tokio::spawn(connection.run(stream, graceful.watcher(), abandon.clone()));
        }
        drop(listener);
        service.stop_waiting();
        if tokio::time::timeout(shutdown_grace, graceful.shutdown()).await.is_err() {
            tracing::warn!("closed connections whose requests did not finish in time");
        }
        drop(abandon_on_drop);
    }
}

/// A connection, the address of its other end, and its place among the connections.
type Accepted = (TcpStream, SocketAddr, Option<OwnedSemaphorePermit>);

/// The next connection, once there is room for one.
async fn accept(listener: &TcpListener, slots: &Arc<Semaphore>) -> Accepted {
    // The semaphore is never closed.
    let slot = Arc::clone(slots).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer, slot),
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
