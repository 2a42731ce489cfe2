//! The second, clean container: it gets exactly the commit that is to be pushed and runs the checks again.
//!
//! The agent's container is never asked whether its work is good. The proof's container starts from the image, an
//! empty volume, and the objects in quarantine, which it can only read; nothing that the agent left beside its
//! commits is there. The checks themselves are the agent's as far as they are files of the repository, which is why
//! [`weakening`] looks at what the change did to them.

mod checks;
mod error;
mod pictures;
mod report;
mod room;
mod trees;
pub mod weakening;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    time::{Duration, Instant},
};

use tokio::sync::mpsc;

pub use checks::{Check, CheckId, CheckResult, CheckStatus};
pub use error::ProofError;
pub use pictures::{Moment, Page, Picture, PictureOutcome, StartCommand};
pub use report::ProofReport;
pub use room::Network;

use crate::{
    broker::Quarantine,
    mirror::CommitId,
    sandbox::{Executor, ExecutorError, Limits, SandboxName, VolumeName},
};
use room::Room;
use trees::Tree;

/// The sandbox in which the proof is made.
#[derive(Debug, Clone)]
pub struct ProofSandbox {
    /// Its name; see [`sandbox_name`]. A sandbox of this name that a crash left behind is removed first.
    pub name: SandboxName,
    /// The image: the agent's, or the base of all.
    pub image: String,
    /// Variables beside those that the proof sets itself.
    pub environment: BTreeMap<String, String>,
    /// Labels, by which a reaper finds it.
    pub labels: BTreeMap<String, String>,
    /// Ceilings.
    pub limits: Limits,
    /// The OCI runtime, where it is not the engine's default.
    pub runtime: Option<String>,
}

/// Whether the checks run on the base as well, so that the report can say "failed before, passes now".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// They do.
    Run,
    /// They do not.
    Skip,
}

/// A command that has to succeed before the checks can run. What it leaves running is ended with it; a check that
/// needs a service starts it itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setup {
    /// The shell command.
    pub command: String,
    /// Its wall-clock limit.
    pub timeout: Duration,
}

/// What is to be proved, and how.
#[derive(Debug)]
pub struct ProofSpec {
    /// Where.
    pub sandbox: ProofSandbox,
    /// The way to package registries during the setup; `None` where nothing is reached at all.
    pub network: Option<Network>,
    /// The repository's mirror on the host.
    pub mirror: PathBuf,
    /// The task's quarantine, with the commit in it.
    pub quarantine: Quarantine,
    /// The commit that is to be pushed.
    pub commit: CommitId,
    /// The commit that the task began with.
    pub base: CommitId,
    /// What has to run first, if anything.
    pub setup: Option<Setup>,
    /// The checks, in order.
    pub checks: Vec<Check>,
    /// Whether they run on the base too.
    pub comparison: Comparison,
    /// How the application starts; without it there are no pictures.
    pub start: Option<StartCommand>,
    /// The pages to photograph.
    pub pages: Vec<Page>,
}

/// A step of a proof, for whoever watches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProofStep {
    /// The container starts and the commit is checked out.
    Preparing,
    /// The setup runs.
    SettingUp,
    /// A check runs.
    Checking {
        /// Which.
        id: CheckId,
        /// On the base or on the commit.
        moment: Moment,
    },
    /// A check ended.
    Checked {
        /// Which.
        id: CheckId,
        /// On the base or on the commit.
        moment: Moment,
        /// How.
        status: CheckStatus,
    },
    /// The application is started and photographed.
    Photographing {
        /// At the base or at the commit.
        moment: Moment,
    },
}

/// Where steps are reported. Steps are dropped when nobody takes them.
pub type Progress = mpsc::Sender<ProofStep>;

/// The name of the sandbox that proves `commit` for a task: the same after a crash, so that what was left is found.
#[must_use]
pub fn sandbox_name(task: &str, commit: &CommitId) -> SandboxName {
    SandboxName(format!("deckhand-proof-{task}-{}", commit.short()))
}

