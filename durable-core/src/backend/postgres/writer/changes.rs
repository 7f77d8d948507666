//! What a stage changes, by table, and the statements for it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::super::connection::Step;
use super::super::error::{Failure, Result};
use super::super::query::int;
use super::columns::columns;
use crate::backend::{BackendErrorKind, CallId, CreateInstance, InstanceKey, NewActivity, NewTimer};
use crate::history::StoredEvent;
use crate::model::{Payload, Timestamp};

columns! {
    /// Rows that a key names.
    Keys { key: i64, }
}

columns! {
    /// Calls or timers.
    Calls { key: i64, call: i64, }
}

columns! {
    /// Calls that are over, with the claim that must hold for that, if one must.
    CallsGone { key: i64, call: i64, claim: Option<i64>, }
}

columns! {
    /// Inboxes up to a position.
    Consumed { key: i64, through: i64, }
}

columns! {
    /// New instances.
    NewInstances<'a> {
        key: i64, id: &'a str, execution: &'a str, name: &'a str, version: Option<&'a str>, parent: Option<i64>,
        parent_call: Option<i64>, start_at: Option<i64>, created: i64, owner: Option<i64>, epoch: i64, inbox_seq: i64,
        watched: bool,
    }
}

columns! {
    /// What belongs to new instances.
    NewHeaders<'a> { key: i64, input: &'a str, tags: Option<String>, origin: Option<&'a str>, }
}

columns! {
    /// Tags of new instances.
    NewTags<'a> { tag: &'a str, value: &'a str, key: i64, }
}

columns! {
    /// Instances that had a turn.
    Turned<'a> {
        key: i64, status: &'static str, turn: i64, turn_time: i64, output: Option<&'a str>, reason: Option<Cow<'a, str>>,
        custom_status: Option<&'a str>, events: i64, inbox_seq: i64, epoch: i64, owner: Option<i64>, watched: bool,
    }
}

columns! {
    /// Instances that got messages, or changed hands.
    Held { key: i64, inbox_seq: i64, epoch: i64, owner: Option<i64>, watched: bool, }
}

columns! {
    /// Instances that stall, or do so no more.
    Stalled<'a> { key: i64, reason: Option<Cow<'a, str>>, }
}

columns! {
    /// Instances that go on in another execution.
    Continued<'a> { key: i64, execution: &'a str, version: Option<&'a str>, generation: i64, input: &'a str, }
}

columns! {
    /// Instances whose ends are taken back.
    Rewound { key: i64, status: &'static str, updated: i64, history_len: i64, }
}

columns! {
    /// Rows of the history.
    NewHistory<'a> {
        key: i64, seq: i64, turn: i64, turn_time: i64, time: i64, kind: &'a str, task_id: Option<i64>,
        name: Option<&'a str>, payload: Option<&'a str>, detail: Option<Cow<'a, str>>,
    }
}

columns! {
    /// Messages.
    NewMessages<'a> {
        key: i64, seq: i64, time: i64, kind: &'a str, task_id: Option<i64>, name: Option<&'a str>,
        payload: Option<&'a str>, detail: Option<Cow<'a, str>>,
    }
}

columns! {
    /// Calls of activities.
    NewCalls<'a> {
        key: i64, call: i64, name: &'a str, input: &'a str, options: Option<&'a str>, runner: Option<i64>, claim: i64,
    }
}

columns! {
    /// Timers.
    NewTimers { key: i64, call: i64, fire_at: i64, }
}

columns! {
    /// What calls of activities told.
    Progressed<'a> { key: i64, call: i64, progress: &'a str, }
}

