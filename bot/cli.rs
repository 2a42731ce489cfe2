//! The command line: `serve`, and the verbs of an operator.

mod backup;
mod deletion;
mod doctor;
pub mod doors;
mod letters;
mod log;
mod policy;
mod secrets;
mod work;

use doctor::Depth;
use std::{path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use secrecy::ExposeSecret as _;
use tokio_util::sync::CancellationToken;

use crate::{
    app::App,
    clock::Clock,
    config::{self, Config, fresh_key},
    domain::{TaskId, task::State},
    links,
    redact::Redactor,
    store::{Store, dead_letters::Queue, fresh_id, inbox::Source, orders},
};

/// The most tasks that `task list` shows.
const LIST_MAX: u32 = 50;

/// An agent teammate for Slack and Linear.
#[derive(Debug, Parser)]
#[command(name = "deckhand", version, about)]
struct Arguments {
    /// The configuration file.
    #[arg(long, global = true, default_value = config::FILE)]
    config: PathBuf,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Opens the doors and works.
    Serve,
    /// Checks everything that is needed, and says what to do about what is missing.
    Doctor {
        /// Also tries every wall of the sandbox from inside, in a container of the default agent's image.
        #[arg(long)]
        probe: bool,
    },
    /// Prints the settings in force, secrets masked.
    Config {
        /// Prints the reference of every setting instead.
        #[arg(long)]
        reference: bool,
    },
    /// Brings the database's schema up to date.
    Migrate,
    /// Copies the database to a new file, also while the server runs. The key of stored tokens is not in it.
    Backup {
        /// The file; nothing may be there yet.
        file: PathBuf,
    },
    /// Looks at the network policy, and undoes decisions about it.
    #[command(subcommand)]
    Policy(policy::PolicyVerb),
    /// Looks at tasks, ends them and deletes them.
    #[command(subcommand)]
    Task(TaskVerb),
    /// Looks at deliveries that were given up, tries them again or drops them.
    #[command(subcommand)]
    Inbox(letters::LetterVerb),
    /// Looks at effects that were given up, tries them again or drops them.
    #[command(subcommand)]
    Outbox(letters::LetterVerb),
    /// Looks after stored tokens and the keys that they are sealed with.
    #[command(subcommand)]
    Secrets(SecretsVerb),
}

#[derive(Debug, Subcommand)]
enum SecretsVerb {
    /// Seals every stored secret anew with the newest key.
    Rotate,
    /// Prints a fresh key for `DECKHAND_ENCRYPTION_KEYS`.
    NewKey,
}

#[derive(Debug, Subcommand)]
enum TaskVerb {
    /// The newest tasks.
    List,
    /// One task: how it stands, its plan, its runs.
    Show {
        /// The task.
        id: String,
    },
    /// Ends a task. The server does it; this only asks.
    Cancel {
        /// The task.
        id: String,
    },
    /// Writes what was kept of a cancelled task's work into a git bundle.
    Work {
        /// The task.
        id: String,
        /// The file; nothing may be there yet.
        file: PathBuf,
    },
    /// Deletes all of a task that is over: its words, logs, pictures, commits, containers and volumes.
    Delete {
        /// The task.
        id: String,
    },
}

/// Runs the verb of the command line.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // Two libraries bring a TLS provider each; the process has to choose one before the first connection.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error.into()),
    };
    let ran = runtime.block_on(run(arguments));
    // What waits for a disk or a lock still has nobody who hears of it, and must not hold up the end.
    runtime.shutdown_background();
    match ran {
        Ok(code) => code,
        Err(error) => fail(&error),
    }
}

#[expect(clippy::print_stderr, reason = "the command line speaks to its user")]
fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("deckhand: {}", printable(&format!("{error:#}")));
    ExitCode::FAILURE
}

#[expect(clippy::print_stdout, reason = "the command line speaks to its user")]
fn say(text: &str) {
    println!("{}", printable(text));
}

/// Without what a terminal would obey: titles and errors have words of others in them.
fn printable(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control() || matches!(c, '\n' | '\t'))
        .collect()
}

async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    if let Verb::Config { reference } = arguments.verb {
        return show_config(&arguments.config, reference);
    }
    let config = Config::load(&arguments.config)?;
    let redactor = Redactor::new(config.secrets())?;
    // An error may quote what another program or a platform answered.
    obey(arguments, config, redactor.clone())
        .await
        .map_err(|error| anyhow::anyhow!(redactor.redacted(format!("{error:#}"))))
}

