//! Slack's own clients from npm against the stand-in, so that it cannot drift towards the client of this project.
//!
//! `script/test` installs them into `.deckhand/slack-clients`, as `script/lib/bolt.sh` says. Without them these tests fail.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use deckhand_world::slack::{
    APP_TOKEN, ChannelKind, Fault, Membership, On, Outcome, Road, Slack, SlackOptions, Thread,
    ViewAnswer, played_methods,
};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::{SECRET, Stage, TOKEN};

/// Node.js has to start and load its packages on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_mins(1);

fn root() -> &'static Path {
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    above.into_iter().nth(2).unwrap()
}

/// A script of `fixtures/slack-clients`, running.
struct Script {
    child: Child,
    input: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Script {
    fn start(slack: &Slack, name: &str, more: &[(&str, &str)]) -> Self {
        let root = root();
        let packages = root.join(".deckhand/slack-clients/node_modules");
        assert!(
            packages.join("@slack/web-api").is_dir() && packages.join("@slack/bolt").is_dir(),
            "Slack's clients are not installed in {}: `script/test` does it, or `source script/lib/bolt.sh` and `slack_clients_up`",
            packages.display()
        );
        let mut child = Command::new("node")
            .arg(root.join("tests/world/fixtures/slack-clients").join(name))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("NODE_PATH", packages)
            .env("SLACK_API_URL", format!("{}/", slack.api_url()))
            .env("SLACK_BOT_TOKEN", TOKEN)
            .env("SLACK_APP_TOKEN", APP_TOKEN)
            .env("SLACK_SIGNING_SECRET", SECRET)
            .envs(more.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self {
            input: child.stdin.take(),
            child,
            lines,
        }
    }

    async fn line(&mut self) -> String {
        let line = tokio::time::timeout(PATIENCE, self.lines.next_line()).await;
        line.unwrap().unwrap().unwrap()
    }

    /// What the app tells next.
    async fn told(&mut self) -> Value {
        serde_json::from_str(&self.line().await).unwrap()
    }

    /// Waits for what the app tells of one thing; other things may come before.
    async fn heard(&mut self, what: &str) -> Value {
        loop {
            let told = self.told().await;
            assert_ne!(told["heard"], "error", "{told}");
            if told["heard"] == what {
                return told;
            }
        }
    }

    async fn end(mut self) -> bool {
        drop(self.input.take());
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        ended.unwrap().unwrap().success()
    }
}

#[tokio::test]
async fn slacks_own_client_is_served_by_every_method() {
    let stage = Stage::set().await;
    stage
        .slack
        .add_channel("away", ChannelKind::Public, Membership::Absent);
    let mut script = Script::start(&stage.slack, "calls.js", &[("BAD_MOMENTS", "next")]);
    assert_eq!(script.line().await, "ready");
    let limited = |seconds| Fault::RateLimited {
        retry_after: Duration::from_secs(seconds),
    };
    stage.slack.fail_next("team.info", limited(1));
    stage.slack.fail_next("users.info", Fault::ServerError);
    stage.slack.fail_next("conversations.info", limited(7));
    script
        .input
        .as_mut()
        .unwrap()
        .write_all(b"go on\n")
        .await
        .unwrap();
    assert!(script.end().await, "it told why above");
    assert_eq!(stage.slack.violations(), Vec::<String>::new());
    let called: Vec<String> = stage
        .slack
        .calls()
        .into_iter()
        .map(|call| call.method)
        .collect();
    let silent: Vec<&str> = played_methods()
        // Opened from a press, which the app on Bolt has.
        .filter(|method| !["views.open", "views.update"].contains(method))
        .filter(|method| !called.iter().any(|one| one == method))
        .collect();
    assert_eq!(
        silent,
        Vec::<&str>::new(),
        "methods that calls.js does not call"
    );
}

#[tokio::test]
async fn an_app_on_bolt_hears_what_is_delivered_to_its_door() {
    let stage = Stage::set().await;
    let mut app = Script::start(&stage.slack, "app.js", &[("APP_ROAD", "http")]);
    let port = app.heard("started").await["port"].as_u64().unwrap();
    let door = format!("http://127.0.0.1:{port}/slack/events");
    stage.slack.set_app_urls(&door, &door, &door);
    work_with(&stage.slack, &mut app).await;

    // Somebody who does not know the secret is not heard.
    let stranger = Slack::start(SlackOptions {
        signing_secret: SecretString::from("another secret"),
        bot_token: SecretString::from(TOKEN),
        port: 0,
        methods_dir: None,
    })
    .await
    .unwrap();
    stranger.set_app_urls(&door, &door, &door);
    let delivery = stranger.shortcut("ana", "new_task").await.unwrap();
    let refused = delivery
        .attempts
        .iter()
        .all(|attempt| attempt.outcome == Outcome::Answered(401));
    assert!(refused, "{:?}", delivery.attempts);
    assert!(app.end().await);
    assert_eq!(stage.slack.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn an_app_on_bolt_hears_what_comes_through_its_socket() {
    let stage = Stage::set().await;
    stage.slack.set_road(Road::Socket);
    let mut app = Script::start(&stage.slack, "app.js", &[("APP_ROAD", "socket")]);
    app.heard("started").await;
    stage.slack.wait_for_sockets(1).await;
    work_with(&stage.slack, &mut app).await;
    assert!(app.end().await);
    assert_eq!(stage.slack.violations(), Vec::<String>::new());
}

/// One of everything that people do.
async fn work_with(slack: &Slack, app: &mut Script) {
    let thread = slack.mention("ana", "eng", "fix it").await.unwrap();
    let mention = app.heard("app_mention").await;
    assert_eq!(mention["text"], "<@U0DECK> fix it");
    assert_eq!(mention["me"], "U0DECK");
    thread.wait_for_words("A card").await.unwrap();
    talk(&thread, app).await;
    press(slack, &thread, app).await;
    let shortcut = thread.shortcut("ana", "message_to_task", On::Root).await;
    assert!(shortcut.unwrap().accepted());
    assert_eq!(
        app.heard("message shortcut").await["text"],
        "<@U0DECK> fix it"
    );
    assert!(slack.shortcut("ana", "new_task").await.unwrap().accepted());
    assert_eq!(app.heard("shortcut").await["by"], "UANA");
    let answer = slack.slash("ana", "eng", "list").await.unwrap();
    assert_eq!(
        (answer.accepted, answer.text.as_str()),
        (true, "heard list")
    );
    assert_eq!(app.heard("command").await["text"], "list");
    assert!(slack.open_home("ana").await.unwrap().accepted());
    app.heard("home").await;
    assert_eq!(slack.home("ana").as_deref(), Some("Yours\nMine"));
    assert!(slack.press_at_home("ana", "Mine").await.unwrap().accepted());
    let pressed = app.heard("pressed at home").await;
    let expected =
        json!({ "heard": "pressed at home", "value": "2", "view": "home", "container": "view" });
    assert_eq!(pressed, expected);
    let view = slack.wait_for_view("ana", PATIENCE).await.unwrap();
    assert_eq!(view.payload["title"]["text"], "From home");
}

/// What is said, edited, marked, stopped and taken back.
async fn talk(thread: &Thread, app: &mut Script) {
    let said = thread.say("ben", "one more thing").await.unwrap();
    while app.heard("message").await["text"] != "one more thing" {}
    thread.edit("ben", &said.ts, "another thing").await.unwrap();
    let edited = app.heard("edited").await;
    assert_eq!(edited["before"], "one more thing");
    assert_eq!(edited["now"], "another thing");
    thread.react("ben", "eyes", On::Root).await.unwrap();
    assert_eq!(app.heard("reaction").await["name"], "eyes");
    thread.stop_session("ana").await.unwrap();
    assert_eq!(app.heard("stopped").await["thread"], json!(thread.root()));
    thread.delete("ben", &said.ts).await.unwrap();
    assert_eq!(app.heard("deleted").await["ts"], json!(said.ts));
}

/// A button opens a form, which is refused once and then taken.
async fn press(slack: &Slack, thread: &Thread, app: &mut Script) {
    assert!(thread.press("ana", "Go").await.unwrap().accepted());
    let pressed = app.heard("pressed").await;
    assert_eq!(pressed["value"], "1");
    assert_eq!(pressed["message"], "A card");
    let view = thread.wait_for_view("ana").await.unwrap();
    assert_eq!(view.payload["title"]["text"], "The form");
    thread.wait_for_words("It is open.").await.unwrap();
    let offered = slack.look_into("ana", "which", "ap").await.unwrap();
    assert_eq!(offered, ["apple", "apricot"]);
    let looked = app.heard("looked").await;
    let expected = json!({ "heard": "looked", "written": "ap", "by": "UANA", "in": "form" });
    assert_eq!(looked, expected);
    assert!(slack.look_into("ana", "which", "a").await.is_err());
    let refused = thread.submit_view("ana", &[("said", "no")]).await.unwrap();
    let told = ("said".to_owned(), "Say more.".to_owned());
    assert_eq!(refused, ViewAnswer::Errors(vec![told]));
    let fields = [("said", "as Ben said")];
    let taken = thread.submit_view("ana", &fields).await.unwrap();
    assert_eq!(taken, ViewAnswer::Closed);
    assert_eq!(app.heard("submitted").await["said"], "no");
    let submitted = app.heard("submitted").await;
    assert_eq!(submitted["said"], "as Ben said");
    assert_eq!(submitted["by"], "UANA");
}
