//! Doors of their own beside the process that works: they take its schema, and neither keeps the other from writing.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures::future;

use super::*;

/// More senders than one group takes, so that the doors always have something to write.
const SENDERS: usize = 512;
/// How many writes of the bot have to get through a flood.
const WRITES: usize = 20;

#[tokio::test]
async fn doors_wait_for_the_schema_and_refuse_a_newer_one() {
    let folder = tempfile::tempdir().unwrap();
    let nothing = format!("sqlite:{}", folder.path().join("nothing").display());
    let error = Store::open_for_doors(&nothing).await.unwrap_err();
    assert!(matches!(error, StoreError::Older), "{error}");
    assert!(!folder.path().join("nothing").exists());
    for Opened {
        store,
        address,
        _folder,
    } in each_database().await
    {
        Store::open_for_doors(&address).await.unwrap().close().await;
        let newest = "(SELECT max(version) FROM _sqlx_migrations)";
        for (statement, is_expected) in [
            (
                format!("UPDATE _sqlx_migrations SET version = 9999 WHERE version = {newest}"),
                (|error| matches!(error, StoreError::Newer(9999))) as fn(&StoreError) -> bool,
            ),
            (
                format!("DELETE FROM _sqlx_migrations WHERE version = {newest}"),
                |error| matches!(error, StoreError::Older),
            ),
            ("DROP TABLE _sqlx_migrations".to_owned(), |error| {
                matches!(error, StoreError::Older)
            }),
        ] {
            // The statement is a word of the test itself.
            query(statement.leak())
                .execute(store.database.writing())
                .await
                .unwrap();
            let error = Store::open_for_doors(&address).await.unwrap_err();
            assert!(is_expected(&error), "{error}");
        }
    }
}

#[tokio::test]
async fn the_bot_writes_while_a_flood_comes_in_at_the_doors_and_every_delivery_is_stored() {
    let folder = tempfile::tempdir().unwrap();
    let file = format!("sqlite:{}", folder.path().join("db").display());
    let store = Store::open(&file).await.unwrap();
    let doors = Store::open_for_doors(&file).await.unwrap();
    let (next, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let sender = || async {
        while !is_over.load(Ordering::Relaxed) {
            let key = next.fetch_add(1, Ordering::Relaxed).to_string();
            let accepted = doors.accept(&delivery(&key, "c"), NOW).await;
            assert_eq!(accepted.unwrap(), Accepted::Stored);
        }
    };
    let bot = async {
        for _ in 0..WRITES {
            let mut unit = store.begin().await.unwrap();
            let statement = query("UPDATE inbox SET attempts = attempts + 1 WHERE id = ''");
            statement.execute(&mut unit).await.unwrap();
            unit.commit().await.unwrap();
        }
        is_over.store(true, Ordering::Relaxed);
    };
    future::join(future::join_all((0..SENDERS).map(|_| sender())), bot).await;
    let (stored, _) = store.inbox_depth().await.unwrap();
    assert_eq!(usize::try_from(stored).unwrap(), next.into_inner());
    doors.close().await;
}
