//! Approval: by whom, by which road, and of what.

use deckhand_world::slack::{ChannelKind, Membership, On, Standing, Thread, View, ViewAnswer};

use crate::harness::{PATIENCE, Props, REQUEST, Stage, asking::whispered};

/// The newest plan card.
async fn card(thread: &Thread) -> deckhand_world::slack::Message {
    thread
        .wait_for("the plan card", |message| {
            message.from_bot() && message.says("Requirements")
        })
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thumb_on_the_plan_approves_and_a_thumb_elsewhere_does_not() {
    let stage = Stage::open().await;
    let thread = stage.planned(REQUEST).await;
    stage.settle().await;
    thread.react("ana", "👍", On::Root).await.unwrap();
    stage.settle().await;
    assert_eq!(stage.task(&thread).await.state.name(), "awaiting_approval");

    stage.models.pause();
    let card = card(&thread).await;
    thread
        .react("ben", "👍", On::Message(&card.ts))
        .await
        .unwrap();
    let task = stage.wait_for_state(&thread, "running").await;
    let approval = task.approval.unwrap();
    assert_eq!((approval.by.name.as_str(), approval.revision), ("ben", 1));
    assert!(approval.at.0 > 0);
    let audit = stage.context.store.audit_of(&task.id).await.unwrap();
    assert!(
        audit
            .iter()
            .any(|(_, entry)| entry.person == "slack:T0ACME:UBEN"
                && entry.detail.contains("Approve")),
        "{audit:?}"
    );
    thread.wait_for_words("Approved by ben").await.unwrap();
    stage.stop(&thread).await;
    stage.models.resume();
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn guests_outsiders_and_programs_may_not_approve() {
    let stage = Stage::open().await;
    stage.slack.add_user("gus", Standing::Guest);
    stage.slack.add_user("olga", Standing::Outsider);
    stage.slack.add_user("robot", Standing::Bot);
    stage
        .slack
        .add_channel("shared", ChannelKind::Connect, Membership::Joined);
    let thread = stage
        .slack
        .mention("ana", "shared", REQUEST)
        .await
        .unwrap()
        .with_patience(PATIENCE);
    stage.wait_for_state(&thread, "awaiting_approval").await;
    let card = card(&thread).await;
    for user in ["gus", "olga"] {
        let whispers = || {
            thread
                .messages()
                .iter()
                .filter(|message| message.says("This approval does not count"))
                .count()
        };
        let before = whispers();
        thread.press(user, "Approve").await.unwrap();
        thread
            .wait("the refusal", || (whispers() > before).then_some(()))
            .await
            .unwrap();
        thread
            .react(user, "white_check_mark", On::Message(&card.ts))
            .await
            .unwrap();
        thread.say(user, "approve").await.unwrap();
    }
    thread
        .react("robot", "white_check_mark", On::Message(&card.ts))
        .await
        .unwrap();
    thread.say("robot", "approve").await.unwrap();
    stage.settle().await;
    let task = stage.task(&thread).await;
    assert_eq!(
        task.state.name(),
        "awaiting_approval",
        "{}",
        thread.render()
    );
    assert!(task.approval.is_none());
    // Nor do their words steer: they are kept apart.
    assert_eq!(task.plans.len(), 1);
    assert_eq!(task.bystanders.len(), 3);
    thread
        .react("olga", "x", On::Message(&card.ts))
        .await
        .unwrap();
    whispered(&thread, "This was not cancelled").await;
    assert_eq!(stage.task(&thread).await.state.name(), "awaiting_approval");
    stage.stop(&thread).await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_second_person_has_to_the_requester_does_not_count() {
    let stage = Stage::open_with(Props {
        settings: vec![("DECKHAND_SECOND_PERSON", "true".to_owned())],
        ..Props::default()
    })
    .await;
    let thread = stage.planned(REQUEST).await;
    thread.say("ana", "looks good").await.unwrap();
    whispered(&thread, "a second person has to approve").await;
    stage.models.pause();
    thread.say("ben", "looks good").await.unwrap();
    stage.wait_for_state(&thread, "running").await;
    stage.stop(&thread).await;
    stage.models.resume();
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_somebody_edits_as_text_is_the_next_revision() {
    let stage = Stage::open().await;
    stage
        .models
        .otherwise(crate::harness::scripts::without_pages());
    let thread = stage.planned(REQUEST).await;
    card(&thread).await;
    thread.press("ana", "Edit").await.unwrap();
    let view = thread.wait_for_view("ana").await.unwrap();
    let text = |view: &View| {
        let mut blocks = view.payload["blocks"].as_array().into_iter().flatten();
        let plan = blocks.find(|block| block["block_id"] == "plan").unwrap();
        plan["element"]["initial_value"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let (plan, models) = (text(&view), stage.models.request_count());
    // A mistake is said at its field, and the form stays with everything in it.
    let wrong = format!("Please look at this.\n{plan}");
    let answer = thread
        .submit_view("ana", &[("plan", &wrong)])
        .await
        .unwrap();
    let ViewAnswer::Errors(errors) = answer else {
        panic!("it was taken: {answer:?}")
    };
    let [(field, told)] = errors.as_slice() else {
        panic!("one error, not {errors:?}")
    };
    assert_eq!(field, "plan");
    assert!(told.contains("stands below no heading"), "{told}");
    let edited = plan.replace(
        "\n\nFiles",
        "\n9. Say it in the README\n\nFiles\n- CHANGELOG.md",
    );
    let answer = thread
        .submit_view("ana", &[("plan", &edited)])
        .await
        .unwrap();
    assert_eq!(answer, ViewAnswer::Closed);
    let second = thread
        .wait_for("revision 2", |message| {
            message.from_bot() && message.says("revision 2") && message.says("edited by ana")
        })
        .await
        .unwrap();
    for words in ["added: Say it in the README", "files, added: CHANGELOG.md"] {
        assert!(second.says(words), "{words}\n{}", thread.render());
    }
    // The agent was not asked, and the old card has no buttons.
    assert_eq!(stage.models.request_count(), models);
    let task = stage.task(&thread).await;
    assert_eq!(task.plans.len(), 2);
    thread.press("ana", "Approve").await.unwrap();
    stage.wait_for_state(&thread, "in_review").await;
    let approval = stage.task(&thread).await.approval.unwrap();
    assert_eq!(approval.revision, 2);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_that_comes_too_late_is_handed_back() {
    let stage = Stage::open().await;
    let thread = stage.planned(REQUEST).await;
    card(&thread).await;
    let edit = thread.control("Edit").unwrap();
    thread.press_control("ana", &edit).await.unwrap();
    thread.wait_for_view("ana").await.unwrap();
    // Ben is faster.
    thread.press_control("ben", &edit).await.unwrap();
    thread.wait_for_view("ben").await.unwrap();
    let text = "Steps\n1. Mend it as ben says\nFiles\n- lib/";
    thread.submit_view("ben", &[("plan", text)]).await.unwrap();
    stage
        .wait_until(&thread, "at revision 2", |task| task.plans.len() == 2)
        .await;
    let text = "Steps\n1. Mend it as ana says\nFiles\n- lib/";
    thread.submit_view("ana", &[("plan", text)]).await.unwrap();
    let told = whispered(&thread, "Your edit of revision 1 was not taken").await;
    assert!(told.says("Mend it as ana says"), "{}", thread.render());
    thread.press_control("ana", &edit).await.unwrap();
    whispered(&thread, "can no longer be approved or changed").await;
    let task = stage.task(&thread).await;
    assert_eq!(task.plans.len(), 2);
    assert_eq!(task.plans[1].plan.steps, ["Mend it as ben says"]);
    stage.stop(&thread).await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_form_behind_edit_makes_the_next_revision() {
    let stage = Stage::open().await;
    let thread = stage.planned(REQUEST).await;
    card(&thread).await;
    thread.press("ana", "Edit").await.unwrap();
    let view = thread.wait_for_view("ana").await.unwrap();
    assert!(
        view.payload
            .to_string()
            .contains("Add the offset to both ends"),
        "the plan is there to be read: {}",
        view.payload
    );
    let answer = thread
        .submit_view("ana", &[("said", "Say it in the README, too.")])
        .await
        .unwrap();
    assert_eq!(answer, ViewAnswer::Closed);
    let task = stage
        .wait_until(&thread, "at revision 2", |task| {
            task.state.name() == "awaiting_approval" && task.plans.len() == 2
        })
        .await;
    let card = thread
        .wait_for("revision 2", |message| {
            message.from_bot() && message.says("revision 2")
        })
        .await
        .unwrap();
    assert!(
        card.says("What is different") && card.says("added: Follow the correction from the thread"),
        "{}",
        thread.render()
    );
    assert!(task.plans[1].plan.reason.is_some());

    // Whoever still has the form of revision 1 open is told that it is gone.
    let old = thread
        .bot_messages()
        .into_iter()
        .find(|message| message.says("Requirements") && !message.says("revision 2"))
        .unwrap();
    thread
        .react("ana", "white_check_mark", On::Message(&old.ts))
        .await
        .unwrap();
    whispered(&thread, "Revision 1 of the plan can no longer be approved").await;
    assert_eq!(stage.task(&thread).await.state.name(), "awaiting_approval");
    stage.stop(&thread).await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_repository_is_planned_anew() {
    let stage = Stage::open().await;
    stage.github.seed_empty("acme/tool").await.unwrap();
    stage
        .github
        .commit(
            "acme/tool",
            "main",
            &[("Makefile", "test:\n\ttrue\n"), ("README.md", "A tool.\n")],
            "First commit",
        )
        .await
        .unwrap();
    let thread = stage.planned(REQUEST).await;
    card(&thread).await;
    thread.press("ana", "Change repository").await.unwrap();
    let view = thread.wait_for_view("ana").await.unwrap();
    assert!(
        view.payload.to_string().contains("acme/tool"),
        "{}",
        view.payload
    );
    thread
        .submit_view("ana", &[("said", "acme/tool")])
        .await
        .unwrap();
    let task = stage
        .wait_until(&thread, "planned for the other repository", |task| {
            task.state.name() == "awaiting_approval" && task.plans.len() == 2
        })
        .await;
    assert_eq!(task.workplace.as_ref().unwrap().repository.0, "acme/tool");

    let task = stage.approve(&thread).await;
    assert_eq!(task.approval.unwrap().revision, 2);
    assert!(stage.pull_requests().is_empty());
    assert_eq!(
        stage
            .github
            .repository("acme/tool")
            .unwrap()
            .pull_requests()
            .len(),
        1,
        "{}",
        thread.render()
    );
    stage.close().await;
}
