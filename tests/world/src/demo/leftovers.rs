//! What an installation of Deckhand has in the container engine: counted when a task is over, removed at the end.

use std::process::Stdio;

use anyhow::ensure;
use tokio::process::Command;

/// The kinds of objects that Deckhand makes, with the words that list and remove them.
const KINDS: [(&[&str], &[&str]); 2] = [
    (&["ps", "--all", "--quiet"], &["rm", "--force", "--volumes"]),
    (&["volume", "ls", "--quiet"], &["volume", "rm", "--force"]),
];

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
        let outcome = async {
            let found = list_kind(instance, list).await?;
            if found.is_empty() {
                return Ok(());
            }
            let found: Vec<&str> = found.iter().map(String::as_str).collect();
            docker(&[remove, &found].concat()).await.map(drop)
        };
        if let Err(error) = outcome.await {
            tracing::warn!(
                instance,
                "not everything could be removed from the engine: {error:#}"
            );
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
