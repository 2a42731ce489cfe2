//! The stand-in spoken to with real git and a real HTTP client.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{AppOptions, Fault, Github, GithubOptions, PullState};

const TOKEN: &str = "ghp_world_person";
const SECRET: &str = "world webhook secret";
const LIMIT: Duration = Duration::from_secs(20);

struct Bench {
    github: Github,
    client: reqwest::Client,
    folder: TempDir,
}

/// What git said.
struct Said {
    worked: bool,
    text: String,
}

impl Bench {
    async fn start() -> Self {
        let options = GithubOptions {
            token: Some(SecretString::from(TOKEN)),
            app: Some(AppOptions::generate(77).unwrap()),
            webhook_secret: SecretString::from(SECRET),
            ..GithubOptions::default()
        };
        let github = Github::start(options).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let seed = folder.path().join("seed");
        std::fs::create_dir_all(seed.join("lib")).unwrap();
        std::fs::write(seed.join("README.md"), "# Web\n").unwrap();
        std::fs::write(seed.join("lib/users.js"), "export const limit = 100;\n").unwrap();
        github.seed("acme/web", &seed).await.unwrap();
        let client = reqwest::Client::builder()
            .no_proxy()
            .user_agent("test")
            .build()
            .unwrap();
        Self {
            github,
            client,
            folder,
        }
    }

    async fn git(&self, directory: &Path, token: Option<&str>, arguments: &[&str]) -> Said {
        let mut command = super::git::command();
        command.current_dir(directory).args([
            "-c",
            "user.name=Ben",
            "-c",
            "user.email=ben@example.com",
        ]);
        if let Some(token) = token {
            let credential = STANDARD.encode(format!("x-access-token:{token}"));
            command
                .env("GIT_CONFIG_COUNT", "1")
                .env("GIT_CONFIG_KEY_0", "http.extraHeader")
                .env(
                    "GIT_CONFIG_VALUE_0",
                    format!("Authorization: Basic {credential}"),
                );
        }
        let output = command.args(arguments).output().await.unwrap();
        let text = [output.stdout, output.stderr].concat();
        Said {
            worked: output.status.success(),
            text: String::from_utf8_lossy(&text).into_owned(),
        }
    }

    /// A clone with one commit on a branch of its own.
    async fn work(&self, branch: &str) -> std::path::PathBuf {
        let directory = self.folder.path().join(branch.replace('/', "-"));
        let url = self.github.git_url("acme/web");
        let target = directory.display().to_string();
        let clone = self
            .git(
                self.folder.path(),
                Some(TOKEN),
                &["clone", "-q", &url, &target],
            )
            .await;
        assert!(clone.worked, "{}", clone.text);
        self.git(&directory, None, &["checkout", "-q", "-b", branch])
            .await;
        std::fs::write(
            directory.join("lib/users.js"),
            "export const limit = 250;\n",
        )
        .unwrap();
        let commit = self
            .git(
                &directory,
                None,
                &["commit", "-q", "-a", "-m", "Raise the limit"],
            )
            .await;
        assert!(commit.worked, "{}", commit.text);
        directory
    }

    async fn pushed(&self, branch: &str) -> std::path::PathBuf {
        let directory = self.work(branch).await;
        let push = self
            .git(&directory, Some(TOKEN), &["push", "-q", "origin", branch])
            .await;
        assert!(push.worked, "{}", push.text);
        directory
    }

    async fn call(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: Value,
    ) -> (u16, Value) {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self
            .client
            .request(method, format!("{}{path}", self.github.api_url()));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let response = request.json(&body).send().await.unwrap();
        let status = response.status().as_u16();
        (status, response.json().await.unwrap_or(Value::Null))
    }

    async fn open(&self, branch: &str) -> (u16, Value) {
        let body = json!({ "title": "Raise the limit", "head": branch, "base": "main", "body": "Why\n\n- [x] R1" });
        self.call("POST", "/repos/acme/web/pulls", Some(TOKEN), body)
            .await
    }

    fn jwt(&self, claims: &Value) -> String {
        self.github
            .shared
            .app
            .as_ref()
            .unwrap()
            .key
            .sign(claims)
            .unwrap()
    }

