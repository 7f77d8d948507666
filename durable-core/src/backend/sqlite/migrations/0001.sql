-- The tables of a task hub, version 1.
--
-- Times are ticks of 100 ns since 1970 (UTC); the views at the end show them as text. Payloads are the JSON texts that came
-- in, byte for byte. An instance is known inside by its `key`, which grows in the order of creation, so that rows of
-- instances that live at the same time lie next to each other; its id appears once.

-- Starts of worker processes. Whoever has the highest number lives; all others are dead.
CREATE TABLE workers (
    worker  INTEGER PRIMARY KEY AUTOINCREMENT,
    name    TEXT NOT NULL,
    started INTEGER NOT NULL,
    drained INTEGER                           -- when it ended in order; what it owned did not crash
);

CREATE TABLE instances (
    -- AUTOINCREMENT: a key is never used again, not even that of the newest instance after its removal.
    key           INTEGER PRIMARY KEY AUTOINCREMENT,
    id            TEXT NOT NULL UNIQUE,
    execution     TEXT NOT NULL,
    name          TEXT NOT NULL,              -- of the orchestrator
    version       TEXT,                       -- of its code
    -- Pending, Running, Suspended, Completed, Failed, Terminated, Canceled; ContinuedAsNew before the first turn of an
    -- execution after the first
    status        TEXT NOT NULL,
    parent        INTEGER,                    -- the instance that started it
    parent_call   INTEGER,                    -- the call of the parent that waits for its end
    start_at      INTEGER,                    -- the time before which it must not start
    generation    INTEGER NOT NULL DEFAULT 0, -- how often it has continued as new
    created       INTEGER NOT NULL,
    updated       INTEGER NOT NULL,
    ended         INTEGER,                    -- when it last changed, if and only if it is finished
    owner         INTEGER,                    -- the worker that runs it
    epoch         INTEGER NOT NULL,           -- how often it changed hands
    turn          INTEGER NOT NULL DEFAULT 0, -- the last committed turn; 0 before the first
    turn_time     INTEGER NOT NULL DEFAULT 0,
    history_len   INTEGER NOT NULL DEFAULT 0,
    inbox_seq     INTEGER NOT NULL DEFAULT 0, -- the last position given out in its inbox
    crashes       INTEGER NOT NULL DEFAULT 0, -- attempts after take-overs from lost owners, since the last turn
    -- What can be large stands last, where it is in nobody's way.
    stalled       TEXT,                       -- why the instance cannot go on at present
    reason        TEXT,                       -- the failure as JSON, or the text of a termination
    output        TEXT                        -- JSON
);

-- What is written once for each execution, apart from the rows that every turn rewrites.
CREATE TABLE headers (
    key    INTEGER PRIMARY KEY,
    input  TEXT NOT NULL,                     -- JSON
    tags   TEXT,                              -- a JSON object, if there are any
    origin TEXT                               -- notes about the start
);

-- What instances tell of themselves, apart from the rows that every turn rewrites.
CREATE TABLE custom_statuses (
    key           INTEGER PRIMARY KEY,
    custom_status TEXT NOT NULL               -- JSON
);

-- Tags once more, to find instances by them.
CREATE TABLE tags (
    tag   TEXT NOT NULL,
    value TEXT NOT NULL,
    key   INTEGER NOT NULL,
    PRIMARY KEY (tag, value, key)
) WITHOUT ROWID;

-- What happened. A turn's start and end are its number and its time; they have no rows of their own.
CREATE TABLE history (
    key       INTEGER NOT NULL,
    seq       INTEGER NOT NULL,               -- from 1
    turn      INTEGER NOT NULL,
    turn_time INTEGER NOT NULL,
    time      INTEGER NOT NULL,
    kind      TEXT NOT NULL,                  -- the Durable Functions name of the event type
    task_id   INTEGER,                        -- the action that the event records or refers to
    name      TEXT,                           -- of a function or an event, or the final status
    payload   TEXT,                           -- JSON: input, result or event
    detail    TEXT,                           -- what has no column of its own
    PRIMARY KEY (key, seq)
) WITHOUT ROWID;

-- Messages that no turn has consumed.
CREATE TABLE inbox (
    key     INTEGER NOT NULL,
    seq     INTEGER NOT NULL,
    time    INTEGER NOT NULL,
    kind    TEXT NOT NULL,
    task_id INTEGER,
    name    TEXT,
    payload TEXT,
    detail  TEXT,
    PRIMARY KEY (key, seq)
) WITHOUT ROWID;

