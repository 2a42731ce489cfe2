//! What an installation of Deckhand has in the container engine: counted when a task is over, removed at the end.

use std::process::Stdio;
use std::time::Duration;

use anyhow::ensure;
use tokio::process::Command;

/// The kinds of objects that Deckhand makes, with the words that list and remove them.
const KINDS: [(&[&str], &[&str]); 2] = [
    (&["ps", "--all", "--quiet"], &["rm", "--force", "--volumes"]),
    (&["volume", "ls", "--quiet"], &["volume", "rm", "--force"]),
];

/// How often a removal is tried, and how long the engine has in between.
const REMOVE_TRIES: usize = 10;
const REMOVE_PAUSE: Duration = Duration::from_millis(500);

/// Every container and volume of an installation.
pub async fn list(instance: &str) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    for (list, _) in KINDS {
        found.extend(list_kind(instance, list).await?);
    }
    Ok(found)
}

async fn list_kind(instance: &str, list: &[&str]) -> anyhow::Result<Vec<String>> {
    let filter = format!("label=deckhand.instance={instance}");
    let listed = docker(&[list, &["--filter", &filter]].concat()).await?;
    Ok(listed.split_whitespace().map(str::to_owned).collect())
}

/// Removes all of it; what does not go is told in the log.
pub async fn remove(instance: &str) {
    for (list, remove) in KINDS {
        if let Err(error) = remove_kind(instance, list, remove).await {
            tracing::warn!(
                instance,
                "not everything could be removed from the engine: {error:#}"
            );
        }
    }
}

/// Something may be on its way out already, which the engine calls an error; then another look finds nothing.
async fn remove_kind(instance: &str, list: &[&str], remove: &[&str]) -> anyhow::Result<()> {
    let mut tries = 0;
    loop {
        let found = list_kind(instance, list).await?;
        if found.is_empty() {
            return Ok(());
        }
        let found: Vec<&str> = found.iter().map(String::as_str).collect();
        ensure!(tries < REMOVE_TRIES, "{} are left", found.join(", "));
        tries += 1;
        if let Err(error) = docker(&[remove, &found].concat()).await {
            tracing::debug!(instance, "{error:#}");
            tokio::time::sleep(REMOVE_PAUSE).await;
        }
    }
}

/// Runs the engine's command line; what it prints is the answer.
pub async fn docker(arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new("docker")
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await?;
    ensure!(
        output.status.success(),
        "`docker {}`: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
