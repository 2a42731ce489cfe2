//! Cancel, at any moment and by any road.

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use deckhand::{domain::kept::Kept, engine::reaper};
use deckhand_world::slack::On;

use crate::harness::{Props, REQUEST, Stage, asking::says, program::Deckhand, scripts};

#[tokio::test(flavor = "multi_thread")]
async fn an_emoji_on_the_request_ends_the_work() {
    let stage = Stage::open().await;
    let thread = stage.mention(&format!("{REQUEST} #script:hanging")).await;
    stage.wait_for_state(&thread, "awaiting_approval").await;
    thread.say("ana", "go ahead").await.unwrap();
    stage.wait_for_state(&thread, "running").await;

    let begun = Instant::now();
    thread
        .react("ana", "octagonal_sign", On::Root)
        .await
        .unwrap();
    thread.wait_for_words("ancelled").await.unwrap();
    assert!(begun.elapsed().as_secs() < 5, "the promise is five seconds");
    stage.wait_for_no_sandbox().await;
    assert_eq!(stage.task(&thread).await.state.name(), "canceled");
    assert!(
        stage
            .github
            .repository("acme/web")
            .unwrap()
            .pull_requests()
            .is_empty()
    );
    let calls = stage.models.request_count();
    stage.settle().await;
    assert_eq!(
        stage.models.request_count(),
        calls,
        "no model call after the confirmation"
    );
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_word_ends_it_while_the_plan_waits() {
    let stage = Stage::open().await;
    let thread = stage.mention(REQUEST).await;
    stage.wait_for_state(&thread, "awaiting_approval").await;
    thread.say("ana", "stop").await.unwrap();
    thread.wait_for_words("ancelled").await.unwrap();
    stage.settle().await;
    assert!(
        thread.control("Approve").is_err(),
        "nothing is left to approve\n{}",
        thread.render()
    );
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_button_ends_it_while_it_is_planned() {
    let stage = Stage::open().await;
    stage.models.pause();
    let thread = stage.mention(REQUEST).await;
    stage.wait_for_state(&thread, "planning").await;
    thread
        .wait("the Cancel button", || thread.control("Cancel").ok())
        .await
        .unwrap();
    thread.press("ana", "Cancel").await.unwrap();
    thread.wait_for_words("ancelled").await.unwrap();
    stage.models.resume();
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_of_a_finished_task_says_so() {
    let stage = Stage::open().await;
    let thread = stage.mention(REQUEST).await;
    stage.wait_for_state(&thread, "awaiting_approval").await;
    thread.say("ana", "stop").await.unwrap();
    stage.wait_for_state(&thread, "canceled").await;
    stage.settle().await;
    thread.say("ana", "stop").await.unwrap();
    stage.settle().await;
    thread
        .wait("a sentence for ana alone", || {
            thread
                .messages()
                .into_iter()
                .find(|message| message.says("was cancelled"))
        })
        .await
        .unwrap();
    stage.close().await;
}

/// What git says in a folder.
fn git(folder: &Path, arguments: &[&str]) -> String {
    let git = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(arguments)
        .output();
    let git = git.unwrap();
    assert!(git.status.success(), "{arguments:?}: {git:?}");
    String::from_utf8(git.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_before_a_cancel_is_kept_for_its_time_and_handed_out() {
    let stage = Stage::open().await;
    stage.models.otherwise(scripts::long_work());
    let thread = stage.planned(REQUEST).await;
    thread.say("ana", "approve").await.unwrap();
    stage.wait_for_file(&thread, "/tmp/halfway").await;
    let asked = Instant::now();
    thread.say("ana", "stop").await.unwrap();
    stage.ends_without_a_trace(&thread, asked).await;
    let task = stage.task(&thread).await;
    let branch = format!("deckhand/canceled/{}", task.id);
    let confirmation = says(&thread, "is kept on the server for 30 days").await;
    for words in [branch.clone(), format!("deckhand task work {}", task.id)] {
        assert!(confirmation.says(&words), "{}", thread.render());
    }

    let program = Deckhand::of(&stage);
    let file = program.path("work");
    let path = file.display().to_string();
    let work = async || program.run(&["task", "work", &task.id.0, &path]).await;
    let written = work().await;
    assert!(
        written.ok && written.output.contains(&branch),
        "{written:?}"
    );
    let again = work().await;
    assert!(
        !again.ok && again.errors.contains("is there already"),
        "{again:?}"
    );
    let quarantine = stage.context.quarantine_path(&task.id);
    let heads = git(&quarantine, &["bundle", "list-heads", &path]);
    assert!(heads.contains(&format!("refs/heads/{branch}")), "{heads}");
    let kept = git(&quarantine, &["show", &format!("{branch}:lib/users.js")]);
    assert!(kept.ends_with("// begun\n"), "{kept}");

    // Whoever cancels it again is told, and nobody else.
    let before = thread.messages().len();
    let canceled = program.run(&["task", "cancel", &task.id.0]).await;
    let words = format!(
        "the task {} was cancelled, so there is nothing to cancel\n",
        task.id
    );
    assert_eq!((canceled.ok, canceled.output), (true, words));
    stage.settle().await;
    assert_eq!(thread.messages().len(), before);

    stage.clock.advance(Duration::from_hours(29 * 24));
    reaper::step(&stage.context).await.unwrap();
    assert!(quarantine.exists());
    stage.clock.advance(Duration::from_hours(2 * 24));
    reaper::step(&stage.context).await.unwrap();
    assert!(!quarantine.exists());
    std::fs::remove_file(file).unwrap();
    let gone = work().await;
    assert!(
        !gone.ok && gone.errors.contains("its time is over"),
        "{gone:?}"
    );
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_cancelled_work_is_dropped_the_confirmation_says_so() {
    let stage = Stage::open_with(Props {
        settings: vec![("DECKHAND_CANCELED_WORK", "drop".to_owned())],
        ..Props::default()
    })
    .await;
    stage.models.otherwise(scripts::long_work());
    let thread = stage.planned(REQUEST).await;
    thread.say("ana", "approve").await.unwrap();
    stage.wait_for_file(&thread, "/tmp/halfway").await;
    let asked = Instant::now();
    thread.say("ana", "stop").await.unwrap();
    stage.ends_without_a_trace(&thread, asked).await;
    says(&thread, "this installation keeps no unfinished work").await;
    let task = stage.task(&thread).await;
    assert_eq!(task.kept, Kept::Dropped);
    stage.close().await;
}
