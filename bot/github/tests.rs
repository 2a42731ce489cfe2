//! The forge's side against a stand-in at the wire, signed in as an App and with a person's token.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod pull_requests;

use std::{path::Path, time::Duration};

use deckhand_world::github::{AppOptions, Fault, Github as World, GithubOptions, PullState};
use secrecy::{ExposeSecret as _, SecretString};

use super::*;

const BRANCH: &str = "deckhand/offset-abc123";

fn name() -> RepositoryName {
    RepositoryName("acme/web".to_owned())
}

fn new() -> NewPullRequest {
    NewPullRequest {
        title: "Respect offset".to_owned(),
        body: "R1 is met.".to_owned(),
        branch: BRANCH.to_owned(),
        base: "main".to_owned(),
        draft: false,
    }
}

fn config(world: &World, sign_in: GithubSignIn) -> GithubConfig {
    GithubConfig {
        sign_in,
        webhook_secret: None,
        api_url: world.api_url(),
        url: world.web_url(),
    }
}

/// A world with one repository that has a branch ready to be proposed.
async fn with_branch(world: World) -> World {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("README.md"), "# web\n").expect("written");
    world
        .seed("acme/web", Path::new(folder.path()))
        .await
        .expect("seeded");
    world
        .commit(
            "acme/web",
            BRANCH,
            &[("README.md", "# web, fixed\n")],
            "Respect offset",
        )
        .await
        .expect("committed");
    world
}

async fn with_app() -> (World, Github) {
    let app = AppOptions::generate(4711).expect("a key");
    let sign_in = GithubSignIn::App {
        id: app.id,
        key: app.key.private_key_pem().expect("PEM"),
    };
    let world = World::start(GithubOptions {
        app: Some(app),
        ..GithubOptions::default()
    })
    .await
    .expect("started");
    let world = with_branch(world).await;
    let github = Github::new(&config(&world, sign_in)).expect("set up");
    (world, github)
}

async fn with_token() -> (World, Github) {
    let token = SecretString::from("ghp_world");
    let world = World::start(GithubOptions {
        token: Some(token.clone()),
        ..GithubOptions::default()
    })
    .await
    .expect("started");
    let world = with_branch(world).await;
    let github = Github::new(&config(&world, GithubSignIn::Token(token))).expect("set up");
    (world, github)
}

fn asked(world: &World, method: &str, ending: &str) -> usize {
    world
        .requests()
        .iter()
        .filter(|request| request.method == method && request.path.ends_with(ending))
        .count()
}

