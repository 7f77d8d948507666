//! Whether values survive JSON: a type that is read as something else than it was written is a mistake that a test in one
//! process would not notice otherwise.

use std::collections::{HashMap, HashSet};

use durable_core::history::{Action, Completion};
use durable_core::model::read_back::{self, Seen};
use durable_core::model::{EventName, FunctionName, InstanceId, Payload};
use durable_core::worker::CheckedTurn;
use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Reads a payload as the type that it should be and writes it again; what came out when that is something else.
type Check = fn(&Payload) -> Option<String>;

/// The checks of a function's input and output.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    input: Check,
    output: Check,
}

impl Shape {
    pub(super) fn of<I, O>() -> Self
    where
        I: Serialize + DeserializeOwned,
        O: Serialize + DeserializeOwned,
    {
        Self { input: again::<I>, output: again::<O> }
    }
}

/// The shapes of functions whose types the world knows.
#[derive(Debug, Clone, Default)]
pub(super) struct Shapes {
    activities: HashMap<FunctionName, Shape>,
    /// `None` where several versions may have several types.
    orchestrators: HashMap<FunctionName, Option<Shape>>,
}

impl Shapes {
    pub(super) fn activity(&mut self, name: FunctionName, shape: Shape) {
        self.activities.insert(name, shape);
    }

    pub(super) fn orchestrator(&mut self, name: FunctionName, shape: Shape) {
        let place = self.orchestrators.entry(name);
        place.and_modify(|known| *known = None).or_insert(Some(shape));
    }
}

/// The check of a world.
#[derive(Debug, Default)]
pub(super) struct RoundTrips {
    shapes: Mutex<Shapes>,
    /// Events with the names of the types that were sent with them.
    sent: Mutex<HashSet<(EventName, &'static str)>>,
}

impl RoundTrips {
    pub(super) fn new(shapes: Shapes) -> Self {
        Self { shapes: Mutex::new(shapes), sent: Mutex::default() }
    }

    /// Also looks at a function that is mocked, unless it is known.
    pub(super) fn mocks_activity(&self, name: FunctionName, shape: Shape) {
        self.shapes.lock().activities.entry(name).or_insert(shape);
    }

    /// The result of an activity.
    pub(super) fn of_result(&self, name: &FunctionName, result: &Payload) -> Option<String> {
        let shape = self.shapes.lock().activities.get(name).copied()?;
        (shape.output)(result).map(|again| changed(&format!("the result of activity '{name}'"), result, &again))
    }

    /// What goes into a turn and comes out of it.
    pub(super) fn of_turn(&self, turn: &CheckedTurn<'_>) -> Vec<String> {
        let shapes = self.shapes.lock();
        let name = &turn.header.name;
        let orchestrator = |name: &FunctionName| shapes.orchestrators.get(name).copied().flatten();
        let mut found = Vec::new();
        let mut look = |what: String, check: Option<Check>, payload: &Payload| {
            found.extend(check.and_then(|check| check(payload)).map(|again| changed(&what, payload, &again)));
        };
        if turn.input.turn == 1 {
            look(format!("the input of '{name}'"), orchestrator(name).map(|shape| shape.input), &turn.header.input);
        }
        for (_, action) in &turn.outcome.actions {
            if let Action::ScheduleTask { name, input, .. } = action {
                let shape = shapes.activities.get(name);
                look(format!("the input of activity '{name}'"), shape.map(|shape| shape.input), input);
            }
        }
        match &turn.outcome.completion {
            Some((_, Completion::Completed(output))) => {
                look(format!("the output of '{name}'"), orchestrator(name).map(|shape| shape.output), output);
            }
            Some((_, Completion::ContinuedAsNew(next))) => {
                look(format!("the next input of '{name}'"), orchestrator(name).map(|shape| shape.input), &next.input);
            }
            _ => {}
        }
        found
    }
}

impl RoundTrips {
    /// Somebody sends an event with a value of this type.
    pub(super) fn sends(&self, name: &EventName, type_name: &'static str) {
        self.sent.lock().insert((name.clone(), type_name.trim_start_matches('&')));
    }

