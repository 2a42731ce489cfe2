//! Real containers on a real engine: what a sandbox is, what can be done with one, and what it cannot do.
//!
//! They need the sandbox images (`script/setup`) and fail without them; nothing is skipped in silence.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod ground;

use std::{
    convert::Infallible,
    net::SocketAddr,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use deckhand_executors::{
    Executor as _, ExecutorError,
    egress::{ApiKey, BaseAddress, EgressProxy, Opening, Phase, Way},
    sandbox::{Access, Attachment, Condition, End, Mount, MountSource},
};
use ground::{Ground, IMAGE, PATIENCE, SHIM, exec};
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpListener,
    sync::mpsc,
    time::timeout,
};

async fn lines(attachment: &mut Attachment, count: usize) -> Vec<String> {
    let mut reader = BufReader::new(&mut attachment.output).lines();
    let mut lines = Vec::new();
    while lines.len() < count {
        lines.push(
            timeout(PATIENCE, reader.next_line())
                .await
                .expect("a line")
                .unwrap()
                .expect("a line"),
        );
    }
    lines
}

#[tokio::test]
async fn every_attachment_sees_the_whole_history_and_can_go_on() {
    let ground = Ground::new().await;
    ground
        .start("while read -r line; do echo \"said $line\"; echo \"thought $line\" >&2; done")
        .await;
    let mut history = Vec::new();
    for word in ["one", "two", "three"] {
        let mut attachment = ground.attach().await;
        attachment
            .input
            .write_all(format!("{word}\n").as_bytes())
            .await
            .unwrap();
        attachment.input.flush().await.unwrap();
        history.push(format!("said {word}"));
        assert_eq!(lines(&mut attachment, history.len()).await, history);
    }
    let mut attachment = ground.attach().await;
    let mut thoughts = BufReader::new(&mut attachment.errors).lines();
    for word in ["one", "two", "three"] {
        assert_eq!(
            thoughts.next_line().await.unwrap(),
            Some(format!("thought {word}"))
        );
    }
}

#[tokio::test]
async fn a_line_of_a_megabyte_arrives_whole() {
    let ground = Ground::new().await;
    ground
        .start("head -c 1048576 /dev/zero | tr '\\0' x; echo; echo end; exec sleep 1000")
        .await;
    let said = lines(&mut ground.attach().await, 2).await;
    assert_eq!((said[0].len(), said[1].as_str()), (1_048_576, "end"));
}

#[tokio::test]
async fn what_ended_while_nobody_listened_can_still_be_read() {
    let ground = Ground::new().await;
    ground.start("echo last words; exit 3").await;
    let ended = Condition::Ended {
        status: 3,
        by: End::Itself,
    };
    assert_eq!(
        timeout(PATIENCE, ground.executor.wait(&ground.name()))
            .await
            .unwrap()
            .unwrap(),
        ended
    );
    let mut said = String::new();
    ground
        .attach()
        .await
        .output
        .read_to_string(&mut said)
        .await
        .unwrap();
    assert_eq!(said, "last words\n");
    // Starting it again is no second run.
    ground.start("echo something else").await;
    assert_eq!(
        ground.executor.condition(&ground.name()).await.unwrap(),
        ended
    );
}

#[tokio::test]
async fn the_end_of_the_main_process_ends_its_output() {
    let ground = Ground::new().await;
    ground.start("read -r line; echo bye").await;
    let mut attachment = ground.attach().await;
    attachment.input.write_all(b"go\n").await.unwrap();
    let mut said = String::new();
    timeout(PATIENCE, attachment.output.read_to_string(&mut said))
        .await
        .expect("the end")
        .unwrap();
    assert_eq!(said, "bye\n");
}

