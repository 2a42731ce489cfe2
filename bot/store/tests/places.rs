//! A task in several conversations, on each database.

use serde_json::Value;

use super::*;
use crate::{
    domain::{
        budget::{Ceilings, MicroDollars},
        command::Options,
        conversation::{Line, Place, SubjectId},
        inquiry::Inquiry,
        plan::Terms,
        policy::Policy,
        task::{Opening, State, Surroundings, Task},
    },
    store::tasks::Stored,
};

pub(super) fn asked_for(about: &SubjectId) -> Task {
    let ana = Person {
        id: PersonId("slack:ana".into()),
        name: "Ana".into(),
        standing: Standing::Member,
    };
    let opening = Opening {
        id: TaskId("k7f3qx".into()),
        conversation: ConversationId("slack:c1".into()),
        request: Line::said(LineRef("slack:l1".into()), ana, "Fix ENG-1".into()),
        subject: None,
        guidance: Vec::new(),
        about: Some(about.clone()),
        inquiry: None,
        options: Options::default(),
        terms: Terms {
            agent: "goose".into(),
            model: None,
            budget: MicroDollars(1),
            network_policy: String::new(),
        },
        ceilings: Ceilings {
            spend: MicroDollars(1),
            run_ms: 1,
            work_ms: 1,
            rework_rounds: 0,
        },
    };
    let around = Surroundings {
        policy: Policy::default(),
        ahead: 0,
        network: None,
        work_ms: None,
    };
    Task::open(opening, NOW, &around).0
}

/// A task in a thread, brought into a session on an issue.
async fn stored_task(store: &Store) -> Task {
    let mut task = asked_for(&SubjectId("linear:ENG-1".into()));
    store
        .accept(&delivery("1", &task.conversation.0), NOW)
        .await
        .unwrap();
    let first = next(store, NOW).await.unwrap();
    let mut opened = transition(&first, Vec::new());
    opened.task = Some(Stored {
        task: task.clone(),
        version: 0,
    });
    store.commit(&opened, &Value::Null, NOW).await.unwrap();
    task.also.push(Place {
        conversation: ConversationId("linear:s1".into()),
        opening: LineRef("linear:own-s1".into()),
    });
    task
}

#[tokio::test]
async fn a_task_is_found_by_each_of_its_conversations_and_by_what_it_is_about() {
    for Opened { store, _folder, .. } in each_database().await {
        let task = stored_task(&store).await;
        let (home, there) = (&task.conversation, &task.also[0].conversation);
        let about = SubjectId("linear:ENG-1".into());
        let id = |found: Option<Stored>| found.map(|stored| stored.task.id);
        assert_eq!(
            id(store.task_of(home).await.unwrap()),
            Some(task.id.clone())
        );
        assert_eq!(id(store.task_of(there).await.unwrap()), None);
        assert!(!store.knows_conversation(there).await.unwrap());
        assert_eq!(
            id(store.task_about(&about).await.unwrap()),
            Some(task.id.clone())
        );

        store
            .accept(&delivery("2", "linear:s1"), NOW)
            .await
            .unwrap();
        let second = next(&store, NOW).await.unwrap();
        let mark = Effect::Mark {
            mark: Mark::Working,
        };
        let mut joined = transition(&second, vec![Effect::Introduce, mark, Effect::Gather]);
        joined.task = Some(Stored {
            task: task.clone(),
            version: 1,
        });
        store.commit(&joined, &Value::Null, NOW).await.unwrap();
        assert_eq!(
            id(store.task_of(there).await.unwrap()),
            Some(task.id.clone())
        );
        assert!(store.knows_conversation(there).await.unwrap());
        let opening = store.post_at(&task.also[0].opening).await.unwrap().unwrap();
        assert_eq!(
            (opening.task, opening.conversation),
            (task.id.clone(), there.clone())
        );

        // Each conversation has lanes of its own: all four are out at once.
        let mut out = Vec::new();
        while let Some(claimed) = taken(&store, NOW).await {
            out.push((claimed.effect.name(), claimed.conversation));
        }
        out.sort_by(|one, other| (one.0, &one.1).cmp(&(other.0, &other.1)));
        assert_eq!(
            out,
            [
                ("gather", home.clone()),
                ("introduce", there.clone()),
                ("mark", there.clone()),
                ("mark", home.clone()),
            ]
        );
        store.close().await;
    }
}