/// Everything that a stage changes.
#[derive(Default)]
pub(in super::super) struct Changes<'a> {
    pub(in super::super) removed: Keys,
    pub(in super::super) new_instances: NewInstances<'a>,
    pub(in super::super) new_headers: NewHeaders<'a>,
    pub(in super::super) new_tags: NewTags<'a>,
    pub(in super::super) attempts: Keys,
    pub(in super::super) stalled: Stalled<'a>,
    pub(in super::super) turned: Turned<'a>,
    pub(in super::super) held: Held,
    pub(in super::super) continued: Continued<'a>,
    pub(in super::super) rewound: Rewound,
    /// Instances whose whole history goes, whose calls do, whose timers do, and whose messages do.
    pub(in super::super) no_history: Keys,
    pub(in super::super) no_calls: Keys,
    pub(in super::super) no_timers: Keys,
    pub(in super::super) no_messages: Keys,
    pub(in super::super) no_results: Keys,
    pub(in super::super) calls_gone: CallsGone,
    pub(in super::super) timers_gone: Calls,
    pub(in super::super) handed_back: Calls,
    pub(in super::super) consumed: Consumed,
    new_history: NewHistory<'a>,
    new_messages: NewMessages<'a>,
    new_calls: NewCalls<'a>,
    new_timers: NewTimers,
    pub(in super::super) progressed: Progressed<'a>,
    bytes: usize,
}

const REMOVE: [&str; 7] = [
    "DELETE FROM tags WHERE key = ANY($1::bigint[])",
    "DELETE FROM timers WHERE key = ANY($1::bigint[])",
    "DELETE FROM activities WHERE key = ANY($1::bigint[])",
    "DELETE FROM inbox WHERE key = ANY($1::bigint[])",
    "DELETE FROM history WHERE key = ANY($1::bigint[])",
    "DELETE FROM headers WHERE key = ANY($1::bigint[])",
    "DELETE FROM instances WHERE key = ANY($1::bigint[])",
];

const INSERT_INSTANCES: &str = "INSERT INTO instances (key, id, execution, name, version, parent, parent_call, start_at,
        created, owner, epoch, inbox_seq, watched, updated, status)
    SELECT u.*, u.created, 'Pending' FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[],
        $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::boolean[])
        AS u (key, id, execution, name, version, parent, parent_call, start_at, created, owner, epoch, inbox_seq, watched)";

const INSERT_HEADERS: &str = "INSERT INTO headers (key, input, tags, origin)
    SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[])";

const INSERT_TAGS: &str =
    "INSERT INTO tags (tag, value, key) SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[])";

const COUNT_ATTEMPTS: &str = "UPDATE instances SET crashes = crashes + 1 WHERE key = ANY($1::bigint[])";

const STALL: &str = "UPDATE instances i SET stalled = u.reason, crashes = 0
    FROM unnest($1::bigint[], $2::text[]) AS u (key, reason) WHERE i.key = u.key";

const TURN: &str = concat!(
    "UPDATE instances i SET status = u.status, turn = u.turn, turn_time = u.turn_time, updated = u.turn_time,
        ended = CASE WHEN u.status IN ",
    finished!(),
    " THEN u.turn_time END, output = u.output, reason = u.reason, custom_status = coalesce(u.custom_status, i.custom_status),
        history_len = i.history_len + u.events, inbox_seq = u.inbox_seq, epoch = u.epoch, owner = u.owner,
        watched = u.watched, crashes = 0, stalled = NULL
    FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::bigint[],
        $9::bigint[], $10::bigint[], $11::bigint[], $12::boolean[])
        AS u (key, status, turn, turn_time, output, reason, custom_status, events, inbox_seq, epoch, owner, watched)
    WHERE i.key = u.key"
);

const HOLD: &str =
    "UPDATE instances i SET inbox_seq = u.inbox_seq, epoch = u.epoch, owner = u.owner, watched = u.watched
    FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::boolean[])
        AS u (key, inbox_seq, epoch, owner, watched)
    WHERE i.key = u.key";

const CONTINUE: &str = "WITH u AS (SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::text[])
            AS u (key, execution, version, generation, input)),
        h AS (UPDATE headers SET input = u.input FROM u WHERE headers.key = u.key)
    UPDATE instances i SET execution = u.execution, version = u.version, generation = u.generation, history_len = 0
    FROM u WHERE i.key = u.key";

