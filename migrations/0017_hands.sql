-- A run has a number that rises with each hand it passes to, as deliveries and effects have: whoever watches it with an older
-- one has lost it, also where it lies in nobody's hand by now.
ALTER TABLE runs ADD COLUMN token BIGINT NOT NULL DEFAULT 0;
-- Slack allows an app ten connections of Socket Mode, those of all processes together. Each is a place that one process has for a
-- lease.
CREATE TABLE socket_places (
    place BIGINT NOT NULL PRIMARY KEY,
    owner TEXT NOT NULL DEFAULT '',
    lease_until_ms BIGINT NOT NULL DEFAULT 0
);
INSERT INTO socket_places (place) VALUES (1), (2), (3), (4), (5), (6), (7), (8), (9), (10);
-- The processes that share the places, with one or without.
CREATE TABLE socket_sharers (
    owner TEXT NOT NULL PRIMARY KEY,
    lease_until_ms BIGINT NOT NULL
);
