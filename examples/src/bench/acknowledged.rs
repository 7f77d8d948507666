//! What was acknowledged, line by line, for whoever kills the benchmark and looks for it afterwards.
//!
//! Without a file to write to, nothing of this is in the way: clients are those of the hub, and a commit asks an `Option`.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use durable_core::BoxFuture;
use durable_core::backend::{TurnCommit, Write, Written};
use durable_core::client::{
    ClientError, ControlRequest, DurableClient, InstancePage, InstanceQuery, InstanceStatus, StartRequest, WaitUntil,
};
use durable_core::history::HistoryEvent;
use durable_core::model::{EventName, Payload, TaskHubName};
use durable_core::prelude::*;
use serde::{Deserialize, Serialize};

/// A line of the file that `--acknowledged` names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The file or the schema of the store.
    pub store: String,
    /// What was acknowledged.
    pub what: What,
}

/// Something that is durable, because somebody was told so. All but [`What::Turn`] is what a client was told: its line is
/// written when the call to the hub has returned, and before the benchmark goes on with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum What {
    /// An instance was started.
    Start {
        /// Its id.
        id: String,
    },
    /// The first turn of an instance is committed.
    FirstTurn {
        /// Its id.
        id: String,
    },
    /// An event was raised. The benchmark raises at most one for each instance.
    Event {
        /// The id of the instance.
        id: String,
    },
    /// An instance has ended.
    Result {
        /// Its id.
        id: String,
        /// How it ended.
        status: String,
        /// The text of its output.
        output: Option<String>,
    },
    /// A turn is committed: the engine was told so by the store.
    Turn {
        /// The execution of the instance.
        execution: String,
        /// The number of the turn.
        turn: u64,
    },
}

/// The file, and the store that is meant.
#[derive(Debug, Clone)]
pub(super) struct Acknowledged {
    path: PathBuf,
    file: Arc<File>,
    store: Arc<str>,
}

impl Acknowledged {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create(true).open(path)?;
        Ok(Self { path: path.to_owned(), file: Arc::new(file), store: "".into() })
    }

    /// The same file, for lines about this store.
    pub(super) fn of(&self, store: &str) -> Self {
        Self { store: store.into(), ..self.clone() }
    }

    /// What a process is told that writes to the same file.
    pub(super) fn to_args(&self) -> [OsString; 2] {
        ["--acknowledged".into(), self.path.clone().into()]
    }

    /// A client that notes what it is told.
    pub(super) fn client(&self, hub: &TaskHub) -> Client {
        Client::new(Arc::new(Witness { hub: hub.client(), acknowledged: self.clone() }))
    }

    /// Notes the turns of a commit that has come back.
    pub(super) fn turns(&self, batch: &[Write], written: &[Written]) {
        for (write, written) in batch.iter().zip(written) {
            if let (Write::Turn(turn), Written::Done | Written::Committed(_)) = (write, written) {
                let TurnCommit { execution, turn, .. } = &**turn;
                self.note(What::Turn { execution: execution.clone(), turn: *turn });
            }
        }
    }

    /// Writes a line in one call, so that a process which is killed leaves whole lines, and several can share the file. It
    /// blocks for as long as a pipe is full.
    fn note(&self, what: What) {
        let line = Line { store: self.store.to_string(), what };
        let written = serde_json::to_string(&line)
            .map_err(io::Error::from)
            .and_then(|line| (&*self.file).write_all(format!("{line}\n").as_bytes()));
        if let Err(error) = written {
            // Whoever reads the file must not believe that nothing was acknowledged. There is nobody else to tell.
            let _ = writeln!(io::stderr(), "{} cannot be written: {error}", self.path.display());
            std::process::exit(1);
        }
    }

    fn told(&self, status: &InstanceStatus) {
        let id = status.instance_id.to_string();
        if status.runtime_status.is_terminal() {
            let output = status.output.as_ref().map(ToString::to_string);
            self.note(What::Result { id, status: status.runtime_status.to_string(), output });
        } else if WaitUntil::Started.is_reached(status.runtime_status) {
            self.note(What::FirstTurn { id });
        }
    }
}

