//! Whose turn it is: found without a look at what stands behind, in the old order, and never forgotten.

use std::time::Duration;

use super::*;
use crate::{
    domain::{effect::Slot, message::Message},
    store::{database::Row, dead_letters::Queue},
};

/// How long many that work at once may take before one of them is taken to be forgotten.
const PATIENCE: Duration = Duration::from_mins(1);

/// The marks of a table, in the order of its rows.
async fn marks(store: &Store, statement: &'static str) -> Vec<i64> {
    let rows = query(statement)
        .fetch_all(store.database.reading())
        .await
        .unwrap();
    let mark = |row: &Row| row.try_get("behind").unwrap();
    rows.iter().map(mark).collect()
}

const OF_DELIVERIES: &str = "SELECT behind FROM inbox WHERE state = 'waiting' ORDER BY id";
const OF_EFFECTS: &str = "SELECT behind FROM outbox WHERE state = 'ready' ORDER BY id";

fn note(number: u32) -> Effect {
    let message = Box::new(Message::Help);
    let slot = Slot::Note(number);
    Effect::Say { slot, message }
}

fn progress(run: u32) -> Effect {
    let message = Box::new(Message::Help);
    let slot = Slot::Progress(RunNumber(run));
    Effect::Say { slot, message }
}

async fn commit(store: &Store, delivery: &Delivery, effects: Vec<Effect>) {
    let done = transition(delivery, effects);
    store.commit(&done, &Value::Null, NOW).await.unwrap();
}

#[tokio::test]
async fn a_delivery_stands_behind_the_older_one_until_that_is_over() {
    for Opened { store, _folder, .. } in each_database().await {
        for (key, conversation) in [("1", "a"), ("2", "a"), ("3", "b"), ("4", "a"), ("5", "a")] {
            let delivery = delivery(key, conversation);
            store.accept(&delivery, NOW).await.unwrap();
        }
        assert_eq!(marks(&store, OF_DELIVERIES).await, [0, 1, 0, 1, 1]);
        let first = next(&store, NOW).await.unwrap();
        commit(&store, &first, Vec::new()).await;
        assert_eq!(marks(&store, OF_DELIVERIES).await, [0, 0, 1, 1]);
        let second = next(&store, NOW).await.unwrap();
        assert_eq!(second.body, json!({ "text": "2" }));
        let left = json!({ "text": "2" });
        let buried = given_up(&second.id, Some(&left));
        store.give_up_delivery(&buried, NOW).await.unwrap();
        assert_eq!(marks(&store, OF_DELIVERIES).await, [0, 0, 1]);
        // It comes back into its old place, and those behind it wait, marked or not.
        let id = second.id.to_string();
        let again = store.retry_letter(Queue::Inbox, &id, "ana", NOW).await;
        again.unwrap();
        let mut turns = Vec::new();
        while let Some(delivery) = next(&store, NOW).await {
            turns.push(delivery.body["text"].as_str().unwrap().to_owned());
            if turns.len() == 1 {
                let dropped = store.drop_letter(Queue::Inbox, &id, "ana", None, NOW);
                dropped.await.unwrap();
            } else {
                commit(&store, &delivery, Vec::new()).await;
            }
        }
        turns[1..].sort();
        assert_eq!(turns, ["2", "3", "4", "5"]);
        store.close().await;
    }
}

#[tokio::test]
async fn an_effect_stands_behind_the_older_one_of_its_lane_until_that_is_over() {
    for Opened { store, _folder, .. } in each_database().await {
        store.accept(&delivery("1", "a"), NOW).await.unwrap();
        let first = next(&store, NOW).await.unwrap();
        let effects = vec![progress(1), note(1), note(2), note(3), Effect::Release];
        commit(&store, &first, effects).await;
        assert_eq!(marks(&store, OF_EFFECTS).await, [0, 1, 1, 1, 0]);
        // A newer status takes the place of the first, and the note behind that is the first now.
        store.accept(&delivery("2", "a"), NOW).await.unwrap();
        let second = next(&store, NOW).await.unwrap();
        commit(&store, &second, vec![progress(1)]).await;
        assert_eq!(marks(&store, OF_EFFECTS).await, [0, 1, 1, 0, 1]);
        let claimed = taken(&store, NOW).await.unwrap();
        assert_eq!(claimed.effect, note(1));
        store.effect_done(&claimed.id, NOW).await.unwrap();
        assert_eq!(marks(&store, OF_EFFECTS).await, [0, 1, 0, 1]);
        let mut turns = Vec::new();
        while let Some(claimed) = taken(&store, NOW).await {
            if claimed.effect == note(2) {
                let given_up = store.give_up_effect(&claimed.id, "why", None, NOW);
                given_up.await.unwrap();
            } else {
                store.effect_has_come(&claimed, NOW).await.unwrap();
            }
            turns.push(claimed.effect);
        }
        turns.retain(|effect| *effect != Effect::Release);
        assert_eq!(turns, [note(2), note(3), progress(1)]);
        store.close().await;
    }
}

