//! A bot that is started again in the middle: nothing is lost, and nothing is done twice.

use std::time::Duration;

use deckhand_world::{
    github::Fault,
    models::{Phase, Turn},
    slack::{Call, CallEnding, Fault as SlackFault, Thread},
};

use serde_json::{Value, json};
use sqlx::Connection as _;

use crate::harness::{
    Bot, CHANNEL, Database, Image, PATIENCE, Props, REQUEST, SlackDoors, Stage,
    asking::{no_message_twice, until, whispered},
    engine::docker,
    fixture,
    gateway::Gateway,
    program::Deckhand,
    scripts,
};

/// The task has ended as if nothing had happened.
async fn ends_as_always(stage: Stage, thread: &Thread) {
    let task = stage.wait_for_state(thread, "in_review").await;
    stage.settle().await;
    assert!(task.last_result().unwrap().whole, "{}", thread.render());
    assert_eq!(stage.pull_requests().len(), 1, "{}", thread.render());
    no_message_twice(thread);
    assert!(thread.bot_messages().len() <= 6, "{}", thread.render());
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_it_plans() {
    let mut stage = Stage::open().await;
    stage.models.otherwise(scripts::without_pages());
    let thread = stage.being_planned(REQUEST).await;
    stage.restart().await;
    stage.models.resume();
    stage.wait_for_state(&thread, "awaiting_approval").await;
    stage.restart().await;
    stage.approve(&thread).await;
    ends_as_always(stage, &thread).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_it_checks() {
    let mut stage = Stage::open().await;
    stage.models.otherwise(scripts::slow_check());
    let thread = stage.planned(REQUEST).await;
    thread.say("ana", "approve").await.unwrap();
    stage.wait_for_state(&thread, "verifying").await;
    stage.restart().await;
    ends_as_always(stage, &thread).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_it_publishes() {
    let mut stage = Stage::open().await;
    stage.models.otherwise(scripts::without_pages());
    let thread = stage.planned(REQUEST).await;
    // The push is done; the pull request has to wait.
    stage.github.fail_next(
        "POST /repos/*/*/pulls",
        Fault::SecondaryLimit { retry_after: 60 },
    );
    thread.say("ana", "approve").await.unwrap();
    is_pushed(&stage, &thread).await;
    stage.restart().await;
    stage.clock.advance(Duration::from_secs(61));
    ends_as_always(stage, &thread).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_nobody_was_there_to_hear() {
    let mut stage = Stage::open().await;
    let thread = stage.planned(REQUEST).await;
    stage.settle().await;
    stage
        .while_down(async |slack| {
            let thread = slack.thread(thread.channel(), thread.root());
            thread.say("ana", "approve").await.unwrap();
        })
        .await;
    // Slack tries again what nobody took.
    stage.slack.redeliver_lost().await;
    ends_as_always(stage, &thread).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_left_by_a_rule_before_counts_afterwards() {
    const LIMIT: u64 = 16 << 20;
    const PIECE: u64 = 6 << 20;
    // Heads count, and what is under way in the moment of the cut.
    const ROOM: u64 = 256 << 10;
    let gateway = Gateway::open().await;
    let folder = tempfile::tempdir().unwrap();
    let policy = folder.path().join("policy.json");
    let rules = r#"{"version":1,"default":{"rules":[{"hosts":["packages.example"],"ports":[80],"methods":["POST"]}]}}"#;
    std::fs::write(&policy, rules).unwrap();
    let mut stage = Stage::open_with(Props {
        settings: vec![
            ("DECKHAND_UPSTREAM_PROXY", gateway.url()),
            ("DECKHAND_POLICY_FILE", policy.display().to_string()),
        ],
        ..Props::default()
    })
    .await;
    let send = format!(
        "head -c {PIECE} /dev/zero | curl -s -m 60 -o /tmp/answer -w 'sent: %{{http_code}}\n' --data-binary @- http://packages.example/"
    );
    let command = format!(
        "{send}; {send}; touch /tmp/halfway; until [ -e /tmp/go ]; do sleep 0.1; done; {send}; {send}"
    );
    let script = scripts::without_pages().first(Phase::Work, [Turn::shell(command)]);
    stage.models.otherwise(script);
    let thread = stage.planned(REQUEST).await;
    thread.say("ana", "approve").await.unwrap();
    stage.wait_for_file(&thread, "/tmp/halfway").await;
    stage.restart().await;
    let sandbox = stage.sandboxes().await.remove(0);
    stage.inside(&sandbox, "touch /tmp/go").await;
    let task = stage.wait_for_state(&thread, "in_review").await;
    let lines = stage.context.store.log_after(&task.id, "", 5_000).await;
    let requests: Vec<Value> = lines
        .unwrap()
        .into_iter()
        .filter(|line| line.kind == "egress" && line.body["host"] == "packages.example")
        .map(|line| line.body)
        .collect();
    // The third is cut where the sum of all of them is too much, and then nothing leaves any more.
    let verdicts: Vec<(&Value, &Value)> = requests
        .iter()
        .map(|line| (&line["verdict"], &line["rule"]))
        .collect();
    assert_eq!(
        verdicts,
        [
            (&json!("allowed"), &json!("listed packages.example")),
            (&json!("allowed"), &json!("listed packages.example")),
            (&json!("failed"), &json!("listed packages.example")),
            (&json!("denied"), &json!("up-limit")),
        ],
        "{requests:?}"
    );
    let left: u64 = requests
        .iter()
        .map(|line| line["up"].as_u64().unwrap())
        .sum();
    assert!((LIMIT - ROOM..LIMIT + ROOM).contains(&left), "{left}");
    stage.close().await;
}

/// The task publishes, and its branch is at the forge.
pub async fn is_pushed(stage: &Stage, thread: &Thread) {
    let task = stage.wait_for_state(thread, "publishing").await;
    let repository = stage.github.repository("acme/web").unwrap();
    until(PATIENCE, || async {
        let tip = repository.tip(&task.branch()).await.unwrap();
        tip.map(drop).ok_or_else(|| thread.render())
    })
    .await;
}

/// The sentence that people read where the bot was started again in the middle.
const TAKEN_UP: &str = "has picked this up where it was";

async fn with_program() -> Stage {
    let stage = Stage::open_with(Props {
        bot: Bot::Program,
        ..Props::default()
    })
    .await;
    stage.models.otherwise(scripts::without_pages());
    stage
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_the_middle_of_the_work_it_goes_on_and_says_so_once() {
    let mut stage = with_program().await;
    let wait = "touch /tmp/halfway; until [ -e /tmp/go ]; do sleep 0.1; done";
    let script = scripts::without_pages().first(Phase::Work, [Turn::shell(wait)]);
    stage.models.otherwise(script);
    let thread = stage.planned(REQUEST).await;
    thread.say("ana", "approve").await.unwrap();
    stage.wait_for_file(&thread, "/tmp/halfway").await;
    let before = stage.sandboxes().await;
    stage.crash(async |_| {}).await;
    thread.wait_for_words(TAKEN_UP).await.unwrap();
    let told = thread.bot_messages();
    let told = told.iter().filter(|message| message.says(TAKEN_UP));
    assert_eq!(told.count(), 1, "{}", thread.render());
    assert_eq!(stage.sandboxes().await, before, "the sandbox is the same");
    stage.inside(&before[0], "touch /tmp/go").await;
    ends_as_always(stage, &thread).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_its_sandbox_is_removed_it_says_that_the_run_is_lost() {
    let mut stage = with_program().await;
    let script = scripts::without_pages().first(
        Phase::Work,
        [Turn::shell("touch /tmp/halfway; sleep 86400")],
    );
    stage.models.otherwise(script);
    let thread = stage.planned(REQUEST).await;
    thread.say("ana", "approve").await.unwrap();
    stage.wait_for_file(&thread, "/tmp/halfway").await;
    let sandbox = stage.sandboxes().await.remove(0);
    stage
        .crash(async |_| {
            docker(&["rm", "-f", &sandbox]);
        })
        .await;
    stage.wait_for_state(&thread, "failed").await;
    thread
        .wait_for_words("The sandbox of this run is gone")
        .await
        .unwrap();
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_push_and_pull_request_it_opens_one() {
    let mut stage = with_program().await;
    let thread = stage.planned(REQUEST).await;
    stage.github.fail_next(
        "POST /repos/*/*/pulls",
        Fault::SecondaryLimit { retry_after: 2 },
    );
    thread.say("ana", "approve").await.unwrap();
    is_pushed(&stage, &thread).await;
    stage.crash(async |_| {}).await;
    ends_as_always(stage, &thread).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn asked_to_end_it_ends_in_time_and_the_run_goes_on() {
    let mut stage = with_program().await;
    let script = scripts::without_pages().first(
        Phase::Work,
        [Turn::shell(
            "touch /tmp/halfway; until [ -e /tmp/go ]; do sleep 0.1; done",
        )],
    );
    stage.models.otherwise(script);
    let thread = stage.planned(REQUEST).await;
    thread.say("ana", "approve").await.unwrap();
    stage.wait_for_file(&thread, "/tmp/halfway").await;
    let sandbox = stage.sandboxes().await.remove(0);
    let asked = std::time::Instant::now();
    stage.restart().await;
    assert!(
        asked.elapsed() < Duration::from_secs(10),
        "the end takes under ten seconds"
    );
    assert!(stage.process_log().contains("no new work is taken"));
    stage.inside(&sandbox, "touch /tmp/go").await;
    ends_as_always(stage, &thread).await;
}

/// How long Slack takes for a message in these stories: shorter than what is in hand may take at the end.
const SLOW: Duration = Duration::from_secs(3);

/// A program that has an effect in hand: it asks which of two repositories is meant, and Slack takes its time for that.
async fn with_a_message_in_hand(database: Database) -> (Stage, Thread) {
    let stage = Stage::open_with(Props {
        bot: Bot::Program,
        database,
        doors: SlackDoors::Http,
        image: Image::Missing,
        ..Props::default()
    })
    .await;
    let seeded = stage.github.seed("acme/other", &fixture("web")).await;
    seeded.unwrap();
    let slow = SlackFault::Slow { by: SLOW };
    stage.slack.fail_next("chat.postMessage", slow);
    let thread = stage
        .mention("The offset is ignored when limit is over 100.")
        .await;
    let is_in_hand = async || saying(&stage, "state = 'leased'").await == 1;
    stage.eventually("a message is in hand", is_in_hand).await;
    (stage, thread)
}

/// How many messages for the thread stand so in the outbox.
async fn saying(stage: &Stage, condition: &str) -> i64 {
    let rows = format!("outbox WHERE effect LIKE '{{\"effect\":\"say\"%' AND {condition}");
    stage.rows(&rows).await
}

/// How many messages Slack has posted.
fn posts(stage: &Stage) -> usize {
    let is_post =
        |call: &&Call| call.method == "chat.postMessage" && call.ending == CallEnding::Done;
    stage.slack.calls().iter().filter(is_post).count()
}

/// What is in hand when it is asked to end is finished by the one that has it.
async fn a_message_in_hand_is_finished(database: Database) {
    let (mut stage, thread) = with_a_message_in_hand(database).await;
    stage
        .ends_and_is_gone(
            async |_| {},
            async |stage| {
                let done = "state = 'done' AND attempts = 1 AND taken_over = 0";
                assert_eq!(saying(stage, done).await, 1);
                assert_eq!(saying(stage, "state = 'leased'").await, 0);
                assert_eq!(posts(stage), 1);
            },
        )
        .await;
    stage.stop(&thread).await;
    stage.settle().await;
    no_message_twice(&thread);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn asked_to_end_while_slack_takes_its_time_it_finishes_the_message() {
    Box::pin(a_message_in_hand_is_finished(Database::File)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn asked_to_end_while_slack_takes_its_time_it_finishes_the_message_on_a_server() {
    Box::pin(a_message_in_hand_is_finished(Database::Server)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_while_it_ends_is_stored_and_left_to_the_next_one() {
    let (mut stage, thread) = with_a_message_in_hand(Database::default()).await;
    let mut asking = None;
    let words = async |stage: &Stage, condition: &str| {
        let rows = format!("inbox WHERE body LIKE '%> list%' AND {condition}");
        stage.rows(&rows).await
    };
    stage
        .ends_and_is_gone(
            async |stage| {
                stage.logs("no new work is taken").await;
                asking = Some(stage.slack.mention("ben", CHANNEL, "list").await.unwrap());
                let is_stored = async || words(stage, "state = 'waiting'").await > 0;
                stage.eventually("it is stored", is_stored).await;
            },
            async |stage| {
                // Nobody has had it in hand.
                assert!(words(stage, "state = 'waiting' AND token = 0").await > 0);
                assert_eq!(words(stage, "(state <> 'waiting' OR token > 0)").await, 0);
            },
        )
        .await;
    let asking = asking.unwrap().with_patience(PATIENCE);
    whispered(&asking, "no tasks of yours").await;
    stage.stop(&thread).await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn asked_to_end_while_the_database_does_not_answer_it_ends_in_time() {
    let mut stage = Stage::open_with(Props {
        bot: Bot::Program,
        database: Database::File,
        image: Image::Missing,
        ..Props::default()
    })
    .await;
    let address = &stage.context.config.database_url;
    let mut other = sqlx::SqliteConnection::connect(address).await.unwrap();
    let held = sqlx::query("BEGIN IMMEDIATE").execute(&mut other);
    held.await.unwrap();
    // By now all of its workers wait for the database.
    stage.not_ready("nothing can be stored").await;
    let asked = std::time::Instant::now();
    stage
        .while_down(async |_| {
            assert!(
                asked.elapsed() < Duration::from_secs(10),
                "the end takes under ten seconds"
            );
            other.close().await.unwrap();
        })
        .await;
    stage.is_ready().await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_one_on_the_same_file_is_refused_and_takes_nothing_away() {
    let (mut stage, thread) = with_a_message_in_hand(Database::File).await;
    let second = Deckhand::of(&stage);
    let refused = second.run(&["serve"]).await;
    let file = stage.context.config.data_dir.join("deckhand.sqlite");
    let file = file.canonicalize().unwrap().display().to_string();
    let words = format!("another Deckhand works on the database {file}; end that one first");
    let is_said = refused.errors.contains(&words);
    assert!(!refused.ok && is_said, "{refused:?}");
    let migrated = second.run(&["migrate"]).await;
    assert!(migrated.ok, "{migrated:?}");
    stage.settle().await;
    // What follows it in its place counts its tries as well.
    let again = "(taken_over = 1 OR (attempts > 1 AND id = (SELECT min(id) FROM outbox WHERE effect LIKE '{\"effect\":\"say\"%')))";
    assert_eq!(saying(&stage, again).await, 0, "{}", thread.render());
    // The right to work goes with the process, however that one ends.
    stage.crash(async |_| {}).await;
    stage.stop(&thread).await;
    stage.settle().await;
    no_message_twice(&thread);
    stage.close().await;
}
