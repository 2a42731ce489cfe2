//! What goes with a task that is deleted, and what stands in the way of that, on each database.

use super::*;
use crate::{
    domain::task::{State, Task},
    store::{
        deletion::{DELETE_ACT, Deleted},
        tasks::Stored,
    },
    words::tests::samples,
};

/// How many rows each table has of what was said and done.
const COUNTS: [&str; 9] = [
    "SELECT count(*) AS number FROM tasks",
    "SELECT count(*) AS number FROM runs",
    "SELECT count(*) AS number FROM run_log",
    "SELECT count(*) AS number FROM posts",
    "SELECT count(*) AS number FROM milestones",
    "SELECT count(*) AS number FROM network_grants",
    "SELECT count(*) AS number FROM outbox",
    "SELECT count(*) AS number FROM inbox WHERE body <> 'null'",
    "SELECT count(*) AS number FROM audit WHERE task <> '' AND detail <> ''",
];

async fn counts(store: &Store) -> Vec<i64> {
    let mut counts = Vec::new();
    for count in COUNTS {
        let row = query(count).fetch_one(store.database.reading()).await;
        counts.push(row.unwrap().try_get("number").unwrap());
    }
    counts
}

/// A task of this name in a conversation of its own.
fn task(id: &str, state: State) -> Task {
    Task {
        id: TaskId(id.into()),
        conversation: ConversationId(format!("c:{id}")),
        state,
        ..samples::task()
    }
}

/// A delivery is handled: it opens a task, or is of none.
async fn handle(store: &Store, delivery: NewDelivery, opened: Option<&Task>, effects: Vec<Effect>) {
    store.accept(&delivery, NOW).await.unwrap();
    let first = next(store, NOW).await.unwrap();
    let handled = Transition {
        task: opened.map(|task| Stored {
            task: task.clone(),
            version: 0,
        }),
        ..transition(&first, effects)
    };
    store.commit(&handled, &first.body, NOW).await.unwrap();
}

fn mark() -> Vec<Effect> {
    vec![Effect::Mark {
        mark: Mark::Accepted,
    }]
}

/// Everything that is due is done.
async fn do_all(store: &Store) {
    while let Some(claimed) = taken(store, NOW).await {
        store.effect_done(&claimed.id, NOW).await.unwrap();
    }
}

/// A task that is over, with a row of everything that there can be of one.
async fn lived(store: &Store, id: &str, number: u32) -> Task {
    let task = task(id, State::Expired);
    let home = &task.conversation.0;
    let request = delivery(&format!("request {number}"), home);
    handle(store, request, Some(&task), mark()).await;
    // A word in its thread that was of no task, and what a forge says of its branch.
    let word = delivery(&format!("word {number}"), home);
    handle(store, word, None, mark()).await;
    let pull_request = delivery(&format!("deckhand/{id}"), &format!("forge:{number}"));
    handle(store, pull_request, None, Vec::new()).await;
    do_all(store).await;

    let run = run(id);
    store.open_run(&run).await.unwrap();
    let line = json!("a line");
    let logged = store.log_run(&task.id, run.number, LogKind::Text, &line, NOW);
    logged.await.unwrap();
    let closed = store.close_run(&task.id, run.number, NOW);
    closed.await.unwrap();
    let post = Post {
        conversation: task.conversation.clone(),
        slot: "plan-1".into(),
        task: task.id.clone(),
    };
    let reference = LineRef(format!("l:{id}"));
    store.remember_post(&post, &reference).await.unwrap();
    let repository = RepositoryName("acme/web".into());
    let granted = grant(&repository, "a.example", (Verdict::Once, 1));
    store.remember_grant(&task.id, &granted).await.unwrap();
    task
}

#[tokio::test]
async fn all_of_a_task_that_is_over_goes_once_and_all_of_another_stays() {
    for Opened { store, _folder, .. } in each_database().await {
        let gone = lived(&store, "gone42", 1).await;
        let alone = counts(&store).await;
        assert!(alone.iter().all(|count| *count > 0), "{alone:?}");
        let kept = lived(&store, "kept42", 2).await;
        let both: Vec<i64> = alone.iter().map(|count| count * 2).collect();
        assert_eq!(counts(&store).await, both);

        let deleted = store.delete_task(&gone.id, "ops", NOW).await.unwrap();
        assert_eq!(deleted, Deleted::Now);
        assert_eq!(counts(&store).await, alone);
        assert_eq!(store.task(&gone.id).await.unwrap(), None);
        let stays = store.task(&kept.id).await.unwrap().unwrap();
        assert_eq!(stays.task, kept);
        assert_eq!(store.runs_of(&kept.id).await.unwrap().len(), 1);
        // Who decided what stays, without what was said.
        let audit = store.audit_of(&gone.id).await.unwrap();
        let told: Vec<_> = audit
            .iter()
            .map(|(_, entry)| (&*entry.person, &*entry.act, &*entry.detail))
            .collect();
        assert_eq!(told, [("p:ana", "said", ""), ("ops", DELETE_ACT, "")]);
        // What comes a second time does not begin it again.
        let again = delivery("request 1", &gone.conversation.0);
        let again = store.accept(&again, NOW).await.unwrap();
        assert_eq!(again, Accepted::Repeated);

        let deleted = store.delete_task(&gone.id, "ben", NOW).await.unwrap();
        let by = "ops".to_owned();
        assert_eq!(deleted, Deleted::Before { by });
        store.close().await;
    }
}

#[tokio::test]
async fn a_task_that_is_not_over_or_has_something_to_do_is_not_deleted() {
    for Opened { store, _folder, .. } in each_database().await {
        let live = task("live42", State::Specifying);
        let asked = delivery("1", &live.conversation.0);
        handle(&store, asked, Some(&live), Vec::new()).await;
        let busy = task("busy42", State::Expired);
        let asked = delivery("2", &busy.conversation.0);
        handle(&store, asked, Some(&busy), mark()).await;
        let heard = task("heard42", State::Expired);
        let asked = delivery("3", &heard.conversation.0);
        handle(&store, asked, Some(&heard), Vec::new()).await;
        let word = delivery("4", &heard.conversation.0);
        store.accept(&word, NOW).await.unwrap();

        let before = counts(&store).await;
        let state = live.in_words();
        for (task, expected) in [
            (&live, Deleted::Alive { state }),
            (&busy, Deleted::Busy),
            (&heard, Deleted::Busy),
        ] {
            let deleted = store.delete_task(&task.id, "ops", NOW).await.unwrap();
            assert_eq!(deleted, expected, "{}", task.id);
        }
        assert_eq!(counts(&store).await, before);

        // In a hand it is not done either; done it stands in nobody's way.
        let claimed = taken(&store, NOW).await.unwrap();
        let deleted = store.delete_task(&busy.id, "ops", NOW).await.unwrap();
        assert_eq!(deleted, Deleted::Busy);
        store.effect_done(&claimed.id, NOW).await.unwrap();
        let deleted = store.delete_task(&busy.id, "ops", NOW).await.unwrap();
        assert_eq!(deleted, Deleted::Now);
        store.close().await;
    }
}