#[tokio::test]
async fn a_mark_that_a_killed_process_left_is_taken_away() {
    for Opened { store, _folder, .. } in each_database().await {
        store.accept(&delivery("1", "a"), NOW).await.unwrap();
        let first = next(&store, NOW).await.unwrap();
        commit(&store, &first, vec![note(1)]).await;
        store.accept(&delivery("2", "a"), NOW).await.unwrap();
        for statement in [
            "UPDATE inbox SET behind = 1 WHERE state = 'waiting'",
            "UPDATE outbox SET behind = 1",
        ] {
            let marked = query(statement).execute(store.database.writing());
            marked.await.unwrap();
        }
        assert_eq!(next(&store, NOW).await, None);
        assert_eq!(taken(&store, NOW).await, None);
        store.keep_leases(NOW).await.unwrap();
        assert!(next(&store, NOW).await.is_some());
        assert!(taken(&store, NOW).await.is_some());
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn among_many_that_come_and_go_at_once_none_is_forgotten() {
    const EACH: usize = 120;
    for Opened {
        store,
        address,
        _folder,
    } in each_database().await
    {
        // On a server two processes work at it.
        let other = if address.starts_with("sqlite") {
            store.clone()
        } else {
            Store::open(&address).await.unwrap()
        };
        let senders = (0..4).map(|sender| {
            let store = if sender % 2 == 0 { &store } else { &other }.clone();
            tokio::spawn(async move {
                for number in 0..EACH {
                    let delivery = delivery(&format!("{sender} {number}"), "a");
                    store.accept(&delivery, NOW).await.unwrap();
                }
            })
        });
        let senders: Vec<_> = senders.collect();
        let workers = [&store, &other].map(|store| {
            let store = store.clone();
            tokio::spawn(async move {
                loop {
                    match next(&store, NOW).await {
                        Some(delivery) => commit(&store, &delivery, vec![note(1)]).await,
                        None => tokio::task::yield_now().await,
                    }
                    while let Some(claimed) = taken(&store, NOW).await {
                        store.effect_has_come(&claimed, NOW).await.unwrap();
                    }
                }
            })
        });
        for sender in senders {
            sender.await.unwrap();
        }
        let empty = async {
            while store.inbox_depth().await.unwrap().0 + store.outbox_depth().await.unwrap().0 > 0 {
                tokio::task::yield_now().await;
            }
        };
        let ended = tokio::time::timeout(PATIENCE, empty).await;
        for worker in workers {
            worker.abort();
        }
        let left = (store.inbox_depth().await, store.outbox_depth().await);
        assert!(ended.is_ok(), "{address}: {left:?}");
        other.close().await;
        store.close().await;
    }
}

#[tokio::test]
async fn a_delivery_does_not_wait_behind_all_the_work_on_earlier_ones() {
    let [Opened { store, _folder, .. }, _] = each_database().await;
    let in_hand = store.begin().await.unwrap();
    let order = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let (store, order) = (store.clone(), order.clone());
        waiting.spawn(async move {
            let unit = store.begin().await.unwrap();
            order.lock().unwrap().push("work");
            drop(unit);
        });
    }
    // They stand in line before the delivery comes.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    let (late, noted) = (store.clone(), order.clone());
    waiting.spawn(async move {
        late.accept(&delivery("1", "a"), NOW).await.unwrap();
        noted.lock().unwrap().push("delivery");
    });
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    drop(in_hand);
    while let Some(done) = waiting.join_next().await {
        done.unwrap();
    }
    let order = order.lock().unwrap().clone();
    let place = order.iter().position(|what| *what == "delivery");
    assert!(place.is_some_and(|place| place <= 2), "{order:?}");
    store.close().await;
}
