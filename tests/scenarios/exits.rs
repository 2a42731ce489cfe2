//! Every exit by which an agent's words leave, and the redactor in front of each.
//!
//! The agent knows two secrets: one that the bot holds, which is taken out wherever it turns up, and one that only looks
//! like one. The second goes into the task as it is, because its commands have to run as they are, so each exit has to
//! see it by itself.

use deckhand_world::{
    linear::{Content, SessionState},
    models::{Phase, Script, Turn, acme_web},
    slack::CallEnding,
};
use serde_json::{Value, json};

use crate::harness::{
    Beside, MODEL_KEY, PATIENCE, Props, REQUEST, Stage,
    canaries::{Canary, Search},
    scripts::leaked_token,
};

/// Words with both secrets in them.
fn telling(words: &str) -> String {
    format!("{words} with {} or {MODEL_KEY}", leaked_token())
}

/// Puts the words that tell behind each text here.
fn tell_all(value: &mut Value) {
    match value {
        Value::String(text) => *text = telling(text),
        Value::Array(values) => values.iter_mut().for_each(tell_all),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {}
    }
}

/// Does its work, and tells both secrets in everything that it says.
fn talkative() -> Script {
    let mut specification = acme_web::specification();
    for field in ["title", "goal", "out_of_scope"] {
        tell_all(&mut specification[field]);
    }
    tell_all(&mut specification["requirements"][0]["text"]);
    tell_all(&mut specification["pages"][0]["title"]);
    let mut plan = acme_web::plan();
    for field in ["steps", "risks"] {
        tell_all(&mut plan[field]);
    }
    let mut report = acme_web::report();
    tell_all(&mut report["summary"]);
    tell_all(&mut report["requirements"][0]["evidence"]);
    report["not_done"] = json!([telling("A page by itself")]);
    let question = json!({
        "question": telling("Should it answer"),
        "choices": [telling("Yes"), "No"],
    });
    let run = |command: &str| Turn::shell(format!("{command} # {}", telling("it works")));
    Script::honest()
        .called("talkative")
        .on(
            Phase::Plan,
            [
                run("cat lib/users.js"),
                Turn::tool("submit_specification", specification),
                Turn::tool("submit_plan", plan),
                Turn::say(telling("The plan is handed over")),
            ],
        )
        .on(
            Phase::Work,
            [
                run("sleep 5"),
                Turn::tool("ask_person", question),
                Turn::say(telling("I have asked")),
            ],
        )
        .on(
            Phase::Answer,
            [
                Turn::shell(acme_web::mend_command()),
                Turn::decide(|scene| Turn::shell(acme_web::test_command(&scene.prompt))),
                run("node --test"),
                Turn::tool("report_requirements", report),
                Turn::say(telling("Done")),
            ],
        )
}

/// Looks at what left by one exit: something was taken out of it, and neither secret is there.
struct Exits(Search);

impl Exits {
    fn new() -> Self {
        let canaries = vec![
            Canary::new("held key", MODEL_KEY),
            Canary::new("lookalike", leaked_token()),
        ];
        Self(Search::new(canaries, &[]))
    }

    fn look(&mut self, exit: &str, text: &str) {
        assert!(text.contains("[redacted]"), "{exit} has nothing: {text}");
        self.0.look(exit, text.as_bytes());
        // What Markdown would obey has a stroke before it.
        self.0.look(exit, text.replace('\\', "").as_bytes());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_agent_says_leaves_without_secrets_by_every_exit() {
    let stage = Stage::open().await;
    stage.models.otherwise(talkative());
    let thread = stage.planned(REQUEST).await;
    thread.say("ana", "approve").await.unwrap();
    stage.wait_for_state(&thread, "awaiting_input").await;
    thread.say("ana", "Yes").await.unwrap();
    let task = stage.wait_for_state(&thread, "in_review").await;
    stage.settle().await;
    let stored = serde_json::to_string(&task).unwrap();
    assert!(stored.contains(&leaked_token()), "it looks like no secret");
    assert!(!stored.contains(MODEL_KEY), "the task holds a secret");

    let mut exits = Exits::new();
    for slot in ["progress", "plan", "question", "result"] {
        let key = format!("{}:{slot}-", task.id);
        let said: Vec<String> = stage
            .slack
            .calls()
            .iter()
            .filter(|call| call.ending == CallEnding::Done)
            .map(|call| call.arguments.to_string())
            .filter(|arguments| arguments.contains(&key))
            .collect();
        exits.look(&format!("the {slot} in the thread"), &said.join("\n"));
    }
    exits.look("pictures", &format!("{:?}", thread.files()));
    exits.look("the log", &stage.log(&task.id).await);
    let page = deckhand::links::task_url(&stage.context.config, &task.id);
    exits.look("the task page", &stage.get(&page).await.1);
    let pull = stage.pull_requests().remove(0);
    exits.look("the pull request's title", &pull.title);
    exits.look("the pull request", &pull.body);
    let repository = stage.github.repository("acme/web").unwrap();
    let commit = repository.log(&task.branch()).await.unwrap().remove(0);
    exits.look("the commit message", &commit.message);
    exits.0.assert_nothing_found();
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_agent_says_leaves_without_secrets_in_linear() {
    let stage = Stage::open_with(Props {
        linear: Beside::Present,
        ..Props::default()
    })
    .await;
    stage.models.otherwise(talkative());
    let linear = stage.linear.as_ref().unwrap();
    let issue = linear
        .create_issue("ana", "Long pages begin at the first user", REQUEST)
        .unwrap();
    let session = linear.delegate("ana", &issue).unwrap();
    for answer in ["approve", "Yes"] {
        session
            .wait_for("question", PATIENCE, |session| {
                (session.state() == SessionState::AwaitingInput).then_some(())
            })
            .await
            .unwrap();
        stage.settle().await;
        session.say("ana", answer).unwrap();
        stage.linear.as_ref().unwrap().settle().await;
        stage.settle().await;
    }
    session
        .wait_for("end", PATIENCE, |session| {
            (session.state() == SessionState::Complete).then_some(())
        })
        .await
        .unwrap();
    stage.settle().await;

    let mut exits = Exits::new();
    let activities = session.activities();
    let of_kind = |is_one: fn(&Content) -> bool| {
        let those = activities.iter().filter(|one| is_one(&one.content));
        format!("{:?}", those.collect::<Vec<_>>())
    };
    exits.look(
        "thoughts",
        &of_kind(|content| matches!(content, Content::Thought { .. } | Content::Action { .. })),
    );
    exits.look(
        "questions",
        &of_kind(|content| matches!(content, Content::Elicitation { .. })),
    );
    exits.look(
        "the end",
        &of_kind(|content| matches!(content, Content::Response { .. })),
    );
    for operation in linear.operations() {
        let sent = format!("{operation:?}");
        exits.0.look("a call to Linear", sent.as_bytes());
    }
    exits.0.assert_nothing_found();
    stage.close().await;
}