#[tokio::test]
async fn a_read_only_volume_cannot_be_written_and_belongs_to_the_sandboxes_user() {
    let ground = Ground::new().await;
    let mut spec = ground.spec("exec sleep 1000");
    spec.mounts[0].access = Access::ReadOnly;
    ground.executor.start(&spec).await.unwrap();
    assert_eq!(ground.exec("touch /work/x").await.status, Some(1));
    assert_eq!(ground.shell("stat -c %u:%g /work").await, "1000:1000\n");
    // The same volume, written by the next sandbox.
    ground.executor.stop(&ground.name()).await.unwrap();
    ground.start("exec sleep 1000").await;
    ground.shell("echo kept > /work/x").await;
    ground.executor.stop(&ground.name()).await.unwrap();
    ground.start("exec sleep 1000").await;
    assert_eq!(ground.shell("cat /work/x").await, "kept\n");
}

#[tokio::test]
async fn a_stop_ends_a_tree_of_processes_inside_five_seconds() {
    let ground = Ground::new().await;
    ground.start("trap '' TERM INT; for i in 1 2 3; do (trap '' TERM; setsid sleep 1000 & sleep 1000) & done; sleep 1000").await;
    ground.exec("setsid sleep 1000 >/dev/null 2>&1 &").await;
    let begun = Instant::now();
    ground.executor.stop(&ground.name()).await.unwrap();
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(
        ground.executor.condition(&ground.name()).await.unwrap(),
        Condition::Absent
    );
    assert!(ground.executor.list().await.unwrap().is_empty());
    ground.executor.stop(&ground.name()).await.unwrap();
    assert_eq!(
        ground.executor.volumes().await.unwrap(),
        [ground.volume()],
        "the work outlives its sandbox"
    );
    ground
        .executor
        .remove_volume(&ground.volume())
        .await
        .unwrap();
    ground
        .executor
        .remove_volume(&ground.volume())
        .await
        .unwrap();
    assert!(ground.executor.volumes().await.unwrap().is_empty());
}

#[tokio::test]
async fn two_starts_of_one_name_make_one_sandbox() {
    let ground = Ground::new().await;
    let spec = ground.spec("echo begun; exec sleep 1000");
    let (one, other) = tokio::join!(ground.executor.start(&spec), ground.executor.start(&spec));
    one.and(other).unwrap();
    assert_eq!(lines(&mut ground.attach().await, 1).await, ["begun"]);
    let listed = ground.executor.list().await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(
        (&listed[0].name, &listed[0].condition),
        (&ground.name(), &Condition::Running)
    );
    assert_eq!(listed[0].labels["deckhand.managed"], "1");
    assert_eq!(listed[0].labels["deckhand.instance"], ground.instance);
    assert_eq!(listed[0].labels["deckhand.task"], "t1");
}

#[tokio::test]
async fn a_sandbox_that_was_made_and_not_started_is_started() {
    let ground = Ground::new().await;
    let name = ground.name().0;
    let made = Command::new("docker")
        .args(["create", "--name", &name, IMAGE, "sleep", "1000"])
        .output()
        .unwrap();
    assert!(made.status.success());
    assert_eq!(
        ground.executor.condition(&ground.name()).await.unwrap(),
        Condition::Absent
    );
    ground.start("exec sleep 1000").await;
    assert_eq!(
        ground.executor.condition(&ground.name()).await.unwrap(),
        Condition::Running
    );
    ground.executor.stop(&ground.name()).await.unwrap();
}

