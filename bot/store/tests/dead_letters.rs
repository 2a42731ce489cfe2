//! What is given up, on both databases: nothing else waits for it, and nothing of it is lost.

use serde_json::json;

use super::{NOW, Opened, delivery, each_database, given_up, insert_task, next, taken, transition};
use crate::{
    domain::{
        TaskId, Timestamp,
        conversation::{ConversationId, Person, PersonId, Standing},
        effect::{Effect, Mark},
        message::Message,
    },
    store::{
        Store, StoreError,
        database::{either, query},
        dead_letters::{GivenUp, Queue, Wished},
        inbox::Next,
        outbox::Taken,
    },
};

async fn sql(store: &Store, text: &'static str) {
    query(text).execute(store.database.writing()).await.unwrap();
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_told_from_a_database_that_fails() {
    for Opened { store, _folder, .. } in each_database().await {
        for (damage, words) in [
            (
                "UPDATE inbox SET body = '{half' WHERE delivery_key = 'bad'",
                "damaged",
            ),
            (
                "UPDATE inbox SET source = 'pigeon' WHERE delivery_key = 'bad'",
                "`pigeon`",
            ),
        ] {
            store.accept(&delivery("bad", "a"), NOW).await.unwrap();
            store.accept(&delivery("good", "a"), NOW).await.unwrap();
            sql(&store, damage).await;
            let Some(Next::Unreadable { id, error }) = store.next_delivery(NOW).await.unwrap()
            else {
                panic!("it was read");
            };
            assert!(error.contains(words), "{error}");
            let put_aside = given_up(&id, None);
            store.give_up_delivery(&put_aside, NOW).await.unwrap();
            let good = next(&store, NOW).await.unwrap();
            assert_eq!(good.body, json!({ "text": "good" }));
            sql(&store, "DELETE FROM inbox").await;
        }
        store.accept(&delivery("1", "a"), NOW).await.unwrap();
        let first = next(&store, NOW).await.unwrap();
        let marks = [Mark::Accepted, Mark::Working].map(|mark| Effect::Mark { mark });
        let done = transition(&first, marks.to_vec());
        store.commit(&done, &json!(null), NOW).await.unwrap();
        sql(
            &store,
            "UPDATE outbox SET effect = '{\"effect\":\"dance\"}' WHERE effect LIKE '%accepted%'",
        )
        .await;
        let Some(Taken::Unreadable { id, task, error }) = store.claim_effect(NOW).await.unwrap()
        else {
            panic!("it was read");
        };
        assert_eq!(task, None);
        assert!(error.contains("dance"), "{error}");
        store.give_up_effect(&id, &error, None, NOW).await.unwrap();
        assert_eq!(taken(&store, NOW).await.unwrap().effect, marks[1]);
        store.close().await;
    }
}

#[tokio::test]
async fn a_task_that_cannot_be_read_is_named_and_gives_its_place_back() {
    for Opened { store, _folder, .. } in each_database().await {
        insert_task(&store, "broken", "queued", 1).await;
        let id = TaskId("broken".into());
        let error = store.task(&id).await.unwrap_err();
        assert!(
            matches!(&error, StoreError::Task(named, _) if *named == id),
            "{error}"
        );
        assert_eq!(store.grant_slot(1, NOW).await.unwrap(), Some(id.clone()));
        // The news of the place is a delivery, and the task cannot take it.
        let news = next(&store, NOW).await.unwrap();
        let put_aside = GivenUp {
            unreadable: Some(&id),
            ..given_up(&news.id, None)
        };
        store.give_up_delivery(&put_aside, NOW).await.unwrap();
        assert_eq!(store.slots().await.unwrap(), (0, 0));
        assert_eq!(store.grant_slot(1, NOW).await.unwrap(), None);
        assert_eq!(store.recent_tasks(None, 9).await.unwrap(), []);
        let states = store.tasks_by_state().await.unwrap();
        assert_eq!(states, [("unreadable".to_owned(), 1)]);
        store.close().await;
    }
}

#[tokio::test]
async fn giving_up_and_the_news_of_it_are_one() {
    for Opened { store, _folder, .. } in each_database().await {
        store.accept(&delivery("1", "a"), NOW).await.unwrap();
        let first = next(&store, NOW).await.unwrap();
        let whisper = Effect::Whisper {
            to: Person {
                id: PersonId("p:ana".into()),
                name: "ana".into(),
                standing: Standing::Member,
            },
            message: Box::new(Message::NotHandled {
                reference: first.id.to_string(),
            }),
        };
        let place = ConversationId("a".into());
        let told = GivenUp {
            news: Some((&place, whisper.clone())),
            ..given_up(&first.id, None)
        };
        store.give_up_delivery(&told, NOW).await.unwrap();
        // A second time, after a crash that hid the first: nobody hears it twice.
        store.give_up_delivery(&told, NOW).await.unwrap();
        assert_eq!(store.outbox_depth().await.unwrap().0, 1);
        let claimed = taken(&store, NOW).await.unwrap();
        assert_eq!(claimed.effect, whisper);
        let news = delivery("given-up", "a");
        for _ in 0..2 {
            let given_up = store.give_up_effect(&claimed.id, "why", Some(&news), NOW);
            given_up.await.unwrap();
        }
        assert_eq!(next(&store, NOW).await.unwrap().body, news.body);
        assert_eq!(store.given_up().await.unwrap(), (1, 1));
        store.close().await;
    }
}

#[tokio::test]
async fn an_operator_tries_again_in_the_old_place_or_drops() {
    for Opened { store, _folder, .. } in each_database().await {
        store.accept(&delivery("1", "a"), NOW).await.unwrap();
        let first = next(&store, NOW).await.unwrap();
        let marks = [Mark::Accepted, Mark::Working].map(|mark| Effect::Mark { mark });
        let done = transition(&first, marks.to_vec());
        store.commit(&done, &json!(null), NOW).await.unwrap();
        let claimed = taken(&store, NOW).await.unwrap();
        store
            .give_up_effect(&claimed.id, "no such channel", None, NOW)
            .await
            .unwrap();
        let listed = store.letters(Queue::Outbox).await.unwrap();
        assert_eq!(listed.len(), 1, "what was never tried is not listed");
        assert!(listed[0].given_up && listed[0].error == "no such channel");
        let id = claimed.id.to_string();
        let wish = store.retry_letter(Queue::Outbox, &id, "ops", Timestamp(2_000));
        assert_eq!(wish.await.unwrap(), Wished::Done);
        // Before the other one of its lane, and not as if it had never been tried.
        let again = taken(&store, Timestamp(2_000)).await.unwrap();
        assert_eq!(
            (again.id.to_string(), again.attempts),
            (claimed.id.to_string(), 2)
        );
        assert_eq!(taken(&store, Timestamp(2_000)).await, None);
        // In hand is not to be dropped; given up again it is, and what waited goes on.
        let drop = async || {
            store
                .drop_letter(Queue::Outbox, &claimed.id.to_string(), "ops", None, NOW)
                .await
        };
        assert_eq!(drop().await.unwrap(), Wished::Unknown);
        let given_up = store.give_up_effect(&again.id, "still not", None, NOW);
        given_up.await.unwrap();
        assert_eq!(drop().await.unwrap(), Wished::Done);
        assert_eq!(drop().await.unwrap(), Wished::Unknown);
        assert_eq!(
            taken(&store, Timestamp(2_000)).await.unwrap().effect,
            marks[1]
        );
        let audit = store.audit_of(&TaskId(String::new())).await.unwrap();
        let acts: Vec<&str> = audit.iter().map(|(_, entry)| entry.act.as_str()).collect();
        assert_eq!(acts, ["said", "retry effect", "drop effect"]);
        store.close().await;
    }
}

#[tokio::test]
async fn of_a_cancelled_or_deleted_task_nothing_is_tried_again() {
    for Opened { store, _folder, .. } in each_database().await {
        insert_task(&store, "over", "canceled", 1).await;
        for (id, task) in [("e1", "over"), ("e2", "gone")] {
            query(
                "INSERT INTO outbox (id, task, conversation, lane, slot, effect, state, attempts, due_ms, created_ms)
                 VALUES ($1, $2, 'c', 'talk', '', '{}', 'dead', 1, 0, 0)",
            )
            .bind(id)
            .bind(task)
            .execute(store.database.writing())
            .await
            .unwrap();
            let wish = store.retry_letter(Queue::Outbox, id, "ops", NOW);
            assert_eq!(wish.await.unwrap(), Wished::TaskIsOver, "{task}");
        }
        assert_eq!(store.outbox_depth().await.unwrap().0, 0);
        store.close().await;
    }
}

async fn insert_effect(store: &Store, id: &str, task: &str, lane: &str, state: &str) {
    query(
        "INSERT INTO outbox (id, task, conversation, lane, slot, effect, state, attempts, due_ms, created_ms)
         VALUES ($1, $2, 'c', $3, '', '{}', $4, 3, 0, 0)",
    )
    .bind(id)
    .bind(task)
    .bind(lane)
    .bind(state)
    .execute(store.database.writing())
    .await
    .unwrap();
}

#[tokio::test]
async fn what_somebody_waits_for_is_not_dropped_while_it_is_tried() {
    for Opened { store, _folder, .. } in each_database().await {
        insert_effect(&store, "stop", "one", "control:one:1", "ready").await;
        insert_effect(&store, "work", "one", "work:one", "ready").await;
        let drop = async |id: &'static str| {
            let news = delivery("given-up:e", "a");
            let wish = store.drop_letter(Queue::Outbox, id, "ops", Some(&news), NOW);
            wish.await.unwrap()
        };
        assert_eq!(drop("stop").await, Wished::MustBeDone);
        // Nobody is told of what did not happen.
        assert_eq!(store.inbox_depth().await.unwrap().0, 0);
        assert_eq!(store.outbox_depth().await.unwrap().0, 2);
        assert_eq!(store.audit_of(&TaskId("one".into())).await.unwrap(), []);
        assert_eq!(drop("work").await, Wished::Done);
        assert_eq!(
            next(&store, NOW).await.unwrap().body,
            json!({ "text": "given-up:e" })
        );
        assert_eq!(store.outbox_depth().await.unwrap().0, 1);
        // Given up it is dropped as anything else is.
        sql(&store, "UPDATE outbox SET state = 'dead' WHERE id = 'stop'").await;
        assert_eq!(drop("stop").await, Wished::Done);
        store.close().await;
    }
}

