//! Keys, failures and holds.

use std::time::Duration;

use serde_json::Value;

use super::{
    agent::Agent,
    scripts::{Repository, start},
};
use crate::models::{Failure, KeySeen, Outcome, PLACEHOLDER_KEY, Phase, Provider, Script, Turn};

const PATIENCE: Duration = Duration::from_secs(10);
const ALL: [Provider; 4] = [
    Provider::Anthropic,
    Provider::Responses,
    Provider::Chat,
    Provider::Gemini,
];

#[tokio::test]
async fn a_wrong_key_is_refused_as_each_provider_refuses() {
    let models = start().await;
    let expected = [
        (401, "/error/type", "authentication_error"),
        (401, "/error/code", "invalid_api_key"),
        (401, "/error/code", "invalid_api_key"),
        (400, "/error/details/0/reason", "API_KEY_INVALID"),
    ];
    for (provider, (status, place, reason)) in ALL.into_iter().zip(expected) {
        let mut agent = Agent::new(&models, provider);
        agent.key = "sk-other".into();
        agent.hear("Deckhand phase: plan");
        let response = agent.request().send().await.unwrap();
        assert_eq!(response.status(), status, "{provider:?}");
        let body: Value = response.json().await.unwrap();
        assert_eq!(body.pointer(place).and_then(Value::as_str), Some(reason));
    }
    assert_eq!(
        models.seen_keys().into_iter().collect::<Vec<_>>(),
        [KeySeen::Wrong]
    );
}

#[tokio::test]
async fn a_placeholder_that_leaves_a_sandbox_is_a_violation() {
    for provider in ALL {
        let models = start().await;
        let mut agent = Agent::new(&models, provider);
        agent.key = PLACEHOLDER_KEY.into();
        agent.hear("Deckhand phase: plan");
        assert!(
            agent
                .request()
                .send()
                .await
                .unwrap()
                .status()
                .is_client_error()
        );
        assert!(models.seen_keys().contains(&KeySeen::Placeholder));
        assert_eq!(models.violations().len(), 1, "{provider:?}");
    }
}

#[tokio::test]
async fn scripts_fail_with_each_providers_status() {
    let models = start().await;
    let table = [
        ("unauthorized", [401, 401, 401, 400]),
        ("out_of_credit", [400, 429, 429, 429]),
        ("rate_limited", [429, 429, 429, 429]),
        ("overloaded", [529, 503, 503, 503]),
        ("server_error", [500, 500, 500, 500]),
    ];
    for (script, statuses) in table {
        for (provider, status) in ALL.into_iter().zip(statuses) {
            let mut agent = Agent::new(&models, provider);
            agent.hear(&format!("Deckhand phase: plan\n#script:{script}"));
            let response = agent.request().send().await.unwrap();
            assert_eq!(response.status(), status, "{script} {provider:?}");
            assert_eq!(
                response.headers().contains_key("retry-after"),
                status == 429
            );
        }
    }
}

#[tokio::test]
async fn a_failure_for_a_while_leaves_the_script_where_it_stood() {
    let models = start().await;
    let mut agent = Agent::new(&models, Provider::Anthropic);
    agent.hear("Deckhand phase: work");
    models.fail_next(Failure::Overloaded, 2);
    for status in [529, 529, 200] {
        assert_eq!(agent.request().send().await.unwrap().status(), status);
    }
    let outcomes: Vec<_> = models
        .requests()
        .into_iter()
        .map(|request| request.outcome)
        .collect();
    assert_eq!(
        outcomes,
        [
            Outcome::Refused(529),
            Outcome::Refused(529),
            Outcome::Answered {
                tool: Some("Bash".into())
            },
        ]
    );
}

#[tokio::test]
async fn a_held_task_waits_while_another_goes_on() {
    let models = start().await;
    models.hold("blue");
    let mut blue = Agent::new(&models, Provider::Chat);
    blue.hear("Deckhand phase: work\nthe blue task");
    let mut red = Agent::new(&models, Provider::Chat);
    red.hear("Deckhand phase: work\nthe red task");
    tokio::join!(blue.turn(), async {
        models.until_waiting(1, PATIENCE).await.unwrap();
        red.turn().await;
        assert_eq!(models.waiting(), 1);
        models.release("blue");
    });
    assert_eq!(models.waiting(), 0);
}

#[tokio::test]
async fn a_hanging_model_never_answers_and_ends_with_the_stand_in() {
    let models = start().await;
    models.when(
        "wait for",
        Script::new("mute").on(Phase::Work, [Turn::Hang]),
    );
    let mut agent = Agent::new(&models, Provider::Gemini);
    agent.hear("Deckhand phase: work\nwait for it");
    let request = tokio::spawn(agent.request().send());
    let came = models.wait_for(|request| request.phase() == Some(Phase::Work), PATIENCE);
    assert_eq!(came.await.unwrap().outcome, Outcome::Open);
    assert!(!request.is_finished());
    drop(models);
    let ended = tokio::time::timeout(PATIENCE, request)
        .await
        .unwrap()
        .unwrap();
    assert!(ended.is_err() || ended.is_ok_and(|response| response.status().is_server_error()));
}

#[tokio::test]
async fn a_tool_that_no_agent_offers_is_a_violation() {
    let models = start().await;
    let repository = Repository::new();
    let dance = Script::new("dance").on(Phase::Work, [Turn::tool("dance", Value::Null)]);
    models.otherwise(dance);
    let mut agent = Agent::new(&models, Provider::Responses);
    let (_, words) = agent.play("Deckhand phase: work", repository.path()).await;
    assert!(words.contains("does not offer"));
    let violations = models.violations();
    assert_eq!(violations.len(), 1);
    assert!(violations[0].starts_with("the agent does not offer dance, but: "));
}
