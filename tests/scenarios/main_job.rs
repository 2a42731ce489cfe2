//! The main job: from a mention in a thread to a proved pull request.

use deckhand_world::{
    github::PullRequest,
    slack::{Message, On, Thread},
};

use crate::harness::{CHANNEL, Database, MODEL_KEY, PATIENCE, Props, REQUEST, Stage};

#[tokio::test(flavor = "multi_thread")]
async fn a_mention_becomes_a_proved_pull_request() {
    Box::pin(the_whole_job(Stage::open().await)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mention_becomes_a_proved_pull_request_on_a_database_server() {
    let props = Props {
        database: Database::Server,
        ..Props::default()
    };
    Box::pin(the_whole_job(Stage::open_with(props).await)).await;
}

async fn the_whole_job(stage: Stage) {
    let thread = stage
        .slack
        .say(
            "ben",
            CHANNEL,
            "The users page is broken again. It must be the database index.",
        )
        .await
        .unwrap()
        .with_patience(PATIENCE);
    thread
        .say("cleo", "For me it only happens with a limit over 100.")
        .await
        .unwrap();
    thread.mention("ana", REQUEST).await.unwrap();

    thread.wait_for_words("acme/web").await.unwrap();
    let card = thread
        .wait_for("the plan card", |message| {
            message.from_bot() && message.says("Plan")
        })
        .await
        .unwrap();
    assert!(card.says("R1"), "{}", thread.render());
    thread.press("ana", "Approve").await.unwrap();

    let task = stage.wait_for_state(&thread, "in_review").await;
    stage.settle().await;
    let words = thread.render();
    let repository = stage.github.repository("acme/web").unwrap();
    let pulls = repository.pull_requests();
    assert_eq!(pulls.len(), 1, "{words}");
    assert_eq!(pulls[0].head, task.branch());
    assert!(
        words.contains(&format!("/acme/web/pull/{}", pulls[0].number)),
        "{words}"
    );

    // Each requirement was seen to be true by the host, in the clean container.
    let result = task.last_result().unwrap();
    assert!(result.whole, "{words}\n{result:#?}");
    // What was pushed is what was proved, and plain git says where it came from.
    let commits = repository.log(&task.branch()).await.unwrap();
    assert_eq!(commits[0].id, result.publication.commit.0);
    for trailer in [
        "Deckhand-Task:",
        "Requested-by: ana",
        "Approved-by: ana",
        "Deckhand-Agent: goose",
    ] {
        assert!(
            commits[0].message.contains(trailer),
            "{trailer} in {}",
            commits[0].message
        );
    }
    tells_everything(&pulls[0]);
    // Two pictures, before and after, in the thread.
    let pictures = thread.files();
    assert_eq!(pictures.len(), 2, "{words}");
    assert_ne!(pictures[0].content, pictures[1].content);
    talks_little(&thread);
    // No key was in the sandbox, and none is in what is kept.
    assert!(!stage.log(&task.id).await.contains(MODEL_KEY));
    stage.close().await;
}

/// The pull request can be judged without the thread.
fn tells_everything(pull: &PullRequest) {
    for part in [
        "**R1**",
        "4 of 4 checks passed",
        "it failed before the change",
        "git switch",
        "Commands that the agent ran",
        "/artifacts/",
        "approved by ana",
    ] {
        assert!(
            pull.body.contains(part),
            "{part} is missing in\n{}",
            pull.body
        );
    }
}

/// Six messages for an ordinary task.
fn talks_little(thread: &Thread) {
    let words = thread.render();
    // One status, edited in place; the requester is called for the decision and at the end.
    let bot = thread.bot_messages();
    assert!(
        bot.iter().any(|message| message.versions.len() >= 2),
        "{words}"
    );
    // The call of a decision goes when it is taken, so earlier versions count too.
    let calls = |blocks: &[serde_json::Value]| format!("{blocks:?}").contains("<@UANA>");
    let calls_ana = |message: &&Message| {
        calls(&message.blocks)
            || message
                .versions
                .iter()
                .any(|version| calls(&version.blocks))
    };
    assert_eq!(bot.iter().filter(calls_ana).count(), 2, "{words}");
    assert!(
        bot.len() <= 6,
        "an ordinary task takes at most six messages\n{words}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_correction_makes_revision_two_and_an_old_approval_is_refused() {
    let stage = Stage::open().await;
    let thread = stage.mention(REQUEST).await;
    stage.wait_for_state(&thread, "awaiting_approval").await;
    stage.settle().await;
    let old = thread.control("Approve").unwrap();

    thread
        .say("ana", "Please also mention the limit in the README.")
        .await
        .unwrap();
    let task = stage
        .wait_until(&thread, "at its second plan", |task| {
            task.state.name() == "awaiting_approval" && task.plans.len() == 2
        })
        .await;
    stage.settle().await;
    assert!(task.plans[1].plan.reason.is_some());

    thread.press_control("ana", &old).await.unwrap();
    stage.settle().await;
    assert_eq!(
        stage.task(&thread).await.state.name(),
        "awaiting_approval",
        "{}",
        thread.render()
    );

    let card = thread
        .wait_for("revision 2", |message| {
            message.from_bot() && message.says("Plan, revision 2")
        })
        .await
        .unwrap();
    thread
        .react("ana", "white_check_mark", On::Message(&card.ts))
        .await
        .unwrap();
    let task = stage.wait_for_state(&thread, "in_review").await;
    assert_eq!(task.approval.unwrap().revision, 2);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lie_is_found_out_by_the_host() {
    let stage = Stage::open().await;
    let thread = stage.mention(&format!("{REQUEST} #script:lying")).await;
    stage.wait_for_state(&thread, "awaiting_approval").await;
    thread.say("ana", "looks good").await.unwrap();
    let task = stage.wait_for_state(&thread, "in_review").await;
    stage.settle().await;
    let result = task.last_result().unwrap();
    assert!(!result.whole, "{}", thread.render());
    assert_eq!(task.rework_rounds, 2, "it went back to the agent twice");
    thread.wait_for_words("not met").await.unwrap();
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_weakened_test_is_named() {
    let stage = Stage::open().await;
    let thread = stage.mention(&format!("{REQUEST} #script:weakening")).await;
    stage.wait_for_state(&thread, "awaiting_approval").await;
    thread.say("ana", "approve").await.unwrap();
    let task = stage.wait_for_state(&thread, "in_review").await;
    stage.settle().await;
    let result = task.last_result().unwrap();
    assert!(
        !result.weakenings.is_empty() && !result.whole,
        "{}",
        thread.render()
    );
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_changes_before_an_approval() {
    let stage = Stage::open().await;
    let thread = stage
        .mention(&format!("{REQUEST} #script:writes_while_planning"))
        .await;
    let task = stage.wait_for_state(&thread, "awaiting_approval").await;
    let log = stage.log(&task.id).await;
    assert!(log.contains("Read-only file system"), "{log}");
    stage.close().await;
}
