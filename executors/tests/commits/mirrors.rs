//! The host's copies of repositories.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
};

use deckhand_executors::mirror::{BaseState, Credential, MirrorError, RepositoryUrl};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::{
    repository::{Repository, commit_all, git},
    task::{branch, remote, tip},
};

/// A forge that answers everything with one status, and keeps what it was asked.
pub async fn forge(status: &'static str) -> (RepositoryUrl, tokio::sync::mpsc::Receiver<String>) {
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
async fn a_mirror_has_the_branches_and_tags_of_its_remote_and_nothing_else() {
    let repository = Repository::new();
    let work = repository.path("author");
    git(&work, &["push", "-q", "origin", "HEAD:refs/tags/v1"]);
    fs::write(work.join("advisory.txt"), "not public yet\n").unwrap();
    let hidden = commit_all(&work, "Mend what nobody knows of");
    for reference in ["refs/pull/7/head", "refs/advisories/1", "refs/notes/review"] {
        git(
            &work,
            &["push", "-q", "origin", &format!("HEAD:{reference}")],
        );
    }
    let mirror = repository.mirror().await;
    assert_eq!(
        git(mirror.path(), &["for-each-ref", "--format=%(refname)"]),
        "refs/heads/main\nrefs/tags/v1"
    );
    // Every object of a mirror can be read in a sandbox, so what no branch leads to must not be there at all.
    let held = git(
        mirror.path(),
        &["cat-file", "--batch-all-objects", "--batch-check"],
    );
    assert!(held.contains(tip(&repository, "main").unwrap().as_str()));
    assert!(!held.contains(hidden.as_str()), "{held}");
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
