//! What other people do to a repository, with git itself.

use std::{path::Path, process::Command};

use super::{GITHUB_TOKEN, Stage};

impl Stage {
    /// Clones a repository of the world as a person would, runs a script in it, and pushes `main`.
    pub async fn push_by_hand(&self, name: &str, script: &str) {
        let folder = tempfile::tempdir().unwrap();
        let url = self.github.git_url(name).replacen(
            "http://",
            &format!("http://ana:{GITHUB_TOKEN}@"),
            1,
        );
        let script = format!(
            "set -e; git clone -q '{url}' tree; cd tree; {script}; git push -q origin HEAD:main"
        );
        run(folder.path(), script).await;
    }
}

impl Stage {
    /// A copy of everything that a repository of the world has, without the settings of git.
    pub async fn cloned(&self, name: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let url = self.github.git_url(name).replacen(
            "http://",
            &format!("http://ana:{GITHUB_TOKEN}@"),
            1,
        );
        // The forge answers from this process: whoever waits for it must not hold one of its threads.
        run(folder.path(), format!("git clone -q --mirror '{url}' .")).await;
        // They hold the token that it was made with.
        std::fs::write(folder.path().join("config"), "[core]\n\tbare = true\n").unwrap();
        folder
    }
}

/// Makes a repository that is no part of any forge, from a script that fills its first commit. Its address is `file://…`.
pub async fn plain_repository(folder: &Path, script: &str) -> String {
    let script = format!(
        "set -e; git init -q -b main tree; cd tree; {script}; git add -A; {COMMIT} -m 'First commit'; cd ..; \
         git clone -q --bare tree plain.git; rm -rf tree"
    );
    run(folder, script).await;
    format!("file://{}", folder.join("plain.git").display())
}

/// What a branch of a plain repository shows in a file; empty where there is neither.
pub fn file_of(folder: &Path, branch: &str, path: &str) -> String {
    let show = Command::new("git")
        .arg("-C")
        .arg(folder.join("plain.git"))
        .args(["show", &format!("{branch}:{path}")])
        .output()
        .unwrap();
    String::from_utf8_lossy(&show.stdout).into_owned()
}

/// A commit of somebody, without their settings.
pub const COMMIT: &str = "git -c user.name=ben -c user.email=ben@acme.example commit -q";

async fn run(folder: &Path, script: String) {
    let folder = folder.to_owned();
    let done = tokio::task::spawn_blocking(move || {
        Command::new("sh")
            .arg("-c")
            .arg(script)
            .current_dir(folder)
            .output()
    })
    .await
    .unwrap()
    .unwrap();
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
}
