//! Counts how often programs wait for a PostgreSQL server: what goes between them goes through here.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

/// A socket in front of the server's, as long as the runtime lives.
pub(crate) struct RoundTrips {
    dir: TempDir,
    count: Arc<AtomicU64>,
}

/// What a connection is doing. The server answers each `Query` and each `Sync` with one `ReadyForQuery`.
#[derive(Default)]
struct Conversation {
    has_begun: bool,
    unanswered: u64,
}

impl RoundTrips {
    /// Starts to listen in front of the server whose socket lies in this directory.
    pub(crate) fn before(server: std::path::PathBuf) -> Self {
        const SOCKET: &str = ".s.PGSQL.5432";
        let dir = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(dir.path().join(SOCKET)).unwrap();
        let count = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&count);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = UnixStream::connect(server.join(SOCKET)).await.unwrap();
                tokio::spawn(pass_on(client, server, Arc::clone(&counted)));
            }
        });
        Self { dir, count }
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://durable@{}/postgres", self.dir.path().to_str().unwrap().replace('/', "%2F"))
    }

    /// How many there were until now, on all connections.
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::SeqCst)
    }
}

async fn pass_on(client: UnixStream, server: UnixStream, count: Arc<AtomicU64>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    // The greeting has a length and no kind. It is answered like a query.
    let length = from_client.read_u32().await.unwrap();
    let mut greeting = vec![0; length as usize - 4];
    from_client.read_exact(&mut greeting).await.unwrap();
    to_server.write_u32(length).await.unwrap();
    to_server.write_all(&greeting).await.unwrap();
    let conversation = Mutex::new(Conversation { has_begun: true, unanswered: 1 });
    let asks = messages(&mut from_client, &mut to_server, |kind| {
        let mut conversation = conversation.lock();
        if !conversation.has_begun {
            conversation.has_begun = true;
            count.fetch_add(1, Ordering::SeqCst);
        }
        if matches!(kind, b'Q' | b'S') {
            conversation.unanswered += 1;
        }
    });
    let answers = messages(&mut from_server, &mut to_client, |kind| {
        let mut conversation = conversation.lock();
        if kind == b'Z' {
            conversation.unanswered -= 1;
            conversation.has_begun = conversation.unanswered > 0;
        }
    });
    tokio::select! {
        () = asks => {}
        () = answers => {}
    }
}

/// Passes on what one side says, until it ends, and tells the kind of each message before.
async fn messages(from: &mut (impl AsyncRead + Unpin), to: &mut (impl AsyncWrite + Unpin), mut see: impl FnMut(u8)) {
    let mut said = Vec::new();
    while from.read_buf(&mut said).await.is_ok_and(|length| length > 0) {
        let mut seen = 0;
        // A kind, and a length that counts itself.
        while let Some([kind, length @ ..]) = said.get(seen..).and_then(|rest| rest.first_chunk::<5>()) {
            let end = seen + 1 + u32::from_be_bytes(*length) as usize;
            if end > said.len() {
                break;
            }
            see(*kind);
            seen = end;
        }
        if to.write_all(&said[..seen]).await.is_err() {
            return;
        }
        said.drain(..seen);
    }
}