const REWIND: &str =
    "UPDATE instances i SET status = u.status, ended = NULL, output = NULL, reason = NULL, stalled = NULL,
        crashes = 0, updated = u.updated, history_len = u.history_len
    FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[]) AS u (key, status, updated, history_len)
    WHERE i.key = u.key";

/// It fails, by a division by zero, where a claim does not hold: a lock of each call before it would cost more than doing what is
/// rare twice.
const END_CALLS: &str = "WITH gone AS (
        DELETE FROM activities a USING unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS u (key, call, claim)
        WHERE a.key = u.key AND a.call = u.call AND a.claim = coalesce(u.claim, a.claim) RETURNING u.claim)
    SELECT 1 / (count(claim) = (SELECT count(claim) FROM unnest($3::bigint[]) AS u (claim)))::int FROM gone";

const END_TIMERS: &str = "DELETE FROM timers t USING unnest($1::bigint[], $2::bigint[]) AS u (key, call)
    WHERE t.key = u.key AND t.call = u.call";

const CONSUME: &str = "DELETE FROM inbox m USING unnest($1::bigint[], $2::bigint[]) AS u (key, through)
    WHERE m.key = u.key AND m.seq <= u.through";

const INSERT_HISTORY: &str =
    "INSERT INTO history (key, seq, turn, turn_time, time, kind, task_id, name, payload, detail)
    SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[], $7::bigint[],
        $8::text[], $9::text[], $10::text[])";

const INSERT_MESSAGES: &str = "INSERT INTO inbox (key, seq, time, kind, task_id, name, payload, detail)
    SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::bigint[], $6::text[], $7::text[],
        $8::text[])";

/// A runner whose calls were swept up may still commit, as long as nobody has taken the instance. So may one that is forgotten.
const INSERT_CALLS: &str = "INSERT INTO activities (key, call, name, input, options, runner, claim, deliveries, place)
    SELECT u.*, 1, CASE WHEN u.runner = ANY(ARRAY(SELECT worker FROM workers
            WHERE worker = ANY($6::bigint[]) AND swept IS NULL)) THEN 0 ELSE 1 END
    FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[])
        AS u (key, call, name, input, options, runner, claim)";

const INSERT_TIMERS: &str = "INSERT INTO timers (key, call, fire_at)
    SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[])";

const PROGRESS: &str = "UPDATE activities a SET progress = u.progress
    FROM unnest($1::bigint[], $2::bigint[], $3::text[]) AS u (key, call, progress)
    WHERE a.key = u.key AND a.call = u.call";

const HAND_BACK: &str = "UPDATE activities a SET runner = NULL, place = 1
    FROM unnest($1::bigint[], $2::bigint[]) AS u (key, call) WHERE a.key = u.key AND a.call = u.call";

