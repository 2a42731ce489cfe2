//! Who is measured: Deckhand, in one process and with doors of their own, and the two Bolt apps.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use tokio::process::{Child, Command};

use super::events::Events;
use super::load;
use crate::demo::deckhand::{Deckhand, memory_of};
use crate::serve::SIGNING_SECRET;

/// How long an app may take until it acknowledges its first event.
const ANSWERS_WITHIN: Duration = Duration::from_secs(30);
/// The pause between two tries.
const TRY_EVERY: Duration = Duration::from_millis(100);

/// An app.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum App {
    /// Deckhand's doors as a process of their own, which store; the bot works beside.
    Doors,
    /// Deckhand as one process, which stores and works.
    Deckhand,
    /// `@slack/bolt`, on Node.js.
    BoltJs,
    /// `slack-bolt`, on uvicorn with uvloop and httptools.
    BoltPython,
}

impl App {
    /// Its name in the table.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Doors => "Deckhand's doors, stored on the disk",
            Self::Deckhand => "Deckhand in one, stored on the disk",
            Self::BoltJs => "Bolt for JavaScript, not stored",
            Self::BoltPython => "Bolt for Python, not stored",
        }
    }

    /// Whether it stores what it acknowledges.
    pub const fn stores(self) -> bool {
        matches!(self, Self::Doors | Self::Deckhand)
    }

    /// Its name in the object.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Doors => "doors",
            Self::Deckhand => "deckhand",
            Self::BoltJs => "bolt_js",
            Self::BoltPython => "bolt_python",
        }
    }
}

/// What a process has used.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// The most memory that it was resident with, in bytes; the pages of its program and libraries are in it.
    pub peak: u64,
    /// What it has in memory now without those, in bytes.
    pub own: u64,
    /// The most memory of the process that works beside it, in bytes; nought where it works by itself.
    pub beside: u64,
    /// For how long it has kept processors busy.
    pub worked: Duration,
}

/// One that runs.
pub struct Running {
    /// Which.
    pub app: App,
    /// Where it listens.
    pub address: SocketAddr,
    process: u32,
    /// The process that works for it, which runs when it does.
    beside: Option<u32>,
    /// Ends with this; Deckhand is ended by its owner.
    _child: Option<Child>,
}

impl Running {
    /// Deckhand, which runs already.
    pub fn deckhand(deckhand: &Deckhand) -> anyhow::Result<Self> {
        Ok(Self {
            app: App::Deckhand,
            address: deckhand.address()?,
            process: deckhand.process()?,
            beside: None,
            _child: None,
        })
    }

    /// Starts doors of their own beside Deckhand, which runs already.
    pub fn doors(deckhand: &Deckhand) -> anyhow::Result<Self> {
        let (child, address) = deckhand.doors()?;
        Ok(Self {
            app: App::Doors,
            address,
            process: child.id().context("the doors have ended")?,
            beside: Some(deckhand.process()?),
            _child: Some(child),
        })
    }

    /// Starts a Bolt app.
    pub fn bolt(app: App, folder: &Path) -> anyhow::Result<Self> {
        let folder = std::path::absolute(folder)?;
        let (program, script) = match app {
            App::BoltPython => (folder.join("venv/bin/python"), "app.py"),
            App::BoltJs | App::Deckhand | App::Doors => ("node".into(), "app.js"),
        };
        ensure!(
            folder.join(script).is_file(),
            "there is no Bolt app in {}; `script/bench intake` installs it",
            folder.display()
        );
        let port = Deckhand::free_port()?;
        let path = std::env::var_os("PATH").unwrap_or_default();
        let child = Command::new(&program)
            .arg(script)
            .current_dir(&folder)
            .env_clear()
            .env("PATH", path)
            .env("NODE_ENV", "production")
            .env("PORT", port.to_string())
            .env("SLACK_SIGNING_SECRET", SIGNING_SECRET)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        Ok(Self {
            app,
            address: ([127, 0, 0, 1], port).into(),
            process: child.id().context("the app has ended")?,
            beside: None,
            _child: Some(child),
        })
    }

    /// Waits until it acknowledges an event.
    pub async fn until_it_answers(&self, events: &Arc<Events>) -> anyhow::Result<()> {
        let deadline = Instant::now() + ANSWERS_WITHIN;
        loop {
            match load::once(self.address, events).await {
                Ok(()) => return Ok(()),
                Err(error) if Instant::now() >= deadline => {
                    return Err(error.context(format!("{} does not answer", self.app.name())));
                }
                Err(_) => tokio::time::sleep(TRY_EVERY).await,
            }
        }
    }

    /// What it has used up to now.
    pub fn usage(&self) -> anyhow::Result<Usage> {
        Ok(Usage {
            peak: memory_of(self.process, "VmHWM:")?,
            own: memory_of(self.process, "RssAnon:")?,
            beside: self
                .beside
                .map_or(Ok(0), |process| memory_of(process, "VmHWM:"))?,
            worked: worked(&format!("/proc/{}/stat", self.process))?,
        })
    }

    /// Stops its process where it is.
    pub async fn stop(&self) -> anyhow::Result<()> {
        self.signal("-STOP").await
    }

    /// Lets it go on.
    pub async fn go_on(&self) -> anyhow::Result<()> {
        self.signal("-CONT").await
    }

    async fn signal(&self, signal: &str) -> anyhow::Result<()> {
        let processes = [Some(self.process), self.beside];
        let processes = processes.iter().flatten().map(u32::to_string);
        let status = Command::new("kill")
            .arg(signal)
            .args(processes)
            .status()
            .await?;
        ensure!(status.success(), "{} has ended", self.app.name());
        Ok(())
    }
}

/// For how long a process or thread, by the path of its figures, has kept processors busy, in steps of a hundredth of a second,
/// as Linux tells it on every machine.
pub fn worked(path: &str) -> anyhow::Result<Duration> {
    let told = std::fs::read_to_string(path)?;
    // The name in parentheses may have anything in it; what comes behind is numbers. User and system are the 12th and 13th.
    let (_, numbers) = told.rsplit_once(')').context("a process has no figures")?;
    let steps = numbers.split_whitespace().skip(11).take(2);
    let steps = steps.map(str::parse::<u64>).sum::<Result<u64, _>>()?;
    Ok(Duration::from_millis(steps * 10))
}