#[tokio::test]
async fn an_app_takes_out_one_token_however_many_ask() {
    let (world, github) = with_app().await;
    let repository = name();
    let all = futures::future::join_all((0..8).map(|_| github.credential(&repository))).await;
    let secrets: Vec<String> = all
        .into_iter()
        .map(|one| {
            one.expect("there")
                .expect("an App has one")
                .secret
                .expose_secret()
                .to_owned()
        })
        .collect();
    assert!(secrets.iter().all(|secret| secret == &secrets[0]));
    assert_eq!(asked(&world, "POST", "/access_tokens"), 1);
    assert!(github.is_forge());
    assert_eq!(world.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn a_token_is_for_its_own_repository_only() {
    let (world, github) = with_app().await;
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("a"), "a").expect("written");
    world
        .seed("acme/other", folder.path())
        .await
        .expect("seeded");
    let credential = github
        .credential(&name())
        .await
        .expect("there")
        .expect("an App has one");
    assert_eq!(credential.user, GIT_USER);
    let get = async |path: &str| {
        let request = reqwest::Client::new()
            .get(format!("{}{path}", world.api_url()))
            .header("user-agent", "test")
            .bearer_auth(credential.secret.expose_secret());
        request.send().await.expect("answered").status().as_u16()
    };
    assert_eq!(get("/repos/acme/web").await, 200);
    assert_eq!(get("/repos/acme/other").await, 404);
}

/// How git's server answers somebody who is about to push, and somebody who only reads.
async fn may(world: &World, secret: &SecretString, repository: &str) -> (u16, u16) {
    let ask = async |service: &str| {
        let url = format!("{}/info/refs?service={service}", world.git_url(repository));
        let request = reqwest::Client::new().get(url);
        let request = request.basic_auth(GIT_USER, Some(secret.expose_secret()));
        request.send().await.expect("answered").status().as_u16()
    };
    (ask("git-receive-pack").await, ask("git-upload-pack").await)
}

#[tokio::test]
async fn what_reads_cannot_push_and_what_pushes_is_gone_after_it() {
    let (world, github) = with_app().await;
    world.seed_empty("acme/other").await.expect("seeded");
    let read = github.credential(&name()).await.expect("there");
    let read = read.expect("an App has one").secret;
    assert_eq!(may(&world, &read, "acme/web").await, (403, 200));

    let push = async || {
        let taken_out = github.push_credential(&name()).await.expect("there");
        taken_out.expect("an App has one")
    };
    let (first, second) = (push().await, push().await);
    let secret = first.credential().secret.clone();
    let other = second.credential().secret.clone();
    assert_ne!(
        secret.expose_secret(),
        other.expose_secret(),
        "none is kept"
    );
    assert_eq!(may(&world, &secret, "acme/web").await, (200, 200));
    assert_eq!(may(&world, &secret, "acme/other").await.0, 404);
    first.give_back().await;
    assert_eq!(may(&world, &secret, "acme/web").await, (401, 401));
    // A push that is broken off gives its token back as well.
    drop(second);
    let is_gone = async {
        while may(&world, &other, "acme/web").await != (401, 401) {
            tokio::task::yield_now().await;
        }
    };
    let is_gone = tokio::time::timeout(Duration::from_secs(30), is_gone);
    is_gone
        .await
        .expect("the token of a push that was broken off lives on");
    // It cannot open pull requests, and what opens them cannot push.
    assert_eq!(github.pull_request_of(&name(), BRANCH).await, Ok(None));
    for token in world.tokens() {
        assert_ne!(may(&world, &token, "acme/web").await.0, 200);
    }
    assert_eq!(world.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn a_persons_token_is_not_the_bots_to_end() {
    let (world, github) = with_token().await;
    let push = github.push_credential(&name()).await.expect("there");
    push.expect("there is one").give_back().await;
    assert_eq!(asked(&world, "DELETE", "/installation/token"), 0);
    assert_eq!(github.pull_request_of(&name(), BRANCH).await, Ok(None));
}

#[tokio::test]
async fn a_repository_without_the_app_is_not_found() {
    let (world, github) = with_app().await;
    world.uninstall("acme/web").expect("uninstalled");
    let wanted = |name: &str| RepositoryName(name.to_owned());
    for repository in [
        name(),
        wanted("acme/nothing"),
        wanted("../app"),
        wanted("acme"),
    ] {
        let error = github.credential(&repository).await.expect_err("not there");
        assert!(matches!(error, ForgeError::NotFound { .. }), "{error}");
    }
    assert_eq!(world.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn a_token_that_was_taken_away_is_replaced_once() {
    let (world, github) = with_app().await;
    github.credential(&name()).await.expect("there");
    world.expire_tokens();
    assert_eq!(github.pull_request_of(&name(), BRANCH).await, Ok(None));
    assert_eq!(asked(&world, "POST", "/access_tokens"), 2);
}

#[tokio::test]
async fn a_wrong_token_is_refused_without_being_shown() {
    let (world, _) = with_token().await;
    let github = Github::new(&config(
        &world,
        GithubSignIn::Token(SecretString::from("ghp_canary")),
    ))
    .expect("set up");
    let error = github
        .pull_request_of(&name(), BRANCH)
        .await
        .expect_err("not taken");
    assert!(matches!(error, ForgeError::Refused { .. }), "{error}");
    assert!(!format!("{error} {error:?}").contains("canary"));
}

#[tokio::test]
async fn a_key_that_is_none_is_named_without_being_shown() {
    let (world, _) = with_token().await;
    let sign_in = GithubSignIn::App {
        id: 1,
        key: SecretString::from("canary"),
    };
    let error = Github::new(&config(&world, sign_in)).err().expect("no key");
    assert!(
        error.to_string().contains("GITHUB_APP_PRIVATE_KEY")
            && !error.to_string().contains("canary"),
        "{error}"
    );
}

#[tokio::test]
async fn the_repositories_of_an_app_are_listed_and_believed_for_a_while() {
    let (world, github) = with_app().await;
    world.seed_empty("acme/empty").await.expect("seeded");
    world.seed_empty("acme/far").await.expect("seeded");
    world.uninstall("acme/far").expect("uninstalled");
    let wanted = vec![RepositoryName("acme/empty".to_owned()), name()];
    assert_eq!(github.repositories().await, Ok(wanted.clone()));
    assert_eq!(github.repositories().await, Ok(wanted));
    assert_eq!(asked(&world, "GET", "/installation/repositories"), 1);
    assert_eq!(world.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn the_repositories_of_a_token_are_those_of_its_owner() {
    let (world, github) = with_token().await;
    assert_eq!(github.repositories().await, Ok(vec![name()]));
    assert_eq!(world.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn without_a_sign_in_there_is_no_forge() {
    let (world, _) = with_token().await;
    let github = Github::new(&config(&world, GithubSignIn::None)).expect("set up");
    assert!(!github.is_forge());
    assert_eq!(github.clone_url(&name()), world.git_url("acme/web"));
    assert!(
        github
            .credential(&name())
            .await
            .expect("nothing to ask")
            .is_none()
    );
    assert_eq!(github.repositories().await, Ok(Vec::new()));
    assert!(matches!(
        github.pull_request_of(&name(), BRANCH).await,
        Err(ForgeError::Refused { .. })
    ));
}

#[tokio::test]
async fn the_doctor_says_who_the_bot_is_and_what_it_lacks() {
    let (_world, github) = with_app().await;
    assert_eq!(
        github.check().await,
        Ok("App `deckhand`, installed on acme".to_owned())
    );
    let (_world, github) = with_token().await;
    assert_eq!(github.check().await, Ok("token of ana".to_owned()));
    let mut app = AppOptions::generate(4711).expect("a key");
    app.permissions
        .insert("contents".to_owned(), "read".to_owned());
    let sign_in = GithubSignIn::App {
        id: app.id,
        key: app.key.private_key_pem().expect("PEM"),
    };
    let world = World::start(GithubOptions {
        app: Some(app),
        ..GithubOptions::default()
    })
    .await
    .expect("started");
    let error = Github::new(&config(&world, sign_in))
        .expect("set up")
        .check()
        .await
        .expect_err("contents is missing");
    assert!(
        error
            .to_string()
            .contains("lacks `contents: write` on acme"),
        "{error}"
    );
}

/// The App that the manifest makes has what tokens ask for, and hears of what is acted on.
#[test]
fn the_manifest_asks_for_what_the_code_uses() {
    let manifest: Value =
        serde_json::from_str(include_str!("../../manifest/github.json")).expect("JSON");
    assert_eq!(
        tokens::GRANTED.map(|(name, _)| manifest["default_permissions"][name].as_str()),
        tokens::GRANTED.map(|(_, level)| Some(level))
    );
    assert_eq!(
        manifest["default_events"],
        serde_json::json!(["pull_request"])
    );
}
