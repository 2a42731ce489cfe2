-- What waits in the inbox is found in its order and by its conversation without a look at what is done, and without sorting
-- all that waits: a flood of deliveries must not make the next one dear. What is over is found by its age.
CREATE INDEX inbox_next ON inbox (id) WHERE state = 'waiting';
CREATE INDEX inbox_next_of ON inbox (conversation, id) WHERE state = 'waiting';
CREATE INDEX inbox_over ON inbox (handled_ms) WHERE handled_ms IS NOT NULL;
DROP INDEX inbox_waiting;
