//! Many workspaces of Slack with one Deckhand: each installs the app, has its own conversations and token, and leaves alone.

mod links;

use std::time::Duration;

use deckhand::{domain::task::Task, slack::ids};
use deckhand_world::slack::{
    Call, ExchangeFault, Home, Lobby, Rotation, Slack, SlackOptions, Thread, TokenStanding,
};
use secrecy::SecretString;
use serde_json::json;

use crate::harness::{
    Bot, CHANNEL, PATIENCE, Props, REQUEST, SIGNING_SECRET, Stage,
    asking::{says, until, whispered},
    program::Deckhand,
};

const CLIENT_ID: &str = "2041.77";
const CLIENT_SECRET: &str = "canary-of-slacks-client-secret-83";
const ACME: &str = "T0ACME";
const BETA: &str = "T0BETA";
const GRID: &str = "E0GRID";
/// What stands in the answer to `help`.
const HELP: &str = "Say what should be different";

/// Somebody's browser.
struct Browser {
    http: reqwest::Client,
    cookie: String,
}

impl Browser {
    fn new() -> Self {
        let http = reqwest::Client::builder();
        let http = http.redirect(reqwest::redirect::Policy::none());
        Self {
            http: http.build().unwrap(),
            cookie: String::new(),
        }
    }

    /// Begins an installation; the page at Slack that it is sent to.
    async fn begin(&mut self, stage: &Stage) -> String {
        let address = format!("{}/slack/install", stage.context.config.public_url);
        let answer = self.http.get(address).send().await.unwrap();
        assert_eq!(answer.status(), 303);
        let cookie = answer.headers()["set-cookie"].to_str().unwrap();
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"));
        cookie
            .split(';')
            .next()
            .unwrap()
            .clone_into(&mut self.cookie);
        answer.headers()["location"].to_str().unwrap().to_owned()
    }

    /// Comes back from Slack to a server that goes away before it answers.
    async fn is_left_alone(&self, address: &str) {
        let request = self.http.get(address).header("cookie", &self.cookie);
        request.send().await.expect_err("it was answered");
    }

    /// Comes back from Slack: status and page.
    async fn back(&self, address: &str) -> (u16, String) {
        let request = self.http.get(address).header("cookie", &self.cookie);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.headers()["cache-control"], "no-store");
        (answer.status().as_u16(), answer.text().await.unwrap())
    }
}

/// A stage whose Slack stands behind a lobby, with nothing installed yet.
struct Many {
    stage: Stage,
    lobby: Lobby,
}

impl Many {
    async fn open(teams: &str) -> Self {
        Self::open_as(teams, Bot::Inside).await
    }

