-- What a task has reached and when, each thing once; and how long tasks took from the mention to there, counted up by upper
-- bounds, so that no figure is lost with a process or with the task that it came from.
CREATE TABLE milestones (
    task TEXT NOT NULL,
    milestone TEXT NOT NULL CHECK (milestone IN ('mention', 'words', 'plan', 'start', 'result')),
    at_ms BIGINT NOT NULL,
    PRIMARY KEY (task, milestone)
);
CREATE TABLE waits (
    milestone TEXT NOT NULL,
    up_to_ms BIGINT NOT NULL,
    tasks BIGINT NOT NULL,
    sum_ms BIGINT NOT NULL,
    PRIMARY KEY (milestone, up_to_ms)
);
-- Runs that live are few among many; they are looked for every few seconds.
CREATE INDEX runs_by_state ON runs (state, lease_until_ms);
