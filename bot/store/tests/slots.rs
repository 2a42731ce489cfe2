//! What is said in a slot that something was said in before: it looks first, where the older one may stand there unseen.

use super::*;
use crate::{
    domain::{effect::Slot, message::Message},
    store::{
        outbox::{Claimed, append},
        tasks::drop_everything_open,
    },
};

/// Says something in this slot.
async fn say(store: &Store, slot: &Slot) {
    let effect = Effect::Say {
        slot: slot.clone(),
        message: Box::new(Message::Help),
    };
    let (task, conversation) = (task(), ConversationId("c:1".into()));
    let mut transaction = store.begin().await.unwrap();
    append(&mut transaction, Some(&task), &conversation, &effect, NOW)
        .await
        .unwrap();
    transaction.commit().await.unwrap();
}

/// The answer to what was tried is lost: it may stand on the surface. Then somebody cancels, and something new is said.
async fn lost_and_cancelled(store: &Store, slot: &Slot, tried: &Claimed) {
    store
        .postpone_effect(&tried.id, NOW, "no answer")
        .await
        .unwrap();
    cancel(store).await;
    say(store, slot).await;
    assert_eq!(taken(store, NOW).await.unwrap().attempts, 2, "{slot}");
}

async fn cancel(store: &Store) {
    let mut transaction = store.begin().await.unwrap();
    drop_everything_open(&mut transaction, &task(), NOW)
        .await
        .unwrap();
    transaction.commit().await.unwrap();
}

fn task() -> TaskId {
    TaskId("k3f9qx".into())
}

#[tokio::test]
async fn what_was_tried_and_dropped_by_a_cancel_is_looked_for() {
    for slot in [Slot::Plan(1), Slot::Progress(RunNumber(1)), Slot::Note(1)] {
        for Opened { store, _folder, .. } in each_database().await {
            say(&store, &slot).await;
            let tried = taken(&store, NOW).await.unwrap();
            lost_and_cancelled(&store, &slot, &tried).await;
            store.close().await;
        }
    }
}

#[tokio::test]
async fn what_is_tried_at_this_moment_is_looked_for_by_the_next() {
    for slot in [Slot::Plan(1), Slot::Progress(RunNumber(1))] {
        for Opened { store, _folder, .. } in each_database().await {
            say(&store, &slot).await;
            let tried = taken(&store, NOW).await.unwrap();
            say(&store, &slot).await;
            lost_and_cancelled(&store, &slot, &tried).await;
            store.close().await;
        }
    }
}

#[tokio::test]
async fn a_status_that_has_to_wait_lets_others_pass_and_is_dropped_for_a_newer_one() {
    let (status, plan) = (Slot::Progress(RunNumber(1)), Slot::Plan(1));
    let is = |claimed: &Claimed, of: &Slot| matches!(&claimed.effect, Effect::Say { slot, .. } if slot == of);
    for Opened { store, _folder, .. } in each_database().await {
        say(&store, &status).await;
        let tried = taken(&store, NOW).await.unwrap();
        say(&store, &plan).await;
        assert_eq!(
            taken(&store, NOW).await,
            None,
            "it stands behind the status"
        );
        let later = Timestamp(NOW.0 + 60_000);
        store.step_aside(&tried.id, later, "limited").await.unwrap();
        let passed = taken(&store, NOW).await.unwrap();
        assert!(is(&passed, &plan), "{passed:?}");
        store.effect_done(&passed.id, NOW).await.unwrap();
        assert_eq!(taken(&store, NOW).await, None, "its time has not come");
        let again = taken(&store, later).await.unwrap();
        assert!(is(&again, &status) && again.attempts == 2, "{again:?}");
        // While it is tried once more, the work goes on: the older words are not said behind the newer ones.
        say(&store, &status).await;
        store.step_aside(&again.id, later, "limited").await.unwrap();
        let newer = taken(&store, NOW).await.unwrap();
        assert!(is(&newer, &status) && newer.id != again.id, "{newer:?}");
        // The newest takes the place of what waits, and waits as long without holding up anybody.
        store.step_aside(&newer.id, later, "limited").await.unwrap();
        say(&store, &status).await;
        say(&store, &Slot::Question(1)).await;
        let question = taken(&store, NOW).await.unwrap();
        assert!(is(&question, &Slot::Question(1)), "{question:?}");
        store.effect_done(&question.id, NOW).await.unwrap();
        assert_eq!(taken(&store, NOW).await, None, "the status waits");
        let newest = taken(&store, later).await.unwrap();
        assert!(is(&newest, &status), "{newest:?}");
        store.effect_done(&newest.id, later).await.unwrap();
        let much_later = Timestamp(later.0 + 600_000);
        assert_eq!(
            taken(&store, much_later).await,
            None,
            "the older one is gone"
        );
        store.close().await;
    }
}

