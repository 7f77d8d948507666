//! Rules for what a recorded history must not keep.

use std::collections::HashMap;

use durable_core::history::{EventKind, HistoryEvent};
use serde_json::Value;

use super::mend::{mend, messages};
use super::place::{Calls, Place, PlaceKind, visit};

/// Shorter texts are replaced only where they stand alone: "a" is a part of too much.
const SHORTEST_PART: usize = 4;

/// What is to be replaced in a recorded history. Without rules everything stays, inputs included.
///
/// A rule says which texts are secret. Each secret text gets a placeholder of its own, `redacted-1`, `redacted-2` and so on,
/// **wherever it stands**: in every payload, in the messages of failures, in reasons and tags, and with four or more
/// characters also inside longer texts. So what the code passes on from one place to another stays the same on both sides,
/// and the history replays as before.
///
/// Numbers, booleans and the keys of objects stay, except for what a [`pointer`](Self::pointer) names itself. So do names,
/// and **ids of instances**: what must not be known has no place in an id.
///
/// # Limits
///
/// Code that looks into a value no longer does the same: one that branches on a secret text, computes with it, sorts by it,
/// or reads it as something else than a text, such as a date or the variant of an enum. [Replay](super::RecordedHistory::replay)
/// a redacted history before you keep it.
///
/// ```
/// use durable_core::prelude::*;
/// use durable_testing::World;
/// use durable_testing::recorded::Redaction;
///
/// #[activity]
/// async fn greet(name: String) -> String { format!("Hello {name}!") }
///
/// #[orchestrator]
/// async fn welcome(ctx: OrchestrationContext, name: String) -> Result<String, OrchestratorError> {
///     ctx.call_activity(greet, format!("dear {name}")).await
/// }
///
/// let world = World::builder().orchestrator(welcome).activity(greet).build();
/// let run = world.start(welcome, "Ada Lovelace".to_owned());
///
/// let recorded = world.record(&run).redact(&Redaction::new().input());
/// assert!(!recorded.to_json().contains("Ada"));
/// assert!(recorded.to_json().contains("dear redacted-1"));
/// recorded.replay(welcome).unwrap();
/// ```
#[derive(Debug, Clone, Default)]
pub struct Redaction {
    rules: Vec<Rule>,
}

