//! Bells: who has a task in hand hears at once of what another process has stored for it.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{Semaphore, oneshot},
    time::timeout,
};

use super::{places::asked_for, *};
use crate::{
    domain::{conversation::SubjectId, task::Task},
    store::{bells::Bell, tasks::Stored},
};

/// A bell that is not heard within this never comes.
const HEARD_WITHIN: Duration = Duration::from_secs(20);

/// Counts what a process hears of a kind, from when it hears.
async fn hears(store: &Store, kind: Bell) -> (Arc<Semaphore>, impl Drop + use<>) {
    let (rung, (ready, is_ready)) = (Arc::new(Semaphore::new(0)), oneshot::channel());
    let (store, heard) = (store.clone(), Arc::clone(&rung));
    let first = std::sync::Mutex::new(Some(ready));
    let listening = tokio::spawn(async move {
        let hear = |bell| {
            if bell != kind {
                return;
            }
            match first.lock().unwrap().take() {
                // It says once that it hears now.
                Some(ready) => ready.send(()).unwrap(),
                None => heard.add_permits(1),
            }
        };
        store.hear_bells(hear).await;
    });
    timeout(HEARD_WITHIN, is_ready).await.unwrap().unwrap();
    (rung, tokio_util::task::AbortOnDropHandle::new(listening))
}

/// Stores an effect of a task, as the process that was given what somebody said.
async fn say(store: &Store, key: &str, task: &Task, version: i64) {
    let conversation = &task.conversation.0;
    store
        .accept(&delivery(key, conversation), NOW)
        .await
        .unwrap();
    let delivery = next(store, NOW).await.unwrap();
    let mark = Effect::Mark {
        mark: Mark::Working,
    };
    let mut said = transition(&delivery, vec![mark]);
    let task = task.clone();
    said.task = Some(Stored { task, version });
    store.commit(&said, &Value::Null, NOW).await.unwrap();
}

#[tokio::test]
async fn who_has_the_run_of_a_task_hears_what_another_one_stored_for_it_and_nobody_else_does() {
    let (one, two) = leases::two().await;
    let third = two.clone();
    let (rung, _listening) = hears(&one, Bell::Effect).await;
    let (own, _own) = hears(&third, Bell::Effect).await;
    let task = asked_for(&SubjectId("linear:ENG-1".into()));
    // In nobody's hand yet: whoever comes first takes it.
    say(&two, "1", &task, 0).await;
    one.open_run(&run(&task.id.0)).await.unwrap();
    say(&two, "2", &task, 1).await;
    let _heard = timeout(HEARD_WITHIN, rung.acquire())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(rung.available_permits(), 0);
    // What a process stores for itself it knows.
    say(&one, "3", &task, 2).await;
    say(&two, "4", &task, 3).await;
    let _heard = timeout(HEARD_WITHIN, rung.acquire())
        .await
        .unwrap()
        .unwrap();
    assert_eq!((rung.available_permits(), own.available_permits()), (0, 0));
}

#[tokio::test]
async fn bells_are_heard_again_after_the_server_has_ended_the_connection() {
    let (one, two) = leases::two().await;
    let (rung, _listening) = hears(&one, Bell::Effect).await;
    let ended = query(
        "SELECT count(pg_terminate_backend(pid)) AS ended FROM pg_stat_activity
         WHERE datname = current_database() AND query LIKE 'LISTEN%'",
    );
    let ended = ended.fetch_one(two.database.reading()).await.unwrap();
    assert_eq!(ended.try_get::<i64>("ended").unwrap(), 1);
    // It looks once by itself: a bell may have rung meanwhile.
    let _heard = timeout(HEARD_WITHIN, rung.acquire())
        .await
        .unwrap()
        .unwrap();
    let task = asked_for(&SubjectId("linear:ENG-1".into()));
    one.open_run(&run(&task.id.0)).await.unwrap();
    say(&two, "1", &task, 0).await;
    let _heard = timeout(HEARD_WITHIN, rung.acquire())
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn doors_of_their_own_ring_for_who_dispatches() {
    for Opened {
        store,
        address,
        _folder,
    } in each_database().await
    {
        let doors = Store::open_for_doors(&address).await.unwrap();
        // Nobody hears it yet, which is no error.
        doors.ring_for_delivery().await;
        let (rung, _listening) = hears(&store, Bell::Delivery).await;
        for _ in 0..3 {
            doors.ring_for_delivery().await;
            let _heard = timeout(HEARD_WITHIN, rung.acquire())
                .await
                .unwrap()
                .unwrap();
        }
    }
}
