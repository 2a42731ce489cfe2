//! A remote repository on the disk, its mirror, and a work tree that stands for the inside of a sandbox.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use deckhand_executors::{
    broker::Quarantine,
    mirror::{CommitId, Mirror, Mirrors, RepositoryUrl},
};
use tempfile::TempDir;

/// A bare remote with one commit on `main`, and what the host keeps of it.
pub struct Repository {
    folder: TempDir,
    pub url: RepositoryUrl,
    pub mirrors: Mirrors,
}

impl Repository {
    /// A remote with a README, a program and a test.
    pub fn new() -> Self {
        let repository = Self::empty();
        let work = repository.path("author");
        git(
            repository.folder.path(),
            &["clone", "-q", repository.url.as_str(), "author"],
        );
        fs::create_dir(work.join("test")).unwrap();
        fs::write(work.join("README.md"), "# Web\n").unwrap();
        fs::write(work.join("value.txt"), "1\n").unwrap();
        fs::write(work.join("test/value.sh"), "test -s value.txt\n").unwrap();
        commit_all(&work, "The first commit");
        git(&work, &["push", "-q", "origin", "HEAD:main"]);
        repository
    }

    /// A remote without a commit.
    pub fn empty() -> Self {
        let folder = TempDir::new().unwrap();
        let remote = folder.path().join("acme/web.git");
        git(
            folder.path(),
            &[
                "init",
                "-q",
                "--bare",
                "-b",
                "main",
                remote.to_str().unwrap(),
            ],
        );
        let url = RepositoryUrl::of_folder(&remote).unwrap();
        let mirrors = Mirrors::new(folder.path().join("mirrors"));
        Self {
            folder,
            url,
            mirrors,
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Somebody pushes another commit to `main`.
    pub fn author_pushes(&self, file: &str, content: &str) {
        let work = self.path("author");
        fs::write(work.join(file), content).unwrap();
        commit_all(&work, "Another commit");
        git(&work, &["push", "-q", "origin", "HEAD:main"]);
    }

    pub async fn mirror(&self) -> Mirror {
        self.mirrors.refresh(&self.url, None).await.unwrap()
    }

    pub async fn quarantine(&self, mirror: &Mirror) -> Quarantine {
        let path = self.path("quarantine/task-1.git");
        Quarantine::open(path, mirror.path()).await.unwrap()
    }
}

/// Commits everything in a work tree and gives the new commit.
pub fn commit_all(work: &Path, message: &str) -> CommitId {
    git(work, &["add", "-A"]);
    git(work, &["commit", "-q", "-m", message]);
    CommitId::parse(&git(work, &["rev-parse", "HEAD"])).unwrap()
}

/// Runs git as a person would, and gives what it printed.
pub fn git(folder: &Path, arguments: &[&str]) -> String {
    git_reading(folder, arguments, "")
}

/// The same with bytes for standard input.
pub fn git_reading(folder: &Path, arguments: &[&str], input: &str) -> String {
    use std::io::Write as _;
    let mut child = Command::new("git")
        .args(["-c", "user.name=ana", "-c", "user.email=ana@example.test"])
        .args(arguments)
        .current_dir(folder)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "git {arguments:?}: {errors}");
    String::from_utf8(output.stdout)
        .unwrap()
        .trim_end()
        .to_owned()
}
