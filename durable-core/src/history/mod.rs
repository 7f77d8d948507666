//! The history of an execution: what happened, in the vocabulary of Durable Functions.

mod action;
mod codec;
mod event;
mod header;
mod json;
mod project;
mod scratch;
mod timer;

pub use self::action::{Action, ChildStart, Completion, Continuation, TaskOptions};
pub(crate) use self::codec::EventReader;
pub use self::codec::{CorruptHistory, StoredEvent, decode_event, encode_event};
pub use self::event::{EventKind, HistoryEvent, HistoryRecord};
pub use self::header::{ExecutionHeader, ParentInstance};
pub use self::project::{project, records_of};
