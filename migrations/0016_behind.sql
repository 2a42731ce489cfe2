-- Marks that nobody took away are looked for every few seconds, however much waits without one.
CREATE INDEX inbox_behind ON inbox (id) WHERE state = 'waiting' AND behind = 1;
CREATE INDEX outbox_behind ON outbox (id) WHERE state IN ('ready', 'leased') AND behind = 1;
