//! Puts everything together, runs it, and shuts it down.

mod database;
pub mod doors;
mod ending;

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use anyhow::Context as _;
use deckhand_executors::{Executor, docker::DockerExecutor, mirror::Mirrors, starts::WholeStarts};
use metrics_exporter_prometheus::PrometheusHandle;
use secrecy::SecretString;
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::{
    clock::Clock,
    config::{Config, EncryptionKeys},
    engine::{
        Context,
        deliver::Deliver,
        dispatch::{Dispatch, Step},
        jumps::Jumps,
        leases, pause_before_try,
        policy_book::PolicyBook,
        reaper, reviews,
        roster::Agents,
        runs::Runs,
        sockets,
        surfaces::Surfaces,
        tokens::VaultTokens,
        way_out::WayOut,
        workspaces::{Parts, Workspaces},
    },
    github::Github,
    heartbeat::{Heartbeats, Worker},
    linear::Linear,
    redact::Redactor,
    slack::{Slack, SocketMode, oauth::Oauth},
    store::{Store, StoreError, bells::Bell, vault::Vault},
    surface::SurfaceError,
    wake::Wake,
    web::{
        self, Web,
        health::Health,
        install::{self, Installing},
    },
};
use ending::Doors;

/// How many conversations are dispatched at once; within one, order holds.
const DISPATCHED_AT_ONCE: usize = 8;
/// How often the engine is asked whether it lives.
const ENGINE_ASKED_EVERY: Duration = Duration::from_secs(10);
/// How long the engine may take to answer that.
const ENGINE_ANSWERS_WITHIN: Duration = Duration::from_secs(5);

/// How often it is looked whether the clock was set.
const LOOKED_EVERY: Duration = Duration::from_secs(1);
/// How often Slack is asked what it lets the bot do: scopes change where somebody installs the app again.
const SLACK_ASKED_EVERY: Duration = Duration::from_hours(1);
/// The longest pause between two tries to ask that.
const SLACK_PAUSE_MAX: Duration = Duration::from_mins(1);
/// The longest pause of a worker whose database fails.
const DATABASE_PAUSE_MAX: Duration = Duration::from_secs(5);

/// The folders in the data folder of which a sandbox sees its own part: sockets, mirrors, quarantined commits.
const LENT: [&str; 3] = ["s", "mirrors", "quarantine"];

/// The whole bot, built and not yet running.
pub struct App {
    /// The right to work with the database is here alone: it goes with the bot, whoever keeps what it worked with.
    work: Store,
    context: Context,
    installing: Option<Installing>,
    listener: TcpListener,
    metrics: PrometheusHandle,
    health: Health,
}

impl App {
    /// Opens the database, the surfaces, the forge and the engine, and binds the address.
    pub async fn build(config: Config, clock: Clock) -> anyhow::Result<Self> {
        let redactor = Redactor::new(config.secrets())?;
        Self::build_with(config, clock, redactor).await
    }

    /// The same with a redactor that knows the settings' secrets already, because it stands before the log too.
    pub async fn build_with(
        config: Config,
        clock: Clock,
        redactor: Redactor,
    ) -> anyhow::Result<Self> {
        let executor =
            DockerExecutor::connect(&config.instance, config.sandbox.docker_host.as_deref())
                .context("the container engine cannot be reached")?
                .lending(LENT.map(|folder| config.data_dir.join(folder)).to_vec());
        Self::build_on(config, clock, redactor, Arc::new(executor)).await
    }

