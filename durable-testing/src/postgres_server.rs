//! A PostgreSQL server for the time of a test.

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

/// Starts the server, and stops it when its standard input ends: also when this process was killed.
const SCRIPT: &str = include_str!("postgres_server.sh");

/// A PostgreSQL server that lives as long as this value, or as this process. It listens on a socket in a directory of its own,
/// which goes with it.
///
/// Its programs must be installed (Debian: `apt-get install postgresql`). Those in the directory that `DURABLE_TEST_POSTGRES_BIN`
/// names are taken, or those in the `PATH`, or the newest that a package has installed. It works on Unix, also for root.
///
/// ```no_run
/// use durable_testing::PostgresServer;
///
/// let server = PostgresServer::start()?;
/// // `Postgres::connect(server.url())` makes a store in it.
/// assert!(server.url().starts_with("postgres://"));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct PostgresServer {
    /// When this process ends, however it does, the standard input of the script ends, and the server stops.
    script: Child,
    told: BufReader<ChildStdout>,
    home: PathBuf,
    url: String,
}

/// What a [`PostgresServer`] is to be like.
#[derive(Debug, Clone, Default)]
pub struct PostgresServerOptions {
    arguments: Vec<OsString>,
}

impl PostgresServerOptions {
    /// Flushes every commit, as a server with stock configuration does, for measurements. Otherwise nothing is flushed, so that
    /// tests are fast; a crash of the server loses nothing then either.
    #[must_use]
    pub fn durable(self) -> Self {
        self.with(["--durable".into()])
    }

    /// Makes the server's directory below this one, instead of `/tmp`. Its user must be able to get there, which is `postgres`
    /// or `nobody` if this process runs as root.
    #[must_use]
    pub fn below(self, dir: impl Into<PathBuf>) -> Self {
        self.with(["--dir".into(), dir.into().into()])
    }

    /// Sets a parameter of the server's configuration. The value has no spaces and needs no quotes.
    #[must_use]
    pub fn set(self, name: &str, value: &str) -> Self {
        self.with(["--set".into(), format!("{name}={value}").into()])
    }

    fn with<const N: usize>(mut self, arguments: [OsString; N]) -> Self {
        self.arguments.extend(arguments);
        self
    }

    /// Starts the server, and blocks until it takes connections, which takes some seconds.
    ///
    /// # Errors
    ///
    /// The programs of a server are not there, or it does not start. The text says why.
    pub fn start(self) -> io::Result<PostgresServer> {
        let mut command = Command::new("sh");
        command.args(["-c", SCRIPT, "postgres_server.sh"]).args(self.arguments);
        let mut script = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let told = script.stdout.take().ok_or_else(|| io::Error::other("the script has no output"))?;
        let mut server =
            PostgresServer { script, told: BufReader::new(told), home: PathBuf::new(), url: String::new() };
        let home = server.hear()?;
        server.url = format!("postgres://durable@{}/postgres", home.replace('%', "%25").replace('/', "%2F"));
        server.home = home.into();
        Ok(server)
    }
}

impl PostgresServer {
    /// Starts a server for tests, and blocks until it takes connections, which takes some seconds.
    ///
    /// # Errors
    ///
    /// As [`PostgresServerOptions::start`].
    pub fn start() -> io::Result<Self> {
        Self::options().start()
    }

    /// How to start it otherwise.
    #[must_use]
    pub fn options() -> PostgresServerOptions {
        PostgresServerOptions::default()
    }

    /// The URL of a database, for a user who may do everything.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The file to which the server writes its log.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.home.join("log")
    }

    /// The directory of the server, which has its socket.
    #[must_use]
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Restarts the server as for an update, which ends all connections. Blocks until it is there again.
    ///
    /// # Errors
    ///
    /// It does not come back. The text says why.
    pub fn restart(&mut self) -> io::Result<()> {
        self.begin_anew("fast")
    }

    /// Kills the server as a crash would, and starts it again. Blocks until it is there again, after its recovery.
    ///
    /// # Errors
    ///
    /// It does not come back. The text says why.
    pub fn crash(&mut self) -> io::Result<()> {
        self.begin_anew("immediate")
    }

    fn begin_anew(&mut self, mode: &str) -> io::Result<()> {
        let input = self.script.stdin.as_mut().ok_or_else(|| io::Error::other("the script has no input"))?;
        writeln!(input, "{mode}")?;
        self.hear().map(|_up| ())
    }

    /// The next line that the script says. It ends when something goes wrong.
    fn hear(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.told.read_line(&mut line)? > 0 {
            return Ok(line.trim_end().to_owned());
        }
        let mut why = String::new();
        if let Some(mut errors) = self.script.stderr.take() {
            errors.read_to_string(&mut why)?;
        }
        Err(io::Error::other(format!("the PostgreSQL server does not start: {}", why.trim_end())))
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        drop(self.script.stdin.take());
        // Its files are gone when it ends.
        let _ = self.script.wait();
    }
}