/// Waits until somebody on this server's database waits for what another one has locked.
async fn somebody_waits(store: &Store) {
    loop {
        let waiting = query(
            "SELECT count(*) AS number FROM pg_stat_activity
             WHERE datname = current_database() AND wait_event_type = 'Lock'",
        );
        let row = waiting.fetch_one(store.database.reading()).await.unwrap();
        if row.try_get::<i64>("number").unwrap() > 0 {
            return;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_goes_into_a_hand_or_ends_in_the_moment_of_the_wish_stays_as_it_is() {
    // A file has one writer, so nobody comes between.
    let address = deckhand_world::postgres::fresh_database().await.unwrap();
    let store = Store::open(&address).await.unwrap();
    insert_task(&store, "one", "running", 1).await;
    insert_effect(&store, "e", "one", "work:one", "ready").await;
    sql(
        &store,
        "INSERT INTO inbox (id, source, delivery_key, conversation, body, state, attempts, due_ms, received_ms)
         VALUES ('d', 'slack', 'k', 'c', '{}', 'waiting', 1, 0, 0)",
    )
    .await;
    let queues = [
        (
            (Queue::Outbox, "e"),
            "UPDATE outbox SET state = 'leased', owner = 'other' WHERE id = 'e'",
            "UPDATE outbox SET state = 'ready', owner = '' WHERE id = 'e' AND state = 'leased' AND owner = 'other'",
        ),
        (
            (Queue::Inbox, "d"),
            "UPDATE inbox SET state = 'done' WHERE id = 'd'",
            "UPDATE inbox SET state = 'waiting' WHERE id = 'd' AND state = 'done' AND error IS NULL",
        ),
    ];
    let news = delivery("given-up:e", "a");
    for ((queue, id), meanwhile, back) in queues {
        for wish in ["retry", "drop"] {
            let mut other = store.begin().await.unwrap();
            query(meanwhile).execute(&mut other).await.unwrap();
            let wished = async {
                if wish == "retry" {
                    store.retry_letter(queue, id, "ops", NOW).await
                } else {
                    store.drop_letter(queue, id, "ops", Some(&news), NOW).await
                }
            };
            let commits = async {
                somebody_waits(&store).await;
                other.commit().await.unwrap();
            };
            let (wished, ()) = tokio::join!(wished, commits);
            assert_eq!(wished.unwrap(), Wished::Unknown, "{wish} {queue:?}");
            let as_it_was = query(back).execute(store.database.writing()).await;
            assert_eq!(as_it_was.unwrap(), 1, "{wish} {queue:?}");
        }
    }
    // Nobody is told of what did not happen.
    assert_eq!(store.inbox_depth().await.unwrap().0, 1);
    assert_eq!(store.audit_of(&TaskId("one".into())).await.unwrap(), []);
    store.close().await;
}

/// How the database will look for the rows of a statement, in its own words.
async fn plan_of(store: &Store, sqlite: &'static str, postgres: &'static str) -> String {
    let rows = either(sqlite, postgres)
        .fetch_all(store.database.writing())
        .await
        .unwrap();
    let column = if store.database.is_file() {
        "detail"
    } else {
        "QUERY PLAN"
    };
    let lines = rows
        .iter()
        .map(|row| row.try_get::<String>(column).unwrap());
    lines.collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn what_was_given_up_is_counted_without_a_look_at_everything_else() {
    macro_rules! explained {
        ($table:literal) => {
            (
                concat!(
                    "EXPLAIN QUERY PLAN SELECT count(*) FROM ",
                    $table,
                    " WHERE state = 'dead'"
                ),
                concat!(
                    "EXPLAIN SELECT count(*) FROM ",
                    $table,
                    " WHERE state = 'dead'"
                ),
            )
        };
    }
    for Opened { store, _folder, .. } in each_database().await {
        if !store.database.is_file() {
            // A planner that knows how few of many they are: a table of a handful of rows is read whole.
            for seed in [
                "INSERT INTO inbox (id, source, delivery_key, conversation, body, state, attempts, due_ms, received_ms)
                 SELECT n::text, 'slack', n::text, 'c', '{}', CASE WHEN n % 1000 = 0 THEN 'dead' ELSE 'done' END, 0, 0, 0
                 FROM generate_series(1, 5000) AS n",
                "INSERT INTO outbox (id, task, conversation, lane, slot, effect, state, attempts, due_ms, created_ms)
                 SELECT n::text, 't', 'c', 'talk', '', '{}', CASE WHEN n % 1000 = 0 THEN 'dead' ELSE 'done' END, 1, 0, 0
                 FROM generate_series(1, 5000) AS n",
                "ANALYZE inbox",
                "ANALYZE outbox",
            ] {
                sql(&store, seed).await;
            }
        }
        let tables = [
            ("inbox_given_up", explained!("inbox")),
            ("outbox_given_up", explained!("outbox")),
        ];
        for (index, (sqlite, postgres)) in tables {
            let plan = plan_of(&store, sqlite, postgres).await;
            // An index that begins with the state finds them as well.
            let is_found = plan.contains(index) || plan.contains("outbox_due");
            assert!(is_found, "{index}: {plan}");
        }
        store.close().await;
    }
}
