//! The task page, and what an operator's machines ask.

use crate::harness::{PATIENCE, Props, REQUEST, Stage};
use deckhand::{domain::task::Task, links};

#[tokio::test(flavor = "multi_thread")]
async fn the_task_page_shows_everything_to_whoever_has_the_link() {
    let stage = Stage::open().await;
    let thread = stage.planned(REQUEST).await;
    thread
        .say("ana", "Please also mention the limit in the README.")
        .await
        .unwrap();
    stage
        .wait_until(&thread, "at revision 2", |task| {
            task.state.name() == "awaiting_approval" && task.plans.len() == 2
        })
        .await;
    let task = stage.approve(&thread).await;
    stage.settle().await;

    let url = links::task_url(&stage.context.config, &task.id);
    assert!(
        thread.render().contains(&url)
            || thread
                .messages()
                .iter()
                .any(|message| message.text.contains(&url)
                    || format!("{:?}", message.blocks).contains(&url)),
        "the thread links to the page"
    );
    let (status, page) = stage.get(&url).await;
    assert_eq!(status, 200);
    for part in [
        "Apply the offset to pages with a limit over 100",
        "Pages with a limit of 100 or less stay as they are",
        "Add the offset to both ends of each slice",
        "What revision 2 changed",
        "npm test",
        "sed -i",
        "Clean container",
        "before",
        "after",
        "spent $",
        "approve",
    ] {
        assert!(
            page.to_lowercase().contains(&part.to_lowercase()),
            "{part} is missing in\n{page}"
        );
    }
    let pictures = &task.proof.as_ref().unwrap().pictures;
    assert_eq!(pictures.len(), 2);
    for picture in pictures {
        let (status, bytes) = stage
            .get(&links::artifact_url(
                &stage.context.config,
                &task.id,
                picture.artifact.as_ref().unwrap(),
            ))
            .await;
        assert_eq!(status, 200);
        assert!(bytes.contains("PNG"));
    }

    nobody_else_sees(&stage, &task).await;
    stage.close().await;
}

/// Without the key of this task there is nothing.
async fn nobody_else_sees(stage: &Stage, task: &Task) {
    let bare = format!("/tasks/{}", task.id);
    for wrong in [
        bare.clone(),
        format!("{bare}?key=0"),
        format!("{bare}?key={}", "0".repeat(32)),
        format!("{bare}/events"),
        format!("{bare}/artifacts/run-2-1-after.png"),
        "/tasks/nobody?key=".to_owned(),
    ] {
        let (status, page) = stage.get(&wrong).await;
        assert_eq!(status, 404, "{wrong}");
        assert!(!page.contains("offset"), "{page}");
    }
    // A key opens its own task, and no file beside its pictures.
    let url = links::task_url(&stage.context.config, &task.id);
    let key = url.split("key=").nth(1).unwrap();
    assert_eq!(
        stage
            .get(&format!("{bare}/artifacts/..%2F..%2Fsecret?key={key}"))
            .await
            .0,
        404
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_log_tells_what_happens_as_it_happens() {
    use futures::StreamExt as _;
    let stage = Stage::open().await;
    stage.models.pause();
    let thread = stage.mention(REQUEST).await;
    let task = stage.wait_for_state(&thread, "planning").await;
    let url = links::task_url(&stage.context.config, &task.id).replacen('?', "/events?", 1);
    let mut news = reqwest::get(url).await.unwrap().bytes_stream();
    stage.models.resume();
    let mut heard = String::new();
    let reading = async {
        while !(heard.contains("git log --oneline") && heard.contains("waits for your decision")) {
            heard.push_str(&String::from_utf8_lossy(
                &news.next().await.unwrap().unwrap(),
            ));
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.unwrap();
    drop(news);
    stage.stop(&thread).await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_process_says_how_it_is() {
    let stage = Stage::open().await;
    assert_eq!(stage.get("/healthz").await, (200, "alive\n".to_owned()));
    stage.is_ready().await;
    let thread = stage.planned(REQUEST).await;
    let (status, metrics) = stage.get("/metrics").await;
    assert_eq!(status, 200);
    for name in [
        "deckhand_inbox_depth",
        "deckhand_outbox_depth",
        "deckhand_deliveries_total",
        "deckhand_effects_total",
        "deckhand_tasks",
        "deckhand_egress_requests_total",
    ] {
        assert!(metrics.contains(name), "{name} is missing in\n{metrics}");
    }
    stage.stop(&thread).await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_without_its_engine_is_not_ready() {
    use crate::harness::Image;
    let settings = vec![(
        "DECKHAND_DOCKER_HOST",
        "unix:///nowhere/docker.sock".to_owned(),
    )];
    let stage = Stage::open_with(Props {
        settings,
        image: Image::Missing,
        ..Props::default()
    })
    .await;
    let (status, words) = stage.get("/readyz").await;
    assert_eq!(status, 503);
    assert!(
        words.contains("the container engine does not answer"),
        "{words}"
    );
    assert_eq!(stage.get("/healthz").await.0, 200);
}
