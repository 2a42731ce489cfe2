//! Several bots on one database server: whoever is there goes on, and who lost something knows it before it acts.

use std::time::Instant;

use deckhand_world::{
    models::{Phase, RequestKind, RequestRecord, Turn},
    slack::Thread,
};
use serde_json::json;

use crate::{
    harness::{
        Bot, Database, Image, PATIENCE, Props, REQUEST, SOCKETS, SlackDoors, Stage,
        asking::{CANCEL_WITHIN, no_message_twice},
        engine::docker,
        gateway::{Gateway, ask_until},
        scripts,
    },
    steering::run_that_heard,
};

/// The sentence that people read where another process has gone on.
const TAKEN_UP: &str = "has picked this up where it was";
/// What a process notes that takes a run which is nobody's.
const TAKES_ANEW: &str = "a run is taken up again";
/// What a process notes that finds its run in other hands.
const LET_GO: &str = "a run is in the hands of another process now";

/// A program on a database server, and the agent at work until somebody makes the file `/tmp/go` in its sandbox.
async fn at_work() -> (Stage, Thread, String) {
    let stage = Stage::open_with(Props {
        bot: Bot::Program,
        database: Database::Server,
        ..Props::default()
    })
    .await;
    let wait = "touch /tmp/halfway; until [ -e /tmp/go ]; do sleep 0.1; done; echo it-went-on";
    let script = scripts::without_pages().first(Phase::Work, [Turn::shell(wait)]);
    stage.models.otherwise(script);
    let thread = stage.planned(REQUEST).await;
    thread.say("ana", "approve").await.unwrap();
    stage.wait_for_file(&thread, "/tmp/halfway").await;
    let sandbox = stage.sandboxes().await.remove(0);
    (stage, thread, sandbox)
}