#[tokio::test]
async fn a_task_that_is_over_is_about_nothing_any_more() {
    for Opened { store, _folder, .. } in each_database().await {
        let task = stored_task(&store).await;
        let over = Stored {
            task: Task {
                state: State::Expired,
                ..task.clone()
            },
            version: 1,
        };
        store
            .accept(&delivery("3", "linear:s1"), NOW)
            .await
            .unwrap();
        let third = next(&store, NOW).await.unwrap();
        let mut ended = transition(&third, Vec::new());
        ended.task = Some(over);
        store.commit(&ended, &Value::Null, NOW).await.unwrap();
        let about = task.about.clone().unwrap();
        assert_eq!(store.task_about(&about).await.unwrap(), None);
        let there = &task.also[0].conversation;
        let found = store.task_of(there).await.unwrap();
        assert_eq!(found.map(|stored| stored.task.id), Some(task.id));
        store.close().await;
    }
}

/// Opens a task of this name in a conversation of its own, which has to be the only live one about the issue.
async fn open_alone(store: &Store, name: &str) -> Result<(), StoreError> {
    let about = SubjectId("linear:ENG-1".into());
    let task = Task {
        id: TaskId(name.into()),
        conversation: ConversationId(format!("linear:{name}")),
        ..asked_for(&about)
    };
    store
        .accept(&delivery(name, &task.conversation.0), NOW)
        .await?;
    let first = next(store, NOW).await.unwrap();
    let mut opened = transition(&first, Vec::new());
    opened.task = Some(Stored { task, version: 0 });
    opened.alone = Some(about);
    store.commit(&opened, &Value::Null, NOW).await
}

#[tokio::test]
async fn of_two_sessions_that_are_opened_on_an_issue_at_once_one_has_the_task() {
    for Opened { store, _folder, .. } in each_database().await {
        open_alone(&store, "first").await.unwrap();
        let second = open_alone(&store, "second").await;
        assert!(matches!(second, Err(StoreError::Conflict)), "{second:?}");
        let id = TaskId("second".into());
        assert_eq!(store.task(&id).await.unwrap(), None);

        // What is over is in nobody's way.
        query("UPDATE tasks SET state = 'canceled' WHERE id = 'first'")
            .execute(store.database.writing())
            .await
            .unwrap();
        open_alone(&store, "third").await.unwrap();
        let fourth = open_alone(&store, "fourth").await;
        assert!(matches!(fourth, Err(StoreError::Conflict)), "{fourth:?}");
        store.close().await;
    }
}

/// A question that was asked in the thread of the task, and stands so.
async fn stored_question(store: &Store, key: &str, state: State, opened: Timestamp) -> Task {
    let mut question = Task {
        id: TaskId(key.into()),
        about: None,
        inquiry: Some(Inquiry::default()),
        opened_at: opened,
        state,
        ..asked_for(&SubjectId("linear:ENG-1".into()))
    };
    question.request.reference = LineRef(format!("slack:{key}"));
    let home = &question.conversation.0;
    store.accept(&delivery(key, home), NOW).await.unwrap();
    let next = next(store, NOW).await.unwrap();
    let mut asked = transition(&next, Vec::new());
    asked.task = Some(Stored {
        task: question.clone(),
        version: 0,
    });
    store.commit(&asked, &Value::Null, NOW).await.unwrap();
    question
}

