//! Files that hang on replies: with a follow-up, with an answer, with words that steer, and when something goes wrong on
//! their way.

use std::time::Duration;

use deckhand::domain::task::Task;
use deckhand_world::{
    models::{Phase, Script, Turn},
    slack::{Attachment, Fault, Thread},
};

use crate::harness::{Bot, Props, REQUEST, Stage, asking::says, engine::Gate, scripts};

/// What the agent does to see every file that it was given.
const LOOK: &str = "ls /home/agent/attachments; cat /home/agent/attachments/*";

fn file(name: &str, content: &str) -> Attachment {
    Attachment {
        name: name.to_owned(),
        content: content.as_bytes().to_vec().into(),
    }
}

/// Looks at the files, and repeats what the prompt says of them.
fn look() -> Turn {
    Turn::decide(|scene| {
        let told = scene.prompt.lines();
        let told: Vec<&str> = told
            .filter(|line| line.contains("/attachments/") || line.contains("attached files"))
            .collect();
        Turn::shell(format!("{LOOK}; cat <<'END'\n{}\nEND", told.join("\n")))
    })
}

/// An honest model that looks at the files whenever people said something more.
fn looking() -> Script {
    scripts::without_pages().first(Phase::FollowUp, [look()])
}

/// What the log of one run says.
async fn log_of_last_run(stage: &Stage, task: &Task) -> String {
    let (log, run) = (stage.log(&task.id).await, format!("{} ", task.last_run));
    let of_run = log.lines().filter(|line| line.starts_with(&run));
    of_run.collect::<Vec<_>>().join("\n")
}

/// A task whose result is there.
async fn in_review(stage: &Stage) -> (Thread, Task) {
    let thread = stage.planned(REQUEST).await;
    let task = stage.approve(&thread).await;
    stage.settle().await;
    (thread, task)
}

