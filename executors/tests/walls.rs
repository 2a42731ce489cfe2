//! What a sandbox cannot do, tried in real containers: at the host, at its neighbour, and at its own ceilings.
//!
//! They need the sandbox images (`script/setup`) and fail without them; nothing is skipped in silence.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod ground;

use std::time::Duration;

use deckhand_executors::{
    Executor as _, ExecutorError,
    docker::{DockerExecutor, Floor, probe::probe},
    sandbox::{Access, Condition, End, Mount, MountSource},
};
use ground::{Ground, IMAGE, MIB, PATIENCE, SHIM, exec};
use tokio::time::{sleep, timeout};

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

/// What a volume holds in bytes, counted from outside.
fn bytes_in(ground: &Ground) -> u64 {
    let mount = format!("{}:/held:ro", ground.volume().0);
    let counted = std::process::Command::new("docker")
        .args(["run", "--rm", "--network=none", "--user=0", "-v", &mount])
        .args([IMAGE, "du", "-s", "-B1", "/held"])
        .output()
        .unwrap();
    let said = String::from_utf8(counted.stdout).unwrap();
    said.split_whitespace().next().unwrap().parse().unwrap()
}

/// Waits for the end of a sandbox with these ceilings of its disk that runs a line of shell.
async fn ended(ground: &Ground, disk_bytes: u64, files: u64, line: &str) -> Condition {
    let mut spec = ground.spec(line);
    (spec.limits.disk_bytes, spec.limits.files) = (disk_bytes, files);
    ground.executor.start(&spec).await.unwrap();
    let name = ground.name();
    let end = ground.executor.wait(&name);
    timeout(PATIENCE, end).await.expect("the end").unwrap()
}

#[tokio::test]
async fn a_fast_writer_is_killed_soon_after_its_ceiling() {
    let ground = Ground::new().await;
    let limit = 1024 * MIB;
    let writer = "i=0; while :; do head -c 16M /dev/zero > /work/$i || exit 9; i=$((i + 1)); done";
    let killed = Condition::Ended {
        status: 137,
        by: End::DiskFull { limit_bytes: limit },
    };
    assert_eq!(ended(&ground, limit, 10_000, writer).await, killed);
    // A machine writes some 2 GB a second into its memory; the container that counts is there before the ceiling is.
    let held = bytes_in(&ground);
    eprintln!("ended at {} of {} MiB", held / MIB, limit / MIB);
    assert!((limit..2 * limit).contains(&held), "{held}");
    ground.executor.stop(&ground.name()).await.unwrap();
    assert_eq!(
        ground.executor.condition(&ground.name()).await.unwrap(),
        Condition::Absent
    );
}