#[tokio::test]
async fn a_question_is_passed_over_where_a_task_stands_in_the_conversation() {
    for Opened { store, _folder, .. } in each_database().await {
        let home = ConversationId("slack:c1".into());
        let id = |found: Option<Stored>| found.map(|stored| stored.task.id.0);
        let ids = |found: Vec<Stored>| -> Vec<String> {
            found.into_iter().map(|stored| stored.task.id.0).collect()
        };
        let later = |by: i64| Timestamp(NOW.0 + by);
        stored_question(&store, "q1", State::Answered, later(1)).await;
        let open = State::Planning { run: RunNumber(1) };
        stored_question(&store, "q2", open.clone(), later(2)).await;
        assert_eq!(id(store.task_of(&home).await.unwrap()), Some("q2".into()));
        stored_task(&store).await;
        stored_question(&store, "q3", open, later(3)).await;
        assert_eq!(
            id(store.task_of(&home).await.unwrap()),
            Some("k7f3qx".into())
        );
        assert_eq!(
            ids(store.open_inquiries(&home).await.unwrap()),
            ["q3", "q2"]
        );
        let elsewhere = ConversationId("slack:c2".into());
        assert!(store.open_inquiries(&elsewhere).await.unwrap().is_empty());
        let before = |moment| {
            let asked = TaskId("q3".into());
            let (store, home) = (store.clone(), home.clone());
            async move {
                let found = store.answered_before(&home, (&asked, moment), 3).await;
                found
                    .unwrap()
                    .into_iter()
                    .map(|task| task.id.0)
                    .collect::<Vec<_>>()
            }
        };
        assert_eq!(before(later(3)).await, ["q1"]);
        assert!(before(later(0)).await.is_empty());
        // The state of an answered question is that of everything that is done.
        let states = store.tasks_by_state().await.unwrap();
        assert!(states.contains(&("completed".to_owned(), 1)), "{states:?}");
        store.close().await;
    }
}

#[tokio::test]
async fn what_belongs_to_a_request_is_ours_from_the_moment_in_which_the_request_waits() {
    for Opened { store, _folder, .. } in each_database().await {
        let follows = async |conversation: &str| {
            let conversation = ConversationId(conversation.to_owned());
            store.is_followed(&conversation).await.unwrap()
        };
        let place = async |line: &str, key: &str| {
            let (line, delivery) = (LineRef(line.to_owned()), (Source::Slack, key));
            let found = store.conversation_of(&line, delivery).await.unwrap();
            found.map(|conversation| conversation.0)
        };
        let thread = "slack:T1:C1:1.0";
        assert!(!follows(thread).await);
        assert_eq!(place(thread, "said:T1:C1:1.0").await, None);
        // Somebody mentions the bot in the third message of a thread.
        let mention = delivery("said:T1:C1:1.2", thread);
        store.accept(&mention, NOW).await.unwrap();
        let by_key = place("slack:T1:C1:1.2", "said:T1:C1:1.2").await;
        assert_eq!(by_key.as_deref(), Some(thread));
        let by_thread = place(thread, "said:T1:C1:1.0").await;
        assert_eq!(by_thread.as_deref(), Some(thread));
        assert!(follows(thread).await);
        // What others say is not ours by that.
        assert!(!follows("slack:T1:C1:1.2").await);
        assert_eq!(place("slack:T1:C1:1.1", "said:T1:C1:1.1").await, None);
        let line = LineRef("slack:T1:C1:1.2".to_owned());
        let other = store.conversation_of(&line, (Source::Linear, "said:T1:C1:1.2"));
        assert_eq!(other.await.unwrap(), None);
        // It waits while it is in a hand, and not any more when nothing came of it.
        let taken = next(&store, NOW).await.unwrap();
        assert!(follows(thread).await);
        let done = transition(&taken, Vec::new());
        store.commit(&done, &Value::Null, NOW).await.unwrap();
        assert!(!follows(thread).await);
        assert_eq!(place(thread, "said:T1:C1:1.2").await, None);
        // What stands somewhere is found with or without a delivery.
        let task = stored_task(&store).await;
        assert!(follows(&task.conversation.0).await);
        let request = &task.request.reference.0;
        let found = place(request, "nothing").await;
        assert_eq!(found.as_ref(), Some(&task.conversation.0));
        store.close().await;
    }
}
