//! Keeping the file and its log small.
//!
//! Pages that a removal frees are used again, so under a steady load the file stays as large as it was at its largest. It gives
//! them back to the file system only when it is asked to: see [`compact`].

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;

use super::error::Result;
use super::schema::PATIENCE;

/// The log starts over when everything in it stands in the file and nobody reads it. It then shrinks to this size.
pub(super) const LOG_LIMIT: u64 = 64 << 20;

/// How far the log may grow beyond that before its readers are waited for.
const EXCESS: u64 = 16 << 20;

/// How long readers are waited for. Queries of a hub are shorter.
const READERS_MAY_TAKE: Duration = Duration::from_millis(100);

/// How many commits are made between two looks at the log.
const COMMITS: u32 = 32;

/// The log of a file.
///
/// SQLite lets it start over by itself at a moment in which nobody reads it. Where queries overlap all the time there is no such
/// moment, and it would grow for ever.
pub(super) struct Log {
    path: PathBuf,
    commits: u32,
    wait_from: u64,
}

impl Log {
    pub(super) fn of(file: &Path) -> Self {
        let mut path = file.as_os_str().to_owned();
        path.push("-wal");
        Self { path: path.into(), commits: 0, wait_from: LOG_LIMIT + EXCESS }
    }

    /// Called after each commit. A log that has grown too large starts over once those who read it now have ended; others
    /// may begin meanwhile.
    pub(super) fn keep_small(&mut self, conn: &Connection) {
        self.commits += 1;
        if !self.commits.is_multiple_of(COMMITS) {
            return;
        }
        let size = std::fs::metadata(&self.path).map_or(0, |log| log.len());
        if size > self.wait_from {
            // Somebody who reads for longer, such as a shell, shall not hold up the hub again and again.
            self.wait_from = if start_over(conn).unwrap_or(false) { LOG_LIMIT + EXCESS } else { size + LOG_LIMIT };
        }
    }
}

/// Waits for readers, and lets the log start over. False when they took too long.
fn start_over(conn: &Connection) -> Result<bool> {
    conn.busy_timeout(READERS_MAY_TAKE)?;
    let busy = conn.query_row("PRAGMA wal_checkpoint(RESTART)", [], |row| row.get::<_, bool>(0));
    conn.busy_timeout(PATIENCE)?;
    Ok(!busy?)
}

/// Writes the file anew, without the pages that are not used.
pub(super) fn compact(conn: &Connection) -> Result<()> {
    // The copy can be larger than the memory.
    conn.pragma_update(None, "temp_store", "FILE")?;
    conn.execute_batch("VACUUM")?;
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    Ok(())
}
