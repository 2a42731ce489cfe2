//! Where the app is in Slack: it is taken out of a workspace, put back, and allowed less than it asks for.

use deckhand_world::slack::{On, TokenStanding};
use serde_json::json;

use crate::harness::{
    CHANNEL, PATIENCE, REQUEST, Stage,
    asking::{says, until, whispered},
};

/// What the bot says of itself.
async fn readyz(stage: &Stage) -> String {
    stage.get("/readyz").await.1
}

/// Waits until `/readyz` says this; the whole of it.
async fn says_of_itself(stage: &Stage, words: &str) -> String {
    until(PATIENCE, || async {
        let told = readyz(stage).await;
        if told.contains(words) {
            return Ok(told);
        }
        Err(format!("`{words}` is not in\n{told}"))
    })
    .await
}

/// How many calls Slack had.
fn calls(stage: &Stage) -> usize {
    stage.slack.calls().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_app_ends_its_tasks_and_tries_nothing_more_until_it_is_put_back() {
    let mut stage = Stage::open().await;
    let waiting = stage.planned(REQUEST).await;
    let working = stage.planned(&format!("{REQUEST} #script:stuck")).await;
    working.say("ana", "approve").await.unwrap();
    stage.wait_for_state(&working, "running").await;

    assert!(stage.slack.uninstall().await.unwrap().accepted());
    let told = says_of_itself(&stage, "was removed from the Slack workspace Acme").await;
    assert!(told.starts_with("ready\n"), "{told}");
    for thread in [&waiting, &working] {
        stage.wait_for_state(thread, "canceled").await;
    }
    stage.wait_for_no_sandbox().await;
    stage.settle().await;

    // Nothing comes of what still arrives, nor of the same news again, and nothing is tried again later.
    let before = calls(&stage);
    stage.slack.redeliver_last().await;
    stage.slack.mention("ben", CHANNEL, REQUEST).await.unwrap();
    waiting.say("ana", "retry").await.unwrap();
    working.react("ana", "🔁", On::Root).await.unwrap();
    stage.settle().await;
    let after = stage.slack.calls().split_off(before);
    // The news is looked into once more.
    assert!(
        after.iter().all(|call| call.method == "auth.test"),
        "{after:?}"
    );
    let rested = "SELECT count(*) FROM outbox WHERE state = 'dropped' AND error LIKE '%was removed from the Slack workspace Acme'";
    assert!(stage.number(rested).await > 0);
    // What was in hand between the removal and the news of it Slack refused; nothing else is given up.
    let lost =
        "SELECT count(*) FROM outbox WHERE state = 'dead' AND error NOT LIKE '%token_revoked'";
    assert_eq!(stage.number(lost).await, 0);
    let cancels = "SELECT count(*) FROM audit WHERE act = 'cancel' AND detail = 'by Withdrawn'";
    assert_eq!(stage.number(cancels).await, 2);

    stage.slack.set_token(TokenStanding::Valid);
    stage.restart().await;
    let thread = stage.mention("help").await;
    whispered(&thread, "Say what should be different").await;
    assert!(!readyz(&stage).await.contains("was removed"));
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_ends_the_tasks_too_and_old_news_of_it_ends_nothing() {
    let stage = Stage::open().await;
    let thread = stage.planned(REQUEST).await;
    stage.settle().await;
    // The token works: whatever this tells of is over.
    let gone = json!({ "type": "app_uninstalled" });
    stage.slack.say_of_app(&gone).await.unwrap();
    stage.settle().await;
    assert_eq!(stage.task(&thread).await.state.name(), "awaiting_approval");
    assert!(!readyz(&stage).await.contains("was removed"));

    stage.slack.revoke_token().await.unwrap();
    stage.wait_for_state(&thread, "canceled").await;
    says_of_itself(&stage, "token for the Slack workspace Acme was revoked").await;
    stage.settle().await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_slack_does_not_allow_is_told_at_the_start_and_the_rest_works() {
    let mut stage = Stage::open().await;
    assert!(!readyz(&stage).await.contains("scopes"));
    let all = deckhand::slack::manifest::SCOPES.iter().copied();
    let fewer: Vec<&str> = all.filter(|scope| *scope != "reactions:write").collect();
    stage.slack.set_scopes(&fewer);
    stage.restart().await;
    let told = says_of_itself(
        &stage,
        "these scopes are missing: reactions:write (requests carry no mark",
    )
    .await;
    assert!(!told.contains("cannot be done in Slack"), "{told}");
    let thread = stage.planned(REQUEST).await;
    says(&thread, "Your decision").await;
    stage.stop(&thread).await;
    stage.settle().await;

    let without: Vec<&str> = fewer
        .into_iter()
        .filter(|scope| *scope != "chat:write")
        .collect();
    stage.slack.set_scopes(&without);
    stage.restart().await;
    says_of_itself(&stage, "tasks cannot be done in Slack").await;
    stage.close().await;
}
