//! How the host's commit reaches the remote.

use std::{fs, os::unix::fs::PermissionsExt};

use deckhand_executors::{
    broker::{Merge, Push, PushError, RemoteBranch},
    mirror::RepositoryUrl,
};

use crate::{
    mirrors::forge,
    repository::{commit_all, git},
    task::{Task, branch, remote, tip},
};

#[tokio::test]
async fn a_push_that_may_not_write_is_told_from_one_that_is_refused() {
    let task = Task::new().await;
    let (url, _asked) = forge("403 Forbidden").await;
    let absent = RemoteBranch::Absent;
    let push = Push {
        commit: &task.base,
        branch: &task.branch,
        expected: &absent,
        base: &task.base,
    };
    let push = task.quarantine.push(&url, None, &push).await;
    assert!(
        matches!(push, Err(PushError::AccessRefused { .. })),
        "{push:?}"
    );
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
    let push = Push {
        commit: &task.base,
        branch: &task.branch,
        expected: &absent,
        base: &task.base,
    };
    let push = task.quarantine.push(&down, None, &push).await;
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

#[tokio::test]
async fn only_a_tasks_branch_and_what_builds_on_its_base_is_pushed() {
    let task = Task::new().await;
    task.write("value.txt", "2\n");
    let taken = task.take_out().await.unwrap();
    let commit = task.make_commit(&taken, &task.base).await;
    let absent = RemoteBranch::Absent;
    let ours = Push {
        commit: &commit,
        branch: &task.branch,
        expected: &absent,
        base: &task.base,
    };
    let main = branch("main");
    let foreign = task
        .quarantine
        .make_commit(&taken.tree, &[], "A root of its own", &Task::author())
        .await
        .unwrap();
    let other = task.make_commit(&taken, &commit).await;
    let left_at = RemoteBranch::At(other);
    for push in [
        Push {
            branch: &main,
            ..ours
        },
        Push {
            commit: &foreign,
            ..ours
        },
        Push {
            expected: &left_at,
            ..ours
        },
    ] {
        let refused = task
            .quarantine
            .push(&task.repository.url, None, &push)
            .await;
        assert!(matches!(refused, Err(PushError::Unfit(_))), "{refused:?}");
    }
    assert_eq!(tip(&task.repository, "main").as_ref(), Some(&task.base));
    assert_eq!(tip(&task.repository, task.branch.as_str()), None);
}
