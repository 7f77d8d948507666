//! Describing a set of starters.

use std::fmt;
use std::sync::Arc;

use durable_core::BoxFuture;
use durable_core::activity::{StateKey, StateMap};
use http::Method;

use super::context::RequestContext;
use super::definition::{Answer, HttpStarter, StarterItem};
use super::route::Route;
use super::starters_error::{Mistake, StartersError};
use super::table::Table;
use super::trigger;
use crate::serve::AsClient;

/// Runs a starter.
pub(super) type Handler = Arc<dyn Fn(RequestContext) -> BoxFuture<'static, Answer> + Send + Sync>;

/// One starter of a set, whose route is not read yet.
#[derive(Clone)]
pub(super) struct Described {
    pub(super) name: String,
    pub(super) route: String,
    pub(super) methods: Vec<String>,
    pub(super) state: Vec<StateKey>,
    pub(super) handler: Handler,
}

/// One starter of a set that is built.
pub(super) struct Ready {
    pub(super) name: String,
    pub(super) methods: Vec<Method>,
    pub(super) route: Arc<Route>,
    pub(super) handler: Handler,
    /// The route as it is written.
    pub(super) written: String,
    /// What its set was given for all of its starters.
    pub(super) state: StateMap,
    pub(super) anonymous: bool,
}

/// A set of HTTP starters, made of functions annotated with `#[http_starter]` and of orchestrators with the option `http`.
/// Cloning is cheap.
///
/// They become a part of a service with [`DurableService::starters`](crate::DurableService::starters), which reports all
/// mistakes together.
///
/// ```
/// use durable_core::prelude::*;
/// use durable_http::{DurableService, Json, Starters, http_starter};
///
/// #[http_starter(route = "double/{number}", methods("GET"))]
/// async fn double(number: u32) -> Json<u64> {
///     Json(2 * u64::from(number))
/// }
///
/// # fn doc(client: Client) -> Result<(), durable_http::StartersError> {
/// let starters = Starters::new().starter(double);
/// let service = DurableService::new(client).starters(starters)?; // answers GET /api/double/21
/// # let _ = service; Ok(()) }
/// ```
#[derive(Clone)]
#[must_use = "starters answer nothing before they are part of a server"]
pub struct Starters {
    state: StateMap,
    starters: Vec<Described>,
    anonymous: bool,
    mistakes: Vec<Mistake>,
}

impl Starters {
    /// An empty set.
    pub fn new() -> Self {
        Self { state: StateMap::default(), starters: Vec::new(), anonymous: false, mistakes: Vec::new() }
    }

    /// Adds a function annotated with `#[http_starter]`.
    pub fn starter<M, F: StarterItem<M>>(mut self, _starter: F) -> Self {
        self.starters.push(Described {
            name: F::Starter::NAME.to_owned(),
            route: F::Starter::ROUTE.to_owned(),
            methods: F::Starter::METHODS.iter().map(|method| (*method).to_owned()).collect(),
            state: F::Starter::required_state(),
            handler: Arc::new(F::Starter::call),
        });
        self
    }

    /// Adds a starter for every orchestrator of this hub that has one: `#[orchestrator(http = "POST hello/{id?}")]`.
    ///
    /// The body of a request is the input, and is checked before anything is started; an empty body is `null`. The parameter
    /// `id` is the id of the new instance. With `timeout`, in seconds, the request waits for the end of the instance, and
    /// an `interval` that is longer, 1 second unless given, is refused. The answer is that of
    /// [`wait_for_completion_or_create_check_status_response`](crate::DurableClientHttpExt::wait_for_completion_or_create_check_status_response).
    pub fn starters_of<S: AsClient + ?Sized>(mut self, hub: &S) -> Self {
        self.starters.extend(hub.http_triggers().iter().map(trigger::described));
        self
    }

    /// Lets everybody call these starters, also where the service asks for keys. Links in the answer to a caller without a key
    /// are [signed](crate::DurableService::signed_links), for a day unless another time is set: they are good for what was
    /// started, and do not show the key.
    pub fn anonymous(mut self) -> Self {
        self.anonymous = true;
        self
    }

    /// Gives starters a value that they take as a `State<T>` argument. A set holds one value of each type.
    pub fn state<T: Clone + Send + Sync + 'static>(mut self, value: T) -> Self {
        if !self.state.insert(value) {
            self.mistakes.push(Mistake::TwoStates { name: std::any::type_name::<T>() });
        }
        self
    }

    /// Checks the set together with the starters that are there already: every mistake is reported.
    pub(crate) fn check(self, others: Option<&Table>) -> Result<Table, StartersError> {
        let Self { state, starters, anonymous, mut mistakes } = self;
        let mut ready: Vec<Arc<Ready>> = others.map(Table::all).unwrap_or_default();
        for starter in starters {
            let missing = starter.state.iter().filter(|key| !state.contains(**key));
            mistakes.extend(missing.map(|key| Mistake::MissingState { starter: starter.name.clone(), key: *key }));
            match Ready::new(starter, state.clone(), anonymous) {
                Ok(starter) => {
                    mistakes.extend(ready.iter().filter_map(|other| other.ambiguous_with(&starter)));
                    ready.push(Arc::new(starter));
                }
                Err(mistake) => mistakes.push(mistake),
            }
        }
        if mistakes.is_empty() { Ok(Table::new(ready)) } else { Err(StartersError::new(mistakes)) }
    }
}

impl Default for Starters {
    fn default() -> Self {
        Self::new()
    }
}

impl Ready {
    fn new(starter: Described, state: StateMap, anonymous: bool) -> Result<Self, Mistake> {
        let Described { name, route: written, methods, handler, .. } = starter;
        let problem = |problem: String| Mistake::Route { starter: name.clone(), problem };
        let route = Arc::new(Route::parse(&written).map_err(problem)?);
        let methods: Result<_, _> = methods.iter().map(|method| method.parse::<Method>()).collect();
        let methods = methods.map_err(|error| problem(error.to_string()))?;
        Ok(Self { name, methods, route, handler, written, state, anonymous })
    }

    fn ambiguous_with(&self, other: &Self) -> Option<Mistake> {
        let method = self.methods.iter().find(|method| other.methods.contains(method))?;
        self.route.is_ambiguous_with(&other.route).then(|| Mistake::Ambiguous {
            method: method.to_string(),
            names: [self.name.clone(), other.name.clone()],
            routes: [self.written.clone(), other.written.clone()],
        })
    }
}

impl fmt::Debug for Starters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.starters.iter().map(|starter| &starter.name).collect();
        f.debug_struct("Starters").field("starters", &names).field("mistakes", &self.mistakes).finish_non_exhaustive()
    }
}
