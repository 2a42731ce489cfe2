//! Cancel in every state and by every road: confirmed within five seconds, and nothing after it.

use std::time::{Duration, Instant};

use deckhand::domain::{effect::Effect, kept::Kept, message::Message};
use deckhand_world::{
    github::Fault as ForgeFault,
    models::{Phase, Turn},
    slack::{Fault, On, Thread},
};

use crate::{
    harness::{
        CHANNEL, PATIENCE, Props, REQUEST, Stage,
        asking::{CANCEL_WITHIN, is_confirmed, says},
        engine::{Gate, docker},
        program::Deckhand,
        scripts,
    },
    restart::is_pushed,
};

/// As many effects as are done at once.
const AT_ONCE: usize = 64;

impl Stage {
    /// A task whose plan is being written, and whose status of that is on its way for so long, after Slack made it wait.
    async fn with_a_late_status(&self, by: Duration) -> Thread {
        let limited = Fault::RateLimited {
            retry_after: Duration::from_secs(1),
        };
        self.slack.fail_next("chat.update", limited);
        self.slack.fail_next("chat.update", Fault::Slow { by });
        self.models.pause();
        let thread = self.mention(REQUEST).await;
        let said = "SELECT count(*) FROM outbox WHERE lane LIKE '%:aside' AND state = 'leased'";
        let is_said = async || self.number(said).await == 1;
        self.eventually("said a second time", is_said).await;
        thread
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn in_line_by_a_word() {
    let stage = Stage::open_with(Props {
        settings: vec![("DECKHAND_PARALLEL_TASKS", "1".to_owned())],
        ..Props::default()
    })
    .await;
    stage.models.pause();
    let first = stage.mention(REQUEST).await;
    stage.wait_for_state(&first, "planning").await;
    let second = stage
        .slack
        .mention("ben", CHANNEL, REQUEST)
        .await
        .unwrap()
        .with_patience(PATIENCE);
    second.wait_for_words("In line").await.unwrap();
    second.say("ben", "please stop").await.unwrap();
    second.wait_for_words("Cancelled by").await.unwrap();
    stage.stop(&first).await;
    stage.models.resume();
    stage.settle().await;
    assert_eq!(
        stage.task(&second).await.state.name(),
        "canceled",
        "it does not begin when its turn would come"
    );
    assert_eq!(stage.task(&second).await.last_run.0, 0);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_reading_by_a_reaction_on_the_request() {
    let stage = Stage::open().await;
    stage.slack.fail_next(
        "conversations.replies",
        Fault::RateLimited {
            retry_after: Duration::from_mins(1),
        },
    );
    let thread = stage.mention(REQUEST).await;
    stage.wait_for_state(&thread, "specifying").await;
    let asked = Instant::now();
    thread.react("ana", "⛔", On::Root).await.unwrap();
    stage.ends_without_a_trace(&thread, asked).await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_planning_by_a_reaction_on_the_status() {
    let stage = Stage::open().await;
    let thread = stage.being_planned(REQUEST).await;
    let asked = Instant::now();
    thread.react("ben", "❌", On::LastFromBot).await.unwrap();
    stage.ends_without_a_trace(&thread, asked).await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_slack_limits_changes_it_is_confirmed_and_the_card_follows_in_its_place() {
    let stage = Stage::open().await;
    let thread = stage.being_planned(REQUEST).await;
    let limited = Fault::RateLimited {
        retry_after: Duration::from_secs(3),
    };
    stage.slack.fail_next("chat.update", limited);
    thread.say("ana", "stop").await.unwrap();
    let confirmed = says(&thread, "Cancelled by").await;
    stage.settle().await;
    let said = thread.bot_messages();
    let card = said.iter().find(|message| message.says("Stopped at"));
    let card = card.unwrap_or_else(|| panic!("{}", thread.render()));
    assert!(card.text.starts_with("This task was cancelled."));
    let changed = card.versions.last().unwrap().until;
    assert!(changed > confirmed.posted_at, "{}", thread.render());
    let again = says(&thread, "Cancelled by").await;
    assert_eq!(again.versions.len(), confirmed.versions.len());
    assert_eq!(said.len(), 2, "{}", thread.render());
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_status_that_slack_made_wait_is_on_its_way_the_confirmation_comes_after_it() {
    let stage = Stage::open().await;
    let thread = stage.with_a_late_status(Duration::from_millis(900)).await;
    thread.say("ana", "stop").await.unwrap();
    let confirmed = says(&thread, "Cancelled by").await;
    stage.settle().await;
    let card = thread.bot_messages().remove(0);
    assert!(card.says("Stopped at"), "{}", thread.render());
    let [reading, _writing] = card.versions.as_slice() else {
        panic!("{}", thread.render());
    };
    assert!(reading.until < confirmed.posted_at, "{}", thread.render());
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_first_words_which_slack_made_wait_they_come_before_the_confirmation() {
    let stage = Stage::open().await;
    let limited = Fault::RateLimited {
        retry_after: Duration::from_secs(2),
    };
    stage.slack.fail_next("chat.postMessage", limited);
    stage.models.pause();
    let thread = stage.mention(REQUEST).await;
    let waiting = "SELECT count(*) FROM outbox WHERE slot LIKE 'progress-%' AND attempts > 0 AND state = 'ready'";
    let is_waiting = async || stage.number(waiting).await == 1;
    stage.eventually("limited", is_waiting).await;
    thread.say("ana", "stop").await.unwrap();
    stage.wait_for_state(&thread, "canceled").await;
    let aside = "SELECT count(*) FROM outbox WHERE lane LIKE '%:aside'";
    says(&thread, "Cancelled by").await;
    stage.settle().await;
    assert_eq!(stage.number(aside).await, 0, "it does not step aside");
    let [card, confirmed] = &thread.bot_messages()[..] else {
        panic!("{}", thread.render());
    };
    assert!(card.says("Stopped at"), "{}", thread.render());
    assert!(confirmed.says("Cancelled by"), "{}", thread.render());
    assert!(card.posted_at <= confirmed.posted_at);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_that_does_not_get_through_is_broken_off_before_the_confirmation() {
    let stage = Stage::open().await;
    let thread = stage.with_a_late_status(Duration::from_secs(8)).await;
    let asked = Instant::now();
    thread.say("ana", "stop").await.unwrap();
    let confirmed = says(&thread, "Cancelled by").await;
    assert!(confirmed.posted_at < asked + CANCEL_WITHIN);
    stage.settle().await;
    let card = thread.bot_messages().remove(0);
    assert!(card.says("Stopped at"), "{}", thread.render());
    assert_eq!(card.versions.len(), 1, "{}", thread.render());
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_plan_waits_by_its_button() {
    let stage = Stage::open().await;
    let thread = stage.planned(REQUEST).await;
    stage.settle().await;
    let approve = thread.control("Approve").unwrap();
    let asked = Instant::now();
    thread.press("ana", "Cancel").await.unwrap();
    stage.ends_without_a_trace(&thread, asked).await;
    // An approval that comes too late does nothing.
    thread.press_control("ana", &approve).await.unwrap();
    stage.settle().await;
    assert_eq!(stage.task(&thread).await.state.name(), "canceled");
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_preparing_by_the_native_stop() {
    let stage = Stage::open().await;
    stage.models.otherwise(scripts::endless_setup());
    let thread = stage.planned(REQUEST).await;
    thread.say("ana", "approve").await.unwrap();
    stage.wait_for_state(&thread, "preparing").await;
    stage.wait_for_sandbox("prepare").await;
    let asked = Instant::now();
    thread.stop_session("ana").await.unwrap();
    stage.ends_without_a_trace(&thread, asked).await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_running_by_a_reaction_with_everything_that_it_started() {
    let stage = Stage::open().await;
    let thread = stage.planned(&format!("{REQUEST} #script:stuck")).await;
    thread.say("ana", "approve").await.unwrap();
    stage.wait_for_state(&thread, "running").await;
    let sandbox = stage.sandboxes().await.remove(0);
    let sleeps = async || {
        let processes = stage.inside(&sandbox, "ps ax").await;
        processes.contains("sleep 86400")
    };
    stage.eventually("asleep in its sandbox", sleeps).await;
    let asked = Instant::now();
    thread.react("ana", "🛑", On::LastFromBot).await.unwrap();
    stage.ends_without_a_trace(&thread, asked).await;
    assert!(stage.pull_requests().is_empty());
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_question_waits_by_a_word_with_a_mention() {
    let stage = Stage::open().await;
    let thread = stage.planned(&format!("{REQUEST} #script:asking")).await;
    thread.say("ana", "approve").await.unwrap();
    stage.wait_for_state(&thread, "awaiting_input").await;
    stage.settle().await;
    let asked = Instant::now();
    thread.mention("ana", "stop").await.unwrap();
    stage.ends_without_a_trace(&thread, asked).await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_checking_from_the_command_line() {
    let stage = Stage::open().await;
    stage.models.otherwise(scripts::endless_check());
    let thread = stage.planned(REQUEST).await;
    thread.say("ana", "approve").await.unwrap();
    let task = stage.wait_for_state(&thread, "verifying").await;
    stage.wait_for_sandbox("proof").await;
    let program = Deckhand::of(&stage);
    let asked = Instant::now();
    let canceled = program.run(&["task", "cancel", &task.id.0]).await;
    assert!(
        canceled.ok && canceled.output.starts_with("asked;"),
        "{canceled:?}"
    );
    stage.ends_without_a_trace(&thread, asked).await;
    assert!(stage.pull_requests().is_empty());
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_publishing_by_a_button() {
    let stage = Stage::open().await;
    stage.models.otherwise(scripts::without_pages());
    let thread = stage.planned(REQUEST).await;
    stage.github.fail_next(
        "POST /repos/*/*/pulls",
        ForgeFault::SecondaryLimit { retry_after: 60 },
    );
    thread.say("ana", "approve").await.unwrap();
    is_pushed(&stage, &thread).await;
    thread.wait_for_words("Publishing").await.unwrap();
    let asked = Instant::now();
    thread.press("ana", "Cancel").await.unwrap();
    stage.ends_without_a_trace(&thread, asked).await;
    assert!(stage.pull_requests().is_empty(), "{}", thread.render());
    // The push was over by then, and whoever reads the confirmation knows where to look.
    let branch = stage.task(&thread).await.branch();
    let confirmation = says(&thread, "may stand on the remote").await;
    assert!(confirmation.says(&branch), "{}", thread.render());
    let repository = stage.github.repository("acme/web").unwrap();
    assert!(repository.tip(&branch).await.unwrap().is_some());
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_publishing_is_put_off_in_that_moment_its_rest_goes_all_the_same() {
    let stage = Stage::open().await;
    stage.models.otherwise(scripts::without_pages());
    let thread = stage.planned(REQUEST).await;
    stage.github.fail_next(
        "POST /repos/*/*/pulls",
        ForgeFault::SecondaryLimit { retry_after: 60 },
    );
    thread.say("ana", "approve").await.unwrap();
    let waiting = "SELECT count(*) FROM outbox WHERE effect LIKE '%publish%' AND attempts > 0 AND state = 'ready'";
    let is_waiting = async || stage.number(waiting).await == 1;
    stage.eventually("limited", is_waiting).await;
    // As where the try ends behind the cancel, which has dropped by then what waited.
    stage.damage("CREATE TABLE put_off (once INTEGER)").await;
    stage
        .damage(
            "CREATE TRIGGER put_off AFTER UPDATE ON outbox
             WHEN OLD.state = 'ready' AND NEW.state = 'dropped' AND NEW.effect LIKE '%publish%'
               AND NOT EXISTS (SELECT 1 FROM put_off)
             BEGIN
               INSERT INTO put_off VALUES (1);
               UPDATE outbox SET state = 'ready' WHERE id = NEW.id;
             END",
        )
        .await;
    let asked = Instant::now();
    thread.press("ana", "Cancel").await.unwrap();
    stage.ends_without_a_trace(&thread, asked).await;
    assert_eq!(stage.number("SELECT count(*) FROM put_off").await, 1);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_review_the_pull_request_stays() {
    let stage = Stage::open().await;
    stage.models.otherwise(scripts::without_pages());
    let thread = stage.planned(REQUEST).await;
    let task = stage.approve(&thread).await;
    stage.settle().await;
    let asked = Instant::now();
    thread.say("ana", "stop").await.unwrap();
    stage.ends_without_a_trace(&thread, asked).await;
    thread.wait_for_words(&task.branch()).await.unwrap();
    assert_eq!(stage.pull_requests().len(), 1);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_engine_hangs_it_is_confirmed_and_the_rest_goes_when_the_engine_is_back() {
    let gate = Gate::open();
    let stage = Stage::open_with(Props {
        settings: vec![("DECKHAND_DOCKER_HOST", gate.address())],
        ..Props::default()
    })
    .await;
    let ask = "until [ -e /tmp/go ]; do sleep 0.1; done";
    let script = scripts::without_pages().first(Phase::Work, [Turn::shell(ask)]);
    stage.models.otherwise(script);
    let thread = stage.planned(REQUEST).await;
    thread.say("ana", "approve").await.unwrap();
    stage.wait_for_state(&thread, "running").await;
    stage.wait_for_sandbox("run-2").await;
    let sandbox = stage.sandboxes().await.remove(0);
    gate.close();
    let asked = Instant::now();
    thread.say("ana", "stop").await.unwrap();
    thread.wait_for_words("Cancelled by").await.unwrap();
    assert!(asked.elapsed() < CANCEL_WITHIN, "{:?}", asked.elapsed());
    thread
        .wait_for_words("has not confirmed yet that the sandbox is gone")
        .await
        .unwrap();
    // The agent lives and asks its model; nobody lets it.
    let calls = stage.models.request_count();
    docker(&["exec", &sandbox, "touch", "/tmp/go"]);
    gate.reopen();
    stage.wait_for_no_sandbox().await;
    stage.settle().await;
    assert_eq!(stage.models.request_count(), calls);
    assert!(stage.context.executor.volumes().await.unwrap().is_empty());
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_publishing_and_the_engine_hangs_what_was_handed_over_is_kept() {
    let gate = Gate::open();
    let stage = Stage::open_with(Props {
        settings: vec![("DECKHAND_DOCKER_HOST", gate.address())],
        ..Props::default()
    })
    .await;
    stage.models.otherwise(scripts::without_pages());
    let thread = stage.planned(REQUEST).await;
    stage.github.fail_next(
        "POST /repos/*/*/pulls",
        ForgeFault::SecondaryLimit { retry_after: 60 },
    );
    thread.say("ana", "approve").await.unwrap();
    is_pushed(&stage, &thread).await;
    stage.wait_for_no_sandbox().await;
    gate.close();
    let asked = Instant::now();
    thread.say("ana", "stop").await.unwrap();
    let confirmation = says(&thread, "Cancelled by").await;
    assert!(asked.elapsed() < CANCEL_WITHIN, "{:?}", asked.elapsed());
    let task = stage.task(&thread).await;
    let branch = format!("deckhand/canceled/{}", task.id);
    assert!(confirmation.says(&branch), "{}", thread.render());
    let proved = &task.proof.unwrap().commit;
    assert!(
        matches!(&task.kept, Kept::Branch { commit, .. } if commit == proved),
        "{:?}",
        task.kept
    );
    gate.reopen();
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_as_much_as_is_done_at_once_hangs_on_a_slow_surface() {
    let stage = Stage::open().await;
    let thread = stage.planned(REQUEST).await;
    stage.settle().await;
    let task = stage.task(&thread).await;
    let answer = serde_json::to_string(&Effect::Whisper {
        to: task.request.author.clone(),
        message: Box::new(Message::Help),
    })
    .unwrap();
    let by = Duration::from_secs(15);
    let mut rows = Vec::new();
    for number in 0..AT_ONCE {
        stage
            .slack
            .fail_next("chat.postEphemeral", Fault::Slow { by });
        let place = &task.conversation.0;
        let row = format!(
            "('{number}', '', '{place}', 'talk:{number}', '', '{answer}', 'ready', 0, 0, 0)"
        );
        rows.push(row);
    }
    let columns = "id, task, conversation, lane, slot, effect, state, attempts, due_ms, created_ms";
    let rows = rows.join(", ");
    stage
        .damage(&format!("INSERT INTO outbox ({columns}) VALUES {rows}"))
        .await;
    let hanging = "SELECT count(*) FROM outbox WHERE state = 'leased'";
    let all_hang = async || usize::try_from(stage.number(hanging).await) == Ok(AT_ONCE);
    stage.eventually("that much that hangs", all_hang).await;

    let asked = Instant::now();
    thread.say("ana", "stop").await.unwrap();
    stage.wait_until(&thread, "cancelled", is_confirmed).await;
    assert!(asked.elapsed() < CANCEL_WITHIN, "{:?}", asked.elapsed());
    thread.wait_for_words("Cancelled by").await.unwrap();
    stage.close().await;
}
