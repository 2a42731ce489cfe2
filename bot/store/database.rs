//! The two databases behind one door: a statement is written once, in the SQL that both understand, and runs on either.

use std::{path::PathBuf, str::FromStr, time::Duration};

use serde::de::DeserializeOwned;
use sqlx::{
    Connection as _, Decode, Encode, PgConnection, PgPool, Postgres, Row as _, Sqlite,
    SqliteConnection, SqlitePool, Transaction, Type,
    migrate::{MigrateError, Migrator},
    postgres::{PgConnectOptions, PgPoolOptions, PgRow},
    query::Query as Bound,
    sqlite::{
        SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
    },
};

use tracing::debug;

use super::{
    StoreError,
    writer::{Commits, Turn, Writer},
};

/// The schema, step by step, for both databases.
static MIGRATIONS: Migrator = sqlx::migrate!();

/// The most readers of SQLite at once.
const READERS_MAX: u32 = 4;
/// What a connection of SQLite beside the writer keeps of the file in memory, in KiB where it is negative: it reads single
/// rows, and the system has the file's pages anyway.
const OTHERS_CACHE: &str = "-256";
/// How long the write-ahead log of SQLite may grow before the writer itself moves it into the file, in pages of 4 KiB.
const LOG_PAGES_MAX: &str = "16384";
/// How often what is in the log is moved into the file beside the writer.
const LOG_MOVED_EVERY: Duration = Duration::from_secs(1);
/// The most connections to PostgreSQL that one process opens.
const CONNECTIONS_MAX: u32 = 16;
/// How long a statement of SQLite waits for a lock that another process holds.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long work waits for a free connection before it is told that the database does not answer.
const CONNECTION_WITHIN: Duration = Duration::from_secs(5);

/// The database in use.
#[derive(Debug, Clone)]
pub(super) enum Database {
    /// A file of this machine, for one process that works.
    Sqlite {
        /// Readers.
        read: SqlitePool,
        /// The one writer.
        write: Writer,
        /// Moves what was written from the log into the file.
        log: SqlitePool,
    },
    /// A server, for several processes.
    Postgres(PgPool),
}

