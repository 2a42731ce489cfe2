//! What Slack itself shows of a task: one status message with a checklist, the session of its thread, its native Stop.

use deckhand_world::slack::{Audience, Message, Standing, Thread};
use serde_json::Value;

use crate::harness::{
    REQUEST, Stage,
    asking::{says, until, whispered},
    scripts,
};

/// The messages with a checklist: title, and how each step stands.
fn checklists(thread: &Thread) -> Vec<(String, Vec<String>)> {
    let of = |message: &Message| {
        let mut blocks = message.blocks.iter();
        let plan = blocks.find(|block| block["type"] == "plan")?;
        let tasks = plan["tasks"].as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let statuses = tasks.iter().map(|task| text(&task["status"]));
        Some((text(&plan["title"]), statuses.collect()))
    };
    let seen = thread.bot_messages();
    let everybodys = seen
        .iter()
        .filter(|message| message.audience == Audience::Everyone);
    everybodys.filter_map(of).collect()
}

async fn session_is(thread: &Thread, status: &str) {
    let is_it = || (thread.status().session.as_deref() == Some(status)).then_some(());
    thread
        .wait(&format!("the session {status}"), is_it)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_status_message_has_a_checklist_that_goes_with_the_work() {
    let stage = Stage::open().await;
    stage.models.otherwise(scripts::without_pages());
    let thread = stage.planned(REQUEST).await;
    session_is(&thread, "suspended").await;
    assert_eq!(
        thread.status().title.as_deref(),
        Some("The offset parameter of /api/v2/users is ignored when limit is over 100."),
    );
    stage.settle().await;
    let [(title, steps)] = checklists(&thread).try_into().unwrap();
    assert!(title.ends_with("Decide on the plan"), "{title}");
    assert_eq!(
        steps[..4],
        ["complete", "complete", "in_progress", "pending"]
    );
    stage.approve(&thread).await;
    session_is(&thread, "active").await;
    stage.settle().await;
    let all = checklists(&thread);
    let (title, steps) = all.last().unwrap();
    assert!(title.starts_with("All "), "{title}");
    assert!(
        steps.iter().all(|status| status == "complete"),
        "{}",
        thread.render()
    );
    // One for the planning, one for the work; each was edited where it stood.
    assert_eq!(all.len(), 2, "{}", thread.render());
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_native_stop_moves_on_only_when_it_counts() {
    let stage = Stage::open().await;
    stage.slack.add_user("gus", Standing::Guest);
    stage.models.pause();
    let thread = stage.mention(REQUEST).await;
    stage.wait_for_state(&thread, "planning").await;
    session_is(&thread, "processing").await;
    let shown = || {
        let calls = stage.slack.calls().into_iter();
        let statuses = calls.filter(|call| call.method == "agents.sessions.setStatus");
        statuses
            .map(|call| {
                call.arguments["status"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned()
            })
            .collect::<Vec<_>>()
    };
    stage.settle().await;
    let before = shown().len();
    // A guest may not stop it; Slack, which took it for stopped, hears that the work goes on.
    thread.stop_session("gus").await.unwrap();
    whispered(&thread, "only full members").await;
    until(crate::harness::PATIENCE, || async {
        let told = shown();
        let again =
            told.len() == before + 1 && told.last().is_some_and(|last| last == "processing");
        again.then_some(()).ok_or(format!("it was told {told:?}"))
    })
    .await;
    assert_eq!(stage.task(&thread).await.state.name(), "planning");
    thread.stop_session("ana").await.unwrap();
    says(&thread, "Cancelled by").await;
    session_is(&thread, "active").await;
    stage.models.resume();
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workspace_without_sessions_has_everything_else() {
    let stage = Stage::open().await;
    let fault = deckhand_world::slack::Fault::Error("unknown_method".to_owned());
    stage.slack.fail_next("agents.sessions.setStatus", fault);
    let thread = stage.planned(REQUEST).await;
    thread.wait_for_mark("🙋").await.unwrap();
    stage.stop(&thread).await;
    thread.wait_for_mark("🛑").await.unwrap();
    stage.settle().await;
    let calls = stage.slack.calls();
    let asked = calls
        .iter()
        .filter(|call| call.method == "agents.sessions.setStatus");
    assert_eq!(asked.count(), 1);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn people_say_what_they_think_of_a_result_and_may_change_their_mind() {
    let stage = Stage::open().await;
    stage.slack.add_user("gus", Standing::Guest);
    stage.models.otherwise(scripts::without_pages());
    let thread = stage.planned(REQUEST).await;
    stage.approve(&thread).await;
    says(&thread, "every requirement is met").await;
    thread.press("ana", "What I needed").await.unwrap();
    whispered(&thread, "that the result was what you needed").await;
    thread.press("ana", "Not what I needed").await.unwrap();
    whispered(&thread, "your other answer is replaced").await;
    thread.press("ben", "What I needed").await.unwrap();
    thread.press("gus", "Not what I needed").await.unwrap();
    whispered(&thread, "Your opinion was not noted").await;
    stage.settle().await;
    let task = stage.task(&thread).await;
    let opinions: Vec<(&str, &str)> = task
        .feedback
        .iter()
        .map(|one| (one.by.name.as_str(), one.opinion.name()))
        .collect();
    assert_eq!(opinions, [("ana", "bad"), ("ben", "good")]);
    let audit = stage.context.store.audit_of(&task.id).await.unwrap();
    let rated: Vec<(&str, &str)> = audit
        .iter()
        .map(|(_, entry)| (entry.act.as_str(), entry.detail.as_str()))
        .filter(|(act, _)| act.starts_with("rate"))
        .collect();
    assert_eq!(
        rated,
        [
            ("rate", "good"),
            ("rate", "bad"),
            ("rate", "good"),
            ("rate, without effect", "bad"),
        ]
    );
    let (status, metrics) = stage.get("/metrics").await;
    assert_eq!(status, 200);
    for line in [
        r#"deckhand_feedback_total{opinion="good"}"#,
        r#"deckhand_feedback_total{opinion="bad"}"#,
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
    stage.close().await;
}
