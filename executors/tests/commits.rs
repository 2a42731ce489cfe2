//! The way of commits on the host: from a remote into the mirror, from a sandbox into quarantine, and out again.
//!
//! The sandbox is a folder here and its commands run beside the test; containers are the matter of other tests.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    reason = "a test fails by panicking"
)]

mod repository;

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::PathBuf,
    process::Stdio,
    time::Duration,
};

use async_trait::async_trait;
use deckhand_executors::{
    Executor, ExecutorError, SandboxName, SandboxSpec,
    broker::{
        BrokerError, ChangeStatus, FindingKind, Gate, Lines, Merge, PushError, Quarantine,
        RemoteBranch, Signature, TakeOutLimits, Taken, take_out,
    },
    mirror::{BaseState, BranchName, CommitId, Credential, MirrorError, RepositoryUrl},
    sandbox::{Attachment, Condition, Exec, ExecOutput, Listed, VolumeName},
};
use repository::{Repository, commit_all, git, git_reading};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// A sandbox that is a folder: commands run in it as they are.
struct Folder(PathBuf);

#[async_trait]
impl Executor for Folder {
    async fn exec(&self, _: &SandboxName, exec: Exec) -> Result<ExecOutput, ExecutorError> {
        let mut child = tokio::process::Command::new(&exec.command[0])
            .args(&exec.command[1..])
            .current_dir(&self.0)
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
        unimplemented!()
    }
    async fn attach(&self, _: &SandboxName) -> Result<Attachment, ExecutorError> {
        unimplemented!()
    }
    async fn condition(&self, _: &SandboxName) -> Result<Condition, ExecutorError> {
        unimplemented!()
    }
    async fn wait(&self, _: &SandboxName) -> Result<Condition, ExecutorError> {
        unimplemented!()
    }
    async fn stop(&self, _: &SandboxName) -> Result<(), ExecutorError> {
        unimplemented!()
    }
    async fn remove_volume(&self, _: &VolumeName) -> Result<(), ExecutorError> {
        unimplemented!()
    }
    async fn list(&self) -> Result<Vec<Listed>, ExecutorError> {
        unimplemented!()
    }
    async fn volumes(&self) -> Result<Vec<VolumeName>, ExecutorError> {
        unimplemented!()
    }
    async fn has_image(&self, _: &str) -> Result<bool, ExecutorError> {
        unimplemented!()
    }
    async fn describe(&self) -> Result<String, ExecutorError> {
        unimplemented!()
    }
}

/// A task whose agent works in a folder.
struct Task {
    repository: Repository,
    base: CommitId,
    branch: BranchName,
    work: PathBuf,
    quarantine: Quarantine,
}

impl Task {
    async fn new() -> Self {
        let repository = Repository::new();
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
        }
    }

    fn write(&self, path: &str, content: &str) {
        let path = self.work.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    async fn take_out(&self) -> Result<Taken, BrokerError> {
        self.take_out_within(&TakeOutLimits::default()).await
    }

    async fn take_out_within(&self, limits: &TakeOutLimits) -> Result<Taken, BrokerError> {
        let sandbox = SandboxName("folder".to_owned());
        let executor = Folder(self.work.clone());
        take_out(
            &executor,
            &sandbox,
            &self.base,
            &self.branch,
            &self.quarantine,
            limits,
        )
        .await
    }

    async fn make_commit(&self, taken: &Taken, parent: &CommitId) -> CommitId {
        let author = Signature {
            name: "Deckhand <bot>".to_owned(),
            email: "bot@example.test".to_owned(),
            at_seconds: 1_700_000_000,
        };
        let message = "Fix the offset\n\nDeckhand-Task: 1\n";
        let parents = [parent.clone()];
        self.quarantine
            .make_commit(&taken.tree, &parents, message, &author)
            .await
            .unwrap()
    }

    async fn push(&self, commit: &CommitId, expected: RemoteBranch) -> Result<(), PushError> {
        self.quarantine
            .push(&self.repository.url, None, commit, &self.branch, &expected)
            .await
    }

    async fn findings(&self) -> Vec<(String, FindingKind, Gate)> {
        let taken = self.take_out().await.unwrap();
        let findings = taken.findings.into_iter();
        findings
            .map(|found| (found.path.clone(), found.kind.clone(), found.gate()))
            .collect()
    }

    /// Leaves the agent's branch at a commit of a tree that no ordinary git command would make.
    fn commit_tree_of(&self, entries: &str) {
        let tree = git_reading(&self.work, &["mktree", "--missing"], entries);
        let base = self.base.as_str();
        let commit = git(&self.work, &["commit-tree", "-p", base, "-m", "x", &tree]);
        git(&self.work, &["checkout", "-q", "--detach", base]);
        git(
            &self.work,
            &["branch", "-q", "-f", self.branch.as_str(), &commit],
        );
    }

    fn blob(&self, content: &str) -> String {
        git_reading(&self.work, &["hash-object", "-w", "--stdin"], content)
    }
}

