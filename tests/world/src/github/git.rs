//! Real bare repositories, and the few things that are done to them with real git.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use uuid::Uuid;

/// How long one git command may take.
const TIME_LIMIT: Duration = Duration::from_mins(1);
/// The date of a repository's first commit; later ones follow a minute apart.
const FIRST_COMMIT_AT: u64 = 1_767_600_000;
/// Who writes the commits that the world makes by itself.
const AUTHOR: (&str, &str) = ("Ana", "ana@example.com");
/// The id git gives to "no such ref".
pub(super) const NO_COMMIT: &str = "0000000000000000000000000000000000000000";

/// One bare repository on disk.
#[derive(Debug, Clone)]
pub(super) struct Git {
    directory: PathBuf,
}

/// A commit as `git log` tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// The full commit id.
    pub id: String,
    /// Its parents' ids, first parent first.
    pub parents: Vec<String>,
    /// The author as `Name <address>`.
    pub author: String,
    /// The whole message with its trailers.
    pub message: String,
}

/// What merging one commit into another would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Merge {
    /// It merges; the id is the resulting tree's.
    Clean(String),
    /// It does not.
    Conflicts,
}

/// Size of the difference between two commits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct DiffSize {
    pub commits: u64,
    pub files: u64,
    pub additions: u64,
    pub deletions: u64,
}

/// A git command with nothing of this machine's configuration in it.
pub(super) fn command() -> Command {
    let mut command = Command::new("git");
    // Name by name: where the environment is cleared, the standard library copies the whole process to start a command.
    for (name, _) in std::env::vars_os() {
        if name != "PATH" {
            command.env_remove(name);
        }
    }
    command
        .env("LC_ALL", "C")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_TERMINAL_PROMPT", "0")
        .kill_on_drop(true);
    command
}

