//! The two databases behind one door: a statement is written once, in the SQL that both understand, and runs on either.

use std::{path::PathBuf, time::Duration};

use serde::de::DeserializeOwned;
use sqlx::{
    Decode, Encode, PgConnection, PgPool, Postgres, Row as _, Sqlite, SqliteConnection, SqlitePool,
    Transaction, Type,
    migrate::MigrateError,
    postgres::PgRow,
    query::Query as Bound,
    sqlite::{SqliteConnectOptions, SqliteRow},
};
use tracing::{debug, warn};

use super::{
    StoreError,
    neighbours::Neighbours,
    opening::{MIGRATIONS, NEWEST_STEP, behind, connections, made, of_file, postgres, writing},
    sole::Sole,
    writer::{Commits, Place, Turn, Writer},
};

/// The most readers of SQLite at once.
const READERS_MAX: u32 = 4;
/// What a connection of SQLite beside the writer keeps of the file in memory, in KiB where it is negative: it reads single
/// rows, and the system has the file's pages anyway.
const OTHERS_CACHE: &str = "-256";
/// The same for the writer of doors: a group of deliveries has room in it.
const DOORS_CACHE: &str = "-768";
/// How often what is in the log is moved into the file beside the writer.
const LOG_MOVED_EVERY: Duration = Duration::from_secs(1);
/// The same while the log is long: under a flood it never begins anew, and what was not moved when the writer moves it itself
/// holds up whoever sends something.
const LONG_LOG_MOVED_EVERY: Duration = Duration::from_millis(100);
/// From how many pages on it is long.
const LONG_LOG: i64 = 2048;

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
        /// Where it is, unless it is in memory.
        file: Option<PathBuf>,
    },
    /// A server, for several processes.
    Postgres(PgPool),
}

/// What somebody opens a database for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To work: on a file as the only one.
    Work,
    /// For something beside a process that works.
    Beside,
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
    /// Opens it; a file is made where it is missing. The schema is brought up to date. Who works on a file gets the right to
    /// that with it.
    pub(super) async fn open(
        address: &str,
        purpose: Purpose,
    ) -> Result<(Self, Option<Sole>), StoreError> {
        if is_server(address) {
            let pool = postgres(address).await?;
            MIGRATIONS.run(&pool).await.map_err(migration)?;
            return Ok((Self::Postgres(pool), None));
        }
        let options = of_file(address)?.create_if_missing(true);
        let (connection, commits) = writing(&options).await?;
        // First: who is refused has not touched the schema of the one that works.
        let sole = match (purpose, options.get_filename().canonicalize()) {
            (Purpose::Work, Ok(file)) => Sole::of(&file)?,
            // In memory there is nobody else.
            (Purpose::Work, Err(_)) | (Purpose::Beside, _) => None,
        };
        MIGRATIONS.run(&connection).await.map_err(migration)?;
        let files = Self::of_files(&options, connection, commits, Place::Work).await?;
        Ok((files, sole))
    }

    /// Opens it for doors of their own, as the process that works has made it.
    pub(super) async fn open_for_doors(address: &str) -> Result<Self, StoreError> {
        if is_server(address) {
            let pool = postgres(address).await?;
            made(sqlx::query_scalar(NEWEST_STEP).fetch_one(&pool).await)?;
            return Ok(Self::Postgres(pool));
        }
        let options = of_file(address)?.pragma("cache_size", DOORS_CACHE);
        if !options.get_filename().exists() {
            return Err(StoreError::Older);
        }
        let (connection, commits) = writing(&options).await?;
        made(sqlx::query_scalar(NEWEST_STEP).fetch_one(&connection).await)?;
        Self::of_files(&options, connection, commits, Place::Doors).await
    }

    async fn of_files(
        options: &SqliteConnectOptions,
        connection: SqlitePool,
        commits: Commits,
        place: Place,
    ) -> Result<Self, StoreError> {
        // SQLite has its own files beside the one that a link leads to.
        let file = options.get_filename().canonicalize().ok();
        let log = file.as_deref().map(|file| behind(file, "-wal"));
        let neighbours = file
            .as_deref()
            .map(|file| Neighbours::open(|name| behind(file, name)))
            .transpose()
            .unwrap_or_else(|error| {
                warn!(%error, "the bot and doors of their own cannot take turns at the database");
                None
            });
        let write = Writer::new(connection, commits, log).among(neighbours, place);
        let options = options.clone().pragma("cache_size", OTHERS_CACHE);
        let log = connections(1).connect_lazy_with(options.clone());
        let read = connections(READERS_MAX)
            .connect_with(options.read_only(true))
            .await?;
        Ok(Self::Sqlite {
            read,
            write,
            log,
            file,
        })
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
                write.heal().await?;
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

    /// The path of something that stands beside the file and has this behind its name.
    pub(super) fn beside(&self, name: &str) -> Option<PathBuf> {
        match self {
            Self::Sqlite { file, .. } => file.as_deref().map(|file| behind(file, name)),
            Self::Postgres(_) => None,
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
                // Whether somebody kept it from that, how many pages the log has, and how many of them are moved.
                let moved = sqlx::query_as::<_, (i64, i64, i64)>("PRAGMA wal_checkpoint(PASSIVE)");
                let moved = moved.fetch_one(&log).await.inspect_err(|error| {
                    debug!(%error, "the log of the database was not moved into its file");
                });
                let pause = match moved {
                    Ok((_, pages, _)) if pages > LONG_LOG => LONG_LOG_MOVED_EVERY,
                    Ok(_) | Err(_) => LOG_MOVED_EVERY,
                };
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = log.close_event() => return,
                }
            }
        });
    }

    /// Writes everything out and closes.
    pub(super) async fn close(&self) {
        match self {
            Self::Sqlite {
                read, write, log, ..
            } => {
                log.close().await;
                read.close().await;
                write.connection.close().await;
            }
            Self::Postgres(pool) => pool.close().await,
        }
    }
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
                writer.heal().await?;
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
