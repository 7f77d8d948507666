//! What was acknowledged, and whether it is there.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};

use durable_core::backend::{Backend, InstanceFilter, InstanceRow};
use examples::bench::{Line, What};

/// How many instances are read at once.
const PAGE: usize = 1_000;

/// What was acknowledged, by the name of the store.
#[derive(Default)]
pub(crate) struct Accounts(HashMap<PathBuf, Account>);

impl Accounts {
    pub(crate) fn enter(&mut self, lines: Vec<Line>) {
        for line in lines {
            self.0.entry(line.store.into()).or_default().enter(line.what);
        }
    }

    /// Those whose store is a file that exists. The benchmark removes those that it has made for itself when it is through.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&Path, &Account)> {
        self.0.iter().map(|(file, account)| (file.as_path(), account)).filter(|(file, _)| file.exists())
    }

    pub(crate) fn take(&mut self, store: &Path) -> Option<Account> {
        self.0.remove(store)
    }
}

/// What was acknowledged about one store.
#[derive(Default)]
pub(crate) struct Account {
    starts: HashSet<String>,
    first_turns: HashSet<String>,
    events: HashSet<String>,
    /// The status and the output of instances that have ended.
    results: HashMap<String, (String, Option<String>)>,
    /// The last turn of an execution.
    turns: HashMap<String, u64>,
}

impl Account {
    fn enter(&mut self, what: What) {
        match what {
            What::Start { id } => assert!(self.starts.insert(id.clone()), "{id} was started twice"),
            What::FirstTurn { id } => {
                self.first_turns.insert(id);
            }
            What::Event { id } => assert!(self.events.insert(id.clone()), "{id} got its event twice"),
            What::Result { id, status, output } => {
                let before = self.results.insert(id.clone(), (status.clone(), output.clone()));
                assert!(before.is_none_or(|before| before == (status, output)), "{id} has ended in two ways");
            }
            What::Turn { execution, turn } => {
                let last = self.turns.entry(execution).or_default();
                *last = turn.max(*last);
            }
        }
    }

    pub(crate) fn has_event_of(&self, id: &str) -> bool {
        self.events.contains(id)
    }

    /// Holds the rows of a store against what was acknowledged.
    pub(crate) async fn check(&self, store: &impl Backend) {
        let rows = rows(store).await;
        let by_id: HashMap<_, _> = rows.iter().map(|row| (row.id.as_str(), row)).collect();
        let by_execution: HashMap<_, _> = rows.iter().map(|row| (row.execution.as_str(), row)).collect();
        let mut lost = Vec::new();
        for id in self.starts.iter().chain(&self.events) {
            if !by_id.contains_key(id.as_str()) {
                lost.push(format!("{id} is not there"));
            }
        }
        for id in &self.first_turns {
            if by_id.get(id.as_str()).is_none_or(|row| row.turn == 0) {
                lost.push(format!("{id} has not had a turn"));
            }
        }
        for (id, (status, output)) in &self.results {
            let row = by_id.get(id.as_str());
            let is_same = |row: &&InstanceRow| {
                row.status.as_str() == status && row.output.as_ref().map(ToString::to_string) == *output
            };
            if !row.is_some_and(is_same) {
                lost.push(format!("{id} had ended as {status} with {output:?}: {row:?}"));
            }
        }
        for (execution, turn) in &self.turns {
            let row = by_execution.get(execution.as_str());
            if row.is_none_or(|row| row.turn < *turn) {
                lost.push(format!("turn {turn} of execution {execution} is not there: {row:?}"));
            }
        }
        assert!(lost.is_empty(), "{} things were lost: {:#?}", lost.len(), &lost[..lost.len().min(5)]);
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let turns: u64 = self.turns.values().sum();
        let (starts, events, results) = (self.starts.len(), self.events.len(), self.results.len());
        write!(
            f,
            "{starts} starts, {turns} turns, {events} events and {results} results were acknowledged and are there"
        )
    }
}

/// All instances of a store.
pub(crate) async fn rows(store: &impl Backend) -> Vec<InstanceRow> {
    let mut all: Vec<InstanceRow> = Vec::new();
    loop {
        let after_id = all.last().map(|row| row.id.clone());
        let page = store.list(InstanceFilter { after_id, limit: PAGE, ..InstanceFilter::default() }).await.unwrap();
        if page.is_empty() {
            return all;
        }
        all.extend(page);
    }
}
