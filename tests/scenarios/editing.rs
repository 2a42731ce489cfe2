//! What people change of what they said: edits of a request, its deletion, a mention that an edit adds; and requests that
//! somebody makes of the message of somebody else.

use deckhand::domain::edit::ProposalStanding;
use deckhand_world::slack::{Message, On};

use crate::harness::{CHANNEL, PATIENCE, REQUEST, Stage, asking::whispered};

#[tokio::test(flavor = "multi_thread")]
async fn an_edited_request_is_planned_again_and_shows_what_is_different() {
    let stage = Stage::open().await;
    let thread = stage.planned(REQUEST).await;
    let branch = stage.task(&thread).await.branch();
    let edited = format!("{REQUEST} Say it in the README, too.");
    thread.edit("ana", thread.root(), &edited).await.unwrap();
    // Slack sends some of it twice.
    stage.slack.redeliver_last().await;
    let task = stage
        .wait_until(&thread, "planned again", |task| {
            task.plans.len() == 2 && task.state.name() == "awaiting_approval"
        })
        .await;
    assert!(task.request.text.contains("README"));
    assert_eq!(task.branch(), branch, "the branch keeps its name");
    thread.wait_for_words("What is different").await.unwrap();
    let first = thread.wait_for_words("Replaced.").await.unwrap();
    assert!(!first.says("Your decision"), "{}", thread.render());

    // After the approval, an edit is proposed. Whoever decides has the buttons, and they work once.
    stage.models.pause();
    thread.say("ana", "approve").await.unwrap();
    stage.wait_for_state(&thread, "running").await;
    let last = format!("{edited} And in the changelog.");
    thread.edit("ana", thread.root(), &last).await.unwrap();
    thread
        .wait_for_words("edited the request after its plan was approved")
        .await
        .unwrap();
    let outdated = thread.control("Work on it").unwrap();
    thread.press("ben", "Work on it").await.unwrap();
    thread.wait_for_words("ben,").await.unwrap();
    let task = stage.task(&thread).await;
    assert!(matches!(
        task.proposals[0].standing,
        ProposalStanding::Settled { .. }
    ));
    assert_eq!(task.waiting.len(), 1, "{}", thread.render());
    thread.press_control("cleo", &outdated).await.unwrap();
    whispered(&thread, "it cannot decide about that edit now").await;
    assert_eq!(stage.task(&thread).await.waiting.len(), 1);

    // A deleted request ends nothing by itself.
    thread.delete("ana", thread.root()).await.unwrap();
    thread
        .wait_for_words("The request of this task was deleted")
        .await
        .unwrap();
    assert_eq!(stage.task(&thread).await.state.name(), "running");
    thread.press("ana", "Cancel the task").await.unwrap();
    stage.wait_for_state(&thread, "canceled").await;
    thread.wait_for_words("Cancelled by ana").await.unwrap();
    stage.models.resume();
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mention_that_an_edit_adds_begins_a_task() {
    let stage = Stage::open().await;
    stage.models.pause();
    let thread = stage
        .slack
        .say("ana", CHANNEL, "The offset is ignored.")
        .await
        .unwrap()
        .with_patience(PATIENCE);
    stage.slack.settled().await;
    assert_eq!(stage.rows("inbox").await, 0, "it was said to others");
    thread
        .edit("ana", thread.root(), &format!("@deckhand {REQUEST}"))
        .await
        .unwrap();
    let task = stage.wait_for_state(&thread, "planning").await;
    assert!(task.request.text.contains("offset"));
    assert_eq!(stage.rows("tasks").await, 1);
    stage.stop(&thread).await;
    stage.models.resume();
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_turned_into_a_task_once_and_the_page_shows_it() {
    let stage = Stage::open().await;
    stage.models.pause();
    stage.slack.open_home("ben").await.unwrap();
    stage
        .eventually("the empty page", async || {
            stage
                .slack
                .home("ben")
                .is_some_and(|page| page.contains("Nothing waits for you."))
        })
        .await;

    let thread = stage
        .slack
        .say("ana", CHANNEL, REQUEST)
        .await
        .unwrap()
        .with_patience(PATIENCE);
    let root = On::Root;
    thread
        .shortcut("ben", "turn_into_task", root)
        .await
        .unwrap();
    let task = stage.wait_for_state(&thread, "planning").await;
    assert_eq!(task.request.author.name, "ben");
    assert!(
        task.request
            .also_by
            .iter()
            .any(|person| person.name == "ana")
    );
    assert!(task.request.text.contains("offset"));
    // Another use of it, by somebody else, finds the task that is there.
    thread
        .shortcut("cleo", "turn_into_task", On::Root)
        .await
        .unwrap();
    whispered(&thread, "is the request of a task already").await;
    // The shortcut of another app is none of ours.
    thread
        .shortcut("cleo", "other_app", On::Root)
        .await
        .unwrap();
    stage.settle().await;
    assert_eq!(stage.rows("tasks").await, 1);

    stage.slack.open_home("ben").await.unwrap();
    stage
        .eventually("the task on the page", async || {
            stage.slack.home("ben").is_some_and(|page| {
                page.contains("is planning") && page.contains("Ceiling: a task never spends")
            })
        })
        .await;
    stage.slack.open_home("ana").await.unwrap();
    stage
        .eventually("ana's own page", async || {
            stage
                .slack
                .home("ana")
                .is_some_and(|page| !page.contains("is planning"))
        })
        .await;
    let quiet = |message: &Message| message.from_bot() && message.says("other_app");
    assert!(!thread.messages().iter().any(quiet));
    stage.stop(&thread).await;
    stage.models.resume();
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_asked_for_in_a_form_and_lives_in_the_thread_of_its_message() {
    let stage = Stage::open().await;
    stage.models.pause();
    let view = async |user: &str| {
        stage.slack.shortcut(user, "new_task").await.unwrap();
        stage
            .eventually("the form", async || {
                stage.slack.look(|workspace| workspace.has_open_view(user))
            })
            .await;
    };
    let channel = stage
        .slack
        .look(|workspace| workspace.channel(CHANNEL).unwrap().id.to_string());
    view("ana").await;
    let fields = [
        ("said", "The offset is ignored."),
        ("where", channel.as_str()),
        ("which", "acme/web"),
    ];
    stage.slack.submit_view("ana", &fields).await.unwrap();
    stage
        .eventually("the request", async || {
            stage.slack.threads(CHANNEL).len() == 1
        })
        .await;
    let thread = stage.slack.threads(CHANNEL)[0].with_patience(PATIENCE);
    let task = stage.wait_for_state(&thread, "planning").await;
    assert_eq!(task.request.author.name, "ana");
    assert_eq!(task.request.text, "The offset is ignored.");
    assert_eq!(
        task.repository().map(|name| name.0.as_str()),
        Some("acme/web")
    );
    thread.wait_for_words("ana** asks").await.unwrap();

    // Where the bot is not, nothing begins, and the person has their words back.
    let away = stage.slack.add_channel(
        "elsewhere",
        deckhand_world::slack::ChannelKind::Public,
        deckhand_world::slack::Membership::Absent,
    );
    view("ben").await;
    let fields = [("said", "Fix the limit."), ("where", away.as_str())];
    stage.slack.submit_view("ben", &fields).await.unwrap();
    stage
        .eventually("the answer to ben", async || {
            stage
                .slack
                .look(|workspace| workspace.says_to("ben", "You asked for"))
        })
        .await;
    stage.settle().await;
    assert_eq!(stage.rows("tasks").await, 1);
    stage.stop(&thread).await;
    stage.models.resume();
    stage.close().await;
}
