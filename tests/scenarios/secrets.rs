//! What a sandbox reaches. Where secrets must not be is told in `canaries.rs`.

use crate::harness::{REQUEST, Stage};

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
