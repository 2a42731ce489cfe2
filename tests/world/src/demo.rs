//! Deckhand in the world of stand-ins, for people: by hand in a browser, or played by itself.

mod auto;
pub mod deckhand;
mod facts;
pub mod leftovers;
mod story;
mod telling;

use std::io::Write as _;
use std::net::TcpListener;
use std::path::PathBuf;

use anyhow::bail;
use clap::{Args, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};

use self::deckhand::{Deckhand, Start};
pub use self::story::request;
use crate::serve::{self, Provider, World};

/// The port of the Slack page, where it is free.
const SLACK_PORT: u16 = 4100;
/// Milliseconds that the scripted model takes for each answer when a person watches, so that the work can be seen.
const THINKING_MS: u64 = 400;

/// What the demo does.
#[derive(Args)]
pub struct Options {
    /// Plays the whole story by itself, with the scripted model; the last line is the result as JSON.
    #[arg(long)]
    auto: bool,
    /// The coding agent.
    #[arg(long, value_enum, default_value_t = Agent::Goose)]
    agent: Agent,
    /// Keeps the data folder with the database, the mirrors and the log.
    #[arg(long)]
    keep: bool,
}

/// The coding agents that there are images of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Agent {
    /// Claude Code.
    Claude,
    /// Codex.
    Codex,
    /// Gemini CLI.
    Gemini,
    /// opencode.
    Opencode,
    /// goose.
    Goose,
}

impl Agent {
    /// The name that Deckhand knows it by.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Claude => "claude",
            Self::Codex => "codex",
            Self::Gemini => "gemini",
            Self::Opencode => "opencode",
            Self::Goose => "goose",
        }
    }

    fn speaks_to(self, provider: Provider) -> bool {
        match self {
            Self::Claude => provider == Provider::Anthropic,
            Self::Codex => provider == Provider::Openai,
            Self::Gemini => provider == Provider::Gemini,
            Self::Opencode => provider != Provider::Gemini,
            Self::Goose => true,
        }
    }
}

/// The real providers that the agent can speak to; none where no key is set.
fn keys_for(agent: Agent) -> anyhow::Result<Vec<Provider>> {
    let set = Provider::in_environment();
    let fitting: Vec<Provider> = set
        .iter()
        .copied()
        .filter(|one| agent.speaks_to(*one))
        .collect();
    if let Some(first) = set.first().filter(|_| fitting.is_empty()) {
        bail!(
            "{} cannot use the key in {}; `--agent goose` takes any key, and without a key the model is scripted",
            agent.name(),
            first.key_variable()
        );
    }
    Ok(fitting)
}

/// Runs the demo until it is over or interrupted; an error is an unhappy end.
pub async fn run(options: Options) -> anyhow::Result<()> {
    let keys = if options.auto {
        Vec::new()
    } else {
        keys_for(options.agent)?
    };
    let port = Deckhand::free_port()?;
    let world = World::start(&serve::Options {
        app_url: format!("http://127.0.0.1:{port}"),
        slack_port: free_or_any(SLACK_PORT),
        linear_port: 0,
        github_port: 0,
        models_port: 0,
        thinking_ms: if options.auto { 0 } else { THINKING_MS },
        repository: PathBuf::from(serve::REPOSITORY_FOLDER),
    })
    .await?;
    let start = Start {
        port,
        agent: options.agent.name(),
        environment: world.environment_with(&keys),
        settings: Vec::new(),
    };
    let mut deckhand = unless_interrupted(Deckhand::start(start)).await?;
    let outcome = if options.auto {
        unless_interrupted(auto::play(&world, &deckhand, options.agent)).await
    } else {
        tokio::select! {
            outcome = by_hand(options.agent, &world, &deckhand, &keys) => outcome,
            () = interrupted() => Ok(()),
        }
    };
    if options.keep || outcome.is_err() {
        deckhand.keep();
        // Not among the lines of the story, whose last one is the result.
        let folder = deckhand.data_folder().display();
        writeln!(std::io::stderr(), "kept: {folder}")?;
    }
    deckhand.end().await;
    outcome
}

async fn by_hand(
    agent: Agent,
    world: &World,
    deckhand: &Deckhand,
    keys: &[Provider],
) -> anyhow::Result<()> {
    story::seed(&world.slack).await?;
    say(&welcome(agent, world, deckhand, keys))?;
    deckhand.until_it_ends().await
}

/// What a newcomer has to know.
fn welcome(agent: Agent, world: &World, deckhand: &Deckhand, keys: &[Provider]) -> String {
    let model = match keys.first() {
        Some(provider) => format!(
            "a real one, with the key in {}: it costs money",
            provider.key_variable()
        ),
        None => String::from(
            "scripted, no key is set: it knows this one bug, and does the same for every request",
        ),
    };
    format!(
        "
Deckhand runs, in a world of stand-ins.

  1. Open {slack}
  2. In #eng, open the thread and write:

     {mention}

  3. Read the plan, press Approve, and watch it work.

  Slack       {slack}
  GitHub      {github}/{repository}
  agent       {agent}
  model       {model}
  log         {log}

Ctrl-C ends it all.",
        slack = world.slack.web_url(),
        github = world.github.web_url(),
        log = deckhand.log_path().display(),
        mention = story::mention_as_typed(),
        repository = serve::REPOSITORY,
        agent = agent.name(),
    )
}

/// The port where it is free, else any.
fn free_or_any(port: u16) -> u16 {
    match TcpListener::bind(("127.0.0.1", port)) {
        Ok(_) => port,
        Err(_) => 0,
    }
}

/// Prints a line for people.
fn say(text: &str) -> std::io::Result<()> {
    writeln!(std::io::stdout(), "{text}")
}

/// Does the work; where somebody ends the program meanwhile, that is the error.
pub async fn unless_interrupted<T>(
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    tokio::select! {
        done = work => done,
        () = interrupted() => bail!("interrupted"),
    }
}

/// Ends when somebody ends the program.
async fn interrupted() {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
