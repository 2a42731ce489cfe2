//! Requests that are too large, too slow, broken, out of time, or that the database does not take: each is refused with the
//! status that makes the platform do the right thing, counted, and never acknowledged without being stored.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use deckhand_world::slack::{Door, Outcome, signature};
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::SecretString;
use serde_json::json;
use sha2::Sha256;
use sqlx::Connection as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::harness::{
    Beside, Database, GITHUB_WEBHOOK_SECRET, LINEAR_WEBHOOK_SECRET, PATIENCE, Props,
    SIGNING_SECRET, Stage,
};

/// One byte more than a door reads.
const TOO_LARGE: usize = (5 << 20) + 1;
/// How long Linear waits for an answer, longer than Slack and less than GitHub. Source: its documentation of webhooks.
const LINEAR_WAITS: Duration = Duration::from_secs(5);
/// Every door, and the platform that it counts for.
const DOORS: [(&str, &str); 5] = [
    ("/slack/events", "slack"),
    ("/slack/interactions", "slack"),
    ("/slack/commands", "slack"),
    ("/linear/webhooks", "linear"),
    ("/github/webhooks", "github"),
];

/// A mention, as Slack sends it.
fn mention(ts: &str) -> String {
    format!(
        r#"{{"type":"event_callback","team_id":"T0ACME","event":{{"type":"app_mention","user":"UANA","channel":"CENG","ts":"{ts}","text":"<@U0DECK> help"}}}}"#
    )
}

async fn connect(stage: &Stage) -> TcpStream {
    let address = stage
        .context
        .config
        .public_url
        .trim_start_matches("http://");
    TcpStream::connect(address.trim_end_matches('/'))
        .await
        .unwrap()
}

/// The status of what is answered next.
async fn status(connection: &mut TcpStream) -> u16 {
    let mut head = [0; 12];
    connection.read_exact(&mut head).await.unwrap();
    let head = String::from_utf8_lossy(&head);
    head.strip_prefix("HTTP/1.1 ").unwrap().parse().unwrap()
}

/// Sends the beginning of a request and waits for what is answered to that alone.
pub async fn answer_to(stage: &Stage, beginning: &str) -> u16 {
    let mut connection = connect(stage).await;
    connection.write_all(beginning.as_bytes()).await.unwrap();
    status(&mut connection).await
}

