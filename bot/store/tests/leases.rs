//! Who has what in hand: one at a time, in order, and never longer than somebody says that it is worked on.

use futures::FutureExt as _;

use super::*;
use crate::store::leases::LEASE;

/// How long a brief lease is, in milliseconds.
const BRIEF_MS: i64 = 2_000;

/// Two processes on one server.
pub(super) async fn two() -> (Store, Store) {
    let address = deckhand_world::postgres::fresh_database().await.unwrap();
    let one = Store::open(&address).await.unwrap();
    (one, Store::open(&address).await.unwrap())
}

/// So many leases after [`NOW`].
pub(super) fn leases_later(number: i64) -> Timestamp {
    Timestamp(NOW.0 + number * i64::try_from(LEASE.as_millis()).unwrap())
}

pub(super) async fn insert_effect(store: &Store, id: &str, task: &str, lane: &str) {
    let mark = Effect::Mark {
        mark: Mark::Working,
    };
    insert(store, id, task, lane, &mark).await;
}

async fn insert(store: &Store, id: &str, task: &str, lane: &str, effect: &Effect) {
    query(
        "INSERT INTO outbox (id, task, conversation, lane, slot, effect, state, attempts, due_ms, created_ms)
         VALUES ($1, $2, 'c:1', $3, '', $4, 'ready', 0, 0, 0)",
    )
    .bind(id)
    .bind(task)
    .bind(lane)
    .bind(serde_json::to_string(effect).unwrap())
    .execute(store.database.writing())
    .await
    .unwrap();
}

/// What one claim takes.
async fn taken_at_once(store: &Store) -> Vec<Claimed> {
    let read = |taken: Taken| match taken {
        Taken::Effect(claimed) => claimed,
        unreadable @ Taken::Unreadable { .. } => panic!("{unreadable:?}"),
    };
    let taken = store.claim_effects(NOW).await.unwrap();
    taken.into_iter().map(read).collect()
}

fn ids(taken: &[Claimed]) -> Vec<String> {
    taken.iter().map(|claimed| claimed.id.to_string()).collect()
}

#[tokio::test]
async fn several_effects_are_taken_at_once_each_the_oldest_of_its_lane() {
    for Opened { store, _folder, .. } in each_database().await {
        for number in 10..30 {
            let lane = format!("talk:{}", number % 10);
            insert_effect(&store, &number.to_string(), "", &lane).await;
        }
        let first = taken_at_once(&store).await;
        let oldest: Vec<String> = (10..18).map(|number| number.to_string()).collect();
        assert_eq!(ids(&first), oldest);
        assert_eq!(ids(&taken_at_once(&store).await), ["18", "19"]);
        assert!(taken_at_once(&store).await.is_empty());
        store.effect_done(&first[0].id, NOW).await.unwrap();
        assert_eq!(ids(&taken_at_once(&store).await), ["20"]);
        store.close().await;
    }
}

#[tokio::test]
async fn two_that_take_several_at_the_same_moment_share_none() {
    let (one, other) = two().await;
    for number in 100..180 {
        let lane = format!("talk:{number}");
        insert_effect(&one, &number.to_string(), "", &lane).await;
    }
    let all = async |store: &Store| {
        let mut all = Vec::new();
        loop {
            let taken = taken_at_once(store).await;
            if taken.is_empty() {
                return all;
            }
            all.extend(ids(&taken));
        }
    };
    let (mut taken, others) = tokio::join!(all(&one), all(&other));
    taken.extend(others);
    taken.sort_unstable();
    let every: Vec<String> = (100..180).map(|number| number.to_string()).collect();
    assert_eq!(taken, every);
    one.close().await;
    other.close().await;
}

#[tokio::test]
async fn conversations_are_in_different_hands_and_each_in_one() {
    for Opened { store, _folder, .. } in each_database().await {
        for (key, conversation) in [("1", "a"), ("2", "a"), ("3", "b")] {
            let delivery = delivery(key, conversation);
            store.accept(&delivery, NOW).await.unwrap();
        }
        let first = next(&store, NOW).await.unwrap();
        let other = next(&store, NOW).await.unwrap();
        assert_eq!((&*first.conversation, &*other.conversation), ("a", "b"));
        assert_eq!(next(&store, NOW).await, None);
        let done = transition(&first, Vec::new());
        store.commit(&done, &Value::Null, NOW).await.unwrap();
        let second = next(&store, NOW).await.unwrap();
        assert_eq!(second.body, json!({ "text": "2" }));
        store.close().await;
    }
}