    /// The same on an executor of the caller's own, for whoever runs sandboxes in another way.
    pub async fn build_on(
        mut config: Config,
        clock: Clock,
        redactor: Redactor,
        executor: Arc<dyn Executor>,
    ) -> anyhow::Result<Self> {
        tokio::fs::create_dir_all(&config.data_dir)
            .await
            .with_context(|| {
                format!("cannot make the data folder {}", config.data_dir.display())
            })?;
        if config.secret.is_none() {
            let secret = own_secret(&config.data_dir).await?;
            redactor.add(&secret);
            config.secret = Some(secret);
        }
        let keys = keys(&config, &redactor)?;
        let work = Store::open(&config.database_url)
            .await
            .map_err(not_opened)?;
        let store = work.lent();
        let vault = Vault::new(store.clone(), keys);
        let tokens = VaultTokens::new(vault.clone(), redactor.clone(), clock.clone());
        let listener = TcpListener::bind(config.listen)
            .await
            .with_context(|| format!("cannot listen on {}", config.listen))?;
        config.bound_to(listener.local_addr()?);
        let config = Arc::new(config);
        let executor: Arc<dyn Executor> = Arc::new(WholeStarts::over(executor));
        let book = PolicyBook::open(&config, Arc::clone(&executor))
            .context("the network policy cannot be used")?;
        let tools = (&store, &vault, &redactor, &clock);
        let (workspaces, installing) =
            slack_side(&config, tools).context("the Slack side cannot be set up")?;
        let linear = config
            .linear
            .as_ref()
            .map(|linear| Linear::new(linear, Arc::new(tokens)))
            .transpose()
            .context("the Linear side cannot be set up")?;
        let context = Context {
            store,
            surfaces: Surfaces::new(workspaces, linear, redactor.clone()),
            github: Github::new(&config.github).context("the GitHub side cannot be set up")?,
            executor,
            mirrors: Arc::new(Mirrors::new(config.data_dir.join("mirrors"))),
            agents: Agents::new(&config).context("the agents' profiles cannot be read")?,
            way_out: WayOut::new(&config, book)
                .context("the way out of sandboxes cannot be set up")?,
            runs: Runs::default(),
            clock,
            wake: Wake::default(),
            heartbeats: Heartbeats::default(),
            redactor,
            config,
        };
        Ok(Self {
            work,
            context,
            installing,
            listener,
            metrics: web::metrics::recorder(),
            health: Health::default(),
        })
    }

    /// The address that it is bound to.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// What its workers work with, for whoever watches them.
    #[must_use]
    pub const fn context(&self) -> &Context {
        &self.context
    }

    /// Runs until `stop`, then finishes what is in hand. Runs of agents go on in their containers.
    pub async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let Self {
            work,
            context,
            installing,
            listener,
            metrics,
            health,
        } = self;
        let socket_mode = SocketMode::of(context.config.slack.as_ref())
            .context("Socket Mode cannot be set up")?;
        let _awake = leases::stay_awake(context.clone());
        let mut workers = workers(&context, &health, &stop);
        let web = Web {
            config: Arc::clone(&context.config),
            store: context.store.clone(),
            clock: context.clock.clone(),
            wake: context.wake.clone(),
            metrics,
            health: health.clone(),
            heartbeats: context.heartbeats.clone(),
            sockets: socket_mode.as_ref().map(SocketMode::state),
            redactor: context.redactor.clone(),
            github: Some(context.github.clone()),
            people: Arc::new(context.surfaces.clone()),
            known_pages: web::api::KnownPages::default(),
            installing,
        };
        if let Some(socket_mode) = socket_mode {
            let web = web.clone();
            let door = move |envelope| web::socket::take(web.clone(), envelope);
            let keeper = socket_mode.keeper();
            workers.spawn(sockets::share(context.clone(), keeper, stop.clone()));
            workers.spawn(socket_mode.run(door, stop.clone()));
        }
        info!(address = %listener.local_addr()?, "the doors are open");
        let close = CancellationToken::new();
        let server = web::server::serve(listener, web::router(web), close.clone());
        let server = tokio::spawn(server);
        stop.cancelled().await;
        health.drain();
        ending::end(&context, &work, workers, Doors { close, server }).await;
        Ok(())
    }
}

