-- Whose turn it is, is found by its time alone, however much waits: what stands behind an older one of its conversation or
-- lane is marked when it is stored, and the mark goes with the older one. What a claim looks at has an index of its own, which
-- has only what may be taken in it.
ALTER TABLE inbox ADD COLUMN behind BIGINT NOT NULL DEFAULT 0;
ALTER TABLE outbox ADD COLUMN behind BIGINT NOT NULL DEFAULT 0;
CREATE INDEX inbox_ready ON inbox (due_ms, id) WHERE state = 'waiting' AND owner = '' AND behind = 0;
CREATE INDEX inbox_taken ON inbox (lease_until_ms) WHERE state = 'waiting' AND owner <> '';
DROP INDEX inbox_next;
CREATE INDEX outbox_ready ON outbox (due_ms, id) WHERE state = 'ready' AND behind = 0;
CREATE INDEX outbox_taken ON outbox (lease_until_ms) WHERE state = 'leased';
CREATE INDEX outbox_next_of ON outbox (lane, id) WHERE state IN ('ready', 'leased');
CREATE INDEX outbox_open_of ON outbox (task) WHERE state IN ('ready', 'leased');
CREATE INDEX outbox_by_slot ON outbox (lane, slot);
CREATE INDEX outbox_over ON outbox (done_ms) WHERE done_ms IS NOT NULL;
DROP INDEX outbox_due;
DROP INDEX outbox_by_lane;
-- How many tasks use the machine and who waits for it is asked at every step.
CREATE INDEX tasks_at_work ON tasks (slot) WHERE slot <> 'none';
CREATE INDEX tasks_in_line ON tasks (queued_ms, id) WHERE state = 'queued' AND slot = 'none';
CREATE INDEX tasks_by_age ON tasks (opened_ms, id);
