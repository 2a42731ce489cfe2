//! Hands out what was kept of a cancelled task's work.

use std::path::Path;

use anyhow::{Context as _, bail};
use deckhand_executors::{
    broker::Quarantine,
    mirror::{BranchName, CommitId},
};

use super::say;
use crate::{
    config::Config,
    domain::{
        TaskId,
        kept::{Kept, branch_of},
    },
    store::Store,
};

/// Writes a bundle with it, and says how a clone takes it in. A server may run meanwhile.
pub(super) async fn run(config: &Config, task: &TaskId, file: &Path) -> anyhow::Result<()> {
    let store = Store::open_beside(&config.database_url).await?;
    let stored = store.task(task).await;
    store.close().await;
    let task = stored?.context("there is no such task")?.task;
    let workplace = task.workplace.as_ref();
    let (Kept::Branch { .. }, Some(workplace)) = (&task.kept, workplace) else {
        bail!("nothing of the task {} is kept", task.id);
    };
    if file.try_exists()? {
        bail!(
            "{} is there already; work is never written over anything",
            file.display()
        );
    }
    let file = std::path::absolute(file)?;
    let path = config.quarantine_path(&task.id);
    let quarantine = Quarantine::known(path).with_context(|| {
        format!(
            "the work of the task {} is not here any more: its time is over",
            task.id
        )
    })?;
    let name = branch_of(&task.id);
    let branch = BranchName::parse(&name)?;
    let base = CommitId::parse(&workplace.base_commit.0)?;
    quarantine.bundle(&branch, &base, &file).await?;
    let (file, repository) = (file.display(), &workplace.repository);
    say(&format!(
        "{file} has the work of the task {}. Nobody has checked it, and it may hold what should not be pushed. In a clone of {repository} that is up to date: git fetch '{file}' {name}:{name}",
        task.id
    ));
    Ok(())
}
