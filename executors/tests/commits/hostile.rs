//! Repositories and commits that attack whoever takes them.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
};

use deckhand_executors::broker::{BrokerError, FindingKind, Gate, TakeOutLimits};

use crate::{
    repository::{commit_all, git, git_reading},
    task::Task,
};

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
        format!("040000 tree {inner}\tgit~1\n"),
        format!("040000 tree {inner}\t.g\u{200c}it\n"),
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
        .filter(|finding| finding.kind != FindingKind::OutOfScope)
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
async fn a_few_trees_that_stand_for_more_paths_than_any_disk_holds_are_refused() {
    let task = Task::new().await;
    let blob = task.blob("x");
    let mut tree = String::new();
    for level in 0..12 {
        let entries: String = (0..10)
            .map(|number| match level {
                0 => format!("100644 blob {blob}\tf{number}\n"),
                _ => format!("040000 tree {tree}\td{number}\n"),
            })
            .collect();
        tree = git_reading(&task.work, &["mktree"], &entries);
    }
    task.commit_tree_of(&format!("040000 tree {tree}\tbomb\n"));
    let refused = task.take_out().await;
    assert!(
        matches!(&refused, Err(BrokerError::TooLarge { unit: "paths", .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn folders_without_end_are_refused() {
    let task = Task::new().await;
    let blob = task.blob("x");
    let mut tree = git_reading(&task.work, &["mktree"], &format!("100644 blob {blob}\tf\n"));
    for _ in 0..260 {
        tree = git_reading(&task.work, &["mktree"], &format!("040000 tree {tree}\td\n"));
    }
    task.commit_tree_of(&format!("040000 tree {tree}\tdeep\n"));
    let refused = task.take_out().await;
    assert!(
        matches!(
            &refused,
            Err(BrokerError::TooLarge {
                unit: "folders within each other",
                ..
            })
        ),
        "{refused:?}"
    );
}

#[tokio::test]
async fn names_that_deceive_or_collide_are_refused() {
    let mut task = Task::new().await;
    task.plans(&["a*", "readme.MD", "test/", "Test/", "-*", "value.txt"]);
    task.write("a\nb", "x");
    task.write("a\u{1b}[2Jb", "x");
    task.write("a\u{202e}txt.exe", "x");
    task.write("-rf", "x");
    task.write("readme.MD", "x");
    task.write("Test/value.sh", "x");
    task.write("value.txt", "2\n");
    let found = task.findings().await;
    let found: Vec<(&str, Gate)> = found
        .iter()
        .map(|(path, _, gate)| (path.as_str(), *gate))
        .collect();
    assert_eq!(
        found,
        [
            ("-rf", Gate::Refuse),
            ("Test/value.sh", Gate::Refuse),
            ("a\nb", Gate::Refuse),
            ("a\u{1b}[2Jb", Gate::Refuse),
            ("a\u{202e}txt.exe", Gate::Refuse),
            ("readme.MD", Gate::Refuse),
        ]
    );
}

#[tokio::test]
async fn a_bare_repository_in_a_folder_is_held_for_the_settings_that_git_follows_there() {
    let mut task = Task::new().await;
    task.plans(&["lib/"]);
    let bare = task.work.join("lib/fixture");
    git(
        &task.work,
        &["init", "-q", "--bare", bare.to_str().unwrap()],
    );
    task.write("lib/other/HEAD", "no settings beside it\n");
    let found = task.findings().await;
    let held: Vec<_> = found.iter().filter(|found| found.2 != Gate::Note).collect();
    assert!(
        matches!(
            held.as_slice(),
            [(path, FindingKind::GitSettings, Gate::Hold)] if path == "lib/fixture/config"
        ),
        "{held:?}"
    );
}

/// Whatever a sandbox writes into its own `.git` stays there: the host reads a bundle and nothing else.
#[tokio::test]
async fn settings_of_the_sandboxs_repository_do_nothing_on_the_host() {
    let task = Task::new().await;
    let proof = task.repository.path("it-ran");
    let run = format!("touch {}", proof.display());
    let script = task.repository.path("evil.sh");
    fs::write(&script, format!("#!/bin/sh\n{run}\ncat\n")).unwrap();
    fs::set_permissions(&script, PermissionsExt::from_mode(0o755)).unwrap();
    let script = script.to_str().unwrap();
    for (key, value) in [
        ("diff.external", script),
        ("core.sshCommand", script),
        ("core.alternateRefsCommand", script),
        ("uploadpack.packObjectsHook", script),
        ("credential.helper", script),
        ("includeIf.gitdir:/.path", "/evil"),
        ("submodule.recurse", "true"),
        ("protocol.allow", "always"),
        ("url.ext::sh.insteadOf", "https:"),
    ] {
        git(&task.work, &["config", key, value]);
    }
    for hook in [
        "post-commit",
        "pre-push",
        "reference-transaction",
        "post-index-change",
        "update",
    ] {
        let hook = task.work.join(".git/hooks").join(hook);
        fs::create_dir_all(hook.parent().unwrap()).unwrap();
        fs::copy(script, &hook).unwrap();
    }
    task.write("value.txt", "2\n");
    task.write("more.txt", "x\n");
    // The sandbox's own git may run what it likes inside; that is not what is looked at.
    let taken = task.take_out().await.unwrap();
    let _ = fs::remove_file(&proof);
    let commit = task.make_commit(&taken, &task.base).await;
    task.push(&commit, deckhand_executors::broker::RemoteBranch::Absent)
        .await
        .unwrap();
    assert!(!proof.exists());
    let settings = fs::read_to_string(task.quarantine.path().join("config")).unwrap();
    assert!(!settings.contains("evil"), "{settings}");
}

#[tokio::test]
async fn replaced_objects_grafts_and_borrowed_ones_of_the_sandbox_do_not_arrive() {
    let task = Task::new().await;
    task.write("value.txt", "2\n");
    let honest = commit_all(&task.work, "Honest");
    task.write("value.txt", "evil\n");
    let evil = commit_all(&task.work, "Evil");
    git(&task.work, &["reset", "-q", "--hard", honest.as_str()]);
    git(&task.work, &["replace", honest.as_str(), evil.as_str()]);
    fs::write(task.work.join(".git/info/grafts"), format!("{honest}\n")).unwrap();
    let taken = task.take_out().await.unwrap();
    let references = git(
        task.quarantine.path(),
        &["for-each-ref", "--format=%(refname)"],
    );
    assert_eq!(references, "refs/deckhand/taken");
    assert!(!task.quarantine.path().join("info/grafts").exists());
    assert_eq!(taken.files.len(), 1);
    // An object that is only borrowed from elsewhere is not in the bundle, and then there is no work to take.
    let elsewhere = task.repository.path("elsewhere");
    git(&task.repository.path(""), &["init", "-q", "elsewhere"]);
    let lent = git_reading(&elsewhere, &["hash-object", "-w", "--stdin"], "lent");
    let alternates = task.work.join(".git/objects/info/alternates");
    let known = fs::read_to_string(&alternates).unwrap();
    let borrowed = format!("{known}{}\n", elsewhere.join(".git/objects").display());
    fs::write(&alternates, borrowed).unwrap();
    task.commit_tree_of(&format!("100644 blob {lent}\tvalue.txt\n"));
    let taken = task.take_out().await.unwrap();
    let text = git(
        task.quarantine.path(),
        &["cat-file", "blob", &format!("{}:value.txt", taken.head)],
    );
    assert_eq!(text, "lent", "the bundle brings its own objects along");
    let borrowed =
        fs::read_to_string(task.quarantine.path().join("objects/info/alternates")).unwrap();
    assert_eq!(
        borrowed.lines().count(),
        1,
        "the host borrows from its mirror alone"
    );
}