    async fn open_as(teams: &str, bot: Bot) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let secret = SecretString::from(CLIENT_SECRET);
        let lobby = Lobby::start(CLIENT_ID, secret).await.unwrap();
        let settings = vec![
            ("SLACK_BOT_TOKEN", String::new()),
            ("SLACK_CLIENT_ID", CLIENT_ID.to_owned()),
            ("SLACK_CLIENT_SECRET", CLIENT_SECRET.to_owned()),
            ("SLACK_INSTALL_TEAMS", teams.to_owned()),
            ("SLACK_API_URL", lobby.api_url()),
        ];
        let props = Props {
            settings,
            bot,
            ..Props::default()
        };
        let stage = Stage::open_with(props).await;
        lobby.add(&stage.slack);
        Self { stage, lobby }
    }

    /// Another workspace behind the lobby.
    async fn beside(&self, home: Home) -> Slack {
        let options = SlackOptions {
            signing_secret: SecretString::from(SIGNING_SECRET),
            bot_token: SecretString::from("xoxb-of-the-other-workspace"),
            port: 0,
            methods_dir: None,
        };
        let slack = Slack::start(options).await.unwrap();
        slack.set_home(home);
        self.leads(&slack);
        self.lobby.add(&slack);
        slack
    }

    /// Leads a workspace to the doors, which are elsewhere after each start.
    fn leads(&self, slack: &Slack) {
        let doors = &self.stage.context.config.public_url;
        slack.set_app_urls(
            &format!("{doors}/slack/events"),
            &format!("{doors}/slack/interactions"),
            &format!("{doors}/slack/commands"),
        );
    }

    /// Somebody installs the app; what they read in the end.
    async fn install(&self, home: &str) -> (u16, String) {
        let mut browser = Browser::new();
        let page = browser.begin(&self.stage).await;
        browser.back(&self.lobby.agree(&page, home).unwrap()).await
    }

    async fn is_installed(&self, home: &str) {
        let (status, page) = self.install(home).await;
        assert_eq!(status, 200, "{page}");
        assert!(page.contains("<h1>Deckhand is in "), "{page}");
    }

    /// The task of a thread of any workspace, once it stands so.
    async fn stands(&self, home: &str, thread: &Thread, state: &str) -> Task {
        let (channel, root) = (thread.channel().as_str(), thread.root().as_str());
        let conversation = ids::conversation(home, channel, Some(root));
        until(PATIENCE, || async {
            let stored = self
                .stage
                .context
                .store
                .task_of(&conversation)
                .await
                .unwrap();
            let task = stored.map(|stored| stored.task).ok_or("there is no task")?;
            if task.state.name() == state {
                return Ok(task);
            }
            Err(format!(
                "it is {}, not {state}\n{}",
                task.state.name(),
                thread.render()
            ))
        })
        .await
    }

    /// The token is to be renewed, and whoever believed otherwise begins anew.
    async fn is_due(&mut self) {
        self.stage
            .damage("UPDATE slack_workspaces SET renew_ms = 1 WHERE renew_ms <> 0")
            .await;
        self.stage.restart().await;
    }

    async fn readyz(&self, words: &str) {
        until(PATIENCE, || async {
            let (_, told) = self.stage.get("/readyz").await;
            told.contains(words).then_some(()).ok_or(told)
        })
        .await;
    }

    async fn close(self, beside: &[&Slack]) {
        self.stage.settle().await;
        assert_eq!(self.lobby.violations(), Vec::<String>::new());
        for slack in beside {
            assert_eq!(slack.violations(), Vec::<String>::new());
        }
        self.stage.close().await;
    }
}

fn beta() -> Home {
    Home {
        team: BETA.to_owned(),
        name: "Beta".to_owned(),
        organisation: None,
    }
}

