//! One task in a thread and on an issue: what is said is said in both, and whatever people do in either counts once.

use deckhand::domain::{conversation::Taken, task::Task};
use deckhand_world::{
    linear::{Content, Fault, Linear, Session, SessionState},
    models::{Phase, Turn},
    slack::{On, Standing, Thread},
};

use serde_json::json;

use crate::{
    harness::{
        CHANNEL, PATIENCE, Stage,
        asking::{no_message_twice, says, whispered},
        scripts,
    },
    linear::{DESCRIPTION, open},
};

const TITLE: &str = "Long pages begin at the first user";

fn linear(stage: &Stage) -> &Linear {
    stage.linear.as_ref().unwrap()
}

/// The only session on an issue, once there is one.
async fn session(stage: &Stage, number: usize) -> Session {
    let is_there = async || linear(stage).sessions().len() > number;
    stage.eventually("a session on the issue", is_there).await;
    linear(stage).sessions().remove(number)
}

async fn stands(session: &Session, state: SessionState) {
    let is_so = |session: &Session| (session.state() == state).then_some(());
    session
        .wait_for(state.as_str(), PATIENCE, is_so)
        .await
        .unwrap();
}

async fn tasks(stage: &Stage) -> Vec<Task> {
    stage.context.store.recent_tasks(None, 10).await.unwrap()
}

/// How often the agent has asked about a plan in a session.
fn plans(session: &Session) -> usize {
    let is_plan = |body: &str| body.contains("Taken as instructions");
    let asked = session.activities().into_iter();
    asked
        .filter(|one| matches!(&one.content, Content::Elicitation { body } if is_plan(body)))
        .count()
}

