//! How the two databases are opened: what every connection is told, and whether the schema is the one that this program knows.

use std::{
    path::{Path, PathBuf},
    str::FromStr as _,
    time::Duration,
};

use sqlx::{
    Connection as _, PgPool, SqlitePool,
    migrate::Migrator,
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::{StoreError, writer::Commits};

/// The schema, step by step, for both databases.
pub(super) static MIGRATIONS: Migrator = sqlx::migrate!();

/// The oldest version of PostgreSQL that is used. Nothing is tried with what came before.
const SERVER_MIN: u32 = 15;
/// How long the write-ahead log of SQLite may grow before the writer itself moves it into the file, in pages of 4 KiB.
const LOG_PAGES_MAX: &str = "16384";
/// The most connections to PostgreSQL that one process opens.
const CONNECTIONS_MAX: u32 = 16;
/// How long a statement of SQLite waits for a lock that another process holds.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long work waits for a free connection before it is told that the database does not answer.
const CONNECTION_WITHIN: Duration = Duration::from_secs(5);
/// Where the newest step of the schema stands, of those that were made.
pub(super) const NEWEST_STEP: &str =
    "SELECT max(version) AS newest FROM _sqlx_migrations WHERE success";

/// Whether the schema is the one that this program knows, where a process opens it that others may come before.
pub(super) fn made(newest: Result<Option<i64>, sqlx::Error>) -> Result<(), StoreError> {
    match newest {
        Ok(newest) => is_known(newest),
        // There is no such table before the first step.
        Err(sqlx::Error::Database(_)) => Err(StoreError::Older),
        Err(error) => Err(error.into()),
    }
}

/// Whether the schema is the one that this program knows, by its newest step.
pub(super) fn is_known(newest: Option<i64>) -> Result<(), StoreError> {
    let known = MIGRATIONS.iter().map(|step| step.version).max();
    match newest {
        newest if newest < known => Err(StoreError::Older),
        newest if newest > known => Err(StoreError::Newer(newest.unwrap_or_default())),
        _ => Ok(()),
    }
}

/// A server.
pub(super) async fn postgres(address: &str) -> Result<PgPool, StoreError> {
    let options = PgConnectOptions::from_str(address)
        .map_err(|error| StoreError::Address(error.to_string()))?
        .application_name("deckhand")
        // A transaction that nobody ends any more must not hold its locks.
        .options([
            ("idle_in_transaction_session_timeout", "60s"),
            // A plan that was made while a queue was empty is kept while it fills: reading all of it is never the way.
            // What has no index is read all the same, and is not worth compiling for what the planner thinks it costs.
            ("enable_seqscan", "off"),
            ("jit", "off"),
        ]);
    let pool = PgPoolOptions::new()
        .max_connections(CONNECTIONS_MAX)
        .acquire_timeout(CONNECTION_WITHIN)
        .connect_with(options)
        .await?;
    // A server that does not say how old it is may be used.
    if let Some(number) = pool.acquire().await?.server_version_num() {
        new_enough(number)?;
    }
    Ok(pool)
}

/// Whether a server of this version may be used, by its number as the server says it: 150004 is 15.4.
/// Source: PostgreSQL's `server_version_num`.
fn new_enough(number: u32) -> Result<(), StoreError> {
    let version = number / 10_000;
    if version < SERVER_MIN {
        return Err(StoreError::OldServer(version, SERVER_MIN));
    }
    Ok(())
}

/// A file, as every connection to it is opened.
pub(super) fn of_file(address: &str) -> Result<SqliteConnectOptions, StoreError> {
    let options = SqliteConnectOptions::from_str(address)
        .map_err(|error| StoreError::Address(error.to_string()))?
        .journal_mode(SqliteJournalMode::Wal)
        // Full: what was answered to a platform has to survive a power cut.
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY_TIMEOUT)
        // What is written over is gone from the file too: people paste secrets.
        .pragma("secure_delete", "ON")
        .foreign_keys(true)
        // Only where the log's own keeper does not come after: a sender must not wait for all of it to be moved.
        .pragma("wal_autocheckpoint", LOG_PAGES_MAX);
    Ok(options)
}

/// The one connection that writes into a file.
pub(super) async fn writing(
    options: &SqliteConnectOptions,
) -> Result<(SqlitePool, Commits), StoreError> {
    let commits = Commits::default();
    let released = commits.clone();
    let connection = connections(1)
        // A full disk ends a transaction before its owner can. sqlx takes it for open still and begins no other one, so
        // the connection is given up.
        .before_acquire(|connection, _| {
            let is_free = !connection.is_in_transaction();
            Box::pin(async move { Ok(is_free) })
        })
        .after_release(move |connection, _| {
            let commits = released.clone();
            Box::pin(async move { commits.sync_at_once(connection).await.map(|()| true) })
        })
        .connect_with(options.clone())
        .await?;
    Ok((connection, commits))
}

/// The path of a file with this at the end of its name.
/// Source: SQLite's "Write-Ahead Logging": so its log stands beside it.
pub(super) fn behind(file: &Path, name: &str) -> PathBuf {
    let mut path = file.as_os_str().to_owned();
    path.push(name);
    path.into()
}

/// So many connections to SQLite at the most. None is tried before it is used: a file does not hang up, and to ask the thread
/// of a connection costs as much as a small statement.
pub(super) fn connections(most: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(most)
        .test_before_acquire(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_before_the_oldest_version_is_refused_with_a_sentence() {
        for (number, refused) in [
            (90_624, Some("PostgreSQL 9")),
            (140_019, Some("PostgreSQL 14")),
            (150_000, None),
            (180_001, None),
        ] {
            let told = new_enough(number).err().map(|error| error.to_string());
            let sentence = refused.map(|version| {
                format!("the database's server is {version}; Deckhand needs version 15 or newer")
            });
            assert_eq!(told, sentence, "{number}");
        }
    }
}