/// A transaction in one of them. Dropped, it is rolled back.
#[derive(Debug)]
pub(super) enum Unit {
    /// With its turn at the writer.
    Sqlite(Transaction<'static, Sqlite>, Turn),
    Postgres(Transaction<'static, Postgres>),
}

/// What a statement runs on.
pub(super) enum On<'a> {
    Sqlite(&'a SqlitePool),
    SqliteWriter(&'a Writer),
    SqliteUnit(&'a mut SqliteConnection),
    Postgres(&'a PgPool),
    PostgresUnit(&'a mut PgConnection),
}

/// A statement with its values, for either database.
#[derive(Debug)]
pub(super) struct Query {
    pub(super) sqlite: &'static str,
    pub(super) postgres: &'static str,
    values: Vec<Value>,
}

/// The kinds of values that columns have: text, and whole numbers of 64 bits.
#[derive(Debug)]
pub(super) enum Value {
    Text(Option<String>),
    Number(Option<i64>),
}

/// One row of an answer.
pub(super) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl Database {
    /// Opens it; a file is made where it is missing. The schema is brought up to date.
    pub(super) async fn open(address: &str) -> Result<Self, StoreError> {
        if is_server(address) {
            return Self::open_postgres(address).await;
        }
        let options = SqliteConnectOptions::from_str(address)
            .map_err(|error| StoreError::Address(error.to_string()))?
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // Full: what was answered to a platform has to survive a power cut.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT)
            // What is written over is gone from the file too: people paste secrets.
            .pragma("secure_delete", "ON")
            .foreign_keys(true)
            // Only where the log's own keeper does not come after: a sender must not wait for all of it to be moved.
            .pragma("wal_autocheckpoint", LOG_PAGES_MAX);
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
        MIGRATIONS.run(&connection).await.map_err(migration)?;
        let write = Writer::new(connection, commits, log_of(&options));
        let options = options.pragma("cache_size", OTHERS_CACHE);
        let log = connections(1).connect_lazy_with(options.clone());
        let read = connections(READERS_MAX)
            .connect_with(options.read_only(true))
            .await?;
        Ok(Self::Sqlite { read, write, log })
    }

    async fn open_postgres(address: &str) -> Result<Self, StoreError> {
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
        MIGRATIONS.run(&pool).await.map_err(migration)?;
        Ok(Self::Postgres(pool))
    }

    /// Where something is only read.
    pub(super) const fn reading(&self) -> On<'_> {
        match self {
            Self::Sqlite { read, .. } => On::Sqlite(read),
            Self::Postgres(pool) => On::Postgres(pool),
        }
    }

    /// Where one statement writes by itself.
    pub(super) const fn writing(&self) -> On<'_> {
        match self {
            Self::Sqlite { write, .. } => On::SqliteWriter(write),
            Self::Postgres(pool) => On::Postgres(pool),
        }
    }

    /// Begins a transaction that writes.
    pub(super) async fn begin(&self) -> Result<Unit, StoreError> {
        match self {
            // IMMEDIATE: a deferred transaction that reads first cannot be upgraded when somebody wrote in between.
            Self::Sqlite { write, .. } => {
                let turn = write.turn().await;
                let begun = write.connection.begin_with("BEGIN IMMEDIATE").await?;
                Ok(Unit::Sqlite(begun, turn))
            }
            // In a task of its own: a caller that goes away while this waits would leave a connection in the pool that
            // has begun, and what the next one writes there would be lost (seen with sqlx 0.9.0).
            #[expect(clippy::disallowed_methods, reason = "the one place where it is safe")]
            Self::Postgres(pool) => {
                let pool = pool.clone();
                let begun = tokio::spawn(async move { pool.begin().await });
                let begun = begun.await.map_err(|_| sqlx::Error::WorkerCrashed)?;
                Ok(Unit::Postgres(begun?))
            }
        }
    }

    /// Whether it is a file of one process's own.
    pub(super) const fn is_file(&self) -> bool {
        matches!(self, Self::Sqlite { .. })
    }

    /// Moves what is written from SQLite's log into the file until it is closed, beside the writer.
    pub(super) fn keep_log_short(&self) {
        let Self::Sqlite { log, .. } = self else {
            return;
        };
        let log = log.clone();
        tokio::spawn(async move {
            while !log.is_closed() {
                let moved = sqlx::query("PRAGMA wal_checkpoint(PASSIVE)");
                if let Err(error) = moved.execute(&log).await {
                    debug!(%error, "the log of the database was not moved into its file");
                }
                tokio::select! {
                    () = tokio::time::sleep(LOG_MOVED_EVERY) => {}
                    () = log.close_event() => return,
                }
            }
        });
    }

    /// Writes everything out and closes.
    pub(super) async fn close(&self) {
        match self {
            Self::Sqlite { read, write, log } => {
                log.close().await;
                read.close().await;
                write.connection.close().await;
            }
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

/// The file that SQLite writes first, where the database is one.
/// Source: SQLite's "Write-Ahead Logging": the name of the database with this at its end, beside the file that a link leads to.
fn log_of(options: &SqliteConnectOptions) -> Option<PathBuf> {
    let mut log = options.get_filename().canonicalize().ok()?.into_os_string();
    log.push("-wal");
    Some(log.into())
}

/// So many connections to SQLite at the most. None is tried before it is used: a file does not hang up, and to ask the thread
/// of a connection costs as much as a small statement.
fn connections(most: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(most)
        .test_before_acquire(false)
}

/// Whether the address names a PostgreSQL server.
pub(super) fn is_server(address: &str) -> bool {
    address.starts_with("postgres://") || address.starts_with("postgresql://")
}

/// A schema that is newer than this program is not an accident of ours: it is said as what it is.
fn migration(error: MigrateError) -> StoreError {
    match error {
        MigrateError::VersionMissing(version) => StoreError::Newer(version),
        error => StoreError::Migration(error),
    }
}

impl Unit {
    pub(super) async fn commit(self) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(unit, _turn) => unit.commit().await,
            Self::Postgres(unit) => unit.commit().await,
        }
    }
}

impl<'a> From<&'a mut Unit> for On<'a> {
    fn from(unit: &'a mut Unit) -> Self {
        match unit {
            Unit::Sqlite(unit, _) => Self::SqliteUnit(unit),
            Unit::Postgres(unit) => Self::PostgresUnit(unit),
        }
    }
}

/// A statement, in SQL that both databases understand: `$1` for values, `TEXT` and `BIGINT` alone.
pub(super) const fn query(text: &'static str) -> Query {
    either(text, text)
}

/// A statement that the two databases do not say the same way. All of them stand in [`super::dialect`].
pub(super) const fn either(sqlite: &'static str, postgres: &'static str) -> Query {
    Query {
        sqlite,
        postgres,
        values: Vec::new(),
    }
}

/// Runs a statement by the method of this name, and wraps what comes of it for each database.
macro_rules! run {
    ($query:expr, $on:expr, $method:ident, $sqlite:expr, $postgres:expr) => {
        match $on.into() {
            On::Sqlite(pool) => $query.for_sqlite().$method(pool).await.map($sqlite),
            On::SqliteWriter(writer) => {
                let _turn = writer.turn().await;
                let on = &writer.connection;
                $query.for_sqlite().$method(on).await.map($sqlite)
            }
            On::SqliteUnit(unit) => $query.for_sqlite().$method(unit).await.map($sqlite),
            On::Postgres(pool) => $query.for_postgres().$method(pool).await.map($postgres),
            On::PostgresUnit(unit) => $query.for_postgres().$method(unit).await.map($postgres),
        }
    };
}

impl Query {
    /// The next value.
    pub(super) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Runs it; says how many rows it touched.
    pub(super) async fn execute(self, on: impl Into<On<'_>>) -> Result<u64, sqlx::Error> {
        run!(self, on, execute, |done| done.rows_affected(), |done| done
            .rows_affected())
    }

    /// The one row that there is.
    pub(super) async fn fetch_one(self, on: impl Into<On<'_>>) -> Result<Row, sqlx::Error> {
        run!(self, on, fetch_one, Row::Sqlite, Row::Postgres)
    }

    /// The first row, where there is one.
    pub(super) async fn fetch_optional(
        self,
        on: impl Into<On<'_>>,
    ) -> Result<Option<Row>, sqlx::Error> {
        run!(
            self,
            on,
            fetch_optional,
            |row| row.map(Row::Sqlite),
            |row| row.map(Row::Postgres)
        )
    }

    /// Every row.
    pub(super) async fn fetch_all(self, on: impl Into<On<'_>>) -> Result<Vec<Row>, sqlx::Error> {
        run!(
            self,
            on,
            fetch_all,
            |rows| rows.into_iter().map(Row::Sqlite).collect(),
            |rows| rows.into_iter().map(Row::Postgres).collect()
        )
    }

    fn for_sqlite<'q>(self) -> Bound<'q, Sqlite, <Sqlite as sqlx::Database>::Arguments> {
        bound(sqlx::query(self.sqlite), self.values)
    }

    /// PostgreSQL has no text with a zero byte; platforms' payloads can have one, and must be stored all the same.
    fn for_postgres<'q>(mut self) -> Bound<'q, Postgres, <Postgres as sqlx::Database>::Arguments> {
        for value in &mut self.values {
            if let Value::Text(Some(text)) = value
                && text.contains('\0')
            {
                *text = text.replace('\0', "\u{fffd}");
            }
        }
        bound(sqlx::query(self.postgres), self.values)
    }
}

fn bound<'q, D>(query: Bound<'q, D, D::Arguments>, values: Vec<Value>) -> Bound<'q, D, D::Arguments>
where
    D: sqlx::Database,
    Option<String>: Encode<'q, D> + Type<D>,
    Option<i64>: Encode<'q, D> + Type<D>,
{
    values.into_iter().fold(query, |query, value| match value {
        Value::Text(text) => query.bind(text),
        Value::Number(number) => query.bind(number),
    })
}

impl Row {
    /// The text of a column, or what is wrong with it where it is damaged: no UTF-8, no text at all.
    pub(super) fn text(&self, column: &str) -> Result<Result<String, String>, sqlx::Error> {
        match self.try_get(column) {
            Ok(text) => Ok(Ok(text)),
            Err(sqlx::Error::ColumnDecode { source, .. }) => Ok(Err(source.to_string())),
            Err(error) => Err(error),
        }
    }

    /// The value of a column.
    pub(super) fn try_get<'r, T>(&'r self, column: &str) -> Result<T, sqlx::Error>
    where
        T: Decode<'r, Sqlite> + Type<Sqlite> + Decode<'r, Postgres> + Type<Postgres>,
    {
        match self {
            Self::Sqlite(row) => row.try_get(column),
            Self::Postgres(row) => row.try_get(column),
        }
    }
}

/// The document in a column, or what is wrong with it where it is damaged.
pub(super) fn document<T: DeserializeOwned>(
    row: &Row,
    column: &str,
) -> Result<Result<T, String>, sqlx::Error> {
    let text = row.text(column)?;
    Ok(text.and_then(|text| serde_json::from_str(&text).map_err(|error| error.to_string())))
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(Some(text.to_owned()))
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Self {
        Self::Text(Some(text.clone()))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(Some(text))
    }
}

impl From<Option<&str>> for Value {
    fn from(text: Option<&str>) -> Self {
        Self::Text(text.map(str::to_owned))
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(Some(number))
    }
}

impl From<Option<i64>> for Value {
    fn from(number: Option<i64>) -> Self {
        Self::Number(number)
    }
}
