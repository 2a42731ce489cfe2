-- Whether an effect lay in the hands of a process when that one ended: whoever takes it tells its task so. A try that failed
-- and was put back is nobody's any more.
ALTER TABLE outbox ADD COLUMN taken_over BIGINT NOT NULL DEFAULT 0;
-- Live runs are few among many, and are looked at often.
CREATE INDEX runs_live ON runs (owner) WHERE state = 'live';
