//! How people talk to the bot beside the main job, and how fast it answers.

use std::time::Duration;

use deckhand_world::slack::{Attachment, Message, On, Standing};

use crate::harness::{
    CHANNEL, PATIENCE, Props, REQUEST, Stage,
    asking::{says, whispered},
    scripts,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_mark_and_words_come_before_any_model_has_thought() {
    let stage = Stage::open().await;
    stage.models.pause();
    let thread = stage.mention(REQUEST).await;
    thread.wait_for_mark("👀").await.unwrap();
    thread.wait_for_words("Reading").await.unwrap();
    let timing = thread.timing();
    assert!(
        timing.first_reaction.unwrap() < Duration::from_secs(1),
        "{timing:?}"
    );
    assert!(
        timing.first_words.unwrap() < Duration::from_secs(2),
        "{timing:?}"
    );
    stage.wait_for_state(&thread, "planning").await;
    stage.stop(&thread).await;
    stage.models.resume();
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn words_that_are_verbs_answer_their_writer_alone() {
    let stage = Stage::open().await;
    stage.models.pause();
    let thread = stage.mention(REQUEST).await;
    stage.wait_for_state(&thread, "planning").await;
    let posted = thread
        .bot_messages()
        .iter()
        .filter(|message| message.audience == deckhand_world::slack::Audience::Everyone)
        .count();

    thread.say("ana", "status").await.unwrap();
    whispered(&thread, "Writing a plan").await;
    thread.say("ana", "help").await.unwrap();
    whispered(&thread, "`now: …` interrupts it").await;
    thread.say("ana", "experts").await.unwrap();
    whispered(&thread, "There are no experts yet").await;
    let list = stage
        .slack
        .mention("ana", CHANNEL, "list")
        .await
        .unwrap()
        .with_patience(PATIENCE);
    whispered(&list, "is planning").await;
    let empty = stage
        .slack
        .mention("ben", CHANNEL, "list")
        .await
        .unwrap()
        .with_patience(PATIENCE);
    whispered(&empty, "no tasks of yours").await;
    let answer = stage.slack.slash("ana", CHANNEL, "list").await.unwrap();
    assert!(answer.accepted);

    stage.settle().await;
    assert_eq!(
        thread
            .bot_messages()
            .iter()
            .filter(|message| message.audience == deckhand_world::slack::Audience::Everyone)
            .count(),
        posted,
        "{}",
        thread.render()
    );
    stage.stop(&thread).await;
    stage.models.resume();
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_option_that_does_not_exist_gets_a_hint_and_the_work_goes_on() {
    let stage = Stage::open().await;
    let thread = stage
        .planned(&format!("{REQUEST} [colour=red] brnach=dev"))
        .await;
    let hint = whispered(&thread, "colour=red").await;
    assert!(hint.says("did you mean `branch=`"), "{}", thread.render());
    stage.stop(&thread).await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn chatter_is_not_even_stored() {
    let stage = Stage::open().await;
    let chatter = stage
        .slack
        .say("ben", CHANNEL, "The users page is broken again.")
        .await
        .unwrap();
    chatter
        .say("cleo", "stop the deploy, please")
        .await
        .unwrap();
    chatter.say("ben", "approve").await.unwrap();
    stage.slack.settled().await;
    assert_eq!(stage.rows("inbox").await, 0);
    assert!(chatter.bot_messages().is_empty(), "{}", chatter.render());
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_not_start_is_told_so_and_nothing_begins() {
    let settings = vec![("DECKHAND_PEOPLE", "slack:T0ACME:UANA".to_owned())];
    let stage = Stage::open_with(Props {
        settings,
        ..Props::default()
    })
    .await;
    stage.slack.add_user("gus", Standing::Guest);
    for (user, words) in [
        ("ben", "you are not among them"),
        ("gus", "only full members"),
    ] {
        let thread = stage
            .slack
            .mention(user, CHANNEL, REQUEST)
            .await
            .unwrap()
            .with_patience(PATIENCE);
        whispered(&thread, words).await;
    }
    assert_eq!(stage.rows("tasks").await, 0);
    assert_eq!(stage.models.request_count(), 0);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn asides_and_a_muted_thread_are_left_alone() {
    let stage = Stage::open().await;
    let thread = stage.planned(REQUEST).await;
    thread.say("ben", "(aside) lunch?").await.unwrap();
    thread.say("cleo", "!aside not before one").await.unwrap();
    thread.say("ana", "mute").await.unwrap();
    thread
        .say("ana", "Actually, use another file.")
        .await
        .unwrap();
    stage.settle().await;
    let task = stage.task(&thread).await;
    assert_eq!(
        (task.state.name(), task.plans.len()),
        ("awaiting_approval", 1),
        "{}",
        thread.render()
    );
    thread.say("ana", "unmute").await.unwrap();
    thread
        .say("ana", "Use another file, please.")
        .await
        .unwrap();
    stage
        .wait_until(&thread, "at revision 2", |task| {
            task.state.name() == "awaiting_approval" && task.plans.len() == 2
        })
        .await;
    stage.stop(&thread).await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_task_in_the_same_thread() {
    let stage = Stage::open().await;
    let thread = stage.planned(REQUEST).await;
    let first = stage.task(&thread).await;
    stage.stop(&thread).await;
    // Words without a mention do not start anything where everything is over.
    thread
        .say("ana", "Please fix the footer, too.")
        .await
        .unwrap();
    whispered(&thread, "Mention Deckhand with a new request").await;
    thread
        .mention("ana", "Fix the footer instead.")
        .await
        .unwrap();
    // It is the thread's repository that is meant.
    let second = stage
        .wait_until(&thread, "another one with a plan", |task| {
            task.id != first.id && task.state.name() == "awaiting_approval"
        })
        .await;
    assert_eq!(second.repository().unwrap().0, "acme/web");
    stage.settle().await;
    let seconds_cancel = thread.control("Cancel").unwrap();
    thread.mention("ana", "new Fix the header.").await.unwrap();
    let third = stage
        .wait_until(&thread, "a third one with a plan", |task| {
            task.id != second.id && task.state.name() == "awaiting_approval"
        })
        .await;
    assert_eq!(stage.rows("tasks").await, 3);
    // A button means the task whose message it hangs on, not the newest one of the thread.
    thread.press_control("ana", &seconds_cancel).await.unwrap();
    stage
        .wait_for_task(&second.id, "cancelled", |task| {
            task.state.name() == "canceled"
        })
        .await;
    let newest = stage.task(&thread).await;
    assert_eq!(newest.id, third.id);
    assert_eq!(newest.state.name(), "awaiting_approval");
    stage.stop(&thread).await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_means_the_task_whose_button_opened_it() {
    let stage = Stage::open().await;
    let thread = stage.planned(REQUEST).await;
    let first = stage.task(&thread).await;
    // The task waits a moment before its card is there.
    thread.wait_for_words("Your decision").await.unwrap();
    let firsts = ["Edit", "Change repository"].map(|label| thread.control(label).unwrap());
    thread.mention("ana", "new Fix the header.").await.unwrap();
    let second = stage
        .wait_until(&thread, "another one with a plan", |task| {
            task.id != first.id && task.state.name() == "awaiting_approval"
        })
        .await;
    // Both plans are at revision 1, so the number alone cannot tell them apart.
    thread.press_control("ana", &firsts[0]).await.unwrap();
    thread.wait_for_view("ana").await.unwrap();
    thread
        .submit_view("ana", &[("said", "Test first, please.")])
        .await
        .unwrap();
    stage
        .wait_for_task(&first.id, "at revision 2", |task| {
            task.state.name() == "awaiting_approval" && task.plans.len() == 2
        })
        .await;
    assert_eq!(stage.task(&thread).await.plans.len(), 1);

    // The first task is sent elsewhere, and the newest stays where it is.
    thread.press_control("ana", &firsts[1]).await.unwrap();
    thread.wait_for_view("ana").await.unwrap();
    thread
        .submit_view("ana", &[("said", "acme/web")])
        .await
        .unwrap();
    stage
        .wait_for_task(&first.id, "planned anew", |task| {
            task.state.name() == "awaiting_approval" && task.plans.len() == 3
        })
        .await;
    for (task, acts) in [
        (&first, ["correct", "choose repository"].as_slice()),
        (&second, [].as_slice()),
    ] {
        let audit = stage.context.store.audit_of(&task.id).await.unwrap();
        let decided: Vec<&str> = audit
            .iter()
            .map(|(_, entry)| entry.act.as_str())
            .filter(|act| *act != "start" && *act != "say")
            .collect();
        assert_eq!(decided, acts, "{audit:?}");
    }
    thread.react("ana", "🛑", On::Root).await.unwrap();
    stage.stop(&thread).await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_above_is_background_and_files_reach_the_agent() {
    let stage = Stage::open().await;
    let thread = stage
        .slack
        .say("ben", CHANNEL, "It must be the database index.")
        .await
        .unwrap()
        .with_patience(PATIENCE);
    thread
        .say("cleo", "For me it only happens with a limit over 100.")
        .await
        .unwrap();
    let notes = Attachment {
        name: "notes.txt".to_owned(),
        content: "the canary of the attachment".into(),
    };
    let script = deckhand_world::models::Script::honest().first(
        deckhand_world::models::Phase::Plan,
        [deckhand_world::models::Turn::shell(
            "cat /home/agent/attachments/*",
        )],
    );
    stage.models.otherwise(script);
    thread
        .say_with_files(
            "ana",
            &format!("@deckhand {REQUEST} Run `npm test` at the end."),
            vec![notes],
        )
        .await
        .unwrap();
    let task = stage.wait_for_state(&thread, "awaiting_approval").await;
    let authors: Vec<&str> = task
        .context
        .iter()
        .map(|line| line.author.name.as_str())
        .collect();
    assert_eq!(authors, ["ben", "cleo"], "{:?}", task.context);
    thread
        .wait_for_words("Taken as background only")
        .await
        .unwrap();
    assert!(
        task.specification
            .unwrap()
            .all_checks()
            .contains(&"npm test".to_owned())
    );
    assert!(
        stage
            .log(&task.id)
            .await
            .contains("the canary of the attachment")
    );
    stage.stop(&thread).await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_direct_message_needs_no_mention() {
    let stage = Stage::open().await;
    stage.models.pause();
    let thread = stage
        .slack
        .direct("ana", REQUEST)
        .await
        .unwrap()
        .with_patience(PATIENCE);
    thread
        .wait("the first words", || {
            thread.messages().into_iter().find(Message::from_bot)
        })
        .await
        .unwrap();
    says(&thread, "Writing a plan").await;
    stage.stop(&thread).await;
    stage.models.resume();
    stage.close().await;
}

/// What a model writes calls nobody.
#[tokio::test(flavor = "multi_thread")]
async fn no_model_can_call_a_whole_channel() {
    let stage = Stage::open().await;
    stage.models.otherwise(scripts::loud());
    let thread = stage.planned(REQUEST).await;
    let card = thread.wait_for_words("Plan").await.unwrap();
    let sent = format!("{} {:?}", card.text, card.blocks);
    assert!(
        sent.contains("Tell everybody"),
        "the words themselves are there: {sent}"
    );
    for call in ["<!", "@channel", "@here", "@everyone", "<@UBEN>"] {
        assert!(!sent.contains(call), "{call} is in {sent}");
    }
    stage.stop(&thread).await;
    stage.close().await;
}
