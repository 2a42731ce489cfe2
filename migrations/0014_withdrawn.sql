-- Platforms that have taken the bot's access away, and the platform's own moment of it. Nothing is asked of one of them until
-- it sends something again.
CREATE TABLE withdrawn (
    surface TEXT PRIMARY KEY,
    at_ms BIGINT NOT NULL
);
