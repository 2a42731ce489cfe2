//! One run: the world, the bot and its machines, the story, and what is asked when it is over.

use std::{
    collections::BTreeMap,
    fs,
    ops::AddAssign,
    path::{Path, PathBuf},
    sync::Mutex,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use deckhand::{domain::task::Task, store::Store};
use deckhand_world::{
    github::{Github, GithubOptions},
    slack::{Slack, SlackOptions, Thread},
};
use secrecy::SecretString;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    containers::Containers,
    fate::Fate,
    judge::CANARIES,
    look::{Begun, Glance},
    machines::{self, Machines, Timeline},
    road::{self, Traffic},
    toll::{BotTakes, Toll},
};

/// How often the task is looked at.
pub const LOOK_EVERY: Duration = Duration::from_millis(15);
/// The same where each look at the engine starts a program.
const LOOK_AT_CONTAINERS_EVERY: Duration = Duration::from_millis(250);
/// How long a story may take. Pauses between tries add up to some seconds for each fault, and to half a minute for each bot
/// on a server's database that is gone and not waited for.
const PATIENCE: Duration = Duration::from_mins(4);

/// How often the database is asked anew for looking at it; a run kills connections three times at the most.
const TRIES: u32 = 3;

/// What a run is played on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ground {
    pub database: Database,
    /// Whether the sandboxes are containers of a real engine, and the bot the program that operators run.
    pub has_containers: bool,
    /// How many bots share the database.
    pub replicas: u16,
    /// Whether the platforms come to doors of their own.
    pub has_own_doors: bool,
}

impl Ground {
    /// What a bot that is killed takes along. Its proxy is the way to the model, and where it is started again on a server's
    /// database it waits for its leases first; a scripted agent asks no model.
    fn bot_takes(&self) -> BotTakes {
        if self.has_containers && self.database != Database::Sqlite {
            BotTakes::TheWayOut
        } else {
            BotTakes::Nothing
        }
    }

    /// The address of the database, for a run in this folder.
    fn address(&self, folder: &Path) -> String {
        match &self.database {
            Database::Sqlite => format!("sqlite:{}", folder.join("d/deckhand.db").display()),
            Database::Postgres(address) => address.clone(),
        }
    }
}

/// The database that a run works on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Database {
    /// A file in the run's folder.
    Sqlite,
    /// A fresh database at this address.
    Postgres(String),
}

/// What a run really met of what was drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Met {
    /// Kills that met somebody; others waited for more than happened, or came when nobody was there.
    pub kills: usize,
    /// Deliveries that were held back.
    pub late: usize,
    /// Deliveries that came twice.
    pub twice: usize,
    /// Calls and requests that a platform had a bad day for.
    pub faults: usize,
}

impl AddAssign for Met {
    fn add_assign(&mut self, other: Self) {
        self.kills += other.kills;
        self.late += other.late;
        self.twice += other.twice;
        self.faults += other.faults;
    }
}

/// What came of a run.
pub struct Outcome {
    pub fate: Fate,
    pub violations: Vec<String>,
    pub elapsed: Duration,
    pub met: Met,
    /// For whoever looks for the fault: the thread and the timeline, and the folder where everything is left.
    pub told: String,
    pub folder: Option<PathBuf>,
}

impl Outcome {
    /// Nothing has come of this fate yet.
    pub fn new(fate: Fate) -> Self {
        Self {
            fate,
            violations: Vec::new(),
            elapsed: Duration::ZERO,
            met: Met::default(),
            told: String::new(),
            folder: None,
        }
    }

    /// Leaves everything of the run where it is.
    fn keep(&mut self, seed: u64, folder: tempfile::TempDir) {
        let story = format!("seed {seed}: {}\n{}", self.fate, self.told);
        if let Err(error) = fs::write(folder.path().join("story"), story) {
            let unwritten = format!("the story could not be written down: {error}");
            self.violations.push(unwritten);
        }
        self.folder = Some(folder.keep());
    }
}

/// Plays the run of a seed. What goes wrong with its stage or its record is a violation too, so that a run tells of it like of
/// anything else.
pub async fn play(seed: u64, fate: Fate, ground: Ground) -> Outcome {
    let begun = Instant::now();
    let mut outcome = Outcome::new(fate.clone());
    // Short, because sockets below it have short paths.
    match tempfile::Builder::new().prefix("dc-").tempdir() {
        Ok(folder) => {
            match Stage::open(folder.path(), &fate, &ground).await {
                Ok(stage) => stage.give(&fate, &mut outcome).await,
                Err(error) => outcome.violations.push(format!("no stage: {error:#}")),
            }
            if !outcome.violations.is_empty() {
                outcome.keep(seed, folder);
            }
        }
        Err(error) => outcome.violations.push(format!("no folder: {error}")),
    }
    outcome.elapsed = begun.elapsed();
    outcome
}

