//! A task whose agent works in a folder.

use std::{fs, path::PathBuf, process::Stdio, time::Duration};

use async_trait::async_trait;
use deckhand_executors::{
    Executor, ExecutorError, SandboxName, SandboxSpec,
    broker::{
        BrokerError, Errand, FindingKind, Gate, KnownSecrets, NoSecrets, Push, PushError,
        Quarantine, RemoteBranch, Rules, Scope, Signature, TakeOutLimits, Taken, take_out,
    },
    mirror::{BranchName, CommitId},
    sandbox::{Attachment, Condition, Exec, ExecOutput, Listed, VolumeName},
};
use tokio::io::AsyncWriteExt as _;

use crate::repository::{Repository, git, git_reading};

/// What the usual plan names.
const USUAL: [&str; 8] = [
    "value.txt",
    "more.txt",
    "new.txt",
    "README.md",
    "*.bin",
    "run.sh",
    "out",
    "inside",
];

/// A sandbox that is a folder: commands run in it as they are, unless it says something else whatever it is asked.
pub struct Folder {
    work: PathBuf,
    forged: Option<Vec<u8>>,
}

#[async_trait]
impl Executor for Folder {
    async fn exec(&self, _: &SandboxName, exec: Exec) -> Result<ExecOutput, ExecutorError> {
        if let Some(forged) = &self.forged {
            return Ok(ExecOutput {
                status: Some(0),
                output: forged.clone(),
                errors: Vec::new(),
                dropped_bytes: 0,
                elapsed: Duration::ZERO,
            });
        }
        let mut child = tokio::process::Command::new(&exec.command[0])
            .args(&exec.command[1..])
            .current_dir(&self.work)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(&exec.input)
            .await
            .unwrap();
        let output = child.wait_with_output().await.unwrap();
        let kept = output.stdout.len().min(exec.output_limit_bytes);
        Ok(ExecOutput {
            status: output.status.code().map(i64::from),
            output: output.stdout[..kept].to_vec(),
            errors: output.stderr,
            dropped_bytes: u64::try_from(output.stdout.len() - kept).unwrap(),
            elapsed: Duration::ZERO,
        })
    }
    async fn start(&self, _: &SandboxSpec) -> Result<(), ExecutorError> {
        commands_alone()
    }
    async fn attach(&self, _: &SandboxName) -> Result<Attachment, ExecutorError> {
        commands_alone()
    }
    async fn condition(&self, _: &SandboxName) -> Result<Condition, ExecutorError> {
        commands_alone()
    }
    async fn wait(&self, _: &SandboxName) -> Result<Condition, ExecutorError> {
        commands_alone()
    }
    async fn stop(&self, _: &SandboxName) -> Result<(), ExecutorError> {
        commands_alone()
    }
    async fn remove_volume(&self, _: &VolumeName) -> Result<(), ExecutorError> {
        commands_alone()
    }
    async fn list(&self) -> Result<Vec<Listed>, ExecutorError> {
        commands_alone()
    }
    async fn volumes(&self) -> Result<Vec<VolumeName>, ExecutorError> {
        commands_alone()
    }
    async fn labelled_volumes(
        &self,
    ) -> Result<Vec<(VolumeName, std::collections::BTreeMap<String, String>)>, ExecutorError> {
        commands_alone()
    }
    async fn has_image(&self, _: &str) -> Result<bool, ExecutorError> {
        commands_alone()
    }
    async fn image_label(&self, _: &str, _: &str) -> Result<Option<String>, ExecutorError> {
        commands_alone()
    }
    async fn describe(&self) -> Result<String, ExecutorError> {
        commands_alone()
    }
}

/// Ends the test: commits are taken out by commands, and by nothing else that an executor can do.
fn commands_alone() -> ! {
    panic!("the broker asked for something else than a command")
}

/// A task whose agent works in a folder.
pub struct Task {
    pub repository: Repository,
    pub base: CommitId,
    pub branch: BranchName,
    pub work: PathBuf,
    pub quarantine: Quarantine,
    /// What the approved plan names; everything that the usual tests touch.
    pub scope: Scope,
    pub known: Box<dyn KnownSecrets>,
    pub pushed: Option<CommitId>,
    /// What the sandbox hands out in the place of its work.
    pub forged: Option<Vec<u8>>,
}

impl Task {
    pub async fn new() -> Self {
        Self::on(Repository::new()).await
    }

