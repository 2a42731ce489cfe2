//! All four stand-ins at once, wired to one Deckhand, with the settings that it needs to find them.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use deckhand_world::github::{Github, GithubOptions};
use deckhand_world::linear::{Linear, LinearOptions};
use deckhand_world::models::{Models, ModelsOptions};
use deckhand_world::slack::{Slack, SlackOptions};
use secrecy::SecretString;
use serde_json::{Map, Value, json};

/// The repository that a newcomer finds.
pub const REPOSITORY: &str = "acme/web";
/// What it begins with.
pub const REPOSITORY_FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/web");
/// What the stand-ins take for secrets: they guard nothing.
pub const SIGNING_SECRET: &str = "world-signing-secret";
const BOT_TOKEN: &str = "xoxb-world";
const GITHUB_TOKEN: &str = "ghp_world";
const LINEAR_CLIENT: &str = "world-client";
const LINEAR_SECRET: &str = "world-client-secret";
const WEBHOOK_SECRET: &str = "world-webhook-secret";
pub const MODEL_KEY: &str = "world-model-key";

/// Where the stand-ins listen, and where Deckhand does.
#[derive(Args)]
pub struct Options {
    /// Deckhand's address; its doors are below it.
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    pub app_url: String,
    /// Port of Slack and its page; 0 takes a free one.
    #[arg(long, default_value_t = 4100)]
    pub slack_port: u16,
    /// Port of Linear.
    #[arg(long, default_value_t = 4101)]
    pub linear_port: u16,
    /// Port of GitHub.
    #[arg(long, default_value_t = 4102)]
    pub github_port: u16,
    /// Port of the model providers.
    #[arg(long, default_value_t = 4103)]
    pub models_port: u16,
    /// Milliseconds that the model providers take for each answer.
    #[arg(long, default_value_t = 0)]
    pub thinking_ms: u64,
    /// The folder that the repository acme/web begins with.
    #[arg(long, default_value = REPOSITORY_FOLDER)]
    pub repository: PathBuf,
}

/// The running stand-ins.
pub struct World {
    /// Slack, with the page for people.
    pub slack: Slack,
    /// Linear.
    pub linear: Linear,
    /// GitHub, with the repository `acme/web`.
    pub github: Github,
    /// The model providers.
    pub models: Models,
}

impl World {
    /// Starts them, with webhooks to Deckhand's doors.
    pub async fn start(options: &Options) -> anyhow::Result<Self> {
        let slack = Slack::start(SlackOptions {
            signing_secret: SecretString::from(SIGNING_SECRET),
            bot_token: SecretString::from(BOT_TOKEN),
            port: options.slack_port,
            methods_dir: None,
        });
        let github = Github::start(GithubOptions {
            port: options.github_port,
            token: Some(SecretString::from(GITHUB_TOKEN)),
            app: None,
            webhook_secret: SecretString::from(WEBHOOK_SECRET),
        });
        let linear = Linear::start(LinearOptions {
            port: options.linear_port,
            client_id: LINEAR_CLIENT.to_owned(),
            client_secret: SecretString::from(LINEAR_SECRET),
            webhook_secret: SecretString::from(WEBHOOK_SECRET),
            ..LinearOptions::default()
        });
        let models = Models::start(ModelsOptions {
            port: options.models_port,
            thinking: Duration::from_millis(options.thinking_ms),
            ..ModelsOptions::new(MODEL_KEY)
        });
        let (slack, github, linear, models) = tokio::try_join!(slack, github, linear, models)?;
        let world = Self {
            slack,
            linear,
            github,
            models,
        };
        world.connect(&options.app_url);
        let seeded = world.github.seed(REPOSITORY, &options.repository).await;
        seeded.with_context(|| {
            format!("making {REPOSITORY} from {}", options.repository.display())
        })?;
        Ok(world)
    }

    /// Sends webhooks to the Deckhand at this address from now on.
    pub fn connect(&self, app_url: &str) {
        let door = |path: &str| format!("{}/{path}", app_url.trim_end_matches('/'));
        self.slack.set_app_urls(
            &door("slack/events"),
            &door("slack/interactions"),
            &door("slack/commands"),
        );
        self.linear.set_webhook_url(&door("linear/webhooks"));
        self.github.set_webhook_url(&door("github/webhooks"));
    }

