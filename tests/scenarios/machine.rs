//! A machine on a bad day: a disk that is full or may not be written, rows that are damaged, a clock that somebody sets, a
//! database that is gone or newer than the program. Each has its sentence, nothing is acknowledged that was not stored, and
//! what was stored goes on when it heals.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use deckhand_world::{
    models::{Phase, Turn},
    postgres::Postgres,
    slack::{Fault, Thread, signature},
};
use secrecy::SecretString;

use crate::harness::{
    Database, Image, Props, REQUEST, SIGNING_SECRET, Stage,
    asking::{no_message_twice, says},
    disk::SmallDisk,
    own_doors::OwnDoors,
    program::Deckhand,
    scripts,
};

/// The size of the small disk, in megabytes: a bot and one task fit.
const DISK_MEGABYTES: u32 = 24;

/// What a newer Deckhand does first: it makes a step of the schema that this one does not know.
const NEWER: &str = "INSERT INTO _sqlx_migrations (version, description, installed_on, success, checksum, execution_time)
     SELECT 9999, description, installed_on, success, checksum, execution_time FROM _sqlx_migrations WHERE version = 1";
/// A backup from before it.
const NEWER_NO_MORE: &str = "DELETE FROM _sqlx_migrations WHERE version = 9999";

/// The body of a question for help, as Slack sends it, as long as a long thread's.
fn question(number: usize) -> String {
    let pad = "x".repeat(200_000);
    format!(
        r#"{{"type":"event_callback","team_id":"T0ACME","event":{{"type":"app_mention","user":"UANA","channel":"CENG","ts":"{number}.000001","text":"<@U0DECK> help"}},"pad":"{pad}"}}"#
    )
}

/// Sends a body once, signed by the world's clock, and tells the status.
async fn send(stage: &Stage, body: &str) -> u16 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let secret = SecretString::from(SIGNING_SECRET);
    let request = reqwest::Client::new()
        .post(format!("{}/slack/events", stage.context.config.public_url))
        .header("x-slack-request-timestamp", now)
        .header(
            "x-slack-signature",
            signature(&secret, now, body.as_bytes()),
        )
        .body(body.to_owned());
    request.send().await.unwrap().status().as_u16()
}

/// Ana approves, and the work waits in the middle until `/tmp/go` is there.
async fn at_work(stage: &Stage) -> Thread {
    stage.models.otherwise(scripts::long_work());
    let thread = stage.planned(REQUEST).await;
    thread.say("ana", "approve").await.unwrap();
    stage.wait_for_file(&thread, "/tmp/halfway").await;
    thread
}

