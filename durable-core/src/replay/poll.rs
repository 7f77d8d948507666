//! Polling the code and its drivers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Poll};

use super::executor::{Ended, Executor};
use super::fault::{ForeignAwait, ReplayFault};
use super::leaf::{DriverId, Waiter};
use super::state::{Phase, State};
use crate::history::{Completion, Continuation};
use crate::model::FailureDetails;

/// How often the code may wake itself in a row without a durable call. `FuturesUnordered` and `join_all` yield to be
/// fair, far less often than this.
const MAX_IDLE_POLLS: u32 = 10_000;

/// What a poll of the code or of a driver has changed.
struct Polled {
    /// Grows with everything durable that was done.
    calls: u64,
    is_over: bool,
}

impl Executor {
    /// Polls the drivers and the code until all are done, or pending with no wake outstanding.
    pub(super) fn run_code(&mut self) -> Result<(), ReplayFault> {
        let mut idle_polls = 0;
        let mut calls = None;
        loop {
            // Drivers go first: what they decide must not depend on what the code does with the same event.
            let polled = if let Some(driver) = self.root_waker.take_driver() {
                self.poll_driver(driver)?
            } else if self.root_waker.take_woken() {
                self.poll_code()
            } else {
                return self.check_await(&self.handle.shared.state.lock(), Waiter::Code);
            };
            if polled.is_over {
                self.tear_down();
                return Ok(());
            }
            idle_polls = if calls == Some(polled.calls) { idle_polls + 1 } else { 0 };
            calls = Some(polled.calls);
            if idle_polls > MAX_IDLE_POLLS {
                return Err(ForeignAwait::Spinning.into());
            }
        }
    }

    /// Finds out whether something durable will ever continue what is pending.
    fn check_await(&self, state: &State, waiter: Waiter) -> Result<(), ReplayFault> {
        let is_running = match waiter {
            Waiter::Code => self.root.is_some(),
            Waiter::Driver(driver) => !self.root_waker.is_awake(driver),
        };
        // A timer that there was no room for never fires, but the instance ends with this turn.
        if is_running && state.overflow.is_none() && state.awaited_by(waiter) == 0 {
            return Err(ForeignAwait::NothingDurable.into());
        }
        Ok(())
    }

    fn polled(&self, state: &State) -> Polled {
        Polled { calls: state.calls(), is_over: self.completion.is_some() || state.overflow.is_some() }
    }

    fn poll_code(&mut self) -> Polled {
        self.handle.shared.state.lock().enter(Waiter::Code);
        let mut context = Context::from_waker(&self.waker);
        let polled = match &mut self.root {
            Some(root) => catch_unwind(AssertUnwindSafe(|| root.as_mut().poll(&mut context))),
            None => Ok(Poll::Pending),
        };
        let mut state = self.handle.shared.state.lock();
        state.phase = Phase::Parked;
        self.completion = match polled {
            Ok(Poll::Pending) => None,
            Ok(Poll::Ready(Ok(Ended::Output(output)))) => Some(Completion::Completed(output)),
            Ok(Poll::Ready(Ok(Ended::ContinueAsNew { input, version, keeps_events }))) => {
                self.keeps_events = keeps_events;
                let carried = if keeps_events { state.take_unread() } else { Vec::new() };
                Some(Completion::ContinuedAsNew(Box::new(Continuation { input, version, carried })))
            }
            Ok(Poll::Ready(Err(failure))) => Some(Completion::Failed(failure)),
            Err(panic) => {
                drop(state);
                let failure = FailureDetails::from_panic(panic);
                state = self.handle.shared.state.lock();
                Some(Completion::Failed(failure))
            }
        };
        self.polled(&state)
    }

    fn poll_driver(&self, driver: DriverId) -> Result<Polled, ReplayFault> {
        let waiter = Waiter::Driver(driver);
        let mut turn = {
            let mut state = self.handle.shared.state.lock();
            let Some(turn) = state.drivers.begin(driver) else { return Ok(self.polled(&state)) };
            state.enter(waiter);
            turn
        };
        let polled =
            catch_unwind(AssertUnwindSafe(|| turn.future.as_mut().poll(&mut Context::from_waker(&turn.waker))));
        let result = match polled {
            Ok(Poll::Pending) => None,
            Ok(Poll::Ready(result)) => Some(result),
            Err(panic) => Some(Err(Box::new(FailureDetails::from_panic(panic)))),
        };
        let is_done = result.is_some();
        let (wake, gone) = {
            let mut state = self.handle.shared.state.lock();
            if turn.is_new {
                state.note_call();
            }
            match result {
                Some(result) => (state.finish_driver(driver, result), Some(turn.future)),
                None => (None, state.drivers.park(driver, turn.future)),
            }
        };
        // What goes with a driver goes because the code, or its end, wants it so: it counts.
        let is_gone = gone.is_some();
        let _ = catch_unwind(AssertUnwindSafe(|| drop(gone)));
        let mut state = self.handle.shared.state.lock();
        state.phase = Phase::Parked;
        if !is_done && !is_gone {
            self.check_await(&state, waiter)?;
        }
        let polled = self.polled(&state);
        drop(state);
        if let Some(waker) = wake {
            waker.wake();
        }
        Ok(polled)
    }
}
