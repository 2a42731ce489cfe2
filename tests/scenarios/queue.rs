//! Several tasks at once, within the limit; the others wait in line and say so.

use crate::harness::{CHANNEL, PATIENCE, Props, Stage};

#[tokio::test(flavor = "multi_thread")]
async fn three_at_once_and_a_fourth_in_line() {
    let stage = Stage::open_with(Props {
        settings: vec![("DECKHAND_PARALLEL_TASKS", "3".to_owned())],
        ..Props::default()
    })
    .await;
    stage.models.pause();
    let request = "The offset parameter is ignored when limit is over 100. repo=acme/web";
    let mut threads = Vec::new();
    for _ in 0..3 {
        let thread = stage.mention(request).await;
        // Those that come in the same moment have no order.
        stage.wait_for_state(&thread, "planning").await;
        threads.push(thread);
    }
    threads.push(stage.mention(request).await);
    threads[3].wait_for_words("In line").await.unwrap();
    stage.models.resume();
    for thread in &threads {
        stage.wait_for_state(thread, "awaiting_approval").await;
    }
    for thread in &threads[..2] {
        thread.say("ana", "approve").await.unwrap();
    }
    for thread in &threads[..2] {
        stage.wait_for_state(thread, "in_review").await;
    }
    let asking = stage
        .slack
        .mention("ana", CHANNEL, "list")
        .await
        .unwrap()
        .with_patience(PATIENCE);
    asking
        .wait("the list", || {
            asking
                .messages()
                .into_iter()
                .find(|message| message.says("waits for your decision"))
        })
        .await
        .unwrap();
    for thread in &threads[2..] {
        thread.say("ana", "approve").await.unwrap();
        stage.wait_for_state(thread, "in_review").await;
    }
    assert_eq!(
        stage
            .github
            .repository("acme/web")
            .unwrap()
            .pull_requests()
            .len(),
        4
    );
    stage.close().await;
}