fn remote(repository: &Repository) -> PathBuf {
    repository.path("acme/web.git")
}

/// The last commit of a branch at the remote.
fn tip(repository: &Repository, branch: &str) -> Option<CommitId> {
    let format = "--format=%(objectname)";
    let reference = format!("refs/heads/{branch}");
    let listed = git(&remote(repository), &["for-each-ref", format, &reference]);
    CommitId::parse(&listed).ok()
}

fn branch(name: &str) -> BranchName {
    BranchName::parse(name).unwrap()
}

#[tokio::test]
async fn a_mirror_follows_its_remote() {
    let repository = Repository::new();
    let mirror = repository.mirror().await;
    assert_eq!(mirror.default_branch().as_str(), "main");
    let first = mirror.resolve("main").await.unwrap();
    assert_eq!(tip(&repository, "main").as_ref(), Some(&first));
    assert_eq!(
        mirror.has_moved(&branch("main"), &first).await.unwrap(),
        BaseState::Same
    );

    repository.author_pushes("more.txt", "more\n");
    let mirror = repository.mirror().await;
    let tip = mirror.resolve("main").await.unwrap();
    let moved = BaseState::Moved {
        tip: tip.clone(),
        commits: 1,
    };
    assert_eq!(
        mirror.has_moved(&branch("main"), &first).await.unwrap(),
        moved
    );
    let back = BaseState::Rewritten { tip: first.clone() };
    git(
        &remote(&repository),
        &["update-ref", "refs/heads/main", first.as_str()],
    );
    let mirror = repository.mirror().await;
    assert_eq!(mirror.has_moved(&branch("main"), &tip).await.unwrap(), back);
    assert_eq!(
        mirror.has_moved(&branch("gone"), &tip).await.unwrap(),
        BaseState::Gone
    );
}

#[tokio::test]
async fn every_sandbox_can_read_a_mirror() {
    let repository = Repository::new();
    let mirror = repository.mirror().await;
    let mut folders = vec![mirror.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            if path.is_dir() {
                assert_eq!(mode & 0o005, 0o005, "{}", path.display());
                folders.push(path);
            } else {
                assert_eq!(mode & 0o004, 0o004, "{}", path.display());
            }
        }
    }
}

#[tokio::test]
async fn two_refreshes_at_once_both_succeed() {
    let repository = Repository::new();
    let one = repository.mirrors.refresh(&repository.url, None);
    let other = repository.mirrors.refresh(&repository.url, None);
    let (one, other) = tokio::join!(one, other);
    assert_eq!(one.unwrap().path(), other.unwrap().path());
}

#[tokio::test]
async fn an_unknown_branch_is_answered_with_the_nearest_ones() {
    let repository = Repository::new();
    for name in ["release/1.2", "release/1.3", "docs", "x1", "x2", "x3"] {
        git(
            &repository.path("author"),
            &["push", "-q", "origin", &format!("HEAD:refs/heads/{name}")],
        );
    }
    let mirror = repository.mirror().await;
    let Err(MirrorError::NoSuchBranch { branch, known }) = mirror.resolve("release/1.4").await
    else {
        panic!("the branch is not there");
    };
    assert_eq!(branch, "release/1.4");
    assert_eq!(known.len(), 5);
    assert_eq!(known[0].as_str(), "release/1.2");
    assert_eq!(known[1].as_str(), "release/1.3");
}

