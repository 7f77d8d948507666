//! Serving one connection.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::Watcher;
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::activity::Activity;
use crate::origin::{LocalAddr, PeerAddr};
use crate::service::DurableService;
use crate::stall_guard::StallGuard;

/// The longest request line and header section together.
const MAX_HEAD_BYTES: u32 = 64 * 1024;

/// How long a peer may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) header_read_timeout: Duration,
    pub(crate) write_timeout: Duration,
}

/// One connection.
pub(crate) struct Connection {
    pub(crate) service: DurableService,
    pub(crate) peer: PeerAddr,
    pub(crate) limits: Limits,
    /// Its place among the connections.
    pub(crate) slot: Option<OwnedSemaphorePermit>,
}

impl Connection {
    /// Serves it until it is closed by one of its ends, or `abandon` is cancelled.
    pub(crate) async fn run(self, stream: TcpStream, watcher: Watcher, abandon: CancellationToken) {
        let limits = self.limits;
        let activity = Arc::new(Activity::new());
        // A task of its own, which is not woken by, and does not ask for, what hardly ever happens.
        let mut serving = AbortOnDropHandle::new(tokio::spawn(self.serve(stream, watcher, Arc::clone(&activity))));
        tokio::select! {
            _ = &mut serving => {}
            () = activity.paused(limits.header_read_timeout) => {}
            () = activity.ended(limits.header_read_timeout.max(limits.write_timeout)) => {}
            () = abandon.cancelled() => {}
        }
    }

    async fn serve(self, stream: TcpStream, watcher: Watcher, activity: Arc<Activity>) {
        let Self { service, peer, limits, slot } = self;
        // Answers are written whole, so there is nothing to gather; an error here means that the peer has gone.
        let _ = stream.set_nodelay(true);
        let local_addr = stream.local_addr().ok().map(LocalAddr);
        let io = TokioIo::new(StallGuard::new(stream, limits.write_timeout, Arc::clone(&activity)));
        let service = service_fn(move |mut request: Request<Incoming>| {
            if let Some(address) = local_addr {
                request.extensions_mut().insert(address);
            }
            request.extensions_mut().insert(peer);
            let (service, activity) = (service.clone(), Arc::clone(&activity));
            async move {
                let _running = activity.request(request.version());
                Ok::<_, Infallible>(service.answer(request).await)
            }
        });
        let builder = protocol(limits);
        if let Err(error) = watcher.watch(builder.serve_connection(io, service)).await {
            tracing::debug!(%error, "a connection broke off");
        }
        drop(slot);
    }
}

fn protocol(limits: Limits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // A client that closes its sending half after the request still gets its answer.
    builder.http1().max_buf_size(MAX_HEAD_BYTES as usize).half_close(true);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(MAX_HEAD_BYTES)
        .keep_alive_interval(limits.header_read_timeout);
    builder
}
