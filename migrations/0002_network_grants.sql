-- What people decided about hosts that a sandbox was refused. A decision is for one task (`task` set, verdict 'once') or for
-- a repository; a later one about the same host takes the place of an earlier one.
CREATE TABLE network_grants (
    repository TEXT NOT NULL,
    task TEXT NOT NULL,
    host TEXT NOT NULL,
    port BIGINT NOT NULL,
    verdict TEXT NOT NULL CHECK (verdict IN ('once', 'repository', 'never')),
    person TEXT NOT NULL,
    road TEXT NOT NULL,
    decided_in TEXT NOT NULL,
    at_ms BIGINT NOT NULL,
    PRIMARY KEY (repository, task, host, port)
);
