//! Tasks in flight: how fast they get there, what each of them needs, and how long a word in their threads waits for its
//! answer when everybody says one at once.

use std::{
    collections::HashMap,
    fs,
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use deckhand::store::Store;
use deckhand_world::{
    postgres::Postgres,
    slack::{Call, ChannelKind, Membership, Slack, SlackOptions, Thread},
};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use secrecy::SecretString;

use crate::Kind;

/// The variable with the text of a replica's settings file.
pub const FILE: &str = "SCALE_FILE";
const SIGNING_SECRET: &str = "the-signing-secret-of-the-bench";
const BOT_TOKEN: &str = "xoxb-bench";
/// How many people speak in the same moment.
const AT_ONCE: usize = 32;
/// Words a second where they are not said all at once.
const PACE_PER_SECOND: u32 = 20;
/// How long a part may take before the measurement is given up.
const PATIENCE: Duration = Duration::from_mins(3);
/// How long memory is left to settle.
const SETTLED_AFTER: Duration = Duration::from_secs(3);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What was seen of one number of replicas on one database.
pub struct Flight {
    pub kind: Kind,
    pub replicas: usize,
    pub tasks: u32,
    /// Events that were handled on the way from the mentions until all tasks were in flight, and how long that took.
    pub events: u64,
    pub took: Duration,
    /// Memory of all replicas together, in bytes: with nothing to do, and with all tasks in flight.
    pub idle: u64,
    pub busy: u64,
    /// From a word in a thread to the bot's mark on it: everybody at once, and at a pace.
    pub burst: Vec<Duration>,
    pub burst_took: Duration,
    pub paced: Vec<Duration>,
}

/// A replica; it ends with this.
struct Replica(Child);

impl Drop for Replica {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Replica {
    fn resident_bytes(&self) -> anyhow::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = line
            .context("a replica has ended")?
            .trim()
            .trim_end_matches(" kB");
        Ok(kilobytes.parse::<u64>()? << 10)
    }
}

/// Brings so many tasks into flight, and speaks to all of them.
pub async fn measure(
    kind: Kind,
    replicas: usize,
    tasks: u32,
    server: &Postgres,
) -> anyhow::Result<Flight> {
    eprintln!("{} with {replicas} replicas: {tasks} tasks", kind.name());
    let folder = tempfile::Builder::new().prefix("ds-").tempdir_in("/tmp")?;
    let database = match kind {
        Kind::Sqlite => format!("sqlite:{}", folder.path().join("db").display()),
        Kind::Postgres => crate::cost::durable(server).await?,
    };
    let slack = Slack::start(SlackOptions {
        signing_secret: SecretString::from(SIGNING_SECRET),
        bot_token: SecretString::from(BOT_TOKEN),
        port: 0,
        methods_dir: None,
    })
    .await?;
    let repository = repository(folder.path())?;
    let mut all = Vec::new();
    for number in 0..replicas {
        let address = free_address()?;
        let place = folder.path().join(format!("r{number}"));
        let replica = start(&place, &address, &database, &slack, &repository)?;
        until_it_answers(&address).await?;
        if number == 0 {
            slack.set_app_urls(
                &format!("http://{address}/slack/events"),
                &format!("http://{address}/slack/interactions"),
                &format!("http://{address}/slack/commands"),
            );
        }
        all.push(replica);
    }
    let store = Store::open_beside(&database).await?;
    tokio::time::sleep(SETTLED_AFTER).await;
    let idle = resident(&all)?;

    let begun = Instant::now();
    let threads = mentions(&slack, tasks).await?;
    until_state(&store, "awaiting_approval", tasks).await?;
    say_at_once(&threads, "approve").await?;
    until_state(&store, "running", tasks).await?;
    let took = begun.elapsed();
    until_quiet(&store).await?;
    let events = crate::cost::handled(&database).await?;
    tokio::time::sleep(SETTLED_AFTER).await;
    let busy = resident(&all)?;

    let begun = Instant::now();
    let said = say_at_once(&threads, "Please keep the old greeting too.").await?;
    until_quiet(&store).await?;
    let burst = answered(&slack.calls(), &said, begun)?;
    let burst_took = *burst.values().max().context("nobody spoke")?;
    let said_paced = say_paced(&threads).await?;
    until_quiet(&store).await?;
    let paced = answered(&slack.calls(), &said_paced, begun)?;
    store.close().await;
    Ok(Flight {
        kind,
        replicas,
        tasks,
        events,
        took,
        idle,
        busy,
        burst: waits(&said, &burst, begun),
        burst_took,
        paced: waits(&said_paced, &paced, begun),
    })
}

/// When each word was said.
type Said = HashMap<String, Instant>;

/// Everybody asks for something in a channel of their own.
async fn mentions(slack: &Slack, tasks: u32) -> anyhow::Result<Vec<Thread>> {
    for number in 0..tasks {
        let name = format!("crowd{number}");
        slack.add_channel(&name, ChannelKind::Public, Membership::Joined);
    }
    let asks = (0..tasks).map(|number| async move {
        let channel = format!("crowd{number}");
        let words = "Make the greeting say hello. repo=acme/web";
        slack.mention("ana", &channel, words).await
    });
    stream::iter(asks)
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await
}

async fn say_at_once(threads: &[Thread], words: &str) -> anyhow::Result<Said> {
    let says = threads
        .iter()
        .cloned()
        .map(|thread| async move { say(&thread, words).await });
    stream::iter(says)
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await
}

async fn say_paced(threads: &[Thread]) -> anyhow::Result<Said> {
    let mut clock = tokio::time::interval(Duration::from_secs(1) / PACE_PER_SECOND);
    let mut said = Said::new();
    let number = usize::try_from(PACE_PER_SECOND)? * 20;
    // One word a task: a task that is at work keeps only so many for later.
    for thread in threads.iter().take(number) {
        clock.tick().await;
        said.extend([say(thread, "And one more word.").await?]);
    }
    Ok(said)
}

async fn say(thread: &Thread, words: &str) -> anyhow::Result<(String, Instant)> {
    let begun = Instant::now();
    let message = thread.say("ana", words).await?;
    let place = format!("{} {}", thread.channel().as_str(), message.ts.as_str());
    Ok((place, begun))
}

/// When the bot marked each of these, after `begun`.
fn answered(
    calls: &[Call],
    said: &Said,
    begun: Instant,
) -> anyhow::Result<HashMap<String, Duration>> {
    let mut marked = HashMap::new();
    for call in calls.iter().filter(|call| call.method == "reactions.add") {
        let of = |name: &str| call.arguments[name].as_str().unwrap_or_default();
        let place = format!("{} {}", of("channel"), of("timestamp"));
        if said.contains_key(&place) {
            let after = call.at.saturating_duration_since(begun);
            marked.entry(place).or_insert(after);
        }
    }
    ensure!(
        marked.len() == said.len(),
        "{} of {} words were heard",
        marked.len(),
        said.len()
    );
    Ok(marked)
}

fn waits(said: &Said, answered: &HashMap<String, Duration>, begun: Instant) -> Vec<Duration> {
    let wait = |(place, at): (&String, &Instant)| {
        answered[place].saturating_sub(at.saturating_duration_since(begun))
    };
    let mut waits: Vec<Duration> = said.iter().map(wait).collect();
    waits.sort_unstable();
    waits
}

fn resident(replicas: &[Replica]) -> anyhow::Result<u64> {
    replicas.iter().map(Replica::resident_bytes).sum()
}

async fn until_state(store: &Store, state: &str, tasks: u32) -> anyhow::Result<()> {
    let begun = Instant::now();
    loop {
        let states = store.tasks_by_state().await?;
        let number = states.iter().find(|(name, _)| name == state);
        if number.is_some_and(|(_, number)| *number == i64::from(tasks)) {
            return Ok(());
        }
        let failed = states.iter().any(|(name, _)| name == "failed");
        if failed || begun.elapsed() > PATIENCE {
            let tasks = store.recent_tasks(None, 5).await?;
            let tasks: Vec<_> = tasks.iter().map(|task| &task.state).collect();
            bail!("not all tasks are {state}: {states:?}, the newest {tasks:?}");
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn until_quiet(store: &Store) -> anyhow::Result<()> {
    let begun = Instant::now();
    while store.inbox_depth().await?.0 + store.outbox_depth().await?.0 > 0 {
        ensure!(begun.elapsed() < PATIENCE, "something is never done");
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}

fn free_address() -> anyhow::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    Ok(listener.local_addr()?.to_string())
}

async fn until_it_answers(address: &str) -> anyhow::Result<()> {
    let begun = Instant::now();
    while tokio::net::TcpStream::connect(address).await.is_err() {
        ensure!(begun.elapsed() < PATIENCE, "a replica does not start");
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}

/// A repository with one file.
fn repository(folder: &Path) -> anyhow::Result<String> {
    let place = folder.join("web");
    fs::create_dir(&place)?;
    fs::write(place.join("greeting.txt"), "good morning\n")?;
    for arguments in [
        &["init", "--quiet", "--initial-branch=main"][..],
        &["add", "."],
        &[
            "-c",
            "user.name=ana",
            "-c",
            "user.email=ana@acme.example",
            "commit",
            "--quiet",
            "-m",
            "Greet",
        ],
    ] {
        let done = Command::new("git")
            .args(arguments)
            .current_dir(&place)
            .status()?;
        ensure!(done.success(), "git {arguments:?} failed");
    }
    Ok(format!("file://{}", place.display()))
}

fn start(
    place: &Path,
    address: &str,
    database: &str,
    slack: &Slack,
    repository: &str,
) -> anyhow::Result<Replica> {
    fs::create_dir(place)?;
    let log = fs::File::create(place.join("log"))?;
    let file = format!("[[repository]]\nname = \"acme/web\"\nurl = \"{repository}\"\n");
    let child = Command::new(std::env::current_exe()?)
        .arg("replica")
        .env_clear()
        .envs(std::env::var("PATH").map(|path| ("PATH", path)))
        .envs(std::env::var("RUST_LOG").map(|filter| ("RUST_LOG", filter)))
        .env(FILE, file)
        .env("DECKHAND_LISTEN", address)
        .env("DECKHAND_DATABASE_URL", database)
        // Servers on one database share their data folder, too.
        .env("DECKHAND_DATA_DIR", place.with_file_name("d"))
        .env("DECKHAND_INSTANCE", "scale")
        .env("DECKHAND_SECRET", "the-secret-of-the-bench-7741")
        .env("DECKHAND_AGENT", "goose")
        .env("DECKHAND_PARALLEL_TASKS", "1000")
        .env("DECKHAND_SILENCE_MINUTES", "1000")
        .env("SLACK_BOT_TOKEN", BOT_TOKEN)
        .env("SLACK_SIGNING_SECRET", SIGNING_SECRET)
        .env("SLACK_API_URL", slack.api_url())
        // A thousand mentions at once in one workspace would wait for Slack's limits, and not for the bot.
        .env("SLACK_RATE_FACTOR", "1000")
        .env("ANTHROPIC_API_KEY", "sk-the-key-of-the-bench-5520")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()?;
    Ok(Replica(child))
}
