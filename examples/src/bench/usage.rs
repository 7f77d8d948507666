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

/// What all processes of the machine had used at a moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Machine {
    at: Instant,
    all: u64,
    own: u64,
}

/// The unit of `/proc/stat` for programs, whatever the kernel counts in.
const TICKS_PER_S: f64 = 100.0;

impl Machine {
    pub(super) fn now() -> Self {
        Self { at: Instant::now(), all: busy(), own: own() }
    }

    /// How many processors were busy since then with anything but this process and the processes that it has started.
    pub(super) fn foreign_cores(&self) -> f64 {
        let now = Self::now();
        let foreign = (now.all - self.all).saturating_sub(now.own - self.own);
        foreign as f64 / TICKS_PER_S / (now.at - self.at).as_secs_f64()
    }
}

/// Ticks of all processors that were not idle; what the host took away is among them.
fn busy() -> u64 {
    let text = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    // user, nice, system, idle, iowait, irq, softirq, steal
    let ticks = text.lines().next().into_iter().flat_map(|line| line.split_whitespace().skip(1).take(8).enumerate());
    ticks.filter(|(column, _)| !matches!(column, 3 | 4)).filter_map(|(_, ticks)| ticks.parse::<u64>().ok()).sum()
}

/// Ticks of this process and of those that it has started and that have ended.
fn own() -> u64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name of the program stands in parentheses and may hold anything; the times come eleven fields behind it.
    let fields = text.rsplit_once(')').map(|(_, fields)| fields.split_whitespace()).into_iter().flatten();
    fields.skip(11).take(4).filter_map(|ticks| ticks.parse::<u64>().ok()).sum()
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

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_system_tells_what_was_used() {
        let (usage, machine) = (Usage::now(), Machine::now());
        // A few ticks of work, by the clock that does not count in ticks.
        while usage.spent().cpu < Duration::from_millis(50) {}
        assert!(own() > machine.own && busy() > machine.all && resident() > 0);
        assert!(machine.foreign_cores() >= 0.0);
    }
}
