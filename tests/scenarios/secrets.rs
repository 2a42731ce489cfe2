//! Nothing secret in the sandbox, in what is said, or in what is kept.

use std::path::Path;

use crate::harness::{
    GITHUB_TOKEN, GITHUB_WEBHOOK_SECRET, MODEL_KEY, REQUEST, SIGNING_SECRET, SLACK_TOKEN, Stage,
    engine::docker,
};

const CANARIES: [&str; 5] = [
    MODEL_KEY,
    SLACK_TOKEN,
    GITHUB_TOKEN,
    SIGNING_SECRET,
    GITHUB_WEBHOOK_SECRET,
];

fn has_none(what: &str, text: &str) {
    for canary in CANARIES {
        assert!(!text.contains(canary), "{canary} is in {what}");
    }
}

/// Every file below a folder, as far as it can be read.
fn files(folder: &Path, look: &mut dyn FnMut(&Path, &str)) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => files(&path, look),
            Ok(kind) if kind.is_file() => look(
                &path,
                &String::from_utf8_lossy(&std::fs::read(&path).unwrap_or_default()),
            ),
            Ok(_) | Err(_) => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_key_is_in_the_sandbox_the_thread_the_pull_request_or_the_database() {
    let stage = Stage::open().await;
    let thread = stage.planned(&format!("{REQUEST} #script:asking")).await;
    stage.models.pause();
    thread.say("ana", "approve").await.unwrap();
    stage.wait_for_state(&thread, "running").await;
    let sandbox = stage.sandboxes().await.remove(0);
    has_none(
        "the container's description",
        &docker(&["inspect", &sandbox]),
    );
    let inside = "env; cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n'; \
                  grep -rsI . /home/agent /work/repo/.git/config /etc/gitconfig /tmp /run/deckhand 2>/dev/null | head -c 900000";
    let seen = stage.inside(&sandbox, inside).await;
    assert!(
        seen.contains("deckhand-placeholder"),
        "the look into the sandbox saw nothing: {seen}"
    );
    has_none("the sandbox", &seen);
    stage.models.resume();
    stage.wait_for_state(&thread, "awaiting_input").await;
    thread.say("ana", "Keep cutting it").await.unwrap();
    let task = stage.wait_for_state(&thread, "in_review").await;
    stage.settle().await;

    has_none("the thread", &thread.render());
    has_none("the pull request", &format!("{:?}", stage.pull_requests()));
    has_none("the log", &stage.log(&task.id).await);
    has_none(
        "the task page",
        &stage
            .get(&deckhand::links::task_url(&stage.context.config, &task.id))
            .await
            .1,
    );
    has_none(
        "the settings as they are printed",
        &format!("{:?}", stage.context.config),
    );
    files(&stage.context.config.data_dir, &mut |path, text| {
        has_none(&path.display().to_string(), text);
    });
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_reaches_the_model_and_nothing_else() {
    use deckhand_world::models::{Phase, Script, Turn};
    let stage = Stage::open().await;
    let tries = "for where in http://packages.example/ https://packages.example/ http://169.254.169.254/latest/meta-data/ http://127.0.0.1:1/; do \
                 curl -s -o /tmp/out -m 5 -w \"$where answered %{http_code} ended %{exitcode}\\n\" $where; done; \
                 ls /sys/class/net; ls /var/run/docker.sock 2>&1; id -u; touch /etc/written 2>&1";
    stage
        .models
        .otherwise(Script::honest().first(Phase::Work, [Turn::shell(tries)]));
    let thread = stage.planned(REQUEST).await;
    let task = stage.approve(&thread).await;
    let log = stage.log(&task.id).await;
    assert!(
        log.contains("packages.example") && !log.contains("answered 200"),
        "{log}"
    );
    assert!(
        log.contains("Read-only file system") && !log.contains("eth0"),
        "{log}"
    );
    // Each refusal is a line with its host and the rule.
    assert!(
        log.lines().any(|line| line.contains("egress")
            && line.contains("packages.example")
            && line.contains("rule")),
        "{log}"
    );
    stage.close().await;
}
