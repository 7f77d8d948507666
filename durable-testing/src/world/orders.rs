//! Which orders of answers are still to be run.
//!
//! A depth-first search over the answers that are given, with dynamic partial-order reduction. Two answers depend on each other
//! when both have an effect on the same instance or mock. Only where two dependent answers could have come in the other order
//! is that order tried, and what was seen already in another order of independent answers is left out: it sleeps.

use std::collections::{BTreeMap, BTreeSet};

use super::gate::{Answer, Chooser, Footprint, Release, Trace};

/// The search.
#[derive(Debug)]
pub(super) struct Orders {
    /// What was given in the present order, and what else is to be tried at each place.
    nodes: Vec<Node>,
    /// Every order of all answers, also of independent ones.
    all: bool,
}

#[derive(Debug)]
struct Node {
    given: Answer,
    sleeping: BTreeMap<Answer, Footprint>,
    /// What was given here, and what its effects were.
    done: BTreeMap<Answer, Footprint>,
    to_do: BTreeSet<Answer>,
}

impl Orders {
    /// A search that has begun with nothing; `all` looks at every order of all answers.
    pub(super) fn new(all: bool) -> Self {
        Self { nodes: Vec::new(), all }
    }

    /// Learns from a run what else is to be tried.
    pub(super) fn learn(&mut self, trace: &Trace) {
        let end = trace.redundant_from.unwrap_or(trace.releases.len());
        let releases = &trace.releases[..end];
        self.nodes.truncate(end);
        let known = self.nodes.len();
        for (at, release) in releases.iter().enumerate() {
            if at >= known {
                self.nodes.push(Node {
                    given: release.answer,
                    sleeping: release.sleeping.clone(),
                    done: BTreeMap::new(),
                    to_do: BTreeSet::new(),
                });
            }
            let node = &mut self.nodes[at];
            node.given = release.answer;
            node.done.insert(release.answer, release.footprint.clone());
            if self.all {
                node.to_do.extend(&release.held);
            }
        }
        if !self.all {
            self.races(releases);
        }
    }

    /// Finds answers that could have come in the other order, with another effect.
    fn races(&mut self, releases: &[Release]) {
        let mut before: Vec<BTreeSet<usize>> = Vec::with_capacity(releases.len());
        for (later, release) in releases.iter().enumerate() {
            let made_by: BTreeSet<_> = release.causes.iter().flat_map(|cause| before[*cause].clone()).collect();
            let mut comes_after = made_by.clone();
            for (earlier, other) in releases[..later].iter().enumerate() {
                if other.epoch != release.epoch || other.footprint.is_disjoint(&release.footprint) {
                    continue;
                }
                if other.held.contains(&release.answer) {
                    self.nodes[earlier].to_do.insert(release.answer);
                } else if !made_by.contains(&earlier) {
                    self.nodes[earlier].to_do.extend(&other.held);
                }
                comes_after.extend(&before[earlier]);
            }
            comes_after.insert(later);
            before.push(comes_after);
        }
    }

    /// The next order to run; `None` when all were.
    pub(super) fn next(&mut self) -> Option<Chooser> {
        loop {
            let node = self.nodes.last()?;
            let is_new = |answer: &&Answer| !node.done.contains_key(answer) && !node.sleeping.contains_key(answer);
            let Some(next) = node.to_do.iter().find(is_new).copied() else {
                self.nodes.pop();
                continue;
            };
            // An exhaustive search takes nothing for the same.
            let mut sleeping = BTreeMap::new();
            if !self.all {
                sleeping.extend(node.sleeping.clone());
                sleeping.extend(node.done.clone());
            }
            let before = self.nodes[..self.nodes.len() - 1].iter().map(|node| node.given);
            let first: Vec<_> = before.chain([next]).collect();
            return Some(Chooser::Given { first, sleeping });
        }
    }
}
