//! What a replay found.

use std::error::Error;
use std::fmt;

use durable_core::history::ExecutionHeader;
use durable_core::model::{FunctionName, InstanceId, Version};
use durable_core::replay::{NonDeterminism, ReplayFault, Side, Waits};

use super::Deployment;

/// Why an execution cannot go on with today's code: the first difference, with both sides and their lines, or that there is
/// no code. As `Debug` it is the same text as otherwise, so that an `unwrap` in a test tells it.
#[derive(Clone, PartialEq)]
pub struct ReplayReport {
    instance: InstanceId,
    orchestrator: FunctionName,
    version: Option<Version>,
    problem: Problem,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Problem {
    Differs(Box<Difference>),
    /// The versions that there are, and the other orchestrators.
    NoCode {
        versions: Vec<Option<Version>>,
        known: Vec<FunctionName>,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Difference {
    pub(super) turn: u64,
    pub(super) event: usize,
    pub(super) before: Option<String>,
    pub(super) waits: Waits,
    pub(super) fault: ReplayFault,
}

impl ReplayReport {
    pub(super) fn new(header: &ExecutionHeader, problem: Problem) -> Self {
        Self {
            instance: header.instance.clone(),
            orchestrator: header.name.clone(),
            version: header.version.clone(),
            problem,
        }
    }

    pub(super) fn missing(header: &ExecutionHeader, deployment: &Deployment) -> Self {
        let (versions, known) = (deployment.registry.versions(&header.name), deployment.registry.orchestrator_names());
        Self::new(header, Problem::NoCode { versions, known })
    }

    /// The instance.
    #[must_use]
    pub fn instance(&self) -> &InstanceId {
        &self.instance
    }

    /// The orchestrator that it was started with.
    #[must_use]
    pub fn orchestrator(&self) -> &FunctionName {
        &self.orchestrator
    }

    /// The version that it was started with.
    #[must_use]
    pub fn version(&self) -> Option<&Version> {
        self.version.as_ref()
    }

    /// True when there is no code of the name and version; false when the code differs.
    #[must_use]
    pub fn is_missing_code(&self) -> bool {
        matches!(self.problem, Problem::NoCode { .. })
    }

    fn difference(&self) -> Option<&Difference> {
        match &self.problem {
            Problem::Differs(difference) => Some(difference),
            Problem::NoCode { .. } => None,
        }
    }

    /// What the replay core found; `None` when there is no code.
    #[must_use]
    pub fn fault(&self) -> Option<&ReplayFault> {
        self.difference().map(|difference| &difference.fault)
    }

    /// The turn that differs, counted from 1 within the execution.
    #[must_use]
    pub fn turn(&self) -> Option<u64> {
        self.difference().map(|difference| difference.turn)
    }

    /// The index of the recorded event that differs, counted from 0. Where the code does something in addition it is that of
    /// the event before which it does so.
    #[must_use]
    pub fn event_index(&self) -> Option<usize> {
        self.difference().map(|difference| difference.event)
    }

    fn sides(&self) -> Option<&NonDeterminism> {
        match self.fault()? {
            ReplayFault::NonDeterminism(sides) => Some(sides),
            _ => None,
        }
    }

    /// What the history has there; `None` when the code does something in addition.
    #[must_use]
    pub fn recorded(&self) -> Option<&Side> {
        self.sides()?.recorded.as_ref()
    }

    /// What the code does there; `None` when it does nothing.
    #[must_use]
    pub fn produced(&self) -> Option<&Side> {
        self.sides()?.produced.as_ref()
    }
}

impl Difference {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "does not replay: turn {}, event {}", self.turn, self.event)?;
        let ReplayFault::NonDeterminism(sides) = &self.fault else {
            return write!(f, "\n  {}", self.fault);
        };
        if let Some(id) = sides.task_id {
            write!(f, ", {id}")?;
        }
        let nothing = |side: &Option<Side>| side.as_ref().map_or_else(|| "nothing".to_owned(), ToString::to_string);
        write!(f, "\n  recorded: {}\n  code:     {}", nothing(&sides.recorded), nothing(&sides.produced))?;
        if let Some(before) = &self.before {
            write!(f, "\n  the last call before it: {before}")?;
        }
        let Waits { events, unread, .. } = &self.waits;
        if !events.is_empty() {
            write!(f, "\n  the code waits for event {}", quoted(events))?;
        }
        if !unread.is_empty() {
            write!(f, "\n  nobody has waited for event {}", quoted(unread))?;
        }
        f.write_str(
            "\n  Let old instances keep the old path with `ctx.patched(..)`, or give the new code a `version` of its own. \
             If nothing was changed, the code depends on something besides its input and its history",
        )
    }
}

fn quoted<T: fmt::Display>(names: &[T]) -> String {
    names.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ")
}

impl fmt::Debug for ReplayReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for ReplayReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { instance, orchestrator, version, problem } = self;
        write!(f, "instance '{instance}' of orchestrator '{orchestrator}'")?;
        if let Some(version) = version {
            write!(f, " in version '{version}'")?;
        }
        f.write_str(" ")?;
        match problem {
            Problem::Differs(difference) => difference.write(f),
            Problem::NoCode { versions, known } if versions.is_empty() => {
                let known = if known.is_empty() { "none".to_owned() } else { quoted(known) };
                write!(f, "has no code: there is no orchestrator of this name. There is {known}")
            }
            Problem::NoCode { versions, .. } => {
                let text = |version: &Option<Version>| match version {
                    Some(version) => format!("version '{version}'"),
                    None => "one without a version".to_owned(),
                };
                let versions: Vec<_> = versions.iter().map(text).collect();
                write!(f, "has no code: of this orchestrator there is {}", versions.join(", "))
            }
        }
    }
}

// The text has the fault already, so it is no source.
impl Error for ReplayReport {}