/// The world of a run, and the eyes that look at it.
pub struct Stage {
    pub slack: Slack,
    pub github: Github,
    pub containers: Option<Containers>,
    pub store: Store,
    pub database: String,
    pub folder: PathBuf,
    pub timeline: Timeline,
    pub toll: Toll,
    pub begun: Begun,
    /// Secrets that were seen while there were sandboxes, by where.
    pub seen_secrets: Mutex<Vec<(String, Vec<u8>)>>,
    pub last_glance: Mutex<Glance>,
    pub traffic: Traffic,
    /// Stops the processes, also where a run breaks off.
    stop: DropGuard,
    keeping: tokio::task::JoinHandle<()>,
}

impl Stage {
    async fn open(folder: &Path, fate: &Fate, ground: &Ground) -> anyhow::Result<Self> {
        let begun = Begun::now();
        let (slack, github) = platforms(folder, fate, ground).await?;
        let instance = folder.file_name().unwrap_or_default().to_string_lossy();
        let containers = if ground.has_containers {
            Some(Containers::open(&instance, folder, fate.story).await?)
        } else {
            None
        };
        let listen = (0..ground.replicas).map(|_| machines::address());
        let listen: Vec<String> = listen.collect::<Result<_, _>>()?;
        let doors = ground.has_own_doors.then(machines::address).transpose()?;
        let doors = Vec::from_iter(doors);
        let knocked_at = if doors.is_empty() { &listen } else { &doors };
        let (road, traffic) = road::open(knocked_at, fate.road).await?;
        slack.set_app_urls(
            &format!("{road}/slack/events"),
            &format!("{road}/slack/interactions"),
            &format!("{road}/slack/commands"),
        );
        github.set_webhook_url(&format!("{road}/github/webhooks"));
        let database = ground.address(folder);
        fs::create_dir_all(folder.join("d"))?;
        fs::write(folder.join("deckhand.toml"), "")?;
        let mut variables = variables(&slack, &github, folder, containers.as_ref());
        variables.insert("DECKHAND_DATABASE_URL".to_owned(), database.clone());
        let timeline = Timeline::new();
        let toll = Toll::new(ground.bot_takes());
        let stop = CancellationToken::new();
        let machines = Machines {
            folder: folder.to_owned(),
            variables,
            listen: listen.clone(),
            doors: doors.clone(),
            fate: fate.clone(),
            slack: slack.clone(),
            github: github.clone(),
            containers: containers.clone(),
            timeline: timeline.clone(),
            toll: toll.clone(),
            database: (ground.database != Database::Sqlite).then(|| database.clone()),
            away: Duration::ZERO,
        };
        let keeping = tokio::spawn(machines.keep(stop.clone()));
        let store = match opened(listen.iter().chain(&doors), &database).await {
            Ok(store) => store,
            Err(error) => {
                stop.cancel();
                keeping.await?;
                return Err(error);
            }
        };
        Ok(Self {
            store,
            slack,
            github,
            containers,
            database,
            folder: folder.to_owned(),
            timeline,
            toll,
            begun,
            seen_secrets: Mutex::default(),
            last_glance: Mutex::default(),
            traffic,
            stop: stop.drop_guard(),
            keeping,
        })
    }

    /// Gives the whole run, and stops every process of it, whatever came of it.
    async fn give(self, fate: &Fate, outcome: &mut Outcome) {
        outcome.violations = self.judged(fate).await;
        outcome.met = self.met(fate);
        outcome.told = self.timeline.render();
        for thread in self.slack.threads("eng") {
            outcome.told.push_str("\n\n");
            outcome.told.push_str(&thread.render());
        }
        drop(self.stop);
        if let Err(error) = self.keeping.await {
            let unkept = format!("the processes were not kept running: {error}");
            outcome.violations.push(unkept);
        }
    }

    fn met(&self, fate: &Fate) -> Met {
        let drawn = fate.slack.len() + fate.github.len();
        let waiting = self.slack.faults_waiting() + self.github.faults_waiting();
        Met {
            kills: self.toll.count(),
            late: self.traffic.late(),
            twice: self.traffic.twice(),
            faults: drawn.saturating_sub(waiting),
        }
    }

    /// Tells the story, records what was seen and judges it.
    async fn judged(&self, fate: &Fate) -> Vec<String> {
        let (thread, ending) = match tokio::time::timeout(PATIENCE, self.tell(fate.story)).await {
            Ok(Ok(told)) => told,
            Ok(Err(error)) => return vec![format!("{error:#}")],
            Err(_) => return vec![format!("the story did not end in {PATIENCE:?}")],
        };
        self.traffic.make_smooth();
        match self.record(&thread, ending, fate).await {
            Ok(record) => record.violations(),
            Err(error) => vec![format!("what was seen could not be recorded: {error:#}")],
        }
    }

    /// The task of a thread. A database that does not answer is asked again later.
    pub async fn task(&self, thread: &Thread) -> Option<Task> {
        self.find(thread).await.ok().flatten()
    }

