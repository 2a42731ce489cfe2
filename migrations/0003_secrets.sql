-- Secrets that have to be kept: sealed with a key from outside of the database, and bound to their name.
CREATE TABLE secrets (
    name TEXT NOT NULL PRIMARY KEY,
    key_id TEXT NOT NULL,
    sealed TEXT NOT NULL,
    ends_ms BIGINT NOT NULL,
    changed_ms BIGINT NOT NULL
);