#[tokio::test]
async fn many_that_take_at_once_never_take_the_same() {
    const ROWS: usize = 120;
    for Opened { store, _folder, .. } in each_database().await {
        for number in 0..ROWS {
            let (id, lane) = (format!("{number:04}"), format!("lane {}", number % 40));
            insert_effect(&store, &id, "", &lane).await;
        }
        let workers = (0..8).map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut done = Vec::new();
                while let Some(claimed) = taken(&store, NOW).await {
                    store.effect_done(&claimed.id, NOW).await.unwrap();
                    done.push(claimed.id.to_string());
                }
                done
            })
        });
        let mut done = Vec::new();
        for worker in workers.collect::<Vec<_>>() {
            done.extend(worker.await.unwrap());
        }
        // Who finds nothing ends, so the last ones of a lane may be left; none is done twice.
        while let Some(claimed) = taken(&store, NOW).await {
            store.effect_done(&claimed.id, NOW).await.unwrap();
            done.push(claimed.id.to_string());
        }
        done.sort();
        let all: Vec<String> = (0..ROWS).map(|number| format!("{number:04}")).collect();
        assert_eq!(done, all);
        store.close().await;
    }
}

#[tokio::test]
async fn who_has_just_ended_something_is_not_told_that_it_is_lost() {
    for Opened { store, _folder, .. } in each_database().await {
        store.accept(&delivery("1", "a"), NOW).await.unwrap();
        insert_effect(&store, "1", "", "talk:a").await;
        let handled = next(&store, NOW).await.unwrap();
        let done = taken(&store, NOW).await.unwrap();
        let nothing = transition(&handled, Vec::new());
        store.commit(&nothing, &Value::Null, NOW).await.unwrap();
        store.effect_done(&done.id, NOW).await.unwrap();
        // Both are still in hand: what follows upon their end is being done.
        store.keep_leases(NOW).await.unwrap();
        store.see_lost(&[]).await.unwrap();
        for ticket in [&handled.id, &done.id] {
            assert!(ticket.lost().now_or_never().is_none());
        }
        store.close().await;
    }
}

#[tokio::test]
async fn who_wakes_after_the_lease_cannot_end_what_is_somebody_elses() {
    let (one, two) = two().await;
    one.accept(&delivery("1", "a"), NOW).await.unwrap();
    let paused = next(&one, NOW).await.unwrap();
    assert_eq!(next(&two, NOW).await, None);
    let later = leases_later(1);
    let theirs = next(&two, later).await.unwrap();
    let late = vec![Effect::Mark {
        mark: Mark::Accepted,
    }];
    let late = transition(&paused, late);
    let refused = one.commit(&late, &Value::Null, later).await.unwrap_err();
    assert!(matches!(refused, StoreError::Conflict), "{refused}");
    // Neither may it be put back or buried.
    one.postpone_delivery(&paused.id, later, "late")
        .await
        .unwrap();
    let buried = given_up(&paused.id, None);
    one.give_up_delivery(&buried, later).await.unwrap();
    assert_eq!(two.outbox_depth().await.unwrap().0, 0);
    // What the one has lost, it hears of.
    one.keep_leases(later).await.unwrap();
    paused.id.lost().await;
    let in_time = vec![Effect::Mark {
        mark: Mark::Working,
    }];
    let in_time = transition(&theirs, in_time);
    two.commit(&in_time, &Value::Null, later).await.unwrap();

    let paused = taken(&one, later).await.unwrap();
    assert_eq!(taken(&two, later).await, None);
    let later = leases_later(2);
    let theirs = taken(&two, later).await.unwrap();
    assert_eq!(theirs.attempts, 2);
    one.effect_done(&paused.id, later).await.unwrap();
    one.postpone_effect(&paused.id, later, "late")
        .await
        .unwrap();
    assert_eq!(two.outbox_depth().await.unwrap().0, 1);
    two.effect_done(&theirs.id, later).await.unwrap();
    assert_eq!(two.outbox_depth().await.unwrap().0, 0);
}

#[tokio::test]
async fn what_is_worked_on_stays_in_its_hand() {
    let (one, two) = two().await;
    one.accept(&delivery("1", "a"), NOW).await.unwrap();
    insert_effect(&one, "1", "", "lane").await;
    let delivery = next(&one, NOW).await.unwrap();
    let effect = taken(&one, NOW).await.unwrap();
    let later = leases_later(1);
    one.keep_leases(Timestamp(later.0 - 1)).await.unwrap();
    assert_eq!(next(&two, later).await, None);
    assert_eq!(taken(&two, later).await, None);
    drop((delivery, effect));
    // At its end a process leaves nothing for the others to wait for.
    one.release_leases().await.unwrap();
    assert!(next(&two, later).await.is_some());
    assert!(taken(&two, later).await.is_some());
}

