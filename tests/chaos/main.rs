//! Chaos: the whole story, again and again, while processes are killed, messages come twice and late, and the platforms
//! have bad days. `script/chaos` runs it; as a test it tries its own walls and questions, and plays a few seeds.
//!
//! The bot is a process of its own: the real one, on a scripted executor (`client`, `engine`, `inside`, `agent`), which needs
//! no container engine and is killed like everything else; or, with containers, the program that operators run on a real
//! engine (`containers`). What happens in a run is drawn from its seed (`fate`).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a program that prints its table, and stops where its own ground breaks"
)]

mod agent;
mod client;
mod containers;
mod engine;
mod fate;
mod inside;
mod judge;
mod look;
mod machines;
mod play;
mod road;
mod safety;
mod story;
mod tests;
mod toll;

use std::{collections::BTreeMap, path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use clap::{Parser, ValueEnum};
use deckhand::{app::App, clock::Clock, config::Config, redact::Redactor};
use deckhand_world::postgres;
use fate::Fate;
use play::{Database, Ground, Met, Outcome};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Plays the story of a task again and again, each time with other faults, and asks afterwards whether anything was lost
/// or done twice.
///
/// A run is a function of its seed: which story is told, what is killed after how many calls of Slack, requests to GitHub
/// or requests to the engine, which calls fail, which deliveries come late or twice. How the processes are scheduled in
/// between is the machine's, so a seed that fails once may need a few tries: `--seed S --runs 1 --parallel 1 --times 20`.
///
/// One line for each run, then a table, then one JSON object as the last line:
/// `{"runs":n,"violations":0,"seed":s,"database":"sqlite","containers":false,"replicas":1,"own_doors":false,"kills":k,"late":l,"twice":d,"faults":f,"seconds":t}`.
/// The exit status is 1 where anything was violated; then the seed, what happened when, the thread and the folder with database
/// and log are told.
#[derive(Parser)]
#[command(name = "script/chaos")]
struct Options {
    /// How many runs.
    #[arg(long, default_value_t = 20)]
    runs: u64,
    /// The seed of the first run; each further run has the next number.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The database of the bot.
    #[arg(long, value_enum, default_value_t = Kind::Sqlite)]
    database: Kind,
    /// The program that operators run, on the container engine, instead of the scripted executor.
    #[arg(long)]
    containers: bool,
    /// How many bots share the database, which is PostgreSQL then. Each run waits for real what one waits for another.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=4))]
    replicas: u16,
    /// The platforms come to `deckhand-doors`, which is killed too.
    #[arg(long)]
    own_doors: bool,
    /// How many runs are played at a time.
    #[arg(long, default_value_t = 2)]
    parallel: usize,
    /// How often each seed is played.
    #[arg(long, default_value_t = 1)]
    times: u64,
}

impl Options {
    /// So many runs from the first seed on, on the scripted executor.
    fn few(runs: u64, database: Kind) -> Self {
        Self {
            runs,
            seed: 1,
            database,
            containers: false,
            replicas: 1,
            own_doors: false,
            parallel: 3,
            times: 1,
        }
    }
}

/// The kinds of database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// A file for each run.
    Sqlite,
    /// A private PostgreSQL server, with a database for each run.
    Postgres,
}

#[tokio::main]
async fn main() -> ExitCode {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["bot", socket, ahead] => bot(PathBuf::from(socket), ahead).await,
        ["engine", folder] => engine::serve(PathBuf::from(folder)).await,
        ["agent"] => agent::run(),
        ["inside", host, folder, command @ ..] if !command.is_empty() => {
            match inside::hold(host, folder, command).await {
                Ok(status) => std::process::exit(status),
                Err(error) => Err(error),
            }
        }
        ["run", rest @ ..] => {
            let options = Options::parse_from(std::iter::once(&"script/chaos").chain(rest));
            if options.replicas > 1 && (options.containers || options.database == Kind::Sqlite) {
                eprintln!(
                    "several bots share a server: --replicas goes with --database postgres, and without --containers"
                );
                return ExitCode::FAILURE;
            }
            return match tests::walls().await {
                ExitCode::SUCCESS => print(told(&options, &played(&options).await)),
                // Nothing is run in a sandbox whose walls do not hold.
                broken => broken,
            };
        }
        words => return tests::run(words).await,
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The real bot on the scripted executor, until it is killed. Its clock is this many seconds ahead.
async fn bot(socket: PathBuf, ahead: &str) -> anyhow::Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(std::io::stderr)
        .init();
    let variables: BTreeMap<String, String> = std::env::vars()
        .filter(|(name, _)| !matches!(name.as_str(), "PATH" | "RUST_LOG"))
        .collect();
    let config = Config::from_parts(&variables, "", "deckhand.toml")?;
    let redactor = Redactor::new(config.secrets())?;
    let executor = Arc::new(client::Scripted::new(socket));
    let clock = Clock::default();
    clock.advance(Duration::from_secs(ahead.parse()?));
    let app = App::build_on(config, clock, redactor, executor).await?;
    app.run(CancellationToken::new()).await
}

