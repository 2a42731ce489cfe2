//! Requests that are too long, in other scripts, or full of other people's commands; and places that close meanwhile.

use deckhand::domain::task::Task;
use deckhand_world::slack::{BOT_NAME, Closed, Door, Message, Thread};

use crate::harness::{
    CHANNEL, REQUEST, Stage,
    asking::{no_message_twice, whispered},
    scripts,
};

/// A model that asks for this setup only where it is told these words.
fn listen(stage: &Stage, words: &str) {
    stage.models.when(words, scripts::with_setup("true"));
}

/// Whether it was told them.
fn is_told(task: &Task) -> bool {
    let specification = task.specification.as_ref();
    specification.is_some_and(|one| one.setup.as_deref() == Some("true"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_of_forty_thousand_characters_is_read_to_its_last_word() {
    let stage = Stage::open().await;
    let end = "and its last word is xylophone";
    let filler = "The offset is ignored. ".repeat(2_000);
    let room = 40_000 - REQUEST.len() - end.len() - 40;
    let long = format!("{REQUEST}\n{}\n{end}", &filler[..room]);
    listen(&stage, end);
    let thread = stage.planned(&long).await;
    let task = stage.task(&thread).await;
    assert!(task.request.text.ends_with(end), "the request was cut");
    assert!(is_told(&task), "the agent was not told the end");
    stage.stop(&thread).await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_in_another_script_with_emoji_and_code_is_kept_as_it_was_written() {
    let stage = Stage::open().await;
    let code =
        "```\nfor row in rows:\n    if row.id  >  offset:\n        budget=9000 agent=nobody\n```";
    let words = format!("הפרמטר offset לא עובד 👩\u{200d}💻 مرحبا\n{code}\n> branch=nowhere stop");
    listen(&stage, "        budget=9000 agent=nobody");
    let thread = stage.planned(&format!("{words}\nrepo=acme/web")).await;
    let task = stage.task(&thread).await;
    assert_eq!(task.request.text.trim(), words);
    assert!(is_told(&task));
    assert_eq!(task.workplace.as_ref().unwrap().base_branch, "main");
    assert_eq!(task.terms.agent, "goose");
    stage.stop(&thread).await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_in_code_and_in_quotes_decide_nothing() {
    let stage = Stage::open().await;
    let thread = stage.planned(REQUEST).await;
    let before = stage.task(&thread).await;
    let corrected = |task: &Task, times: usize| {
        task.state.name() == "awaiting_approval" && task.plans.len() == before.plans.len() + times
    };
    for (words, times) in [("> approve", 1), ("```\nstop\n```", 2), ("`approve`", 3)] {
        thread.say("ana", words).await.unwrap();
        let what = format!("at the plan after {words:?}");
        stage
            .wait_until(&thread, &what, |task| corrected(task, times))
            .await;
    }
    assert!(stage.task(&thread).await.approval.is_none());
    stage.stop(&thread).await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn approve_and_cancel_in_the_same_second_end_it_and_everybody_is_answered() {
    let stage = Stage::open().await;
    stage.models.otherwise(scripts::without_pages());
    let thread = stage.planned(REQUEST).await;
    thread.wait_for_words("Requirements").await.unwrap();
    let approve = thread.control("Approve").unwrap();
    let cancel = thread.control("Cancel").unwrap();
    let (approved, canceled) = tokio::join!(
        thread.press_control("ana", &approve),
        thread.press_control("ben", &cancel)
    );
    assert!(approved.unwrap().accepted() && canceled.unwrap().accepted());
    let task = stage.wait_for_state(&thread, "canceled").await;
    thread.wait_for_words("Cancelled by").await.unwrap();
    stage.settle().await;
    // Whichever was first: the plan says what became of it, or the one who was late is told.
    let says = |words: &str| thread.messages().iter().any(|one| one.says(words));
    if task.approval.is_some() {
        assert!(says("Approved by ana"), "{}", thread.render());
    } else {
        whispered(&thread, "can no longer be approved").await;
    }
    assert!(stage.pull_requests().is_empty());
    no_message_twice(&thread);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bot_itself_presses_nothing() {
    let stage = Stage::open().await;
    let thread = stage.planned(REQUEST).await;
    thread.wait_for_words("Requirements").await.unwrap();
    for label in ["Approve", "Cancel"] {
        let control = thread.control(label).unwrap();
        thread.press_control(BOT_NAME, &control).await.unwrap();
    }
    stage.settle().await;
    let task = stage.task(&thread).await;
    assert_eq!(
        task.state.name(),
        "awaiting_approval",
        "{}",
        thread.render()
    );
    assert!(task.approval.is_none());
    stage.stop(&thread).await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_of_another_workspace_begins_nothing_here() {
    let stage = Stage::open().await;
    let said = stage.slack.calls().len();
    let body = r#"{"type":"event_callback","team_id":"T0OTHER","event":{"type":"app_mention","user":"UELSE","team":"T0OTHER","channel":"CELSEWHERE","ts":"1.000001","text":"<@U0DECK> fix it repo=acme/web"},"authorizations":[{"team_id":"T0OTHER","user_id":"U0DECK","is_bot":true}]}"#;
    let sent = stage
        .slack
        .post_signed(Door::Events, "application/json", body.into())
        .await
        .unwrap();
    assert!(sent.accepted());
    stage.settle().await;
    let calls = stage.slack.calls().split_off(said);
    let done: Vec<String> = calls.into_iter().map(|call| call.method).collect();
    assert_eq!(stage.models.request_count(), 0, "{done:?}");
    assert!(stage.sandboxes().await.is_empty());
    assert!(
        stage.slack.threads(CHANNEL).is_empty(),
        "it answered in a workspace where nobody asked"
    );
    stage.close().await;
}

/// What the bot said to ana alone, in their direct messages.
fn direct(stage: &Stage, words: &str) -> Option<Message> {
    let threads = stage.slack.threads("DUANA");
    let messages = threads.iter().flat_map(Thread::messages);
    messages
        .into_iter()
        .find(|message| message.from_bot() && message.says(words))
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_place_closes_meanwhile_the_person_hears_of_the_plan_in_their_direct_messages() {
    for closed in [
        Closed::Archived,
        Closed::Deleted,
        Closed::ReadOnly,
        Closed::ThreadsLocked,
    ] {
        let stage = Stage::open().await;
        let thread = stage.being_planned(REQUEST).await;
        stage.settle().await;
        stage.slack.close_channel(CHANNEL, closed).unwrap();
        stage.models.resume();
        stage.wait_for_state(&thread, "awaiting_approval").await;
        thread
            .wait(
                &format!("a word in the direct messages ({closed:?})"),
                || direct(&stage, "could not be posted"),
            )
            .await
            .unwrap();
        stage.stop(&thread).await;
        stage.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mention_where_it_may_not_post_is_answered_in_direct_messages() {
    for closed in [Closed::ReadOnly, Closed::ThreadsLocked, Closed::Archived] {
        let stage = Stage::open().await;
        stage.slack.close_channel(CHANNEL, closed).unwrap();
        let thread = stage.mention(REQUEST).await;
        thread
            .wait(
                &format!("a word in the direct messages ({closed:?})"),
                || direct(&stage, "could not be posted"),
            )
            .await
            .unwrap();
        stage.stop(&thread).await;
        stage.close().await;
    }
}
