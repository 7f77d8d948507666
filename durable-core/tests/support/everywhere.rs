//! Runs a scenario once for each of its commits, with something going wrong there.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use durable_core::backend::Backend;
use durable_core::client::{ClientError, StartRequest};
use durable_core::hub::TaskHubBuilder;
use durable_core::model::{FunctionName, IdReusePolicy, Payload};
use durable_core::prelude::*;
use durable_testing::faults::FaultyBackend;
use serde_json::Value;

use crate::support::Process;

/// What goes wrong at a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wrong {
    /// The process ends just before it.
    Crash,
    /// It fails once.
    Fail,
    /// It happens, and its answer gets lost.
    Lose,
}

/// What the client does, one after the other.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    Event(&'static str, &'static str, u64),
    Suspend(&'static str),
    Resume(&'static str),
    /// Until it shows this state.
    Until(&'static str, RuntimeStatus),
}

impl Step {
    async fn act(self, client: &Client) -> Result<(), ClientError> {
        let id = |id: &str| InstanceId::new(id).unwrap();
        match self {
            Self::Event(to, name, payload) => client.raise_event(&id(to), name, &payload).await,
            Self::Suspend(of) => client.suspend(&id(of), "pause").await,
            Self::Resume(of) => client.resume(&id(of), "go on").await,
            Self::Until(of, wanted) => {
                while client.status(&id(of)).await?.unwrap().runtime_status != wanted {
                    tokio::task::yield_now().await;
                }
                Ok(())
            }
        }
    }
}

/// A program, how it is started under the id `root`, and what the client does meanwhile.
pub(crate) struct Scenario {
    pub(crate) hub: fn(TaskHubBuilder) -> TaskHubBuilder,
    pub(crate) root: &'static str,
    pub(crate) input: Value,
    pub(crate) steps: &'static [Step],
}

impl Scenario {
    fn process(&self, store: &Arc<FaultyBackend>) -> Process {
        let hub = TaskHub::builder().backend(Arc::clone(store)).warm_instances(1).drain_timeout(Duration::from_secs(5));
        Process::start((self.hub)(hub))
    }

    fn request(&self) -> StartRequest {
        let input = Payload::encode(&self.input).unwrap();
        let mut start = StartRequest::new(FunctionName::new(self.root).unwrap(), input);
        start.id = Some(InstanceId::new("root").unwrap());
        start.id_reuse = Some(IdReusePolicy::never().or_keep());
        start
    }

    /// Drives the scenario to its end. An error of the client means that it is not known whether the step was done: `again`
    /// says what to make of it; without it, the process is about to end.
    async fn drive(&self, hub: &TaskHub, done: &AtomicUsize, again: Option<bool>) -> Result<Value, String> {
        let client = &hub.client();
        loop {
            let at = done.load(Ordering::SeqCst);
            let result = if at == 0 {
                client.as_dyn().start(self.request()).await.map(drop)
            } else if let Some(step) = self.steps.get(at - 1) {
                step.act(client).await
            } else {
                break;
            };
            match (result, again) {
                (Err(error), Some(_)) if error.is_finished() || error.is_not_found() => return Err(error.to_string()),
                (Err(_), None) => std::future::pending().await,
                (Err(_), Some(true)) => tokio::task::yield_now().await,
                (Ok(()), _) | (Err(_), Some(false)) => drop(done.fetch_add(1, Ordering::SeqCst)),
            }
        }
        client.instance::<Value, _>("root").unwrap().output().await.map_err(|error| format!("{error:#}"))
    }

    /// Completes when the process ends at commit `n`. An answer that came just before is on its way then, and is seen first.
    async fn end_at(store: &FaultyBackend, n: u64) {
        store.reached(n).await;
        tokio::task::yield_now().await;
    }

    /// Runs it with something wrong at commit `n`; `None` when it has fewer commits.
    fn run(&self, inner: Arc<dyn Backend>, wrong: Wrong, n: u64) -> Option<Result<Value, String>> {
        let store = Arc::new(FaultyBackend::new(inner));
        match wrong {
            Wrong::Crash => store.fail_from(n),
            Wrong::Fail => store.fail(n),
            Wrong::Lose => store.lose_answer(n),
        }
        let done = AtomicUsize::new(0);
        let process = self.process(&store);
        let ended = process.run(async {
            let again = match wrong {
                Wrong::Crash => None,
                Wrong::Fail => Some(true),
                Wrong::Lose => Some(false),
            };
            tokio::select! {
                biased;
                // Looked at first, so that it has every answer that came before the end.
                output = in_time(self.drive(&process.hub, &done, again)) => Some(output),
                () = Self::end_at(&store, n), if wrong == Wrong::Crash => None,
            }
        });
        if let Some(output) = ended {
            let reached = store.commits() >= n;
            process.crash();
            return reached.then_some(output);
        }
        process.crash();
        store.heal();
        let process = self.process(&store);
        let output = process.run(in_time(self.drive(&process.hub, &done, Some(true))));
        process.crash();
        Some(output)
    }

    /// Checks that the output is `expected` whatever goes wrong, in memory and in a file.
    pub(crate) fn always_gives(&self, expected: &Value) {
        for wrong in [Wrong::Crash, Wrong::Fail, Wrong::Lose] {
            for file in [false, true] {
                let mut n = 1;
                loop {
                    let dir = tempfile::tempdir().unwrap();
                    let inner: Arc<dyn Backend> = if file {
                        Arc::new(Sqlite::open(dir.path().join("hub.db")).unwrap())
                    } else {
                        Arc::new(Memory::new())
                    };
                    let Some(output) = self.run(inner, wrong, n) else { break };
                    assert_eq!(output.as_ref(), Ok(expected), "{wrong:?} at commit {n}, in a file: {file}");
                    n += 1;
                }
                assert!(n > 3, "there was nothing to go wrong");
            }
        }
    }
}

async fn in_time<T>(work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    tokio::time::timeout(Duration::from_secs(20), work).await.unwrap_or_else(|_late| Err("it hangs".to_owned()))
}
