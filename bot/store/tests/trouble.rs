//! What must not go wrong: callers that go away, bytes that a database does not take, a schema of tomorrow.

use super::*;

#[tokio::test]
async fn a_caller_that_goes_away_leaves_nothing_half_done_behind() {
    const CALLERS: usize = 300;
    for Opened {
        store,
        address,
        _folder,
    } in each_database().await
    {
        for number in 0..CALLERS {
            let begun = {
                let store = store.clone();
                tokio::spawn(async move { store.begin().await.map(drop) })
            };
            // Each goes away at another point of its beginning.
            for _ in 0..number % 7 {
                tokio::task::yield_now().await;
            }
            begun.abort();
            let key = number.to_string();
            store.accept(&delivery(&key, &key), NOW).await.unwrap();
        }
        // Somebody else sees what was answered for; it would see nothing of a transaction that was left open.
        let other = Store::open_beside(&address).await.unwrap();
        let (depth, _) = other.inbox_depth().await.unwrap();
        assert_eq!(usize::try_from(depth).unwrap(), CALLERS, "{address}");
        other.close().await;
        store.close().await;
    }
}

#[tokio::test]
async fn a_zero_byte_is_stored_where_the_database_takes_it_and_marked_where_it_does_not() {
    for Opened { store, _folder, .. } in each_database().await {
        let zero = NewDelivery {
            body: json!({ "text": "a\0b" }),
            ..delivery("key\0", "c\0")
        };
        let accepted = store.accept(&zero, NOW).await.unwrap();
        assert_eq!(accepted, Accepted::Stored);
        let accepted = store.accept(&zero, NOW).await.unwrap();
        assert_eq!(accepted, Accepted::Repeated);
        let read = next(&store, NOW).await.unwrap();
        // The body is JSON, in which it is written out.
        assert_eq!(read.body, zero.body);
        let later = store.postpone_delivery(&read.id, NOW, "said \0");
        later.await.unwrap();
        store.close().await;
    }
}

#[tokio::test]
async fn a_schema_of_a_newer_program_is_refused_with_a_sentence() {
    for Opened {
        store,
        address,
        _folder,
    } in each_database().await
    {
        query(
            "INSERT INTO _sqlx_migrations (version, description, installed_on, success, checksum, execution_time)
             SELECT 9999, description, installed_on, success, checksum, execution_time FROM _sqlx_migrations WHERE version = 1",
        )
        .execute(store.database.writing())
        .await
        .unwrap();
        // Whoever has it open hears of it too.
        let error = store.check_write().await.unwrap_err();
        assert!(matches!(error, StoreError::Newer(9999)), "{error}");
        store.close().await;
        let error = Store::open(&address).await.unwrap_err();
        assert!(matches!(error, StoreError::Newer(9999)), "{error}");
        assert!(error.to_string().contains("a newer Deckhand"), "{error}");
    }
}

#[tokio::test]
async fn what_is_no_address_of_a_database_is_told_without_its_password() {
    let address = "postgres://deckhand:canary-password@[::bad/deckhand";
    let error = Store::open(address).await.unwrap_err();
    let told = format!("{error} {error:?}");
    assert!(!told.contains("canary"), "{told}");
}

#[tokio::test]
async fn two_that_begin_at_once_bring_the_schema_up_to_date_once() {
    let address = deckhand_world::postgres::fresh_database().await.unwrap();
    let (one, two) = tokio::join!(Store::open(&address), Store::open(&address));
    one.unwrap().check_write().await.unwrap();
    two.unwrap().check_write().await.unwrap();
}

#[tokio::test]
async fn identifiers_sort_by_the_time_they_were_made() {
    let ids: Vec<String> = (0..1_000).map(|_| fresh_id()).collect();
    assert!(ids.is_sorted());
}

#[tokio::test]
async fn many_callers_at_once_each_hear_what_became_of_their_own() {
    const KEYS: usize = 60;
    for Opened { store, _folder, .. } in each_database().await {
        let callers = (0..KEYS * 3).map(|number| {
            let store = store.clone();
            let key = (number % KEYS).to_string();
            tokio::spawn(async move {
                let delivery = delivery(&key, "it's \"a\" \\ conversation");
                store.accept(&delivery, NOW).await.unwrap()
            })
        });
        let mut stored = 0;
        for caller in callers.collect::<Vec<_>>() {
            stored += usize::from(caller.await.unwrap() == Accepted::Stored);
        }
        assert_eq!(stored, KEYS);
        assert_eq!(store.inbox_depth().await.unwrap(), (60, Some(NOW)));
        let read = next(&store, NOW).await.unwrap();
        assert_eq!(read.conversation, "it's \"a\" \\ conversation");
        assert_eq!(read.source, Source::Slack);
        assert!(read.body["text"].is_string());
        store.close().await;
        // A database that is gone is nobody's success.
        let (one, two) = (delivery("late", "a"), delivery("later", "a"));
        let (one, two) = tokio::join!(store.accept(&one, NOW), store.accept(&two, NOW));
        assert!(one.is_err() && two.is_err());
    }
}