/// The workspaces of Slack, and how others are added, as far as they are set up.
fn slack_side(
    config: &Config,
    (store, vault, redactor, clock): (&Store, &Vault, &Redactor, &Clock),
) -> Result<(Option<Workspaces>, Option<Installing>), SurfaceError> {
    let Some(slack) = &config.slack else {
        return Ok((None, None));
    };
    let own = slack.bot_token.clone();
    let paced = |calls: Slack| calls.timed_by(clock).allowed(slack.rate_factor);
    let own = own.map(|token| Slack::new(&slack.api_url, token).map(paced));
    let install = slack.install.as_ref().map(|install| {
        let client = (install.client_id.clone(), install.client_secret.clone());
        let back = format!("{}{}", config.public_url, install::BACK);
        Oauth::new(&slack.api_url, client, back).map(|oauth| (oauth, install.clone()))
    });
    let install = install.transpose()?;
    let oauth = install.as_ref().map(|(oauth, _)| oauth.clone());
    let workspaces = Workspaces::new(Parts {
        store: store.clone(),
        vault: vault.clone(),
        redactor: redactor.clone(),
        clock: clock.clone(),
        own: own.transpose()?,
        installed: oauth.map(|oauth| (oauth, slack.api_url.clone())),
        rate_factor: slack.rate_factor,
    });
    let installing = install
        .map(|(oauth, settings)| Installing::new(oauth, vault.clone(), redactor.clone(), settings));
    Ok((Some(workspaces), installing))
}

/// Everything that goes on until `stop`, beside the doors.
fn workers(context: &Context, health: &Health, stop: &CancellationToken) -> JoinSet<()> {
    let mut workers = JoinSet::new();
    for _ in 0..DISPATCHED_AT_ONCE {
        workers.spawn(dispatch(context.clone(), stop.clone()));
    }
    workers.spawn(leases::keep(context.clone(), stop.clone()));
    workers.spawn(leases::take_over(context.clone(), stop.clone()));
    workers.spawn(Deliver::new(context.clone()).run(stop.clone()));
    workers.spawn(hear_bells(context.clone(), stop.clone()));
    workers.spawn(reaper::run(context.clone(), stop.clone()));
    workers.spawn(reviews::run(context.clone(), stop.clone()));
    workers.spawn(watch_engine(context.clone(), health.clone(), stop.clone()));
    workers.spawn(watch_clock(context.clone(), health.clone(), stop.clone()));
    workers.spawn(database::watch(
        (context.store.clone(), context.wake.clone()),
        stop.clone(),
    ));
    workers.spawn(watch_slack(context.clone(), health.clone(), stop.clone()));
    workers
}

async fn dispatch(context: Context, stop: CancellationToken) {
    let dispatch = Dispatch::new(
        Arc::clone(&context.config),
        context.store.clone(),
        context.surfaces.clone(),
        context.agents.clone(),
        context.way_out.book.clone(),
        context.clock.clone(),
        context.wake.clone(),
    );
    let beat = context.heartbeats.of(Worker::Dispatch);
    let mut failed = 0;
    while !stop.is_cancelled() {
        let outcome = dispatch.step(&beat).await;
        failed = if outcome.is_ok() { 0 } else { failed + 1 };
        match outcome {
            Ok(Step::Done) => {}
            Ok(Step::Idle) => tokio::select! {
                () = context.wake.wait_inbox() => {}
                () = stop.cancelled() => {}
            },
            Err(error) => {
                error!(
                    error = &error as &dyn std::error::Error,
                    "a delivery could not be handled; it is tried again"
                );
                tokio::select! {
                    () = tokio::time::sleep(pause_before_try(failed, DATABASE_PAUSE_MAX)) => {}
                    () = stop.cancelled() => {}
                }
            }
        }
    }
}

/// Looks for deliveries and effects as soon as another process has stored one for this one.
async fn hear_bells(context: Context, stop: CancellationToken) {
    tokio::select! {
        () = context.store.hear_bells(|bell| match bell {
            Bell::Delivery => context.wake.inbox(),
            Bell::Effect => context.wake.outbox(),
        }) => {}
        () = stop.cancelled() => {}
    }
}

