//! A copy of the database while a server works on it: whole, of one moment, and for its owner's eyes only.

use std::{
    io::ErrorKind,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    str::FromStr,
};

use sqlx::{ConnectOptions as _, Connection as _, sqlite::SqliteConnectOptions};

use super::{StoreError, database::is_server, opening::BUSY_TIMEOUT};

/// Why there is no backup. Where there is none, no half of one is left.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Something is there already.
    #[error("{} is there already; a backup is never written over anything", .0.display())]
    Exists(PathBuf),
    /// The file cannot be made or moved into place.
    #[error("{} cannot be written: {reason}", path.display())]
    File {
        /// Where.
        path: PathBuf,
        /// Why.
        reason: std::io::Error,
    },
    /// A server's database is copied by its own tool.
    #[error(
        "the database is on a PostgreSQL server, which has a tool of its own for this: run `pg_dump --format=custom --file={} NAME`, with the server's name and password in PGHOST, PGUSER and PGPASSFILE; `pg_restore` puts it back",
        .0.display()
    )]
    Server(PathBuf),
    /// The database cannot be read, or its copy not be written.
    #[error("the database cannot be copied: {0}")]
    Database(#[from] sqlx::Error),
    /// The address cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Copies the database at `address` to `path`, as it is at one moment. A server may work on it meanwhile.
pub async fn back_up(address: &str, path: &Path) -> Result<(), BackupError> {
    if is_server(address) {
        return Err(BackupError::Server(path.to_owned()));
    }
    if path.symlink_metadata().is_ok() {
        return Err(BackupError::Exists(path.to_owned()));
    }
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{}.part", uuid::Uuid::new_v4().simple()));
    let draft = PathBuf::from(draft);
    let copied = copy(address, path, &draft).await;
    let removed = std::fs::remove_file(&draft);
    copied?;
    removed.map_err(|reason| BackupError::File {
        path: draft,
        reason,
    })
}

async fn copy(address: &str, path: &Path, draft: &Path) -> Result<(), BackupError> {
    let refused = |reason| BackupError::File {
        path: path.to_owned(),
        reason,
    };
    let options = SqliteConnectOptions::from_str(address)
        .map_err(|error| StoreError::Address(error.to_string()))?
        .read_only(true)
        .busy_timeout(BUSY_TIMEOUT);
    // The database writes into a file that is there and empty, and leaves it its owner's.
    let mut made = std::fs::OpenOptions::new();
    let file = made
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(draft)
        .map_err(refused)?;
    let mut connection = options.connect().await?;
    let written = sqlx::query("VACUUM INTO $1")
        .bind(draft.to_string_lossy().into_owned())
        .execute(&mut connection)
        .await;
    connection.close().await?;
    written?;
    file.sync_all().map_err(refused)?;
    // A link, not a renaming: that would write over what came there meanwhile.
    std::fs::hard_link(draft, path).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => BackupError::Exists(path.to_owned()),
        _ => refused(error),
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use std::os::unix::fs::PermissionsExt as _;

    use serde_json::json;

    use super::*;
    use crate::{
        domain::Timestamp,
        store::{
            Store,
            inbox::{NewDelivery, Source},
        },
    };

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
        names.collect()
    }

    #[tokio::test]
    async fn a_copy_has_everything_of_its_moment_and_is_its_owners_alone() {
        let (folder, place) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let address = format!("sqlite:{}", folder.path().join("db").display());
        let store = Store::open(&address).await.unwrap();
        let delivery = |key: &str| NewDelivery {
            source: Source::Slack,
            key: key.to_owned(),
            conversation: "c:1".to_owned(),
            body: json!({ "text": key }),
        };
        store
            .accept(&delivery("before"), Timestamp(1))
            .await
            .unwrap();
        let path = place.path().join("copy");
        // Somebody writes meanwhile, and what is written has not reached the file itself.
        let open = store.begin().await.unwrap();
        back_up(&address, &path).await.unwrap();
        drop(open);
        store
            .accept(&delivery("after"), Timestamp(2))
            .await
            .unwrap();
        assert_eq!(names(place.path()), ["copy"], "nothing else is left");
        let mode = path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);

        let error = back_up(&address, &path).await.unwrap_err();
        assert!(matches!(error, BackupError::Exists(_)), "{error}");
        let restored = Store::open(&format!("sqlite:{}", path.display()))
            .await
            .unwrap();
        assert_eq!(
            restored.inbox_depth().await.unwrap(),
            (1, Some(Timestamp(1)))
        );
        restored.close().await;
        store.close().await;
    }

    #[tokio::test]
    async fn a_servers_database_is_left_to_the_servers_tool() {
        let address = "postgres://deckhand:canary-password@db/deckhand";
        let error = back_up(address, Path::new("/backups/one"))
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains("pg_dump") && error.contains("--file=/backups/one"));
        assert!(!error.contains("canary"), "{error}");
    }

    #[tokio::test]
    async fn where_there_is_no_database_there_is_no_copy_and_no_half_of_one() {
        let place = tempfile::tempdir().unwrap();
        let address = format!("sqlite:{}", place.path().join("no-such-database").display());
        let error = back_up(&address, &place.path().join("copy"))
            .await
            .unwrap_err();
        assert!(matches!(error, BackupError::Database(_)), "{error}");
        let gone = place.path().join("no-such-folder").join("copy");
        let error = back_up(&address, &gone).await.unwrap_err();
        assert!(matches!(error, BackupError::File { .. }), "{error}");
        assert_eq!(names(place.path()), Vec::<String>::new());
    }
}