    /// Values that have gone by, with whose they are as far as that is known.
    pub(super) fn of_seen(&self, seen: Vec<Seen>) -> Vec<(Option<InstanceId>, String)> {
        let mut found = Vec::new();
        for seen in seen {
            match seen {
                Seen::Sent { name, type_name } => self.sends(&name, type_name),
                Seen::Received { instance, name, type_name, before, after } => {
                    // A type of its own may leave out what it does not need.
                    let is_same_type = self.sent.lock().contains(&(name.clone(), type_name));
                    let loss = if is_same_type { Loss::Counts } else { Loss::IsFine };
                    let what = || format!("the payload of event '{name}' (`{type_name}`)");
                    let after = difference(&before, after, loss);
                    found.extend(after.map(|after| (Some(instance), changed(&what(), &before, &after))));
                }
                Seen::Failure { error_type, before, after } => {
                    let what = format!("the error '{error_type}'");
                    let after = difference(&before, after, Loss::Counts);
                    found.extend(after.map(|after| (None, changed(&what, &before, &after))));
                }
                _ => {}
            }
        }
        found
    }
}

/// What fails the test when an error is made for which no world stands by: the answer of a mock.
#[track_caller]
pub(super) fn check_errors<T>(is_on: bool, make: impl FnOnce() -> T) -> T {
    let (made, seen) = read_back::watched(|| (make(), read_back::take()));
    let found = if is_on { RoundTrips::default().of_seen(seen) } else { Vec::new() };
    if let Some((_, complaint)) = found.into_iter().next() {
        panic!("{complaint}");
    }
    made
}

/// What fails the test when the custom status is read as a `T`.
#[track_caller]
pub(super) fn check_status<T: Serialize + DeserializeOwned>(instance: &InstanceId, status: &Payload) {
    if let Some(again) = again::<T>(status) {
        panic!("{}", changed(&format!("the custom status of '{instance}'"), status, &again));
    }
}

fn changed(what: &str, before: &Payload, after: &str) -> String {
    format!(
        "{what} does not survive JSON: {before} is read, and written again it is {after}. Serialize and Deserialize of its type differ"
    )
}

/// What a value is after it was read as a `T` and written again, when that is something else. What is no `T` at all is told by
/// the call itself.
fn again<T: Serialize + DeserializeOwned>(payload: &Payload) -> Option<String> {
    let value: T = payload.decode().ok()?;
    let again = Payload::encode(&value).map_err(|error| format!("an error, {error}"));
    difference(payload, again, Loss::Counts)
}

/// What came out, when that is something else.
fn difference(before: &Payload, after: Result<Payload, String>, loss: Loss) -> Option<String> {
    let after = match after {
        Ok(after) => after,
        Err(error) => return Some(error),
    };
    let json = |payload: &Payload| payload.decode::<Value>().ok();
    (!covers(&json(&after)?, &json(before)?, loss)).then(|| after.to_string())
}

/// Whether a field counts that is missing in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loss {
    Counts,
    IsFine,
}

/// True when nothing of `before` is changed or lost. Fields with defaults may come in addition, and sets have no order.
fn covers(after: &Value, before: &Value, loss: Loss) -> bool {
    let covered = |after: &Value, before: &Value| covers(after, before, loss);
    match (after, before) {
        (Value::Object(after), Value::Object(before)) => before.iter().all(|(key, value)| {
            let is_fine = || value.is_null() || loss == Loss::IsFine;
            after.get(key).map_or_else(is_fine, |after| covered(after, value))
        }),
        (Value::Array(after), Value::Array(before)) => {
            let in_order = || after.iter().zip(before).all(|(after, before)| covered(after, before));
            let in_any = || before.iter().all(|before| after.iter().any(|after| covered(after, before)));
            after.len() == before.len() && (in_order() || in_any())
        }
        (Value::Number(after), Value::Number(before)) => after == before || after.as_f64() == before.as_f64(),
        _ => after == before,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_a_loss_is_a_difference() {
        let survives = |after: Value, before: Value| covers(&after, &before, Loss::Counts);
        assert!(survives(json!({"a": 1, "b": 2}), json!({"a": 1.0})));
        assert!(survives(json!({}), json!({"a": null})));
        assert!(survives(json!([2, 1]), json!([1, 2])));
        assert!(!survives(json!({"b": 2}), json!({"a": 1})));
        assert!(!survives(json!([1]), json!([1, 1])));
        assert!(!survives(json!("1"), json!(1)));
        assert!(covers(&json!({"a": {}}), &json!({"a": {"b": 1}, "c": 2}), Loss::IsFine));
        assert!(!covers(&json!({"a": {"b": 2}}), &json!({"a": {"b": 1}}), Loss::IsFine));
    }
}
