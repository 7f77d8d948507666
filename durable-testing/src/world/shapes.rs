//! Whether values survive JSON: a type that is read as something else than it was written is a mistake that a test in one
//! process would not notice otherwise.

use std::collections::HashMap;

use durable_core::history::{Action, Completion};
use durable_core::model::{FunctionName, Payload};
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
pub(super) struct RoundTrips(Mutex<Shapes>);

impl RoundTrips {
    pub(super) fn new(shapes: Shapes) -> Self {
        Self(Mutex::new(shapes))
    }

    /// Also looks at a function that is mocked, unless it is known.
    pub(super) fn mocks_activity(&self, name: FunctionName, shape: Shape) {
        self.0.lock().activities.entry(name).or_insert(shape);
    }

    /// The result of an activity.
    pub(super) fn of_result(&self, name: &FunctionName, result: &Payload) -> Option<String> {
        let shape = self.0.lock().activities.get(name).copied()?;
        (shape.output)(result).map(|again| changed(&format!("the result of activity '{name}'"), result, &again))
    }

    /// What goes into a turn and comes out of it.
    pub(super) fn of_turn(&self, turn: &CheckedTurn<'_>) -> Vec<String> {
        let shapes = self.0.lock();
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

fn changed(what: &str, before: &Payload, after: &str) -> String {
    format!(
        "{what} does not survive JSON: {before} is read, and written again it is {after}. Serialize and Deserialize of its type differ"
    )
}

/// What a value is after it was read as a `T` and written again, when that is something else. What is no `T` at all is told by
/// the call itself.
fn again<T: Serialize + DeserializeOwned>(payload: &Payload) -> Option<String> {
    let value: T = payload.decode().ok()?;
    let again = match Payload::encode(&value) {
        Ok(again) => again,
        Err(error) => return Some(format!("an error, {error}")),
    };
    let json = |payload: &Payload| payload.decode::<Value>().ok();
    let (before, after) = (json(payload)?, json(&again)?);
    (!covers(&after, &before)).then(|| again.to_string())
}

/// True when nothing of `before` is lost. Fields with defaults may come in addition, and sets have no order.
fn covers(after: &Value, before: &Value) -> bool {
    match (after, before) {
        (Value::Object(after), Value::Object(before)) => before
            .iter()
            .all(|(key, value)| after.get(key).map_or_else(|| value.is_null(), |after| covers(after, value))),
        (Value::Array(after), Value::Array(before)) => {
            let in_order = || after.iter().zip(before).all(|(after, before)| covers(after, before));
            let in_any = || before.iter().all(|before| after.iter().any(|after| covers(after, before)));
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
        assert!(covers(&json!({"a": 1, "b": 2}), &json!({"a": 1.0})));
        assert!(covers(&json!({}), &json!({"a": null})));
        assert!(covers(&json!([2, 1]), &json!([1, 2])));
        assert!(!covers(&json!({"b": 2}), &json!({"a": 1})));
        assert!(!covers(&json!([1]), &json!([1, 1])));
        assert!(!covers(&json!("1"), &json!(1)));
    }
}