-- Calls whose results no turn has consumed. A call is distinct over all executions of its instance: its lower 32 bits are
-- the action that the history records, and those above them the generation.
CREATE TABLE activities (
    key        INTEGER NOT NULL,
    call       INTEGER NOT NULL,
    name       TEXT NOT NULL,
    input      TEXT NOT NULL,                 -- JSON
    options    TEXT,                          -- how it is to run
    progress   TEXT,                          -- JSON: what it last told
    runner     INTEGER,                       -- the worker that runs it, or ran it last
    claim      INTEGER NOT NULL,              -- the token under which it does
    deliveries INTEGER NOT NULL,              -- how often it was handed out
    -- 0: it runs where it was scheduled; 1: it waits for a runner; 2: it runs where it was taken over.
    place      INTEGER NOT NULL,
    PRIMARY KEY (key, call)
) WITHOUT ROWID;

-- Timers that have neither fired nor been cancelled. The highest number is the timer of a scheduled start.
CREATE TABLE timers (
    key     INTEGER NOT NULL,
    call    INTEGER NOT NULL,                 -- as that of an activity
    fire_at INTEGER NOT NULL,
    PRIMARY KEY (key, call)
) WITHOUT ROWID;

CREATE INDEX timers_due ON timers (fire_at, key, call);

-- What waits for a runner, the first calls of all instances before their later ones, and what was taken over. A call that starts
-- at once costs no index entry.
CREATE INDEX activities_waiting ON activities (call & 0xffffffff, key, call) WHERE place = 1;
CREATE INDEX activities_taken ON activities (claim) WHERE place = 2;

-- What never ran, or has not run since it continued as new. A timer starts what has a time to start at.
CREATE INDEX instances_fresh ON instances (key)
    WHERE status = 'ContinuedAsNew' OR (status = 'Pending' AND start_at IS NULL);

-- The children of an instance. Its columns never change, so that it costs nothing after the creation.
CREATE INDEX instances_by_parent ON instances (parent, parent_call) WHERE parent IS NOT NULL;

-- Lists by status, of the statuses that few instances have at a time. What is alive comes from an index that only the first
-- and the last write of an instance touch. (A list of values would be made anew for every row that is written.)
CREATE INDEX instances_by_status ON instances (status, id)
    WHERE status <> 'Pending' AND status <> 'Running' AND status <> 'Completed';
CREATE INDEX instances_alive ON instances (id) WHERE ended IS NULL;

-- What has ended, the oldest first. Only the last turn of an instance writes an entry.
CREATE INDEX instances_ended ON instances (status, ended) WHERE ended IS NOT NULL;

-- A name never changes, so that its entry is written once.
CREATE INDEX instances_by_name ON instances (name COLLATE NOCASE, id);

CREATE INDEX instances_by_created ON instances (created);

-- For people.

CREATE VIEW instances_readable AS
SELECT i.id, i.name, i.version, i.status,
       strftime('%Y-%m-%dT%H:%M:%S', i.created / 10000000, 'unixepoch') || printf('.%07dZ', i.created % 10000000) AS created,
       strftime('%Y-%m-%dT%H:%M:%S', i.updated / 10000000, 'unixepoch') || printf('.%07dZ', i.updated % 10000000) AS updated,
       p.input, p.tags, c.custom_status, i.output, i.reason, i.stalled,
       (SELECT id FROM instances WHERE key = i.parent) AS parent,
       strftime('%Y-%m-%dT%H:%M:%S', i.start_at / 10000000, 'unixepoch') || printf('.%07dZ', i.start_at % 10000000) AS start_at,
       i.execution, i.generation, i.turn, i.history_len, i.crashes, i.key
FROM instances i LEFT JOIN headers p ON p.key = i.key LEFT JOIN custom_statuses c ON c.key = i.key;

CREATE VIEW history_readable AS
SELECT i.id, h.seq, h.turn,
       strftime('%Y-%m-%dT%H:%M:%S', h.time / 10000000, 'unixepoch') || printf('.%07dZ', h.time % 10000000) AS time,
       h.kind, h.task_id, h.name, h.payload, h.detail
FROM history h JOIN instances i ON i.key = h.key;

CREATE VIEW inbox_readable AS
SELECT i.id, m.seq,
       strftime('%Y-%m-%dT%H:%M:%S', m.time / 10000000, 'unixepoch') || printf('.%07dZ', m.time % 10000000) AS time,
       m.kind, m.task_id, m.name, m.payload, m.detail
FROM inbox m JOIN instances i ON i.key = m.key;

CREATE VIEW activities_readable AS
SELECT i.id, a.call & 0xffffffff AS task_id, a.name, a.input, a.options, a.progress,
       iif(a.place = 1, NULL, w.name) AS runner, a.deliveries
FROM activities a JOIN instances i ON i.key = a.key LEFT JOIN workers w ON w.worker = a.runner;

CREATE VIEW timers_readable AS
SELECT i.id, t.call & 0xffffffff AS task_id,
       strftime('%Y-%m-%dT%H:%M:%S', t.fire_at / 10000000, 'unixepoch') || printf('.%07dZ', t.fire_at % 10000000) AS fire_at
FROM timers t JOIN instances i ON i.key = t.key;
