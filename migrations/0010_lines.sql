-- Who stands before whom in a conversation or lane is found by an expression, so that nobody takes another way to the same
-- order: PostgreSQL would go through the whole table by its primary key where it believes that most of what waits is of one
-- conversation.
CREATE INDEX inbox_line ON inbox (conversation, (id || '')) WHERE state = 'waiting';
DROP INDEX inbox_next_of;
CREATE INDEX outbox_line ON outbox (lane, (id || '')) WHERE state IN ('ready', 'leased');
DROP INDEX outbox_next_of;
