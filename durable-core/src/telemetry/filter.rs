//! The filter for `tracing-subscriber`.

use tracing::subscriber::Interest;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, Filter};

use crate::replay::is_replaying_here;

/// Drops the events and spans that an orchestrator's code makes while it is replayed.
///
/// Everything else passes: what live code does, what activities do, and whatever else the program logs. The filter looks
/// neither at levels nor at targets, so that other filters keep their say.
///
/// As a layer it works for the whole subscriber. Put it first: what another filter refuses for good then never reaches it.
///
/// ```
/// use durable_core::telemetry::ReplayFilter;
/// use tracing_subscriber::prelude::*;
///
/// tracing_subscriber::registry().with(ReplayFilter::new()).with(tracing_subscriber::fmt::layer()).init();
/// ```
///
/// As the filter of one layer it leaves the others alone, for instance one that shows replays:
///
/// ```
/// use durable_core::telemetry::ReplayFilter;
/// use tracing_subscriber::{fmt, prelude::*};
///
/// let replays = fmt::layer().with_writer(std::io::stderr);
/// tracing_subscriber::registry().with(replays).with(fmt::layer().with_filter(ReplayFilter::new())).init();
/// ```
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct ReplayFilter;

impl ReplayFilter {
    /// The filter. It has no options.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

// The answer changes from poll to poll, so `tracing` must not remember it for a place in the code: it is `sometimes`. It
// depends on nothing that an event holds, so `event_enabled` has nothing to add. There is no hint about levels.

impl<S: Subscriber> Layer<S> for ReplayFilter {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, _: &Metadata<'_>, _: Context<'_, S>) -> bool {
        !is_replaying_here()
    }
}

impl<S> Filter<S> for ReplayFilter {
    fn callsite_enabled(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        !is_replaying_here()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing_subscriber::filter::LevelFilter;
    use tracing_subscriber::prelude::*;
    use tracing_subscriber::registry;

    #[test]
    fn hints_about_levels_are_those_of_others() {
        let hint = |subscriber: &dyn Subscriber| subscriber.max_level_hint();
        assert_eq!(hint(&registry().with(ReplayFilter::new())), None);
        assert_eq!(hint(&registry().with(ReplayFilter::new()).with(LevelFilter::INFO)), Some(LevelFilter::INFO));
        assert_eq!(hint(&registry().with(LevelFilter::INFO).with(ReplayFilter::new())), Some(LevelFilter::INFO));
        let filtered = tracing_subscriber::fmt::layer().with_filter(ReplayFilter::new());
        assert_eq!(hint(&registry().with(LevelFilter::INFO).with(filtered)), Some(LevelFilter::INFO));
    }

    #[test]
    fn only_what_another_filter_refuses_for_good_is_not_asked_again() {
        let span = || tracing::trace_span!("a place in the code").metadata();
        let place = tracing::subscriber::with_default(registry(), span).unwrap();
        let interest = |subscriber: &dyn Subscriber| subscriber.register_callsite(place);
        assert!(interest(&registry().with(ReplayFilter::new())).is_sometimes());
        assert!(interest(&registry().with(ReplayFilter::new()).with(LevelFilter::TRACE)).is_sometimes());
        assert!(interest(&registry().with(ReplayFilter::new()).with(LevelFilter::INFO)).is_never());
        let filtered = tracing_subscriber::fmt::layer().with_filter(ReplayFilter::new());
        assert!(interest(&registry().with(filtered)).is_sometimes());
    }
}
