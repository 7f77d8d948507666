//! What happened in a world, over time.

use std::collections::BTreeSet;
use std::fmt;

use durable_core::client::InstanceStatus;
use durable_core::history::{EventKind, HistoryEvent};
use durable_core::model::{RuntimeStatus, TaskId, Timestamp};

use super::World;
use super::executions::Executions;
use super::words::{Numbers, Said, after};

/// How wide the bars are.
const WIDTH: usize = 40;

/// What happened in a world: instances, their calls, timers and events over virtual time. Made by [`World::timeline`].
///
/// As text it has one lane for each instance, call, timer and external event. A bar begins and ends where the lane does; its
/// places are not minutes or hours, but the times at which something happened, in their order. An instance that continues as
/// new has a lane for each of its executions. [`mermaid`](Self::mermaid) draws the same as a sequence diagram.
#[derive(Debug, Clone)]
pub struct Timeline {
    lanes: Vec<Lane>,
    messages: Vec<Message>,
    participants: Vec<String>,
    start: Timestamp,
    now: Timestamp,
}

#[derive(Debug, Clone)]
struct Lane {
    /// Calls stand below their instance.
    is_inner: bool,
    text: String,
    begin: Timestamp,
    /// `None` while it goes on.
    end: Option<Timestamp>,
    outcome: String,
}

/// An arrow of the sequence diagram, between participants by their numbers.
#[derive(Debug, Clone)]
struct Message {
    at: Timestamp,
    from: Option<usize>,
    to: usize,
    arrow: &'static str,
    text: String,
}

impl World {
    /// What has happened so far, as text and as a diagram: all executions of every instance.
    ///
    /// ```
    /// use durable_core::prelude::*;
    /// use durable_testing::World;
    /// use std::time::Duration;
    ///
    /// #[activity]
    /// async fn remind(person: String) -> Result<(), ActivityError> { println!("{person}?"); Ok(()) }
    ///
    /// #[orchestrator]
    /// async fn approval(ctx: OrchestrationContext, person: String) -> Result<(), OrchestratorError> {
    ///     ctx.create_timer(Duration::from_secs(60)).await;
    ///     ctx.call_activity(remind, person).await
    /// }
    ///
    /// let world = World::builder().orchestrator(approval).build();
    /// world.mock(remind).returns(()).takes(Duration::from_secs(5));
    /// world.start_as("a-1", approval, "Ada".to_owned()).run_until_complete().unwrap();
    /// println!("{}", world.timeline());
    /// assert_eq!(
    ///     world.timeline().to_string().lines().nth(2).unwrap(),
    ///     "+0d 00:01:00 .. +0d 00:01:05  |                   =====================|   remind #1 \"Ada\": null"
    /// );
    /// assert!(world.timeline().mermaid().starts_with("sequenceDiagram\n"));
    /// ```
    ///
    /// # Panics
    ///
    /// When the store cannot be read.
    #[must_use]
    #[track_caller]
    pub fn timeline(&self) -> Timeline {
        let mut timeline = Timeline {
            lanes: Vec::new(),
            messages: Vec::new(),
            participants: Vec::new(),
            start: self.0.plan.start,
            now: self.now(),
        };
        let all = Executions::all(&self.0);
        timeline.participants = all.iter().map(|instance| instance.status.instance_id.to_string()).collect();
        for (at, Executions { status, histories, .. }) in all.iter().enumerate() {
            let last = histories.len() - 1;
            for (number, history) in histories.iter().enumerate() {
                timeline.execution(at, status, history, number < last);
            }
        }
        // Each instance's own messages keep their order.
        timeline.messages.sort_by_key(|message| message.at);
        timeline.number_ids();
        timeline
    }
}

impl Timeline {
    fn execution(&mut self, at: usize, status: &InstanceStatus, history: &[HistoryEvent], is_earlier: bool) {
        let is_over = is_earlier || status.runtime_status.is_terminal();
        let result = status.output.as_ref().map(|output| format!(" {output}")).unwrap_or_default();
        let outcome = format!("{}{result}", status.runtime_status);
        let outcome = if is_earlier { RuntimeStatus::ContinuedAsNew.to_string() } else { outcome };
        let input = history.iter().find_map(|event| match &event.kind {
            EventKind::ExecutionStarted(header) => Some(&header.input),
            _ => None,
        });
        self.lanes.push(Lane {
            is_inner: false,
            text: format!("{} ({}) {}", status.instance_id, status.name, input.unwrap_or(&status.input)),
            begin: history.first().map_or(status.created_at, |event| event.timestamp),
            end: is_over.then(|| history.last().map_or(status.last_updated_at, |event| event.timestamp)),
            outcome,
        });
        for event in history {
            self.lane(event, history, is_over);
            self.message(at, event, history);
        }
    }

