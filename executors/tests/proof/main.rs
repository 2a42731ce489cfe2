//! The proof, and the way of commits into and out of a sandbox, in real containers.
//!
//! They need a Docker engine and the images `deckhand-base:latest` and `deckhand-sandbox:goose`, which has the way
//! out of a sandbox in it; `script/setup` makes all three.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    reason = "a test fails by panicking"
)]

mod pictures;
#[path = "../repository/mod.rs"]
mod repository;
mod tree;

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use deckhand_executors::{
    Executor, SandboxName, SandboxSpec,
    broker::{Errand, NoSecrets, Quarantine, Rules, Scope, TakeOutLimits, take_out},
    docker::DockerExecutor,
    mirror::{BranchName, CommitId, Mirror, prepare_script},
    proof::{
        Check, CheckId, CheckResult, CheckStatus, Comparison, Moment, Network, Page, Picture,
        PictureOutcome, ProofReport, ProofSandbox, ProofSpec, ProofStep, Setup, StartCommand,
        prove, remove, sandbox_name, volume_name, weakening::WeakeningKind,
    },
    sandbox::{Access, Condition, Exec, ExecOutput, Limits, Mount, MountSource, VolumeName},
};
use repository::{Repository, commit_all, git};
use tempfile::TempDir;
use tokio::sync::mpsc;

/// The image in which the proofs are made.
const IMAGE: &str = "deckhand-base:latest";

async fn engine() -> impl Executor {
    let engine = DockerExecutor::connect("test-proof", None)
        .unwrap()
        .lending(vec![std::env::temp_dir()]);
    let present = engine.has_image(IMAGE).await.unwrap();
    assert!(
        present,
        "the image {IMAGE} is missing: script/setup builds it"
    );
    engine
}

fn limits() -> Limits {
    Limits {
        memory_bytes: 1 << 30,
        processors: 2.0,
        processes: 512,
        open_files: 4096,
        scratch_bytes: 256 << 20,
        disk_bytes: 4 << 30,
        files: 200_000,
    }
}

/// A repository with a base and a change on top of it that waits in quarantine.
struct Change {
    /// Its folder is removed with it.
    _repository: Repository,
    mirror: Mirror,
    quarantine: Quarantine,
    base: CommitId,
    commit: CommitId,
    task: String,
}

impl Change {
    /// The change writes these files; `None` removes one.
    async fn new(task: &str, files: &[(&str, Option<&str>)]) -> Self {
        Self::on_top_of(task, &[], files).await
    }

    async fn on_top_of(task: &str, base: &[(&str, &str)], files: &[(&str, Option<&str>)]) -> Self {
        let repository = Repository::new();
        for (file, content) in base {
            repository.author_pushes(file, content);
        }
        let mirror = repository.mirror().await;
        let base = mirror.resolve("main").await.unwrap();
        let quarantine = repository.quarantine(&mirror).await;
        let work = repository.path("author");
        for (path, content) in files {
            match content {
                Some(content) => std::fs::write(work.join(path), content).unwrap(),
                None => std::fs::remove_file(work.join(path)).unwrap(),
            }
        }
        let commit = commit_all(&work, "The change");
        let into = quarantine.path().to_str().unwrap();
        git(&work, &["push", "-q", into, "HEAD:refs/deckhand/test"]);
        Self {
            _repository: repository,
            mirror,
            quarantine,
            base,
            commit,
            task: format!("test-{task}"),
        }
    }

    fn spec(&self, checks: &[&str]) -> ProofSpec {
        let checks = checks.iter().enumerate().map(|(number, command)| Check {
            id: CheckId(format!("C{}", number + 1)),
            command: (*command).to_owned(),
            timeout: Duration::from_mins(1),
        });
        ProofSpec {
            sandbox: ProofSandbox {
                name: sandbox_name(&self.task, &self.commit),
                image: IMAGE.to_owned(),
                environment: BTreeMap::new(),
                labels: BTreeMap::new(),
                limits: limits(),
                runtime: None,
            },
            network: None,
            mirror: self.mirror.path().to_owned(),
            quarantine: self.quarantine.clone(),
            commit: self.commit.clone(),
            base: self.base.clone(),
            setup: None,
            checks: checks.collect(),
            comparison: Comparison::Skip,
            start: None,
            pages: Vec::new(),
        }
    }
}

async fn prove_quietly(executor: &dyn Executor, spec: &ProofSpec) -> ProofReport {
    let (progress, _steps) = mpsc::channel(1);
    let report = prove(executor, spec, &progress).await.unwrap();
    let name = &spec.sandbox.name;
    assert_eq!(executor.condition(name).await.unwrap(), Condition::Absent);
    assert!(
        !executor
            .volumes()
            .await
            .unwrap()
            .contains(&volume_name(name))
    );
    report
}

fn statuses(results: &[CheckResult]) -> Vec<&CheckStatus> {
    results.iter().map(|result| &result.status).collect()
}