async fn goes_on(stage: &Stage, thread: &Thread) {
    let sandbox = stage.sandboxes().await.remove(0);
    stage.inside(&sandbox, "touch /tmp/go").await;
    stage.wait_for_state(thread, "in_review").await;
    stage.settle().await;
    assert_eq!(stage.pull_requests().len(), 1, "{}", thread.render());
    no_message_twice(thread);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_acknowledges_nothing_that_it_did_not_store_and_heals() {
    let disk = SmallDisk::of_megabytes(DISK_MEGABYTES);
    let stage = Stage::open_with(Props {
        settings: vec![("DECKHAND_DATA_DIR", disk.path().display().to_string())],
        ..Props::default()
    })
    .await;
    let doors = OwnDoors::start(Deckhand::of(&stage));
    doors.open().await;
    let thread = at_work(&stage).await;
    stage.settle().await;
    let before = stage.rows("inbox").await;
    disk.fill();
    // Where the log of the database has room in itself, some are stored still.
    let mut stored = 0;
    while send(&stage, &question(stored)).await == 200 {
        stored += 1;
        assert!(stored < 1_000, "a full disk takes everything");
    }
    let refused = question(stored);
    assert_eq!(send(&stage, &refused).await, 503);
    let ready = stage
        .not_ready("nothing can be stored: the disk of the database")
        .await;
    assert!(!ready.contains("error returned"), "{ready}");
    doors
        .say("nothing can be stored: the disk of the database")
        .await;

    disk.clear();
    stage
        .eventually("ready again", async || stage.get("/readyz").await.0 == 200)
        .await;
    doors.say("the database is well again").await;
    doors.end().await;
    assert_eq!(send(&stage, &refused).await, 200);
    // What was acknowledged is there, and what was not is there once.
    let said = stage.rows("inbox").await - before;
    assert!(said > i64::try_from(stored).unwrap(), "{said} of {stored}");
    stage.settle_after_leases().await;
    goes_on(&stage, &thread).await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_folder_that_may_not_be_written_is_named_at_the_start() {
    let disk = SmallDisk::of_megabytes(DISK_MEGABYTES);
    let mut stage = Stage::open_with(Props {
        settings: vec![("DECKHAND_DATA_DIR", disk.path().display().to_string())],
        image: Image::Missing,
        ..Props::default()
    })
    .await;
    let program = Deckhand::of(&stage);
    let store = stage.context.store.clone();
    let refused = std::sync::Mutex::new(None);
    stage
        .while_down(async |_| {
            store.close().await;
            disk.write_protect();
            *refused.lock().unwrap() = Some(program.run(&["serve"]).await);
            disk.allow_writing();
        })
        .await;
    let refused = refused.into_inner().unwrap().unwrap();
    let words =
        "the database cannot be opened: the file of the database cannot be opened for writing";
    assert!(!refused.ok && refused.errors.contains(words), "{refused:?}");
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_a_newer_deckhand_is_refused_at_the_start() {
    let mut stage = Stage::open_with(Props {
        image: Image::Missing,
        ..Props::default()
    })
    .await;
    stage.damage(NEWER).await;
    let program = Deckhand::of(&stage);
    let refused = async |verb: &[&str]| {
        let refused = program.run(verb).await;
        assert!(!refused.ok, "{refused:?}");
        let words = "the database was last used by a newer Deckhand";
        assert!(refused.errors.contains(words), "{refused:?}");
    };
    refused(&["inbox", "list"]).await;
    stage
        .ends_and_is_gone(
            async |_| {},
            async |stage| {
                refused(&["serve"]).await;
                stage.damage(NEWER_NO_MORE).await;
            },
        )
        .await;
    stage.close().await;
}

/// A newer Deckhand is started on the database while this one and its doors run, and taken back.
async fn a_newer_one_comes_meanwhile(database: Database) {
    let stage = Stage::open_with(Props {
        database,
        image: Image::Missing,
        ..Props::default()
    })
    .await;
    let doors = stage.own_doors().await;
    stage.is_ready().await;
    stage.damage(NEWER).await;
    let words = "the database was last used by a newer Deckhand (its schema has step 9999";
    stage.not_ready(words).await;
    let (status, told) = doors.get("/readyz").await.unwrap();
    assert!(status == 503 && told.starts_with(words), "{status} {told}");
    doors.say(words).await;
    stage.damage(NEWER_NO_MORE).await;
    stage.is_ready().await;
    doors.open().await;
    doors.end().await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_deckhand_that_comes_meanwhile_is_named_by_everybody_who_runs() {
    Box::pin(a_newer_one_comes_meanwhile(Database::File)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_deckhand_that_comes_meanwhile_is_named_by_everybody_who_runs_on_a_server() {
    Box::pin(a_newer_one_comes_meanwhile(Database::Server)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_the_database_that_is_gone_for_a_while_costs_nothing() {
    let server = Postgres::start().unwrap();
    let stage = Stage::open_with(Props {
        settings: vec![(
            "DECKHAND_DATABASE_URL",
            server.fresh_database().await.unwrap(),
        )],
        ..Props::default()
    })
    .await;
    let thread = at_work(&stage).await;
    stage.settle().await;
    server.stop().unwrap();
    assert_eq!(send(&stage, &question(1)).await, 503);
    stage.not_ready("nothing can be stored: the database").await;
    // The agent works on, and its run is not given up.
    server.start_again().unwrap();
    stage
        .eventually("ready again", async || stage.get("/readyz").await.0 == 200)
        .await;
    assert_eq!(send(&stage, &question(1)).await, 200);
    assert_eq!(send(&stage, &question(1)).await, 200);
    stage.settle_after_leases().await;
    goes_on(&stage, &thread).await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_rows_of_messages_and_logs_cost_themselves_alone() {
    let stage = Stage::open().await;
    let thread = at_work(&stage).await;
    stage.settle().await;
    let id = stage.task(&thread).await.id;
    for damage in [
        format!("UPDATE run_log SET body = '{{half' WHERE task = '{id}' AND run = 1"),
        format!(
            "UPDATE run_log SET body = CAST(x'ff' AS TEXT) WHERE id = (SELECT min(id) FROM run_log WHERE task = '{id}')"
        ),
        format!(
            "UPDATE posts SET reference = CAST(x'ff' AS TEXT) WHERE task = '{id}' AND slot LIKE '%:progress-%'"
        ),
    ] {
        stage.damage(&damage).await;
    }
    let page = deckhand::links::task_url(&stage.context.config, &id);
    let (status, page) = stage.get(&page).await;
    assert_eq!(status, 200, "{page}");
    assert!(page.contains("this line cannot be read"), "{page}");
    // The status is found on the surface and edited there, not said a second time.
    goes_on(&stage, &thread).await;
    assert!(thread.bot_messages().len() <= 6, "{}", thread.render());
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_set_an_hour_ahead_and_back_does_nothing_twice_and_stops_nothing() {
    const HOUR_MS: i64 = 3_600_000;
    let stage = Stage::open().await;
    let thread = at_work(&stage).await;
    stage.settle().await;
    let asked = Duration::from_secs(20);
    let limited = || Fault::RateLimited { retry_after: asked };

    stage.clock.set(HOUR_MS);
    let told = "the clock of this machine jumped ahead by 1 h";
    stage
        .eventually("the jump is told", async || {
            stage.get("/readyz").await.1.contains(told)
        })
        .await;
    // What was signed before is refused, and the run is not called silent or too long.
    assert_eq!(send(&stage, &question(1)).await, 401);
    assert_eq!(
        stage.task(&thread).await.state.name(),
        "running",
        "{}",
        thread.render()
    );
    // Something that is due by the wrong clock.
    stage.slack.fail_next("chat.postEphemeral", limited());
    let whisper = stage.context.config.public_url.clone();
    let body = question(2);
    let ahead = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
        + 3_600;
    let secret = SecretString::from(SIGNING_SECRET);
    let request = reqwest::Client::new()
        .post(format!("{whisper}/slack/events"))
        .header("x-slack-request-timestamp", ahead)
        .header(
            "x-slack-signature",
            signature(&secret, ahead, body.as_bytes()),
        )
        .body(body.clone());
    assert_eq!(request.send().await.unwrap().status().as_u16(), 200);
    let waits = async || {
        let due = stage.context.store.next_effect_due().await.unwrap();
        due.is_some_and(|due| due.milliseconds_since(stage.clock.now()) > 10_000)
    };
    stage
        .eventually("the answer waits as Slack asks", waits)
        .await;

    stage.clock.set(-HOUR_MS);
    let told = "the clock of this machine was set back by 1 h";
    stage
        .eventually("the jump is told", async || {
            stage.get("/readyz").await.1.contains(told)
        })
        .await;
    let due = stage
        .context
        .store
        .next_effect_due()
        .await
        .unwrap()
        .unwrap();
    let waits = due.milliseconds_since(stage.clock.now());
    assert!(waits <= 22_000, "it would wait {waits} ms");
    assert_eq!(send(&stage, &question(3)).await, 200);
    stage.clock.advance(asked * 2);
    stage.context.wake.outbox();
    goes_on(&stage, &thread).await;
    stage.close().await;
}

/// The agent's turn in which the machine has its bad day ends while nothing can be stored.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_ends_while_nothing_can_be_stored_is_not_lost() {
    let server = Postgres::start().unwrap();
    let stage = Stage::open_with(Props {
        settings: vec![(
            "DECKHAND_DATABASE_URL",
            server.fresh_database().await.unwrap(),
        )],
        ..Props::default()
    })
    .await;
    let waits = Turn::shell(
        "touch /tmp/halfway; until [ -e /tmp/go ]; do sleep 0.1; done; touch /tmp/gone",
    );
    stage
        .models
        .otherwise(scripts::without_pages().first(Phase::Work, [waits]));
    let thread = stage.planned(REQUEST).await;
    thread.say("ana", "approve").await.unwrap();
    stage.wait_for_file(&thread, "/tmp/halfway").await;
    stage.settle().await;
    let sandbox = stage.sandboxes().await.remove(0);
    server.stop().unwrap();
    let asked = stage.models.request_count();
    stage.inside(&sandbox, "touch /tmp/go").await;
    // The model is asked on: the agent does not know of the database.
    stage
        .eventually("the agent goes on", async || {
            stage.models.request_count() > asked
        })
        .await;
    server.start_again().unwrap();
    stage.wait_for_state(&thread, "in_review").await;
    stage.settle_after_leases().await;
    assert_eq!(stage.pull_requests().len(), 1, "{}", thread.render());
    says(&thread, "Requirements").await;
    no_message_twice(&thread);
    stage.close().await;
}