    /// The lane of a call, a timer or an event.
    fn lane(&mut self, event: &HistoryEvent, history: &[HistoryEvent], is_over: bool) {
        let said = Said::by(event, history);
        let subject = said.subject.unwrap_or_default();
        let payload = said.payload.map(|payload| format!(" {payload}")).unwrap_or_default();
        let (task, what) = match &event.kind {
            EventKind::TaskScheduled { id, .. } => (Some(*id), format!("{subject} {id}{payload}")),
            EventKind::SubOrchestrationInstanceCreated { id, child, .. } => {
                (Some(*id).filter(|_| !child.is_detached), format!("child {} {id}{payload}", child.instance))
            }
            EventKind::TimerCreated { id, .. } => (Some(*id), format!("timer {id} {subject}")),
            EventKind::EventRaised { .. } => (None, format!("event {subject}{payload}")),
            EventKind::EventSent { instance, .. } => (None, format!("event {subject}{payload} to {instance}")),
            EventKind::ExecutionSuspended { .. } => (None, "suspended".to_owned()),
            EventKind::ExecutionResumed { .. } => (None, "resumed".to_owned()),
            EventKind::ExecutionRewound { .. } => (None, "rewound".to_owned()),
            _ => return,
        };
        let end = task.map(|task| history.iter().find(|event| ends(&event.kind, task)));
        let (end, outcome) = match end {
            None => (Some(event.timestamp), String::new()),
            Some(Some(end)) => (Some(end.timestamp), outcome(end, history)),
            Some(None) if is_over => (history.last().map(|last| last.timestamp), "open at the end".to_owned()),
            Some(None) => (None, "open".to_owned()),
        };
        self.lanes.push(Lane { is_inner: true, text: what, begin: event.timestamp, end, outcome });
    }

    /// The arrow of an event of this instance.
    fn message(&mut self, own: usize, event: &HistoryEvent, history: &[HistoryEvent]) {
        let said = Said::by(event, history);
        let subject = said.subject.clone().unwrap_or_default();
        let payload = said.payload.map(|payload| payload.to_string()).unwrap_or_default();
        let (other, outwards, arrow, text) = match &event.kind {
            EventKind::ExecutionStarted(header) if header.parent.is_some() || header.generation > 0 => return,
            EventKind::ExecutionStarted(_) => (None, false, "->>", format!("start {subject} {payload}")),
            EventKind::TaskScheduled { .. } => (Some(self.participant(&subject)), true, "->>", payload),
            EventKind::TaskCompleted { .. } => (Some(self.participant(&subject)), false, "-->>", payload),
            EventKind::TaskFailed { .. } => (Some(self.participant(&subject)), false, "--x", payload),
            EventKind::SubOrchestrationInstanceCreated { child, .. } => {
                let text = format!("{subject} {payload}");
                (Some(self.participant(child.instance.as_str())), true, "->>", text)
            }
            EventKind::SubOrchestrationInstanceCompleted { task_id, .. } => {
                (self.child(history, *task_id), false, "-->>", payload)
            }
            EventKind::SubOrchestrationInstanceFailed { task_id, .. } => {
                (self.child(history, *task_id), false, "--x", payload)
            }
            EventKind::EventSent { instance, .. } => {
                let text = format!("{subject} {payload}");
                (Some(self.participant(instance.as_str())), true, "-)", text)
            }
            EventKind::TimerCreated { .. } => (Some(own), true, "->>", format!("timer {subject}")),
            EventKind::TimerFired { .. } => (Some(own), true, "-->>", "timer fired".to_owned()),
            EventKind::EventRaised { .. } => (None, false, "-)", format!("{subject} {payload}")),
            EventKind::ExecutionCompleted { status, .. } => {
                let arrow = if *status == RuntimeStatus::Failed { "--x" } else { "-->>" };
                (Some(own), true, arrow, format!("{status} {payload}"))
            }
            EventKind::ExecutionTerminated { .. }
            | EventKind::ExecutionSuspended { .. }
            | EventKind::ExecutionResumed { .. }
            | EventKind::ExecutionRewound { .. } => (None, false, "-)", format!("{} {subject}", said.kind)),
            _ => return,
        };
        let (from, to) = if outwards { (Some(own), other.unwrap_or(own)) } else { (other, own) };
        self.messages.push(Message { at: event.timestamp, from, to, arrow, text });
    }

    /// The number of an activity or instance in the diagram.
    fn participant(&mut self, name: &str) -> usize {
        let known = self.participants.iter().position(|participant| participant == name);
        known.unwrap_or_else(|| {
            self.participants.push(name.to_owned());
            self.participants.len() - 1
        })
    }