#[tokio::test]
async fn a_delivery_that_the_database_failed_is_given_back_before_its_lease_ends() {
    for Opened { store, _folder, .. } in each_database().await {
        store.accept(&delivery("1", "a"), NOW).await.unwrap();
        let failed = next(&store, NOW).await.unwrap();
        assert_eq!(next(&store, NOW).await, None);
        store.hand_back_delivery(&failed.id).await.unwrap();
        let again = next(&store, NOW).await.unwrap();
        assert_eq!(again.body, failed.body);
        // Who had it before has nothing to give back any more.
        store.hand_back_delivery(&failed.id).await.unwrap();
        assert_eq!(next(&store, NOW).await, None);
        store.close().await;
    }
}

#[tokio::test]
async fn what_fell_out_of_hand_is_tried_again_after_its_lease() {
    for Opened { store, _folder, .. } in each_database().await {
        store.accept(&delivery("1", "a"), NOW).await.unwrap();
        insert_effect(&store, "1", "", "lane").await;
        let delivery = next(&store, NOW).await.unwrap();
        let effect = taken(&store, NOW).await.unwrap();
        let (soon, later) = (Timestamp(NOW.0 + BRIEF_MS), leases_later(1));
        store.keep_leases(NOW).await.unwrap();
        drop((delivery, effect));
        store.keep_leases(Timestamp(soon.0 - 1)).await.unwrap();
        assert_eq!(next(&store, soon).await, None);
        store.keep_leases(soon).await.unwrap();
        assert!(next(&store, soon).await.is_some());
        assert_eq!(taken(&store, later).await, None);
        store.keep_leases(later).await.unwrap();
        assert_eq!(taken(&store, later).await.unwrap().attempts, 2);
        store.close().await;
    }
}

#[tokio::test]
async fn what_concerns_a_task_goes_to_whoever_has_it_in_hand() {
    let (one, two) = two().await;
    insert_effect(&one, "1", "t", "work").await;
    insert_effect(&one, "2", "t", "control").await;
    insert_effect(&one, "3", "u", "control of u").await;
    let work = taken(&one, NOW).await.unwrap();
    let other = taken(&two, NOW).await.unwrap();
    assert_eq!(
        (other.id.to_string(), other.task),
        ("3".into(), Some(TaskId("u".into())))
    );
    assert_eq!(taken(&two, NOW).await, None);
    let control = taken(&one, NOW).await.unwrap();
    one.postpone_effect(&control.id, NOW, "again")
        .await
        .unwrap();
    one.effect_done(&work.id, NOW).await.unwrap();
    // A run that lives counts as well, until its lease is over.
    let run = run("t");
    one.open_run(&run).await.unwrap();
    assert_eq!(taken(&two, NOW).await, None);
    let control = taken(&two, leases_later(1)).await.unwrap();
    assert_eq!(control.id.to_string(), "2");
}

pub(super) async fn taken_effect(store: &Store, at: Timestamp) -> Claimed {
    taken(store, at).await.expect("it is there")
}

#[tokio::test]
async fn a_cancel_waits_a_moment_for_whoever_has_the_task_and_then_goes_to_anybody() {
    let (one, two) = two().await;
    let run = run("t");
    one.open_run(&run).await.unwrap();
    insert(&one, "1", "t", "control", &Effect::StopAll).await;
    insert_effect(&one, "2", "t", "talk").await;
    // Everything was due at zero.
    assert_eq!(taken(&two, Timestamp(1_499)).await, None);
    let cancel = taken(&two, Timestamp(1_500)).await.unwrap();
    assert_eq!(cancel.id.to_string(), "1");
    // What is said of the task stays with its process.
    assert_eq!(taken(&two, Timestamp(1_500)).await, None);
    // A process that dies in half a cancel does not hold it up.
    let later = Timestamp(1_500 + BRIEF_MS);
    let ids = async |store: &Store, at| taken(store, at).await.map(|taken| taken.id.to_string());
    assert_eq!(ids(&one, Timestamp(later.0 - 1)).await, None);
    two.keep_brief_leases(Timestamp(1_501)).await.unwrap();
    assert_eq!(ids(&one, later).await, None);
    assert_eq!(ids(&one, Timestamp(later.0 + 1)).await, Some("1".into()));
}

