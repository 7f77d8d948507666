//! The history of an execution: what happened, in the vocabulary of Durable Functions.

mod action;
mod codec;
mod event;
mod project;

pub use self::action::{Action, Completion};
pub use self::codec::{CorruptHistory, ExecutionHeader, StoredEvent, decode_event, encode_event};
pub use self::event::{EventKind, HistoryEvent, HistoryRecord};
pub use self::project::project;
