//! How long people wait: counted once a task, from what is stored, and never lost.

use super::*;
use crate::{
    domain::{
        effect::Slot,
        message::Message,
        task::{State, Task},
    },
    store::{
        deletion::Deleted,
        milestones::{LONGER, Milestone, Waited},
        tasks::Stored,
    },
    words::tests::samples,
};

fn person() -> Person {
    Person {
        id: PersonId("p:ana".into()),
        name: "ana".into(),
        standing: Standing::Member,
    }
}

fn say(slot: Slot) -> Effect {
    let message = Box::new(Message::Help);
    Effect::Say { slot, message }
}

/// Bound, tasks and milliseconds together, of each milestone.
async fn waits(store: &Store) -> Vec<Vec<(i64, i64, i64)>> {
    let mut all = Vec::new();
    for milestone in Milestone::ALL {
        let waits = store.waits_for(milestone).await.unwrap();
        let told = |waited: &Waited| (waited.up_to_ms, waited.tasks, waited.sum_ms);
        all.push(waits.iter().map(told).collect());
    }
    all
}

/// Stores what a delivery has made of a task, at this moment.
pub(super) async fn commit(
    store: &Store,
    key: &str,
    stored: (&Task, i64),
    effects: Vec<Effect>,
    at: i64,
) {
    let (task, version) = stored;
    store.accept(&delivery(key, "c:1"), NOW).await.unwrap();
    let delivery = next(store, Timestamp(at)).await.unwrap();
    let task = Some(Stored {
        task: task.clone(),
        version,
    });
    let transition = Transition {
        task,
        audit: Vec::new(),
        ..transition(&delivery, effects)
    };
    let committed = store.commit(&transition, &Value::Null, Timestamp(at));
    committed.await.unwrap();
}

/// The next effect is done at this moment.
async fn comes(store: &Store, at: i64) {
    let claimed = taken(store, Timestamp(at)).await.unwrap();
    let done = store.effect_has_come(&claimed, Timestamp(at));
    done.await.unwrap();
}

#[tokio::test]
async fn a_wait_is_counted_once_and_outlives_the_process_and_the_task() {
    for Opened {
        store,
        address,
        _folder,
    } in each_database().await
    {
        let mut task = samples::task();
        let words = vec![say(Slot::Progress(RunNumber(0)))];
        commit(&store, "1", (&task, 0), words, 1_400).await;
        // It was asked for at NOW, whenever the dispatcher came to it.
        comes(&store, 1_600).await;
        let plans = vec![say(Slot::Plan(1)), say(Slot::Plan(2))];
        commit(&store, "2", (&task, 1), plans, 5_000).await;
        comes(&store, 6_000).await;
        comes(&store, 9_000).await;
        store.close().await;

        let store = Store::open(&address).await.unwrap();
        for (key, version) in [("3", 2), ("4", 3)] {
            task.state = State::Running { run: RunNumber(2) };
            let at = 61_000 + version;
            commit(&store, key, (&task, version), Vec::new(), at).await;
        }
        task.state = State::Expired;
        let result = vec![say(Slot::Result(RunNumber(2)))];
        commit(&store, "5", (&task, 4), result, 300_000_000).await;
        comes(&store, 300_001_000).await;
        let expected = [
            vec![(1_000, 1, 600)],
            vec![(5_000, 1, 5_000)],
            vec![(120_000, 1, 60_002)],
            vec![(LONGER, 1, 300_000_000)],
        ];
        assert_eq!(waits(&store).await, expected, "{address}");

        let deleted = store.delete_task(&task.id, "ana", NOW).await.unwrap();
        assert_eq!(deleted, Deleted::Now);
        let left = query("SELECT count(*) AS number FROM milestones")
            .fetch_one(store.database.reading())
            .await
            .unwrap();
        assert_eq!(left.try_get::<i64>("number").unwrap(), 0);
        assert_eq!(waits(&store).await, expected, "{address}");
        store.close().await;
    }
}

#[tokio::test]
async fn waits_of_many_tasks_add_up() {
    const TASKS: i64 = 20;
    for Opened { store, _folder, .. } in each_database().await {
        let mut task = samples::task();
        for number in 0..TASKS {
            task.id = TaskId(format!("t{number}"));
            let words = vec![say(Slot::Note(1))];
            commit(&store, &number.to_string(), (&task, 0), words, 1_400).await;
            comes(&store, 1_600).await;
        }
        let counted = store.waits_for(Milestone::Words).await.unwrap();
        let expected = Waited {
            up_to_ms: 1_000,
            tasks: TASKS,
            sum_ms: TASKS * 600,
        };
        assert_eq!(counted, [expected]);
        store.close().await;
    }
}

#[tokio::test]
async fn what_waits_is_counted_by_source_and_by_lane() {
    for Opened { store, _folder, .. } in each_database().await {
        for (key, at) in [("1", 700), ("2", 500)] {
            let delivery = delivery(key, key);
            store.accept(&delivery, Timestamp(at)).await.unwrap();
        }
        let work = NewDelivery {
            source: Source::Work,
            ..delivery("3", "3")
        };
        store.accept(&work, NOW).await.unwrap();
        let mut queues = store.deliveries_by_source().await.unwrap();
        queues.sort_by(|one, other| one.kind.cmp(&other.kind));
        let told: Vec<_> = queues
            .iter()
            .map(|queue| (queue.kind.as_str(), queue.depth, queue.oldest.0))
            .collect();
        assert_eq!(told, [("slack", 2, 500), ("work", 1, 1_000)]);

        let first = next(&store, NOW).await.unwrap();
        let effects = vec![
            say(Slot::Note(1)),
            say(Slot::Note(2)),
            Effect::Release,
            Effect::StopAll,
            Effect::FileIssue {
                by: person(),
                team: None,
                trigger: None,
            },
            Effect::Mark { mark: Mark::Proved },
        ];
        let done = transition(&first, effects);
        store.commit(&done, &Value::Null, NOW).await.unwrap();
        let later = Timestamp(2_000);
        let claimed = taken(&store, later).await.unwrap();
        store.effect_done(&claimed.id, later).await.unwrap();
        let mut queues = store.effects_by_lane().await.unwrap();
        queues.sort_by(|one, other| one.kind.cmp(&other.kind));
        let told: Vec<_> = queues
            .iter()
            .map(|queue| (queue.kind.as_str(), queue.depth, queue.oldest.0))
            .collect();
        let each = ["control", "errands", "marks", "talk", "work"].map(|kind| (kind, 1, NOW.0));
        assert_eq!(told, each);
        store.close().await;
    }
}
