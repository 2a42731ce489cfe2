//! The work tree of a run, made in its sandbox from the mirror that it borrows, beside `git clone --local` on the host.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use deckhand_executors::mirror::{BranchName, prepare_script};
use deckhand_executors::sandbox::{Executor as _, SandboxName};

use super::ground::{Ground, TREE, borrowed, exec, idle};
use super::pairs::Pairs;
use super::repository::{Repository, git};
use crate::demo::leftovers::docker;

/// The branch of the work tree.
const BRANCH: &str = "deckhand/bench";

/// How long it took.
pub struct Clone {
    /// Until the work tree is there.
    pub pairs: Pairs,
    /// Whether both write to the same file system; otherwise disks are compared too.
    pub is_one_file_system: bool,
}

/// Takes so many pairs.
pub async fn measure(
    ground: &Ground,
    repository: &Repository,
    count: usize,
) -> anyhow::Result<Clone> {
    let mut spec = ground.spec("prepare", "start", &idle());
    "/work".clone_into(&mut spec.working_directory);
    let mirror = &repository.mirror;
    spec.mounts
        .push(borrowed(mirror, &mirror.display().to_string()));
    ground.executor.start(&spec).await?;
    let target = ground.lent("clones")?;
    let ours = async || in_sandbox(ground, &spec.name, repository).await;
    let pairs = Pairs::take(count, ours, async || bare(repository, &target).await).await?;
    ground.executor.stop(&spec.name).await?;
    Ok(Clone {
        pairs,
        is_one_file_system: is_one_file_system(&target).await,
    })
}

async fn in_sandbox(
    ground: &Ground,
    name: &SandboxName,
    repository: &Repository,
) -> anyhow::Result<Duration> {
    ground.run(name, exec(&["rm", "-rf", TREE])).await?;
    let branch = BranchName::parse(BRANCH)?;
    let script = prepare_script(&repository.mirror, &repository.head, &branch);
    let begun = Instant::now();
    ground.run(name, script).await?;
    Ok(begun.elapsed())
}

async fn bare(repository: &Repository, folder: &Path) -> anyhow::Result<Duration> {
    let target = folder.join("repo");
    if target.exists() {
        std::fs::remove_dir_all(&target)?;
    }
    let begun = Instant::now();
    git(
        folder,
        &["clone", "--quiet", "--local"],
        &[&repository.mirror, &target],
    )
    .await?;
    Ok(begun.elapsed())
}

/// Whether the engine's volumes lie on the file system of this folder; one that cannot be asked is taken for another.
async fn is_one_file_system(folder: &Path) -> bool {
    let root = docker(&["info", "--format", "{{.DockerRootDir}}"]).await;
    let device = |path: &Path| std::fs::metadata(path).map(|facts| facts.dev()).ok();
    let of_engine = root.ok().and_then(|root| device(Path::new(root.trim())));
    of_engine.is_some() && of_engine == device(folder)
}