    /// The environment with which Deckhand finds the stand-ins.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        self.environment_with(&[])
    }

    /// The same with real model providers in place of the scripted ones; with none, all are scripted.
    pub fn environment_with(&self, real: &[Provider]) -> Vec<(&'static str, String)> {
        let mut environment = vec![
            ("SLACK_API_URL", self.slack.api_url()),
            ("SLACK_BOT_TOKEN", BOT_TOKEN.to_owned()),
            ("SLACK_SIGNING_SECRET", SIGNING_SECRET.to_owned()),
            ("LINEAR_API_URL", self.linear.api_url()),
            ("LINEAR_UPLOADS_URL", self.linear.uploads_url()),
            ("LINEAR_CLIENT_ID", LINEAR_CLIENT.to_owned()),
            ("LINEAR_CLIENT_SECRET", LINEAR_SECRET.to_owned()),
            ("LINEAR_WEBHOOK_SECRET", WEBHOOK_SECRET.to_owned()),
            ("GITHUB_API_URL", self.github.api_url()),
            ("GITHUB_URL", self.github.web_url()),
            ("GITHUB_TOKEN", GITHUB_TOKEN.to_owned()),
            ("GITHUB_WEBHOOK_SECRET", WEBHOOK_SECRET.to_owned()),
        ];
        if real.is_empty() {
            for provider in Provider::ALL {
                let address = provider.scripted_address(&self.models.url());
                environment.push((provider.address_variable(), address));
                environment.push((provider.key_variable(), MODEL_KEY.to_owned()));
            }
        }
        for provider in real {
            let names = [provider.address_variable(), provider.key_variable()];
            environment.extend(
                names
                    .into_iter()
                    .filter_map(|name| Some((name, set(name)?))),
            );
        }
        environment
    }
}

/// A model provider with a key of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    /// Anthropic.
    Anthropic,
    /// `OpenAI`, or one that speaks the same.
    Openai,
    /// Google's Gemini.
    Gemini,
}

impl Provider {
    /// All of them.
    const ALL: [Self; 3] = [Self::Anthropic, Self::Openai, Self::Gemini];

    /// The ones whose key is in this process's environment.
    pub fn in_environment() -> Vec<Self> {
        let is_set = |provider: &Self| set(provider.key_variable()).is_some();
        Self::ALL.into_iter().filter(is_set).collect()
    }

    /// The variable with its key.
    pub const fn key_variable(self) -> &'static str {
        match self {
            Self::Anthropic => "ANTHROPIC_API_KEY",
            Self::Openai => "OPENAI_API_KEY",
            Self::Gemini => "GEMINI_API_KEY",
        }
    }

    const fn address_variable(self) -> &'static str {
        match self {
            Self::Anthropic => "ANTHROPIC_BASE_URL",
            Self::Openai => "OPENAI_BASE_URL",
            Self::Gemini => "GOOGLE_GEMINI_BASE_URL",
        }
    }

    /// Where the stand-in is this provider: `OpenAI`'s address has its version in it.
    fn scripted_address(self, models: &str) -> String {
        match self {
            Self::Openai => format!("{models}/v1"),
            Self::Anthropic | Self::Gemini => models.to_owned(),
        }
    }
}

/// A variable of this process's environment, where it says something.
fn set(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Starts the stand-ins, prints where they are, and waits to be interrupted.
pub async fn run(options: Options) -> anyhow::Result<()> {
    let world = World::start(&options).await?;
    let environment = world.environment().into_iter();
    let environment: Map<String, Value> = environment
        .map(|(name, value)| (name.to_owned(), Value::String(value)))
        .collect();
    let told = json!({
        "slack_page": world.slack.web_url(), "github_page": world.github.web_url(),
        "app_url": options.app_url, "environment": environment,
    });
    writeln!(std::io::stdout(), "{told}")?;
    tokio::signal::ctrl_c().await?;
    Ok(())
}