impl<'a> Changes<'a> {
    /// What all this takes on its way to the server, roughly.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(in super::super) fn weigh(&mut self, payload: Option<&Payload>) {
        self.bytes += payload.map_or(0, |payload| payload.as_str().len());
    }

    pub(super) fn add_history(
        &mut self,
        key: InstanceKey,
        seq: u64,
        (turn, turn_time): (u64, Timestamp),
        time: Timestamp,
        event: &'a StoredEvent,
    ) {
        let StoredEvent { kind, task_id, name, payload, detail } = event;
        self.new_history.push((
            key.0,
            int(seq),
            int(turn),
            turn_time.ticks(),
            time.ticks(),
            kind,
            task_id.map(|task| i64::from(task.0)),
            name.as_deref(),
            payload.as_ref().map(Payload::as_str),
            detail.as_deref().map(free_text),
        ));
    }

    pub(super) fn add_message(&mut self, key: InstanceKey, seq: u64, time: Timestamp, event: &'a StoredEvent) {
        let StoredEvent { kind, task_id, name, payload, detail } = event;
        self.new_messages.push((
            key.0,
            int(seq),
            time.ticks(),
            kind,
            task_id.map(|task| i64::from(task.0)),
            name.as_deref(),
            payload.as_ref().map(Payload::as_str),
            detail.as_deref().map(free_text),
        ));
    }

    pub(super) fn add_call(&mut self, key: InstanceKey, new: &'a NewActivity, has_runner: bool) {
        let runner = new.runner.filter(|_| has_runner).map(|worker| worker.0);
        let NewActivity { call, name, input, options, claim, .. } = new;
        self.new_calls.push((key.0, call.0, name, input.as_str(), options.as_deref(), runner, *claim));
    }

    pub(super) fn add_timer(&mut self, key: InstanceKey, new: NewTimer) {
        self.new_timers.push((key.0, new.call.0, new.fire_at.ticks()));
    }

    pub(super) fn add_headers(&mut self, key: InstanceKey, create: &'a CreateInstance) -> Result<()> {
        let tags = if create.tags.is_empty() { None } else { Some(tags_text(&create.tags)?) };
        self.new_headers.push((key.0, create.input.as_str(), tags, create.origin.as_deref()));
        for (tag, value) in &create.tags {
            self.new_tags.push((tag, value, key.0));
        }
        if let Some(fire_at) = create.start_at {
            self.add_timer(key, NewTimer { call: CallId::START, fire_at });
        }
        Ok(())
    }

    /// The statements in an order in which what goes goes before anything comes in its place.
    pub(super) fn steps<'s>(&'s self, steps: &mut Vec<Step<'s>>) {
        // While all calls are there whose claims are looked at.
        self.calls_gone.step(END_CALLS, steps);
        for sql in REMOVE {
            self.removed.step(sql, steps);
        }
        self.new_instances.step(INSERT_INSTANCES, steps);
        self.new_headers.step(INSERT_HEADERS, steps);
        self.new_tags.step(INSERT_TAGS, steps);
        self.attempts.step(COUNT_ATTEMPTS, steps);
        self.stalled.step(STALL, steps);
        self.turned.step(TURN, steps);
        self.continued.step(CONTINUE, steps);
        self.rewound.step(REWIND, steps);
        self.held.step(HOLD, steps);
        self.no_history.step("DELETE FROM history WHERE key = ANY($1::bigint[])", steps);
        self.no_calls.step("DELETE FROM activities WHERE key = ANY($1::bigint[])", steps);
        self.no_timers.step("DELETE FROM timers WHERE key = ANY($1::bigint[])", steps);
        self.no_messages.step("DELETE FROM inbox WHERE key = ANY($1::bigint[])", steps);
        self.no_results.step("DELETE FROM inbox WHERE key = ANY($1::bigint[]) AND task_id IS NOT NULL", steps);
        self.timers_gone.step(END_TIMERS, steps);
        self.consumed.step(CONSUME, steps);
        self.new_history.step(INSERT_HISTORY, steps);
        self.new_messages.step(INSERT_MESSAGES, steps);
        self.new_calls.step(INSERT_CALLS, steps);
        self.new_timers.step(INSERT_TIMERS, steps);
        self.progressed.step(PROGRESS, steps);
        self.handed_back.step(HAND_BACK, steps);
    }
}

/// A text that users and errors may fill with anything. PostgreSQL has no texts with a NUL in them, so it becomes the sign for
/// what cannot be shown; a write that could never be made would keep its instance from going on.
pub(in super::super) fn free_text(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{fffd}")) } else { Cow::Borrowed(text) }
}

fn tags_text(tags: &BTreeMap<String, String>) -> Result<String> {
    serde_json::to_string(tags)
        .map_err(|error| Failure::new(BackendErrorKind::Other, format!("the tags cannot be written ({error})")))
}