/// Plays all runs, and tells of each when it is over.
async fn played(options: &Options) -> Tally {
    let begun = std::time::Instant::now();
    let seeds = (options.seed..options.seed + options.runs)
        .flat_map(|seed| (0..options.times).map(move |_| seed));
    let mut waiting = seeds.collect::<Vec<_>>().into_iter();
    let mut playing = JoinSet::new();
    let mut tally = Tally::default();
    loop {
        while playing.len() < options.parallel.max(1)
            && let Some(seed) = waiting.next()
        {
            let ground = Ground {
                database: match options.database {
                    Kind::Sqlite => Database::Sqlite,
                    Kind::Postgres => {
                        let address = postgres::fresh_database().await;
                        Database::Postgres(address.expect("a database"))
                    }
                },
                has_containers: options.containers,
                replicas: options.replicas,
                has_own_doors: options.own_doors,
            };
            let fate = Fate::of(seed, &ground);
            playing.spawn(async move {
                let run = tokio::spawn(play::play(seed, fate.clone(), ground)).await;
                (seed, run.unwrap_or_else(|error| broken_off(fate, &error)))
            });
        }
        let Some(done) = playing.join_next().await else {
            break;
        };
        let (seed, outcome) = done.expect("a run ends, also where it breaks off");
        tally.add(&outcome);
        tell(seed, &outcome);
    }
    tally.elapsed = begun.elapsed();
    tally
}

/// Prints what is told of all runs together, and passes the verdict on.
fn print((lines, object, verdict): (Vec<String>, Value, ExitCode)) -> ExitCode {
    println!("\n{}\n{object}", lines.join("\n"));
    verdict
}

/// What is told of all runs together: the lines of the table, the object, and whether everything held.
fn told(options: &Options, tally: &Tally) -> (Vec<String>, Value, ExitCode) {
    let mut lines = vec![format!("{:<36}{:>6}{:>12}", "story", "runs", "violated")];
    for (story, (count, violated)) in &tally.stories {
        lines.push(format!("{story:<36}{count:>6}{violated:>12}"));
    }
    let database = format!("{:?}", options.database).to_lowercase();
    let object = json!({
        "runs": tally.runs, "violations": tally.violations, "seed": options.seed, "database": database,
        "containers": options.containers, "replicas": options.replicas, "own_doors": options.own_doors, "kills": tally.met.kills,
        "late": tally.met.late, "twice": tally.met.twice, "faults": tally.met.faults, "seconds": tally.elapsed.as_secs(),
    });
    let verdict = if tally.violations == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    };
    (lines, object, verdict)
}

/// A run that panicked is violated, and the others go on.
fn broken_off(fate: Fate, error: &tokio::task::JoinError) -> Outcome {
    let mut outcome = Outcome::new(fate);
    outcome
        .violations
        .push(format!("the run broke off: {error}"));
    outcome
}

/// What came of all runs.
#[derive(Default)]
struct Tally {
    runs: u64,
    violations: usize,
    met: Met,
    elapsed: Duration,
    /// Runs, and those that were violated, by story.
    stories: BTreeMap<String, (u64, u64)>,
}

impl Tally {
    fn add(&mut self, outcome: &Outcome) {
        self.runs += 1;
        self.met += outcome.met;
        self.violations += outcome.violations.len();
        let story = outcome.fate.story.to_string();
        let row = self.stories.entry(story).or_default();
        row.0 += 1;
        row.1 += u64::from(!outcome.violations.is_empty());
    }
}

fn tell(seed: u64, outcome: &Outcome) {
    let verdict = if outcome.violations.is_empty() {
        "held"
    } else {
        "VIOLATED"
    };
    println!(
        "seed {seed:>6}  {verdict:<8}  {:>5.1} s  {} kills  {}",
        outcome.elapsed.as_secs_f64(),
        outcome.met.kills,
        outcome.fate.story
    );
    if outcome.violations.is_empty() {
        return;
    }
    println!("  {}", outcome.fate);
    for violation in &outcome.violations {
        println!("  - {violation}");
    }
    println!("{}", outcome.told);
    if let Some(folder) = &outcome.folder {
        println!("  everything is left in {}", folder.display());
    }
}
