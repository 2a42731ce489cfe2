//! People ask what applies to them, and are told what says so: `why`, `limits` and `experts`.

use deckhand_world::slack::{Audience, Standing, Thread};

use crate::harness::{
    Beside, CHANNEL, PATIENCE, Props, REQUEST, Stage,
    asking::{says, whispered},
    scripts,
};

/// What a request says that names no repository.
const SILENT: &str = "The offset parameter of /api/v2/users is ignored when limit is over 100.";

async fn mention(stage: &Stage, user: &str, text: &str) -> Thread {
    let thread = stage.slack.mention(user, CHANNEL, text).await.unwrap();
    thread.with_patience(PATIENCE)
}

/// How many messages everybody sees.
fn public(thread: &Thread) -> usize {
    let all = thread.bot_messages().into_iter();
    all.filter(|message| message.audience == Audience::Everyone)
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn why_says_who_may_do_what_and_what_says_so() {
    let stage = Stage::open_with(Props {
        settings: vec![
            ("DECKHAND_SECOND_PERSON", "true".to_owned()),
            (
                "DECKHAND_PEOPLE",
                "slack:T0ACME:UANA,slack:T0ACME:UBEN".to_owned(),
            ),
        ],
        ..Props::default()
    })
    .await;
    stage.models.otherwise(scripts::without_pages());
    let before = mention(&stage, "ana", "why").await;
    let told = whispered(&before, "What you may do").await;
    for words in [
        "you may, but not for a task that you ask for yourself",
        "`DECKHAND_PEOPLE` names 2 people, among them ana, ben.",
        "A second person has to: `DECKHAND_SECOND_PERSON`",
        "nothing is set here",
        "$10.00 before it asks",
    ] {
        assert!(told.says(words), "{words} is not in\n{}", before.render());
    }
    // Somebody from outside hears what they may not, and nothing of people and settings.
    stage.slack.add_user("gus", Standing::Guest);
    let guest = mention(&stage, "gus", "why").await;
    let told = whispered(&guest, "only full members of this organisation may").await;
    assert!(
        !told.says("ana, ben") && !told.says("Repository"),
        "{}",
        guest.render()
    );
    assert_eq!(stage.rows("tasks").await, 0);
    assert_eq!(stage.models.request_count(), 0);

    let thread = stage.planned(&format!("{SILENT} budget=2")).await;
    stage.settle().await;
    let (task, said) = (stage.task(&thread).await, public(&thread));
    thread.say("ana", "why").await.unwrap();
    let told = whispered(&thread, "because you asked for this task yourself").await;
    for words in [
        &format!("with task `{}`", task.id),
        "`acme/web`, `main` @ `",
        "the only one in reach",
        "$2.00 before it asks, said in the request",
        "none yet, so nothing is changed",
    ] {
        assert!(told.says(words), "{words} is not in\n{}", thread.render());
    }
    thread.press("ben", "Approve").await.unwrap();
    stage.wait_for_state(&thread, "in_review").await;
    thread.say("ben", "why").await.unwrap();
    whispered(&thread, "revision 1, by ben").await;
    stage.settle().await;
    let after = stage.task(&thread).await;
    assert_eq!(after.plans.len(), 1, "{}", thread.render());
    assert!(said < public(&thread), "the result is there");
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn why_is_answered_in_a_direct_message_and_begins_nothing_there() {
    let stage = Stage::open_with(Props {
        file: "[[repository]]\nname = \"acme/web\"\nplaces = [\"slack:T0ACME:CENG\"]\n".to_owned(),
        ..Props::default()
    })
    .await;
    let alone = stage.slack.direct("ana", "why").await.unwrap();
    let alone = alone.with_patience(PATIENCE);
    let told = says(&alone, "What you may do").await;
    for words in [
        "What a request here gets where it says nothing else",
        "where only one is in reach it is that one",
        "$10.00 before it asks",
    ] {
        assert!(told.says(words), "{words} is not in\n{}", alone.render());
    }
    assert!(
        !told.says("the rules of this installation for this channel"),
        "{}",
        alone.render()
    );
    stage.settle().await;
    assert_eq!(stage.rows("tasks").await, 0);
    assert_eq!(stage.models.request_count(), 0);

    // In the thread of a task that was asked for there, it is about that task.
    stage.models.pause();
    let request = format!("{SILENT} budget=2");
    let thread = stage.slack.direct("ana", &request).await.unwrap();
    let thread = thread.with_patience(PATIENCE);
    let task = stage.wait_for_state(&thread, "planning").await;
    thread.say("ana", "why").await.unwrap();
    let told = says(&thread, &format!("with task `{}`", task.id)).await;
    assert!(
        told.says("$2.00 before it asks, said in the request"),
        "{}",
        thread.render()
    );
    stage.stop(&thread).await;
    stage.models.resume();
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_are_told_with_what_is_used_and_who_may_raise_them() {
    let stage = Stage::open_with(Props {
        file: "[[repository]]\nname = \"acme/web\"\ntask_minutes = 90\nplaces = [\"slack:T0ACME:CENG\"]\n"
            .to_owned(),
        ..Props::default()
    })
    .await;
    stage.models.otherwise(scripts::without_pages());
    let before = mention(&stage, "ana", "limits").await;
    let told = whispered(&before, "Ceilings of one task").await;
    for words in [
        "$10.00, by this installation, `DECKHAND_SPEND_DOLLARS`.",
        "now 0 are, and 0 wait in line",
        "10 with a request, each at most 10 MB",
        "You may.",
    ] {
        assert!(told.says(words), "{words} is not in\n{}", before.render());
    }
    // A command outside of any thread means its channel, and whoever gives it sees the answer alone.
    let command = stage.slack.slash("ana", CHANNEL, "why").await.unwrap();
    assert!(command.accepted);
    stage
        .eventually("the answer to the command", async || {
            let calls = stage.slack.calls();
            let mut whispers = calls
                .iter()
                .filter(|call| call.method == "chat.postEphemeral");
            whispers.any(|call| {
                let sent = call.arguments.to_string();
                sent.contains("`acme/web`, by the rules of this installation for this channel")
                    && sent.contains("1 h 30 min before it asks")
            })
        })
        .await;

    let thread = stage.planned(REQUEST).await;
    stage.settle().await;
    let (task, said) = (stage.task(&thread).await, public(&thread));
    thread.say("ana", "limits").await.unwrap();
    let told = whispered(&thread, "Ceilings of task").await;
    let spent = task.usage.cost.unwrap();
    for words in [
        &format!("so far {spent} in runs that are over"),
        "1 h 30 min, by this installation, for this repository; ",
    ] {
        assert!(told.says(words), "{words} is not in\n{}", thread.render());
    }
    stage.slack.add_user("gus", Standing::Guest);
    thread.mention("gus", "limits").await.unwrap();
    whispered(&thread, "You may not, because only full members").await;
    stage.settle().await;
    assert_eq!(public(&thread), said, "{}", thread.render());
    assert_eq!(
        stage.task(&thread).await.state.name(),
        "awaiting_approval",
        "{}",
        thread.render()
    );
    stage.stop(&thread).await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_applies_is_told_in_a_session_of_linear_too() {
    let stage = Stage::open_with(Props {
        linear: Beside::Present,
        ..Props::default()
    })
    .await;
    let linear = stage.linear.as_ref().unwrap();
    let text = format!("{SILENT}\n\nrepo=acme/web");
    let issue = linear
        .create_issue("ana", "Long pages begin at the first user", &text)
        .unwrap();
    let session = linear.delegate("ana", &issue).unwrap();
    crate::linear::asked(&session).await;
    for (word, answer) in [
        ("why", "What this task has, and what says so"),
        ("limits", "Ceilings of task"),
        ("experts", "There are no experts yet"),
    ] {
        session.say("ana", word).unwrap();
        let told = |session: &deckhand_world::linear::Session| {
            session.render().contains(answer).then_some(())
        };
        session.wait_for(word, PATIENCE, told).await.unwrap();
    }
    session.stop("ana").unwrap();
    crate::linear::ended(&stage).await;
    stage.close().await;
}