#[tokio::test]
async fn a_server_that_is_gone_for_a_while_costs_nothing_that_was_answered_for() {
    let server = deckhand_world::postgres::Postgres::start().unwrap();
    let address = server.fresh_database().await.unwrap();
    let store = Store::open(&address).await.unwrap();
    store.accept(&delivery("before", "a"), NOW).await.unwrap();
    store.check_write().await.unwrap();
    let in_hand = next(&store, NOW).await.unwrap();
    server.stop().unwrap();
    let trouble = store.check_write().await.unwrap_err().in_words();
    assert_eq!(trouble, "the database does not answer");
    let lost = store.accept(&delivery("meanwhile", "a"), NOW).await;
    assert!(lost.is_err(), "nothing is answered for that is not stored");
    server.start_again().unwrap();
    store.check_write().await.unwrap();
    store
        .accept(&delivery("meanwhile", "a"), NOW)
        .await
        .unwrap();
    let done = transition(&in_hand, Vec::new());
    store.commit(&done, &Value::Null, NOW).await.unwrap();
    let next = next(&store, NOW).await.unwrap();
    assert_eq!(next.body, json!({ "text": "meanwhile" }));
    store.close().await;
}

#[tokio::test]
async fn what_may_only_be_read_is_told_from_what_is_full() {
    for Opened {
        store,
        address,
        _folder,
    } in each_database().await
    {
        store.check_write().await.unwrap();
        // As an operator, or a failed disk, makes it.
        let before = if store.database.is_file() {
            "PRAGMA query_only = 1"
        } else {
            "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"
        };
        let mut connections = Vec::new();
        for _ in 0..if store.database.is_file() { 1 } else { 16 } {
            connections.push(store.begin().await.unwrap());
        }
        for connection in &mut connections {
            query(before).execute(connection).await.unwrap();
        }
        for connection in connections {
            connection.commit().await.unwrap();
        }
        let trouble = store.check_write().await.unwrap_err().in_words();
        assert_eq!(trouble, "the database can only be read", "{address}");
        let refused = store.accept(&delivery("1", "a"), NOW).await;
        assert!(refused.is_err(), "{address}");
    }
}

#[tokio::test]
async fn a_clock_that_is_set_back_makes_nothing_wait_for_the_difference() {
    const HOUR_MS: i64 = 3_600_000;
    let noon = Timestamp(12 * HOUR_MS);
    let eleven = Timestamp(11 * HOUR_MS);
    for Opened { store, _folder, .. } in each_database().await {
        for key in ["fresh", "limited"] {
            store.accept(&delivery(key, key), noon).await.unwrap();
        }
        let fresh = next(&store, noon).await.unwrap();
        let limited = next(&store, noon).await.unwrap();
        let marks = [Mark::Accepted].map(|mark| Effect::Mark { mark });
        let done = transition(&fresh, marks.to_vec());
        store.commit(&done, &Value::Null, noon).await.unwrap();
        let in_ten_minutes = Timestamp(noon.0 + 600_000);
        let later = store.postpone_delivery(&limited.id, in_ten_minutes, "asked for");
        later.await.unwrap();

        // It is eleven now, a moment later.
        assert!(taken(&store, eleven).await.is_none());
        store.set_back(HOUR_MS, eleven).await.unwrap();
        assert!(taken(&store, eleven).await.is_some());
        // What a platform asked for is still obeyed, and no more than that.
        assert!(next(&store, eleven).await.is_none());
        let in_ten_minutes = Timestamp(eleven.0 + 600_000);
        assert!(next(&store, in_ten_minutes).await.is_some());
        store.close().await;
    }
}

#[tokio::test]
async fn a_transaction_that_the_database_ended_itself_is_in_nobodys_way() {
    for Opened { store, _folder, .. } in each_database().await {
        let mut ended = store.begin().await.unwrap();
        // As SQLite does where the disk is full.
        query("ROLLBACK").execute(&mut ended).await.unwrap();
        drop(ended);
        let next = store.begin().await.unwrap();
        next.commit().await.unwrap();
        store.close().await;
    }
}
