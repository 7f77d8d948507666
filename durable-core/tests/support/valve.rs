//! A PostgreSQL server that stops to answer when a test wants it: what goes between it and its clients goes through here.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
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
        let dir = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(dir.path().join(SOCKET)).unwrap();
        let left = Left::default();
        tokio::spawn(listen(listener, server.join(SOCKET), Arc::clone(&left)));
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

async fn listen(listener: UnixListener, server: PathBuf, left: Left) {
    while let Ok((client, _)) = listener.accept().await {
        let server = UnixStream::connect(&server).await.unwrap();
        let left = Arc::clone(&left);
        tokio::spawn(async move {
            let (mut from_client, mut to_client) = client.into_split();
            let (mut from_server, mut to_server) = server.into_split();
            tokio::select! {
                () = pass_on(&mut from_client, &mut to_server, &left, false) => {}
                () = pass_on(&mut from_server, &mut to_client, &left, true) => {}
            }
        });
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
