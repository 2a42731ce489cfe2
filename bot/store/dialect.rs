//! The few statements that the two databases do not say the same way, side by side.
//!
//! Older is who sorts before, by `id || ''`: the index of a line has just that, and no other index of the table can serve it.
//!
//! Any older one would do, and the first of them is asked for, because only the index of the line has them in this order: where
//! PostgreSQL has counted one long line, it believes that any index finds one of it at once, and reads all that waits where there
//! is none.
//!
//! Whether there is an older one, or somebody else has a task in hand, is asked row by row, as `coalesce((SELECT 1 … LIMIT 1), 0)
//! < 1`. `NOT EXISTS` and `IS NULL` mean the same, and PostgreSQL expects of them that hardly any row is left: then it gathers and
//! sorts all that is due with each claim, where the first few of an index are enough.
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

/// An effect in a hand, out of which nobody takes it until the transaction ends: identifier, number.
pub(super) const fn effect_in_hand() -> Query {
    either(
        "SELECT 1 FROM outbox WHERE id = $1 AND token = $2 AND state = 'leased'",
        "SELECT 1 FROM outbox WHERE id = $1 AND token = $2 AND state = 'leased' FOR SHARE",
    )
}

/// Lets one transaction at a time promise the machine: two that count at once would both find the last place free. Answers
/// nothing where another one is at it. Who would wait for it could do nothing else meanwhile, and there is one such for each
/// delivery.
pub(super) const fn slots_to_itself(database: &Database) -> Option<Query> {
    if database.is_file() {
        return None;
    }
    // The number is the lock's name and means nothing else.
    Some(query("SELECT 1 WHERE pg_try_advisory_xact_lock(720113)"))
}

