//! A saga: when a step fails for good, the steps before it are undone, in reverse order. The error keeps its type.
//!
//! Run with `cargo run -p examples --bin saga`.

#![expect(clippy::print_stdout, reason = "an example prints what it does")]

use std::time::Duration;

use durable_core::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, thiserror::Error, Failure)]
enum BookingError {
    #[error("the flight to {city} is full")]
    #[failure(non_retriable)]
    Full { city: String },
    #[error("the airline does not answer")]
    Busy,
}

#[activity]
async fn book_hotel(city: String) -> String {
    format!("hotel in {city}")
}

#[activity]
async fn cancel_hotel(_booking: String) {}

#[activity]
async fn book_flight(ctx: ActivityContext, city: String) -> Result<String, BookingError> {
    match ctx.attempt() {
        1 => Err(BookingError::Busy),
        _ if city == "Atlantis" => Err(BookingError::Full { city }),
        attempt => Ok(format!("flight to {city} (attempt {attempt})")),
    }
}

#[orchestrator]
async fn trip(ctx: OrchestrationContext, city: String) -> Result<Vec<String>, OrchestratorError> {
    let hotel = ctx.call_activity(book_hotel, city.clone()).await?;
    // A busy airline is asked again. A full flight is not: that error is not retriable.
    let policy = RetryPolicy::exponential(3, Duration::from_millis(50));
    match ctx.call_activity(book_flight, city).retry(policy).await {
        Ok(flight) => Ok(vec![hotel, flight]),
        Err(error) => {
            ctx.call_activity(cancel_hotel, hotel).await?;
            Err(error)
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let hub = TaskHub::builder().backend(Sqlite::open("saga.db")?).orchestrator(trip);
    let hub = hub.activity(book_hotel).activity(cancel_hotel).activity(book_flight).start().await?;
    for city in ["Lisbon", "Atlantis"] {
        match hub.client().start(trip, city.to_owned()).await?.output().await {
            Ok(bookings) => println!("{city}: {}", bookings.join(", ")),
            Err(error) => match error.downcast()? {
                BookingError::Full { city } => println!("{city}: no seats; the hotel is cancelled"),
                BookingError::Busy => println!("{city}: nobody answers; the hotel is cancelled"),
            },
        }
    }
    hub.shutdown().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use durable_testing::World;

    #[test]
    fn a_full_flight_cancels_the_hotel() {
        let world = World::builder().orchestrator(trip).activity(book_hotel).activity(book_flight).build();
        world.mock(cancel_hotel).returns(());
        let failure = world.start(trip, "Atlantis".to_owned()).failure();
        assert_eq!(format!("{failure:#}"), "activity 'book_flight' failed: the flight to Atlantis is full");
        world.mock(cancel_hotel).assert_called_once_with("hotel in Atlantis".to_owned());
    }

    #[test]
    fn a_busy_airline_is_asked_again() {
        let world = World::builder().orchestrator(trip).activity(book_hotel).build();
        world.mock(book_flight).fails_times(2, BookingError::Busy).returns("a flight".to_owned());
        assert_eq!(world.start(trip, "Lisbon".to_owned()).output(), ["hotel in Lisbon", "a flight"]);
        world.mock(book_flight).assert_called(3);
    }
}