impl Git {
    /// Makes an empty bare repository whose first branch will be `main`.
    pub(super) async fn create(directory: PathBuf) -> anyhow::Result<Self> {
        tokio::fs::create_dir_all(&directory).await?;
        let git = Self { directory };
        git.run(&["init", "--bare", "--quiet", "--initial-branch=main", "."])
            .await?;
        git.run(&["config", "http.receivepack", "true"]).await?;
        git.run(&["config", "uploadpack.allowFilter", "true"])
            .await?;
        git.run(&["config", "uploadpack.allowReachableSHA1InWant", "true"])
            .await?;
        git.run(&["config", "gc.auto", "0"]).await?;
        Ok(git)
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Runs git in the repository and gives its trimmed output.
    pub(super) async fn run(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let output = self.bytes(arguments, &[], &[]).await?;
        Ok(String::from_utf8_lossy(&output).trim_end().to_owned())
    }

    /// Runs git with extra environment and input, and gives its output as it is.
    pub(super) async fn bytes(
        &self,
        arguments: &[&str],
        environment: &[(&str, &str)],
        input: &[u8],
    ) -> anyhow::Result<Vec<u8>> {
        let (status, stdout, stderr) = self.attempt(arguments, environment, input).await?;
        if status != 0 {
            bail!(
                "git {} ended with {status}: {}",
                arguments.join(" "),
                stderr.trim()
            );
        }
        Ok(stdout)
    }

    async fn attempt(
        &self,
        arguments: &[&str],
        environment: &[(&str, &str)],
        input: &[u8],
    ) -> anyhow::Result<(i32, Vec<u8>, String)> {
        let mut child = command()
            .arg("--git-dir=.")
            .args(arguments)
            .current_dir(&self.directory)
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("git did not start")?;
        let mut stdin = child.stdin.take().context("the input is piped")?;
        let (_, output) = tokio::time::timeout(TIME_LIMIT, async {
            // A git that does not want its input closes the pipe; its status says the rest.
            let feed = async move {
                let fed = stdin.write_all(input).await;
                drop(stdin);
                fed
            };
            tokio::join!(feed, child.wait_with_output())
        })
        .await
        .with_context(|| format!("git {} took over a minute", arguments.join(" ")))?;
        let output = output?;
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        Ok((output.status.code().unwrap_or(-1), output.stdout, stderr))
    }

    /// The commit a revision stands for, or nothing where there is none.
    pub(super) async fn resolve(&self, revision: &str) -> anyhow::Result<Option<String>> {
        if revision.starts_with('-') {
            return Ok(None);
        }
        let commit = format!("{revision}^{{commit}}");
        let (status, stdout, _) = self
            .attempt(&["rev-parse", "--verify", "--quiet", &commit], &[], &[])
            .await?;
        let id = String::from_utf8_lossy(&stdout).trim().to_owned();
        Ok((status == 0).then_some(id))
    }

    /// The id of any object, or nothing where there is none.
    pub(super) async fn resolve_object(&self, object: &str) -> anyhow::Result<Option<String>> {
        let (status, stdout, _) = self
            .attempt(&["rev-parse", "--verify", "--quiet", object], &[], &[])
            .await?;
        Ok((status == 0).then(|| String::from_utf8_lossy(&stdout).trim().to_owned()))
    }

    /// The tip of a branch, or nothing where there is no such branch.
    pub(super) async fn branch(&self, branch: &str) -> anyhow::Result<Option<String>> {
        self.resolve(&format!("refs/heads/{branch}")).await
    }

    /// Every branch with its tip, by name.
    pub(super) async fn branches(&self) -> anyhow::Result<Vec<(String, String)>> {
        let listing = self
            .run(&[
                "for-each-ref",
                "--format=%(objectname) %(refname:lstrip=2)",
                "refs/heads",
            ])
            .await?;
        let pairs = listing.lines().filter_map(|line| line.split_once(' '));
        Ok(pairs
            .map(|(id, name)| (name.to_owned(), id.to_owned()))
            .collect())
    }

    /// A file's bytes at a revision, or nothing where it is not there.
    pub(super) async fn file(&self, revision: &str, path: &str) -> anyhow::Result<Option<Vec<u8>>> {
        if revision.starts_with('-') {
            return Ok(None);
        }
        let object = format!("{revision}:{path}");
        let (status, stdout, _) = self
            .attempt(&["cat-file", "blob", &object], &[], &[])
            .await?;
        Ok((status == 0).then_some(stdout))
    }

    /// The commits of a range, newest first, at most `limit`.
    pub(super) async fn log(&self, range: &str, limit: usize) -> anyhow::Result<Vec<Commit>> {
        let limit = format!("--max-count={limit}");
        let format = "--format=%H%x1f%P%x1f%an <%ae>%x1f%B%x1e";
        let listing = self.run(&["log", &limit, format, range, "--"]).await?;
        let commits = listing.split('\u{1e}').filter_map(|entry| {
            let mut parts = entry.trim_start().splitn(4, '\u{1f}');
            Some(Commit {
                id: parts.next().filter(|id| !id.is_empty())?.to_owned(),
                parents: parts
                    .next()?
                    .split(' ')
                    .filter(|id| !id.is_empty())
                    .map(str::to_owned)
                    .collect(),
                author: parts.next()?.to_owned(),
                message: parts.next()?.trim_end().to_owned(),
            })
        });
        Ok(commits.collect())
    }

    /// The first commit: everything in a folder, by the world's author at a fixed date.
    pub(super) async fn seed(&self, folder: &Path) -> anyhow::Result<()> {
        let index = self.index();
        let folder = folder
            .canonicalize()
            .with_context(|| format!("no folder {}", folder.display()))?;
        let tree = format!("--work-tree={}", folder.display());
        let environment = [("GIT_INDEX_FILE", index.as_str())];
        self.bytes(&[&tree, "add", "--all"], &environment, &[])
            .await?;
        self.commit_index(
            &index,
            Target {
                branch: "main",
                parents: &[],
            },
            "First version",
            0,
        )
        .await
    }

    /// A commit on a branch (made from the default branch where it is new) that writes files.
    pub(super) async fn commit(
        &self,
        branch: &str,
        files: &[(&str, Vec<u8>)],
        message: &str,
        tick: u64,
    ) -> anyhow::Result<()> {
        let parent = match self.branch(branch).await? {
            Some(tip) => Some(tip),
            None => self.branch("main").await?,
        };
        let index = self.index();
        let environment = [("GIT_INDEX_FILE", index.as_str())];
        if let Some(parent) = &parent {
            self.bytes(&["read-tree", parent], &environment, &[])
                .await?;
        }
        for (path, content) in files {
            let blob = self.write_blob(content).await?;
            let entry = format!("100644,{blob},{path}");
            self.bytes(
                &["update-index", "--add", "--cacheinfo", &entry],
                &environment,
                &[],
            )
            .await?;
        }
        let parents: Vec<String> = parent.into_iter().collect();
        self.commit_index(
            &index,
            Target {
                branch,
                parents: &parents,
            },
            message,
            tick,
        )
        .await
    }

    /// Stores bytes as a blob.
    pub(super) async fn write_blob(&self, content: &[u8]) -> anyhow::Result<String> {
        let id = self
            .bytes(&["hash-object", "-w", "--stdin"], &[], content)
            .await?;
        Ok(String::from_utf8_lossy(&id).trim().to_owned())
    }

    /// A tree from `mode id<tab>path` lines on top of another tree.
    pub(super) async fn write_tree(
        &self,
        base: Option<&str>,
        entries: &str,
    ) -> anyhow::Result<String> {
        let index = self.index();
        let environment = [("GIT_INDEX_FILE", index.as_str())];
        if let Some(base) = base {
            self.bytes(&["read-tree", base], &environment, &[]).await?;
        }
        self.bytes(
            &["update-index", "--add", "--index-info"],
            &environment,
            entries.as_bytes(),
        )
        .await?;
        let tree = self.bytes(&["write-tree"], &environment, &[]).await?;
        tokio::fs::remove_file(&index).await?;
        Ok(String::from_utf8_lossy(&tree).trim().to_owned())
    }

    fn index(&self) -> String {
        self.directory
            .join(format!("index-{}", Uuid::new_v4()))
            .display()
            .to_string()
    }

    async fn commit_index(
        &self,
        index: &str,
        target: Target<'_>,
        message: &str,
        tick: u64,
    ) -> anyhow::Result<()> {
        let tree = self
            .bytes(&["write-tree"], &[("GIT_INDEX_FILE", index)], &[])
            .await?;
        tokio::fs::remove_file(index).await?;
        let tree = String::from_utf8_lossy(&tree).trim().to_owned();
        let commit = self
            .commit_tree(&tree, target.parents, message, tick)
            .await?;
        self.run(&[
            "update-ref",
            &format!("refs/heads/{}", target.branch),
            &commit,
        ])
        .await?;
        Ok(())
    }

    /// Makes a commit object from a tree, by the world's author.
    pub(super) async fn commit_tree(
        &self,
        tree: &str,
        parents: &[String],
        message: &str,
        tick: u64,
    ) -> anyhow::Result<String> {
        let date = format!("@{} +0000", FIRST_COMMIT_AT + tick * 60);
        let mut arguments = vec!["commit-tree", tree, "-F", "-"];
        for parent in parents {
            arguments.extend(["-p", parent]);
        }
        let environment = [
            ("GIT_AUTHOR_NAME", AUTHOR.0),
            ("GIT_AUTHOR_EMAIL", AUTHOR.1),
            ("GIT_AUTHOR_DATE", &date),
            ("GIT_COMMITTER_NAME", AUTHOR.0),
            ("GIT_COMMITTER_EMAIL", AUTHOR.1),
            ("GIT_COMMITTER_DATE", &date),
        ];
        let id = self
            .bytes(&arguments, &environment, message.as_bytes())
            .await?;
        Ok(String::from_utf8_lossy(&id).trim().to_owned())
    }

    /// Tries a merge without touching a branch.
    pub(super) async fn try_merge(&self, base: &str, head: &str) -> anyhow::Result<Merge> {
        let (status, stdout, stderr) = self
            .attempt(&["merge-tree", "--write-tree", base, head], &[], &[])
            .await?;
        let first = String::from_utf8_lossy(&stdout)
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned();
        match status {
            0 => Ok(Merge::Clean(first)),
            1 => Ok(Merge::Conflicts),
            _ => bail!("git merge-tree ended with {status}: {}", stderr.trim()),
        }
    }

    /// Commits, files and lines between the merge base of two commits and the second.
    pub(super) async fn diff_size(&self, base: &str, head: &str) -> anyhow::Result<DiffSize> {
        let count = self
            .run(&["rev-list", "--count", &format!("{base}..{head}")])
            .await?;
        let numbers = self
            .run(&["diff", "--numstat", &format!("{base}...{head}")])
            .await?;
        let mut size = DiffSize {
            commits: count.parse()?,
            ..DiffSize::default()
        };
        for line in numbers.lines() {
            let mut columns = line.split('\t');
            let mut number = || {
                columns
                    .next()
                    .and_then(|text| text.parse::<u64>().ok())
                    .unwrap_or(0)
            };
            size.additions += number();
            size.deletions += number();
            size.files += 1;
        }
        Ok(size)
    }

    /// The difference as text, cut at `limit` bytes.
    pub(super) async fn diff(&self, range: &str, limit: usize) -> anyhow::Result<String> {
        let mut text = self
            .run(&["diff", "--no-color", "--no-ext-diff", range])
            .await?;
        if text.len() > limit {
            text.truncate(text.floor_char_boundary(limit));
            text.push_str("\n… (cut)");
        }
        Ok(text)
    }
}

/// Where a new commit goes.
#[derive(Clone, Copy)]
struct Target<'a> {
    branch: &'a str,
    parents: &'a [String],
}
