//! What a repository refuses when somebody pushes, enforced by real git in a `pre-receive` hook.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::Context as _;

/// Reads its rules from two files beside it, so that they can change while the server runs.
const PRE_RECEIVE: &str = include_str!("pre-receive.sh");

/// The file with one protected branch a line.
const PROTECTED: &str = "world-protected";
/// The file with the reason for which everything is refused.
const REFUSAL: &str = "world-refusal";

/// Puts the hook into a new bare repository.
pub(super) async fn install(repository: &Path) -> anyhow::Result<()> {
    let hook = repository.join("hooks/pre-receive");
    tokio::fs::create_dir_all(repository.join("hooks")).await?;
    tokio::fs::write(&hook, PRE_RECEIVE)
        .await
        .context("the hook could not be written")?;
    tokio::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).await?;
    Ok(())
}

/// Protects a branch against every direct push.
pub(super) fn protect(repository: &Path, branch: &str) -> anyhow::Result<()> {
    let file = repository.join(PROTECTED);
    let mut branches = std::fs::read_to_string(&file).unwrap_or_default();
    branches.push_str(branch);
    branches.push('\n');
    Ok(std::fs::write(file, branches)?)
}

/// Refuses every push with a reason, or none any more.
pub(super) fn refuse(repository: &Path, reason: Option<&str>) -> anyhow::Result<()> {
    let file = repository.join(REFUSAL);
    match reason {
        Some(reason) => Ok(std::fs::write(file, reason)?),
        None if file.exists() => Ok(std::fs::remove_file(file)?),
        None => Ok(()),
    }
}