#[tokio::test]
async fn files_that_are_deleted_and_still_open_count() {
    let ground = Ground::new().await;
    let limit = 128 * MIB;
    let writer = "python3 -c '
import os
held = []
for number in range(1000):
    path = \"/work/%d\" % number
    held.append(open(path, \"wb\", buffering=0))
    os.unlink(path)
    held[-1].write(bytes(4 << 20))
import time; time.sleep(1000)'";
    let end = ended(&ground, limit, 10_000, writer).await;
    let by = End::DiskFull { limit_bytes: limit };
    assert_eq!(end, Condition::Ended { status: 137, by });
    assert!(bytes_in(&ground) < MIB);
}

#[tokio::test]
async fn too_many_files_are_one_too_many() {
    let ground = Ground::new().await;
    let writer = "python3 -c '
for number in range(10_000_000): open(\"/work/%d\" % number, \"w\").close()'";
    let end = ended(&ground, 1 << 30, 5_000, writer).await;
    let by = End::TooManyFiles { limit: 5_000 };
    assert_eq!(end, Condition::Ended { status: 137, by });
}

#[tokio::test]
async fn whoever_writes_below_the_ceiling_goes_on() {
    let ground = Ground::new().await;
    // More than the first allowance, so that it is counted in between.
    let writer = "for i in 1 2 3 4 5 6; do head -c 8M /dev/zero > /work/$i; sleep 0.5; done; rm /work/*; echo done";
    let end = ended(&ground, 256 * MIB, 10_000, writer).await;
    let by = End::Itself;
    assert_eq!(end, Condition::Ended { status: 0, by });
}

#[tokio::test]
async fn one_file_cannot_be_larger_than_the_ceiling() {
    let ground = Ground::new().await;
    let mut spec = ground.spec("exec sleep 1000");
    spec.limits.disk_bytes = 8 * MIB;
    ground.executor.start(&spec).await.unwrap();
    let sparse = ground.exec("truncate -s 9M /work/x; echo $?").await;
    assert_ne!(sparse.output, b"0\n");
}

#[tokio::test]
async fn a_host_without_room_starts_nothing_and_stops_what_writes() {
    let ground = Ground::new().await;
    ground.start("exec sleep 1000").await;
    let floor = Floor {
        bytes: u64::MAX,
        files: 0,
    };
    let poor = DockerExecutor::connect(&ground.instance, None)
        .unwrap()
        .keeping_free(floor);
    let refusal = poor.start(&ground.spec("exec sleep 1000")).await;
    assert!(
        matches!(&refusal, Err(ExecutorError::Start(why)) if why.contains("nearly full")),
        "{refusal:?}"
    );
    // What runs already is found when it is attached to, as after a restart of the bot.
    poor.attach(&ground.name()).await.unwrap();
    let name = ground.name();
    let end = timeout(PATIENCE, poor.wait(&name)).await;
    let by = End::HostDiskLow;
    assert_eq!(
        end.expect("the end").unwrap(),
        Condition::Ended { status: 137, by }
    );
}

#[tokio::test]
async fn a_count_and_commands_do_not_get_in_each_others_way() {
    let ground = Ground::new().await;
    let mut spec = ground.spec("exec sleep 1000");
    spec.limits.disk_bytes = 64 * MIB;
    ground.executor.start(&spec).await.unwrap();
    // Every command writes more than the least allowance, so counts and commands begin all the time.
    for round in 0..30 {
        let line = "head -c 9M /dev/zero > /work/x; rm /work/x; echo $ROUND";
        let mut wanted = exec(line);
        wanted.environment.insert("ROUND".into(), round.to_string());
        let done = ground.executor.exec(&ground.name(), wanted).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&done.output), format!("{round}\n"));
    }
}

#[tokio::test]
async fn the_container_that_counts_is_no_sandbox_and_goes_with_its_own() {
    let ground = Ground::new().await;
    let mut spec = ground.spec("head -c 600M /dev/zero > /work/x; sleep 1000");
    spec.limits.disk_bytes = 2048 * MIB;
    ground.executor.start(&spec).await.unwrap();
    let counter = format!("{}-measure", ground.name().0);
    let is_there = || {
        let output = std::process::Command::new("docker")
            .args(["inspect", &counter])
            .output();
        output.unwrap().status.success()
    };
    timeout(PATIENCE, async {
        while !is_there() {
            sleep(Duration::from_millis(50)).await;
        }
    })
    .await
    .expect("a count");
    let listed = ground.executor.list().await.unwrap();
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!(listed[0].name, ground.name());
    ground.executor.stop(&ground.name()).await.unwrap();
    assert!(!is_there());
}

/// How much of the host's disk the log of a sandbox takes, in MiB.
fn log_size(name: &str) -> u64 {
    let docker = |arguments: &[&str]| {
        let output = std::process::Command::new("docker")
            .args(arguments)
            .output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    };
    let path = docker(&["inspect", "-f", "{{.LogPath}}", name]);
    let (folder, _) = path.trim().rsplit_once('/').unwrap();
    let mount = format!("{folder}:/log:ro");
    let run = ["run", "--rm", "--network=none", "--user=0", "-v", &mount];
    let counted = docker(&[&run[..], &[IMAGE, "du", "-sm", "/log"]].concat());
    counted.split_whitespace().next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_flood_of_output_takes_a_bounded_part_of_the_disk() {
    let ground = Ground::new().await;
    ground
        .start(
            "line=$(head -c 8000 /dev/zero | tr '\\0' x); yes \"$line\" | head -c 700M; echo end",
        )
        .await;
    let name = ground.name();
    let end = timeout(PATIENCE, ground.executor.wait(&name)).await;
    let by = End::Itself;
    assert_eq!(end.unwrap().unwrap(), Condition::Ended { status: 0, by });
    let size = log_size(&name.0);
    assert!((200..420).contains(&size), "{size} MiB");
}

#[tokio::test]
async fn two_sandboxes_know_nothing_of_each_other() {
    let (one, other) = (Ground::new().await, Ground::new().await);
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    for (ground, folder) in [&one, &other].into_iter().zip(&folders) {
        std::fs::write(folder.path().join("egress.sock"), &ground.instance).unwrap();
        let mut spec = ground.spec("exec sleep 1000");
        spec.mounts.push(Mount {
            source: MountSource::Host(folder.path().to_owned()),
            target: "/run/deckhand".to_owned(),
            access: Access::ReadOnly,
        });
        ground.executor.start(&spec).await.unwrap();
    }
    // One leaves a mark in every place that could be shared: abstract and ordinary sockets, both kinds of shared memory,
    // a message queue, files, a port on loopback, and a process with a name.
    let mark = "cat > /work/mark.py <<'END'
import ctypes, os, socket, time
from multiprocessing import shared_memory
abstract = socket.socket(socket.AF_UNIX); abstract.bind(b'\\0neighbours-mark'); abstract.listen()
port = socket.socket(); port.bind(('127.0.0.1', 7777)); port.listen()
shared = shared_memory.SharedMemory('neighbours-mark', create=True, size=64)
segment = ctypes.CDLL(None).shmget(0x6d61726b, 4096, 0o1666)
assert segment >= 0
for path in ('/tmp/neighbours-mark', '/dev/shm/neighbours-mark-too', '/work/neighbours-mark'): open(path, 'w').write('mark')
print('ready', flush=True)
time.sleep(1000)
END
nohup python3 /work/mark.py neighbours-mark >/work/said 2>&1 & 
for i in $(seq 100); do grep -q ready /work/said && exit 0; sleep 0.1; done; cat /work/said >&2; exit 1";
    one.shell(mark).await;
    // Where the mark is, all of this finds it; so it shows something that the other finds nothing.
    let search = "cat > /work/search.py <<'END'
import ctypes, os, socket
found = []
def tried(name, act):
    try: act(); found.append(name)
    except OSError: pass
tried('abstract socket', lambda: socket.socket(socket.AF_UNIX).connect(b'\\0neighbours-mark'))
tried('port', lambda: socket.create_connection(('127.0.0.1', 7777), 2))
tried('shared memory', lambda: os.stat('/dev/shm/neighbours-mark'))
if ctypes.CDLL(None).shmget(0x6d61726b, 4096, 0) >= 0: found.append('segment')
for path in ('/tmp/neighbours-mark', '/dev/shm/neighbours-mark-too', '/work/neighbours-mark'): tried(path, lambda: os.stat(path))
if 'neighbours-mark' in open('/proc/net/unix').read(): found.append('list of sockets')
for pid in filter(str.isdigit, os.listdir('/proc')):
    if b'mark.py\\0neighbours-mark' in open(f'/proc/{pid}/cmdline', 'rb').read(): found.append('process'); break
print(len(found), found)
END
python3 /work/search.py; cat /run/deckhand/egress.sock";
    let here = one.shell(search).await;
    assert!(here.starts_with("9 "), "{here}");
    let there = other.shell(search).await;
    assert!(there.starts_with("0 "), "{there}");
    assert!(there.ends_with(&other.instance), "{there}");
}
