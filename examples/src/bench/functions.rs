//! What the benchmarks run: as little as possible, so that what is measured is the engine.

use std::sync::Arc;
use std::time::Instant;

use durable_core::hub::TaskHubBuilder;
use durable_core::prelude::*;
use parking_lot::Mutex;

use super::usage::Usage;

/// An activity that does nothing.
#[activity]
pub(super) async fn no_op() {}

/// Calls an activity after the other.
#[orchestrator]
pub(super) async fn sequence(ctx: OrchestrationContext, steps: u32) -> Result<(), OrchestratorError> {
    for _ in 0..steps {
        ctx.call_activity(no_op, ()).await?;
    }
    Ok(())
}

/// Calls all activities at once.
#[orchestrator]
pub(super) async fn fan_out(ctx: OrchestrationContext, width: u32) -> Result<usize, OrchestratorError> {
    let calls = (0..width).map(|_| ctx.call_activity(no_op, ()));
    Ok(when_all(calls).await?.len())
}

/// When the steps of a long sequence ran, and what the process had used at its tenths.
#[derive(Debug, Default)]
pub(super) struct Marks {
    pub(super) steps: Vec<Instant>,
    pub(super) tenths: Vec<Usage>,
}

/// The marks of the sequence that runs.
pub(super) type SharedMarks = Arc<Mutex<Marks>>;

/// The first argument is the number of the step, the second how many steps a tenth has.
#[activity]
async fn marked_step(State(marks): State<SharedMarks>, (step, tenth): (u32, u32)) {
    let mut marks = marks.lock();
    marks.steps.push(Instant::now());
    if step % tenth == 0 {
        marks.tenths.push(Usage::now());
    }
}

/// A sequence that leaves marks, and then waits to be told to end.
#[orchestrator]
pub(super) async fn long_sequence(ctx: OrchestrationContext, steps: u32) -> Result<(), OrchestratorError> {
    let tenth = (steps / 10).max(1);
    for step in 0..steps {
        ctx.call_activity(marked_step, (step, tenth)).await?;
    }
    ctx.wait_for_external_event::<()>("End").await
}

/// Waits for an event.
#[orchestrator]
pub(super) async fn wait_for_event(ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
    ctx.wait_for_external_event::<()>("End").await
}

/// Waits until a time, and returns it.
#[orchestrator]
pub(super) async fn wait_until(ctx: OrchestrationContext, time: Timestamp) -> Timestamp {
    ctx.create_timer_at(time).await;
    time
}

/// Adds all of them.
pub(super) fn functions(hub: TaskHubBuilder, marks: SharedMarks) -> TaskHubBuilder {
    hub.orchestrator(sequence)
        .orchestrator(fan_out)
        .orchestrator(long_sequence)
        .orchestrator(wait_for_event)
        .orchestrator(wait_until)
        .activity(no_op)
        .activity(marked_step)
        .state(marks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use durable_testing::Script;

    #[test]
    fn a_sequence_has_one_open_call_at_a_time() {
        let mut script = Script::new(sequence, 2);
        assert_eq!(script.calls(), ["#0 no_op null"]);
        script.complete(0, ());
        assert_eq!(script.calls(), ["#1 no_op null"]);
        script.complete(1, ());
        assert_eq!(script.output(), Some(serde_json::Value::Null));
    }

    #[test]
    fn a_fan_out_has_all() {
        let mut script = Script::new(fan_out, 3);
        assert_eq!(script.calls().len(), 3);
        (0..3).for_each(|call| script.complete(call, ()));
        assert_eq!(script.output(), Some(3.into()));
    }
}
