//! A PostgreSQL server that stops to answer when a test wants it: what goes between it and its clients goes through here.

use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::sync::watch;

const SOCKET: &str = ".s.PGSQL.5432";

/// A socket in front of the server's, as long as the runtime lives.
pub(crate) struct Valve {
    dir: TempDir,
    left: Left,
}

/// How many bytes still pass to clients, if that is limited. When there are none, nothing passes in either direction.
type Left = Arc<watch::Sender<Option<usize>>>;

impl Valve {
    /// Starts to listen in front of the server whose socket lies in this directory.
    pub(crate) fn before(server: &Path) -> Self {
        let server = server.join(SOCKET);
        Self::begin(move || {
            let server = server.clone();
            async move { UnixStream::connect(server).await.unwrap().into_split() }
        })
    }

    /// The same for a server at this port, to which a connection is like one over the network.
    pub(crate) fn before_port(port: u16) -> Self {
        Self::begin(move || async move { TcpStream::connect(("127.0.0.1", port)).await.unwrap().into_split() })
    }

    fn begin<R, W, F>(connect: impl Fn() -> F + Send + 'static) -> Self
    where
        R: AsyncRead + Unpin + Send + 'static,
        W: AsyncWrite + Unpin + Send + 'static,
        F: Future<Output = (R, W)> + Send,
    {
        let dir = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(dir.path().join(SOCKET)).unwrap();
        let left = Left::default();
        let counted = Arc::clone(&left);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (mut from_server, mut to_server) = connect().await;
                let left = Arc::clone(&counted);
                tokio::spawn(async move {
                    let (mut from_client, mut to_client) = client.into_split();
                    tokio::select! {
                        () = pass_on(&mut from_client, &mut to_server, &left, false) => {}
                        () = pass_on(&mut from_server, &mut to_client, &left, true) => {}
                    }
                });
            }
        });
        Self { dir, left }
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://durable@{}/postgres", self.dir.path().to_str().unwrap().replace('/', "%2F"))
    }

    /// From now on nobody hears anything, and connections stay.
    pub(crate) fn close(&self) {
        self.close_after(0);
    }

    /// The same when so many bytes of answers have passed.
    pub(crate) fn close_after(&self, bytes: usize) {
        self.left.send_replace(Some(bytes));
    }

    /// Waits until nothing passes any more.
    pub(crate) async fn closed(&self) {
        self.left.subscribe().wait_for(|left| *left == Some(0)).await.unwrap();
    }

    /// What was said meanwhile is heard.
    pub(crate) fn open(&self) {
        self.left.send_replace(None);
    }
}

async fn pass_on(from: &mut (impl AsyncRead + Unpin), to: &mut (impl AsyncWrite + Unpin), left: &Left, counts: bool) {
    let mut said = vec![0; 16 << 10];
    loop {
        let Ok(length @ 1..) = from.read(&mut said).await else { return };
        left.subscribe().wait_for(|left| *left != Some(0)).await.unwrap();
        if counts {
            left.send_if_modified(|left| left.as_mut().map(|left| *left = left.saturating_sub(length)).is_some());
        }
        if to.write_all(&said[..length]).await.is_err() {
            return;
        }
    }
}
