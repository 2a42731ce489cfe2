-- What was given up is counted at every look at the health; it is few among many.
CREATE INDEX inbox_given_up ON inbox (id) WHERE state = 'dead';
CREATE INDEX outbox_given_up ON outbox (id) WHERE state = 'dead';