#[tokio::test]
async fn a_remote_that_cannot_be_mirrored_says_why() {
    let empty = Repository::empty();
    let refused = empty.mirrors.refresh(&empty.url, None).await;
    assert!(matches!(refused, Err(MirrorError::Empty)), "{refused:?}");

    let nowhere = RepositoryUrl::of_folder(&empty.path("acme/nothing.git")).unwrap();
    let refused = empty.mirrors.refresh(&nowhere, None).await;
    assert!(matches!(refused, Err(MirrorError::NotFound)), "{refused:?}");

    // Nobody listens on the port that is kept for this purpose.
    let down = RepositoryUrl::parse("http://127.0.0.1:9/acme/web").unwrap();
    let refused = empty.mirrors.refresh(&down, None).await;
    assert!(
        matches!(refused, Err(MirrorError::Unreachable(_))),
        "{refused:?}"
    );
}

/// A forge that answers everything with one status, and keeps what it was asked.
async fn forge(status: &'static str) -> (RepositoryUrl, tokio::sync::mpsc::Receiver<String>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (requests, asked) = tokio::sync::mpsc::channel(10);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 4096];
            let read = stream.read(&mut request).await.unwrap();
            let request = String::from_utf8_lossy(&request[..read]).into_owned();
            requests.send(request).await.unwrap();
            let head = "www-authenticate: Basic\r\ncontent-length: 0\r\nconnection: close";
            let answer = format!("HTTP/1.1 {status}\r\n{head}\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    let url = format!("http://{address}/acme/web");
    (RepositoryUrl::parse(&url).unwrap(), asked)
}

#[tokio::test]
async fn a_forges_refusals_are_told_apart() {
    let repository = Repository::empty();
    let credential = Credential {
        user: "x-access-token".to_owned(),
        secret: "hunter2".to_owned().into(),
    };
    for status in [
        "401 Unauthorized",
        "403 Forbidden",
        "404 Not Found",
        "503 Service Unavailable",
    ] {
        let (url, mut asked) = forge(status).await;
        let refused = repository
            .mirrors
            .refresh(&url, Some(&credential))
            .await
            .unwrap_err();
        let as_expected = match status.split(' ').next() {
            Some("401" | "403") => matches!(refused, MirrorError::AccessRefused),
            Some("404") => matches!(refused, MirrorError::NotFound),
            _ => matches!(refused, MirrorError::Unreachable(_)),
        };
        assert!(as_expected, "{status}: {refused:?}");
        assert!(!format!("{refused:?} {refused}").contains("hunter2"));
        let request = asked.recv().await.unwrap();
        // The user and the secret with a colon between, in base 64.
        let header = "Authorization: Basic eC1hY2Nlc3MtdG9rZW46aHVudGVyMg==";
        assert!(request.contains(header), "{request}");
    }
}

#[tokio::test]
async fn a_push_that_may_not_write_is_told_from_one_that_is_refused() {
    let task = Task::new().await;
    let (url, _asked) = forge("403 Forbidden").await;
    let absent = RemoteBranch::Absent;
    let push = task
        .quarantine
        .push(&url, None, &task.base, &task.branch, &absent)
        .await;
    assert!(
        matches!(push, Err(PushError::AccessRefused { .. })),
        "{push:?}"
    );
}

#[tokio::test]
async fn files_of_a_commit_are_read_through_links_and_within_limits() {
    let repository = Repository::new();
    let work = repository.path("author");
    symlink("AGENTS.md", work.join("CLAUDE.md")).unwrap();
    repository.author_pushes("AGENTS.md", "Be kind.\n");
    let mirror = repository.mirror().await;
    let tip = mirror.resolve("main").await.unwrap();
    let read = mirror
        .read_file(&tip, "CLAUDE.md", 5)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (read.bytes.as_slice(), read.size_bytes),
        (b"Be ki".as_slice(), 9)
    );
    assert_eq!(mirror.read_file(&tip, "none.md", 5).await.unwrap(), None);
    assert_eq!(mirror.read_file(&tip, "test", 5).await.unwrap(), None);
    let files = mirror.list_files(&tip, 2).await.unwrap();
    assert_eq!((files.paths.len(), files.count), (2, 5));
}

