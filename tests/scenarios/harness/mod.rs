//! The stage: a world with a bot in it, and the questions that a story asks.

pub mod asking;
pub mod canaries;
pub mod disk;
pub mod engine;
pub mod gateway;
pub mod own_doors;
pub mod planted;
pub mod program;
pub mod remote;
pub mod replica;
pub mod scripts;
pub mod time;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Once,
    time::Duration,
};

use deckhand::{app::App, clock::Clock, config::Config, engine::Context};
use deckhand_world::{
    github::{AppOptions, Github, GithubOptions},
    linear::{Linear, LinearOptions},
    models::{Models, ModelsOptions},
    slack::{APP_TOKEN, Road, Slack, SlackOptions, Thread},
};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The channel of every story.
pub const CHANNEL: &str = "eng";
/// How long a story waits for anything before it prints its thread and fails.
pub const PATIENCE: Duration = Duration::from_mins(2);
/// The key of the model providers; it must never be seen in a sandbox.
pub const MODEL_KEY: &str = "sk-canary-model-key-that-never-enters-a-sandbox-4410";
/// The bot's token at Slack.
pub const SLACK_TOKEN: &str = "xoxb-2041-canary-of-the-bots-token";
/// What Slack signs its requests with.
pub const SIGNING_SECRET: &str = "canary-of-slacks-signing-secret-77";
/// The token at GitHub.
pub const GITHUB_TOKEN: &str = "ghp_canaryOfThePersonalToken0181";
/// What GitHub signs its webhooks with.
pub const GITHUB_WEBHOOK_SECRET: &str = "canary-of-githubs-webhook-secret-90";
/// The secret of the application at Linear.
pub const LINEAR_CLIENT_SECRET: &str = "canary-of-linears-client-secret-31";
/// What Linear signs its webhooks with.
pub const LINEAR_WEBHOOK_SECRET: &str = "canary-of-linears-webhook-secret-52";
/// What a story usually asks for.
pub const REQUEST: &str =
    "The offset parameter of /api/v2/users is ignored when limit is over 100. repo=acme/web";
/// The pause between two looks at the database, which rings no bell for tests.
pub const LOOK_EVERY: Duration = Duration::from_millis(50);
/// The number of the App in stories about one.
const APP_ID: u64 = 77;

static ONCE: Once = Once::new();

/// A world with a bot in it.
pub struct Stage {
    pub slack: Slack,
    pub github: Github,
    pub models: Models,
    /// Linear, in stories that are told there.
    pub linear: Option<Linear>,
    pub context: Context,
    pub clock: Clock,
    _sweep: engine::Sweep,
    variables: BTreeMap<String, String>,
    file: String,
    bot: Bot,
    stop: CancellationToken,
    /// Cancelled to kill the program of a stage.
    crash: CancellationToken,
    running: JoinHandle<anyhow::Result<()>>,
    /// The number of the program's process, where it is one.
    process: Option<u32>,
    /// Where the bot lives that can be killed.
    house: time::House,
    folder: tempfile::TempDir,
}

/// How a stage differs from the usual one.
#[derive(Default)]
pub struct Props {
    /// Settings by their names in the environment.
    pub settings: Vec<(&'static str, String)>,
    /// The text of `deckhand.toml`.
    pub file: String,
    /// How the bot signs in at GitHub.
    pub sign_in: SignIn,
    /// Whether there is a Linear.
    pub linear: Beside,
    /// Whether the sandbox's image is there.
    pub image: Image,
    /// Where the bot runs.
    pub bot: Bot,
    /// How Slack reaches the bot.
    pub doors: SlackDoors,
    /// Which database the bot has.
    pub database: Database,
}

/// Which database a bot has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Database {
    /// SQLite: a file in its folder.
    File,
    /// PostgreSQL: a fresh database on the server of the tests.
    Server,
}

impl Default for Database {
    /// A file, and a server where `DECKHAND_TEST_DATABASE` is `postgres`: every story can be told so.
    fn default() -> Self {
        match std::env::var("DECKHAND_TEST_DATABASE").as_deref() {
            Ok("postgres") => Self::Server,
            _ => Self::File,
        }
    }
}

/// How Slack reaches the bot.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum SlackDoors {
    /// By HTTP.
    Http,
    /// Through sockets; there is no signing secret, so the HTTP doors are closed.
    Socket,
    /// Both ways; Slack comes through sockets until a story says otherwise.
    Both,
}

impl Default for SlackDoors {
    /// By HTTP, and through sockets where `DECKHAND_TEST_SLACK` is `socket`: every story can be told so.
    fn default() -> Self {
        match std::env::var("DECKHAND_TEST_SLACK").as_deref() {
            Ok("socket") => Self::Socket,
            _ => Self::Http,
        }
    }
}

