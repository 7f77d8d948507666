//! What the process has used: time, processor, disk, memory.

use std::collections::HashMap;
use std::iter;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::verdict::NOT_MEASURED;

/// A moment, with what the process had used until then.
#[derive(Debug, Clone, Copy)]
pub(super) struct Usage {
    at: Instant,
    cpu: Option<Duration>,
    written: Option<u64>,
}

/// What was used between two moments. `None` is what the system does not tell.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Spent {
    pub(super) wall: Duration,
    /// Of all threads together.
    pub(super) cpu: Option<Duration>,
    /// Bytes that went towards the disk.
    pub(super) written: Option<u64>,
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
            cpu: later.cpu.zip(self.cpu).map(|(later, earlier)| later.saturating_sub(earlier)),
            written: later.written.zip(self.written).map(|(later, earlier)| later.saturating_sub(earlier)),
        }
    }
}

impl Spent {
    /// What was used in both times together.
    pub(super) fn plus(self, more: Self) -> Self {
        Self {
            wall: self.wall + more.wall,
            cpu: self.cpu.zip(more.cpu).map(|(one, other)| one + other),
            written: self.written.zip(more.written).map(|(one, other)| one + other),
        }
    }

    /// Microseconds of processor time for each of `count` things.
    pub(super) fn cpu_us_each(&self, count: f64) -> f64 {
        self.cpu.map_or(NOT_MEASURED, |cpu| cpu.as_secs_f64() * 1e6 / count)
    }

    /// Processor time in percent of one processor.
    pub(super) fn cpu_percent(&self) -> f64 {
        self.cpu.map_or(NOT_MEASURED, |cpu| cpu.as_secs_f64() / self.wall.as_secs_f64() * 100.0)
    }

    /// KiB for each of `count` things.
    pub(super) fn kib_each(&self, count: f64) -> f64 {
        self.written.map_or(NOT_MEASURED, |written| written as f64 / 1024.0 / count)
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
    server: Option<u32>,
}

/// The unit of `/proc/stat` for programs, whatever the kernel counts in.
const TICKS_PER_S: f64 = 100.0;

impl Machine {
    /// With the process of a server that is measured too, if it runs here.
    pub(super) fn now(server: Option<u32>) -> Self {
        Self { at: Instant::now(), all: busy(), own: own(server), server }
    }

    /// How many processors were busy since then with anything but this process, the server, and the processes that they have
    /// started.
    pub(super) fn foreign_cores(&self) -> f64 {
        let now = Self::now(self.server);
        let foreign = (now.all - self.all).saturating_sub(now.own.saturating_sub(self.own));
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

/// Ticks of this process, of the server, and of all that they have started.
fn own(server: Option<u32>) -> u64 {
    ticks(&[Some(std::process::id()), server])
}

/// Ticks of these processes and of all that they have started, each once.
fn ticks(roots: &[Option<u32>]) -> u64 {
    let processes = processes();
    let line = |id: u32| iter::successors(Some(id), |id| Some(processes.get(id)?.parent));
    let of_roots = processes.iter().filter(|(id, _)| line(**id).any(|id| roots.contains(&Some(id))));
    of_roots.map(|(_, process)| process.ticks).sum()
}

/// A process that runs.
struct Process {
    parent: u32,
    /// Its own, and those of the processes that it has started and that have ended.
    ticks: u64,
}

fn processes() -> HashMap<u32, Process> {
    let found = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = found.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    ids.filter_map(|id| Some((id, process(id)?))).collect()
}

fn process(id: u32) -> Option<Process> {
    let text = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name of the program stands in parentheses and may hold anything; the parent and the times come behind it.
    let (_, fields) = text.rsplit_once(')')?;
    let numbers = |from: usize, count: usize| fields.split_whitespace().skip(from).take(count);
    let parent = numbers(1, 1).next()?.parse().ok()?;
    Some(Process { parent, ticks: numbers(11, 4).filter_map(|ticks| ticks.parse::<u64>().ok()).sum() })
}

/// The process that has started this one, if both have this name: that of a server which has a process for each connection.
pub(super) fn parent_named(id: u32, name: &str) -> Option<u32> {
    let is_named =
        |id: u32| std::fs::read_to_string(format!("/proc/{id}/comm")).is_ok_and(|text| text.trim_end() == name);
    let parent = process(id)?.parent;
    (is_named(id) && is_named(parent)).then_some(parent)
}

/// The clock of the process: exact, other than `/proc/self/stat`, which counts in steps of 10 ms.
#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "other systems do not tell")]
fn cpu() -> Option<Duration> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Some(Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32))
}

#[cfg(not(unix))]
fn cpu() -> Option<Duration> {
    None
}

/// `write_bytes`: pages that were made dirty, so each page of the log counts as often as it was written anew. `None` where the
/// system does not tell.
fn written() -> Option<u64> {
    from_proc("/proc/self/io", "write_bytes:")
}

/// The resident memory of the process in bytes. `None` where the system does not tell.
pub(super) fn resident() -> Option<u64> {
    Some(from_proc("/proc/self/status", "VmRSS:")? * 1024)
}

fn from_proc(file: &str, key: &str) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| line.strip_prefix(key))?.split_whitespace().next()?.parse().ok()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn the_system_tells_what_was_used() {
        let (usage, machine) = (Usage::now(), Machine::now(None));
        // A few ticks of work, by the clock that does not count in ticks.
        while usage.spent().cpu.unwrap() < Duration::from_millis(50) {}
        assert!(own(None) > machine.own && busy() > machine.all && resident().unwrap() > 0);
        assert!(usage.spent().written.is_some());
        assert!(machine.foreign_cores() >= 0.0);
    }

    #[test]
    fn what_nobody_tells_is_no_figure() {
        let wall = Duration::from_secs(1);
        let told = Spent { wall, cpu: Some(wall / 2), written: Some(2048) };
        let both = told.plus(told);
        assert_eq!((both.cpu_us_each(2.0), both.kib_each(2.0), both.cpu_percent()), (500_000.0, 2.0, 50.0));
        let untold = told.plus(Spent { wall, cpu: None, written: None });
        assert!([untold.cpu_us_each(1.0), untold.kib_each(1.0), untold.cpu_percent()].iter().all(|it| it.is_nan()));
    }

    #[test]
    fn what_others_run_for_this_process_is_its_own() {
        // It waits for the end of its input, while a process that it has started is busy.
        let script = "while :; do :; done & cat; kill $!";
        let mut child = Command::new("sh").args(["-c", script]).stdin(Stdio::piped()).spawn().unwrap();
        let begun = Instant::now();
        while ticks(&[Some(child.id())]) < 10 && begun.elapsed() < Duration::from_secs(60) {
            std::thread::yield_now();
        }
        let of_child = ticks(&[Some(child.id())]);
        assert!(of_child >= 10 && own(None) >= of_child);
        assert!(ticks(&[Some(child.id()), Some(child.id())]) < 2 * of_child, "each process counts once");
        drop(child.stdin.take());
        child.wait().unwrap();
    }
}
