//! Which commits fail, and how.

use std::collections::BTreeMap;
use std::sync::Arc;

use durable_core::backend::Write;

#[derive(Debug, Default)]
pub(super) struct Script {
    /// How many commits have arrived.
    pub(super) arrived: u64,
    pub(super) faults: BTreeMap<u64, Fault>,
    pub(super) fail_from: Option<u64>,
    pub(super) struck: Option<Struck>,
    pub(super) struck_batch: Option<Arc<Vec<Write>>>,
    /// How many single commits have reported an error.
    pub(super) failures: u64,
    /// The process has died: nothing that it still asks for happens.
    pub(super) is_over: bool,
}

/// How a commit fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It does not happen, and an error is reported.
    Fail,
    /// It happens, and an error is reported.
    LoseAnswer,
    /// It does not happen, and the process dies.
    Crash,
    /// It happens, and the process dies.
    CrashAfter,
}

/// A fault that has struck.
#[derive(Debug, Clone)]
pub(crate) struct Struck {
    pub(crate) fault: Fault,
    /// What was to be written.
    pub(crate) batch: Arc<Vec<Write>>,
}

impl Script {
    /// A commit arrives: its number, and how it fails, if it does.
    pub(super) fn next(&mut self, batch: &Arc<Vec<Write>>) -> (u64, Option<Fault>) {
        self.arrived += 1;
        let n = self.arrived;
        let fault = match self.fail_from {
            Some(from) if n >= from => return (n, Some(Fault::Fail)),
            _ => self.faults.remove(&n),
        };
        if let Some(fault) = fault {
            self.failures += u64::from(matches!(fault, Fault::Fail | Fault::LoseAnswer));
            self.struck_batch = Some(Arc::clone(batch));
            self.struck = Some(Struck { fault, batch: Arc::clone(batch) });
        }
        (n, fault)
    }
}