#[tokio::test]
async fn work_that_is_put_off_while_its_task_is_cancelled_holds_up_no_release() {
    for Opened { store, _folder, .. } in each_database().await {
        let publish = Effect::Publish {
            run: RunNumber(1),
            commit: CommitId("c".into()),
        };
        insert(&store, "1", "t", "work:t", &publish).await;
        let work = taken_effect(&store, NOW).await;
        insert(&store, "2", "t", "work:t", &Effect::Release).await;
        let later = Timestamp(NOW.0 + 60_000);
        store
            .postpone_effect(&work.id, later, "limited")
            .await
            .unwrap();
        assert_eq!(taken(&store, NOW).await, None, "it stands behind the work");
        let task = TaskId("t".into());
        store.drop_waiting_work(&task, NOW).await.unwrap();
        let release = taken_effect(&store, NOW).await;
        assert_eq!(release.effect, Effect::Release);
        store
            .postpone_effect(&release.id, NOW, "the engine is away")
            .await
            .unwrap();
        store.drop_waiting_work(&task, NOW).await.unwrap();
        assert_eq!(taken_effect(&store, later).await.effect, Effect::Release);
        store.close().await;
    }
}

#[tokio::test]
async fn a_task_that_is_stopped_from_elsewhere_is_out_of_the_hands_of_its_process() {
    let (one, two) = two().await;
    let run = run("t");
    assert!(!two.take_task(&run.task, NOW).await.unwrap());
    let mine = [one.open_run(&run).await.unwrap().unwrap()];
    let publish = Effect::Publish {
        run: run.number,
        commit: CommitId("c".into()),
    };
    insert(&one, "1", "t", "work:t", &publish).await;
    insert_effect(&one, "2", "t", "marks:t").await;
    insert_effect(&one, "3", "t", "errands:t").await;
    let work = taken_effect(&one, NOW).await;
    let words = taken_effect(&one, NOW).await;
    let errand = taken_effect(&one, NOW).await;
    assert_eq!(one.see_lost(&mine).await.unwrap(), []);
    assert!(!one.take_task(&run.task, NOW).await.unwrap());

    assert!(two.take_task(&run.task, NOW).await.unwrap());
    two.drop_work_elsewhere(&run.task, NOW).await.unwrap();
    two.close_run(&run.task, run.number, NOW).await.unwrap();
    assert_eq!(two.live_runs().await.unwrap(), []);
    assert_eq!(one.see_lost(&mine).await.unwrap(), mine);
    work.id.lost().await;
    one.effect_done(&work.id, NOW).await.unwrap();
    assert_eq!(errand.id.lost().now_or_never(), None, "it goes on");
    two.drop_errands_elsewhere(&run.task, NOW).await.unwrap();
    one.see_lost(&[]).await.unwrap();
    errand.id.lost().await;
    // What it says is waited for, and dropped where it does not end.
    assert!(two.is_said_elsewhere(&run.task).await.unwrap());
    two.drop_words_elsewhere(&run.task, NOW).await.unwrap();
    assert!(!two.is_said_elsewhere(&run.task).await.unwrap());
    one.see_lost(&[]).await.unwrap();
    words.id.lost().await;
    assert_eq!(two.outbox_depth().await.unwrap().0, 0);
}

#[tokio::test]
async fn only_what_lay_in_a_hand_is_told_to_be_taken_over() {
    for Opened {
        store,
        address,
        _folder,
    } in each_database().await
    {
        insert_effect(&store, "1", "", "a").await;
        insert_effect(&store, "2", "", "b").await;
        insert_effect(&store, "3", "", "c").await;
        let begun = taken_effect(&store, NOW).await;
        let failed = taken_effect(&store, NOW).await;
        assert_eq!((begun.from, failed.from), (From::Outbox, From::Outbox));
        store.postpone_effect(&failed.id, NOW, "no").await.unwrap();
        // As at the end of a process, asked for or not.
        if address.starts_with("sqlite") {
            store.take_back_leases().await.unwrap();
        } else {
            store.release_leases().await.unwrap();
        }
        let mut from = Vec::new();
        while let Some(claimed) = taken(&store, NOW).await {
            from.push(claimed.from);
            store.effect_done(&claimed.id, NOW).await.unwrap();
        }
        assert_eq!(from, [From::AnotherHand, From::Outbox, From::Outbox]);
        store.close().await;
    }
}