#[tokio::test]
async fn committed_and_uncommitted_work_leaves_together() {
    let task = Task::new().await;
    task.write("value.txt", "2\n");
    commit_all(&task.work, "Change the value");
    task.write("new.txt", "a\nb\n");
    fs::remove_file(task.work.join("README.md")).unwrap();
    let taken = task.take_out().await.unwrap();
    let files: Vec<_> = taken
        .files
        .iter()
        .map(|file| (file.path.as_str(), &file.status))
        .collect();
    assert_eq!(
        files,
        [
            ("README.md", &ChangeStatus::Deleted),
            ("new.txt", &ChangeStatus::Added),
            ("value.txt", &ChangeStatus::Modified),
        ]
    );
    assert_eq!(
        taken.files[1].lines,
        Lines::Text {
            added: 2,
            removed: 0
        }
    );
    assert_eq!(taken.commits, 2);
    assert!(taken.diff.text.contains("+2\n") && !taken.diff.is_cut);
    assert_eq!(taken.findings, []);
    assert_eq!(
        task.take_out().await.unwrap(),
        taken,
        "a repeat takes the same"
    );
    assert!(!task.quarantine.path().join("arrival.bundle").exists());
}

#[tokio::test]
async fn nothing_changed_is_said_as_such() {
    let task = Task::new().await;
    assert!(matches!(
        task.take_out().await,
        Err(BrokerError::NothingChanged)
    ));
    task.write("value.txt", "2\n");
    commit_all(&task.work, "There");
    task.write("value.txt", "1\n");
    commit_all(&task.work, "And back");
    assert!(matches!(
        task.take_out().await,
        Err(BrokerError::NothingChanged)
    ));
}

#[tokio::test]
async fn work_on_another_branch_is_found() {
    let task = Task::new().await;
    git(&task.work, &["checkout", "-q", "-b", "my-own-idea"]);
    task.write("value.txt", "2\n");
    commit_all(&task.work, "Elsewhere");
    assert_eq!(task.take_out().await.unwrap().files[0].path, "value.txt");
    git(
        &task.work,
        &["checkout", "-q", "--detach", task.base.as_str()],
    );
    git(
        &task.work,
        &["branch", "-q", "-f", task.branch.as_str(), "my-own-idea"],
    );
    assert_eq!(task.take_out().await.unwrap().files[0].path, "value.txt");
}

#[tokio::test]
async fn no_hook_and_no_lock_of_the_repository_stands_in_the_way() {
    let task = Task::new().await;
    let hook = task.work.join(".git/hooks/pre-commit");
    fs::create_dir_all(hook.parent().unwrap()).unwrap();
    fs::write(&hook, "#!/bin/sh\nexit 1\n").unwrap();
    fs::set_permissions(&hook, PermissionsExt::from_mode(0o755)).unwrap();
    fs::write(task.work.join(".git/index.lock"), "").unwrap();
    task.write("value.txt", "2\n");
    assert_eq!(task.take_out().await.unwrap().commits, 1);
}

#[tokio::test]
async fn a_work_tree_that_is_gone_is_named() {
    let task = Task::new().await;
    fs::remove_dir_all(task.work.join(".git")).unwrap();
    let refused = task.take_out().await;
    assert!(
        matches!(&refused, Err(BrokerError::WorkTree(reason)) if reason.contains("gone")),
        "{refused:?}"
    );
}

#[tokio::test]
async fn history_that_does_not_build_on_the_base_is_refused() {
    let task = Task::new().await;
    git(&task.work, &["checkout", "-q", "--orphan", "fresh"]);
    task.write("value.txt", "2\n");
    commit_all(&task.work, "A new beginning");
    let refused = task.take_out().await;
    assert!(
        matches!(refused, Err(BrokerError::ForeignHistory)),
        "{refused:?}"
    );
}

#[tokio::test]
async fn trees_that_attack_git_are_refused() {
    let task = Task::new().await;
    let blob = task.blob("x");
    let inner = git_reading(
        &task.work,
        &["mktree"],
        &format!("100644 blob {blob}\tconfig\n"),
    );
    let link = task.blob("/etc/passwd");
    for entries in [
        format!("040000 tree {inner}\t.git\n"),
        format!("040000 tree {inner}\t..\n"),
        format!("040000 tree {inner}\t.GIT\n"),
        format!("120000 blob {link}\t.gitmodules\n"),
    ] {
        task.commit_tree_of(&entries);
        let refused = task.take_out().await;
        assert!(
            matches!(refused, Err(BrokerError::Malformed(_))),
            "{entries}: {refused:?}"
        );
    }
}

