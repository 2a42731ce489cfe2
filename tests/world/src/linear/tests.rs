//! The stand-in spoken to over HTTP.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use apollo_compiler::ast::Type;
use apollo_compiler::schema::ExtendedType;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use secrecy::SecretString;
use serde_json::{Value, json};

use super::schema::{self, Loaded};
use super::{Content, Fault, Linear, LinearOptions, SchemaSource, Session, SessionState};

const LIMIT: Duration = Duration::from_secs(20);
const ACTIVITY: &str = "mutation($input: AgentActivityCreateInput!) { agentActivityCreate(input: $input) { success agentActivity { id } } }";
const UPDATE: &str = "mutation($id: String!, $input: AgentSessionUpdateInput!) { agentSessionUpdate(id: $id, input: $input) { success } }";

struct Bench {
    linear: Linear,
    client: reqwest::Client,
    token: String,
}

impl Bench {
    async fn start() -> Self {
        Self::with(LinearOptions {
            retries: vec![Duration::from_millis(5); 3],
            ..LinearOptions::default()
        })
        .await
    }

    async fn with(options: LinearOptions) -> Self {
        let linear = Linear::start(options).await.unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut bench = Self {
            linear,
            client,
            token: String::new(),
        };
        bench.token = bench.sign_in("linear-client-secret").await.1["access_token"]
            .as_str()
            .unwrap()
            .to_owned();
        bench
    }

    async fn sign_in(&self, secret: &str) -> (u16, Value) {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", "linear-client"),
            ("client_secret", secret),
            ("scope", "read,write,app:assignable,app:mentionable"),
        ];
        let address = format!("{}/oauth/token", self.linear.api_url());
        let response = self.client.post(address).form(&form).send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    async fn ask(&self, query: &str, variables: Value) -> (u16, Value) {
        let body = json!({ "query": query, "variables": variables });
        let address = format!("{}/graphql", self.linear.api_url());
        let request = self
            .client
            .post(address)
            .bearer_auth(&self.token)
            .json(&body);
        let response = request.send().await.unwrap();
        (
            response.status().as_u16(),
            response.json().await.unwrap_or(Value::Null),
        )
    }

    async fn act(&self, session: &Session, mut input: Value) -> (u16, Value) {
        input["agentSessionId"] = json!(session.id());
        self.ask(ACTIVITY, json!({ "input": input })).await
    }

    fn delegated(&self) -> Session {
        let issue = self
            .linear
            .create_issue("ana", "Offset is ignored", "In acme/web, over 100.")
            .unwrap();
        self.linear.delegate("ana", &issue).unwrap()
    }
}

#[tokio::test]
async fn a_token_is_given_for_the_right_secret_only() {
    let bench = Bench::start().await;
    assert_eq!(bench.sign_in("wrong").await.0, 401);
    let (status, answer) = bench
        .ask(
            "{ viewer { id name app } organization { urlKey } }",
            Value::Null,
        )
        .await;
    assert_eq!(
        (status, &answer["data"]["viewer"]["name"]),
        (200, &json!("Deckhand"))
    );
    bench.linear.expire_tokens();
    let (status, answer) = bench.ask("{ viewer { id } }", Value::Null).await;
    assert_eq!(
        (status, &answer["errors"][0]["extensions"]["code"]),
        (401, &json!("AUTHENTICATION_ERROR"))
    );
}