/// The connections that a bot keeps where nothing else is set.
pub const SOCKETS: usize = 2;

/// Where the bot runs.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum Bot {
    /// In the process of the test, with its clock.
    #[default]
    Inside,
    /// As the program that operators run, with a log of its own.
    Program,
}

/// How the bot signs in at GitHub.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum SignIn {
    /// With ana's token.
    #[default]
    Token,
    /// As an App that is installed on every repository of the story.
    App,
}

/// Whether a platform is there beside Slack.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum Beside {
    /// It is not.
    #[default]
    Absent,
    /// It is.
    Present,
}

/// Whether the sandbox's image is there.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum Image {
    /// It has to be.
    #[default]
    Needed,
    /// The story is about what happens without it.
    Missing,
}

impl Stage {
    /// The usual stage: one repository, `acme/web`, and goose as the agent.
    pub async fn open() -> Self {
        Self::open_with(Props::default()).await
    }

    /// A stage with other settings.
    pub async fn open_with(props: Props) -> Self {
        ONCE.call_once(|| {
            let _ = rustls::crypto::ring::default_provider().install_default();
            let filter = tracing_subscriber::EnvFilter::try_from_env("DECKHAND_TEST_LOG")
                .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
            let _ = tracing_subscriber::fmt()
                .with_env_filter(filter)
                .with_test_writer()
                .try_init();
        });
        // Short, because sockets below it have short paths.
        let folder = tempfile::Builder::new()
            .prefix("dh-")
            .tempdir_in("/tmp")
            .unwrap();
        let slack_options = SlackOptions {
            signing_secret: secret(SIGNING_SECRET),
            bot_token: secret(SLACK_TOKEN),
            port: 0,
            methods_dir: None,
        };
        let slack = Slack::start(slack_options).await.unwrap();
        let (github_options, sign_in) = sign_in(props.sign_in);
        let github = Github::start(github_options).await.unwrap();
        github.seed("acme/web", &fixture("web")).await.unwrap();
        let models = Models::start(ModelsOptions::new(MODEL_KEY)).await.unwrap();
        let linear = match props.linear {
            Beside::Absent => None,
            Beside::Present => {
                let options = LinearOptions {
                    client_secret: secret(LINEAR_CLIENT_SECRET),
                    webhook_secret: secret(LINEAR_WEBHOOK_SECRET),
                    ..LinearOptions::default()
                };
                Some(Linear::start(options).await.unwrap())
            }
        };
        let mut variables = variables(&slack, &github, &models, folder.path());
        variables.extend(sign_in);
        if let Some(linear) = &linear {
            let client = [
                ("LINEAR_CLIENT_ID", "linear-client"),
                ("LINEAR_CLIENT_SECRET", LINEAR_CLIENT_SECRET),
                ("LINEAR_WEBHOOK_SECRET", LINEAR_WEBHOOK_SECRET),
            ];
            variables.extend(client.map(|(name, value)| (name.to_owned(), value.to_owned())));
            variables.insert("LINEAR_API_URL".to_owned(), linear.api_url());
            variables.insert("LINEAR_UPLOADS_URL".to_owned(), linear.uploads_url());
        }
        if props.doors != SlackDoors::Http {
            variables.insert("SLACK_APP_TOKEN".to_owned(), APP_TOKEN.to_owned());
            slack.set_road(Road::Socket);
        }
        if props.doors == SlackDoors::Socket {
            variables.remove("SLACK_SIGNING_SECRET");
        }
        if props.database == Database::Server {
            let address = deckhand_world::postgres::fresh_database().await.unwrap();
            variables.insert("DECKHAND_DATABASE_URL".to_owned(), address);
        }
        for (name, value) in props.settings {
            variables.insert(name.to_owned(), value);
        }
        let sweep = engine::Sweep::of(&variables["DECKHAND_INSTANCE"]);
        let crash = CancellationToken::new();
        let Begun {
            context,
            running,
            stop,
            clock,
            process,
        } = start(
            &variables,
            &props.file,
            (props.image, props.bot, &crash),
            (&slack, &github, linear.as_ref()),
            Clock::default(),
        )
        .await;
        Self {
            slack,
            github,
            models,
            linear,
            context,
            clock,
            _sweep: sweep,
            variables,
            file: props.file,
            bot: props.bot,
            stop,
            crash,
            running,
            process,
            house: time::House::default(),
            folder,
        }
    }

