//! What the process has used: time, processor, disk, memory.

use std::time::{Duration, Instant};

/// A moment, with what the process had used until then.
#[derive(Debug, Clone, Copy)]
pub(super) struct Usage {
    at: Instant,
    cpu: Duration,
    written: u64,
}

/// What was used between two moments.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spent {
    pub(super) wall: Duration,
    /// Of all threads together.
    pub(super) cpu: Duration,
    /// Bytes that went towards the disk.
    pub(super) written: u64,
}

impl Usage {
    pub(super) fn now() -> Self {
        Self { at: Instant::now(), cpu: cpu(), written: written() }
    }

    pub(super) fn spent(&self) -> Spent {
        self.until(&Self::now())
    }

    pub(super) fn until(&self, later: &Self) -> Spent {
        Spent {
            wall: later.at - self.at,
            cpu: later.cpu.saturating_sub(self.cpu),
            written: later.written.saturating_sub(self.written),
        }
    }
}

impl Spent {
    /// Microseconds of processor time for each of `count` things.
    pub(super) fn cpu_us_each(&self, count: f64) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / count
    }

    /// KiB for each of `count` things.
    pub(super) fn kib_each(&self, count: f64) -> f64 {
        self.written as f64 / 1024.0 / count
    }

    /// How many of `count` things in a second.
    pub(super) fn rate(&self, count: f64) -> f64 {
        count / self.wall.as_secs_f64()
    }
}

/// The clock of the process: exact, other than `/proc/self/stat`, which counts in steps of 10 ms.
#[cfg(unix)]
fn cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

#[cfg(not(unix))]
fn cpu() -> Duration {
    Duration::ZERO
}

/// `write_bytes`: pages that were made dirty, so each page of the log counts as often as it was written anew. 0 where the
/// system does not tell.
fn written() -> u64 {
    from_proc("/proc/self/io", "write_bytes:")
}

/// The resident memory of the process in bytes. 0 where the system does not tell.
pub(super) fn resident() -> u64 {
    from_proc("/proc/self/status", "VmRSS:") * 1024
}

fn from_proc(file: &str, key: &str) -> u64 {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