#[tokio::test]
async fn a_check_that_failed_before_passes_now() {
    let executor = engine().await;
    let change = Change::new("compare", &[("value.txt", Some("2\n"))]).await;
    let mut spec = change.spec(&["test \"$(cat value.txt)\" = 2", "cat value.txt; exit 3"]);
    spec.comparison = Comparison::Run;
    let (progress, mut steps) = mpsc::channel(100);
    let report = prove(&executor, &spec, &progress).await.unwrap();
    let three = CheckStatus::Failed { exit: 3 };
    assert_eq!(statuses(&report.checks), [&CheckStatus::Passed, &three]);
    assert_eq!(
        statuses(&report.base_checks),
        [&CheckStatus::Failed { exit: 1 }, &three]
    );
    assert_eq!(
        (
            report.checks[1].log.as_str(),
            report.checks[1].tail.as_str()
        ),
        ("2\n", "2\n")
    );
    assert_eq!(report.base_checks[1].log, "1\n");
    assert_eq!(report.files_changed_by_checks, Vec::<String>::new());
    assert_eq!(steps.recv().await, Some(ProofStep::Preparing));
    let first = ProofStep::Checking {
        id: CheckId("C1".to_owned()),
        moment: Moment::After,
    };
    assert_eq!(steps.recv().await, Some(first));
}

#[tokio::test]
async fn checks_that_misbehave_are_told_apart_and_do_not_harm_the_next() {
    let executor = engine().await;
    let change = Change::new("misbehave", &[("value.txt", Some("2\n"))]).await;
    let mut spec = change.spec(&[
        "no-such-program",
        "sleep 1000",
        "setsid sh -c 'sleep 1000; true' & sleep 1000 & sleep 0.5; echo started",
        "kill -KILL -1",
        "yes 'a long line' | head -c 50000000; echo the end",
        "test \"$(id -u)\" = 1000 && test \"$(ls /sys/class/net)\" = lo && test \"$HOME\" = /work/home",
    ]);
    spec.checks[1].timeout = Duration::from_secs(1);
    let report = prove_quietly(&executor, &spec).await;
    let checks = &report.checks;
    assert!(
        matches!(checks[0].status, CheckStatus::CouldNotRun { .. }),
        "{:?}",
        checks[0]
    );
    assert_eq!(checks[1].status, CheckStatus::TimedOut);
    assert_eq!(
        (&checks[2].status, checks[2].log.as_str()),
        (&CheckStatus::Passed, "started\n")
    );
    assert!(checks[2].elapsed < Duration::from_secs(20));
    assert!(
        matches!(checks[3].status, CheckStatus::CouldNotRun { .. }),
        "{:?}",
        checks[3]
    );
    assert_eq!(
        (checks[4].log.len(), checks[4].log_is_cut),
        (1024 * 1024, true)
    );
    assert!(checks[4].tail.ends_with("the end\n") && checks[4].tail.len() == 4096);
    assert_eq!(checks[5].status, CheckStatus::Passed);
}

#[tokio::test]
async fn a_check_that_changes_the_commits_files_is_noted() {
    let executor = engine().await;
    let change = Change::new("changed", &[("value.txt", Some("2\n"))]).await;
    let checks = [
        "git update-index --assume-unchanged value.txt && echo 3 > value.txt",
        "touch made.txt",
    ];
    let report = prove_quietly(&executor, &change.spec(&checks)).await;
    assert_eq!(report.files_changed_by_checks, ["value.txt"]);
}

#[tokio::test]
async fn nothing_is_checked_where_the_setup_fails() {
    let executor = engine().await;
    let change = Change::new("setup", &[("value.txt", Some("2\n"))]).await;
    let mut spec = change.spec(&["true"]);
    spec.setup = Some(Setup {
        command: "echo no such package; exit 4".to_owned(),
        timeout: Duration::from_secs(10),
    });
    let report = prove_quietly(&executor, &spec).await;
    let setup = report.setup.unwrap();
    assert_eq!(
        (&setup.status, setup.tail.as_str()),
        (&CheckStatus::Failed { exit: 4 }, "no such package\n")
    );
    let reason = "the setup failed with status 4".to_owned();
    assert_eq!(
        statuses(&report.checks),
        [&CheckStatus::CouldNotRun { reason }]
    );
}

