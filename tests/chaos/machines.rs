//! The processes of a run: the bot and the engine, started again whenever they end, and killed when their time has come.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use deckhand_world::{github::Github, slack::Slack};
use tokio_util::sync::CancellationToken;

use crate::{
    containers::Containers,
    engine,
    fate::{Counted, Fate, Kill, Memory, Victim, Wait},
    toll::Toll,
};

/// How often the counters are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(1);
/// How long an engine is away.
const ENGINE_AWAY: Duration = Duration::from_millis(120);
/// A little more than the leases of a bot on a server's database, which the next one waits for.
const BOT_AWAY: Duration = Duration::from_secs(31);

/// What happened when, for whoever looks for a fault.
#[derive(Clone)]
pub struct Timeline {
    begun: Instant,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Timeline {
    pub fn new() -> Self {
        Self {
            begun: Instant::now(),
            lines: Arc::default(),
        }
    }

    pub fn note(&self, what: &str) {
        let line = format!("{:>7} ms  {what}", self.begun.elapsed().as_millis());
        self.lines.lock().unwrap().push(line);
    }

    pub fn render(&self) -> String {
        self.lines.lock().unwrap().join("\n")
    }
}

/// The processes and what is to become of them.
pub struct Machines {
    pub folder: PathBuf,
    pub variables: BTreeMap<String, String>,
    /// Where each of the bots listens.
    pub listen: Vec<String>,
    /// Where doors of their own listen, where there are some.
    pub doors: Vec<String>,
    pub fate: Fate,
    pub slack: Slack,
    pub github: Github,
    /// Where the sandboxes are containers of a real engine.
    pub containers: Option<Containers>,
    pub timeline: Timeline,
    /// Takes down whom a kill met.
    pub toll: Toll,
    /// The address of a database on a server.
    pub database: Option<String>,
    /// How far the clock of the bot is ahead by now.
    pub away: Duration,
}

/// What runs, and what sleeps.
struct Running {
    bots: Vec<Child>,
    doors: Vec<Child>,
    /// Where the engine is the scripted one.
    engine: Option<Child>,
    /// Bots that sleep, and until when.
    asleep: Vec<(Instant, u32)>,
}

impl Machines {
    /// Keeps everything running until `stop`, then ends it.
    pub async fn keep(mut self, stop: CancellationToken) {
        let bots = self.listen.iter().map(|listen| self.bot(listen));
        let doors = self.doors.iter().map(|listen| self.doors_at(listen));
        let mut running = Running {
            bots: bots.collect(),
            doors: doors.collect(),
            engine: self.engine(),
            asleep: Vec::new(),
        };
        let mut engine_from = None;
        while !stop.is_cancelled() {
            if let Some(kill) = self.next_kill() {
                self.timeline.note(&format!("{kill:?}"));
                if self.strike(kill, &mut running).await {
                    self.toll.add(kill.victim);
                } else {
                    self.timeline.note("nothing of that was there");
                }
            }
            self.wake(&mut running);
            self.start_again(&mut running.bots, &mut running.doors);
            if self.is_engine_away(running.engine.as_mut()) {
                let from = *engine_from.get_or_insert_with(|| Instant::now() + ENGINE_AWAY);
                if Instant::now() >= from {
                    engine_from = None;
                    if self.fate.engine == Memory::Loses {
                        self.lose();
                    }
                    self.timeline.note("the engine is there again");
                    running.engine = self.engine();
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        for child in running.bots.iter_mut().chain(&mut running.doors) {
            end(child);
        }
        if let Some(engine) = &mut running.engine {
            end(engine);
        }
        self.lose();
        if let Some(containers) = &self.containers {
            containers.clear();
        }
    }

    /// Does a kill, and says whether it met anything.
    async fn strike(&self, kill: Kill, running: &mut Running) -> bool {
        let which = usize::try_from(kill.after).unwrap() % running.bots.len();
        let bot = &mut running.bots[which];
        match kill.victim {
            Victim::Bot => end(bot),
            Victim::Doors => {
                // All of them, so the first one that was there does not do.
                let ended = running.doors.iter_mut().map(end);
                ended.filter(|was_there| *was_there).count() > 0
            }
            Victim::BotAsleep(time) => {
                let is_there = matches!(bot.try_wait(), Ok(None)) && signal(bot.id(), "-STOP");
                if is_there {
                    running.asleep.push((Instant::now() + time, bot.id()));
                }
                is_there
            }
            Victim::Engine => match (&mut running.engine, &self.containers) {
                (Some(engine), _) => end(engine),
                (None, Some(containers)) => containers.cut(),
                (None, None) => false,
            },
            Victim::Agent => self.kill_agents() > 0,
            Victim::DatabaseConnections => self.cut().await > 0,
        }
    }

    /// Wakes the bots whose time it is.
    fn wake(&self, running: &mut Running) {
        let bots = &running.bots;
        running.asleep.retain(|(until, bot)| {
            let goes_on = Instant::now() < *until;
            if !goes_on && bots.iter().any(|other| other.id() == *bot) {
                self.timeline.note("the bot wakes");
                signal(*bot, "-CONT");
            }
            goes_on
        });
    }

    /// Starts what has ended.
    fn start_again(&mut self, bots: &mut [Child], doors: &mut [Child]) {
        for (bot, listen) in bots.iter_mut().zip(&self.listen) {
            let Ok(Some(status)) = bot.try_wait() else {
                continue;
            };
            self.timeline
                .note(&format!("the bot ended ({status}) and is started again"));
            // One that did not come up had nothing in hand.
            let was_killed = status.code().is_none();
            if was_killed && self.database.is_some() && self.fate.wait == Wait::ByTheClock {
                self.away += BOT_AWAY;
            }
            *bot = self.bot(listen);
        }
        for (child, listen) in doors.iter_mut().zip(&self.doors) {
            if let Ok(Some(status)) = child.try_wait() {
                let note = format!("the doors ended ({status}) and are started again");
                self.timeline.note(&note);
                *child = self.doors_at(listen);
            }
        }
    }

    /// Kills what runs an agent, and says how many there were.
    fn kill_agents(&self) -> usize {
        if let Some(containers) = &self.containers {
            return containers.kill_agents();
        }
        let folder = engine_folder(&self.folder);
        let sandboxes = engine::sandboxes(&folder).into_iter();
        let agents = sandboxes.filter(|name| name.contains("-run-"));
        agents.filter(|name| engine::kill(&folder, name)).count()
    }

    fn is_engine_away(&self, engine: Option<&mut Child>) -> bool {
        match (engine, &self.containers) {
            (Some(engine), _) => matches!(engine.try_wait(), Ok(Some(_))),
            (None, containers) => containers.as_ref().is_some_and(Containers::is_cut),
        }
    }

    /// The next kill whose count is reached.
    fn next_kill(&mut self) -> Option<Kill> {
        if self.fate.kills.is_empty() {
            return None;
        }
        let count = |counted| match counted {
            Counted::SlackCalls => u64::try_from(self.slack.calls().len()).unwrap_or(u64::MAX),
            Counted::GithubRequests => {
                u64::try_from(self.github.requests().len()).unwrap_or(u64::MAX)
            }
            Counted::ModelRequests => self
                .containers
                .as_ref()
                .map_or(0, |containers| containers.models.request_count()),
            Counted::EngineRequests => engine::requests(&engine_folder(&self.folder)),
        };
        let due = self
            .fate
            .kills
            .iter()
            .position(|kill| count(kill.counted) >= kill.after)?;
        Some(self.fate.kills.remove(due))
    }

    /// The engine forgets its sandboxes, as after a restart of its machine. Volumes stay.
    fn lose(&self) {
        if let Some(containers) = &self.containers {
            containers.lose();
            return;
        }
        let folder = engine_folder(&self.folder);
        for name in engine::sandboxes(&folder) {
            if let Err(error) = engine::remove(&folder, &name) {
                self.timeline.note(&format!("{name} stays: {error}"));
            }
        }
    }

    /// Cuts the connections of the database, and says how many there were.
    async fn cut(&self) -> u64 {
        use sqlx::{Connection as _, Executor as _};
        let Some(address) = &self.database else {
            return 0;
        };
        let cut = async {
            let mut connection = sqlx::PgConnection::connect(address).await?;
            let done = connection
                .execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
                .await?;
            connection.close().await?;
            Ok::<u64, sqlx::Error>(done.rows_affected())
        };
        cut.await.unwrap_or_else(|error| {
            self.timeline
                .note(&format!("the connections could not be cut: {error}"));
            0
        })
    }

    /// A bot: the program that operators run, or the same on the scripted executor.
    fn bot(&self, listen: &str) -> Child {
        let mut command = if self.containers.is_some() {
            let mut command = Command::new(env!("CARGO_BIN_EXE_deckhand"));
            let settings = self.folder.join("deckhand.toml");
            command.arg("--config").arg(settings).arg("serve");
            command
        } else {
            let mut command = own("bot");
            command
                .arg(engine::socket(&engine_folder(&self.folder)))
                .arg(self.away.as_secs().to_string());
            command
        };
        self.started(command.env_clear().env("DECKHAND_LISTEN", listen))
    }

    /// Doors of their own: the program that operators run.
    fn doors_at(&self, listen: &str) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_deckhand-doors"));
        let settings = self.folder.join("deckhand.toml");
        command.arg("--config").arg(settings);
        self.started(command.env_clear().env("DECKHAND_DOORS_LISTEN", listen))
    }

    /// Starts a program with the settings of the run and those that it has already; what it says goes into the log.
    fn started(&self, command: &mut Command) -> Child {
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.folder.join("log"))
            .unwrap();
        command
            .envs(std::env::var("PATH").map(|path| ("PATH", path)))
            .envs(std::env::var("RUST_LOG").map(|filter| ("RUST_LOG", filter)))
            .envs(&self.variables)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap()
    }

    /// The scripted engine; or the road to the real one, open again.
    fn engine(&self) -> Option<Child> {
        if let Some(containers) = &self.containers {
            containers.mend();
            return None;
        }
        let mut command = own("engine");
        command
            .arg(engine_folder(&self.folder))
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        Some(command.spawn().unwrap())
    }
}

/// Where the scripted engine of a run keeps what it knows.
pub fn engine_folder(folder: &Path) -> PathBuf {
    folder.join("e")
}

/// A role of this program itself.
fn own(role: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg(role);
    command
}

/// Kills a process, and says whether it was still there: it may have ended by itself.
fn end(child: &mut Child) -> bool {
    let was_there = matches!(child.try_wait(), Ok(None));
    let _ = child.kill();
    let _ = child.wait();
    was_there
}

/// Tells a process to stop where it is, or to go on. One that has ended does not hear it.
fn signal(process: u32, signal: &str) -> bool {
    let told = Command::new("kill")
        .args([signal, &process.to_string()])
        .stderr(Stdio::null())
        .status();
    told.expect("signals can be sent").success()
}

/// An address for the bot that it can take again after each kill: below the ports that the kernel gives to connections,
/// which would take it in between.
pub fn address() -> anyhow::Result<String> {
    const FIRST: u32 = 20_000;
    const COUNT: u32 = 12_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let own = std::process::id().wrapping_mul(997);
    for _ in 0..COUNT {
        let next = own.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let address = format!("127.0.0.1:{}", FIRST + next % COUNT);
        if std::net::TcpListener::bind(&address).is_ok() {
            return Ok(address);
        }
    }
    anyhow::bail!("no port is free")
}

/// Whether somebody listens there.
pub async fn is_open(address: &str) -> bool {
    tokio::net::TcpStream::connect(address).await.is_ok()
}

/// Every file below a folder, without following links.
pub fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => files(&entry.path(), found),
            Ok(kind) if kind.is_file() => found.push(entry.path()),
            _ => {}
        }
    }
}
