//! Whether values are read as they were written, in tests: those whose types only the code that handles them knows.

use std::any::type_name;
use std::cell::RefCell;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{EventName, InstanceId, InvalidPayload, Payload};

thread_local! {
    /// What was seen on this thread; `None` where nobody watches.
    static SEEN: RefCell<Option<Vec<Seen>>> = const { RefCell::new(None) };
}

/// A value that went by.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Seen {
    /// An orchestration has sent an event with a payload of this type.
    Sent {
        /// The event.
        name: EventName,
        /// The name of the type.
        type_name: &'static str,
    },
    /// An orchestration has read the payload of an event as a value of this type.
    Received {
        /// The instance.
        instance: InstanceId,
        /// The event.
        name: EventName,
        /// The name of the type.
        type_name: &'static str,
        /// The payload.
        before: Payload,
        /// What the value is when it is written again; why that is not possible.
        after: Result<Payload, String>,
    },
    /// A [`Failure`](trait@crate::failure::Failure) was written.
    Failure {
        /// Its type and its tag.
        error_type: String,
        /// Its data; `null` where it has no JSON form.
        before: Payload,
        /// What they are when they are read and written again; why that is not possible.
        after: Result<Payload, String>,
    },
}

/// Looks at the values that go by on this thread, as long as `run` takes.
pub fn watched<T>(run: impl FnOnce() -> T) -> T {
    /// Puts back what was there, also when `run` panics.
    struct Restore(Option<Vec<Seen>>);
    impl Drop for Restore {
        fn drop(&mut self) {
            let before = self.0.take();
            let _ = SEEN.try_with(|seen| seen.replace(before));
        }
    }
    let _restore = Restore(SEEN.replace(Some(Vec::new())));
    run()
}

/// What was seen since the last call.
#[must_use]
pub fn take() -> Vec<Seen> {
    SEEN.with_borrow_mut(|seen| seen.as_mut().map(std::mem::take)).unwrap_or_default()
}

fn note(seen: impl FnOnce() -> Seen) {
    if SEEN.with_borrow(Option::is_some) {
        // Code of the user runs here, which may be seen itself.
        let new = seen();
        SEEN.with_borrow_mut(|seen| seen.iter_mut().for_each(|seen| seen.push(new.clone())));
    }
}

pub(crate) fn sent<T: ?Sized>(name: &EventName) {
    note(|| Seen::Sent { name: name.clone(), type_name: type_name::<T>() });
}

pub(crate) fn received<T: Serialize + DeserializeOwned>(instance: &InstanceId, name: &EventName, payload: &Payload) {
    note(|| Seen::Received {
        instance: instance.clone(),
        name: name.clone(),
        type_name: type_name::<T>(),
        before: payload.clone(),
        after: again::<T>(payload),
    });
}

pub(crate) fn failure<T: Serialize + DeserializeOwned>(error_type: &str, data: &Result<Payload, InvalidPayload>) {
    note(|| Seen::Failure {
        error_type: error_type.to_owned(),
        before: data.as_ref().map_or_else(|_| Payload::null(), Clone::clone),
        after: data.as_ref().map_err(|error| format!("it has no JSON form, {error}")).and_then(|data| again::<T>(data)),
    });
}

fn again<T: Serialize + DeserializeOwned>(payload: &Payload) -> Result<Payload, String> {
    let value: T = payload.decode().map_err(|error| format!("it cannot be read, {error}"))?;
    Payload::encode(&value).map_err(|error| format!("it has no JSON form, {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_seen_only_where_somebody_watches() {
        let name = EventName::new("Go").unwrap();
        sent::<str>(&name);
        assert!(take().is_empty());
        let seen = watched(|| {
            sent::<str>(&name);
            watched(|| sent::<u64>(&name));
            take()
        });
        assert!(matches!(&seen[..], [Seen::Sent { type_name: "str", .. }]), "{seen:?}");
        sent::<str>(&name);
        assert!(take().is_empty());
    }

    #[test]
    fn what_cannot_be_written_or_read_is_said() {
        let seen = watched(|| {
            failure::<u8>("E::A", &Ok(Payload::from_json("300").unwrap()));
            failure::<u8>("E::A", &Ok(Payload::from_json("3").unwrap()));
            take()
        });
        let [Seen::Failure { after: Err(why), .. }, Seen::Failure { after: Ok(again), .. }] = &seen[..] else {
            panic!("{seen:?}")
        };
        assert!(why.starts_with("it cannot be read, "), "{why}");
        assert_eq!(again.as_str(), "3");
    }
}
