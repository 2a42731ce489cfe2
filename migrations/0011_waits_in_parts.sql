-- Waits are counted in parts, whose sum is what is told: with one row for each bound, tasks that get somewhere in the same
-- moment would wait for each other until that row is on the disk.
CREATE TABLE waits_in_parts (
    milestone TEXT NOT NULL,
    up_to_ms BIGINT NOT NULL,
    part BIGINT NOT NULL,
    tasks BIGINT NOT NULL,
    sum_ms BIGINT NOT NULL,
    PRIMARY KEY (milestone, up_to_ms, part)
);
INSERT INTO waits_in_parts (milestone, up_to_ms, part, tasks, sum_ms) SELECT milestone, up_to_ms, 0, tasks, sum_ms FROM waits;
DROP TABLE waits;
ALTER TABLE waits_in_parts RENAME TO waits;
