//! Each wire, streamed and whole: an agent that speaks it plays the demo from the plan to the follow-up.

use serde_json::{Value, json};

use super::{
    agent::{Agent, KEY, http},
    scripts::{Repository, start},
};
use crate::models::{Phase, Provider, RequestKind};

async fn plays_the_whole_demo(provider: Provider) {
    let models = start().await;
    let repository = Repository::new();
    let mut planner = Agent::new(&models, provider);
    let (handed, words) = planner
        .play(
            "Deckhand phase: plan\nThe offset is ignored. repo=acme/web",
            repository.path(),
        )
        .await;
    let names: Vec<_> = handed.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["submit_specification", "submit_plan"]);
    assert_eq!(
        handed[0].1["pages"][0]["path"],
        "/users?limit=150&offset=150"
    );
    assert!(words.contains("handed over"));
    assert!(repository.is_broken() && repository.run("git status --short").is_empty());

    let (handed, _) = planner
        .play("Deckhand phase: revise\nKeep the limit.", repository.path())
        .await;
    assert!(handed[0].1["reason"].is_string(), "{handed:?}");

    let mut worker = Agent::new(&models, provider);
    let (handed, _) = worker
        .play(
            "Deckhand phase: work\nThe offset is ignored.",
            repository.path(),
        )
        .await;
    assert_eq!(handed[0].0, "report_requirements");
    assert!(!repository.is_broken());

    let (handed, _) = worker
        .play(
            "Deckhand phase: follow_up\nSay it in the README.",
            repository.path(),
        )
        .await;
    assert_eq!(handed[0].0, "report_requirements");
    assert!(repository.run("git log --oneline").lines().count() == 3);
    assert_eq!(models.violations(), Vec::<String>::new());

    let work = |step: usize| RequestKind::Turn {
        phase: Phase::Work,
        script: "honest".into(),
        step,
    };
    let steps: Vec<_> = models
        .requests()
        .into_iter()
        .filter(|request| request.phase() == Some(Phase::Work))
        .map(|request| (request.kind, request.tools))
        .collect();
    let expected: Vec<_> = (0..7).map(|step| (work(step), 5)).collect();
    assert_eq!(steps, expected);
}

#[tokio::test]
async fn an_agent_that_speaks_anthropic_messages_plays_the_whole_demo() {
    plays_the_whole_demo(Provider::Anthropic).await;
}

#[tokio::test]
async fn an_agent_that_speaks_responses_plays_the_whole_demo() {
    plays_the_whole_demo(Provider::Responses).await;
}

#[tokio::test]
async fn an_agent_that_speaks_chat_completions_plays_the_whole_demo() {
    plays_the_whole_demo(Provider::Chat).await;
}

#[tokio::test]
async fn an_agent_that_speaks_gemini_plays_the_whole_demo() {
    plays_the_whole_demo(Provider::Gemini).await;
}

#[tokio::test]
async fn an_answer_may_come_in_one_body() {
    let models = start().await;
    let prompt = "Deckhand phase: work #script:nothing";
    let prompt = prompt.replace(" #", "\n#");
    let user = json!([{"role": "user", "content": prompt}]);
    let shell = json!({"name": "bash", "parameters": {}});
    let table = [
        (
            "/v1/messages",
            json!({"model": "m", "messages": user, "tools": [shell]}),
            "/content/0/name",
        ),
        (
            "/v1/responses",
            json!({"model": "m", "input": [{"role": "user", "content": prompt}], "tools": [shell]}),
            "/output/0/name",
        ),
        (
            "/v1/chat/completions",
            json!({"model": "m", "messages": user, "tools": [{"function": shell}]}),
            "/choices/0/message/tool_calls/0/function/name",
        ),
        (
            "/v1beta/models/m:generateContent",
            json!({"contents": [{"parts": [{"text": prompt}]}], "tools": [{"functionDeclarations": [shell]}]}),
            "/candidates/0/content/parts/0/functionCall/name",
        ),
    ];
    for (path, body, place) in table {
        let request = http().post(format!("{}{path}", models.url())).json(&body);
        let request = request.bearer_auth(KEY).header("x-goog-api-key", KEY);
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        assert_eq!(
            answer.pointer(place),
            Some(&json!("bash")),
            "{path}: {answer}"
        );
    }
}

#[tokio::test]
async fn probes_counts_lists_and_side_calls_are_answered() {
    let models = start().await;
    let url = models.url();
    assert!(
        http()
            .head(&url)
            .send()
            .await
            .unwrap()
            .status()
            .is_success()
    );
    let get = |path: &str| http().get(format!("{url}{path}"));
    assert!(
        get("/api/hello")
            .send()
            .await
            .unwrap()
            .status()
            .is_success()
    );
    let list: Value = get("/v1/models")
        .bearer_auth(KEY)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(list["data"][0]["id"], "scripted-large");
    let list = get("/v1beta/models").header("x-goog-api-key", KEY);
    let list: Value = list.send().await.unwrap().json().await.unwrap();
    assert_eq!(list["models"][0]["name"], "models/scripted-large");

    let post = |path: &str| http().post(format!("{url}{path}")).header("x-api-key", KEY);
    let count = post("/v1/messages/count_tokens").json(&json!({"messages": []}));
    let count: Value = count.send().await.unwrap().json().await.unwrap();
    assert!(count["input_tokens"].as_u64() > Some(0));

    let title = post("/v1/messages").json(&json!({
        "model": "m",
        "messages": [{"role": "user", "content": "A title for: Deckhand phase: plan"}],
        "output_config": {"format": {"type": "json_schema", "schema":
            {"type": "object", "properties": {"title": {"type": "string"}}}}},
    }));
    let title: Value = title.send().await.unwrap().json().await.unwrap();
    assert_eq!(
        title["content"][0]["text"],
        r#"{"title":"Scripted answer"}"#
    );
    assert_eq!(models.requests().last().unwrap().kind, RequestKind::Side);

    let unknown = post("/v1/dances").send().await.unwrap();
    assert_eq!(unknown.status(), 404);
}