#[derive(Debug, Clone)]
enum Rule {
    Everything,
    Kinds(&'static [PlaceKind]),
    Named(&'static [PlaceKind], String),
    Pointer(String),
}

impl Redaction {
    /// No rules.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn rule(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }

    /// The texts of all payloads, and the messages of all failures.
    #[must_use]
    pub fn everything(self) -> Self {
        self.rule(Rule::Everything)
    }

    /// The texts in the input of the execution.
    #[must_use]
    pub fn input(self) -> Self {
        self.rule(Rule::Kinds(&[PlaceKind::Input]))
    }

    /// The texts in its output.
    #[must_use]
    pub fn output(self) -> Self {
        self.rule(Rule::Kinds(&[PlaceKind::Output]))
    }

    /// The texts in inputs and results of an activity, and the messages of its failures.
    #[must_use]
    pub fn activity(self, name: &str) -> Self {
        self.rule(Rule::Named(&[PlaceKind::ActivityInput, PlaceKind::ActivityResult], name.to_owned()))
    }

    /// The texts in inputs and results of an orchestration that was started, and the messages of its failures.
    #[must_use]
    pub fn child(self, orchestrator: &str) -> Self {
        self.rule(Rule::Named(&[PlaceKind::ChildInput, PlaceKind::ChildResult], orchestrator.to_owned()))
    }

    /// The texts that come or go with an event.
    #[must_use]
    pub fn event(self, name: &str) -> Self {
        self.rule(Rule::Named(&[PlaceKind::EventRaised, PlaceKind::EventSent], name.to_owned()))
    }

    /// What stands at a JSON pointer such as `/customer/mail`, in each payload that has it: the texts in it; a number becomes
    /// 0 and a boolean false, but only there, so name every place to which the code passes it on.
    #[must_use]
    pub fn pointer(self, pointer: &str) -> Self {
        self.rule(Rule::Pointer(pointer.to_owned()))
    }

    pub(super) fn apply(&self, mut events: Vec<HistoryEvent>) -> Vec<HistoryEvent> {
        let secrets = self.secrets(&mut events);
        visit(&mut events, &mut |_, value| {
            for rule in &self.rules {
                if let Rule::Pointer(pointer) = rule {
                    match value.pointer_mut(pointer) {
                        Some(number @ Value::Number(_)) => *number = 0.into(),
                        Some(Value::Bool(flag)) => *flag = false,
                        _ => {}
                    }
                }
            }
            secrets.hide_in(value);
        });
        mend(&mut events, &mut |text| secrets.hide(text));
        events
    }

    /// Finds the secret texts, in the order of their first appearance. The events stay as they are.
    fn secrets(&self, events: &mut [HistoryEvent]) -> Secrets {
        let mut secrets = Secrets::default();
        visit(events, &mut |place, value| {
            for rule in &self.rules {
                let secret = match rule {
                    Rule::Pointer(pointer) => value.pointer(pointer),
                    rule => rule.takes(place).then_some(&*value),
                };
                if let Some(secret) = secret {
                    secrets.add_all(secret);
                }
            }
        });
        let mut calls = Calls::default();
        for HistoryEvent { kind, .. } in events {
            calls.note(kind);
            let (of, name, failure) = match kind {
                EventKind::TaskFailed { task_id, failure } => {
                    (PlaceKind::ActivityResult, calls.name(*task_id), failure)
                }
                EventKind::SubOrchestrationInstanceFailed { task_id, failure } => {
                    (PlaceKind::ChildResult, calls.name(*task_id), failure)
                }
                EventKind::ExecutionCompleted { failure: Some(failure), .. } => (PlaceKind::Output, "", failure),
                _ => continue,
            };
            let place = Place { kind: of, name, event: 0 };
            if self.rules.iter().any(|rule| rule.takes(&place)) {
                messages(failure, &mut |text| secrets.add(text));
            }
        }
        secrets
    }
}

impl Rule {
    fn takes(&self, place: &Place<'_>) -> bool {
        // The code decides by the variants of typed errors.
        let is_error = matches!(place.kind, PlaceKind::Error | PlaceKind::ActivityError | PlaceKind::ChildError);
        match self {
            Self::Everything => !is_error,
            Self::Kinds(kinds) => kinds.contains(&place.kind),
            Self::Named(kinds, name) => kinds.contains(&place.kind) && name.eq_ignore_ascii_case(place.name),
            Self::Pointer(_) => false,
        }
    }
}

/// Secret texts and what stands for each.
#[derive(Default)]
struct Secrets {
    placeholders: HashMap<String, String>,
    /// Those that are also replaced inside longer texts, the longest first.
    parts: Vec<String>,
}

impl Secrets {
    fn add(&mut self, text: &str) {
        if text.is_empty() || self.placeholders.contains_key(text) {
            return;
        }
        let placeholder = format!("redacted-{}", self.placeholders.len() + 1);
        self.placeholders.insert(text.to_owned(), placeholder);
        if text.chars().count() >= SHORTEST_PART {
            let at = self.parts.partition_point(|other| other.len() >= text.len());
            self.parts.insert(at, text.to_owned());
        }
    }

    fn add_all(&mut self, value: &Value) {
        match value {
            Value::String(text) => self.add(text),
            Value::Array(values) => values.iter().for_each(|value| self.add_all(value)),
            Value::Object(values) => values.values().for_each(|value| self.add_all(value)),
            _ => {}
        }
    }

    fn hide_in(&self, value: &mut Value) {
        match value {
            Value::String(text) => self.hide(text),
            Value::Array(values) => values.iter_mut().for_each(|value| self.hide_in(value)),
            Value::Object(values) => values.values_mut().for_each(|value| self.hide_in(value)),
            _ => {}
        }
    }

    /// In one pass from left to right, so that a placeholder is not taken for a text.
    fn hide(&self, text: &mut String) {
        if let Some(placeholder) = self.placeholders.get(text) {
            text.clone_from(placeholder);
            return;
        }
        let mut rest = text.as_str();
        let mut hidden = String::with_capacity(text.len());
        while let Some(next) = rest.chars().next() {
            let part =
                self.parts.iter().find_map(|part| Some((rest.strip_prefix(part)?, self.placeholders.get(part)?)));
            match part {
                Some((behind, placeholder)) => {
                    hidden.push_str(placeholder);
                    rest = behind;
                }
                None => {
                    hidden.push(next);
                    rest = &rest[next.len_utf8()..];
                }
            }
        }
        *text = hidden;
    }
}
