//! Between the rows of instances and what the engine knows of them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::backend::{CreateInstance, HistoryRow, InstanceRow, NextExecution};
use crate::history::{CorruptHistory, EventReader, ExecutionHeader, HistoryRecord, ParentInstance, TaskOptions};
use crate::model::{ExecutionId, FunctionName, InstanceId, Tags, TaskId, Timestamp, TraceContext, Version};

/// What the store keeps about a start without knowing it.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Origin {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parent: Option<StoredParent>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trace: Option<TraceContext>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredParent {
    instance: String,
    execution: String,
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    task_id: Option<u32>,
    depth: u32,
}

/// The opaque part of a header, for the store.
fn origin(header: &ExecutionHeader) -> Option<String> {
    if header.parent.is_none() && header.trace.is_none() {
        return None;
    }
    let parent = header.parent.as_ref().map(|parent| StoredParent {
        instance: parent.instance.to_string(),
        execution: parent.execution.to_string(),
        name: parent.name.to_string(),
        task_id: parent.task_id.map(|task| task.0),
        depth: parent.depth,
    });
    serde_json::to_string(&Origin { parent, trace: header.trace.clone() }).ok()
}

/// The header of the execution that a row stands for.
pub(super) fn header(row: &InstanceRow) -> Result<Arc<ExecutionHeader>, String> {
    let text = |error: &dyn std::error::Error| error.to_string();
    let instance = InstanceId::new(&row.id).map_err(|error| text(&error))?;
    let name = FunctionName::new(&row.name).map_err(|error| text(&error))?;
    let execution = ExecutionId::from_stored(&row.execution);
    let mut header = ExecutionHeader::new(instance, execution, name, row.input.clone());
    header.version = row.version.as_deref().map(Version::new).transpose().map_err(|error| text(&error))?;
    header.tags = Tags::from_stored(row.tags.clone());
    header.generation = row.generation;
    header.scheduled_start = row.start_at;
    read_origin(row.origin.as_deref(), &mut header)?;
    Ok(Arc::new(header))
}

fn read_parent(parent: StoredParent) -> Result<ParentInstance, String> {
    Ok(ParentInstance {
        instance: InstanceId::new(parent.instance).map_err(|error| error.to_string())?,
        execution: ExecutionId::from_stored(&parent.execution),
        name: FunctionName::new(parent.name).map_err(|error| error.to_string())?,
        task_id: parent.task_id.map(TaskId),
        depth: parent.depth,
    })
}

/// The row of a new instance with this header, that starts at once and belongs to nobody.
pub(super) fn create(header: &ExecutionHeader) -> CreateInstance {
    CreateInstance {
        id: header.instance.as_str().to_owned(),
        execution: header.execution.as_str().to_owned(),
        name: header.name.as_str().to_owned(),
        version: header.version.as_ref().map(|version| version.as_str().to_owned()),
        input: header.input.clone(),
        tags: header.tags.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
        origin: origin(header),
        parent: None,
        parent_call: None,
        start_at: header.scheduled_start,
        now: Timestamp::UNIX_EPOCH,
        owner: None,
        replace: Vec::new(),
    }
}

/// The header of an instance that was just created.
pub(super) fn created_header(create: &CreateInstance) -> Result<Arc<ExecutionHeader>, String> {
    let text = |error: &dyn std::error::Error| error.to_string();
    let instance = InstanceId::new(&create.id).map_err(|error| text(&error))?;
    let name = FunctionName::new(&create.name).map_err(|error| text(&error))?;
    let execution = ExecutionId::from_stored(&create.execution);
    let mut header = ExecutionHeader::new(instance, execution, name, create.input.clone());
    header.version = create.version.as_deref().map(Version::new).transpose().map_err(|error| text(&error))?;
    header.tags = Tags::from_stored(create.tags.clone());
    header.scheduled_start = create.start_at;
    read_origin(create.origin.as_deref(), &mut header)?;
    Ok(Arc::new(header))
}

/// The header of the execution that follows another.
pub(super) fn next_header(before: &ExecutionHeader, next: &NextExecution) -> Arc<ExecutionHeader> {
    let mut header = before.clone();
    header.execution = ExecutionId::from_stored(&next.execution);
    header.version = next.version.as_deref().and_then(|version| Version::new(version).ok());
    header.input = next.input.clone();
    header.generation = next.generation;
    Arc::new(header)
}

fn read_origin(origin: Option<&str>, header: &mut ExecutionHeader) -> Result<(), String> {
    let Some(origin) = origin else { return Ok(()) };
    let origin: Origin = serde_json::from_str(origin).map_err(|error| error.to_string())?;
    header.parent = origin.parent.map(read_parent).transpose()?;
    header.trace = origin.trace;
    Ok(())
}

/// How a call runs, and for whom.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct CallOptions {
    #[serde(flatten)]
    pub(super) task: TaskOptions,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) trace: Option<TraceContext>,
}

/// The options of a call, unless they are the usual ones.
pub(super) fn options(task: TaskOptions, trace: Option<&TraceContext>) -> Option<String> {
    if task == TaskOptions::default() && trace.is_none() {
        return None;
    }
    serde_json::to_string(&CallOptions { task, trace: trace.cloned() }).ok()
}

/// Reads the options of a call.
pub(super) fn read_options(options: Option<&str>) -> CallOptions {
    options.and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default()
}

/// Reads the rows of a history.
pub(super) fn records(
    rows: Vec<HistoryRow>,
    header: &Arc<ExecutionHeader>,
) -> Result<Vec<HistoryRecord>, CorruptHistory> {
    // A collected `Result` does not know how much will come, and grows again and again.
    let mut records = Vec::with_capacity(rows.len());
    let mut reader = EventReader::default();
    for row in rows {
        let kind = reader.read(row.event, header)?;
        records.push(HistoryRecord { turn: row.turn, turn_time: row.turn_time, time: row.time, kind });
    }
    Ok(records)
}