/// Waits for the result behind this one.
async fn next_result(stage: &Stage, thread: &Thread, before: &Task) -> Task {
    let task = stage
        .wait_until(thread, "in review with more", |task| {
            task.state.name() == "in_review" && task.last_run > before.last_run
        })
        .await;
    stage.settle().await;
    task
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_a_follow_up_reaches_the_agent_once_and_refused_ones_are_named() {
    let stage = Stage::open().await;
    stage.models.otherwise(looking());
    let (thread, first) = in_review(&stage).await;
    let files = vec![
        file("notes.txt", "the canary of the notes"),
        file("film.mp4", "film"),
    ];
    thread
        .say_with_files("ana", "Please add what the notes say.", files)
        .await
        .unwrap();
    // Slack sends it again.
    stage.slack.redeliver_last().await;
    let told = says(&thread, "Not taken:").await;
    assert!(
        told.says("`film.mp4` — an agent cannot read programs"),
        "{}",
        thread.render()
    );
    let task = next_result(&stage, &thread, &first).await;
    let log = log_of_last_run(&stage, &task).await;
    assert!(log.contains("the canary of the notes"), "{log}");
    assert!(
        log.contains("notes.txt (new: it came with what people said last)"),
        "{log}"
    );
    assert_eq!(task.last_run.0, first.last_run.0 + 1);
    assert_eq!(task.reply_files.len(), 1);
    let notes = thread.render().matches("Not taken:").count();
    assert_eq!(notes, 1, "{}", thread.render());

    // It is still there for what comes later, and nobody takes it for something new.
    thread.say("ana", "And mend the README.").await.unwrap();
    let third = next_result(&stage, &thread, &task).await;
    let log = log_of_last_run(&stage, &third).await;
    assert!(log.contains("the canary of the notes"), "{log}");
    assert!(!log.contains("(new: it came with"), "{log}");
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_alone_is_an_answer_and_comes_with_it() {
    let stage = Stage::open().await;
    let script = Script::asking().first(Phase::Answer, [look()]);
    stage.models.otherwise(script);
    let thread = stage.planned(REQUEST).await;
    thread.say("ana", "ok").await.unwrap();
    stage.wait_for_state(&thread, "awaiting_input").await;
    thread
        .say_with_files(
            "ana",
            "",
            vec![file("limits.txt", "the canary of an answer")],
        )
        .await
        .unwrap();
    let task = stage.wait_for_state(&thread, "in_review").await;
    let log = stage.log(&task.id).await;
    assert!(log.contains("the canary of an answer"), "{log}");
    assert!(log.contains("See the attached files."), "{log}");
    stage.settle().await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_gone_is_named_and_the_work_goes_on() {
    let stage = Stage::open().await;
    stage.models.otherwise(looking());
    let (thread, first) = in_review(&stage).await;
    let gone = Fault::Error("file_deleted".to_owned());
    stage.slack.fail_next("file download", gone);
    let trace = vec![file("trace.txt", "x")];
    thread
        .say_with_files("ana", "Please mend the README, too.", trace)
        .await
        .unwrap();
    let told = says(&thread, "`trace.txt` — it could not be read").await;
    assert!(
        told.says("The work goes on without it."),
        "{}",
        thread.render()
    );
    next_result(&stage, &thread, &first).await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_that_is_started_again_before_the_file_has_come_still_brings_it() {
    let mut stage = Stage::open().await;
    stage.models.otherwise(looking());
    let (thread, first) = in_review(&stage).await;
    for _ in 0..3 {
        let retry_after = Duration::from_secs(1);
        let fault = Fault::RateLimited { retry_after };
        stage.slack.fail_next("file download", fault);
    }
    let notes = vec![file("notes.txt", "the canary of the notes")];
    thread
        .say_with_files("ana", "Please add what the notes say.", notes)
        .await
        .unwrap();
    stage
        .wait_until(&thread, "waiting for its file", |task| {
            task.state.name() == "preparing"
        })
        .await;
    stage.restart().await;
    let task = next_result(&stage, &thread, &first).await;
    assert_eq!(task.last_run.0, first.last_run.0 + 1);
    let log = stage.log(&task.id).await;
    assert!(log.contains("the canary of the notes"), "{log}");
    stage.close().await;
}

/// A bot that can be killed, behind a gate on its way to the engine.
async fn behind(gate: &Gate) -> Stage {
    Stage::open_with(Props {
        bot: Bot::Program,
        settings: vec![("DECKHAND_DOCKER_HOST", gate.address())],
        ..Props::default()
    })
    .await
}

/// A file that takes several pieces on its way, and what is seen of it in a sandbox when it is there once and whole.
fn large() -> (Attachment, String) {
    let content = "a line of the notes\n".repeat(100_000);
    let seen = format!("{} 1\n", content.len());
    (file("notes.txt", &content), seen)
}

/// Says how long the notes are, and how many files there are, half ones too.
const MEASURE: &str =
    "cd /home/agent/attachments && echo $(cat *-notes.txt | wc -c) $(ls -A | wc -l)";
/// How much of a file has come when the bot is killed.
const HALF: u64 = 512 << 10;

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_that_is_killed_while_it_lays_a_file_into_a_new_run_brings_it_once_and_whole() {
    let gate = Gate::open();
    let mut stage = behind(&gate).await;
    let measure = Turn::decide(|scene| {
        let told = scene.prompt.lines();
        let told: Vec<&str> = told.filter(|line| line.contains("notes.txt")).collect();
        let told = told.join("\n");
        Turn::shell(format!("{MEASURE}; cat <<'END'\n{told}\nEND"))
    });
    let script = scripts::without_pages().first(Phase::FollowUp, [measure]);
    stage.models.otherwise(script);
    let (thread, first) = in_review(&stage).await;
    let (notes, seen) = large();
    gate.narrow(HALF);
    thread
        .say_with_files("ana", "Please add what the notes say.", vec![notes])
        .await
        .unwrap();
    gate.until_held().await;
    stage.crash(async |_| gate.widen().await).await;
    let task = next_result(&stage, &thread, &first).await;
    let log = log_of_last_run(&stage, &task).await;
    let seen = seen.trim();
    assert!(log.contains(seen), "{seen} is not in\n{log}");
    assert!(
        log.contains("notes.txt (new: it came with what people said last)"),
        "{log}"
    );
    assert_eq!(task.reply_files.len(), 1);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_that_is_killed_while_it_lays_a_file_beside_a_live_agent_brings_it_once_and_whole() {
    let gate = Gate::open();
    let mut stage = behind(&gate).await;
    stage.models.otherwise(scripts::long_work());
    let thread = stage.planned(REQUEST).await;
    thread.say("ana", "approve").await.unwrap();
    stage.wait_for_file(&thread, "/tmp/halfway").await;
    let task = stage.task(&thread).await;
    let container = format!("deckhand-{}-run-{}", task.id, task.last_run);
    let (notes, seen) = large();
    gate.narrow(HALF);
    thread
        .say_with_files("ana", "now: read the notes first", vec![notes])
        .await
        .unwrap();
    gate.until_held().await;
    stage.crash(async |_| gate.widen().await).await;
    stage
        .eventually("handed the whole file", async || {
            stage.inside(&container, MEASURE).await == seen
        })
        .await;
    stage.settle().await;
    assert_eq!(stage.inside(&container, MEASURE).await, seen);
    let log = stage.log(&task.id).await;
    assert_eq!(stage.task(&thread).await.last_run, task.last_run, "{log}");
    stage.stop(&thread).await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_words_that_steer_is_there_when_they_are_heard() {
    let stage = Stage::open().await;
    stage.models.otherwise(scripts::long_work());
    let thread = stage.planned(REQUEST).await;
    thread.say("ana", "approve").await.unwrap();
    let task = stage.wait_for_state(&thread, "running").await;
    thread
        .say_with_files(
            "ana",
            "now: read the notes first",
            vec![file("notes.txt", "the canary of the notes")],
        )
        .await
        .unwrap();
    // What came with the words lies there before the agent hears of it.
    stage
        .eventually("handed its file", async || {
            let files = stage.task(&thread).await.reply_files;
            files
                .first()
                .is_some_and(|one| one.run == Some(task.last_run))
        })
        .await;
    stage.settle().await;
    let container = format!("deckhand-{}-run-{}", task.id, task.last_run);
    let there = stage.inside(&container, LOOK).await;
    assert!(there.contains("the canary of the notes"), "{there}");
    stage.stop(&thread).await;
    stage.close().await;
}