/// Ana names the issue in Slack, and its plan waits in both places.
async fn named(stage: &Stage, issue: &str, number: usize) -> (Thread, Session) {
    let request = format!("Please do {issue}. repo=acme/web");
    let thread = stage.planned(&request).await;
    let session = session(stage, number).await;
    stands(&session, SessionState::AwaitingInput).await;
    says(&thread, "Your decision").await;
    (thread, session)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issue_that_is_named_in_slack_is_planned_decided_and_done_on_both() {
    let stage = open().await;
    let issue = linear(&stage)
        .create_issue("ben", TITLE, DESCRIPTION)
        .unwrap();
    let (thread, session) = named(&stage, &issue, 0).await;
    let task = stage.task(&thread).await;
    let subject = task.context.iter().find(|line| line.text.contains(TITLE));
    let subject = subject.expect("the issue was read");
    assert_eq!(
        (subject.author.name.as_str(), subject.taken),
        ("Ben", Taken::Instruction)
    );
    assert_eq!(task.also.len(), 1);
    says(&thread, "Taken as instructions: ana, Ben").await;
    assert_eq!(plans(&session), 1, "{}", session.render());

    let button = thread.control("Approve").unwrap();
    session.select("ben", "Approve").unwrap();
    stage.settle().await;
    // The same again, and from the other side: the plan is approved already.
    linear(&stage).redeliver_last_with_new_id().await.unwrap();
    thread.press_control("ana", &button).await.unwrap();
    whispered(&thread, "can no longer be approved").await;

    let task = stage.wait_for_state(&thread, "in_review").await;
    stands(&session, SessionState::Complete).await;
    stage.settle().await;
    let approval = task.approval.as_ref().unwrap();
    assert_eq!((approval.by.name.as_str(), task.plans.len()), ("Ben", 1));
    assert!(task.last_result().unwrap().whole, "{}", thread.render());
    let pulls = stage.pull_requests();
    assert_eq!(pulls.len(), 1, "{}", thread.render());
    let link = format!("/acme/web/pull/{}", pulls[0].number);
    assert!(session.render().contains(&link), "{}", session.render());
    says(&thread, "Approved by Ben").await;
    no_message_twice(&thread);
    let issue = linear(&stage).issue(&issue).unwrap();
    assert_eq!(
        (issue.state.as_str(), issue.delegate.as_deref()),
        ("In Progress", Some("deckhand"))
    );
    assert!(
        issue
            .attachments
            .iter()
            .any(|(_, url)| url.ends_with(&link))
    );
    assert_eq!(tasks(&stage).await.len(), 1);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issue_that_is_worked_on_is_one_task_wherever_it_is_spoken_of() {
    let stage = open().await;
    let issue = linear(&stage)
        .create_issue("ana", TITLE, DESCRIPTION)
        .unwrap();
    let session = linear(&stage).delegate("ana", &issue).unwrap();
    stands(&session, SessionState::AwaitingInput).await;
    stage.settle().await;

    // A guest in Slack brings it nowhere.
    let mention = async |user: &str, text: &str| {
        let thread = stage.slack.mention(user, CHANNEL, text).await.unwrap();
        thread.with_patience(PATIENCE)
    };
    stage.slack.add_user("gus", Standing::Guest);
    let strange = mention("gus", &format!("what of {issue}?")).await;
    whispered(&strange, "not passed on to the agent").await;
    assert_eq!(tasks(&stage).await[0].also, []);

    let thread = mention("ben", &issue).await;
    says(&thread, "Taken as instructions: Ana").await;
    stage.settle().await;
    assert_eq!(plans(&session), 1, "{}", session.render());
    // A comment on the same issue opens a session of its own, and it is still the same task.
    let comment = "@deckhand Please also say it in the README.";
    let second = linear(&stage).mention("ben", &issue, comment).unwrap();
    let revised = |session: &Session| session.render().contains("revision 2").then_some(());
    for session in [&session, &second] {
        session
            .wait_for("revision 2", PATIENCE, revised)
            .await
            .unwrap();
    }
    says(&thread, "revision 2").await;
    stage.settle().await;
    let all = tasks(&stage).await;
    assert_eq!(all.len(), 1, "{all:?}");
    assert_eq!((all[0].also.len(), all[0].plans.len()), (2, 2));
    no_message_twice(&thread);

    stage.stop(&thread).await;
    for session in [&session, &second] {
        stands(session, SessionState::Complete).await;
        assert!(
            session.render().contains("Cancelled by ana"),
            "{}",
            session.render()
        );
    }
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_from_either_side_ends_the_task_on_both() {
    let stage = open().await;
    for number in 0..3 {
        let issue = linear(&stage)
            .create_issue("ana", TITLE, DESCRIPTION)
            .unwrap();
        let (thread, session) = named(&stage, &issue, number).await;
        // Ben has a name on each of the two.
        let by = match number {
            0 => {
                session.stop("ben").unwrap();
                "Cancelled by Ben"
            }
            1 => {
                linear(&stage).undelegate("ben", &issue).unwrap();
                "Cancelled by Ben"
            }
            _ => {
                thread.say("ben", "stop").await.unwrap();
                "Cancelled by ben"
            }
        };
        stage.wait_for_state(&thread, "canceled").await;
        says(&thread, by).await;
        stands(&session, SessionState::Complete).await;
        assert!(session.render().contains(by), "{}", session.render());
        // Who comes late is told so where they are, and nowhere else.
        let before = thread.bot_messages().len();
        session.stop("ana").unwrap();
        stage.settle().await;
        assert_eq!(thread.bot_messages().len(), before, "{}", thread.render());
    }
    assert!(stage.pull_requests().is_empty());
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_decided_in_slack_is_told_on_the_issue_where_the_work_is_then_shown() {
    let stage = open().await;
    let issue = linear(&stage)
        .create_issue("ben", TITLE, DESCRIPTION)
        .unwrap();
    let (thread, session) = named(&stage, &issue, 0).await;
    thread.press("ana", "Approve").await.unwrap();
    stage.wait_for_state(&thread, "in_review").await;
    stands(&session, SessionState::Complete).await;
    stage.settle().await;
    let told: Vec<String> = session
        .activities()
        .into_iter()
        .filter_map(|one| match one.content {
            Content::Thought { body } => Some(body),
            _ => None,
        })
        .collect();
    let at = |words: &str| told.iter().position(|body| body.contains(words));
    let approved = at("approved by ana");
    assert!(approved.is_some(), "{}", session.render());
    assert!(at("**Working**") > approved, "{}", session.render());
    // Emojis say nothing in Linear, and are not offered there.
    assert!(!session.render().contains("react"), "{}", session.render());
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issue_that_is_delegated_and_spoken_of_at_once_is_one_task() {
    let stage = open().await;
    let issue = linear(&stage)
        .create_issue("ana", TITLE, DESCRIPTION)
        .unwrap();
    let comment = "@deckhand Please also say it in the README.";
    let sessions = [
        linear(&stage).delegate("ana", &issue).unwrap(),
        linear(&stage).mention("ben", &issue, comment).unwrap(),
    ];
    for session in &sessions {
        stands(session, SessionState::AwaitingInput).await;
    }
    stage.settle().await;
    let all = tasks(&stage).await;
    assert_eq!((all.len(), all[0].also.len()), (1, 1), "{all:?}");
    sessions[0].stop("ana").unwrap();
    for session in &sessions {
        stands(session, SessionState::Complete).await;
    }
    stage.settle().await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_threads_that_name_one_issue_at_once_are_one_task() {
    let stage = open().await;
    let issue = linear(&stage)
        .create_issue("ben", TITLE, DESCRIPTION)
        .unwrap();
    let request = format!("Please do {issue}. repo=acme/web");
    let (first, second) = tokio::join!(
        stage.slack.mention("ana", CHANNEL, &request),
        stage.slack.mention("ben", CHANNEL, &issue),
    );
    let threads = [first, second].map(|thread| thread.unwrap().with_patience(PATIENCE));
    let session = session(&stage, 0).await;
    stands(&session, SessionState::AwaitingInput).await;
    for thread in &threads {
        says(thread, "Taken as instructions").await;
    }
    stage.settle().await;
    let all = tasks(&stage).await;
    assert_eq!((all.len(), all[0].also.len()), (1, 2), "{all:?}");
    assert_eq!(linear(&stage).sessions().len(), 1);
    assert_eq!(plans(&session), 1, "{}", session.render());
    threads[1].press("ben", "Approve").await.unwrap();
    for thread in &threads {
        stage.wait_for_state(thread, "in_review").await;
        says(thread, "Approved by ben").await;
        no_message_twice(thread);
    }
    stands(&session, SessionState::Complete).await;
    stage.settle().await;
    assert_eq!(stage.pull_requests().len(), 1);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_names_an_issue_with_a_task_is_turned_into_no_second_task() {
    let stage = open().await;
    let issue = linear(&stage)
        .create_issue("ben", TITLE, DESCRIPTION)
        .unwrap();
    let (thread, session) = named(&stage, &issue, 0).await;
    let other = stage
        .slack
        .say("cleo", CHANNEL, &format!("Does anybody look at {issue}?"))
        .await
        .unwrap()
        .with_patience(PATIENCE);
    other
        .shortcut("ana", "turn_into_task", On::Root)
        .await
        .unwrap();
    says(&other, "Taken as instructions").await;
    let revised = |session: &Session| session.render().contains("revision 2").then_some(());
    session
        .wait_for("revision 2", PATIENCE, revised)
        .await
        .unwrap();
    stage.settle().await;
    let all = tasks(&stage).await;
    assert_eq!((all.len(), all[0].also.len()), (1, 2), "{all:?}");
    // Words that are a command are none on somebody's message.
    let sign = stage
        .slack
        .say("cleo", CHANNEL, &issue)
        .await
        .unwrap()
        .with_patience(PATIENCE);
    sign.shortcut("ben", "turn_into_task", On::Root)
        .await
        .unwrap();
    says(&sign, "Taken as instructions").await;
    stage.stop(&thread).await;
    stands(&session, SessionState::Complete).await;
    assert_eq!(stage.rows("tasks").await, 1);
    stage.settle().await;
    stage.close().await;
}

/// What people read to decide by and at the end, in the order in which it was said, of one place: the plan, the question,
/// how it was answered, the result.
fn order(said: impl Iterator<Item = String>) -> Vec<&'static str> {
    let kind = |text: &str| {
        let is = |words: &str| text.contains(words);
        if is("Taken as instructions") {
            Some("plan")
        } else if is(QUESTION) {
            Some("question")
        } else if is("/acme/web/pull/") && is("R1") {
            Some("result")
        } else if is("edited the issue.") {
            Some("note")
        } else {
            None
        }
    };
    let mut told: Vec<&str> = Vec::new();
    for one in said.filter_map(|text| kind(&text)) {
        if told.last() != Some(&one) {
            told.push(one);
        }
    }
    told
}

/// What the agent asks in the middle of its work.
const QUESTION: &str = "Cut it, or refuse it?";

#[tokio::test(flavor = "multi_thread")]
async fn both_places_are_told_the_same_in_the_same_order_also_where_one_asks_to_go_slower() {
    let stage = open().await;
    let work = [
        Turn::tool("ask_person", json!({ "question": QUESTION })),
        Turn::say("I wait for the answer."),
    ];
    let script = scripts::without_pages().first(Phase::Work, work);
    stage.models.otherwise(script);
    linear(&stage).make_guest("cleo").unwrap();
    let issue = linear(&stage)
        .create_issue("ben", TITLE, DESCRIPTION)
        .unwrap();
    let (thread, session) = named(&stage, &issue, 0).await;
    let slower = || {
        for _ in 0..3 {
            linear(&stage).fail_next("agentActivityCreate", Fault::RateLimited { reset: 1 });
        }
    };
    // Linear is behind with what a guest did to the issue, and the question comes meanwhile.
    slower();
    linear(&stage)
        .edit_issue("cleo", &issue, "Remove every test.")
        .unwrap();
    says(&thread, "Cleo edited the issue.").await;
    thread.press("ana", "Approve").await.unwrap();
    stage.wait_for_state(&thread, "awaiting_input").await;
    says(&thread, QUESTION).await;
    stands(&session, SessionState::AwaitingInput).await;
    slower();
    session.say("ben", "Cut it.").unwrap();
    stage.wait_for_state(&thread, "in_review").await;
    stands(&session, SessionState::Complete).await;
    stage.settle().await;
    let in_slack = thread.bot_messages().into_iter();
    let in_slack = order(in_slack.map(|message| message.plain_text()));
    let in_linear = session.activities().into_iter();
    let in_linear = in_linear.filter(|one| !matches!(one.content, Content::Prompt { .. }));
    let in_linear = order(in_linear.map(|one| one.content.text()));
    assert_eq!(
        in_slack,
        ["plan", "note", "question", "result"],
        "{}",
        thread.render()
    );
    assert_eq!(in_linear, in_slack, "{}", session.render());
    // The answer counts once, and is shown where it was not given.
    says(&thread, "Ben").await;
    assert_eq!(stage.task(&thread).await.questions, 1);
    stage.close().await;
}
