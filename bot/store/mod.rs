//! The only SQL. One writer, many readers; every change of a task is one transaction with its effects.
//!
//! - [`backup`]: a copy while a server works
//! - [`deletion`]: what goes for good
//! - [`grants`]: what people decided about hosts
//! - [`inbox`]: deliveries, stored before they are answered
//! - [`outbox`]: effects, done one after the other in each lane
//! - [`tasks`]: tasks, and the one transaction that moves them
//! - [`posts`]: where on a surface each thing stands
//! - [`runs`]: runs and what they did
//! - [`vault`]: secrets that have to be kept, sealed

pub mod backup;
pub mod deletion;
pub mod grants;
pub mod inbox;
pub mod outbox;
pub mod posts;
pub mod runs;
pub mod tasks;
pub mod vault;

use std::{str::FromStr, time::Duration};

use sqlx::{
    SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use crate::domain::Timestamp;

/// The most readers at once.
const READERS_MAX: u32 = 4;
/// How long a statement waits for a lock that another process holds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The database.
#[derive(Debug, Clone)]
pub struct Store {
    read: SqlitePool,
    /// One connection: SQLite has one writer, and a second one only waits.
    write: SqlitePool,
}

/// Why the database did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The address cannot be used.
    #[error("the database address cannot be used: {0}")]
    Address(String),
    /// The database refused.
    #[error("the database refused")]
    Database(#[from] sqlx::Error),
    /// The schema cannot be brought up to date.
    #[error("the schema cannot be brought up to date")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// A stored document cannot be read.
    #[error("a stored document cannot be read")]
    Document(#[from] serde_json::Error),
    /// Somebody else changed the task since it was read.
    #[error("the task was changed by somebody else")]
    Conflict,
}

impl Store {
    /// Opens the database, makes it where it is missing, and brings its schema up to date.
    ///
    /// `sqlite:PATH` and `sqlite::memory:` are understood.
    ///
    /// The one process that works calls this: what an earlier one had begun is open again.
    pub async fn open(address: &str) -> Result<Self, StoreError> {
        let store = Self::open_beside(address).await?;
        store.take_back_leases().await?;
        Ok(store)
    }

    /// The same beside a process that works: nothing that it has in hand is touched.
    pub async fn open_beside(address: &str) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::from_str(address)
            .map_err(|error| StoreError::Address(error.to_string()))?
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // Full: what was answered to a platform has to survive a power cut.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT)
            // What is written over is gone from the file too: people paste secrets.
            .pragma("secure_delete", "ON")
            .foreign_keys(true);
        let write = SqlitePoolOptions::new()
            .max_connections(1)
            .connect_with(options.clone())
            .await?;
        sqlx::migrate!().run(&write).await?;
        let read = SqlitePoolOptions::new()
            .max_connections(READERS_MAX)
            .connect_with(options.read_only(true))
            .await?;
        Ok(Self { read, write })
    }

    /// Whether the database takes a write now.
    pub async fn is_writable(&self) -> bool {
        let Ok(mut transaction) = self.begin().await else {
            return false;
        };
        let wrote = sqlx::query("UPDATE outbox SET attempts = attempts WHERE id = ''")
            .execute(&mut *transaction)
            .await
            .is_ok();
        transaction.rollback().await.is_ok() && wrote
    }

    /// Writes everything out and closes.
    pub async fn close(&self) {
        self.read.close().await;
        self.write.close().await;
    }

    async fn begin(&self) -> Result<sqlx::Transaction<'static, sqlx::Sqlite>, StoreError> {
        // IMMEDIATE: a deferred transaction that reads first cannot be upgraded when somebody wrote in between.
        Ok(self.write.begin_with("BEGIN IMMEDIATE").await?)
    }
}

/// A fresh identifier that sorts by the time it was made.
#[must_use]
pub fn fresh_id() -> String {
    uuid::Uuid::now_v7().simple().to_string()
}

fn moment(milliseconds: i64) -> Timestamp {
    Timestamp(milliseconds)
}