#[tokio::test]
async fn a_good_query_is_answered_from_the_state() {
    let bench = Bench::start().await;
    let session = bench.delegated();
    let query = "query($id: String!) { issue(id: $id) { identifier number priority title labels { nodes { name } } state { name type } team { key \
        states(first: 10, filter: { type: { eq: \"started\" } }) { nodes { name position } } } \
        delegate { name } comments(first: 5) { nodes { body } pageInfo { hasNextPage } } } }";
    let (status, answer) = bench.ask(query, json!({ "id": "ENG-1" })).await;
    assert_eq!(status, 200, "{answer}");
    let issue = &answer["data"]["issue"];
    assert_eq!(
        (&issue["title"], &issue["state"]["name"]),
        (&json!("Offset is ignored"), &json!("Todo"))
    );
    assert_eq!(issue["team"]["states"]["nodes"][0]["name"], "In Progress");
    assert_eq!(
        issue["comments"]["nodes"][0]["body"],
        "This thread is for an agent session with Deckhand."
    );
    bench
        .act(
            &session,
            json!({ "content": { "type": "thought", "body": "Reading" } }),
        )
        .await;
    let query = "query($id: String!) { agentSession(id: $id) { status issue { identifier } activities(first: 5) { nodes { content { \
        __typename ... on AgentActivityThoughtContent { type body } } user { name } } } } }";
    let (_, answer) = bench.ask(query, json!({ "id": session.id() })).await;
    let found = &answer["data"]["agentSession"];
    assert_eq!(
        (
            &found["status"],
            &found["activities"]["nodes"][0]["content"]["body"]
        ),
        (&json!("active"), &json!("Reading"))
    );
    assert_eq!(bench.linear.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn a_query_that_the_schema_refuses_never_gets_further() {
    let bench = Bench::start().await;
    let session = bench.delegated();
    let activity = |input: Value| json!({ "input": input });
    for (query, variables, reason) in [
        ("{ issue(id: \"ENG-1\") { titel } }", Value::Null, "titel"),
        (
            "mutation { fileUpload(filename: \"a.png\", size: 3) { success } }",
            Value::Null,
            "contentType",
        ),
        (
            UPDATE,
            json!({ "id": session.id(), "input": { "plann": [] } }),
            "plann",
        ),
        (
            ACTIVITY,
            activity(json!({ "agentSessionId": session.id() })),
            "content",
        ),
        (
            ACTIVITY,
            activity(json!({ "agentSessionId": session.id(), "content": {}, "sigal": "select" })),
            "sigal",
        ),
        (
            ACTIVITY,
            activity(json!({ "agentSessionId": session.id(), "content": {}, "signal": "pause" })),
            "pause",
        ),
    ] {
        let (status, answer) = bench.ask(query, variables).await;
        assert_eq!(status, 400, "{query}: {answer}");
        assert!(answer["errors"].to_string().contains(reason), "{answer}");
    }
    assert_eq!(bench.linear.violations().len(), 6);
    assert!(session.activities().is_empty());
}

#[tokio::test]
async fn a_session_goes_from_pending_to_complete() {
    let bench = Bench::start().await;
    let session = bench.delegated();
    assert_eq!(session.state(), SessionState::Pending);
    bench
        .act(
            &session,
            json!({ "content": { "type": "thought", "body": "Looking" }, "ephemeral": true }),
        )
        .await;
    assert_eq!(session.state(), SessionState::Active);
    let options = json!({ "options": [{ "label": "Approve", "value": "approve" }] });
    let question = json!({ "content": { "type": "elicitation", "body": "Plan" }, "signal": "select", "signalMetadata": options });
    bench.act(&session, question).await;
    assert_eq!(session.state(), SessionState::AwaitingInput);
    assert!(session.activities()[0].replaced);
    session.select("ana", "Approve").unwrap();
    assert_eq!(
        session.activities()[2].content,
        Content::Prompt {
            body: "approve".to_owned()
        }
    );
    bench
        .act(
            &session,
            json!({ "content": { "type": "response", "body": "Opened a pull request" } }),
        )
        .await;
    assert_eq!(session.state(), SessionState::Complete);
    let comments = bench.linear.issue("ENG-1").unwrap().comments;
    assert_eq!(
        comments.last().unwrap(),
        &("deckhand".to_owned(), "Opened a pull request".to_owned())
    );
    let told = session.render();
    assert!(
        told.contains("Deckhand · elicitation: Plan [select: Approve]"),
        "{told}"
    );
    assert_eq!(bench.linear.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn the_plan_and_the_links_are_replaced_and_added() {
    let bench = Bench::start().await;
    let session = bench.delegated();
    let update = async |input: Value| {
        bench
            .ask(UPDATE, json!({ "id": session.id(), "input": input }))
            .await
    };
    let plan = json!([{ "content": "Fix", "status": "inProgress" }]);
    let (_, answer) = update(json!({ "plan": plan, "addedExternalUrls": [{ "label": "Log", "url": "http://127.0.0.1/a" }] })).await;
    assert_eq!(
        answer["data"]["agentSessionUpdate"]["success"], true,
        "{answer}"
    );
    update(json!({ "addedExternalUrls": [{ "label": "Log page", "url": "http://127.0.0.1/a" }], "summary": "Fix" })).await;
    assert_eq!(session.plan()[0].status, "inProgress");
    assert_eq!(
        session.external_urls(),
        [("Log page".to_owned(), "http://127.0.0.1/a".to_owned())]
    );
    assert_eq!(session.summary().as_deref(), Some("Fix"));
    let (_, refused) = update(json!({ "plan": [{ "content": "Fix", "status": "doing" }] })).await;
    assert!(
        refused["errors"][0]["message"]
            .as_str()
            .unwrap()
            .contains("plan is wrong")
    );
}

#[tokio::test]
async fn an_activity_that_breaks_a_rule_is_refused_and_remembered() {
    let bench = Bench::start().await;
    let session = bench.delegated();
    let (status, answer) = bench
        .act(
            &session,
            json!({ "content": { "type": "prompt", "body": "x" } }),
        )
        .await;
    assert_eq!((status, &answer["data"]), (200, &Value::Null));
    assert_eq!(bench.linear.violations().len(), 1);
    let id = uuid::Uuid::new_v4().to_string();
    let twice = json!({ "id": id, "content": { "type": "thought", "body": "x" } });
    assert!(bench.act(&session, twice.clone()).await.1["errors"].is_null());
    assert!(
        bench.act(&session, twice).await.1["errors"][0]["message"]
            .as_str()
            .unwrap()
            .contains("already exists")
    );
    assert_eq!(session.activities().len(), 1);
}

#[tokio::test]
async fn an_issue_is_moved_and_given_an_attachment() {
    let bench = Bench::start().await;
    bench.delegated();
    let query = "{ workflowStates(first: 10, filter: { team: { key: { eq: \"ENG\" } }, type: { eq: \"started\" } }) { nodes { id name } } }";
    let (_, states) = bench.ask(query, Value::Null).await;
    let state = &states["data"]["workflowStates"]["nodes"][0]["id"];
    let query = "mutation($id: String!, $input: IssueUpdateInput!) { issueUpdate(id: $id, input: $input) { success issue { state { name } } } }";
    let (_, moved) = bench
        .ask(
            query,
            json!({ "id": "ENG-1", "input": { "stateId": state } }),
        )
        .await;
    assert_eq!(
        moved["data"]["issueUpdate"]["issue"]["state"]["name"], "In Progress",
        "{moved}"
    );
    let query = "mutation { attachmentLinkGitHubPR(issueId: \"ENG-1\", url: \"https://github.com/acme/web/pull/1\", title: \"PR 1\") { success attachment { id } } }";
    let (_, first) = bench.ask(query, Value::Null).await;
    let (_, again) = bench.ask(query, Value::Null).await;
    assert_eq!(
        first, again,
        "the same address on the same issue is the same attachment"
    );
    assert_eq!(bench.linear.issue("ENG-1").unwrap().attachments.len(), 1);
}

#[tokio::test]
async fn a_file_arrives_with_the_headers_it_was_given() {
    let bench = Bench::start().await;
    let query = "mutation { fileUpload(contentType: \"image/png\", filename: \"after.png\", size: 3) { uploadFile { uploadUrl assetUrl headers { key value } } } }";
    let (_, answer) = bench.ask(query, Value::Null).await;
    let file = &answer["data"]["fileUpload"]["uploadFile"];
    let upload = |cache: &str| {
        let mut request = bench.client.put(file["uploadUrl"].as_str().unwrap());
        for header in file["headers"].as_array().unwrap() {
            request = request.header(
                header["key"].as_str().unwrap(),
                header["value"].as_str().unwrap(),
            );
        }
        request
            .header("content-type", "image/png")
            .header("cache-control", cache)
            .body("png")
            .send()
    };
    assert_eq!(upload("no-store").await.unwrap().status(), 403);
    assert_eq!(
        upload("public, max-age=31536000").await.unwrap().status(),
        200
    );
    let address = file["assetUrl"].as_str().unwrap();
    assert_eq!(
        bench.client.get(address).send().await.unwrap().status(),
        401
    );
    let read = bench
        .client
        .get(address)
        .bearer_auth(&bench.token)
        .send()
        .await
        .unwrap();
    assert_eq!(read.bytes().await.unwrap().as_ref(), b"png");
    assert_eq!(bench.linear.uploads()[0].name, "after.png");
}

#[tokio::test]
async fn planned_faults_have_linears_shape() {
    let bench = Bench::start().await;
    let session = bench.delegated();
    let thought = json!({ "content": { "type": "thought", "body": "x" } });
    bench
        .linear
        .fail_next("agentActivityCreate", Fault::RateLimited { reset: 3 });
    let (status, answer) = bench.act(&session, thought.clone()).await;
    assert_eq!(
        (status, &answer["errors"][0]["extensions"]["code"]),
        (400, &json!("RATELIMITED"))
    );
    bench.linear.fail_next("*", Fault::DoneButAnswered(502));
    assert_eq!(bench.act(&session, thought).await.0, 502);
    assert_eq!(session.activities().len(), 1);
}

type Received = Arc<Mutex<Vec<(HeaderMap, Bytes)>>>;

/// A receiver that refuses the first `refusals` deliveries.
async fn receiver(refusals: usize) -> (String, Received) {
    type Shared = (Received, usize);
    async fn take(
        State((received, refusals)): State<Shared>,
        headers: HeaderMap,
        body: Bytes,
    ) -> StatusCode {
        let mut received = received.lock().unwrap();
        received.push((headers, body));
        if received.len() <= refusals {
            StatusCode::BAD_GATEWAY
        } else {
            StatusCode::OK
        }
    }
    let received = Received::default();
    let router = axum::Router::new()
        .route("/", post(take))
        .with_state((Arc::clone(&received), refusals));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, received)
}

#[tokio::test]
async fn webhooks_are_signed_and_tried_again() {
    let bench = Bench::start().await;
    let (url, received) = receiver(2).await;
    bench.linear.set_webhook_url(&url);
    let session = bench.delegated();
    bench.linear.settle().await;
    session.say("ben", "And mind the tests").unwrap();
    session.stop("ana").unwrap();
    bench.linear.redeliver_last().await.unwrap();
    bench.linear.settle().await;
    let received = received.lock().unwrap();
    let bodies: Vec<Value> = received
        .iter()
        .map(|(_, body)| serde_json::from_slice(body).unwrap())
        .collect();
    let actions: Vec<&str> = bodies
        .iter()
        .map(|body| body["action"].as_str().unwrap())
        .collect();
    assert_eq!(
        actions,
        [
            "created", "created", "created", "prompted", "prompted", "prompted"
        ]
    );
    assert_eq!(
        received[0].0["linear-delivery"],
        received[2].0["linear-delivery"]
    );
    assert_eq!(
        received[4].0["linear-delivery"],
        received[5].0["linear-delivery"]
    );
    let expected =
        super::webhooks::signature(&SecretString::from("linear-webhook-secret"), &received[3].1)
            .unwrap();
    assert_eq!(received[3].0["linear-signature"], expected.as_str());
    assert!(
        bodies[0]["promptContext"]
            .as_str()
            .unwrap()
            .contains("<issue identifier=\"ENG-1\">")
    );
    assert_eq!(
        bodies[3]["agentActivity"]["content"]["body"],
        "And mind the tests"
    );
    assert_eq!(bodies[4]["agentActivity"]["signal"], "stop");
    assert_eq!(session.state(), SessionState::Stopping);
    assert_eq!(bench.linear.deliveries()[0].attempts, 3);
}

#[tokio::test]
async fn every_webhook_has_the_published_shape() {
    let source = schema::find(None);
    if source == SchemaSource::BuiltIn {
        eprintln!("skipped: the published schema is not here (CONFORMANCE_DIR)");
        return;
    }
    let schema = schema::load(&source).unwrap();
    let bench = Bench::start().await;
    let (url, received) = receiver(0).await;
    bench.linear.set_webhook_url(&url);
    bench.linear.set_guidance(&["Prefer acme/web"]);
    let session = bench.delegated();
    bench
        .linear
        .mention("ben", "ENG-1", "@deckhand also here")
        .unwrap();
    bench.linear.delegate_by_automation("ENG-1").unwrap();
    session.stop("ana").unwrap();
    bench.linear.undelegate("ana", "ENG-1").unwrap();
    bench.linear.edit_issue("ben", "ENG-1", "Other").unwrap();
    let said = ("@deckhand also here", "@deckhand only here");
    bench.linear.edit_comment("ben", "ENG-1", said).unwrap();
    bench.linear.delete_comment("ben", "ENG-1", said.1).unwrap();
    bench.linear.delete_issue("ana", "ENG-1").unwrap();
    bench.linear.shut_out();
    bench.linear.revoke();
    bench.linear.settle().await;
    let received = received.lock().unwrap();
    assert_eq!(received.len(), 11);
    for (_, body) in received.iter() {
        let body: Value = serde_json::from_slice(body).unwrap();
        let kind = match body["type"].as_str().unwrap() {
            "PermissionChange" => "AppUserTeamAccessChangedWebhookPayload".to_owned(),
            kind => format!("{kind}WebhookPayload"),
        };
        assert!(schema.types.contains_key(kind.as_str()), "{kind}");
        if body["data"].is_null() {
            check(&schema, &kind, &body);
        } else {
            check(&schema, "EntityWebhookPayload", &body);
            check(&schema, &kind, &body["data"]);
        }
    }
}

/// Holds a payload against a type of the schema: no unknown field, nothing missing.
fn check(schema: &Loaded, kind: &str, value: &Value) {
    let kind = value["__typename"].as_str().unwrap_or(kind);
    let Some(ExtendedType::Object(object)) = schema.types.get(kind) else {
        return;
    };
    for key in value
        .as_object()
        .unwrap()
        .keys()
        .filter(|key| *key != "__typename")
    {
        assert!(
            object.fields.contains_key(key.as_str()),
            "{kind} has no {key}"
        );
    }
    for (name, field) in &object.fields {
        let given = &value[name.as_str()];
        assert!(
            !(given.is_null() && field.ty.is_non_null()),
            "{kind}.{name} is missing in {value}"
        );
        check_value(schema, &field.ty, given);
    }
}

fn check_value(schema: &Loaded, declared: &Type, given: &Value) {
    match given {
        Value::Null => {}
        Value::Array(items) => items
            .iter()
            .for_each(|item| check(schema, declared.inner_named_type(), item)),
        Value::Object(_) => check(schema, declared.inner_named_type(), given),
        Value::String(_) | Value::Number(_) | Value::Bool(_) => {
            let named = schema.types.get(declared.inner_named_type()).unwrap();
            assert!(
                named.is_scalar() || named.is_enum(),
                "{given} is not {declared}"
            );
        }
    }
}

#[tokio::test]
async fn the_built_in_schema_serves_the_same_story() {
    let nowhere = LinearOptions {
        schema: Some("/nonexistent".into()),
        ..LinearOptions::default()
    };
    let bench = Bench::with(nowhere).await;
    assert_eq!(bench.linear.schema_source(), &SchemaSource::BuiltIn);
    let session = bench.delegated();
    bench
        .act(
            &session,
            json!({ "content": { "type": "action", "action": "Ran", "parameter": "make" } }),
        )
        .await;
    let waited = session
        .wait_for_activity("action", LIMIT, |one| one.content.kind() == "action")
        .await;
    assert_eq!(waited.unwrap().content.text(), "Ran `make`");
    assert_eq!(bench.linear.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn a_query_that_costs_too_much_is_refused() {
    let bench = Bench::start().await;
    bench.delegated();
    let deep = "{ issue(id: \"ENG-1\") { children { nodes { children { nodes { comments(first: 100) { nodes { id } } } } } } } }";
    let (status, answer) = bench.ask(deep, Value::Null).await;
    assert_eq!(status, 400, "{answer}");
    assert!(answer.to_string().contains("too complex"), "{answer}");
    let (status, answer) = bench
        .ask(
            &deep.replace("nodes { children {", "nodes { children(first: 2) {"),
            Value::Null,
        )
        .await;
    assert_eq!(status, 400, "{answer}");
    let fits = deep.replace("children {", "children(first: 2) {");
    let (status, answer) = bench.ask(&fits, Value::Null).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(bench.linear.violations().len(), 2);
}