    /// Ana mentions the bot in the channel.
    pub async fn mention(&self, text: &str) -> Thread {
        self.slack
            .mention("ana", CHANNEL, text)
            .await
            .unwrap()
            .with_patience(PATIENCE)
    }

    /// Stops the bot as a signal does, and starts another one on the same data.
    pub async fn restart(&mut self) {
        self.stop.cancel();
        (&mut self.running).await.unwrap().unwrap();
        self.begin_again().await;
    }

    /// Kills the program in the middle of whatever it does; `meanwhile` happens while nobody is there, and then another one
    /// is started on the same data.
    pub async fn crash(&mut self, meanwhile: impl AsyncFnOnce(&Self)) {
        assert!(self.bot == Bot::Program, "only a program can be killed");
        self.crash.cancel();
        (&mut self.running).await.unwrap().unwrap();
        meanwhile(self).await;
        self.crash = CancellationToken::new();
        self.begin_again().await;
    }

    /// Stops the bot as a signal does, lets things happen while it ends, and starts another one on the same data.
    pub async fn ends(&mut self, meanwhile: impl AsyncFnOnce(&Self)) {
        self.ends_and_is_gone(meanwhile, async |_| {}).await;
    }

    /// The same, and looks at what is left behind before another one is started.
    pub async fn ends_and_is_gone(
        &mut self,
        meanwhile: impl AsyncFnOnce(&Self),
        gone: impl AsyncFnOnce(&Self),
    ) {
        self.stop.cancel();
        meanwhile(self).await;
        (&mut self.running).await.unwrap().unwrap();
        gone(self).await;
        self.begin_again().await;
    }

    /// Stops it and starts another one with one setting more.
    pub async fn restart_with(&mut self, variable: &str, value: &str) {
        self.variables.insert(variable.to_owned(), value.to_owned());
        self.restart().await;
    }

    async fn begin_again(&mut self) {
        let world = (&self.slack, &self.github, self.linear.as_ref());
        let begun = start(
            &self.variables,
            &self.file,
            (Image::Missing, self.bot, &self.crash),
            world,
            Clock::default(),
        )
        .await;
        self.stand_on(begun);
    }

    /// Goes on with a bot that has just begun.
    fn stand_on(&mut self, begun: Begun) {
        self.context = begun.context;
        self.running = begun.running;
        self.stop = begun.stop;
        self.clock = begun.clock;
        self.process = begun.process;
    }

    /// What the program wrote into its log so far.
    pub fn process_log(&self) -> String {
        std::fs::read_to_string(process_log(&self.variables)).unwrap()
    }

    /// Stops the bot, lets things happen that nobody hears, and starts another one on the same data.
    pub async fn while_down(&mut self, happening: impl AsyncFnOnce(&Slack)) {
        self.stop.cancel();
        (&mut self.running).await.unwrap().unwrap();
        happening(&self.slack).await;
        self.begin_again().await;
    }

    /// Ends the story: nothing is left undone, nothing was refused by a platform, no sandbox remains.
    pub async fn close(self) {
        self.settle().await;
        assert_eq!(self.slack.violations(), Vec::<String>::new());
        assert_eq!(self.github.violations(), Vec::<String>::new());
        assert_eq!(self.models.violations(), Vec::<String>::new());
        assert_eq!(
            self.linear
                .as_ref()
                .map(Linear::violations)
                .unwrap_or_default(),
            Vec::<String>::new()
        );
        self.wait_for_no_sandbox().await;
        for task in self.context.store.recent_tasks(None, 100).await.unwrap() {
            self.context
                .runs
                .release(&self.context, &task.id)
                .await
                .unwrap();
        }
        self.stop.cancel();
        self.running.await.unwrap().unwrap();
        drop(self.folder);
    }
}

/// How GitHub lets the bot in, and the settings for it.
fn sign_in(how: SignIn) -> (GithubOptions, Vec<(String, String)>) {
    let options = GithubOptions {
        port: 0,
        token: Some(secret(GITHUB_TOKEN)),
        app: None,
        webhook_secret: secret(GITHUB_WEBHOOK_SECRET),
    };
    match how {
        SignIn::Token => (
            options,
            vec![("GITHUB_TOKEN".to_owned(), GITHUB_TOKEN.to_owned())],
        ),
        SignIn::App => {
            let app = AppOptions::generate(APP_ID).unwrap();
            let key = app
                .key
                .private_key_pem()
                .unwrap()
                .expose_secret()
                .to_owned();
            let settings = [
                ("GITHUB_APP_ID", APP_ID.to_string()),
                ("GITHUB_APP_PRIVATE_KEY", key),
            ];
            (
                GithubOptions {
                    app: Some(app),
                    ..options
                },
                settings
                    .map(|(name, value)| (name.to_owned(), value))
                    .into(),
            )
        }
    }
}

