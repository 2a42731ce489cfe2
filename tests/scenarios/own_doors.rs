//! Doors as a process of their own: what people say while the bot is away is stored and answered, and the bot goes on with it.

use deckhand_world::slack::{On, Thread};
use secrecy::ExposeSecret as _;
use sqlx::Connection as _;

use crate::harness::{
    Beside, Bot, CHANNEL, Database, PATIENCE, Props, REQUEST, SLACK_TOKEN, Stage,
    asking::no_message_twice, own_doors::OwnDoors, program::Deckhand,
};

/// Ana asks and approves at the doors alone. When she approves the bot is away, and the doors are killed before it is back.
async fn an_approval_while_the_bot_is_away(database: Database) {
    let mut stage = Stage::open_with(Props {
        database,
        linear: Beside::Present,
        ..Props::default()
    })
    .await;
    let doors = stage.own_doors().await;
    // People paste secrets, of the bot too.
    let request = format!("{REQUEST} My token is {SLACK_TOKEN}.");
    let thread = stage.planned(&request).await;
    stage.settle().await;
    assert_eq!(
        stage
            .number(&format!(
                "SELECT count(*) FROM inbox WHERE body LIKE '%{SLACK_TOKEN}%'"
            ))
            .await,
        0
    );
    let (status, counted) = doors.get("/metrics").await.unwrap();
    assert_eq!(status, 200);
    let stored = r#"deckhand_deliveries_total{source="slack",result="stored"} "#;
    let stored = counted.lines().find_map(|line| line.strip_prefix(stored));
    assert_ne!(stored.unwrap(), "0", "{counted}");
    stage
        .while_down(async |slack| {
            let thread = slack.thread(thread.channel(), thread.root());
            thread.say("ana", "approve").await.unwrap();
            doors.kill().await;
        })
        .await;
    // Slack has nothing to send again.
    assert!(stage.slack.redeliver_lost().await.is_empty());
    let task = stage.wait_for_state(&thread, "in_review").await;
    assert!(task.last_result().unwrap().whole, "{}", thread.render());
    stage.settle().await;
    assert_eq!(stage.pull_requests().len(), 1, "{}", thread.render());
    no_message_twice(&thread);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_approved_while_the_bot_is_away_is_done_when_it_is_back() {
    Box::pin(an_approval_while_the_bot_is_away(Database::File)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_approved_while_the_bot_is_away_is_done_when_it_is_back_on_a_server() {
    Box::pin(an_approval_while_the_bot_is_away(Database::Server)).await;
}

/// Ana asks while the bot is away, and thinks better of it before it is back.
async fn a_request_is_taken_back(database: Database, back: impl AsyncFnOnce(&Thread)) {
    let mut stage = Stage::open_with(Props {
        database,
        ..Props::default()
    })
    .await;
    let doors = stage.own_doors().await;
    stage
        .while_down(async |slack| {
            let thread = slack.mention("ana", CHANNEL, REQUEST).await.unwrap();
            back(&thread).await;
        })
        .await;
    // Slack has nothing to send again.
    assert!(stage.slack.redeliver_lost().await.is_empty());
    let thread = stage.slack.threads(CHANNEL).remove(0);
    let thread = thread.with_patience(PATIENCE);
    stage.wait_for_state(&thread, "canceled").await;
    thread.wait_for_words("ancelled").await.unwrap();
    stage.settle().await;
    assert_eq!(stage.pull_requests().len(), 0, "{}", thread.render());
    no_message_twice(&thread);
    doors.end().await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_behind_a_request_that_waits_for_the_bot_ends_it() {
    let stop = async |thread: &Thread| {
        thread.say("ana", "stop").await.unwrap();
    };
    Box::pin(a_request_is_taken_back(Database::File, stop)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emoji_on_a_request_that_waits_for_the_bot_ends_it() {
    let emoji = async |thread: &Thread| {
        let stop = thread.react("ana", "octagonal_sign", On::Root);
        stop.await.unwrap();
    };
    Box::pin(a_request_is_taken_back(Database::Server, emoji)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_the_bot_has_sealed_is_in_no_delivery_from_the_first_one_on() {
    let mut stage = Stage::open_with(Props {
        bot: Bot::Program,
        database: Database::File,
        linear: Beside::Present,
        ..Props::default()
    })
    .await;
    let linear = stage.linear.clone().unwrap();
    let issue = linear.create_issue("ana", "A question", "For later.");
    linear
        .mention("ana", &issue.unwrap(), "@deckhand help")
        .unwrap();
    let is_sealed = async || stage.rows("secrets").await == 1;
    stage.eventually("a token is sealed", is_sealed).await;
    stage.settle().await;
    let token = linear.tokens().remove(0);
    let _doors = stage.own_doors().await;
    // While the bot is away, because it cleans what it has handled.
    stage
        .crash(async |stage| {
            let request = format!("{REQUEST} It fails with {}.", token.expose_secret());
            stage.slack.mention("ana", CHANNEL, &request).await.unwrap();
            let with = async |text: &str| {
                let like = format!("inbox WHERE body LIKE '%It fails with {text}%'");
                stage.rows(&like).await
            };
            let is_stored = async || with("").await > 0;
            stage.eventually("it is stored", is_stored).await;
            assert_eq!(with(token.expose_secret()).await, 0);
            assert!(with("[redacted]").await > 0);
        })
        .await;
    stage.settle().await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn doors_open_when_the_bot_has_made_the_database_and_have_no_pages() {
    let program = Deckhand::alone();
    let doors = OwnDoors::start(program);
    doors.say("which `deckhand serve` does").await;
    assert!(doors.get("/readyz").await.is_err());
    assert!(doors.bot().run(&["migrate"]).await.ok);
    doors.open().await;
    assert_eq!(
        doors.get("/readyz").await.unwrap(),
        (200, "ready\n".to_owned())
    );
    // What has to know more than a signature is the bot's alone.
    for page in [
        "/tasks/t1",
        "/slack/install",
        "/slack/options",
        "/api/v1/tasks/t1",
    ] {
        assert_eq!(doors.get(page).await.unwrap().0, 404, "{page}");
    }
    let said = doors.end().await;
    assert!(said.contains("the doors are open"), "{said}");
    assert!(!said.contains("ERROR"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn doors_say_that_nothing_can_be_stored() {
    let stage = Stage::open_with(Props {
        bot: Bot::Program,
        database: Database::File,
        ..Props::default()
    })
    .await;
    let doors = stage.own_doors().await;
    stage.is_ready().await;
    let address = &stage.context.config.database_url;
    let mut other = sqlx::SqliteConnection::connect(address).await.unwrap();
    sqlx::query("BEGIN IMMEDIATE")
        .execute(&mut other)
        .await
        .unwrap();
    let (status, words) = doors.get("/readyz").await.unwrap();
    assert_eq!(status, 503);
    assert!(words.starts_with("nothing can be stored: "), "{words}");
    // Both programs tell whoever reads their logs.
    let trouble = "nothing can be stored: ";
    doors.say(trouble).await;
    let is_told = async || stage.process_log().contains(trouble);
    stage.eventually("told by the bot", is_told).await;
    other.close().await.unwrap();
    doors.open().await;
    let well = "the database is well again";
    doors.say(well).await;
    let is_told = async || stage.process_log().contains(well);
    stage.eventually("told by the bot", is_told).await;
    doors.end().await;
    stage.close().await;
}
