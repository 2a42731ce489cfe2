//! The stage: a world with a bot in it, and the questions that a story asks.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Once,
    time::Duration,
};

use deckhand::{
    app::App,
    clock::Clock,
    config::Config,
    domain::{TaskId, task::Task},
    engine::Context,
};
use deckhand_world::{
    github::{Github, GithubOptions},
    models::{Models, ModelsOptions},
    slack::{Slack, SlackOptions, Thread},
};
use secrecy::SecretString;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The channel of every story.
pub const CHANNEL: &str = "eng";
/// How long a story waits for anything before it prints its thread and fails.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// The key of the model providers; it must never be seen in a sandbox.
pub const MODEL_KEY: &str = "sk-canary-model-key-that-never-enters-a-sandbox";

static ONCE: Once = Once::new();

/// A world with a bot in it.
pub struct Stage {
    pub slack: Slack,
    pub github: Github,
    pub models: Models,
    pub context: Context,
    pub clock: Clock,
    variables: BTreeMap<String, String>,
    file: String,
    stop: CancellationToken,
    running: JoinHandle<anyhow::Result<()>>,
    folder: tempfile::TempDir,
}

/// How a stage differs from the usual one.
#[derive(Default)]
pub struct Props {
    /// Settings by their names in the environment.
    pub settings: Vec<(&'static str, String)>,
    /// The text of `deckhand.toml`.
    pub file: String,
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
            let filter = tracing_subscriber::EnvFilter::try_from_env("DECKHAND_TEST_LOG").unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
            let _ = tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init();
        });
        // Short, because sockets below it have short paths.
        let folder = tempfile::Builder::new().prefix("dh-").tempdir_in("/tmp").unwrap();
        let secret = |text: &str| SecretString::from(text.to_owned());
        let slack_options = SlackOptions { signing_secret: secret("signing-secret"), bot_token: secret("xoxb-canary"), port: 0, methods_dir: None };
        let slack = Slack::start(slack_options).await.unwrap();
        let github_options = GithubOptions { port: 0, token: Some(secret("ghp_canary")), app: None, webhook_secret: secret("github-webhook-secret") };
        let github = Github::start(github_options).await.unwrap();
        github.seed("acme/web", &fixture("web")).await.unwrap();
        let models = Models::start(ModelsOptions::new(MODEL_KEY)).await.unwrap();
        let mut variables = variables(&slack, &github, &models, folder.path());
        for (name, value) in props.settings {
            variables.insert(name.to_owned(), value);
        }
        let (context, running, stop, clock) = start(&variables, &props.file, &slack, &github).await;
        Self { slack, github, models, context, clock, variables, file: props.file, stop, running, folder }
    }

    /// Ana mentions the bot in the channel.
    pub async fn mention(&self, text: &str) -> Thread {
        self.slack.mention("ana", CHANNEL, text).await.unwrap().with_patience(PATIENCE)
    }

    /// The task of a thread.
    pub async fn task(&self, thread: &Thread) -> Task {
        let conversation = deckhand::slack::ids::conversation("T0ACME", thread.channel().as_str(), Some(thread.root().as_str()));
        let begun = std::time::Instant::now();
        loop {
            if let Some(stored) = self.context.store.task_of(&conversation).await.unwrap() {
                return stored.task;
            }
            assert!(begun.elapsed() < PATIENCE, "the thread has no task\n{}", thread.render());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until the task of a thread stands so.
    pub async fn wait_for_state(&self, thread: &Thread, state: &str) -> Task {
        let begun = std::time::Instant::now();
        loop {
            let task = self.task(thread).await;
            if task.state.name() == state {
                return task;
            }
            assert!(begun.elapsed() < PATIENCE, "the task is {:?}, not {state}\n{}", task.state, thread.render());
            // The state is in the database, which rings no bell for tests.
            tokio::task::yield_now().await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The names of the sandboxes that the engine has of this stage.
    pub async fn sandboxes(&self) -> Vec<String> {
        self.context.executor.list().await.unwrap().into_iter().map(|sandbox| sandbox.name.0).collect()
    }

    /// Stops the bot as a signal does, and starts another one on the same data.
    pub async fn restart(&mut self) {
        self.stop.cancel();
        (&mut self.running).await.unwrap().unwrap();
        let (context, running, stop, clock) = start(&self.variables, &self.file, &self.slack, &self.github).await;
        self.context = context;
        self.running = running;
        self.stop = stop;
        self.clock = clock;
    }

    /// Ends the story: nothing is left undone, nothing was refused by a platform, no sandbox remains.
    pub async fn close(self) {
        self.settle().await;
        assert_eq!(self.slack.violations(), Vec::<String>::new());
        assert_eq!(self.github.violations(), Vec::<String>::new());
        assert_eq!(self.models.violations(), Vec::<String>::new());
        self.wait_for_no_sandbox().await;
        for task in self.context.store.recent_tasks(None, 100).await.unwrap() {
            self.context.runs.release(&self.context, &task.id).await.unwrap();
        }
        self.stop.cancel();
        self.running.await.unwrap().unwrap();
        drop(self.folder);
    }

    /// Waits until the engine has no sandbox of this stage; a run's own goes within moments of its end.
    pub async fn wait_for_no_sandbox(&self) {
        let begun = std::time::Instant::now();
        loop {
            let left = self.sandboxes().await;
            if left.is_empty() {
                return;
            }
            assert!(begun.elapsed() < Duration::from_secs(15), "these sandboxes are left: {left:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until inbox and outbox are empty.
    pub async fn settle(&self) {
        let begun = std::time::Instant::now();
        loop {
            let (inbox, _) = self.context.store.inbox_depth().await.unwrap();
            let (outbox, _) = self.context.store.outbox_depth().await.unwrap();
            if inbox == 0 && outbox == 0 {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{inbox} deliveries and {outbox} effects are left");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Everything that the bot wrote into a task's log, as text.
    pub async fn log(&self, task: &TaskId) -> String {
        let lines = self.context.store.log_after(task, "", 5_000).await.unwrap();
        lines.iter().map(|line| format!("{} {} {}", line.run, line.kind, line.body)).collect::<Vec<_>>().join("\n")
    }
}

async fn start(variables: &BTreeMap<String, String>, file: &str, slack: &Slack, github: &Github) -> (Context, JoinHandle<anyhow::Result<()>>, CancellationToken, Clock) {
    let config = Config::from_parts(variables, file, "deckhand.toml").unwrap();
    let clock = Clock::default();
    let app = App::build(config, clock.clone()).await.unwrap();
    let address = format!("http://{}", app.address().unwrap());
    let image = format!("{}goose", variables.get("DECKHAND_IMAGE_PREFIX").map_or("deckhand-sandbox:", String::as_str));
    let present = app.context().executor.has_image(&image).await.expect("the container engine answers; `script/setup goose` starts it");
    assert!(present, "the image {image} is not there; `script/setup goose` makes it");
    slack.set_app_urls(&format!("{address}/slack/events"), &format!("{address}/slack/interactions"), &format!("{address}/slack/commands"));
    github.set_webhook_url(&format!("{address}/github/webhooks"));
    let context = app.context().clone();
    let stop = CancellationToken::new();
    let running = tokio::spawn(app.run(stop.clone()));
    (context, running, stop, clock)
}

fn variables(slack: &Slack, github: &Github, models: &Models, folder: &Path) -> BTreeMap<String, String> {
    let instance = folder.file_name().unwrap().to_string_lossy().into_owned();
    [
        ("DECKHAND_LISTEN", "127.0.0.1:0".to_owned()),
        ("DECKHAND_DATA_DIR", folder.join("d").display().to_string()),
        ("DECKHAND_INSTANCE", instance),
        ("DECKHAND_AGENT", "goose".to_owned()),
        ("SLACK_BOT_TOKEN", "xoxb-canary".to_owned()),
        ("SLACK_SIGNING_SECRET", "signing-secret".to_owned()),
        ("SLACK_API_URL", slack.api_url()),
        ("GITHUB_TOKEN", "ghp_canary".to_owned()),
        ("GITHUB_WEBHOOK_SECRET", "github-webhook-secret".to_owned()),
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
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/world/fixtures").join(name)
}
