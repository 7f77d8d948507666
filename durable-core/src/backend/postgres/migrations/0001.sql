-- The tables of a task hub, version 1. They lie in a schema of their own, which is the search path.
--
-- Times are ticks of 100 ns since 1970 (UTC); the views at the end show them as timestamps. Payloads are the JSON texts that
-- came in, byte for byte, so they are no `jsonb`. An instance is known inside by its `key`, which grows in the order of
-- creation, so that rows of instances that live at the same time lie next to each other; its id appears once.
--
-- Whoever changes rows of an instance holds the lock of its row in `instances`. Only the claims of activities are made
-- without it.

-- Starts of worker processes. One lives until it is drained or its lease ends, by the clock of this server.
CREATE TABLE workers (
    worker      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text NOT NULL,
    started     bigint NOT NULL,
    lease_until bigint NOT NULL,
    drained     bigint,                            -- when it ended in order; what it owned did not crash
    swept       bigint,                            -- when its calls were put among those that wait, since it was dead
    settled     boolean NOT NULL DEFAULT false     -- they were so again, once it could not have made new ones any more
) WITH (fillfactor = 50);

CREATE INDEX workers_unsettled ON workers (worker) WHERE NOT settled;

CREATE SEQUENCE instance_keys;                     -- a key is never used again

CREATE TABLE instances (
    key           bigint PRIMARY KEY,
    id            text COLLATE "C" NOT NULL,
    execution     text NOT NULL,
    name          text COLLATE "C" NOT NULL,       -- of the orchestrator
    version       text COLLATE "C",                -- of its code
    -- Pending, Running, Suspended, Completed, Failed, Terminated, Canceled; ContinuedAsNew before the first turn of an
    -- execution after the first
    status        text COLLATE "C" NOT NULL,
    parent        bigint,                          -- the instance that started it
    parent_call   bigint,                          -- the call of the parent that waits for its end
    start_at      bigint,                          -- the time before which it must not start
    generation    bigint NOT NULL DEFAULT 0,       -- how often it has continued as new
    custom_status text,                            -- JSON
    output        text,                            -- JSON
    reason        text,                            -- the failure as JSON, or the text of a termination
    stalled       text,                            -- why the instance cannot go on at present
    created       bigint NOT NULL,
    updated       bigint NOT NULL,
    ended         bigint,                          -- when it last changed, once it is finished
    owner         bigint,                          -- the worker that runs it
    epoch         bigint NOT NULL,                 -- how often it changed hands
    turn          bigint NOT NULL DEFAULT 0,       -- the last committed turn; 0 before the first
    turn_time     bigint NOT NULL DEFAULT 0,
    history_len   bigint NOT NULL DEFAULT 0,
    inbox_seq     bigint NOT NULL DEFAULT 0,       -- the last position given out in its inbox
    watched       boolean NOT NULL DEFAULT false,  -- somebody waits for it at another worker than its owner
    crashes       bigint NOT NULL DEFAULT 0,       -- attempts after take-overs from lost owners, since the last turn
    CONSTRAINT instances_by_id UNIQUE (id)
) WITH (fillfactor = 70);                          -- a new version of a row finds room beside the old one

-- What is written once for each execution, apart from the rows that every turn rewrites.
CREATE TABLE headers (
    key    bigint PRIMARY KEY,
    input  text NOT NULL,                          -- JSON
    tags   text,                                   -- a JSON object, if there are any
    origin text                                    -- notes about the start
);

-- Tags once more, to find instances by them.
CREATE TABLE tags (
    tag   text COLLATE "C" NOT NULL,
    value text COLLATE "C" NOT NULL,
    key   bigint NOT NULL,
    PRIMARY KEY (key, tag)
);

-- What happened. A turn's start and end are its number and its time; they have no rows of their own.
CREATE TABLE history (
    key       bigint NOT NULL,
    seq       bigint NOT NULL,                     -- from 1
    turn      bigint NOT NULL,
    turn_time bigint NOT NULL,
    time      bigint NOT NULL,
    kind      text NOT NULL,                       -- the Durable Functions name of the event type
    task_id   bigint,                              -- the action that the event records or refers to
    name      text,                                -- of a function or an event, or the final status
    payload   text,                                -- JSON: input, result or event
    detail    text,                                -- what has no column of its own
    PRIMARY KEY (key, seq)
);

-- Messages that no turn has consumed.
CREATE TABLE inbox (
    key     bigint NOT NULL,
    seq     bigint NOT NULL,
    time    bigint NOT NULL,
    kind    text NOT NULL,
    task_id bigint,
    name    text,
    payload text,
    detail  text,
    PRIMARY KEY (key, seq)
);

