//! How work leaves a sandbox.

use std::{fs, os::unix::fs::PermissionsExt};

use deckhand_executors::broker::{BrokerError, ChangeStatus, Lines, TakeOutLimits};

use crate::{
    repository::{commit_all, git},
    task::Task,
};

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
