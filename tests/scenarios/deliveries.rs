//! Slack on its bad days, and requests that are not Slack's.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use deckhand_world::slack::{
    CallEnding, ChannelKind, DeliveryHabit, Door, Fault, Membership, PostLimit, signature,
};
use secrecy::SecretString;

use crate::harness::{
    PATIENCE, REQUEST, SIGNING_SECRET, Stage,
    asking::{no_message_twice, says},
    scripts,
};

#[tokio::test(flavor = "multi_thread")]
async fn events_that_come_twice_and_again_are_one() {
    let stage = Stage::open().await;
    stage.models.otherwise(scripts::without_pages());
    stage.slack.set_delivery_habit(DeliveryHabit::Twice);
    let thread = stage.planned(REQUEST).await;
    stage.approve(&thread).await;
    stage.settle().await;
    let (messages, runs) = (thread.messages().len(), stage.rows("runs").await);
    stage.slack.redeliver_last().await;
    stage.slack.redeliver_shuffled(7).await;
    stage.github.settle().await;
    stage.settle().await;
    assert_eq!(thread.messages().len(), messages, "{}", thread.render());
    assert_eq!(
        (stage.rows("tasks").await, stage.rows("runs").await),
        (1, runs)
    );
    assert_eq!(stage.pull_requests().len(), 1);
    no_message_twice(&thread);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_in_the_wrong_order_are_one_task() {
    let stage = Stage::open().await;
    stage.slack.set_delivery_habit(DeliveryHabit::Reversed);
    let thread = stage.planned(REQUEST).await;
    assert_eq!(stage.rows("tasks").await, 1);
    stage.stop(&thread).await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn five_bad_answers_in_a_row_cost_no_task() {
    let stage = Stage::open().await;
    for fault in [
        Fault::RateLimited {
            retry_after: Duration::from_secs(1),
        },
        Fault::DropRequest,
        Fault::ServerError,
        Fault::ServerError,
        Fault::DropAnswer,
    ] {
        stage.slack.fail_next("conversations.replies", fault);
    }
    let thread = stage.planned(REQUEST).await;
    assert!(
        !thread.render().contains("It stopped"),
        "{}",
        thread.render()
    );
    assert_eq!(stage.context.store.given_up().await.unwrap(), (0, 0));
    stage.stop(&thread).await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slack_that_limits_fails_and_breaks_off_loses_nothing() {
    let stage = Stage::open().await;
    stage.models.otherwise(scripts::without_pages());
    let limited = || Fault::RateLimited {
        retry_after: Duration::from_secs(1),
    };
    for (method, fault) in [
        ("chat.postMessage", limited()),
        ("chat.postMessage", Fault::ServerError),
        ("chat.postMessage", Fault::DropAnswer),
        ("reactions.add", Fault::ServerError),
        ("chat.update", Fault::DropRequest),
        ("conversations.replies", Fault::ServerError),
    ] {
        stage.slack.fail_next(method, fault);
    }
    let thread = stage.planned(REQUEST).await;
    stage.slack.fail_next("chat.postMessage", Fault::DropAnswer);
    stage.slack.fail_next("chat.postMessage", limited());
    stage.approve(&thread).await;
    stage.settle().await;
    no_message_twice(&thread);
    let words = thread.render();
    let place = |fragment: &str| {
        words
            .find(fragment)
            .unwrap_or_else(|| panic!("{fragment} is missing in\n{words}"))
    };
    assert!(place("Requirements") < place("Pull request #1"), "{words}");
    assert!(thread.bot_messages().len() <= 6, "{words}");
    thread.wait_for_mark("✅").await.unwrap();
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_message_a_second_is_enough_for_a_whole_task() {
    let stage = Stage::open().await;
    stage.models.otherwise(scripts::without_pages());
    stage.slack.set_post_limit(PostLimit::OnePerSecond);
    let thread = stage.planned(REQUEST).await;
    stage.approve(&thread).await;
    thread.wait_for_words("Pull request #1").await.unwrap();
    stage.settle().await;
    no_message_twice(&thread);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_slacks_is_refused_and_not_stored() {
    let stage = Stage::open().await;
    let body = r#"{"type":"event_callback","team_id":"T0ACME","event":{"type":"app_mention","user":"UANA","channel":"CENG","ts":"1.000001","text":"<@U0DECK> fix it"}}"#;
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let sign = |secret: &str, at: u64| {
        signature(&SecretString::from(secret.to_owned()), at, body.as_bytes())
    };
    let forged = [
        ("another secret", now, sign("another secret", now)),
        (
            "a replay of an hour ago",
            now - 3_600,
            sign(SIGNING_SECRET, now - 3_600),
        ),
        (
            "a moment to come",
            now + 3_600,
            sign(SIGNING_SECRET, now + 3_600),
        ),
        (
            "another moment than was signed",
            now,
            sign(SIGNING_SECRET, now - 1),
        ),
        ("no signature", now, String::new()),
    ];
    let client = reqwest::Client::new();
    for door in ["events", "interactions", "commands"] {
        for (what, at, signature) in &forged {
            let request = client
                .post(format!("{}/slack/{door}", stage.context.config.public_url))
                .header("x-slack-request-timestamp", at.to_string())
                .header("x-slack-signature", signature)
                .body(body);
            assert_eq!(
                request.send().await.unwrap().status().as_u16(),
                401,
                "{what} at {door}"
            );
        }
    }
    let webhook = client
        .post(format!(
            "{}/github/webhooks",
            stage.context.config.public_url
        ))
        .header("x-hub-signature-256", "sha256=00")
        .body("{}");
    assert_eq!(webhook.send().await.unwrap().status().as_u16(), 401);
    assert_eq!(stage.rows("inbox").await, 0);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slack_is_told_whose_address_this_is_and_what_cannot_be_read() {
    let stage = Stage::open().await;
    // The real Slack asks first whether this address is the app's.
    let asked = stage
        .slack
        .post_signed(
            Door::Events,
            "application/json",
            r#"{"type":"url_verification","challenge":"a word"}"#.into(),
        )
        .await
        .unwrap();
    assert!(
        asked.accepted() && asked.answer.contains("a word"),
        "{asked:?}"
    );
    // What is Slack's and no JSON is the sender's fault, and no reason to send it again for ever.
    let broken = stage
        .slack
        .post_signed(Door::Events, "application/json", "{".into())
        .await
        .unwrap();
    assert!(!broken.accepted());
    assert_eq!(stage.rows("inbox").await, 0);
    stage.close().await;
}

/// Slack counts calls by method and workspace, so a refusal in one channel is one for all of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_method_that_is_refused_in_one_channel_rests_in_all_and_a_question_still_arrives() {
    let mut stage = Stage::open().await;
    stage
        .github
        .seed("acme/other", &crate::harness::fixture("web"))
        .await
        .unwrap();
    stage
        .slack
        .add_channel("ops", ChannelKind::Public, Membership::Joined);
    stage.models.otherwise(scripts::without_pages());
    let thread = stage.planned(REQUEST).await;
    stage.settle().await;
    let asked = Duration::from_mins(20);
    let limited = Fault::RateLimited { retry_after: asked };
    stage.slack.fail_next("chat.update", limited);
    // The card of the plan is to show who decided, and may not be changed now.
    thread.say("ana", "stop").await.unwrap();
    stage.wait_for_state(&thread, "canceled").await;
    let updates = || {
        let calls = stage.slack.calls().into_iter();
        let updates = calls.filter(|call| call.method == "chat.update");
        updates.count()
    };
    let refused = async || {
        let calls = stage.slack.calls();
        let mut updates = calls.iter().filter(|call| call.method == "chat.update");
        updates.any(|call| call.ending == CallEnding::Faulted)
    };
    stage.eventually("the refusal", refused).await;
    // What is stored after the clock was moved is not due for the bot that is started again.
    let stopped = async || {
        let stops = "SELECT count(*) FROM outbox WHERE lane LIKE 'control:%' AND state <> 'done'";
        stage.number(stops).await == 0 && stage.context.store.inbox_depth().await.unwrap().0 == 0
    };
    stage.eventually("the stop", stopped).await;
    let before = updates();

    // Somebody asks in another channel what has to be asked back: which repository?
    let silent = "The offset parameter of /api/v2/users is ignored when limit is over 100.";
    let asking = stage.slack.mention("ben", "ops", silent).await.unwrap();
    let asking = asking.with_patience(PATIENCE);
    asking.wait_for_words("acme/other").await.unwrap();
    assert_eq!(updates(), before, "the method rests in every channel");

    // When Slack lets it, what waited is shown. Up to a tenth more is chance.
    stage.clock.advance(asked + asked / 9);
    stage.context.wake.outbox();
    says(&thread, "Withdrawn").await;
    assert!(updates() > before);
    // The doors refuse what Slack signed long before the moved clock.
    stage.restart().await;
    asking.say("ben", "stop").await.unwrap();
    stage.wait_for_state(&asking, "canceled").await;
    stage.close().await;
}
