-- What people set for themselves and for a channel: one row each, by `person:` or `place:` and the name of it.
CREATE TABLE preferences (
    subject TEXT NOT NULL PRIMARY KEY,
    document TEXT NOT NULL,
    changed_ms BIGINT NOT NULL
);
