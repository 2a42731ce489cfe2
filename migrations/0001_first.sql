-- The first schema. Portable between SQLite and PostgreSQL: TEXT identifiers, BIGINT milliseconds since 1970.

-- Deliveries: everything that comes in, stored before it is answered.
CREATE TABLE inbox (
    id TEXT NOT NULL PRIMARY KEY,
    source TEXT NOT NULL,
    delivery_key TEXT NOT NULL,
    conversation TEXT NOT NULL,
    body TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'done', 'dead')),
    attempts BIGINT NOT NULL,
    due_ms BIGINT NOT NULL,
    received_ms BIGINT NOT NULL,
    handled_ms BIGINT,
    error TEXT,
    UNIQUE (source, delivery_key)
);
CREATE INDEX inbox_waiting ON inbox (state, conversation, id);

-- Tasks: what each one holds is one document, changed only by the machine; the columns beside it are for finding.
CREATE TABLE tasks (
    id TEXT NOT NULL PRIMARY KEY,
    conversation TEXT NOT NULL,
    requester TEXT NOT NULL,
    state TEXT NOT NULL,
    slot TEXT NOT NULL CHECK (slot IN ('none', 'granted', 'held')),
    version BIGINT NOT NULL,
    document TEXT NOT NULL,
    opened_ms BIGINT NOT NULL,
    changed_ms BIGINT NOT NULL,
    queued_ms BIGINT NOT NULL
);
CREATE INDEX tasks_by_conversation ON tasks (conversation, opened_ms);
CREATE INDEX tasks_by_state ON tasks (state, queued_ms);

-- Effects: everything that has to be done, by lane and in order.
CREATE TABLE outbox (
    id TEXT NOT NULL PRIMARY KEY,
    task TEXT NOT NULL,
    conversation TEXT NOT NULL,
    lane TEXT NOT NULL,
    slot TEXT NOT NULL,
    effect TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('ready', 'leased', 'done', 'dropped', 'dead')),
    attempts BIGINT NOT NULL,
    due_ms BIGINT NOT NULL,
    created_ms BIGINT NOT NULL,
    done_ms BIGINT,
    error TEXT
);
CREATE INDEX outbox_by_lane ON outbox (lane, state, id);
CREATE INDEX outbox_due ON outbox (state, due_ms, id);

-- Where on a surface each thing stands: requests, messages of the bot, answers.
CREATE TABLE posts (
    conversation TEXT NOT NULL,
    slot TEXT NOT NULL,
    task TEXT NOT NULL,
    reference TEXT NOT NULL,
    PRIMARY KEY (conversation, slot)
);
CREATE INDEX posts_by_reference ON posts (reference);

-- Runs: which sandbox belongs to which run, and how far its protocol was read.
CREATE TABLE runs (
    task TEXT NOT NULL,
    number BIGINT NOT NULL,
    kind TEXT NOT NULL,
    agent TEXT NOT NULL,
    sandbox TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('live', 'ended')),
    resume TEXT,
    started_ms BIGINT NOT NULL,
    ended_ms BIGINT,
    PRIMARY KEY (task, number)
);

-- What a run did, line by line, for the task's page.
CREATE TABLE run_log (
    id TEXT NOT NULL PRIMARY KEY,
    task TEXT NOT NULL,
    run BIGINT NOT NULL,
    at_ms BIGINT NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX run_log_by_task ON run_log (task, id);

-- Decisions: who, what, when, by which road.
CREATE TABLE audit (
    id TEXT NOT NULL PRIMARY KEY,
    task TEXT NOT NULL,
    at_ms BIGINT NOT NULL,
    person TEXT NOT NULL,
    act TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE INDEX audit_by_task ON audit (task, id);
