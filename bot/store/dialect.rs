//! The few statements that the two databases do not say the same way, side by side.
//!
//! SQLite has one writer, so a transaction has everything to itself. PostgreSQL has many: what must not change under
//! a transaction is locked by name.

use super::database::{Database, Query, either, query};

/// A task, which nobody else changes until the transaction ends.
pub(super) const fn task_to_itself() -> Query {
    either(
        "SELECT document FROM tasks WHERE id = $1",
        "SELECT document FROM tasks WHERE id = $1 FOR UPDATE",
    )
}

/// Lets one transaction at a time promise the machine: two that count at once would both find the last place free.
pub(super) const fn slots_to_itself(database: &Database) -> Option<Query> {
    if database.is_file() {
        return None;
    }
    // The number is the lock's name and means nothing else.
    Some(query("SELECT pg_advisory_xact_lock(720113)"))
}

/// Takes the oldest delivery that is due, is in nobody's hand, and has no older one waiting in its conversation: moment,
/// owner, end of the lease.
pub(super) const fn claim_delivery() -> Query {
    macro_rules! claim {
        ($lock:literal) => {
            concat!(
                "UPDATE inbox SET owner = $2, token = token + 1, lease_until_ms = $3 WHERE id = (
                     SELECT id FROM inbox AS i WHERE state = 'waiting' AND due_ms <= $1
                       AND (owner = '' OR (owner <> $2 AND lease_until_ms <= $1))
                       AND NOT EXISTS (SELECT 1 FROM inbox AS e WHERE e.state = 'waiting' AND e.conversation = i.conversation AND e.id < i.id)
                     ORDER BY id LIMIT 1",
                $lock,
                ") RETURNING id, source, conversation, body, attempts, received_ms, token"
            )
        };
    }
    either(claim!(""), claim!(" FOR UPDATE SKIP LOCKED"))
}

/// Takes the oldest effect that is due, is in nobody's hand, and has no older one open in its lane: moment, owner, end of
/// the lease. With several processes, what concerns a task goes to the one that has its run or other work of it in hand:
/// that one alone can steer it, widen its network and break it off.
pub(super) const fn claim_effect() -> Query {
    macro_rules! claim {
        ($elsewhere:literal, $lock:literal) => {
            concat!(
                "UPDATE outbox SET state = 'leased', attempts = attempts + 1, owner = $2, token = token + 1, lease_until_ms = $3 WHERE id = (
                     SELECT id FROM outbox AS o
                     WHERE ((state = 'ready' AND due_ms <= $1) OR (state = 'leased' AND owner <> $2 AND lease_until_ms <= $1))
                       AND NOT EXISTS (SELECT 1 FROM outbox AS e WHERE e.lane = o.lane AND e.state IN ('ready', 'leased') AND e.id < o.id)",
                $elsewhere,
                " ORDER BY id LIMIT 1",
                $lock,
                ") RETURNING id, task, conversation, effect, attempts, created_ms, token"
            )
        };
    }
    either(
        claim!("", ""),
        claim!(
            "
                       AND (o.task = '' OR NOT EXISTS (
                           SELECT 1 FROM outbox AS h WHERE h.task = o.task AND h.state = 'leased' AND h.owner <> $2 AND h.lease_until_ms > $1))
                       AND (o.task = '' OR NOT EXISTS (
                           SELECT 1 FROM runs AS r WHERE r.task = o.task AND r.state = 'live' AND r.owner NOT IN ('', $2) AND r.lease_until_ms > $1))",
            " FOR UPDATE SKIP LOCKED"
        ),
    )
}

/// Writes something that means nothing: of SQLite a number in the file's head that nobody reads, of PostgreSQL the number of
/// a transaction, beside a change of no row, which is refused where nothing may be changed. That alone would not reach the
/// disk.
pub(super) const fn write_nothing() -> Query {
    either(
        "PRAGMA user_version = 0",
        "WITH none AS (UPDATE outbox SET attempts = attempts WHERE id = '' RETURNING 1) SELECT pg_current_xact_id()::text",
    )
}

/// Stores many deliveries at once, given as an array of arrays; answers the identifiers of those that were not there. Of
/// SQLite alone: PostgreSQL gathers the commits of many connections by itself.
pub(super) const fn insert_deliveries() -> Query {
    query(
        "INSERT INTO inbox (id, source, delivery_key, conversation, body, state, attempts, due_ms, received_ms)
         SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, 'waiting', 0, value ->> 5, value ->> 5
         FROM json_each($1) WHERE true ORDER BY key ON CONFLICT (source, delivery_key) DO NOTHING RETURNING id",
    )
}