/// Takes the delivery that is due longest, is in nobody's hand, and has no older one waiting in its conversation: moment,
/// owner, end of the lease. What another process has had for longer than its lease comes first.
pub(super) const fn claim_delivery() -> Query {
    macro_rules! claim {
        ($lock:literal) => {
            concat!(
                "UPDATE inbox SET owner = $2, token = token + 1, lease_until_ms = $3 WHERE id = coalesce(
                     (SELECT id FROM inbox AS i WHERE state = 'waiting' AND owner <> '' AND owner <> $2 AND lease_until_ms <= $1
                        AND coalesce((SELECT 1 FROM inbox AS e WHERE e.state = 'waiting' AND e.conversation = i.conversation AND e.id || '' < i.id || '' ORDER BY e.id || '' LIMIT 1), 0) < 1
                      ORDER BY lease_until_ms LIMIT 1",
                $lock,
                "),
                     (SELECT id FROM inbox AS i WHERE state = 'waiting' AND owner = '' AND behind = 0 AND due_ms <= $1
                        AND coalesce((SELECT 1 FROM inbox AS e WHERE e.state = 'waiting' AND e.conversation = i.conversation AND e.id || '' < i.id || '' ORDER BY e.id || '' LIMIT 1), 0) < 1
                      ORDER BY due_ms, id LIMIT 1",
                $lock,
                ")) RETURNING id, source, conversation, body, attempts, received_ms, token"
            )
        };
    }
    either(claim!(""), claim!(" FOR UPDATE SKIP LOCKED"))
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

/// The most effects that one claim takes: each claim reaches the disk before anything is done about what it took.
pub(super) const CLAIMED_MAX: usize = 8;

/// Takes so many effects that are due longest, are in nobody's hand, and have no older one open in their lane; only those of
/// which something holds, where that is said.
macro_rules! claim_effects {
    ($most:literal, $only:literal) => {
        either(
            claim_effects!(@ $most, $only, "", ""),
            claim_effects!(
                @ $most,
                $only,
                "
                   AND (o.task = '' OR (o.effect = '{\"effect\":\"stop_all\"}' AND o.due_ms <= $1 - 1500) OR (
                       coalesce((SELECT 1 FROM outbox AS h WHERE h.task = o.task AND h.state = 'leased' AND h.owner <> $2 AND h.lease_until_ms > $1 LIMIT 1), 0) < 1
                       AND coalesce((SELECT 1 FROM runs AS r WHERE r.task = o.task AND r.state = 'live' AND r.owner NOT IN ('', $2) AND r.lease_until_ms > $1 LIMIT 1), 0) < 1))",
                " FOR UPDATE SKIP LOCKED"
            ),
        )
    };
    (@ $most:literal, $only:literal, $elsewhere:literal, $lock:literal) => {
        concat!(
            "WITH next AS MATERIALIZED (
                 SELECT id FROM (SELECT id FROM outbox AS o WHERE state = 'leased' AND owner <> $2 AND lease_until_ms <= $1
                   AND coalesce((SELECT 1 FROM outbox AS e WHERE e.state IN ('ready', 'leased') AND e.lane = o.lane AND e.id || '' < o.id || '' ORDER BY e.id || '' LIMIT 1), 0) < 1",
            $only, $elsewhere, " ORDER BY lease_until_ms LIMIT ", $most, $lock,
            ") AS lost UNION ALL
                 SELECT id FROM (SELECT id FROM outbox AS o WHERE state = 'ready' AND behind = 0 AND due_ms <= $1
                   AND coalesce((SELECT 1 FROM outbox AS e WHERE e.state IN ('ready', 'leased') AND e.lane = o.lane AND e.id || '' < o.id || '' ORDER BY e.id || '' LIMIT 1), 0) < 1",
            $only, $elsewhere, " ORDER BY due_ms, id LIMIT ", $most, $lock,
            ") AS due)
             UPDATE outbox SET state = 'leased', attempts = attempts + 1, owner = $2, token = token + 1,
                 taken_over = CASE WHEN state = 'leased' THEN 1 ELSE taken_over END,
                 lease_until_ms = CASE WHEN effect = '{\"effect\":\"stop_all\"}' THEN $4 ELSE $3 END
             WHERE id IN (SELECT id FROM next LIMIT ", $most, ")
             RETURNING id, task, conversation, effect, attempts, created_ms, token, lease_until_ms, taken_over"
        )
    };
}

/// Takes the effect that is due longest, is in nobody's hand, and has no older one open in its lane: moment, owner, end of
/// the lease, end of a brief one. What another process has had for longer than its lease comes first. With several
/// processes, what concerns a task goes to the one that has its run or other work of it in hand: that one alone can steer
/// it, widen its network and break it off. A cancel does not wait for a process that does not take it within one and a half
/// seconds.
pub(super) const fn claim_effect() -> Query {
    claim_effects!("1", "")
}

/// The same with [`CLAIMED_MAX`] effects at once, each of a lane of its own.
pub(super) const fn claim_effects() -> Query {
    claim_effects!("8", "")
}

/// The same with one effect, which ends everything of a task that runs.
pub(super) const fn claim_stop() -> Query {
    claim_effects!("1", " AND o.effect = '{\"effect\":\"stop_all\"}'")
}

/// Takes free places for sockets, the lowest first: owner, moment, end of the lease, how many. Two that take at once never take
/// the same.
pub(super) const fn claim_places() -> Query {
    macro_rules! claim {
        ($lock:literal) => {
            concat!(
                "WITH free AS MATERIALIZED (
                     SELECT place FROM socket_places WHERE owner = '' OR lease_until_ms <= $2 ORDER BY place LIMIT $4",
                $lock,
                ") UPDATE socket_places SET owner = $1, lease_until_ms = $3 WHERE place IN (SELECT place FROM free) RETURNING place"
            )
        };
    }
    either(claim!(""), claim!(" FOR UPDATE SKIP LOCKED"))
}

/// Tells every other process that has a run or an effect of a task in hand: task, this process, name of the bells. What is told
/// to each is its own name. PostgreSQL alone; with a file there is no other process.
pub(super) const fn ring_elsewhere() -> Query {
    query(
        "SELECT pg_notify($3, owner)::text FROM (
             SELECT owner FROM runs WHERE task = $1 AND state = 'live' AND owner NOT IN ('', $2)
             UNION SELECT owner FROM outbox WHERE task = $1 AND state = 'leased' AND owner <> $2) AS elsewhere",
    )
}

/// Tells every process that listens: name of the bells, what is told. PostgreSQL alone.
pub(super) const fn ring() -> Query {
    query("SELECT pg_notify($1, $2)::text")
}

/// Stores a delivery unless it is there, and marks it where an older one waits in its conversation: identifier, source, key,
/// conversation, body, moment. PostgreSQL holds the older one until this is stored, so that it cannot go without seeing
/// who stands behind it. By itself: a transaction that held anything else could wait in a circle.
pub(super) const fn insert_delivery() -> Query {
    macro_rules! insert {
        ($lock:literal) => {
            concat!(
                "INSERT INTO inbox (id, source, delivery_key, conversation, body, state, attempts, due_ms, received_ms, behind)
                 VALUES ($1, $2, $3, $4, $5, 'waiting', 0, $6, $6, coalesce((
                     SELECT 1 FROM inbox AS e WHERE e.state = 'waiting' AND e.conversation = $4 AND e.id || '' < $1
                     ORDER BY e.id || '' DESC LIMIT 1",
                $lock,
                "), 0)) ON CONFLICT (source, delivery_key) DO NOTHING"
            )
        };
    }
    either(insert!(""), insert!(" FOR SHARE"))
}

/// Appends an effect to its lane, and marks it where an older one is open there: identifier, task, conversation, lane, slot,
/// effect, tries, when it is due, moment.
pub(super) const fn insert_effect() -> Query {
    macro_rules! insert {
        ($lock:literal) => {
            concat!(
                "INSERT INTO outbox (id, task, conversation, lane, slot, effect, state, attempts, due_ms, created_ms, behind)
                 VALUES ($1, $2, $3, $4, $5, $6, 'ready', $7, $8, $9, coalesce((
                     SELECT 1 FROM outbox AS e WHERE e.state IN ('ready', 'leased') AND e.lane = $4 AND e.id || '' < $1
                     ORDER BY e.id || '' DESC LIMIT 1",
                $lock,
                "), 0))"
            )
        };
    }
    either(insert!(""), insert!(" FOR SHARE"))
}

/// Answers one row where a conversation has a task or a delivery that waits: conversation, the end of a request's slot. SQLite
/// is told the way, as in `turn!`.
pub(super) const fn is_followed() -> Query {
    macro_rules! followed {
        ($by:literal) => {
            concat!(
                "SELECT 1 WHERE coalesce(
                     (SELECT 1 FROM tasks WHERE conversation = $1 LIMIT 1),
                     (SELECT 1 FROM posts WHERE conversation = $1 AND slot = task || $2 LIMIT 1),
                     (SELECT 1 FROM inbox AS e",
                $by,
                " WHERE e.state = 'waiting' AND e.conversation = $1 ORDER BY e.id || '' LIMIT 1), 0) > 0"
            )
        };
    }
    either(followed!(" INDEXED BY inbox_line"), followed!(""))
}

/// The conversation of a line that stands somewhere or waits in a delivery, in one row: the line, source and key of its
/// delivery. Whether that one waits is no condition: where it is, PostgreSQL reads all that waits as long as it has not
/// counted it.
pub(super) const fn conversation_of() -> Query {
    macro_rules! conversation {
        ($by:literal) => {
            concat!(
                "SELECT coalesce(
                     (SELECT conversation FROM posts WHERE reference = $1 LIMIT 1),
                     (SELECT CASE WHEN state = 'waiting' THEN conversation END FROM inbox WHERE source = $2 AND delivery_key = $3),
                     (SELECT e.conversation FROM inbox AS e",
                $by,
                " WHERE e.state = 'waiting' AND e.conversation = $1 ORDER BY e.id || '' LIMIT 1)) AS conversation"
            )
        };
    }
    either(conversation!(" INDEXED BY inbox_line"), conversation!(""))
}

/// The lanes in which something is open in a slot: a lane, the slot, another lane. PostgreSQL holds what is open until the
/// transaction ends. What is being put into another lane at this moment is found where it is then.
pub(super) const fn open_in_slot() -> Query {
    macro_rules! open {
        ($lock:literal) => {
            concat!(
                "SELECT lane FROM outbox WHERE lane IN ($1, $3) AND slot = $2 AND state IN ('ready', 'leased')",
                $lock
            )
        };
    }
    either(open!(""), open!(" FOR UPDATE"))
}

/// Gives whoever is the oldest in a line its turn. SQLite is told the way, because where it has counted its rows it would
/// sooner read all that waits than one line of it.
macro_rules! turn {
    ($table:literal, $line:literal) => {
        either(turn!(@ $table, concat!(" INDEXED BY ", $table, "_line"), $line), turn!(@ $table, "", $line))
    };
    (@ $table:literal, $by:expr, $line:literal) => {
        concat!(
            "UPDATE ",
            $table,
            " SET behind = 0 WHERE behind = 1 AND id = (
                 SELECT e.id FROM ",
            $table,
            " AS e",
            $by,
            " WHERE ",
            $line,
            " ORDER BY e.id || '' LIMIT 1)"
        )
    };
}

/// Gives the next delivery of a conversation its turn: identifier of the one that is over.
pub(super) const fn turn_of_conversation() -> Query {
    turn!(
        "inbox",
        "e.state = 'waiting' AND e.conversation = (SELECT o.conversation FROM inbox AS o WHERE o.id = $1)"
    )
}

/// Gives the next effect of a lane its turn: identifier of the one that is over.
pub(super) const fn turn_of_lane() -> Query {
    turn!(
        "outbox",
        "e.state IN ('ready', 'leased') AND e.lane = (SELECT o.lane FROM outbox AS o WHERE o.id = $1)"
    )
}

/// Gives the oldest effect of a lane its turn: the lane.
pub(super) const fn turn_in_lane() -> Query {
    turn!("outbox", "e.state IN ('ready', 'leased') AND e.lane = $1")
}

/// What was decided about hosts of a repository, for all of its tasks and for some of them: repository, the tasks as a
/// document, the most rows.
pub(super) const fn grants_of_tasks() -> Query {
    macro_rules! grants {
        ($tasks:literal) => {
            concat!(
                "SELECT task, host, port, verdict, person, decided_in, at_ms FROM network_grants
                 WHERE repository = $1 AND (task = '' OR task IN (",
                $tasks,
                ")) ORDER BY verdict = 'never' DESC, at_ms DESC LIMIT $3"
            )
        };
    }
    either(
        grants!("SELECT value FROM json_each($2)"),
        grants!("SELECT jsonb_array_elements_text(CAST($2 AS jsonb))"),
    )
}
