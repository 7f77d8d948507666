//! Polling the code and its drivers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Poll};

use super::executor::{Ended, Executor};
use super::fault::{ForeignAwait, ReplayFault};
use super::leaf::{DriverId, Waiter};
use super::state::Phase;
use super::thread::ThreadMark;
use crate::history::{Completion, Continuation};
use crate::model::FailureDetails;

/// How often the code may wake itself in a row without a durable call. `FuturesUnordered` and `join_all` yield to be
/// fair, far less often than this.
const MAX_IDLE_POLLS: u32 = 10_000;

impl Executor {
    /// Polls the drivers and the code until all are done, or pending with no wake outstanding.
    pub(super) fn run_code(&mut self) -> Result<(), ReplayFault> {
        let mut idle_polls = 0;
        let mut calls = None;
        loop {
            // Drivers go first: what they decide must not depend on what the code does with the same event.
            if let Some(driver) = self.root_waker.take_driver() {
                self.poll_driver(driver)?;
            } else if self.root_waker.take_woken() {
                self.completion = self.poll_code();
            } else {
                return self.check_await(Waiter::Code);
            }
            let state = self.handle.shared.state.lock();
            let is_over = self.completion.is_some() || state.overflow.is_some();
            let calls_now = Some(state.calls());
            drop(state);
            if is_over {
                self.tear_down();
                return Ok(());
            }
            idle_polls = if calls_now == calls { idle_polls + 1 } else { 0 };
            calls = calls_now;
            if idle_polls > MAX_IDLE_POLLS {
                return Err(ForeignAwait::Spinning.into());
            }
        }
    }

    /// Finds out whether something durable will ever continue what is pending.
    fn check_await(&self, waiter: Waiter) -> Result<(), ReplayFault> {
        let is_running = match waiter {
            Waiter::Code => self.root.is_some(),
            Waiter::Driver(driver) => !self.root_waker.is_awake(driver),
        };
        let state = self.handle.shared.state.lock();
        // A timer that there was no room for never fires, but the instance ends with this turn.
        if is_running && state.overflow.is_none() && state.awaited_by(waiter) == 0 {
            return Err(ForeignAwait::NothingDurable.into());
        }
        Ok(())
    }

    fn enter(&self, waiter: Waiter) {
        let mut state = self.handle.shared.state.lock();
        state.phase = Phase::Running(ThreadMark::here());
        state.running = waiter;
    }

    fn poll_code(&mut self) -> Option<Completion> {
        self.root.as_ref()?;
        self.enter(Waiter::Code);
        let root = self.root.as_mut()?;
        let polled = catch_unwind(AssertUnwindSafe(|| root.as_mut().poll(&mut Context::from_waker(&self.waker))));
        let mut state = self.handle.shared.state.lock();
        state.phase = Phase::Parked;
        match polled {
            Ok(Poll::Pending) => None,
            Ok(Poll::Ready(Ok(Ended::Output(output)))) => Some(Completion::Completed(output)),
            Ok(Poll::Ready(Ok(Ended::ContinueAsNew { input, version, keeps_events }))) => {
                self.keeps_events = keeps_events;
                let carried = if keeps_events { state.take_unread() } else { Vec::new() };
                Some(Completion::ContinuedAsNew(Box::new(Continuation { input, version, carried })))
            }
            Ok(Poll::Ready(Err(failure))) => Some(Completion::Failed(failure)),
            Err(panic) => Some(Completion::Failed(FailureDetails::from_panic(panic))),
        }
    }

    fn poll_driver(&self, driver: DriverId) -> Result<(), ReplayFault> {
        let waiter = Waiter::Driver(driver);
        let turn = self.handle.shared.state.lock().drivers.begin(driver);
        let Some(mut turn) = turn else { return Ok(()) };
        self.enter(waiter);
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
        self.handle.shared.state.lock().phase = Phase::Parked;
        if let Some(waker) = wake {
            waker.wake();
        }
        if is_done || is_gone { Ok(()) } else { self.check_await(waiter) }
    }
}