#[tokio::test]
async fn a_submodule_address_that_is_an_option_is_refused() {
    let task = Task::new().await;
    task.write(
        ".gitmodules",
        "[submodule \"a\"]\n\tpath = a\n\turl = --upload-pack=id\n",
    );
    let refused = task.take_out().await;
    assert!(
        matches!(refused, Err(BrokerError::Malformed(_))),
        "{refused:?}"
    );
}

#[tokio::test]
async fn ordinary_files_that_harm_are_found() {
    let task = Task::new().await;
    symlink("/etc/passwd", task.work.join("out")).unwrap();
    symlink("README.md", task.work.join("inside")).unwrap();
    task.write(".github/workflows/ci.yml", "on: push\n");
    task.write("CODEOWNERS", "* @cleo\n");
    task.write(
        ".gitmodules",
        "[submodule \"a\"]\n\tpath = a\n\turl = https://example.test/a\n",
    );
    task.write("big.bin", &"x".repeat(2000));
    task.write(
        "lfs.bin",
        "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
    );
    task.write("run.sh", "true\n");
    fs::set_permissions(task.work.join("run.sh"), PermissionsExt::from_mode(0o755)).unwrap();
    git(
        &task.work,
        &[
            "update-index",
            "--add",
            "--cacheinfo",
            "160000",
            task.base.as_str(),
            "module",
        ],
    );
    fs::create_dir(task.work.join("module")).unwrap();
    let limits = TakeOutLimits {
        file_bytes: 1000,
        ..TakeOutLimits::default()
    };
    let taken = task.take_out_within(&limits).await.unwrap();
    let mut found: Vec<_> = taken
        .findings
        .iter()
        .map(|finding| (finding.path.as_str(), finding.gate()))
        .collect();
    found.sort_unstable();
    assert_eq!(
        found,
        [
            (".github/workflows/ci.yml", Gate::Hold),
            (".gitmodules", Gate::Refuse),
            ("CODEOWNERS", Gate::Hold),
            ("big.bin", Gate::Refuse),
            ("lfs.bin", Gate::Refuse),
            ("module", Gate::Refuse),
            ("out", Gate::Refuse),
            ("run.sh", Gate::Note),
        ]
    );
}

#[tokio::test]
async fn an_ordinary_change_has_no_findings() {
    let task = Task::new().await;
    task.write("value.txt", "2\n");
    assert_eq!(task.findings().await, []);
}

#[tokio::test]
async fn what_is_too_large_stays_inside() {
    let task = Task::new().await;
    task.write("value.txt", "2\n");
    task.write("more.txt", "2\n");
    commit_all(&task.work, "One");
    task.write("value.txt", "3\n");
    commit_all(&task.work, "Two");
    let usual = TakeOutLimits::default;
    let table = [
        (
            TakeOutLimits {
                bundle_bytes: 100,
                ..usual()
            },
            "bytes",
        ),
        (
            TakeOutLimits {
                commits: 1,
                ..usual()
            },
            "commits",
        ),
        (
            TakeOutLimits {
                files: 1,
                ..usual()
            },
            "files",
        ),
    ];
    for (limits, expected) in table {
        match task.take_out_within(&limits).await {
            Err(BrokerError::TooLarge { unit, .. }) => assert_eq!(unit, expected),
            other => panic!("{expected}: {other:?}"),
        }
    }
    let short = TakeOutLimits {
        diff_bytes: 10,
        ..usual()
    };
    assert!(task.take_out_within(&short).await.unwrap().diff.is_cut);
}

#[tokio::test]
async fn the_hosts_commit_holds_the_agents_files_and_the_hosts_words() {
    let task = Task::new().await;
    task.write("value.txt", "2\n");
    commit_all(&task.work, "An agent's words");
    let taken = task.take_out().await.unwrap();
    let commit = task.make_commit(&taken, &task.base).await;
    assert_eq!(
        task.make_commit(&taken, &task.base).await,
        commit,
        "a repeat makes no second one"
    );
    assert_eq!(task.quarantine.tree_of(&commit).await.unwrap(), taken.tree);
    task.push(&commit, RemoteBranch::Absent).await.unwrap();
    let shown = git(
        &remote(&task.repository),
        &["log", "-1", "--format=%an <%ae>%n%P%n%B", commit.as_str()],
    );
    let expected = format!(
        "Deckhand bot <bot@example.test>\n{}\nFix the offset\n\nDeckhand-Task: 1",
        task.base
    );
    assert_eq!(shown, expected);
}

