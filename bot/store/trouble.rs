//! What is wrong with the database, in a sentence for whoever runs Deckhand.

use std::io::ErrorKind;

use super::{
    Store, StoreError,
    database::{On, query},
    dialect, opening,
};

/// What SQLite's result codes mean, without their finer kinds: the codes are the last eight bits of a number.
/// Source: SQLite's list of result codes.
const SQLITE: [(u32, &str); 6] = [
    (5, "another program keeps the database to itself"),
    (8, READ_ONLY),
    (10, DISK),
    (11, "the file of the database is damaged"),
    (13, FULL),
    (
        14,
        "the file of the database cannot be opened for writing; look at its rights and those of its folder",
    ),
];
/// The beginnings of PostgreSQL's codes that have a meaning here.
/// Source: PostgreSQL's list of error codes.
const POSTGRES: [(&str, &str); 4] = [
    ("53100", FULL),
    (
        "53",
        "the database's server lacks room, memory or connections",
    ),
    ("25006", READ_ONLY),
    ("57P0", "the database's server is starting or shutting down"),
];
const DISK: &str = "the disk of the database does not read or write";
const FULL: &str = "the disk of the database is full";
const READ_ONLY: &str = "the database can only be read";
const GONE: &str = "the database does not answer";

impl Store {
    /// Writes something that means nothing, to see whether that works, in a schema that this program knows: a newer one may
    /// have changed it since it was opened, or a backup of an older one may have taken its place.
    ///
    /// # Errors
    /// What the database said, or [`StoreError::Newer`] or [`StoreError::Older`]; [`StoreError::as_trouble`] makes a sentence
    /// of it.
    pub async fn check_write(&self) -> Result<(), StoreError> {
        if self.intake.as_ref().is_some_and(|intake| !intake.is_open()) {
            return Err(sqlx::Error::WorkerCrashed.into());
        }
        let newest = query(opening::NEWEST_STEP)
            .fetch_one(self.database.reading())
            .await?;
        opening::is_known(newest.try_get("newest")?)?;
        let on: On<'_> = self.database.writing();
        dialect::write_nothing().execute(on).await?;
        Ok(())
    }
}

impl StoreError {
    /// The sentence for whoever looks whether this process can work. By itself a schema that is not this program's keeps
    /// nothing from being stored.
    #[must_use]
    pub fn as_trouble(&self) -> String {
        match self {
            Self::Newer(_) | Self::Older => self.in_words(),
            _ => format!("nothing can be stored: {}", self.in_words()),
        }
    }

    /// What is wrong, in a sentence without any content of the database.
    #[must_use]
    pub fn in_words(&self) -> String {
        let error = match self {
            Self::Database(error) => error,
            Self::Disk(_) => return DISK.to_owned(),
            _ => return self.to_string(),
        };
        let known = match error {
            // Said by us, of the log of a file: no server of ours says so.
            sqlx::Error::Io(error) if error.kind() == ErrorKind::ResourceBusy => Some(DISK),
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => Some(GONE),
            sqlx::Error::Database(error) => error.code().and_then(|code| meaning(&code)),
            _ => None,
        };
        known.map_or_else(|| format!("the database refused: {error}"), str::to_owned)
    }
}

/// SQLite's codes are numbers, PostgreSQL's have five places.
fn meaning(code: &str) -> Option<&'static str> {
    if code.len() == 5 {
        return POSTGRES
            .into_iter()
            .find_map(|(beginning, words)| code.starts_with(beginning).then_some(words));
    }
    let code = code.parse::<u32>().ok()? & 0xff;
    SQLITE
        .into_iter()
        .find_map(|(known, words)| (known == code).then_some(words))
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn codes_of_both_databases_have_the_same_meanings() {
        for (code, words) in [
            ("13", FULL),
            ("53100", FULL),
            ("8", READ_ONLY),
            // A finer kind of it: the folder went away.
            ("1032", READ_ONLY),
            ("25006", READ_ONLY),
            (
                "57P03",
                "the database's server is starting or shutting down",
            ),
            ("2067", "?"),
            ("42P01", "?"),
        ] {
            assert_eq!(meaning(code).unwrap_or("?"), words, "{code}");
        }
    }

    #[test]
    fn a_database_that_is_gone_is_said_to_be_gone() {
        let busy = io::Error::from(ErrorKind::ResourceBusy);
        assert_eq!(StoreError::Database(busy.into()).in_words(), DISK);
        let gone = StoreError::Database(sqlx::Error::PoolTimedOut);
        assert_eq!(gone.in_words(), GONE);
        assert_eq!(gone.as_trouble(), format!("nothing can be stored: {GONE}"));
        let newer = StoreError::Newer(7);
        assert_eq!(newer.in_words(), newer.to_string());
        assert_eq!(newer.as_trouble(), newer.to_string());
    }
}