/// The volume of a proof's sandbox.
#[must_use]
pub fn volume_name(sandbox: &SandboxName) -> VolumeName {
    VolumeName(format!("{}-work", sandbox.0))
}

/// Removes a proof's sandbox and its volume. One that is not there is a success. Whoever drops the future of
/// [`prove`] calls this afterwards.
pub async fn remove(executor: &dyn Executor, sandbox: &SandboxName) -> Result<(), ExecutorError> {
    executor.stop(sandbox).await?;
    executor.remove_volume(&volume_name(sandbox)).await
}

/// Proves a commit. The sandbox and its volume are gone when this returns, whatever the outcome.
///
/// # Errors
/// Only where no statement about the commit could be made at all. A check that fails, a setup that fails and a page
/// that cannot be photographed are results.
pub async fn prove(
    executor: &dyn Executor,
    spec: &ProofSpec,
    progress: &Progress,
) -> Result<ProofReport, ProofError> {
    let began = Instant::now();
    remove(executor, &spec.sandbox.name).await?;
    let outcome = attempt(executor, spec, progress).await;
    let removed = remove(executor, &spec.sandbox.name).await;
    let mut report = outcome?;
    removed?;
    report.elapsed = began.elapsed();
    Ok(report)
}

async fn attempt(
    executor: &dyn Executor,
    spec: &ProofSpec,
    progress: &Progress,
) -> Result<ProofReport, ProofError> {
    let tell = |step| {
        // Nobody may be watching, and the report says it all again.
        let _ = progress.try_send(step);
    };
    let mut report = ProofReport::of(spec);
    report.weakenings = weakening::between(&spec.quarantine, &spec.base, &spec.commit).await?;
    tell(ProofStep::Preparing);
    let room = Room::open(executor, spec).await?;
    let takes_pictures = spec.start.is_some() && !spec.pages.is_empty();
    let needs_base = takes_pictures || spec.comparison == Comparison::Run;
    trees::check_out(&room, spec, Tree::Commit).await?;
    if needs_base {
        trees::check_out(&room, spec, Tree::Base).await?;
    }
    let mut obstacle = Obstacles::default();
    if let Some(setup) = &spec.setup {
        tell(ProofStep::SettingUp);
        let result = checks::run_setup(&room, setup, Tree::Commit).await?;
        obstacle.commit = result.obstacle();
        report.setup = Some(result);
        if needs_base {
            let result = checks::run_setup(&room, setup, Tree::Base).await?;
            obstacle.base = result.obstacle();
        }
    }
    room.close_network();
    let before = trees::changed_files(&room, spec).await?;
    report.checks = checks::run_all(
        &room,
        spec,
        Moment::After,
        obstacle.commit.as_deref(),
        &tell,
    )
    .await?;
    let mut changed = trees::changed_files(&room, spec).await?;
    // Line ends that git converts differ from the start, which is nobody's doing.
    changed.retain(|path| !before.contains(path));
    report.files_changed_by_checks = changed;
    if spec.comparison == Comparison::Run {
        room.restart().await?;
        report.base_checks =
            checks::run_all(&room, spec, Moment::Before, obstacle.base.as_deref(), &tell).await?;
    }
    if let Some(start) = spec.start.as_ref().filter(|_| takes_pictures) {
        let views = [
            (Moment::Before, &obstacle.base),
            (Moment::After, &obstacle.commit),
        ];
        for (moment, obstacle) in views {
            tell(ProofStep::Photographing { moment });
            let taken = pictures::take(&room, start, &spec.pages, moment, obstacle.as_deref());
            report.pictures.extend(taken.await?);
        }
    }
    Ok(report)
}

/// Why nothing can run in a tree, where its setup failed.
#[derive(Debug, Default)]
struct Obstacles {
    commit: Option<String>,
    base: Option<String>,
}