#[tokio::test]
async fn a_push_can_be_repeated_and_continued_but_never_overwrites() {
    let task = Task::new().await;
    task.write("value.txt", "2\n");
    let taken = task.take_out().await.unwrap();
    let first = task.make_commit(&taken, &task.base).await;
    task.push(&first, RemoteBranch::Absent).await.unwrap();
    task.push(&first, RemoteBranch::Absent).await.unwrap();
    assert_eq!(
        tip(&task.repository, task.branch.as_str()).as_ref(),
        Some(&first)
    );

    task.write("value.txt", "3\n");
    let taken = task.take_out().await.unwrap();
    let second = task.make_commit(&taken, &first).await;
    let refused = task.push(&second, RemoteBranch::Absent).await;
    assert!(matches!(refused, Err(PushError::Moved)), "{refused:?}");
    task.push(&second, RemoteBranch::At(first.clone()))
        .await
        .unwrap();
    task.push(&second, RemoteBranch::At(first.clone()))
        .await
        .unwrap();

    let reference = task.branch.reference();
    git(
        &remote(&task.repository),
        &["update-ref", &reference, task.base.as_str()],
    );
    let third = task.make_commit(&taken, &second).await;
    let refused = task.push(&third, RemoteBranch::At(second)).await;
    assert!(matches!(refused, Err(PushError::Moved)), "{refused:?}");
    assert_eq!(
        tip(&task.repository, task.branch.as_str()),
        Some(task.base.clone())
    );
}

#[tokio::test]
async fn a_refused_push_says_why() {
    let task = Task::new().await;
    let hook = remote(&task.repository).join("hooks/pre-receive");
    fs::create_dir_all(hook.parent().unwrap()).unwrap();
    fs::write(
        &hook,
        "#!/bin/sh\necho 'commits must be signed' >&2\nexit 1\n",
    )
    .unwrap();
    fs::set_permissions(&hook, PermissionsExt::from_mode(0o755)).unwrap();
    task.write("value.txt", "2\n");
    let taken = task.take_out().await.unwrap();
    let commit = task.make_commit(&taken, &task.base).await;
    match task.push(&commit, RemoteBranch::Absent).await {
        Err(PushError::Refused { reason }) => {
            assert_eq!(reason[0], "commits must be signed");
            assert!(
                reason[1].contains("pre-receive hook declined"),
                "{reason:?}"
            );
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_remote_that_is_down_is_worth_another_push() {
    let task = Task::new().await;
    let down = RepositoryUrl::parse("http://127.0.0.1:9/acme/web").unwrap();
    let absent = RemoteBranch::Absent;
    let push = task
        .quarantine
        .push(&down, None, &task.base, &task.branch, &absent)
        .await;
    assert!(matches!(push, Err(PushError::Unreachable(_))), "{push:?}");
}

#[tokio::test]
async fn a_merge_in_conflict_names_the_files() {
    let task = Task::new().await;
    task.write("value.txt", "2\n");
    let taken = task.take_out().await.unwrap();
    let commit = task.make_commit(&taken, &task.base).await;
    task.repository.author_pushes("other.txt", "x\n");
    let tip = task
        .repository
        .mirror()
        .await
        .resolve("main")
        .await
        .unwrap();
    assert_eq!(
        task.quarantine.merges_cleanly(&tip, &commit).await.unwrap(),
        Merge::Clean
    );
    task.repository.author_pushes("value.txt", "3\n");
    let tip = task
        .repository
        .mirror()
        .await
        .resolve("main")
        .await
        .unwrap();
    let conflict = Merge::Conflicts {
        paths: vec!["value.txt".to_owned()],
    };
    assert_eq!(
        task.quarantine.merges_cleanly(&tip, &commit).await.unwrap(),
        conflict
    );
}
