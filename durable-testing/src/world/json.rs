//! Runs as JSON that is the same in every run.

use std::fmt::Write as _;

use durable_core::history::HistoryEvent;
use durable_core::model::{Payload, Timestamp};
use serde_json::{Map, Value, json};

use super::World;
use super::executions::Executions;
use super::instance::Instance;
use super::words::{Numbers, Said, after, bounds_a_turn};

/// What is not longer than this stands in one line.
const WIDTH: usize = 120;

impl World {
    /// All instances as JSON that is the same in every run, in the order in which they were created: an array of what
    /// [`Instance::snapshot_json`] gives. It can be given to any tool that compares snapshots;
    /// [`assert_golden`](Self::assert_golden) keeps it in a file whose name ends with `.json`.
    ///
    /// # Panics
    ///
    /// When the store cannot be read.
    #[must_use]
    #[track_caller]
    pub fn snapshot_json(&self) -> Value {
        let (mut numbers, start) = (Numbers::default(), self.0.plan.start);
        Executions::all(&self.0).iter().map(|instance| form(instance, start, &mut numbers)).collect()
    }
}

impl<O> Instance<O> {
    /// Its state and the histories of all its executions as JSON that is the same in every run. Times count from the beginning
    /// of the world, and ids that were generated are numbers, in the order in which they are seen. Bounds of turns and
    /// positions in the source are left out, and so is what is not there.
    ///
    /// ```
    /// use durable_core::prelude::*;
    /// use durable_testing::World;
    /// use std::time::Duration;
    ///
    /// #[orchestrator]
    /// async fn countdown(ctx: OrchestrationContext, n: u32) -> Result<Next<(), u32>, OrchestratorError> {
    ///     ctx.create_timer(Duration::from_secs(3600)).await;
    ///     Ok(if n > 1 { Next::continue_as_new(n - 1) } else { Next::Complete(()) })
    /// }
    ///
    /// let world = World::builder().orchestrator(countdown).build();
    /// let run = world.start_as("c-1", countdown, 2);
    /// run.run_until_complete().unwrap();
    /// let json = run.snapshot_json();
    /// assert_eq!(json["status"], "Completed");
    /// assert_eq!(json["executions"].as_array().unwrap().len(), 2);
    /// assert_eq!(
    ///     json["executions"][0][1],
    ///     serde_json::json!({"at": "+0d 00:00:00", "event": "TimerCreated", "name": "+0d 01:00:00", "task": 0})
    /// );
    /// ```
    ///
    /// # Panics
    ///
    /// When there is no such instance.
    #[must_use]
    #[track_caller]
    pub fn snapshot_json(&self) -> Value {
        let core = self.core();
        let executions = Executions::of(core, self.status(), self.history());
        form(&executions, core.plan.start, &mut Numbers::default())
    }
}

fn form(instance: &Executions, start: Timestamp, numbers: &mut Numbers) -> Value {
    let Executions { status, histories, .. } = instance;
    let mut fields = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            fields.insert(name.to_owned(), value);
        }
    };
    put("id", Some(numbers.text(status.instance_id.as_str()).into()));
    put("orchestrator", Some(status.name.to_string().into()));
    put("version", status.version.as_ref().map(|version| version.to_string().into()));
    put("parent", status.parent_id.as_ref().map(|parent| numbers.text(parent.as_str()).into()));
    put("status", Some(status.runtime_status.to_string().into()));
    put("input", Some(payload(&status.input, numbers)));
    put("output", status.output.as_ref().map(|output| payload(output, numbers)));
    put("customStatus", status.custom_status.as_ref().map(|custom| payload(custom, numbers)));
    put("failure", status.failure.as_ref().map(|failure| numbers.text(&failure.error_message).into()));
    put("reason", status.termination_reason.as_ref().map(|reason| numbers.text(reason).into()));
    let tags: Map<_, _> = status.tags.iter().map(|(key, value)| (key.clone(), numbers.text(value).into())).collect();
    put("tags", (!tags.is_empty()).then_some(Value::Object(tags)));
    let executions = histories.iter().map(|history| {
        let events = history.iter().filter(|event| !bounds_a_turn(&event.kind));
        events.map(|event| event_form(event, history, start, numbers)).collect::<Value>()
    });
    let executions = executions.collect::<Value>();
    fields.insert("executions".to_owned(), executions);
    sorted(Value::Object(fields))
}

fn event_form(event: &HistoryEvent, history: &[HistoryEvent], start: Timestamp, numbers: &mut Numbers) -> Value {
    let said = Said::by(event, history);
    let mut form = json!({"at": after(start, event.timestamp), "event": said.kind});
    if let Some(task) = said.task {
        form["task"] = task.0.into();
    }
    if let Some(subject) = &said.subject {
        form["name"] = numbers.text(subject).into();
    }
    if let Some(carried) = &said.payload {
        form["value"] = payload(carried, numbers);
    }
    form
}

/// A payload with numbers instead of ids.
fn payload(payload: &Payload, numbers: &mut Numbers) -> Value {
    let text = numbers.text(payload.as_str());
    serde_json::from_str(&text).unwrap_or(Value::String(text))
}

/// Fields in alphabetical order, whatever a program has chosen for serde_json.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.into_iter().collect();
            fields.sort_by(|(a, _), (b, _)| a.cmp(b));
            fields.into_iter().map(|(name, value)| (name, sorted(value))).collect()
        }
        Value::Array(values) => values.into_iter().map(sorted).collect(),
        other => other,
    }
}

/// JSON as text, with an event in each line.
pub(super) fn text(value: &Value) -> String {
    let mut text = String::new();
    write(value, 0, 0, &mut text);
    text + "\n"
}

fn write(value: &Value, indent: usize, before: usize, text: &mut String) {
    let short = value.to_string();
    let inner = " ".repeat(2 * (indent + 1));
    let fits = 2 * indent + before + short.len() <= WIDTH;
    match value {
        Value::Array(values) if !fits || is_list(values) => {
            text.push_str("[\n");
            for (at, value) in values.iter().enumerate() {
                text.push_str(&inner);
                write(value, indent + 1, 0, text);
                text.push_str(if at + 1 < values.len() { ",\n" } else { "\n" });
            }
            text.push_str(&" ".repeat(2 * indent));
            text.push(']');
        }
        Value::Object(fields) if !fits => {
            text.push_str("{\n");
            for (at, (name, value)) in fields.iter().enumerate() {
                let name = Value::from(name.as_str()).to_string();
                // Writing to a string cannot fail.
                let _ = write!(text, "{inner}{name}: ");
                write(value, indent + 1, name.len() + 2, text);
                text.push_str(if at + 1 < fields.len() { ",\n" } else { "\n" });
            }
            text.push_str(&" ".repeat(2 * indent));
            text.push('}');
        }
        _ => text.push_str(&short),
    }
}

/// Events and executions have a line each.
fn is_list(values: &[Value]) -> bool {
    values.iter().any(|value| value.is_array() || value.get("event").is_some())
}