#[tokio::test]
async fn a_status_that_steps_aside_at_this_moment_is_not_said_beside_a_newer_one() {
    let status = Slot::Progress(RunNumber(1));
    for Opened { store, _folder, .. } in each_database().await {
        say(&store, &status).await;
        let tried = taken(&store, NOW).await.unwrap();
        // As `step_aside` does it, up to its last moment.
        let mut unit = store.begin().await.unwrap();
        query(
            "UPDATE outbox SET lane = lane || ':aside', state = 'ready', due_ms = $2 WHERE id = $1",
        )
        .bind(&tried.id.id)
        .bind(NOW.0 + 60_000)
        .execute(&mut unit)
        .await
        .unwrap();
        let (other, slot) = (store.clone(), status.clone());
        let newer = tokio::spawn(async move { say(&other, &slot).await });
        until_somebody_waits(&store).await;
        unit.commit().await.unwrap();
        newer.await.unwrap();
        assert_eq!(taken(&store, NOW).await, None, "it waits as long");
        let later = Timestamp(NOW.0 + 60_000);
        let newest = taken(&store, later).await.unwrap();
        assert!(newest.id.id > tried.id.id);
        assert_eq!(taken(&store, later).await, None, "the older one is gone");
        store.close().await;
    }
}

/// Returns when a statement waits for what another one has locked; on SQLite a whole transaction waits for its turn.
async fn until_somebody_waits(store: &Store) {
    if store.database.is_file() {
        return;
    }
    let waits = "SELECT count(*) AS waits FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    loop {
        let row = query(waits).fetch_one(store.database.reading()).await;
        if row.unwrap().try_get::<i64>("waits").unwrap() > 0 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn what_nobody_tried_or_what_was_done_is_not_looked_for() {
    for slot in [Slot::Plan(1), Slot::Progress(RunNumber(1))] {
        for Opened { store, _folder, .. } in each_database().await {
            say(&store, &slot).await;
            cancel(&store).await;
            say(&store, &slot).await;
            let first = taken(&store, NOW).await.unwrap();
            assert_eq!(first.attempts, 1, "{slot}");
            store.effect_done(&first.id, NOW).await.unwrap();
            say(&store, &slot).await;
            assert_eq!(taken(&store, NOW).await.unwrap().attempts, 1, "{slot}");
            store.close().await;
        }
    }
}

#[tokio::test]
async fn a_newer_status_keeps_the_pause_and_the_tries_of_the_older() {
    for Opened { store, _folder, .. } in each_database().await {
        let slot = Slot::Progress(RunNumber(1));
        say(&store, &slot).await;
        let later = Timestamp(NOW.0 + 500);
        for moment in [NOW, later] {
            let tried = taken(&store, moment).await.unwrap();
            store
                .postpone_effect(&tried.id, later, "limited")
                .await
                .unwrap();
        }
        say(&store, &slot).await;
        assert_eq!(taken(&store, NOW).await, None);
        assert_eq!(taken(&store, later).await.unwrap().attempts, 3);
        assert_eq!(store.outbox_depth().await.unwrap().0, 1);
        store.close().await;
    }
}

#[tokio::test]
async fn a_status_that_is_on_its_way_when_a_task_is_cancelled_is_waited_for_or_broken_off() {
    let slot = Slot::Progress(RunNumber(1));
    for Opened { store, _folder, .. } in each_database().await {
        say(&store, &slot).await;
        let on_its_way = taken(&store, NOW).await.unwrap();
        assert!(store.is_said_here(&task()).await.unwrap());
        // Slack makes it wait once more: it is not said any more.
        store
            .step_aside(&on_its_way.id, NOW, "limited")
            .await
            .unwrap();
        assert!(!store.is_said_here(&task()).await.unwrap());
        store.drop_waiting_statuses(&task(), NOW).await.unwrap();
        assert_eq!(taken(&store, NOW).await, None);

        say(&store, &slot).await;
        let on_its_way = taken(&store, NOW).await.unwrap();
        store.break_off_statuses(&task(), NOW).await.unwrap();
        on_its_way.id.lost().await;
        assert!(!store.is_said_here(&task()).await.unwrap());
        // What it did is not known, so what is said next looks for it.
        store.effect_done(&on_its_way.id, NOW).await.unwrap();
        say(&store, &slot).await;
        assert_eq!(taken(&store, NOW).await.unwrap().attempts, 3);
        store.close().await;
    }
}