    /// A task that begins at the remote's newest commit.
    pub async fn on(repository: Repository) -> Self {
        let mirror = repository.mirror().await;
        let base = mirror.resolve("main").await.unwrap();
        let work = repository.path("work");
        let from = mirror.path().to_str().unwrap();
        git(
            &repository.path(""),
            &["clone", "-q", "--shared", "-b", "main", from, "work"],
        );
        git(&work, &["checkout", "-q", "-b", "deckhand/fix-1"]);
        git(&work, &["config", "user.name", "agent"]);
        git(&work, &["config", "user.email", "agent@example.test"]);
        let quarantine = repository.quarantine(&mirror).await;
        Self {
            branch: branch("deckhand/fix-1"),
            repository,
            base,
            work,
            quarantine,
            scope: Scope::read(&USUAL).unwrap(),
            known: Box::new(NoSecrets),
            pushed: None,
            forged: None,
        }
    }

    pub fn write(&self, path: &str, content: &str) {
        let path = self.work.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub async fn take_out(&self) -> Result<Taken, BrokerError> {
        self.take_out_within(&TakeOutLimits::default()).await
    }

    pub async fn take_out_within(&self, limits: &TakeOutLimits) -> Result<Taken, BrokerError> {
        let sandbox = SandboxName("folder".to_owned());
        let executor = Folder {
            work: self.work.clone(),
            forged: self.forged.clone(),
        };
        let errand = Errand {
            base: &self.base,
            branch: &self.branch,
            pushed: self.pushed.as_ref(),
            rules: self.rules(limits),
        };
        take_out(&executor, &sandbox, &self.quarantine, &errand).await
    }

    pub fn rules<'a>(&'a self, limits: &'a TakeOutLimits) -> Rules<'a> {
        Rules {
            scope: &self.scope,
            known: &*self.known,
            limits,
        }
    }

    pub fn author() -> Signature {
        Signature {
            name: "Deckhand <bot>".to_owned(),
            email: "bot@example.test".to_owned(),
            at_seconds: 1_700_000_000,
        }
    }

    /// The approved plan names these.
    pub fn plans(&mut self, entries: &[&str]) {
        self.scope = Scope::read(entries).unwrap();
    }

    pub async fn make_commit(&self, taken: &Taken, parent: &CommitId) -> CommitId {
        let author = Self::author();
        let message = "Fix the offset\n\nDeckhand-Task: 1\n";
        let parents = [parent.clone()];
        self.quarantine
            .make_commit(&taken.tree, &parents, message, &author)
            .await
            .unwrap()
    }

    pub async fn push(&self, commit: &CommitId, expected: RemoteBranch) -> Result<(), PushError> {
        let push = Push {
            commit,
            branch: &self.branch,
            expected: &expected,
            base: &self.base,
        };
        self.quarantine
            .push(&self.repository.url, None, &push)
            .await
    }

    /// What was found, in the order of paths.
    pub async fn findings(&self) -> Vec<(String, FindingKind, Gate)> {
        let taken = self.take_out().await.unwrap();
        let findings = taken.findings.into_iter();
        let mut found: Vec<_> = findings
            .map(|found| (found.path.clone(), found.kind.clone(), found.gate()))
            .collect();
        found.sort_by(|one, other| one.0.cmp(&other.0));
        found
    }

    /// Leaves the agent's branch at a commit of a tree that no ordinary git command would make.
    pub fn commit_tree_of(&self, entries: &str) {
        let tree = git_reading(&self.work, &["mktree", "--missing"], entries);
        let base = self.base.as_str();
        let commit = git(&self.work, &["commit-tree", "-p", base, "-m", "x", &tree]);
        git(&self.work, &["checkout", "-q", "--detach", base]);
        git(
            &self.work,
            &["branch", "-q", "-f", self.branch.as_str(), &commit],
        );
    }

    pub fn blob(&self, content: &str) -> String {
        git_reading(&self.work, &["hash-object", "-w", "--stdin"], content)
    }
}

pub fn remote(repository: &Repository) -> PathBuf {
    repository.path("acme/web.git")
}

/// The last commit of a branch at the remote.
pub fn tip(repository: &Repository, branch: &str) -> Option<CommitId> {
    let format = "--format=%(objectname)";
    let reference = format!("refs/heads/{branch}");
    let listed = git(&remote(repository), &["for-each-ref", format, &reference]);
    CommitId::parse(&listed).ok()
}

pub fn branch(name: &str) -> BranchName {
    BranchName::parse(name).unwrap()
}
