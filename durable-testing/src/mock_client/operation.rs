//! The kinds of calls, as types: they say which conditions and answers an expectation can have.

use durable_core::client::{InstanceCount, InstancePage, InstanceStatus, PendingActivity, PurgePage};
use durable_core::history::HistoryEvent;
use durable_core::model::InstanceId;

/// A kind of call.
pub trait Operation: sealed::Sealed + 'static {
    /// What a call that succeeds gives.
    type Answer: Clone + Send + 'static;
    /// The name of the method of [`DurableClient`](durable_core::client::DurableClient).
    const NAME: &'static str;
}

/// A call that is made for a reason.
pub trait Reasoned: Operation {}

/// A call that can include the orchestrations below an instance.
pub trait Recursive: Operation {}

/// A call with a query.
pub trait Queried: Operation {}

mod sealed {
    pub trait Sealed {}
}

macro_rules! operations {
    ($($operation:ident: $name:literal -> $answer:ty $(, $kind:ident)*;)*) => {$(
        #[doc = concat!("`", $name, "`")]
        #[derive(Debug, Clone, Copy)]
        pub enum $operation {}

        impl sealed::Sealed for $operation {}

        impl Operation for $operation {
            type Answer = $answer;
            const NAME: &'static str = $name;
        }

        $(impl $kind for $operation {})*
    )*};
}

operations! {
    Start: "start" -> InstanceId;
    Status: "status" -> Option<InstanceStatus>;
    Wait: "wait" -> Option<InstanceStatus>;
    RaiseEvent: "raise_event" -> ();
    Terminate: "terminate" -> (), Reasoned, Recursive;
    Suspend: "suspend" -> (), Reasoned, Recursive;
    Resume: "resume" -> (), Reasoned, Recursive;
    Rewind: "rewind" -> (), Reasoned;
    Restart: "restart" -> InstanceId;
    Purge: "purge" -> u64, Recursive;
    PurgeMany: "purge_page" -> PurgePage, Queried;
    List: "list" -> InstancePage, Queried;
    Count: "count" -> Vec<InstanceCount>, Queried;
    Activities: "activities" -> Option<Vec<PendingActivity>>;
    History: "history" -> Option<Vec<HistoryEvent>>;
}
