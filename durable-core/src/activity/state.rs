//! Shared state that activities reach: connection pools, clients, configuration.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// An activity argument that receives state given to the hub with `.state(value)`.
///
/// ```
/// use durable_core::prelude::*;
///
/// #[derive(Clone)]
/// struct Greeting(&'static str);
///
/// #[activity]
/// async fn greet(State(greeting): State<Greeting>, name: String) -> String {
///     format!("{} {name}!", greeting.0)
/// }
/// ```
///
/// The value is cloned for each call, so share what is expensive behind an `Arc`. A hub whose activities ask for a type
/// that it was not given does not start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State<T>(pub T);

/// The type of a piece of state, with its name for error messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateKey {
    id: TypeId,
    name: &'static str,
}

impl StateKey {
    /// The key of `T`.
    #[must_use]
    pub fn of<T: Clone + Send + Sync + 'static>() -> Self {
        Self { id: TypeId::of::<T>(), name: std::any::type_name::<T>() }
    }

    /// The name of the type.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        self.name
    }
}

/// The state of a hub: at most one value of each type. Cloning is cheap, since every call of an activity gets a clone.
#[derive(Clone, Default)]
pub struct StateMap {
    values: Arc<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>,
}

impl StateMap {
    /// Adds a value; false when there is already one of the type.
    pub fn insert<T: Clone + Send + Sync + 'static>(&mut self, value: T) -> bool {
        Arc::make_mut(&mut self.values).insert(TypeId::of::<T>(), Arc::new(value)).is_none()
    }

    /// A clone of the value of type `T`.
    #[must_use]
    pub fn get<T: Clone + Send + Sync + 'static>(&self) -> Option<T> {
        self.values.get(&TypeId::of::<T>())?.downcast_ref().cloned()
    }

    /// True when there is a value for `key`.
    #[must_use]
    pub fn contains(&self, key: StateKey) -> bool {
        self.values.contains_key(&key.id)
    }
}

impl fmt::Debug for StateMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StateMap").field("values", &self.values.len()).finish()
    }
}

/// An activity asked its context for state that the hub was not given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the hub has no state of type `{type_name}`: add `.state(value)` to its builder, and `state({type_name})` to the activity so that this is checked at start-up"
)]
pub struct MissingState {
    pub(crate) type_name: &'static str,
}
