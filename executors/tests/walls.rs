//! What a sandbox cannot do, tried in real containers: at the host, at its neighbour, and at its own ceilings.
//!
//! They need the sandbox images (`script/setup`) and fail without them; nothing is skipped in silence.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod ground;

use deckhand_executors::{
    Executor as _, ExecutorError,
    docker::probe::probe,
    sandbox::{Access, Condition, End, Mount, MountSource},
};
use ground::{Ground, IMAGE, PATIENCE, SHIM};
use tokio::time::timeout;

#[tokio::test]
async fn every_wall_holds_from_inside() {
    let ground = Ground::new().await;
    let walls = probe(&ground.executor, IMAGE, None).await.unwrap();
    assert_eq!(walls.len(), 18, "{walls:#?}");
    let fallen: Vec<_> = walls.iter().filter(|wall| !wall.held).collect();
    assert!(fallen.is_empty(), "{fallen:#?}");
    assert!(ground.executor.list().await.unwrap().is_empty());
    assert!(ground.executor.volumes().await.unwrap().is_empty());
}

#[tokio::test]
async fn no_folder_of_the_host_is_mounted_that_is_not_lent() {
    let ground = Ground::new().await;
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/var/run", folder.path().join("link")).unwrap();
    for source in [
        "/".into(),
        "/var/run".into(),
        "/var/run/docker.sock".into(),
        "/proc".into(),
        std::env::temp_dir(),
        folder.path().join("link"),
        folder.path().join("../../etc"),
    ] {
        let mut spec = ground.spec("exec sleep 1000");
        spec.mounts.push(Mount {
            source: MountSource::Host(source.clone()),
            target: "/mnt".to_owned(),
            access: Access::ReadOnly,
        });
        let refusal = ground.executor.start(&spec).await;
        assert!(
            matches!(refusal, Err(ExecutorError::Start(_))),
            "{}: {refusal:?}",
            source.display()
        );
    }
    assert!(ground.executor.list().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_fork_bomb_and_a_hog_leave_the_next_command_working() {
    let ground = Ground::new().await;
    ground.start("exec sleep 1000").await;
    ground
        .exec("for i in $(seq 300); do sleep 2 & done 2>/dev/null; wait")
        .await;
    let hog = ground
        .exec("head -c 600m /dev/zero | tail >/dev/null; exit ${PIPESTATUS:-$?}")
        .await;
    assert_ne!(hog.status, Some(0));
    assert_eq!(ground.shell("echo still here").await, "still here\n");
}

#[tokio::test]
async fn a_main_process_that_takes_too_much_memory_is_reported_as_that() {
    let ground = Ground::new().await;
    ground
        .start(&format!(
            "exec {SHIM} run -- python3 -c 'x = bytearray(600 * 1024 * 1024)'"
        ))
        .await;
    let ended = timeout(PATIENCE, ground.executor.wait(&ground.name()))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        ended,
        Condition::Ended {
            status: 137,
            by: End::OutOfMemory
        }
    );
}