async fn mention(slack: &Slack, text: &str) -> Thread {
    let thread = slack.mention("ana", CHANNEL, text).await.unwrap();
    thread.with_patience(PATIENCE)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workspaces_each_have_their_own_tasks_and_leave_and_return_alone() {
    let many = Many::open("T0ACME,T0BETA").await;
    let other = many.beside(beta()).await;
    // Nobody is heard whose workspace has not installed it.
    mention(&other, REQUEST).await;
    many.stage.settle().await;
    assert_eq!(many.stage.rows("tasks").await, 0);

    many.is_installed(ACME).await;
    many.is_installed(BETA).await;
    let here = many.stage.planned(REQUEST).await;
    let there = mention(&other, REQUEST).await;
    many.stands(BETA, &there, "awaiting_approval").await;
    says(&there, "Your decision").await;
    // The people of one are not those of the other, though their names are alike.
    let asked = many.stage.mention("list").await;
    whispered(&asked, "approve its plan").await;
    there.say("ana", "approve").await.unwrap();
    many.stands(BETA, &there, "in_review").await;
    says(&there, "Pull request #").await;

    let second = mention(&other, REQUEST).await;
    many.stands(BETA, &second, "awaiting_approval").await;
    many.lobby.revoke(BETA);
    let gone = json!({ "type": "app_uninstalled" });
    assert!(other.say_of_app(&gone).await.unwrap().accepted());
    many.stands(BETA, &second, "canceled").await;
    many.readyz("was removed from the Slack workspace Beta")
        .await;
    many.stage.settle().await;
    assert_eq!(
        many.stage.task(&here).await.state.name(),
        "awaiting_approval"
    );
    let before = other.calls().len();
    mention(&other, REQUEST).await;
    many.stage.settle().await;
    assert_eq!(other.calls().len(), before);
    assert_eq!(
        many.stage
            .number("SELECT count(*) FROM secrets WHERE name = 'slack:T0BETA'")
            .await,
        0
    );

    many.is_installed(BETA).await;
    let third = mention(&other, "help").await;
    whispered(&third, HELP).await;
    many.stage.stop(&here).await;
    many.close(&[&other]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_come_from_the_browser_that_began_it_in_time_installs_nothing() {
    let many = Many::open("*").await;
    let mut browser = Browser::new();
    let page = browser.begin(&many.stage).await;
    let agreed = many.lobby.agree(&page, ACME).unwrap();
    let stale = async |browser: &Browser, address: &str| {
        let (status, text) = browser.back(address).await;
        assert_eq!(status, 400, "{text}");
        assert!(
            text.contains("cannot be finished") && text.contains("Begin again"),
            "{text}"
        );
    };
    // Somebody else's browser, with no cookie and with one of its own.
    let mut stranger = Browser::new();
    stale(&stranger, &agreed).await;
    stranger.begin(&many.stage).await;
    stale(&stranger, &agreed).await;
    // A state that nobody made here.
    let forged = agreed.replace("state=", "state=1");
    stale(&browser, &forged).await;
    stale(&browser, agreed.split("&state=").next().unwrap()).await;
    assert_eq!(many.lobby.exchanges(), (0, 0), "no code was used");
    assert_eq!(many.stage.rows("slack_returns").await, 0);

    // Whoever does not want to.
    let (status, text) = browser.back(&many.lobby.deny(&page).unwrap()).await;
    assert!(
        status == 200 && text.contains("Nothing was changed"),
        "{text}"
    );
    // What Slack does not take.
    let wrong = agreed.replace("code-canary", "code-other");
    let (status, text) = browser.back(&wrong).await;
    assert!(status == 400 && text.contains("invalid_code"), "{text}");
    // That one counts once, whatever came of it.
    stale(&browser, &agreed).await;

    let page = browser.begin(&many.stage).await;
    let agreed = many.lobby.agree(&page, ACME).unwrap();
    assert_eq!(browser.back(&agreed).await.0, 200);
    // The same page is loaded again: it is done, and done once.
    let (status, text) = browser.back(&agreed).await;
    assert!(
        status == 200 && text.contains("Deckhand is in Acme"),
        "{text}"
    );
    assert_eq!(
        (many.lobby.exchanges(), many.lobby.living_tokens()),
        ((1, 0), 1)
    );

    let page = browser.begin(&many.stage).await;
    let late = many.lobby.agree(&page, ACME).unwrap();
    many.stage.clock.advance(Duration::from_mins(10));
    stale(&browser, &late).await;
    assert_eq!(many.stage.rows("slack_workspaces").await, 1);
    many.close(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_workspaces_that_are_named_are_taken_and_the_others_token_is_given_back() {
    let many = Many::open("T0BETA").await;
    let (status, page) = many.install(ACME).await;
    assert_eq!(status, 403, "{page}");
    assert!(
        page.contains("<code>T0ACME</code>") && page.contains("SLACK_INSTALL_TEAMS"),
        "{page}"
    );
    assert_eq!(
        (many.lobby.exchanges(), many.lobby.living_tokens()),
        ((1, 0), 0)
    );
    assert_eq!(many.stage.rows("slack_workspaces").await, 0);
    assert_eq!(many.stage.rows("secrets").await, 0);
    many.close(&[]).await;

    let nobody = Many::open("").await;
    let (status, page) = nobody.stage.get("/slack/install").await;
    assert_eq!(status, 403, "{page}");
    assert!(page.contains("has named none"), "{page}");
    nobody.close(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_lost_between_slack_and_the_disk_is_had_again_by_beginning_again() {
    let many = Many::open("*").await;
    many.stage
        .damage("CREATE TRIGGER no_room BEFORE INSERT ON slack_workspaces BEGIN SELECT RAISE(FAIL, 'database or disk is full'); END")
        .await;
    let (status, page) = many.install(ACME).await;
    assert_eq!(status, 503, "{page}");
    assert!(page.contains("could not store"), "{page}");
    assert_eq!(
        many.stage.rows("secrets").await,
        0,
        "not one without the other"
    );
    many.stage.damage("DROP TRIGGER no_room").await;
    for fault in [
        ExchangeFault::DropAnswer,
        ExchangeFault::ServerError,
        ExchangeFault::RateLimited,
    ] {
        many.lobby.fail_next(fault);
        let (status, page) = many.install(ACME).await;
        assert_eq!(status, 503, "{fault:?}: {page}");
        assert!(page.contains("Slack did not answer"), "{page}");
    }
    many.lobby.set_scopes(&["chat:write", "users:read"]);
    let (status, page) = many.install(ACME).await;
    assert_eq!(status, 200);
    assert!(
        page.contains("works only in part") && page.contains("app_mentions:read"),
        "{page}"
    );
    many.close(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_renewed_once_before_its_end_however_many_need_it() {
    let mut many = Many::open("*").await;
    many.lobby.set_rotation(Rotation::On);
    many.is_installed(ACME).await;
    many.lobby.set_slow(Duration::from_millis(300));
    for renewed in 1..=2 {
        many.is_due().await;
        let threads = tokio::join!(
            many.stage.mention("help"),
            many.stage.mention("help"),
            many.stage.mention("help"),
            many.stage.mention("help"),
        );
        for thread in [threads.0, threads.1, threads.2, threads.3] {
            whispered(&thread, HELP).await;
        }
        many.stage.settle().await;
        let version = "SELECT version FROM slack_workspaces WHERE id = 'T0ACME'";
        many.stage
            .eventually("renewed", async || {
                many.stage.number(version).await == renewed + 1
            })
            .await;
        assert_eq!(
            many.lobby.exchanges(),
            (1, usize::try_from(renewed).unwrap())
        );
    }
    let thread = many.stage.mention("help").await;
    whispered(&thread, HELP).await;
    many.close(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_that_slack_refuses_asks_for_a_new_installation_and_loses_no_message() {
    let mut many = Many::open("*").await;
    many.lobby.set_rotation(Rotation::On);
    many.is_installed(ACME).await;
    let first = many.stage.planned(REQUEST).await;
    // Slack has done it, and the answer is lost: the token that it was asked with is worth nothing any more.
    many.lobby.fail_next(ExchangeFault::DropAnswer);
    for _ in 0..2 {
        many.is_due().await;
        // Until its end the one before is good.
        let thread = many.stage.mention("help").await;
        whispered(&thread, HELP).await;
    }
    many.readyz("does not renew the token of the workspace Acme any more (invalid_refresh_token)")
        .await;
    many.stage.settle().await;

    // It ends. What is to be said waits, and is said once the app was installed again.
    many.stage.damage("UPDATE secrets SET ends_ms = 1").await;
    many.stage
        .damage("UPDATE slack_workspaces SET version = version + 1")
        .await;
    many.stage.restart().await;
    let calls = many.stage.slack.calls().len();
    first.say("ana", "approve").await.unwrap();
    many.stage
        .eventually("a delivery that waits", async || {
            many.stage
                .number("SELECT count(*) FROM inbox WHERE state = 'waiting' AND attempts > 0")
                .await
                > 0
        })
        .await;
    assert_eq!(many.stage.slack.calls().len(), calls);
    many.is_installed(ACME).await;
    assert!(!many.stage.get("/readyz").await.1.contains("does not renew"));
    until(PATIENCE, || async {
        many.stage
            .damage("UPDATE inbox SET due_ms = 1 WHERE state = 'waiting'")
            .await;
        let state = many.stage.task(&first).await.state;
        let is_over = state.name() == "in_review";
        is_over.then_some(()).ok_or(format!("{state:?}"))
    })
    .await;
    many.close(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organisation_installs_it_once_and_each_of_its_workspaces_can_be_taken_out() {
    let many = Many::open("E0GRID").await;
    let grid = many
        .beside(Home {
            team: "T0ONE".to_owned(),
            name: "Grid".to_owned(),
            organisation: Some(GRID.to_owned()),
        })
        .await;
    many.is_installed(GRID).await;
    let thread = mention(&grid, REQUEST).await;
    let task = many.stands(GRID, &thread, "awaiting_approval").await;
    assert_eq!(task.request.author.id.0, "slack:E0GRID:UANA");
    says(&thread, "Your decision").await;
    // Buttons, commands and the page come without a word of the workspace in their conversation's name.
    thread.press("ana", "Approve").await.unwrap();
    many.stands(GRID, &thread, "in_review").await;
    grid.slash("ana", CHANNEL, "list").await.unwrap();
    grid.open_home("ana").await.unwrap();
    until(PATIENCE, || async {
        grid.home("ana")
            .map(drop)
            .ok_or("there is no page".to_owned())
    })
    .await;

    let second = mention(&grid, REQUEST).await;
    many.stands(GRID, &second, "awaiting_approval").await;
    let elsewhere = json!({ "type": "team_access_revoked", "team_ids": ["T0TWO"] });
    grid.say_of_app(&elsewhere).await.unwrap();
    many.stage.settle().await;
    many.stands(GRID, &second, "awaiting_approval").await;
    let here = json!({ "type": "team_access_revoked", "team_ids": ["T0TWO", "T0ONE"] });
    grid.say_of_app(&here).await.unwrap();
    many.stands(GRID, &second, "canceled").await;
    many.close(&[&grid]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_token_and_no_code_stands_in_the_log_on_a_page_or_unsealed_in_the_database() {
    let mut many = Many::open_as("*", Bot::Program).await;
    many.lobby.set_rotation(Rotation::On);
    let mut pages = String::new();
    many.lobby.fail_next(ExchangeFault::Garbled);
    pages += &many.install(ACME).await.1;
    many.lobby.fail_next(ExchangeFault::DropAnswer);
    pages += &many.install(ACME).await.1;
    pages += &many.install(ACME).await.1;
    assert!(pages.contains("Deckhand is in Acme"), "{pages}");
    let thread = many.stage.mention("help").await;
    whispered(&thread, HELP).await;
    many.lobby.fail_next(ExchangeFault::Garbled);
    let mut log = String::new();
    for _ in 0..2 {
        log += &many.stage.process_log();
        many.is_due().await;
        let thread = many.stage.mention("help").await;
        whispered(&thread, HELP).await;
    }
    many.readyz("does not renew the token").await;
    many.stage.settle().await;
    log += &many.stage.process_log();
    assert!(log.contains("does not renew the token"), "{log}");
    let mut secrets = many.lobby.secrets();
    secrets.push(CLIENT_SECRET.to_owned());
    assert!(secrets.len() > 4, "{secrets:?}");
    let data = std::fs::read_dir(&many.stage.context.config.data_dir).unwrap();
    let files: Vec<(String, Vec<u8>)> = data
        .flatten()
        .filter(|entry| entry.path().is_file())
        .map(|entry| {
            (
                entry.path().display().to_string(),
                std::fs::read(entry.path()).unwrap(),
            )
        })
        .collect();
    assert!(!files.is_empty());
    for secret in &secrets {
        assert!(!log.contains(secret.as_str()), "in the log");
        assert!(!pages.contains(secret.as_str()), "on a page");
        for (name, bytes) in &files {
            let is_there = bytes
                .windows(secret.len())
                .any(|window| window == secret.as_bytes());
            assert!(!is_there, "in {name}");
        }
    }
    many.close(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_each_workspace_does_not_allow_is_told_by_its_name_at_the_start() {
    let mut many = Many::open("*").await;
    let other = many.beside(beta()).await;
    many.is_installed(ACME).await;
    many.is_installed(BETA).await;
    // An administrator has taken a right away since.
    let all = deckhand::slack::manifest::SCOPES.iter().copied();
    let fewer: Vec<&str> = all.filter(|scope| *scope != "reactions:write").collect();
    other.set_scopes(&fewer);
    many.stage.restart().await;
    many.leads(&other);
    many.readyz("Slack: in the workspace Beta, these scopes are missing: reactions:write")
        .await;
    let (status, told) = many.stage.get("/readyz").await;
    assert_eq!(status, 200, "{told}");
    assert!(!told.contains("in the workspace Acme"), "{told}");
    let line = Deckhand::of(&many.stage)
        .run(&["doctor"])
        .await
        .line("slack");
    assert!(
        line.starts_with("missing")
            && line.contains(
                "in the workspace Beta, these scopes are missing: reactions:write (requests carry"
            )
            && !line.contains("in the workspace Acme"),
        "{line}"
    );
    let thread = mention(&other, "help").await;
    whispered(&thread, HELP).await;
    // One that Slack does not let in at all costs the others nothing.
    other.set_token(TokenStanding::Revoked);
    many.stage.restart().await;
    many.readyz("in the workspace Beta, it refuses the bot's token (token_revoked)")
        .await;
    let here = many.stage.mention("help").await;
    whispered(&here, HELP).await;
    many.close(&[&other]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_is_followed_in_its_own_workspace_and_never_into_another() {
    let many = Many::open("*").await;
    let other = many.beside(beta()).await;
    many.is_installed(ACME).await;
    many.is_installed(BETA).await;
    // The same channel, and words of which one workspace is not to hear of the other's.
    let acmes = many
        .stage
        .slack
        .say("ben", CHANNEL, "Acme's own words")
        .await;
    let betas = other.say("ben", CHANNEL, "Beta's own words").await.unwrap();
    let page = |slack: &Slack, thread: &Thread| {
        let digits = thread.root().as_str().replace('.', "");
        format!(
            "{}/archives/{}/p{digits}",
            slack.web_url().trim_end_matches('/'),
            thread.channel()
        )
    };
    let acmes = acmes.unwrap();
    let acmes_ts = acmes.root().as_str().to_owned();
    let acmes = page(&many.stage.slack, &acmes);
    let betas = page(&other, &betas);
    let text = format!("{REQUEST} See {betas} and {acmes}");
    let there = mention(&other, &text).await;
    let task = many.stands(BETA, &there, "awaiting_approval").await;
    let read: Vec<&str> = task.context.iter().map(|line| line.text.as_str()).collect();
    assert!(read.contains(&"Beta's own words"), "{read:?}");
    assert!(!read.contains(&"Acme's own words"), "{read:?}");
    // It is not looked for among what stands in the same channel here, either.
    let looked_for = |call: &Call| call.arguments["ts"] == acmes_ts.as_str();
    assert!(!other.calls().iter().any(looked_for));
    let here = many.stage.planned(&text).await;
    let task = many.stands(ACME, &here, "awaiting_approval").await;
    let read: Vec<&str> = task.context.iter().map(|line| line.text.as_str()).collect();
    assert!(read.contains(&"Acme's own words"), "{read:?}");
    assert!(!read.contains(&"Beta's own words"), "{read:?}");
    many.stage.stop(&here).await;
    there.say("ana", "stop").await.unwrap();
    many.stands(BETA, &there, "canceled").await;
    many.close(&[&other]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_a_code_is_exchanged_nothing_is_installed_by_half_and_a_second_try_works() {
    let mut many = Many::open_as("*", Bot::Program).await;
    let faults = [ExchangeFault::HeldBefore, ExchangeFault::HeldAfter];
    for (before, fault) in faults.into_iter().enumerate() {
        let mut browser = Browser::new();
        let page = browser.begin(&many.stage).await;
        let agreed = many.lobby.agree(&page, ACME).unwrap();
        many.lobby.fail_next(fault);
        let Many { stage, lobby } = &mut many;
        tokio::join!(browser.is_left_alone(&agreed), async {
            lobby.until_held(before + 1).await;
            stage.crash(async |_| {}).await;
        });
        for table in ["slack_workspaces", "secrets"] {
            let rows = usize::try_from(many.stage.rows(table).await).unwrap();
            assert_eq!(rows, before, "{fault:?}: {table}");
        }
        // The page is loaded again: it says that nothing came of it, and how to go on. The doors are elsewhere now.
        let (_, asked) = agreed.split_once("/slack/").unwrap();
        let again = format!("{}/slack/{asked}", many.stage.context.config.public_url);
        let (status, text) = browser.back(&again).await;
        assert_eq!(status, 400, "{text}");
        assert!(text.contains("nothing was installed by that"), "{text}");
        assert!(text.contains("Begin again"), "{text}");
        // What was installed before still works.
        if before > 0 {
            let thread = many.stage.mention("help").await;
            whispered(&thread, HELP).await;
        }
        many.is_installed(ACME).await;
        assert_eq!(many.stage.rows("slack_workspaces").await, 1);
        assert_eq!(many.stage.rows("secrets").await, 1);
        let thread = many.stage.mention("help").await;
        whispered(&thread, HELP).await;
    }
    many.close(&[]).await;
}
