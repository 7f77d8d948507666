//! What a mock expects, what came, and what to say when they differ.

use std::fmt::Write as _;

use super::Call;
use super::expectation::{Answer, Expectation};
use super::world::World;

/// The changing part of a mock.
#[derive(Default)]
pub(super) struct Script {
    pub(super) expectations: Vec<Expectation>,
    pub(super) calls: Vec<Call>,
    pub(super) world: World,
    /// Expectations are met in the order in which they were made.
    pub(super) in_order: bool,
    /// In that order: the expectation that was met last. Those before it are over.
    reached: usize,
    /// The messages of the unexpected calls. A task may have swallowed their panics.
    pub(super) unexpected: Vec<String>,
    pub(super) verified: bool,
}

/// What to do about a call.
pub(super) enum Found {
    Answer(Answer),
    /// No expectation is about it.
    Nothing,
    /// It must not be made.
    Forbidden,
}

impl Script {
    /// Finds the expectation that a call meets, and counts it.
    pub(super) fn find(&mut self, call: &Call) -> Found {
        let found = if self.in_order { self.next_in_order(call) } else { self.first_that_fits(call) };
        let Some(at) = found else {
            let forbidden =
                self.expectations.iter().any(|expectation| expectation.times.most == 0 && expectation.fits(call));
            return if forbidden { Found::Forbidden } else { Found::Nothing };
        };
        let expectation = &mut self.expectations[at];
        expectation.came += 1;
        self.reached = at;
        Found::Answer(expectation.answer.clone())
    }

    fn first_that_fits(&self, call: &Call) -> Option<usize> {
        self.expectations.iter().position(|expectation| expectation.has_room() && expectation.fits(call))
    }

    fn next_in_order(&self, call: &Call) -> Option<usize> {
        for (at, expectation) in self.expectations.iter().enumerate().skip(self.reached) {
            if expectation.has_room() && expectation.fits(call) {
                return Some(at);
            }
            if !expectation.is_met() {
                return None;
            }
        }
        None
    }

    /// The message about a call that nobody expects, which is the last of the calls.
    pub(super) fn about_unexpected(&self, call: &Call) -> String {
        let mut text = format!("unexpected call: {call}");
        if self.expectations.is_empty() {
            text.push_str("\nno call is expected");
        } else {
            text.push_str("\nexpected are:");
        }
        for expectation in &self.expectations {
            add(&mut text, &expectation);
            if let Some(why) = expectation.why_not(call) {
                let _ = write!(text, "\n      {why}");
            }
        }
        let before = self.calls.len().saturating_sub(1);
        list(&mut text, "the calls before it:", &self.calls[..before]);
        text
    }

    /// The message about all that went wrong so far; `None` when all is well.
    pub(super) fn about_unmet(&self) -> Option<String> {
        let unmet: Vec<_> = self.expectations.iter().filter(|expectation| !expectation.is_met()).collect();
        if unmet.is_empty() && self.unexpected.is_empty() {
            return None;
        }
        let mut text = "the client was not called as expected".to_owned();
        list(&mut text, "calls that did not come:", &unmet);
        for message in &self.unexpected {
            let _ = write!(text, "\n{message}");
        }
        list(&mut text, "the calls that came:", &self.calls);
        Some(text)
    }
}

fn list<T: std::fmt::Display>(text: &mut String, title: &str, items: &[T]) {
    if !items.is_empty() {
        let _ = write!(text, "\n{title}");
    }
    for item in items {
        add(text, item);
    }
}

fn add(text: &mut String, item: &impl std::fmt::Display) {
    let _ = write!(text, "\n  {item}");
}