/// A client that notes what the hub tells it.
struct Witness {
    hub: Client,
    acknowledged: Acknowledged,
}

impl DurableClient for Witness {
    fn task_hub(&self) -> &TaskHubName {
        self.hub.task_hub()
    }

    fn start(&self, request: StartRequest) -> BoxFuture<'_, Result<InstanceId, ClientError>> {
        Box::pin(async move {
            let id = self.hub.as_dyn().start(request).await?;
            self.acknowledged.note(What::Start { id: id.to_string() });
            Ok(id)
        })
    }

    fn status(&self, id: &InstanceId) -> BoxFuture<'_, Result<Option<InstanceStatus>, ClientError>> {
        let status = self.hub.as_dyn().status(id);
        Box::pin(async move { Ok(status.await?.inspect(|status| self.acknowledged.told(status))) })
    }

    fn wait(
        &self,
        id: &InstanceId,
        until: WaitUntil,
        timeout: Option<Duration>,
    ) -> BoxFuture<'_, Result<Option<InstanceStatus>, ClientError>> {
        let status = self.hub.as_dyn().wait(id, until, timeout);
        Box::pin(async move { Ok(status.await?.inspect(|status| self.acknowledged.told(status))) })
    }

    fn raise_event(
        &self,
        id: &InstanceId,
        name: EventName,
        payload: Payload,
    ) -> BoxFuture<'_, Result<(), ClientError>> {
        let raised = self.hub.as_dyn().raise_event(id, name, payload);
        let id = id.to_string();
        Box::pin(async move {
            raised.await?;
            self.acknowledged.note(What::Event { id });
            Ok(())
        })
    }

    fn terminate(&self, id: &InstanceId, request: ControlRequest) -> BoxFuture<'_, Result<(), ClientError>> {
        self.hub.as_dyn().terminate(id, request)
    }

    fn list(&self, query: InstanceQuery) -> BoxFuture<'_, Result<InstancePage, ClientError>> {
        self.hub.as_dyn().list(query)
    }

    fn history(&self, id: &InstanceId) -> BoxFuture<'_, Result<Option<Vec<HistoryEvent>>, ClientError>> {
        self.hub.as_dyn().history(id)
    }
}

#[cfg(test)]
mod tests {
    use super::super::functions;
    use super::super::store::{Place, StoreKind};
    use super::*;

    #[tokio::test]
    async fn what_clients_are_told_stands_in_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("acknowledged");
        let place = Place::new(StoreKind::Memory, None, Some(Acknowledged::open(&file).unwrap())).unwrap();
        let store = place.store(super::super::Counts::new(None)).unwrap();
        let hub = super::super::hub(&store).unwrap().start().await.unwrap();
        let instance = store.client(&hub).start(functions::wait_for_event, ()).id("one").await.unwrap();
        instance.wait_for_start().await.unwrap();
        instance.raise_event("End", &()).await.unwrap();
        instance.output().await.unwrap();
        hub.shutdown().await.unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        let lines: Vec<Line> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(lines.iter().all(|line| line.store == "memory"), "{text}");
        let (turns, told): (Vec<_>, Vec<_>) =
            lines.into_iter().map(|line| line.what).partition(|what| matches!(what, What::Turn { .. }));
        let id = || "one".to_owned();
        let result = What::Result { id: id(), status: "Completed".into(), output: Some("null".into()) };
        assert_eq!(told, [What::Start { id: id() }, What::FirstTurn { id: id() }, What::Event { id: id() }, result]);
        assert!(matches!(turns[..], [What::Turn { turn: 1, .. }, What::Turn { turn: 2, .. }]), "{turns:?}");
    }
}