    fn fresh_jwt(&self) -> String {
        let now = Timestamp::now().as_second();
        self.jwt(&json!({ "iat": now - 60, "exp": now + 540, "iss": "77" }))
    }

    async fn installation_token(&self, body: Value) -> (u16, Value) {
        let path = format!(
            "/app/installations/{}/access_tokens",
            self.github.installation_id()
        );
        self.call("POST", &path, Some(&self.fresh_jwt()), body)
            .await
    }
}

#[tokio::test]
async fn git_clones_with_a_token_and_is_sent_away_without_one() {
    let bench = Bench::start().await;
    let url = bench.github.git_url("acme/web");
    let here = bench.folder.path();
    let refused = bench.git(here, None, &["clone", &url, "without"]).await;
    assert!(
        !refused.worked && refused.text.contains("could not read Username"),
        "{}",
        refused.text
    );
    let wrong = bench
        .git(here, Some("ghp_wrong"), &["clone", &url, "wrong"])
        .await;
    assert!(!wrong.worked, "{}", wrong.text);
    let unknown = bench.github.git_url("acme/none");
    let missing = bench
        .git(here, Some(TOKEN), &["clone", &unknown, "missing"])
        .await;
    assert!(
        missing.text.contains("Repository not found") || missing.text.contains("not found"),
        "{}",
        missing.text
    );
    let cloned = bench.git(here, Some(TOKEN), &["clone", &url, "with"]).await;
    assert!(cloned.worked, "{}", cloned.text);
    assert_eq!(
        std::fs::read_to_string(here.join("with/lib/users.js")).unwrap(),
        "export const limit = 100;\n"
    );
}

#[tokio::test]
async fn the_first_commit_of_the_same_folder_is_always_the_same() {
    let (one, two) = (Bench::start().await, Bench::start().await);
    let tip = |bench: &Bench| bench.github.repository("acme/web").unwrap();
    assert_eq!(
        tip(&one).tip("main").await.unwrap(),
        tip(&two).tip("main").await.unwrap()
    );
}

#[tokio::test]
async fn a_push_arrives_in_the_bare_repository() {
    let bench = Bench::start().await;
    bench.pushed("deckhand/limit-1").await;
    let repository = bench.github.repository("acme/web").unwrap();
    let file = repository
        .file_at("deckhand/limit-1", "lib/users.js")
        .await
        .unwrap();
    assert_eq!(file.as_deref(), Some("export const limit = 250;\n"));
    let log = repository.log("deckhand/limit-1").await.unwrap();
    assert_eq!(log.len(), 2);
    assert_eq!(
        (log[0].message.as_str(), log[0].author.as_str()),
        ("Raise the limit", "Ben <ben@example.com>")
    );
}

#[tokio::test]
async fn a_protected_branch_and_a_refusal_say_why() {
    let bench = Bench::start().await;
    let directory = bench.work("deckhand/limit-2").await;
    bench.github.protect("acme/web", "main").unwrap();
    let refused = bench
        .git(&directory, Some(TOKEN), &["push", "origin", "HEAD:main"])
        .await;
    assert!(
        !refused.worked && refused.text.contains("GH006"),
        "{}",
        refused.text
    );
    bench
        .github
        .refuse_pushes("acme/web", "the repository is archived")
        .unwrap();
    let refused = bench
        .git(&directory, Some(TOKEN), &["push", "origin", "HEAD"])
        .await;
    assert!(
        !refused.worked && refused.text.contains("the repository is archived"),
        "{}",
        refused.text
    );
    bench.github.allow_pushes("acme/web").unwrap();
    assert!(
        bench
            .git(&directory, Some(TOKEN), &["push", "origin", "HEAD"])
            .await
            .worked
    );
}

#[tokio::test]
async fn an_installation_may_not_push_a_workflow_file() {
    let bench = Bench::start().await;
    let directory = bench.work("deckhand/ci").await;
    std::fs::create_dir_all(directory.join(".github/workflows")).unwrap();
    std::fs::write(directory.join(".github/workflows/ci.yml"), "on: push\n").unwrap();
    bench.git(&directory, None, &["add", "-A"]).await;
    bench
        .git(&directory, None, &["commit", "-q", "-m", "A workflow"])
        .await;
    let (_, answer) = bench.installation_token(json!({})).await;
    let token = answer["token"].as_str().unwrap();
    let refused = bench
        .git(&directory, Some(token), &["push", "origin", "HEAD"])
        .await;
    assert!(
        !refused.worked && refused.text.contains("without `workflows` permission"),
        "{}",
        refused.text
    );
    assert!(
        bench
            .git(&directory, Some(TOKEN), &["push", "origin", "HEAD"])
            .await
            .worked
    );
}

