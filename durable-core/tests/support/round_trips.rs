//! Counts how often programs wait for a PostgreSQL server: what goes between them goes through here.

use std::sync::Arc;

use parking_lot::Mutex;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;

/// A socket in front of the server's, as long as the runtime lives.
pub(crate) struct RoundTrips {
    dir: TempDir,
    trips: Trips,
}

/// How many have begun on all connections, and how many of them are over.
type Trips = Arc<watch::Sender<(u64, u64)>>;

/// What a connection is doing. The server answers each `Query` and each `Sync` with one `ReadyForQuery`.
struct Conversation {
    trips: Trips,
    is_under_way: bool,
    unanswered: u64,
}

impl Conversation {
    fn new(trips: Trips) -> Self {
        Self { trips, is_under_way: false, unanswered: 0 }
    }

    fn begin(&mut self) {
        if !self.is_under_way {
            self.is_under_way = true;
            self.trips.send_modify(|(begun, _)| *begun += 1);
        }
    }

    fn end(&mut self) {
        if self.is_under_way {
            self.is_under_way = false;
            self.trips.send_modify(|(_, over)| *over += 1);
        }
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        self.end();
    }
}

impl RoundTrips {
    /// Starts to listen in front of the server whose socket lies in this directory.
    pub(crate) fn before(server: std::path::PathBuf) -> Self {
        const SOCKET: &str = ".s.PGSQL.5432";
        let dir = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(dir.path().join(SOCKET)).unwrap();
        let trips = Trips::default();
        let counted = Arc::clone(&trips);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = UnixStream::connect(server.join(SOCKET)).await.unwrap();
                tokio::spawn(pass_on(client, server, Conversation::new(Arc::clone(&counted))));
            }
        });
        Self { dir, trips }
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://durable@{}/postgres", self.dir.path().to_str().unwrap().replace('/', "%2F"))
    }

    /// How many there were until now, on all connections, once none is under way.
    pub(crate) async fn count(&self) -> u64 {
        self.trips.subscribe().wait_for(|(begun, over)| begun == over).await.unwrap().0
    }
}

async fn pass_on(client: UnixStream, server: UnixStream, mut conversation: Conversation) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    // The greeting has a length and no kind. It is answered like a query.
    let length = from_client.read_u32().await.unwrap();
    let mut greeting = vec![0; length as usize - 4];
    from_client.read_exact(&mut greeting).await.unwrap();
    to_server.write_u32(length).await.unwrap();
    to_server.write_all(&greeting).await.unwrap();
    conversation.begin();
    conversation.unanswered = 1;
    let conversation = Mutex::new(conversation);
    let asks = messages(&mut from_client, &mut to_server, |kind| {
        let mut conversation = conversation.lock();
        conversation.begin();
        if matches!(kind, b'Q' | b'S') {
            conversation.unanswered += 1;
        }
    });
    let answers = messages(&mut from_server, &mut to_client, |kind| {
        let mut conversation = conversation.lock();
        if kind == b'Z' {
            conversation.unanswered -= 1;
            if conversation.unanswered == 0 {
                conversation.end();
            }
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