/// The task has ended as if there had been one bot, and the thread says once that somebody went on.
async fn goes_on_to_its_result(stage: &Stage, thread: &Thread, sandbox: &str) {
    assert_eq!(
        stage.sandboxes().await,
        [sandbox],
        "the sandbox is the same"
    );
    thread.wait_for_words(TAKEN_UP).await.unwrap();
    let messages = thread.bot_messages();
    let told = messages.iter().filter(|message| message.says(TAKEN_UP));
    assert_eq!(told.count(), 1, "{}", thread.render());
    stage.inside(sandbox, "touch /tmp/go").await;
    let task = stage.wait_for_state(thread, "in_review").await;
    stage.settle().await;
    assert!(task.last_result().unwrap().whole, "{}", thread.render());
    assert_eq!(stage.pull_requests().len(), 1, "{}", thread.render());
    no_message_twice(thread);
    assert!(thread.bot_messages().len() <= 6, "{}", thread.render());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_that_listen_do_each_thing_once() {
    let stage = Stage::open_with(Props {
        database: Database::Server,
        doors: SlackDoors::Socket,
        ..Props::default()
    })
    .await;
    stage.models.otherwise(scripts::without_pages());
    let second = stage.beside().await;
    // Each keeps its own connections; Slack hands an envelope to any of them.
    stage.slack.wait_for_sockets(2 * SOCKETS).await;
    let thread = stage.planned(REQUEST).await;
    let task = stage.approve(&thread).await;
    stage.settle().await;
    assert!(task.last_result().unwrap().whole, "{}", thread.render());
    assert_eq!(stage.pull_requests().len(), 1, "{}", thread.render());
    no_message_twice(&thread);
    assert!(thread.bot_messages().len() <= 6, "{}", thread.render());
    assert!(!thread.render().contains(TAKEN_UP), "{}", thread.render());
    second.end().await;
    stage.close().await;
}

/// How many connections to Slack a server has, by its figures.
fn connections(figures: &str) -> usize {
    let mut lines = figures.lines();
    let number = lines.find_map(|line| line.strip_prefix("deckhand_slack_connections "));
    number.expect("it is counted").parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn three_share_the_ten_connections_of_slack_and_take_over_those_of_one_that_dies() {
    let mut stage = Stage::open_with(Props {
        bot: Bot::Program,
        database: Database::Server,
        doors: SlackDoors::Socket,
        image: Image::Missing,
        settings: vec![("SLACK_CONNECTIONS", "5".to_owned())],
        ..Props::default()
    })
    .await;
    stage.slack.wait_for_sockets(5).await;
    let second = stage.beside().await;
    stage.slack.wait_for_sockets(10).await;
    let third = stage.beside().await;
    stage
        .eventually("shared among three", async || {
            let first = connections(&stage.get("/metrics").await.1);
            let others = [second.page("/metrics").await, third.page("/metrics").await];
            let others = others.map(|figures| connections(&figures));
            (first, others) == (4, [3, 3])
        })
        .await;
    assert_eq!(stage.slack.sockets(), 10);
    assert_eq!(
        stage.slack.sockets_asked(),
        13,
        "nobody asks for more than there are"
    );
    stage.kill().await;
    stage
        .eventually("shared among two", async || {
            let both = [second.page("/metrics").await, third.page("/metrics").await];
            both.map(|figures| connections(&figures)) == [5, 5]
        })
        .await;
    assert_eq!(stage.slack.sockets(), 10);
    let unknown = json!({ "type": "workflow_step", "payload": { "step": 7 } });
    assert!(stage.slack.post_envelope(unknown).await);
    stage.settle().await;
    second.end().await;
    third.end().await;
    stage.close().await;
}

/// The agent of the only bot works, which does this first.
async fn working(
    settings: Vec<(&'static str, String)>,
    request: &str,
    first: Option<Turn>,
) -> (Stage, Thread) {
    let stage = Stage::open_with(Props {
        database: Database::Server,
        settings,
        ..Props::default()
    })
    .await;
    stage
        .models
        .otherwise(scripts::without_pages().first(Phase::Work, first));
    let thread = stage.planned(request).await;
    thread.say("ana", "approve").await.unwrap();
    stage.wait_for_state(&thread, "running").await;
    (stage, thread)
}

#[tokio::test(flavor = "multi_thread")]
async fn now_said_to_one_interrupts_the_agent_of_the_other() {
    let request = format!("{REQUEST} #script:stuck");
    let (stage, thread) = working(Vec::new(), &request, None).await;
    let is_there = |request: &RequestRecord| {
        matches!(
            request.kind,
            RequestKind::Turn {
                phase: Phase::Work,
                step: 0,
                ..
            }
        )
    };
    stage.models.wait_for(is_there, PATIENCE).await.unwrap();
    let run = stage.task(&thread).await.last_run.0;
    let second = stage.beside().await;
    thread
        .say("ana", "now: say in the README what the offset does")
        .await
        .unwrap();
    let task = stage.wait_for_state(&thread, "in_review").await;
    assert_eq!(
        run_that_heard(&stage, &task).await,
        run,
        "it is the same run"
    );
    assert!(!thread.render().contains(TAKEN_UP), "{}", thread.render());
    second.end().await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_allowed_at_one_is_reached_by_the_sandbox_of_the_other() {
    let gateway = Gateway::open().await;
    let settings = vec![("DECKHAND_UPSTREAM_PROXY", gateway.url())];
    let asks = Turn::shell(ask_until("packages.example"));
    let (stage, thread) = working(settings, REQUEST, Some(asks)).await;
    thread
        .wait_for_words("that it may not reach")
        .await
        .unwrap();
    let run = stage.task(&thread).await.last_run;
    let second = stage.beside().await;
    thread.press("ana", "Allow once").await.unwrap();
    let task = stage.wait_for_state(&thread, "in_review").await;
    assert_eq!(task.last_run, run, "it is the same run");
    assert!(gateway.asked_for("packages.example") > 0);
    assert!(!thread.render().contains(TAKEN_UP), "{}", thread.render());
    second.end().await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_one_that_starts_tells_nobody_of_a_restart() {
    let (stage, thread, sandbox) = at_work().await;
    let second = stage.beside().await;
    second.context.runs.take_up(&second.context).await.unwrap();
    assert_eq!(second.context.runs.count(), 0, "its run is in good hands");
    stage.inside(&sandbox, "touch /tmp/go").await;
    stage.wait_for_state(&thread, "in_review").await;
    stage.settle().await;
    assert!(!thread.render().contains(TAKEN_UP), "{}", thread.render());
    no_message_twice(&thread);
    second.end().await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_one_is_killed_the_other_goes_on() {
    let (mut stage, thread, sandbox) = at_work().await;
    let second = stage.beside().await;
    stage.kill().await;
    second.takes_over(&stage, &thread).await;
    goes_on_to_its_result(&stage, &thread, &sandbox).await;
    second.end().await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_sleeps_past_its_leases_has_lost_its_run_when_it_wakes() {
    let (stage, thread, sandbox) = at_work().await;
    let second = stage.beside().await;
    stage.put_to_sleep();
    second.takes_over(&stage, &thread).await;
    stage.wake();
    stage.logs(LET_GO).await;
    goes_on_to_its_result(&stage, &thread, &sandbox).await;
    second.end().await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_sleeps_takes_its_run_anew_where_another_one_had_it_and_has_ended() {
    let (stage, thread, sandbox) = at_work().await;
    let second = stage.beside().await;
    stage.put_to_sleep();
    second.takes_over(&stage, &thread).await;
    thread.wait_for_words(TAKEN_UP).await.unwrap();
    // What it had is nobody's now, and its way out is not that of the one that sleeps.
    second.end().await;
    stage.wake();
    stage.logs(LET_GO).await;
    stage.logs(TAKES_ANEW).await;
    goes_on_to_its_result(&stage, &thread, &sandbox).await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_does_not_wait_for_one_that_is_dead() {
    let (mut stage, thread, _) = at_work().await;
    let second = stage.beside().await;
    stage.kill().await;
    let asked = Instant::now();
    thread.say("ana", "stop").await.unwrap();
    stage.ends_without_a_trace(&thread, asked).await;
    second.end().await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_that_is_asked_for_twice_while_nobody_can_do_it_is_done() {
    let (mut stage, thread, _) = at_work().await;
    let second = stage.beside().await;
    stage.kill().await;
    // The work is in the hands of the dead one still, and so is its end.
    let asked = Instant::now();
    thread.say("ana", "stop").await.unwrap();
    thread.say("ana", "stop").await.unwrap();
    stage.ends_without_a_trace(&thread, asked).await;
    second.end().await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_does_not_wait_for_one_that_sleeps_and_nothing_comes_when_it_wakes() {
    let (stage, thread, sandbox) = at_work().await;
    let second = stage.beside().await;
    stage.put_to_sleep();
    // The agent goes on and asks its model; what it asks lies in front of the proxy that sleeps.
    stage.inside(&sandbox, "touch /tmp/go").await;
    stage
        .eventually("the agent has gone on", async || {
            docker(&["logs", &sandbox]).contains("it-went-on\\n")
        })
        .await;
    let asked = Instant::now();
    thread.say("ana", "stop").await.unwrap();
    thread.wait_for_words("Cancelled by").await.unwrap();
    let took = asked.elapsed();
    assert!(took < CANCEL_WITHIN, "{took:?}\n{}", thread.render());
    assert_eq!(stage.sandboxes().await, Vec::<String>::new());
    stage
        .nothing_more(&thread, async || {
            stage.wake();
            stage.logs(LET_GO).await;
        })
        .await;
    second.end().await;
    stage.close().await;
}