-- Calls whose results no turn has consumed. A call is distinct over all executions of its instance: its lower 32 bits are
-- the action that the history records, and those above them the generation.
CREATE TABLE activities (
    key        bigint NOT NULL,
    call       bigint NOT NULL,
    name       text COLLATE "C" NOT NULL,
    input      text NOT NULL,                      -- JSON
    options    text,                               -- how it is to run
    progress   text,                               -- JSON: what it last told
    runner     bigint,                             -- the worker that runs it, or ran it last
    claim      bigint NOT NULL,                    -- the token under which it does
    deliveries bigint NOT NULL,                    -- how often it was handed out
    -- 0: it runs where it was scheduled; 1: it waits for a runner; 2: it runs where it was taken over.
    place      smallint NOT NULL,
    PRIMARY KEY (key, call)
);

-- Timers that have neither fired nor been cancelled. The highest number is the timer of a scheduled start.
CREATE TABLE timers (
    key     bigint NOT NULL,
    call    bigint NOT NULL,                       -- as that of an activity
    fire_at bigint NOT NULL,
    PRIMARY KEY (key, call)
);

-- Queues: most of their rows are gone soon, so they are tidied up by number and not by share.
ALTER TABLE inbox SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000);
ALTER TABLE activities SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000);
ALTER TABLE timers SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000);

CREATE INDEX timers_due ON timers (fire_at, key, call);

CREATE INDEX tags_by_value ON tags (tag, value, key);

-- What waits for a runner, the first calls of all instances before their later ones, and what was taken over. A call that starts
-- at once costs no index entry.
CREATE INDEX activities_waiting ON activities ((call & 4294967295), key, call) WHERE place = 1;
CREATE INDEX activities_taken ON activities (claim) WHERE place = 2;

-- What never ran, or has not run since it continued as new. A timer starts what has a time to start at.
CREATE INDEX instances_fresh ON instances (key)
    WHERE status = 'ContinuedAsNew' OR (status = 'Pending' AND start_at IS NULL);

-- The children of an instance. Its columns never change, so that it costs nothing after the creation.
CREATE INDEX instances_by_parent ON instances (parent, parent_call) WHERE parent IS NOT NULL;

-- Lists by status. Completed instances are nearly all there are, so a scan by id finds them as fast as an index would, and
-- the index stays as small as the part of the hub that is alive or needs attention.
CREATE INDEX instances_by_status ON instances (status, id) WHERE status <> 'Completed';

-- What has ended, the oldest first. Only the last turn of an instance writes an entry.
CREATE INDEX instances_ended ON instances (status, ended, key) WHERE ended IS NOT NULL;

CREATE INDEX instances_by_name ON instances (lower(name), id);

CREATE INDEX instances_by_created ON instances (created);

-- For people.

CREATE VIEW instances_readable AS
SELECT i.id, i.name, i.version, i.status,
       'epoch'::timestamptz + i.created / 10 * interval '1 microsecond' AS created,
       'epoch'::timestamptz + i.updated / 10 * interval '1 microsecond' AS updated,
       p.input, p.tags, i.custom_status, i.output, i.reason, i.stalled,
       (SELECT id FROM instances WHERE key = i.parent) AS parent,
       'epoch'::timestamptz + i.start_at / 10 * interval '1 microsecond' AS start_at,
       w.name AS owner, i.execution, i.generation, i.turn, i.history_len, i.crashes, i.key
FROM instances i LEFT JOIN headers p ON p.key = i.key LEFT JOIN workers w ON w.worker = i.owner;

CREATE VIEW history_readable AS
SELECT i.id, h.seq, h.turn, 'epoch'::timestamptz + h.time / 10 * interval '1 microsecond' AS time,
       h.kind, h.task_id, h.name, h.payload, h.detail
FROM history h JOIN instances i ON i.key = h.key;

CREATE VIEW inbox_readable AS
SELECT i.id, m.seq, 'epoch'::timestamptz + m.time / 10 * interval '1 microsecond' AS time,
       m.kind, m.task_id, m.name, m.payload, m.detail
FROM inbox m JOIN instances i ON i.key = m.key;

CREATE VIEW activities_readable AS
SELECT i.id, a.call & 4294967295 AS task_id, a.name, a.input, a.options, a.progress,
       CASE WHEN a.place <> 1 THEN w.name END AS runner, a.deliveries
FROM activities a JOIN instances i ON i.key = a.key LEFT JOIN workers w ON w.worker = a.runner;

CREATE VIEW timers_readable AS
SELECT i.id, t.call & 4294967295 AS task_id,
       'epoch'::timestamptz + t.fire_at / 10 * interval '1 microsecond' AS fire_at
FROM timers t JOIN instances i ON i.key = t.key;

CREATE VIEW workers_readable AS
SELECT worker, name, 'epoch'::timestamptz + started / 10 * interval '1 microsecond' AS started,
       'epoch'::timestamptz + lease_until / 10 * interval '1 microsecond' AS lease_until,
       'epoch'::timestamptz + drained / 10 * interval '1 microsecond' AS drained
FROM workers;