fn secret(text: &str) -> SecretString {
    SecretString::from(text.to_owned())
}

/// The platforms that a bot is started beside.
type World<'a> = (&'a Slack, &'a Github, Option<&'a Linear>);

/// A bot that was started.
struct Begun {
    context: Context,
    running: JoinHandle<anyhow::Result<()>>,
    stop: CancellationToken,
    clock: Clock,
    process: Option<u32>,
}

async fn start(
    variables: &BTreeMap<String, String>,
    file: &str,
    (image, bot, crash): (Image, Bot, &CancellationToken),
    (slack, github, linear): World<'_>,
    clock: Clock,
) -> Begun {
    let config = Config::from_parts(variables, file, "deckhand.toml").unwrap();
    let app = Box::pin(App::build(config, clock.clone())).await.unwrap();
    let listen = app.address().unwrap();
    let address = format!("http://{listen}");
    if image == Image::Needed {
        let name = format!(
            "{}goose",
            variables
                .get("DECKHAND_IMAGE_PREFIX")
                .map_or("deckhand-sandbox:", String::as_str)
        );
        let present = app
            .context()
            .executor
            .has_image(&name)
            .await
            .expect("the container engine answers; `script/setup goose` starts it");
        assert!(
            present,
            "the image {name} is not there; `script/setup goose` makes it"
        );
    }
    slack.set_app_urls(
        &format!("{address}/slack/events"),
        &format!("{address}/slack/interactions"),
        &format!("{address}/slack/commands"),
    );
    slack.set_options_url(&format!("{address}/slack/options"));
    github.set_webhook_url(&format!("{address}/github/webhooks"));
    if let Some(linear) = linear {
        linear.set_webhook_url(&format!("{address}/linear/webhooks"));
    }
    let context = app.context().clone();
    let stop = CancellationToken::new();
    let mut process = None;
    let running = match bot {
        Bot::Inside => tokio::spawn(app.run(stop.clone())),
        Bot::Program => {
            // The program takes the address; what looks at its data from here does nothing by itself.
            drop(app);
            let program = program::Deckhand::with(variables.clone(), file);
            let served = program.serve(listen, &process_log(variables)).await;
            process = served.process();
            let until = served.until(stop.clone(), crash.clone());
            tokio::spawn(async move {
                until.await;
                Ok(())
            })
        }
    };
    let is_through_sockets = variables
        .get("SLACK_APP_TOKEN")
        .is_some_and(|token| token == APP_TOKEN);
    // Where a story sets another number, it waits for that itself.
    if is_through_sockets && !variables.contains_key("SLACK_CONNECTIONS") {
        slack.wait_for_sockets(SOCKETS).await;
    }
    Begun {
        context,
        running,
        stop,
        clock,
        process,
    }
}

/// Where the program of a stage writes its log: beside its data, because nothing in those may be a log.
fn process_log(variables: &BTreeMap<String, String>) -> PathBuf {
    Path::new(&variables["DECKHAND_DATA_DIR"]).with_file_name("log")
}

fn variables(
    slack: &Slack,
    github: &Github,
    models: &Models,
    folder: &Path,
) -> BTreeMap<String, String> {
    let instance = folder.file_name().unwrap().to_string_lossy().into_owned();
    [
        ("DECKHAND_LISTEN", "127.0.0.1:0".to_owned()),
        ("DECKHAND_DATA_DIR", folder.join("d").display().to_string()),
        ("DECKHAND_INSTANCE", instance),
        ("DECKHAND_AGENT", "goose".to_owned()),
        ("SLACK_BOT_TOKEN", SLACK_TOKEN.to_owned()),
        ("SLACK_SIGNING_SECRET", SIGNING_SECRET.to_owned()),
        ("SLACK_API_URL", slack.api_url()),
        ("GITHUB_WEBHOOK_SECRET", GITHUB_WEBHOOK_SECRET.to_owned()),
        ("GITHUB_API_URL", github.api_url()),
        ("GITHUB_URL", github.web_url()),
        ("ANTHROPIC_API_KEY", MODEL_KEY.to_owned()),
        ("ANTHROPIC_BASE_URL", models.url()),
        ("OPENAI_API_KEY", MODEL_KEY.to_owned()),
        ("OPENAI_BASE_URL", format!("{}/v1", models.url())),
        ("GEMINI_API_KEY", MODEL_KEY.to_owned()),
        ("GOOGLE_GEMINI_BASE_URL", models.url()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

/// A repository that stories begin with.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/world/fixtures")
        .join(name)
}