async fn watch_engine(context: Context, health: Health, stop: CancellationToken) {
    let mut answered = true;
    let beat = context.heartbeats.of(Worker::Engine);
    while !stop.is_cancelled() {
        beat.back_in(ENGINE_ANSWERS_WITHIN);
        let answer = tokio::select! {
            answer = tokio::time::timeout(ENGINE_ANSWERS_WITHIN, context.executor.describe()) => answer,
            () = stop.cancelled() => return,
        };
        let answers = matches!(answer, Ok(Ok(_)));
        health.engine(answers);
        if answers && !answered {
            // What could not be removed meanwhile is removed now.
            context.wake.left_over();
        }
        answered = answers;
        health.policy(context.way_out.book.trouble());
        beat.back_in(ENGINE_ASKED_EVERY);
        tokio::select! {
            () = tokio::time::sleep(ENGINE_ASKED_EVERY) => {}
            () = stop.cancelled() => {}
        }
    }
}

async fn watch_clock(context: Context, health: Health, stop: CancellationToken) {
    let mut jumps = Jumps::default();
    while !stop.is_cancelled() {
        if let Err(error) = jumps.look(&context).await {
            warn!(
                error = &error as &dyn std::error::Error,
                "what waits could not be moved with the clock; it is tried again"
            );
        }
        health.clock(jumps.told(&context));
        tokio::select! {
            () = tokio::time::sleep(LOOKED_EVERY) => {}
            () = stop.cancelled() => {}
        }
    }
}

/// Says at the start, and when it changes, what Slack does not let the bot do.
async fn watch_slack(context: Context, health: Health, stop: CancellationToken) {
    let Some(workspaces) = context.surfaces.workspaces() else {
        return;
    };
    let (mut tries, mut told) = (0, Vec::new());
    while !stop.is_cancelled() {
        let lacks = workspaces.lacks().await;
        for words in &lacks.told {
            if !told.contains(words) {
                warn!("Slack: {words}. What needs none of them works");
            }
        }
        let pause = match &lacks.unknown {
            None => {
                tries = 0;
                SLACK_ASKED_EVERY
            }
            Some(error) => {
                tries += 1;
                info!(%error, "what Slack lets the bot do is not known yet");
                pause_before_try(tries, SLACK_PAUSE_MAX)
            }
        };
        // What was known of a workspace that does not answer now is left as it was.
        if lacks.unknown.is_none() || lacks.told.len() > told.len() {
            told.clone_from(&lacks.told);
            health.slack(lacks.told);
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => {}
        }
    }
}

/// The keys of stored secrets, which are looked for from now on.
fn keys(config: &Config, redactor: &Redactor) -> anyhow::Result<EncryptionKeys> {
    let keys = config
        .keys_in_force()
        .context("stored secrets cannot be opened")?;
    keys.secrets().iter().for_each(|key| redactor.add(key));
    Ok(keys)
}

/// Why nothing begins, in words for whoever started it.
fn not_opened(error: StoreError) -> anyhow::Error {
    let words = error.in_words();
    anyhow::Error::new(error).context(format!("the database cannot be opened: {words}"))
}

/// The key of link signatures, made once.
async fn own_secret(data_dir: &Path) -> anyhow::Result<SecretString> {
    use std::os::unix::fs::OpenOptionsExt;
    let path = data_dir.join("secret");
    match tokio::fs::read_to_string(&path).await {
        Ok(text) => return Ok(SecretString::from(text.trim().to_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).context("the link secret cannot be read"),
    }
    let fresh = format!(
        "{}{}",
        uuid::Uuid::new_v4().simple(),
        uuid::Uuid::new_v4().simple()
    );
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let mut file = options
        .open(&path)
        .context("the link secret cannot be stored")?;
    std::io::Write::write_all(&mut file, fresh.as_bytes())
        .context("the link secret cannot be stored")?;
    Ok(SecretString::from(fresh))
}
