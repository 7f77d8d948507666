//! The time of the server, by which leases end and timers come due.

/// The time at which the server began with the statement, in ticks. It stands still within the statement, so that indexes can
/// be searched with it.
macro_rules! now {
    () => {
        "(extract(epoch FROM statement_timestamp()) * 10000000)::bigint"
    };
}
pub(super) use now;