#[tokio::test]
async fn what_the_setup_made_is_there_and_the_agents_leavings_are_not() {
    let executor = engine().await;
    let change = Change::new("fresh", &[("value.txt", Some("2\n"))]).await;
    let mut spec = change.spec(&["test -e made/by-setup && test ! -e /work/leavings"]);
    spec.setup = Some(Setup {
        command: "mkdir made && touch made/by-setup".to_owned(),
        timeout: Duration::from_secs(10),
    });
    // A crash left a sandbox of the same name behind, with something in its volume.
    let left = SandboxSpec {
        name: spec.sandbox.name.clone(),
        image: IMAGE.to_owned(),
        command: ["sleep", "600"].map(str::to_owned).to_vec(),
        environment: BTreeMap::new(),
        working_directory: "/work".to_owned(),
        mounts: vec![Mount {
            source: MountSource::Volume(volume_name(&spec.sandbox.name)),
            target: "/work".to_owned(),
            access: Access::ReadWrite,
        }],
        labels: BTreeMap::new(),
        limits: limits(),
        runtime: None,
    };
    executor.start(&left).await.unwrap();
    let touched = sh(&executor, &left.name, "touch /work/leavings").await;
    assert_eq!(touched.status, Some(0));
    let report = prove_quietly(&executor, &spec).await;
    assert_eq!(
        statuses(&report.checks),
        [&CheckStatus::Passed],
        "{report:?}"
    );
}

#[tokio::test]
async fn the_network_is_closed_before_the_first_check() {
    let executor = engine().await;
    let change = Change::new("network", &[("value.txt", Some("2\n"))]).await;
    let sockets = TempDir::new().unwrap();
    let closed = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&closed);
    let mark = sockets.path().join("closed");
    let held = |value: &str| BTreeMap::from([("NPM_TOKEN".to_owned(), value.to_owned())]);
    let mut spec =
        change.spec(&["test -e /run/deckhand/closed && test \"$NPM_TOKEN\" = of-the-checks"]);
    spec.setup = Some(Setup {
        command:
            "test ! -e /run/deckhand/closed && test -n \"$HTTPS_PROXY\" && test \"$NPM_TOKEN\" = of-the-setup"
                .to_owned(),
        timeout: Duration::from_secs(10),
    });
    spec.sandbox.image = "deckhand-sandbox:goose".to_owned();
    spec.network = Some(Network {
        socket_directory: sockets.path().to_owned(),
        close: Box::new(move || {
            count.fetch_add(1, Ordering::SeqCst);
            std::fs::write(&mark, "").unwrap();
        }),
        of_setup: held("of-the-setup"),
        of_checks: held("of-the-checks"),
    });
    make_readable(sockets.path());
    let report = prove_quietly(&executor, &spec).await;
    assert_eq!(
        statuses(&report.checks),
        [&CheckStatus::Passed],
        "{report:?}"
    );
    assert_eq!(closed.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_weakened_test_is_in_the_report() {
    let executor = engine().await;
    let test =
        "const assert = require('assert');\ntest('adds', () => {\n  assert.equal(1 + 1, 2);\n});\n";
    let skipped = test.replace("test('adds", "test.skip('adds");
    let files = [("value.test.js", Some(skipped.as_str()))];
    let change = Change::on_top_of("weak", &[("value.test.js", test)], &files).await;
    let report = prove_quietly(&executor, &change.spec(&[])).await;
    assert_eq!(report.weakenings.len(), 1);
    assert_eq!(report.weakenings[0].kind, WeakeningKind::TestSkipped);
    assert_eq!(report.weakenings[0].line, Some(2));
}

#[tokio::test]
async fn a_commit_that_is_not_in_quarantine_cannot_be_proved() {
    let executor = engine().await;
    let change = Change::new("absent", &[("value.txt", Some("2\n"))]).await;
    let mut spec = change.spec(&["true"]);
    spec.commit = CommitId::parse(&"a".repeat(40)).unwrap();
    let (progress, _steps) = mpsc::channel(1);
    assert!(prove(&executor, &spec, &progress).await.is_err());
    let condition = executor.condition(&spec.sandbox.name).await.unwrap();
    assert_eq!(condition, Condition::Absent);
}

#[tokio::test]
async fn a_dropped_proof_can_be_removed() {
    let executor = engine().await;
    let change = Change::new("dropped", &[("value.txt", Some("2\n"))]).await;
    let spec = change.spec(&["sleep 1000"]);
    let (progress, mut steps) = mpsc::channel(10);
    let is_checking = async {
        while let Some(step) = steps.recv().await {
            if matches!(step, ProofStep::Checking { .. }) {
                return;
            }
        }
    };
    tokio::select! {
        report = prove(&executor, &spec, &progress) => panic!("{report:?}"),
        () = is_checking => {}
    }
    remove(&executor, &spec.sandbox.name).await.unwrap();
    let condition = executor.condition(&spec.sandbox.name).await.unwrap();
    assert_eq!(condition, Condition::Absent);
}

async fn sh(executor: &impl Executor, name: &SandboxName, script: &str) -> ExecOutput {
    let exec = Exec {
        command: ["sh", "-c", script].map(str::to_owned).to_vec(),
        environment: BTreeMap::new(),
        working_directory: "/work".to_owned(),
        input: Vec::new(),
        timeout: Duration::from_secs(30),
        output_limit_bytes: 4096,
    };
    executor.exec(name, exec).await.unwrap()
}

fn make_readable(folder: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(folder, mode).unwrap();
}