    /// The task of a thread, or nothing where the database has none.
    pub async fn find(&self, thread: &Thread) -> anyhow::Result<Option<Task>> {
        let conversation = deckhand::slack::ids::conversation(
            "T0ACME",
            thread.channel().as_str(),
            Some(thread.root().as_str()),
        );
        let stored = self.store.task_of(&conversation).await?;
        Ok(stored.map(|stored| stored.task))
    }

    /// The pause between two looks at what is left.
    pub fn look_every(&self) -> Duration {
        match self.containers {
            Some(_) => LOOK_AT_CONTAINERS_EVERY,
            None => LOOK_EVERY,
        }
    }
}

/// The database, for looking at it, as soon as everybody listens.
async fn opened(listeners: impl Iterator<Item = &String>, database: &str) -> anyhow::Result<Store> {
    let open = async {
        for listen in listeners {
            while !machines::is_open(listen).await {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
    };
    tokio::time::timeout(PATIENCE, open)
        .await
        .context("the bot did not open its doors")?;
    again(move || async move { Ok(Store::open_beside(database).await?) }).await
}

/// Asks something of the database. The run may kill the connection meanwhile: then it is asked again.
pub async fn again<T, F>(ask: impl Fn() -> F) -> anyhow::Result<T>
where
    F: Future<Output = anyhow::Result<T>>,
{
    for _ in 0..TRIES {
        if let Ok(answer) = ask().await {
            return Ok(answer);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    ask().await
}

/// The tests of what is asked again.
pub mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use anyhow::ensure;

    use super::{TRIES, again};

    /// What comes of a question that is answered this time, and how often it was asked.
    async fn answered_at(time: u32) -> (anyhow::Result<u32>, u32) {
        let asked = &AtomicU32::new(0);
        let answer = again(move || async move {
            let now = asked.fetch_add(1, Ordering::Relaxed) + 1;
            ensure!(now >= time, "the connection was cut");
            Ok(now)
        });
        (answer.await, asked.load(Ordering::Relaxed))
    }

    pub async fn what_a_cut_connection_did_not_answer_is_asked_again() {
        let (answer, _) = answered_at(TRIES + 1).await;
        assert_eq!(answer.unwrap(), TRIES + 1);
        let (answer, asked) = answered_at(TRIES + 2).await;
        assert!(answer.is_err(), "it is not asked for ever");
        assert_eq!(asked, TRIES + 1);
    }
}

/// Slack and GitHub, with a repository and the faults of this run.
async fn platforms(folder: &Path, fate: &Fate, ground: &Ground) -> anyhow::Result<(Slack, Github)> {
    let secret = |index: usize| SecretString::from(CANARIES[index]);
    let slack = Slack::start(SlackOptions {
        signing_secret: secret(1),
        bot_token: secret(0),
        port: 0,
        methods_dir: None,
    })
    .await?;
    let github = Github::start(GithubOptions {
        port: 0,
        token: Some(secret(2)),
        app: None,
        webhook_secret: secret(3),
    })
    .await?;
    if ground.has_containers {
        let web = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/world/fixtures/web");
        github.seed("acme/web", &web).await?;
    } else {
        let seed = folder.join("seed");
        fs::create_dir(&seed)?;
        fs::write(seed.join("README.md"), "# A greeting\n")?;
        fs::write(seed.join("greeting.txt"), "nothing yet\n")?;
        github.seed("acme/web", &seed).await?;
    }
    for (method, fault) in &fate.slack {
        slack.fail_next(method, fault.clone());
    }
    for (route, fault) in &fate.github {
        github.fail_next(route, fault.clone());
    }
    Ok((slack, github))
}

fn variables(
    slack: &Slack,
    github: &Github,
    folder: &Path,
    containers: Option<&Containers>,
) -> BTreeMap<String, String> {
    let instance = folder.file_name().unwrap_or_default().to_string_lossy();
    let mut variables = vec![
        ("DECKHAND_DATA_DIR", folder.join("d").display().to_string()),
        ("DECKHAND_INSTANCE", instance.into_owned()),
        ("DECKHAND_AGENT", "goose".to_owned()),
        // What an engine had in hand when it was killed is lost, and an agent that never got its prompt is silent.
        ("DECKHAND_SILENCE_MINUTES", "1".to_owned()),
        ("SLACK_BOT_TOKEN", CANARIES[0].to_owned()),
        ("SLACK_SIGNING_SECRET", CANARIES[1].to_owned()),
        ("SLACK_API_URL", slack.api_url()),
        ("GITHUB_TOKEN", CANARIES[2].to_owned()),
        ("GITHUB_WEBHOOK_SECRET", CANARIES[3].to_owned()),
        ("GITHUB_API_URL", github.api_url()),
        ("GITHUB_URL", github.web_url()),
        ("ANTHROPIC_API_KEY", CANARIES[4].to_owned()),
    ];
    if let Some(containers) = containers {
        let road = containers.road.display().to_string();
        variables.push(("DECKHAND_DOCKER_HOST", road));
        variables.push(("ANTHROPIC_BASE_URL", containers.models.url()));
    }
    variables
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}