async fn obey(
    arguments: Arguments,
    config: Config,
    redactor: Redactor,
) -> anyhow::Result<ExitCode> {
    match arguments.verb {
        Verb::Serve => serve(config, redactor).await?,
        Verb::Doctor { probe } => {
            let depth = if probe { Depth::Tried } else { Depth::Asked };
            return doctor::run(&config, &redactor, depth).await;
        }
        Verb::Config { .. } => {}
        Verb::Migrate => {
            tokio::fs::create_dir_all(&config.data_dir).await?;
            // Also beside a server that works.
            Store::open_beside(&config.database_url)
                .await?
                .close()
                .await;
            say("the schema is up to date");
        }
        Verb::Backup { file } => backup::run(&config, &file).await?,
        Verb::Policy(verb) => return policy::run(&config, verb).await,
        Verb::Task(TaskVerb::Delete { id }) => {
            deletion::run(&config, &TaskId(id), &operator()).await?;
        }
        Verb::Task(TaskVerb::Work { id, file }) => work::run(&config, &TaskId(id), &file).await?,
        Verb::Task(verb) => task(&config, verb).await?,
        Verb::Inbox(verb) => {
            letters::run(&config, &redactor, Queue::Inbox, verb, &operator()).await?;
        }
        Verb::Outbox(verb) => {
            letters::run(&config, &redactor, Queue::Outbox, verb, &operator()).await?;
        }
        Verb::Secrets(SecretsVerb::Rotate) => secrets::rotate(&config).await?,
        Verb::Secrets(SecretsVerb::NewKey) => say(fresh_key()?.expose_secret()),
    }
    Ok(ExitCode::SUCCESS)
}

fn show_config(path: &std::path::Path, reference: bool) -> anyhow::Result<ExitCode> {
    if reference {
        say(config::reference().trim_end());
        return Ok(ExitCode::SUCCESS);
    }
    say(&Config::show(path)?);
    Ok(ExitCode::SUCCESS)
}

async fn serve(config: Config, redactor: Redactor) -> anyhow::Result<()> {
    log::start(&config, &redactor);
    // First of all: who is asked to end while it starts ends as it does later.
    let stop = on_signal().context("signals cannot be heard")?;
    let app = App::build_with(config, Clock::default(), redactor).await?;
    app.run(stop).await
}

/// Is cancelled when the process is asked to end.
fn on_signal() -> std::io::Result<CancellationToken> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stop = CancellationToken::new();
    let on_signal = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        on_signal.cancel();
    });
    Ok(stop)
}

/// Who types, as the system names them.
fn operator() -> String {
    std::env::var("USER").unwrap_or_else(|_| "an operator".to_owned())
}

async fn task(config: &Config, verb: TaskVerb) -> anyhow::Result<()> {
    let store = Store::open_beside(&config.database_url).await?;
    match verb {
        TaskVerb::List => {
            for task in store.recent_tasks(None, LIST_MAX).await? {
                say(&format!(
                    "{}  {:<17} {}",
                    task.id,
                    task.state_in_a_word(),
                    task.title()
                ));
            }
        }
        TaskVerb::Show { id } => {
            let stored = store
                .task(&TaskId(id))
                .await?
                .context("there is no such task")?;
            let mut shown = serde_json::to_value(&stored.task)?;
            shown["requirements"] = serde_json::to_value(stored.task.judged())?;
            shown["page"] = links::task_url(&config.with_own_secret(), &stored.task.id).into();
            say(&serde_json::to_string_pretty(&shown)?);
        }
        TaskVerb::Cancel { id } => {
            let stored = store
                .task(&TaskId(id))
                .await?
                .context("there is no such task")?;
            let state = &stored.task.state;
            if state.is_over() && !matches!(state, State::Failed { .. }) {
                say(&format!(
                    "the task {} {}, so there is nothing to cancel",
                    stored.task.id,
                    stored.task.in_words()
                ));
                store.close().await;
                return Ok(());
            }
            let (source, key) = (Source::CommandLine, fresh_id());
            let order = orders::cancel(source, &stored.task, &operator(), &key)?;
            store.accept(&order, Clock::default().now()).await?;
            say("asked; the server ends it within a second");
        }
        // It opens more than the database.
        TaskVerb::Delete { .. } | TaskVerb::Work { .. } => {}
    }
    store.close().await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn a_terminal_obeys_nobody_else() {
        let title = "fix \u{1b}]0;owned\u{7}it\u{1b}[2J\r\n\tnow \u{9b}31m";
        assert_eq!(printable(title), "fix ]0;ownedit[2J\n\tnow 31m");
    }
}
