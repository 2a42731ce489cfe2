//! The only SQL. One writer, many readers; every change of a task is one transaction with its effects.
//!
//! - [`backup`]: a copy while a server works
//! - [`bells`]: who stores something for another process rings for it
//! - [`dead_letters`]: what was given up, for an operator
//! - [`deletion`]: what goes for good
//! - [`grants`]: what people decided about hosts
//! - [`inbox`]: deliveries, stored before they are answered
//! - [`leases`]: who has what in hand
//! - [`milestones`]: how long people wait for what a task reaches
//! - [`orders`]: what is asked for by the command line and the API
//! - [`outbox`]: effects, done one after the other in each lane
//! - [`tasks`]: tasks, and the one transaction that moves them
//! - [`posts`]: where on a surface each thing stands
//! - [`queues`]: what waits, by kind
//! - [`runs`]: runs and what they did
//! - [`sockets`]: the places for Slack's connections
//! - [`trouble`]: what is wrong with the database, in words
//! - [`vault`]: secrets that have to be kept, sealed
//! - [`workspaces`]: where the app is in Slack

pub mod backup;
pub mod bells;
mod database;
pub mod dead_letters;
pub mod deletion;
mod dialect;
mod disk;
mod elsewhere;
mod following;
pub mod grants;
pub mod inbox;
mod inquiries;
mod intake;
pub mod leases;
pub mod milestones;
mod neighbours;
mod opening;
pub mod orders;
pub mod outbox;
pub mod posts;
mod preferences;
pub mod queues;
pub mod runs;
mod slots;
pub mod sockets;
mod sole;
pub mod tasks;
pub mod trouble;
mod turns;
pub mod vault;
mod withdrawn;
pub mod workspaces;
mod writer;

use std::{path::PathBuf, sync::Arc};

use crate::domain::{TaskId, Timestamp};
use database::{Database, Purpose, Unit};
use intake::Intake;
use leases::Hands;
use sole::Sole;

/// The database.
#[derive(Debug, Clone)]
pub struct Store {
    database: Database,
    hands: Hands,
    /// Deliveries of SQLite are taken in together.
    intake: Option<Intake>,
    /// Of who works on a file: nobody else does.
    sole: Option<Arc<Sole>>,
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
    /// A newer program has worked with it.
    #[error(
        "the database was last used by a newer Deckhand (its schema has step {0}, which this one does not know); start that one, or go back to a backup"
    )]
    Newer(i64),
    /// The bot has not brought the schema up to date yet, which whoever works beside it waits for.
    #[error(
        "the database has not been made or brought up to date yet, which `deckhand serve` does"
    )]
    Older,
    /// Another process works on the file.
    #[error(
        "another Deckhand works on the database {}; end that one first, or give this one a database of its own",
        .0.display()
    )]
    InUse(PathBuf),
    /// The server is older than what is tried here: its version, and the oldest one that is used.
    #[error("the database's server is PostgreSQL {0}; Deckhand needs version {1} or newer")]
    OldServer(u32, u32),
    /// The schema cannot be brought up to date.
    #[error("the schema cannot be brought up to date")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// A stored document cannot be read.
    #[error("a stored document cannot be read")]
    Document(#[from] serde_json::Error),
    /// A task's document cannot be read: it was damaged, or a newer program wrote it.
    #[error("what is stored of the task {0} cannot be read: {1}")]
    Task(TaskId, String),
    /// Where a message stands cannot be read.
    #[error("where {0} stands cannot be read: {1}")]
    Post(String, String),
    /// What was written may not have reached the disk.
    #[error("the disk of the database does not write")]
    Disk(#[source] Arc<std::io::Error>),
    /// Somebody else changed the task since it was read.
    #[error("the task was changed by somebody else")]
    Conflict,
}

impl Store {
    /// Opens the database, makes it where it is missing, and brings its schema up to date.
    ///
    /// `sqlite:PATH`, `sqlite::memory:` and `postgres://…` are understood.
    ///
    /// Who works calls this. A file has one such process: what an earlier one had begun is open again, and no other one is let
    /// in until this store is closed or all of its clones are dropped. On a server it is open when the leases of the earlier
    /// one are over.
    ///
    /// # Errors
    /// [`StoreError::InUse`] where another process works on the file. Nothing of that one is touched then.
    pub async fn open(address: &str) -> Result<Self, StoreError> {
        let (database, sole) = Database::open(address, Purpose::Work).await?;
        let store = Self {
            sole: sole.map(Arc::new),
            ..Self::over(database)
        };
        if store.database.is_file() {
            store.take_back_leases().await?;
            store.database.keep_log_short();
        }
        Ok(store)
    }

    /// The same beside a process that works: nothing that it has in hand is touched.
    pub async fn open_beside(address: &str) -> Result<Self, StoreError> {
        let (database, _) = Database::open(address, Purpose::Beside).await?;
        Ok(Self::over(database))
    }

    /// The same for doors of their own: the schema is left to the process that works, and a flood that comes in here lets it
    /// go on.
    ///
    /// # Errors
    /// [`StoreError::Older`] until that process has made the database and brought it up to date.
    pub async fn open_for_doors(address: &str) -> Result<Self, StoreError> {
        Ok(Self::over(Database::open_for_doors(address).await?))
    }

    fn over(database: Database) -> Self {
        let intake = match &database {
            Database::Sqlite { write, .. } => Some(Intake::start(write)),
            Database::Postgres(_) => None,
        };
        Self {
            database,
            hands: Hands::fresh(),
            intake,
            sole: None,
        }
    }

    /// The same store for whoever may keep it longer than the work lasts: it keeps no other process from the file.
    #[must_use]
    pub fn lent(&self) -> Self {
        Self {
            sole: None,
            ..self.clone()
        }
    }

    /// Whether several processes may work with it.
    #[must_use]
    pub const fn is_shared(&self) -> bool {
        !self.database.is_file()
    }

    /// Writes everything out and closes. A file is left to the next process that works.
    pub async fn close(&self) {
        self.database.close().await;
        if let Some(sole) = &self.sole {
            sole.give_back();
        }
    }

    async fn begin(&self) -> Result<Unit, StoreError> {
        self.database.begin().await
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

#[cfg(test)]
mod tests;
