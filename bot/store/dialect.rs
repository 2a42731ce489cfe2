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
