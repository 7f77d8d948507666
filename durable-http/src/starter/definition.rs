//! What `#[http_starter]` leaves behind, as a trait.

use durable_core::BoxFuture;
use durable_core::activity::StateKey;
use http::Response;

use super::context::RequestContext;
use super::error::HttpError;
use super::extract::FromHttpRequest;
use super::respond::IntoHttpResponse;
use crate::body::Body;

/// What a starter answers.
pub type Answer = Result<Response<Body>, HttpError>;

/// A starter's name, route and body. `#[http_starter]` implements it on the future that the annotated function returns.
pub trait HttpStarter: Send + 'static {
    /// The name of the function.
    const NAME: &'static str;
    /// The route behind the prefix.
    const ROUTE: &'static str;
    /// The verbs, in capitals.
    const METHODS: &'static [&'static str];

    /// The shared state that it needs, checked when the set of starters is built.
    #[must_use]
    fn required_state() -> Vec<StateKey>;

    /// Makes the arguments and calls the function.
    fn call(context: RequestContext) -> BoxFuture<'static, Answer>;
}

/// A function annotated with `#[http_starter]`, whatever its arguments.
///
/// `M` is inferred; it keeps the implementations for different numbers of arguments apart.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an HTTP starter",
    label = "expected a function annotated with `#[http_starter]`"
)]
pub trait StarterItem<M> {
    /// What the annotation generated.
    type Starter: HttpStarter;
}

macro_rules! items {
    ($($arg:ident)*) => {
        impl<F, R, $($arg),*> StarterItem<fn($($arg),*) -> R> for F
        where
            F: Fn($($arg),*) -> R,
            R: HttpStarter,
        {
            type Starter = R;
        }
    };
}
items!();
items!(A);
items!(A B);
items!(A B C);
items!(A B C D);
items!(A B C D E);
items!(A B C D E G);
items!(A B C D E G H);
items!(A B C D E G H I);
items!(A B C D E G H I J);
items!(A B C D E G H I J K);
items!(A B C D E G H I J K L);
items!(A B C D E G H I J K L N);

/// How an argument that is no parameter is made.
#[derive(Debug)]
pub struct Extractor<T> {
    /// The state that it needs.
    pub state: fn() -> Option<StateKey>,
    /// Makes it.
    pub extract: fn(&RequestContext) -> Result<T, HttpError>,
}

/// How a `T` is made. There is one function for both parts, so that a type that is none is reported once.
#[must_use]
pub fn extractor<T: FromHttpRequest>() -> Extractor<T> {
    Extractor { state: T::required_state, extract: T::from_http_request }
}

/// An answer that is there without calling the function.
#[must_use]
pub fn refuse(error: HttpError) -> BoxFuture<'static, Answer> {
    Box::pin(std::future::ready(Err(error)))
}

/// The answer of what a function returned.
///
/// # Errors
///
/// What is answered instead.
pub fn respond<R: IntoHttpResponse>(returned: R) -> Answer {
    returned.into_http_response()
}