#[tokio::test]
async fn what_cannot_start_says_why_and_leaves_nothing() {
    let ground = Ground::new().await;
    let mut spec = ground.spec("");
    spec.command = vec!["/no/such/program".to_owned()];
    // With an init, a missing program is the container's own early end and not the engine's refusal.
    ground.executor.start(&spec).await.unwrap();
    let ended = Condition::Ended {
        status: 127,
        by: End::Itself,
    };
    assert_eq!(
        timeout(PATIENCE, ground.executor.wait(&ground.name()))
            .await
            .unwrap()
            .unwrap(),
        ended
    );
    ground.executor.stop(&ground.name()).await.unwrap();

    spec.image = "deckhand-sandbox:no-such-agent".to_owned();
    assert!(
        matches!(ground.executor.start(&spec).await, Err(ExecutorError::ImageMissing(image)) if image == spec.image)
    );
    let mut spec = ground.spec("true");
    spec.runtime = Some("no-such-runtime".to_owned());
    assert!(
        matches!(ground.executor.start(&spec).await, Err(ExecutorError::Start(reason)) if reason.contains("no-such-runtime"))
    );
    let mut spec = ground.spec("true");
    spec.mounts.push(Mount {
        source: MountSource::Host("/no/such/folder".into()),
        target: "/mnt".to_owned(),
        access: Access::ReadOnly,
    });
    assert!(
        matches!(ground.executor.start(&spec).await, Err(ExecutorError::Start(reason)) if reason.contains("/no/such/folder"))
    );
    assert!(ground.executor.list().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_command_gets_its_input_and_its_output_is_capped() {
    let ground = Ground::new().await;
    ground.start("exec sleep 1000").await;
    let mut wanted = exec("cat; echo warned >&2; echo $COLOUR; exit 7");
    wanted.input = vec![b'i'; 1_000_000];
    wanted
        .environment
        .insert("COLOUR".to_owned(), "green".to_owned());
    wanted.output_limit_bytes = 500_000;
    let done = ground.executor.exec(&ground.name(), wanted).await.unwrap();
    assert_eq!(
        (done.status, done.output.len(), done.errors.as_slice()),
        (Some(7), 500_000, b"warned\n".as_slice())
    );
    assert_eq!(done.dropped_bytes, 500_000 + "green\n".len() as u64);
    assert_eq!(
        ground.exec("cat; echo end").await.output,
        b"end\n",
        "no input is an end at once"
    );
}

#[tokio::test]
async fn a_command_that_takes_too_long_is_given_up_with_what_it_said() {
    let ground = Ground::new().await;
    ground.start("exec sleep 1000").await;
    let mut wanted = exec("echo begun; sleep 1000");
    wanted.timeout = Duration::from_secs(2);
    let done = ground.executor.exec(&ground.name(), wanted).await.unwrap();
    assert_eq!(
        (done.status, done.output.as_slice()),
        (None, b"begun\n".as_slice())
    );
    assert!(
        done.elapsed >= Duration::from_secs(2) && done.elapsed < Duration::from_secs(10),
        "{:?}",
        done.elapsed
    );
}

#[tokio::test]
async fn a_command_that_leaves_a_server_behind_has_ended_all_the_same() {
    let ground = Ground::new().await;
    ground.start("exec sleep 1000").await;
    let done = ground.exec("sleep 1000 & echo started").await;
    assert_eq!(
        (done.status, done.output.as_slice()),
        (Some(0), b"started\n".as_slice())
    );
    assert!(done.elapsed < Duration::from_secs(10), "{:?}", done.elapsed);
}

#[tokio::test]
async fn a_sandbox_that_is_gone_is_said_to_be_gone() {
    let ground = Ground::new().await;
    let gone = |error| matches!(error, ExecutorError::Gone(name) if name == ground.name());
    assert!(gone(
        ground.executor.attach(&ground.name()).await.err().unwrap()
    ));
    assert!(gone(
        ground
            .executor
            .exec(&ground.name(), exec("true"))
            .await
            .unwrap_err()
    ));
    assert_eq!(
        ground.executor.wait(&ground.name()).await.unwrap(),
        Condition::Absent
    );
    ground.start("true").await;
    ground.executor.wait(&ground.name()).await.unwrap();
    assert!(gone(
        ground
            .executor
            .exec(&ground.name(), exec("true"))
            .await
            .unwrap_err()
    ));
}

/// A model provider that answers with the key it was asked with.
async fn provider() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = service_fn(|request: Request<Incoming>| async move {
        let key = request
            .headers()
            .get("x-api-key")
            .and_then(|key| key.to_str().ok())
            .unwrap_or("none");
        Ok::<_, Infallible>(Response::new(format!(
            "{} with {}",
            request.uri().path(),
            key.replace("real", "r-e-a-l")
        )))
    });
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    address
}

fn socket_mount(folder: &Path) -> Mount {
    Mount {
        source: MountSource::Host(folder.to_owned()),
        target: "/run/deckhand".to_owned(),
        access: Access::ReadOnly,
    }
}

#[tokio::test]
async fn a_model_is_reached_through_the_shim_and_no_key_is_inside() {
    let ground = Ground::new().await;
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let key = ApiKey::anthropic("real-key".into());
    let base =
        BaseAddress::new("anthropic", &format!("http://{}", provider().await), &key).unwrap();
    let (log, _records) = mpsc::channel(16);
    let proxy = EgressProxy::new(Way::Direct).unwrap();
    let open = || {
        let opening = Opening {
            bases: vec![base.clone()],
            ..Opening::new(Phase::Work, log.clone())
        };
        proxy.open(&run, opening)
    };
    let handle = open().unwrap();

    let mut spec = ground.spec("");
    spec.command = [SHIM, "run", "--", "sleep", "1000"]
        .map(str::to_owned)
        .to_vec();
    spec.mounts.push(socket_mount(&run));
    for (name, value) in [
        ("ANTHROPIC_API_KEY", "deckhand-placeholder"),
        ("HTTP_PROXY", "http://127.0.0.1:3128"),
        ("HTTPS_PROXY", "http://127.0.0.1:3128"),
        ("http_proxy", "http://127.0.0.1:3128"),
        ("https_proxy", "http://127.0.0.1:3128"),
        ("NO_PROXY", "127.0.0.1,localhost"),
    ] {
        spec.environment.insert(name.to_owned(), value.to_owned());
    }
    ground.executor.start(&spec).await.unwrap();
    let ask = "curl -s --retry 5 --retry-connrefused -H \"x-api-key: $ANTHROPIC_API_KEY\" \
               http://127.0.0.1:3128/anthropic/v1/messages";
    assert_eq!(ground.shell(ask).await, "/v1/messages with r-e-a-l-key");
    let secrets = "{ env; cat /proc/*/environ /proc/*/cmdline
                     find /run /home /tmp /etc /opt/deckhand -type f -exec cat {} +; } >/work/all 2>/dev/null
                   needle=real; grep -ac \"$needle-key\" /work/all";
    assert_eq!(ground.exec(secrets).await.output, b"0\n");
    for (target, status) in [("https://evil.example/", 56), ("http://evil.example/", 0)] {
        let done = ground.exec(&format!("curl -s -o /tmp/answer -D /tmp/head {target}; echo $?; grep -i x-deckhand /tmp/head")).await;
        let said = String::from_utf8(done.output).unwrap();
        assert_eq!(
            said.trim(),
            format!("{status}\nx-deckhand-egress: denied; rule=not-listed"),
            "{target}"
        );
    }
    // A proxy that comes back is found; one that is gone for good is told of in the client's own language.
    drop(handle);
    let handle = open().unwrap();
    assert_eq!(ground.shell(ask).await, "/v1/messages with r-e-a-l-key");
    handle.revoke();
    assert!(ground.shell(ask).await.contains("This run has ended"));
    std::fs::remove_file(run.join("egress.sock")).unwrap();
    let once = "curl -s http://127.0.0.1:3128/anthropic/v1/messages";
    assert!(ground.shell(once).await.contains("no way out"));
}

#[tokio::test]
async fn the_shim_ends_with_the_status_of_its_program() {
    let ground = Ground::new().await;
    ground.start("exec sleep 1000").await;
    let table = [
        ("true", 0),
        ("sh -c 'exit 9'", 9),
        ("sh -c 'kill -TERM $$'", 143),
        ("/no/such", 127),
        ("/etc/passwd", 126),
    ];
    for (program, status) in table {
        assert_eq!(
            ground
                .exec(&format!("{SHIM} run -- {program}"))
                .await
                .status,
            Some(status),
            "{program}"
        );
    }
    assert_eq!(ground.exec(SHIM).await.status, Some(2));
}
