//! Who works on a file is the only one, until they are gone.

use super::*;

/// A file for a database.
fn file() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let address = format!("sqlite:{}", folder.path().join("db").display());
    (folder, address)
}

#[tokio::test]
async fn a_second_one_is_refused_and_what_the_first_has_in_hand_stays_there() {
    let (_folder, address) = file();
    let store = Store::open(&address).await.unwrap();
    for key in ["1", "2"] {
        store.accept(&delivery(key, key), NOW).await.unwrap();
    }
    let first = next(&store, NOW).await.unwrap();
    let marks = vec![Effect::Mark {
        mark: Mark::Working,
    }];
    let done = transition(&first, marks);
    store.commit(&done, &Value::Null, NOW).await.unwrap();
    let effect = taken(&store, NOW).await.unwrap();
    let second = next(&store, NOW).await.unwrap();

    let error = Store::open(&address).await.unwrap_err();
    assert!(matches!(error, StoreError::InUse(_)), "{error}");
    let words = error.to_string();
    assert!(words.starts_with("another Deckhand works on the database /"));
    assert!(words.contains("/db; end that one first"), "{words}");
    // Others may stand beside it.
    Store::open_beside(&address).await.unwrap().close().await;
    let doors = Store::open_for_doors(&address).await.unwrap();
    doors.close().await;

    assert_eq!(taken(&store, NOW).await, None);
    assert_eq!(next(&store, NOW).await, None);
    store.effect_done(&effect.id, NOW).await.unwrap();
    let done = transition(&second, Vec::new());
    store.commit(&done, &Value::Null, NOW).await.unwrap();
    assert_eq!(store.outbox_depth().await.unwrap().0, 0);
    assert_eq!(store.inbox_depth().await.unwrap().0, 0);
}

#[tokio::test]
async fn the_next_one_is_let_in_when_the_first_is_closed_or_dropped() {
    let (_folder, address) = file();
    let closed = Store::open(&address).await.unwrap();
    closed.close().await;
    let dropped = Store::open(&address).await.unwrap();
    // Whoever looks at its data longer than it works keeps nobody out, and lets nobody in.
    let lent = dropped.lent();
    lent.clone().close().await;
    Store::open(&address).await.unwrap_err();
    drop(dropped);
    Store::open(&address).await.unwrap();
    drop((closed, lent));
}

#[tokio::test]
async fn where_no_file_can_be_locked_it_is_opened_all_the_same() {
    let (folder, address) = file();
    // A link that leads nowhere can be neither made nor opened.
    std::os::unix::fs::symlink("/nowhere/at-all", folder.path().join("db-work")).unwrap();
    let store = Store::open(&address).await.unwrap();
    store.check_write().await.unwrap();
}
