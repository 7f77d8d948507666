//! Decisions that the code takes once and that are recorded in the history.

use std::collections::{HashMap, HashSet};

/// What the code learns once: that its history has become long.
pub(super) const SUGGESTED: &str = "continue-as-new-suggested";

/// The marker of a patch.
pub(super) fn of_patch(id: &str) -> String {
    format!("patch:{id}")
}

/// The decisions of one execution.
#[derive(Debug, Default)]
pub(super) struct Markers {
    /// What the history has for the turn that is being replayed; `None` in a live turn.
    recorded: Option<Vec<String>>,
    produced: Vec<String>,
    patches: HashMap<String, bool>,
    /// Markers that the code no longer asks for.
    waived: HashSet<String>,
    is_long: bool,
    is_suggested: bool,
}

impl Markers {
    /// A turn begins. `is_long` is asked only in a live one.
    pub(super) fn begin_turn(&mut self, recorded: Option<Vec<String>>, is_long: bool) {
        self.recorded = recorded;
        self.is_long = is_long;
    }

    /// True when the code may take the new branch of a patch. The first answer stands.
    pub(super) fn patched(&mut self, id: &str) -> bool {
        if let Some(answer) = self.patches.get(id) {
            return *answer;
        }
        let answer = self.decide(of_patch(id), true);
        self.patches.insert(id.to_owned(), answer);
        answer
    }

    /// True from the turn on that found the history long.
    pub(super) fn is_suggested(&mut self) -> bool {
        if !self.is_suggested {
            self.is_suggested = self.decide(SUGGESTED.to_owned(), self.is_long);
        }
        self.is_suggested
    }

    /// The answer to a question that only a live turn decides anew.
    fn decide(&mut self, marker: String, live: bool) -> bool {
        let answer = self.recorded.as_ref().map_or(live, |recorded| recorded.contains(&marker));
        if answer {
            self.produced.push(marker);
        }
        answer
    }

    pub(super) fn deprecate(&mut self, id: &str) {
        self.waived.insert(of_patch(id));
    }

    /// True when it makes no difference that a recorded marker was not produced: its question was taken out on purpose, or
    /// could not change anything by itself.
    pub(super) fn is_waived(&self, marker: &str) -> bool {
        marker == SUGGESTED || self.waived.contains(marker)
    }

    pub(super) fn take(&mut self) -> Vec<String> {
        std::mem::take(&mut self.produced)
    }
}