    fn child(&mut self, history: &[HistoryEvent], task: TaskId) -> Option<usize> {
        let name = history.iter().find_map(|event| match &event.kind {
            EventKind::SubOrchestrationInstanceCreated { id, child, .. } if *id == task => Some(child.instance.clone()),
            _ => None,
        })?;
        Some(self.participant(name.as_str()))
    }

    /// Makes the texts the same in every run.
    fn number_ids(&mut self) {
        let mut numbers = Numbers::default();
        let lanes = self.lanes.iter_mut().flat_map(|lane| [&mut lane.text, &mut lane.outcome]);
        let messages = self.messages.iter_mut().map(|message| &mut message.text);
        for text in lanes.chain(&mut self.participants).chain(messages) {
            *text = numbers.text(text);
        }
    }

    /// A sequence diagram for Mermaid, between the instances, the activities and the client, which is everybody else.
    ///
    /// It has a note with the time whenever time has passed.
    #[must_use]
    pub fn mermaid(&self) -> String {
        let mut text = "sequenceDiagram\n".to_owned();
        if self.messages.iter().any(|message| message.from.is_none()) {
            text += "    participant client\n";
        }
        for (at, name) in self.participants.iter().enumerate() {
            text += &format!("    participant p{at} as {}\n", plain(name));
        }
        let mut last = None;
        for Message { at, from, to, arrow, text: said } in &self.messages {
            let at = after(self.start, *at);
            if last.as_ref() != Some(&at) {
                text += &format!("    Note over p{to}: {}\n", plain(&at));
                last = Some(at);
            }
            let from = from.map_or_else(|| "client".to_owned(), |from| format!("p{from}"));
            let said = plain(said);
            // An arrow needs a text.
            let said = if said.is_empty() { "ok" } else { &said };
            text += &format!("    {from}{arrow}p{to}: {said}\n");
        }
        text
    }
}

/// True for the event with which a call or timer is over.
fn ends(event: &EventKind, task: TaskId) -> bool {
    match event {
        EventKind::TaskCompleted { task_id, .. }
        | EventKind::TaskFailed { task_id, .. }
        | EventKind::TaskCanceled { task_id }
        | EventKind::SubOrchestrationInstanceCompleted { task_id, .. }
        | EventKind::SubOrchestrationInstanceFailed { task_id, .. }
        | EventKind::TimerFired { timer_id: task_id, .. } => *task_id == task,
        _ => false,
    }
}

fn outcome(end: &HistoryEvent, history: &[HistoryEvent]) -> String {
    let payload = Said::by(end, history).payload.map(|payload| payload.to_string()).unwrap_or_default();
    match &end.kind {
        EventKind::TaskFailed { .. } | EventKind::SubOrchestrationInstanceFailed { .. } => format!("failed, {payload}"),
        EventKind::TaskCanceled { .. } => "canceled".to_owned(),
        EventKind::TimerFired { .. } => "fired".to_owned(),
        _ => payload,
    }
}

/// Without what means something else in a diagram.
fn plain(text: &str) -> String {
    let letter = |letter: char| match letter {
        '#' => "#35;".to_owned(),
        ';' => "#59;".to_owned(),
        '<' => "#lt;".to_owned(),
        '>' => "#gt;".to_owned(),
        letter if letter.is_control() => " ".to_owned(),
        letter => letter.to_string(),
    };
    let text: String = text.trim().chars().map(letter).collect();
    text
}

impl fmt::Display for Timeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = |time: Timestamp| time.saturating_since(self.start).as_millis();
        let times: BTreeSet<_> =
            self.lanes.iter().flat_map(|lane| [lane.begin, lane.end.unwrap_or(self.now)]).map(milliseconds).collect();
        let place = |time: Timestamp| {
            let earlier = times.iter().filter(|other| **other < milliseconds(time)).count();
            earlier * (WIDTH - 1) / times.len().saturating_sub(1).max(1)
        };
        let end_text = |lane: &Lane| lane.end.map(|end| after(self.start, end)).unwrap_or_default();
        let width = self.lanes.iter().map(|lane| after(self.start, lane.begin).len().max(end_text(lane).len())).max();
        let width = width.unwrap_or(0);
        for lane in &self.lanes {
            let (from, to) = (place(lane.begin), place(lane.end.unwrap_or(self.now)));
            let bar = format!("{}{}", " ".repeat(from), "=".repeat(to - from + 1));
            let indent = if lane.is_inner { "  " } else { "" };
            let outcome = if lane.outcome.is_empty() { String::new() } else { format!(": {}", lane.outcome) };
            let times = format!("{:>width$} .. {:>width$}", after(self.start, lane.begin), end_text(lane));
            writeln!(f, "{times}  |{bar:<WIDTH$}| {indent}{}{outcome}", lane.text)?;
        }
        Ok(())
    }
}
