//! The benchmark as a process that is killed, with all that it has started.

use std::hint::spin_loop;
use std::io::{BufRead, BufReader};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

use examples::bench::Line;

use super::dice::Dice;

/// When and how a run ends.
#[derive(Debug, Clone)]
pub(crate) struct Kill {
    /// After so many starts, events and turns were acknowledged.
    pub(crate) after: u64,
    /// So long after that, so that not all kills come just behind a commit.
    pub(crate) later: Duration,
    /// The processes of the benchmark get the signal together; otherwise the first of them gets it before the others.
    pub(crate) all_at_once: bool,
}

impl Kill {
    pub(crate) fn within(most: u64, dice: &mut Dice) -> Self {
        let later = if dice.below(2) == 0 { 0 } else { dice.below(2_000) };
        let all_at_once = dice.below(2) == 0;
        Self { after: 1 + dice.below(most), later: Duration::from_micros(later), all_at_once }
    }
}

/// A run of the benchmark. Dropping it kills it.
pub(crate) struct Victim {
    process: Child,
    /// What is written to a pipe outlives its writer.
    told: BufReader<ChildStderr>,
    /// Lines of another kind: the end of the benchmark, when it says why.
    said: String,
    /// No signal can reach it any more, or need not.
    is_over: bool,
}

impl Victim {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_bench"))
            .args(arguments)
            .args(["--acknowledged", "/dev/stderr"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let told = BufReader::new(process.stderr.take().unwrap());
        Self { process, told, said: String::new(), is_over: false }
    }

    /// The next line; `None` when all processes have ended.
    pub(crate) fn next(&mut self) -> Option<Line> {
        loop {
            let mut line = String::new();
            if self.told.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            match serde_json::from_str(&line) {
                Ok(line) => return Some(line),
                Err(_) => self.said.push_str(&line),
            }
        }
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self, kill: &Kill) {
        let begun = Instant::now();
        while begun.elapsed() < kill.later {
            spin_loop();
        }
        if !kill.all_at_once {
            self.process.kill().unwrap();
        }
        assert!(self.kill_all(), "the group is there until its first process was waited for");
    }

    fn kill_all(&mut self) -> bool {
        let group = format!("kill -9 -{}", self.process.id());
        Command::new("sh").args(["-c", &group]).status().is_ok_and(|status| status.success())
    }

    /// True when it was killed before it came to its end. It must not have ended in another way.
    pub(crate) fn was_killed(mut self) -> bool {
        let status = self.process.wait().unwrap();
        self.is_over = true;
        assert!(status.success() || status.signal() == Some(9), "{status}: {}", self.said);
        !status.success()
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        if !self.is_over {
            self.kill_all();
            let _ = self.process.wait();
        }
    }
}
