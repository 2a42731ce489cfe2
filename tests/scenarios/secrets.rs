//! What a sandbox reaches. Where secrets must not be is told in `canaries.rs`.

use std::path::Path;

use crate::harness::{REQUEST, Stage, fixture};

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

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_reads_the_copy_of_its_own_repository_and_no_other() {
    let stage = Stage::open().await;
    stage
        .github
        .seed("acme/other", &fixture("web"))
        .await
        .unwrap();
    let other = stage.planned("Mend the footer. repo=acme/other").await;
    stage.stop(&other).await;
    let thread = stage.being_planned(REQUEST).await;

    let data = &stage.context.config.data_dir;
    let on_host = mirrors(&data.join("mirrors"));
    assert_eq!(on_host.len(), 2, "{on_host:?}");
    let sandbox = stage.sandboxes().await.remove(0);
    let find = format!("find {} -name HEAD; ls {}", data.display(), data.display());
    let inside = stage.inside(&sandbox, &find).await;
    let own: Vec<&String> = on_host
        .iter()
        .filter(|mirror| inside.contains(mirror.as_str()))
        .collect();
    assert_eq!(own.len(), 1, "{inside}");
    assert!(own[0].contains("acme/web"), "{own:?}");
    // Nothing else of the data folder is there, and the copy is only lent.
    assert_eq!(inside, format!("{}/HEAD\nmirrors\n", own[0]));
    let written = stage
        .inside(&sandbox, &format!("touch {}/written 2>&1", own[0]))
        .await;
    assert!(written.contains("Read-only file system"), "{written}");
    stage.stop(&thread).await;
    stage.models.resume();
    stage.close().await;
}

/// Every mirror below a folder of the host.
fn mirrors(folder: &Path) -> Vec<String> {
    if folder.join("HEAD").exists() {
        return vec![folder.display().to_string()];
    }
    let entries = std::fs::read_dir(folder).unwrap();
    let folders = entries.map(|entry| entry.unwrap().path());
    folders
        .filter(|path| path.is_dir())
        .flat_map(|path| mirrors(&path))
        .collect()
}