/// How often a door counted this. Other stories of the same process count too, so it may only be held to have grown.
pub async fn counted(stage: &Stage, source: &str, result: &str) -> u64 {
    let labels = format!(r#"{{source="{source}",result="{result}"}}"#);
    counter(stage, &format!("deckhand_deliveries_total{labels}")).await
}

/// What a counter says, by its name with its labels; it counts for the whole process.
pub async fn counter(stage: &Stage, name: &str) -> u64 {
    let address = format!("{}/metrics", stage.context.config.public_url);
    let told = reqwest::get(address).await.unwrap().text().await.unwrap();
    let name = format!("{name} ");
    let count = told.lines().find_map(|line| line.strip_prefix(&name));
    count.map_or(0, |count| count.parse().unwrap())
}

/// The status of every try with which a body was sent, signed.
async fn send(stage: &Stage, body: impl Into<String>) -> Vec<u16> {
    let body = body.into().into();
    let sent = stage
        .slack
        .post_signed(Door::Events, "application/json", body);
    let tries = sent.await.unwrap().attempts.into_iter();
    tries
        .map(|attempt| match attempt.outcome {
            Outcome::Answered(status) => status,
            other => panic!("{other:?}"),
        })
        .collect()
}

pub fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

/// The hexadecimal HMAC with which Linear and GitHub sign.
fn hmac_of(secret: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

/// The headers with which a body comes to a door. Slack signs the moment in them; Linear's stands in the body, and GitHub has
/// none.
pub fn signed(door: &str, body: &str, at: Duration) -> Vec<(&'static str, String)> {
    match door {
        "/linear/webhooks" => vec![("linear-signature", hmac_of(LINEAR_WEBHOOK_SECRET, body))],
        "/github/webhooks" => {
            let signature = hmac_of(GITHUB_WEBHOOK_SECRET, body);
            vec![
                ("x-hub-signature-256", format!("sha256={signature}")),
                ("x-github-event", "pull_request".to_owned()),
                ("x-github-delivery", "guid-1".to_owned()),
            ]
        }
        _ => {
            let secret = SecretString::from(SIGNING_SECRET);
            let signature = signature(&secret, at.as_secs(), body.as_bytes());
            vec![
                ("x-slack-request-timestamp", at.as_secs().to_string()),
                ("x-slack-signature", signature),
            ]
        }
    }
}

/// The status with which a door answers while its platform waits.
pub async fn knock(stage: &Stage, door: &str, headers: &[(&str, String)], body: &str) -> u16 {
    let address = format!("{}{door}", stage.context.config.public_url);
    let mut request = reqwest::Client::new()
        .post(address)
        .timeout(LINEAR_WAITS)
        .body(body.to_owned());
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    request.send().await.unwrap().status().as_u16()
}

async fn with_linear() -> Stage {
    Stage::open_with(Props {
        linear: Beside::Present,
        ..Props::default()
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_says_that_it_is_too_large_is_not_even_read() {
    let stage = with_linear().await;
    for (door, source) in DOORS {
        let before = counted(&stage, source, "oversized").await;
        // Not one byte of the body follows.
        let beginning =
            format!("POST {door} HTTP/1.1\r\nhost: d\r\ncontent-length: {TOO_LARGE}\r\n\r\n");
        assert_eq!(answer_to(&stage, &beginning).await, 413, "{door}");
        assert!(
            counted(&stage, source, "oversized").await > before,
            "{door}"
        );
    }
    assert_eq!(stage.rows("inbox").await, 0);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_say_how_large_it_is_is_read_up_to_the_limit() {
    let stage = Stage::open().await;
    let chunk = "x".repeat(TOO_LARGE);
    // The chunk is the limit and one byte; its end, which a request has to have, does not follow.
    let beginning = format!(
        "POST /slack/events HTTP/1.1\r\nhost: d\r\ntransfer-encoding: chunked\r\n\r\n{TOO_LARGE:x}\r\n{chunk}"
    );
    assert_eq!(answer_to(&stage, &beginning).await, 413);
    assert_eq!(stage.rows("inbox").await, 0);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_come_to_its_end_is_given_up() {
    let stage = Stage::open().await;
    let before = counted(&stage, "slack", "slow").await;
    let beginning = "POST /slack/events HTTP/1.1\r\nhost: d\r\ncontent-length: 100\r\n\r\n{";
    assert_eq!(answer_to(&stage, beginning).await, 408);
    assert!(counted(&stage, "slack", "slow").await > before);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_asks_for_nothing_is_closed() {
    let stage = Stage::open().await;
    let mut connection = connect(&stage).await;
    connection
        .write_all(b"POST /slack/events HTTP/1.1\r\nhost: d\r\n")
        .await
        .unwrap();
    // The head never ends. Whatever is said to it, the connection has to end.
    let mut told = Vec::new();
    let ended = tokio::time::timeout(PATIENCE, connection.read_to_end(&mut told));
    ended.await.expect("it stays open").unwrap();
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_signed_and_cannot_be_read_is_refused() {
    let stage = Stage::open().await;
    let before = counted(&stage, "slack", "malformed").await;
    let deep = "[".repeat(100_000);
    let broken = ["", "{", "\u{0}", r#"{"type":"event_callback""#, &deep];
    for body in broken {
        let tries = send(&stage, body).await;
        assert!(tries.iter().all(|status| *status == 400), "{tries:?}");
    }
    let form = stage.slack.post_signed(
        Door::Interactions,
        "application/x-www-form-urlencoded",
        "payload=%7B".into(),
    );
    assert!(!form.await.unwrap().accepted());
    assert!(counted(&stage, "slack", "malformed").await >= before + 6);
    assert_eq!(stage.rows("inbox").await, 0);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_signed_and_unknown_is_acknowledged_counted_and_not_kept() {
    let stage = Stage::open().await;
    let before = counted(&stage, "slack", "unknown").await;
    let unknown = [
        "null",
        "7",
        "[]",
        r#"{"type":"of_next_year"}"#,
        r#"{"type":"event_callback","event":{"type":"of_next_year"}}"#,
        r#"{"type":"event_callback","event":7}"#,
        r#"{"type":"block_actions","actions":[]}"#,
    ];
    for body in unknown {
        assert_eq!(send(&stage, body).await, [200], "{body}");
    }
    let after = counted(&stage, "slack", "unknown").await;
    assert!(after >= before + unknown.len() as u64);
    assert_eq!(stage.rows("inbox").await, 0);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_refuses_and_the_request_counts_when_it_comes_again() {
    let stage = Stage::open().await;
    let body = mention("1.000001");
    let ask = async |ahead: Duration| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + ahead;
        let secret = SecretString::from(SIGNING_SECRET);
        let request = reqwest::Client::new()
            .post(format!("{}/slack/events", stage.context.config.public_url))
            .header("x-slack-request-timestamp", now.as_secs())
            .header(
                "x-slack-signature",
                signature(&secret, now.as_secs(), body.as_bytes()),
            )
            .body(body.clone());
        request.send().await.unwrap().status().as_u16()
    };
    let (refused, unsigned) = (
        counted(&stage, "slack", "stale").await,
        counted(&stage, "slack", "unsigned").await,
    );
    let jump = Duration::from_hours(1);
    stage.clock.advance(jump);
    assert_eq!(ask(Duration::ZERO).await, 401);
    assert!(counted(&stage, "slack", "stale").await > refused);
    assert_eq!(counted(&stage, "slack", "unsigned").await, unsigned);
    assert_eq!(stage.rows("inbox").await, 0);
    assert_eq!(ask(jump).await, 200);
    assert_eq!(stage.rows("inbox").await, 1);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_database_does_not_take_is_not_acknowledged_and_counts_when_it_comes_again() {
    let stage = Stage::open().await;
    let database = sqlx::SqlitePool::connect(&stage.context.config.database_url)
        .await
        .unwrap();
    let run = async |sql: &'static str| {
        sqlx::query(sql).execute(&database).await.unwrap();
    };
    let before = counted(&stage, "slack", "unstored").await;
    // What SQLite says of a disk without room.
    run("CREATE TRIGGER no_room BEFORE INSERT ON inbox
         BEGIN SELECT RAISE(FAIL, 'database or disk is full'); END")
    .await;
    let refused = send(&stage, mention("1.000001")).await;
    assert!(refused.iter().all(|status| *status == 503), "{refused:?}");
    assert!(counted(&stage, "slack", "unstored").await > before);
    assert_eq!(stage.rows("inbox").await, 0);
    run("DROP TRIGGER no_room").await;

    // Somebody else keeps the file to himself for longer than Slack waits.
    let mut held = database.acquire().await.unwrap();
    sqlx::query("BEGIN IMMEDIATE")
        .execute(&mut *held)
        .await
        .unwrap();
    let refused = send(&stage, mention("1.000001")).await;
    assert!(refused.iter().all(|status| *status == 503), "{refused:?}");
    sqlx::query("ROLLBACK").execute(&mut *held).await.unwrap();
    drop(held);

    assert_eq!(send(&stage, mention("1.000001")).await, [200]);
    assert_eq!(stage.rows("inbox").await, 1);
    database.close().await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_platform_waits_for_a_database_that_does_not_say_whose_something_is() {
    let stage = Stage::open_with(Props {
        database: Database::Server,
        linear: Beside::Present,
        ..Props::default()
    })
    .await;
    let before = counted(&stage, "slack", "unstored").await;
    let address = &stage.context.config.database_url;
    let mut holder = sqlx::PgConnection::connect(address).await.unwrap();
    // Whoever looks for a task waits until this is over.
    for statement in ["BEGIN", "LOCK TABLE tasks"] {
        sqlx::query(statement).execute(&mut holder).await.unwrap();
    }
    let reply = json!({
        "type": "event_callback", "team_id": "T0ACME",
        "event": { "type": "message", "user": "UANA", "channel": "CENG", "ts": "2.000001", "thread_ts": "1.000001", "text": "and the tests?" },
    })
    .to_string();
    let refused = send(&stage, reply.as_str()).await;
    assert!(refused.iter().all(|status| *status == 503), "{refused:?}");
    let edit = json!({
        "type": "Issue", "action": "update", "updatedFrom": { "title": "Before" }, "webhookTimestamp": now().as_secs() * 1_000,
        "data": { "id": "i1", "updatedAt": "2026-01-01T00:00:00.000Z", "identifier": "ENG-1" },
    });
    let repository = json!({ "full_name": "acme/web" });
    let merged = json!({
        "action": "closed", "repository": repository, "sender": { "login": "ben" },
        "pull_request": { "merged": true, "head": { "ref": "deckhand/fix-abc123", "repo": repository } },
    });
    let others = [("/linear/webhooks", edit), ("/github/webhooks", merged)];
    let others = others.map(|(door, payload)| (door, payload.to_string()));
    for (door, body) in &others {
        let headers = signed(door, body, now());
        assert_eq!(knock(&stage, door, &headers, body).await, 503, "{door}");
    }
    holder.close().await.unwrap();
    assert!(counted(&stage, "slack", "unstored").await > before);
    // Nobody here is concerned.
    assert_eq!(send(&stage, reply.as_str()).await.last(), Some(&200));
    for (door, body) in &others {
        let headers = signed(door, body, now());
        assert_eq!(knock(&stage, door, &headers, body).await, 200, "{door}");
    }
    assert_eq!(stage.rows("inbox").await, 0);
    stage.close().await;
}

/// Requests that came to a door, what has to become of each, and its status.
type Knocks = Vec<(
    &'static str,
    Vec<(&'static str, String)>,
    String,
    (&'static str, u16),
)>;

/// What is not the platform's own: without a signature, and with one of something else.
fn unsigned() -> Knocks {
    let doors = DOORS.into_iter().flat_map(|(door, _)| {
        let stolen = signed(door, "another body", now());
        [Vec::new(), stolen].map(|headers| (door, headers, "{}".to_owned(), ("unsigned", 401)))
    });
    doors.collect()
}

/// What is signed at this moment or an hour ago, and is none of what its platform sends.
fn odd() -> Knocks {
    let now = now();
    let then = now.saturating_sub(Duration::from_hours(1));
    let at = |moment: Duration| {
        let payload = json!({ "type": "OfNextYear", "webhookTimestamp": moment.as_secs() * 1_000 });
        payload.to_string()
    };
    let (of_now, of_then, mention) = (at(now), at(then), mention("1.000001"));
    let form = "payload=%7B%22type%22%3A%22of_next_year%22%7D";
    let (stale, malformed, unknown) = (("stale", 401), ("malformed", 400), ("unknown", 200));
    let all = [
        ("/slack/events", then, mention.as_str(), stale),
        ("/slack/events", now, "{", malformed),
        ("/slack/events", now, "[]", unknown),
        ("/slack/interactions", then, form, stale),
        ("/slack/interactions", now, "payload=%7B", malformed),
        ("/slack/interactions", now, form, unknown),
        ("/slack/commands", then, "command=%2Fdeckhand", stale),
        ("/slack/commands", now, "", malformed),
        ("/slack/commands", now, "of=next_year", unknown),
        ("/linear/webhooks", now, &of_then, stale),
        // What states no moment could come again at any.
        ("/linear/webhooks", now, r#"{"type":"Issue"}"#, stale),
        // What cannot be read states none either, and is no repeat for that.
        ("/linear/webhooks", now, r#"{"type":"#, malformed),
        ("/linear/webhooks", now, &of_now, unknown),
        ("/github/webhooks", now, "{", malformed),
        ("/github/webhooks", now, r#"{"action":"opened"}"#, unknown),
    ];
    let all = all.into_iter().map(|(door, moment, body, expected)| {
        let headers = signed(door, body, moment);
        (door, headers, body.to_owned(), expected)
    });
    all.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_becomes_of_a_request_has_its_status_and_its_count_at_every_door() {
    let stage = with_linear().await;
    let sources = BTreeMap::from(DOORS);
    for (door, headers, body, (result, status)) in unsigned().into_iter().chain(odd()) {
        let before = counted(&stage, sources[door], result).await;
        let answered = knock(&stage, door, &headers, &body).await;
        assert_eq!(answered, status, "{door}, {result}: {body}");
        let after = counted(&stage, sources[door], result).await;
        assert!(after > before, "{door}, {result}: {body}");
    }
    assert_eq!(stage.rows("inbox").await, 0);
    stage.close().await;
}
