//! What is held back until a person decides, what is shown of it, and the change without it.

use std::{fs, ops::Range};

use deckhand_executors::broker::{
    FindingKind, Gate, KnownSecrets, RemoteBranch, TakeOutLimits, Taken,
};

use crate::{
    repository::{Repository, commit_all, git},
    task::{Task, remote},
};

/// A token that no platform ever gave; made of parts, so that no scanner takes this file for a leak.
fn token() -> String {
    ["ghp_", "Zq3vR8mK1xT6", "bN4cW9yL2pH7", "sD5fG0jA8uEe"].concat()
}

/// A host that holds one secret.
struct One(&'static str);

impl KnownSecrets for One {
    fn find(&self, text: &[u8]) -> Vec<Range<usize>> {
        let text = String::from_utf8_lossy(text);
        let found = text.match_indices(self.0);
        found.map(|(at, secret)| at..at + secret.len()).collect()
    }
}

fn held(taken: &Taken) -> Vec<String> {
    let mut held: Vec<String> = taken
        .findings
        .iter()
        .filter(|finding| finding.gate() != Gate::Note)
        .map(|finding| finding.path.clone())
        .collect();
    held.sort();
    held.dedup();
    held
}

#[tokio::test]
async fn a_change_outside_of_the_plan_is_held_under_both_names() {
    let mut task = Task::new().await;
    task.plans(&["value.txt", "lib/"]);
    task.write("value.txt", "2\n");
    task.write("lib/deep/new.js", "x\n");
    task.write("server.js", "x\n");
    git(&task.work, &["mv", "README.md", "lib/README.md"]);
    let found = task.findings().await;
    let hold = |path: &str| (path.to_owned(), FindingKind::OutOfScope, Gate::Hold);
    assert_eq!(found, [hold("README.md"), hold("server.js")]);
}

#[tokio::test]
async fn a_guarded_file_passes_only_where_the_plan_names_it() {
    let mut task = Task::new().await;
    task.write(".github/workflows/ci.yml", "on: push\n");
    task.plans(&[".github/"]);
    let ci = || ".github/workflows/ci.yml".to_owned();
    assert_eq!(
        task.findings().await,
        [(ci(), FindingKind::Workflow, Gate::Hold)]
    );
    task.plans(&[".github/workflows/ci.yml"]);
    assert_eq!(
        task.findings().await,
        [(ci(), FindingKind::Workflow, Gate::Note)]
    );
}

#[tokio::test]
async fn a_secret_in_a_new_line_is_held_and_one_that_was_there_is_not() {
    let repository = Repository::new();
    repository.author_pushes("more.txt", &format!("old {}\n", token()));
    let mut task = Task::on(repository).await;
    let fresh = token().replace("Zq3v", "Yp2u");
    task.write("more.txt", &format!("old {}\nmore\nnew {fresh}\n", token()));
    task.write(".env", "A=1\n");
    task.write("new.bin", &format!("\0\0{fresh}\0"));
    task.plans(&["more.txt", ".e*", "new.bin"]);
    let found = task.findings().await;
    let seen: Vec<(&str, u32)> = found
        .iter()
        .filter_map(|(path, kind, _)| match kind {
            FindingKind::Secret { line, masked, .. } => {
                assert_eq!(masked, "gh…Ee");
                Some((path.as_str(), *line))
            }
            FindingKind::SecretFile => Some((path.as_str(), 0)),
            _ => None,
        })
        .collect();
    assert_eq!(seen, [(".env", 0), ("more.txt", 3), ("new.bin", 0)]);
    assert!(!format!("{found:?}").contains(&fresh));

    let taken = task.take_out().await.unwrap();
    let shown = task
        .quarantine
        .differences(&task.base, &taken.head, &held(&taken), &*task.known, 4096)
        .await
        .unwrap();
    let shown: Vec<_> = shown.iter().map(|one| one.diff.text.as_str()).collect();
    assert!(shown[1].contains("+new gh…Ee"), "{shown:?}");
    assert!(!shown.concat().contains(&token()) && !shown.concat().contains(&fresh));
}

#[tokio::test]
async fn a_secret_of_the_host_is_refused_wherever_it_stands() {
    let mut task = Task::new().await;
    task.known = Box::new(One("correct-horse-battery"));
    task.write("value.txt", "2\ncorrect-horse-battery\n");
    let expected = FindingKind::HostSecret { line: 2 };
    assert_eq!(
        task.findings().await,
        [("value.txt".to_owned(), expected, Gate::Refuse)]
    );
}

#[tokio::test]
async fn what_a_commit_took_back_is_not_pushed() {
    let task = Task::new().await;
    task.write("value.txt", &format!("{}\n", token()));
    commit_all(&task.work, "With a secret");
    let blob = git(&task.work, &["rev-parse", "HEAD:value.txt"]);
    task.write("value.txt", "2\n");
    commit_all(&task.work, "Without it");
    let taken = task.take_out().await.unwrap();
    assert_eq!(taken.findings, []);
    let commit = task.make_commit(&taken, &task.base).await;
    task.push(&commit, RemoteBranch::Absent).await.unwrap();
    let objects = git(
        &remote(&task.repository),
        &["cat-file", "--batch-check", "--batch-all-objects"],
    );
    assert!(objects.contains(commit.as_str()) && !objects.contains(&blob));
}

#[tokio::test]
async fn a_change_can_leave_without_some_of_its_files() {
    let mut task = Task::new().await;
    task.plans(&["value.txt"]);
    task.write("value.txt", "2\n");
    task.write("server.js", "x\n");
    task.write("a/b.js", "x\n");
    fs::remove_file(task.work.join("README.md")).unwrap();
    git(&task.work, &["mv", "test/value.sh", "moved.sh"]);
    commit_all(&task.work, "All of it");
    let taken = task.take_out().await.unwrap();
    let paths = held(&taken);
    assert_eq!(
        paths,
        [
            "README.md",
            "a/b.js",
            "moved.sh",
            "server.js",
            "test/value.sh"
        ]
    );
    let quarantine = &task.quarantine;
    let tree = quarantine
        .tree_without(&taken.head, &task.base, &paths)
        .await
        .unwrap();
    let author = Task::author();
    let rest = quarantine
        .make_commit(&tree, std::slice::from_ref(&task.base), "Fix", &author)
        .await
        .unwrap();
    let files = quarantine.files(&task.base, &rest).await.unwrap();
    let files: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(files, ["value.txt"]);
    let findings = quarantine
        .inspect(
            &task.base,
            &task.base,
            &rest,
            &task.rules(&TakeOutLimits::default()),
        )
        .await
        .unwrap();
    assert_eq!(findings, []);
}

#[tokio::test]
async fn a_folder_in_the_place_of_a_file_gives_way_again() {
    let mut task = Task::new().await;
    task.plans(&["more.txt"]);
    task.write("more.txt", "x\n");
    fs::remove_file(task.work.join("value.txt")).unwrap();
    task.write("value.txt/inside.txt", "x\n");
    commit_all(&task.work, "A folder");
    let taken = task.take_out().await.unwrap();
    let tree = task
        .quarantine
        .tree_without(&taken.head, &task.base, &held(&taken))
        .await
        .unwrap();
    let listed = git(
        task.quarantine.path(),
        &["ls-tree", "-r", "--name-only", tree.as_str()],
    );
    assert_eq!(listed, "README.md\nmore.txt\ntest/value.sh\nvalue.txt");
}