#[tokio::test]
async fn a_pull_request_goes_from_open_to_merged() {
    let bench = Bench::start().await;
    bench.pushed("deckhand/limit-3").await;
    let (status, pull) = bench.open("deckhand/limit-3").await;
    assert_eq!((status, pull["number"].as_u64()), (201, Some(1)), "{pull}");
    assert_eq!(pull["mergeable"], true);
    assert_eq!(pull["commits"], 1);
    let address = "/repos/acme/web/pulls?state=open&head=acme:deckhand/limit-3&per_page=5";
    let (_, list) = bench.call("GET", address, Some(TOKEN), Value::Null).await;
    assert_eq!(list.as_array().unwrap().len(), 1);
    let (status, _) = bench
        .call(
            "PATCH",
            "/repos/acme/web/pulls/1",
            Some(TOKEN),
            json!({ "title": "New" }),
        )
        .await;
    assert_eq!(status, 200);
    bench.github.merge("acme/web", 1).await.unwrap();
    let repository = bench.github.repository("acme/web").unwrap();
    let merged = repository.file_at("main", "lib/users.js").await.unwrap();
    assert_eq!(merged.as_deref(), Some("export const limit = 250;\n"));
    let (_, pull) = bench
        .call("GET", "/repos/acme/web/pulls/1", Some(TOKEN), Value::Null)
        .await;
    assert_eq!(
        (&pull["merged"], &pull["state"], &pull["title"]),
        (&json!(true), &json!("closed"), &json!("New"))
    );
    assert_eq!(bench.github.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn a_second_pull_request_for_the_same_branch_is_refused() {
    let bench = Bench::start().await;
    bench.pushed("deckhand/limit-4").await;
    assert_eq!(bench.open("deckhand/limit-4").await.0, 201);
    let (status, refusal) = bench.open("deckhand/limit-4").await;
    assert_eq!(status, 422);
    assert_eq!(
        refusal["errors"][0]["message"],
        "A pull request already exists for acme:deckhand/limit-4."
    );
    let (status, refusal) = bench.open("nowhere").await;
    assert_eq!(
        (status, &refusal["errors"][0]["field"]),
        (422, &json!("head"))
    );
    let (status, refusal) = bench.open("main").await;
    assert_eq!(
        (status, &refusal["errors"][0]["message"]),
        (422, &json!("No commits between main and main"))
    );
}

#[tokio::test]
async fn a_further_push_moves_the_pull_request() {
    let bench = Bench::start().await;
    let directory = bench.pushed("deckhand/limit-5").await;
    bench.open("deckhand/limit-5").await;
    bench
        .git(
            &directory,
            None,
            &["commit", "-q", "--allow-empty", "-m", "More"],
        )
        .await;
    bench
        .git(&directory, Some(TOKEN), &["push", "-q", "origin", "HEAD"])
        .await;
    let repository = bench.github.repository("acme/web").unwrap();
    let tip = repository.tip("deckhand/limit-5").await.unwrap().unwrap();
    let moved = repository
        .wait_for("moved head", LIMIT, |snapshot| {
            snapshot
                .pull_request(1)
                .filter(|pull| pull.head_commit == tip)
                .cloned()
        })
        .await
        .unwrap();
    assert_eq!(moved.state, PullState::Open);
    bench
        .github
        .delete_branch("acme/web", "deckhand/limit-5")
        .await
        .unwrap();
    assert_eq!(repository.pull_requests()[0].state, PullState::Closed);
}

#[tokio::test]
async fn comments_and_labels_are_kept() {
    let bench = Bench::start().await;
    bench.pushed("deckhand/limit-6").await;
    bench.open("deckhand/limit-6").await;
    let path = "/repos/acme/web/issues/1/comments";
    let (status, comment) = bench
        .call("POST", path, Some(TOKEN), json!({ "body": "Hello" }))
        .await;
    assert_eq!(status, 201);
    let one = format!("/repos/acme/web/issues/comments/{}", comment["id"]);
    assert_eq!(
        bench
            .call("PATCH", &one, Some(TOKEN), json!({ "body": "Goodbye" }))
            .await
            .0,
        200
    );
    let labels = json!({ "labels": ["deckhand"] });
    let (status, labels) = bench
        .call(
            "POST",
            "/repos/acme/web/issues/1/labels",
            Some(TOKEN),
            labels,
        )
        .await;
    assert_eq!((status, &labels[0]["name"]), (200, &json!("deckhand")));
    assert_eq!(
        bench.github.repository("acme/web").unwrap().comments()[0].body,
        "Goodbye"
    );
    assert_eq!(
        bench.call("POST", path, Some(TOKEN), json!({})).await.0,
        422
    );
}

#[tokio::test]
async fn an_app_signs_in_by_its_key_and_its_tokens_are_narrow() {
    let bench = Bench::start().await;
    bench.github.seed_empty("acme/other").await.unwrap();
    let (status, app) = bench
        .call("GET", "/app", Some(&bench.fresh_jwt()), Value::Null)
        .await;
    assert_eq!((status, &app["slug"]), (200, &json!("deckhand")));
    let path = "/repos/acme/web/installation";
    let (_, installation) = bench
        .call("GET", path, Some(&bench.fresh_jwt()), Value::Null)
        .await;
    assert_eq!(installation["id"], bench.github.installation_id());
    let wanted = json!({ "repositories": ["web"], "permissions": { "contents": "read", "metadata": "read" } });
    let (status, answer) = bench.installation_token(wanted).await;
    assert_eq!(
        (status, &answer["repositories"][0]["full_name"]),
        (201, &json!("acme/web"))
    );
    let token = answer["token"].as_str().unwrap();
    assert_eq!(
        bench
            .call("GET", "/repos/acme/web", Some(token), Value::Null)
            .await
            .0,
        200
    );
    assert_eq!(
        bench
            .call("GET", "/repos/acme/other", Some(token), Value::Null)
            .await
            .0,
        404
    );
    assert_eq!(
        bench
            .call("POST", "/repos/acme/web/pulls", Some(token), json!({}))
            .await
            .0,
        403
    );
    let (_, list) = bench
        .call(
            "GET",
            "/installation/repositories",
            Some(token),
            Value::Null,
        )
        .await;
    assert_eq!(list["total_count"], 1);
    bench.github.expire_tokens();
    assert_eq!(
        bench
            .call("GET", "/repos/acme/web", Some(token), Value::Null)
            .await
            .0,
        401
    );
}

#[tokio::test]
async fn a_bad_app_token_is_refused_with_its_reason() {
    let bench = Bench::start().await;
    let now = Timestamp::now().as_second();
    for (claims, reason) in [
        (
            json!({ "iat": now, "exp": now + 3_600, "iss": 77 }),
            "too far in the future",
        ),
        (
            json!({ "iat": now - 900, "exp": now - 300, "iss": 77 }),
            "must be a numeric value",
        ),
        (
            json!({ "iat": now, "exp": now + 300, "iss": 5 }),
            "'Issuer' claim",
        ),
        (
            json!({ "iat": now + 900, "exp": now + 300, "iss": 77 }),
            "'Issued at' claim",
        ),
    ] {
        let (status, refusal) = bench
            .call("GET", "/app", Some(&bench.jwt(&claims)), Value::Null)
            .await;
        assert_eq!(status, 401, "{claims}");
        assert!(
            refusal["message"].as_str().unwrap().contains(reason),
            "{refusal}"
        );
    }
    let mut forged = bench.fresh_jwt();
    forged.truncate(forged.len() - 8);
    forged.push_str("AAAAAAAA");
    assert_eq!(
        bench
            .call("GET", "/app", Some(&forged), Value::Null)
            .await
            .0,
        401
    );
}

#[tokio::test]
async fn an_app_that_was_taken_off_a_repository_does_not_see_it() {
    let bench = Bench::start().await;
    let (_, answer) = bench.installation_token(json!({})).await;
    let token = answer["token"].as_str().unwrap();
    bench.github.uninstall("acme/web").unwrap();
    assert_eq!(
        bench
            .call("GET", "/repos/acme/web", Some(token), Value::Null)
            .await
            .0,
        404
    );
    let path = "/repos/acme/web/installation";
    assert_eq!(
        bench
            .call("GET", path, Some(&bench.fresh_jwt()), Value::Null)
            .await
            .0,
        404
    );
    let url = bench.github.git_url("acme/web");
    assert!(
        !bench
            .git(bench.folder.path(), Some(token), &["clone", &url, "gone"])
            .await
            .worked
    );
}

#[tokio::test]
async fn the_private_key_is_a_pem_and_the_token_tells_its_scopes() {
    let bench = Bench::start().await;
    let pem = bench
        .github
        .shared
        .app
        .as_ref()
        .unwrap()
        .key
        .private_key_pem()
        .unwrap();
    assert!(
        pem.expose_secret()
            .starts_with("-----BEGIN PRIVATE KEY-----\n")
    );
    let address = format!("{}/user", bench.github.api_url());
    let response = bench
        .client
        .get(address)
        .bearer_auth(TOKEN)
        .send()
        .await
        .unwrap();
    assert_eq!(response.headers()["x-oauth-scopes"], "repo, workflow");
    assert_eq!(response.headers()["x-ratelimit-limit"], "5000");
    assert_eq!(response.json::<Value>().await.unwrap()["login"], "ana");
}

#[tokio::test]
async fn planned_faults_happen_once_each() {
    let bench = Bench::start().await;
    bench.pushed("deckhand/limit-7").await;
    bench.github.fail_next(
        "POST /repos/*/*/pulls",
        Fault::Status {
            status: 429,
            retry_after: Some(2),
        },
    );
    bench
        .github
        .fail_next("POST /repos/*/*/pulls", Fault::DoneButAnswered(502));
    assert_eq!(bench.open("deckhand/limit-7").await.0, 429);
    assert_eq!(bench.open("deckhand/limit-7").await.0, 502);
    assert_eq!(
        bench.open("deckhand/limit-7").await.0,
        422,
        "the request answered with 502 was done"
    );
}

type Received = Arc<Mutex<Vec<(HeaderMap, Bytes)>>>;

async fn receiver() -> (String, Received) {
    async fn take(State(received): State<Received>, headers: HeaderMap, body: Bytes) -> StatusCode {
        received.lock().unwrap().push((headers, body));
        StatusCode::OK
    }
    let received = Received::default();
    let router = axum::Router::new()
        .route("/", post(take))
        .with_state(Arc::clone(&received));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, received)
}

#[tokio::test]
async fn webhooks_are_signed_and_sent_again_with_the_same_id() {
    let bench = Bench::start().await;
    let (url, received) = receiver().await;
    bench.github.set_webhook_url(&url);
    bench.pushed("deckhand/limit-8").await;
    bench.open("deckhand/limit-8").await;
    bench.github.merge("acme/web", 1).await.unwrap();
    bench.github.redeliver("pull_request").await.unwrap();
    bench.github.settle().await;
    let received = received.lock().unwrap();
    let events: Vec<&str> = received
        .iter()
        .map(|(headers, _)| headers["x-github-event"].to_str().unwrap())
        .collect();
    assert_eq!(
        events,
        [
            "push",
            "pull_request",
            "pull_request",
            "push",
            "pull_request"
        ]
    );
    for (headers, body) in received.iter() {
        let expected = super::webhooks::signature(&SecretString::from(SECRET), body).unwrap();
        assert_eq!(headers["x-hub-signature-256"], expected.as_str());
    }
    let closed: Value = serde_json::from_slice(&received[2].1).unwrap();
    assert_eq!(
        (&closed["action"], &closed["pull_request"]["merged"]),
        (&json!("closed"), &json!(true))
    );
    assert_eq!(closed["installation"]["id"], bench.github.installation_id());
    assert_eq!(
        received[2].0["x-github-delivery"],
        received[4].0["x-github-delivery"]
    );
}

#[tokio::test]
async fn pushes_at_the_same_time_are_each_told_once() {
    let bench = Bench::start().await;
    let (url, received) = receiver().await;
    let mut directories = Vec::new();
    for branch in ["deckhand/a", "deckhand/b", "deckhand/c"] {
        directories.push(bench.work(branch).await);
    }
    bench.github.set_webhook_url(&url);
    let pushes = directories
        .iter()
        .map(|directory| bench.git(directory, Some(TOKEN), &["push", "origin", "HEAD"]));
    for push in futures::future::join_all(pushes).await {
        assert!(push.worked, "{}", push.text);
    }
    bench.github.settle().await;
    let received = received.lock().unwrap();
    let branch = |body: &Bytes| {
        serde_json::from_slice::<Value>(body).unwrap()["ref"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let mut branches: Vec<String> = received.iter().map(|(_, body)| branch(body)).collect();
    branches.sort();
    assert_eq!(
        branches,
        [
            "refs/heads/deckhand/a",
            "refs/heads/deckhand/b",
            "refs/heads/deckhand/c"
        ]
    );
}

#[tokio::test]
async fn an_address_with_nothing_at_it_says_so_on_a_page() {
    let bench = Bench::start().await;
    let page = async |path: &str| {
        let response = bench
            .client
            .get(format!("{}{path}", bench.github.web_url()))
            .send()
            .await
            .unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    assert_eq!(page("/acme/web/").await.0, 200);
    let (status, text) = page("/acme/web/settings/hooks").await;
    assert!(status == 404 && text.contains("There is no page"), "{text}");
    assert!(page("/acme/none").await.1.contains("there is no acme/none"));
}

#[tokio::test]
async fn a_picture_put_by_rest_is_shown_on_the_page() {
    let bench = Bench::start().await;
    bench.pushed("deckhand/limit-9").await;
    bench.open("deckhand/limit-9").await;
    let picture = json!({ "message": "Pictures", "content": STANDARD.encode(b"png"), "branch": "deckhand/limit-9" });
    let path = "/repos/acme/web/contents/shots/after.png";
    let (status, answer) = bench.call("PUT", path, Some(TOKEN), picture).await;
    assert_eq!(status, 201, "{answer}");
    let address = answer["content"]["download_url"].as_str().unwrap();
    let response = bench.client.get(address).send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "image/png");
    assert_eq!(response.bytes().await.unwrap().as_ref(), b"png");
    let page = format!("{}/acme/web/pull/1", bench.github.web_url());
    let page = bench
        .client
        .get(page)
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(
        page.contains("Raise the limit") && page.contains("wants to merge 2 commits"),
        "{page}"
    );
    assert_eq!(
        bench.github.repository("acme/web").unwrap().uploads().len(),
        1
    );
}

#[tokio::test]
async fn a_branch_is_made_from_git_objects() {
    let bench = Bench::start().await;
    let main = bench
        .github
        .repository("acme/web")
        .unwrap()
        .tip("main")
        .await
        .unwrap()
        .unwrap();
    let post = async |path: &str, body: Value| {
        let (status, answer) = bench
            .call(
                "POST",
                &format!("/repos/acme/web/git/{path}"),
                Some(TOKEN),
                body,
            )
            .await;
        assert_eq!(status, 201, "{answer}");
        answer
    };
    let blob = post(
        "blobs",
        json!({ "content": STANDARD.encode("hi"), "encoding": "base64" }),
    )
    .await;
    let entry = json!({ "path": "a/b.txt", "mode": "100644", "type": "blob", "sha": blob["sha"] });
    let tree = post("trees", json!({ "tree": [entry] })).await;
    let commit = post(
        "commits",
        json!({ "message": "Objects", "tree": tree["sha"], "parents": [main] }),
    )
    .await;
    post(
        "refs",
        json!({ "ref": "refs/heads/pictures", "sha": commit["sha"] }),
    )
    .await;
    let repository = bench.github.repository("acme/web").unwrap();
    assert_eq!(
        repository
            .file_at("pictures", "a/b.txt")
            .await
            .unwrap()
            .as_deref(),
        Some("hi")
    );
}

#[tokio::test]
async fn an_unknown_call_is_remembered() {
    let bench = Bench::start().await;
    assert_eq!(
        bench
            .call("GET", "/repos/acme/web/forks", Some(TOKEN), Value::Null)
            .await
            .0,
        404
    );
    assert_eq!(bench.github.violations().len(), 1);
}
