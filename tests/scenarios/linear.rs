//! The same story in Linear: an issue is delegated, the agent session carries plan, approval, progress and result.

use deckhand_world::linear::{Content, Linear, LinearOptions, Session};

use crate::harness::{PATIENCE, Props, Stage};

async fn stage_with_linear() -> (Stage, Linear) {
    let linear = Linear::start(LinearOptions::default()).await.unwrap();
    let settings = vec![
        ("LINEAR_CLIENT_ID", "linear-client".to_owned()),
        ("LINEAR_CLIENT_SECRET", "linear-client-secret".to_owned()),
        ("LINEAR_WEBHOOK_SECRET", "linear-webhook-secret".to_owned()),
        ("LINEAR_API_URL", linear.api_url()),
    ];
    let stage = Stage::open_with(Props {
        settings,
        file: "[[repository]]\nname = \"acme/web\"\nplaces = [\"ENG\"]\n".to_owned(),
    })
    .await;
    linear.set_webhook_url(&format!(
        "{}/linear/webhooks",
        stage.context.config.public_url
    ));
    (stage, linear)
}

async fn waits_for_a_decision(session: &Session) {
    session.wait_for_activity("the plan", PATIENCE, |activity| matches!(&activity.content, Content::Elicitation { body } if body.contains("Plan"))).await.unwrap();
}

async fn ends(session: &Session, words: &str) {
    session.wait_for_activity(words, PATIENCE, |activity| matches!(&activity.content, Content::Response { body } if body.contains(words))).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delegated_issue_becomes_a_proved_pull_request() {
    let (stage, linear) = stage_with_linear().await;
    let issue = linear
        .create_issue(
            "ana",
            "The offset parameter of /api/v2/users is ignored when limit is over 100",
            "repo=acme/web",
        )
        .unwrap();
    let session = linear.delegate("ana", &issue).unwrap();
    session
        .wait_for_activity("first words", PATIENCE, |activity| {
            matches!(activity.content, Content::Thought { .. })
        })
        .await
        .unwrap();
    waits_for_a_decision(&session).await;
    session.select("ana", "Approve").unwrap();
    ends(&session, "every requirement is met").await;
    stage.settle().await;
    let pulls = stage.github.repository("acme/web").unwrap().pull_requests();
    assert_eq!(pulls.len(), 1, "{}", session.render());
    assert!(
        session
            .external_urls()
            .iter()
            .any(|(_, url)| url.contains("/acme/web/pull/1")),
        "{}",
        session.render()
    );
    assert_eq!(linear.violations(), Vec::<String>::new());
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn linears_own_stop_ends_the_task() {
    let (stage, linear) = stage_with_linear().await;
    let issue = linear
        .create_issue(
            "ana",
            "The offset parameter is ignored when limit is over 100",
            "repo=acme/web",
        )
        .unwrap();
    let session = linear.delegate("ana", &issue).unwrap();
    waits_for_a_decision(&session).await;
    session.stop("ana").unwrap();
    ends(&session, "ancelled").await;
    stage.settle().await;
    assert!(
        stage
            .github
            .repository("acme/web")
            .unwrap()
            .pull_requests()
            .is_empty()
    );
    assert_eq!(linear.violations(), Vec::<String>::new());
    stage.close().await;
}
