//! The built-in scripts against a real copy of the demo's repository.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::agent::{Agent, KEY, run};
use crate::models::{Models, ModelsOptions, Provider, acme_web};

pub async fn start() -> Models {
    Models::start(ModelsOptions::new(KEY)).await.unwrap()
}

/// A copy of the demo's repository with one commit.
pub struct Repository(TempDir);

impl Repository {
    pub fn new() -> Self {
        let repository = Self(TempDir::new().unwrap());
        let fixture = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/web");
        let made = repository.run(&format!(
            "cp -R {}/. . && git init -q && git add -A && \
             git -c user.name=ana -c user.email=ana@localhost commit -q -m 'The directory' && echo made",
            fixture.display()
        ));
        assert!(made.ends_with("made\n"), "{made}");
        repository
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn run(&self, command: &str) -> String {
        run(self.path(), command)
    }

    fn passes(&self, check: &str) -> bool {
        self.run(&format!("if {check} >/dev/null 2>&1; then echo passed; fi")) == "passed\n"
    }

    pub fn is_broken(&self) -> bool {
        !self.passes(acme_web::OFFSET_CHECK)
    }
}

/// The repository after a planning session and a work session, and all that was handed over.
async fn after_work(script: &str) -> (Repository, Agent, Vec<(String, serde_json::Value)>) {
    let models = start().await;
    let repository = Repository::new();
    let request = format!("The offset is ignored. repo=acme/web #script:{script}");
    let mut planner = Agent::new(&models, Provider::Chat);
    let prompt = format!("Deckhand phase: plan\n{request}");
    let (mut handed, _) = planner.play(&prompt, repository.path()).await;
    let mut worker = Agent::new(&models, Provider::Chat);
    let prompt = format!("Deckhand phase: work\n{request}");
    let (more, _) = worker.play(&prompt, repository.path()).await;
    handed.extend(more);
    // The stand-in goes with this function; sessions that go on start their own.
    assert_eq!(models.violations(), Vec::<String>::new());
    (repository, worker, handed)
}

/// Goes on with a session on a stand-in of its own.
async fn go_on(worker: Agent, prompt: &str, repository: &Repository) {
    let models = start().await;
    let mut resumed = Agent::new(&models, Provider::Chat);
    resumed.history = worker.history;
    resumed.play(prompt, repository.path()).await;
}

#[tokio::test]
async fn the_fixture_passes_its_tests_and_fails_the_check_of_the_demo() {
    let repository = Repository::new();
    assert!(repository.passes("npm test"));
    assert!(repository.is_broken());
    assert!(!repository.passes(acme_web::TEST_CHECK));
}

#[tokio::test]
async fn the_honest_script_meets_every_requirement() {
    let (repository, _, handed) = after_work("honest").await;
    assert!(!repository.is_broken());
    assert!(repository.passes(acme_web::TEST_CHECK) && repository.passes("npm test"));
    assert_eq!(repository.run("git status --short"), "");
    let names: Vec<_> = handed.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        ["submit_specification", "submit_plan", "report_requirements"]
    );
}

#[tokio::test]
async fn the_lying_script_claims_what_the_check_refutes() {
    let (repository, worker, handed) = after_work("lying").await;
    assert_eq!(handed[2].1["requirements"][0]["status"], "met");
    assert!(repository.is_broken() && repository.passes("npm test"));
    go_on(
        worker,
        "Deckhand phase: rework\nR1 is not met.",
        &repository,
    )
    .await;
    assert!(repository.is_broken());
}

#[tokio::test]
async fn the_lying_then_honest_script_mends_it_when_it_is_told() {
    let (repository, worker, _) = after_work("lying_then_honest").await;
    assert!(repository.is_broken());
    go_on(
        worker,
        "Deckhand phase: rework\nR1 is not met.",
        &repository,
    )
    .await;
    assert!(!repository.is_broken() && repository.passes(acme_web::TEST_CHECK));
}

#[tokio::test]
async fn the_weakening_script_passes_every_check_and_weakens_two_things() {
    let (repository, ..) = after_work("weakening").await;
    assert!(!repository.is_broken() && repository.passes(acme_web::TEST_CHECK));
    let difference = repository.run("git diff HEAD~1");
    assert!(difference.contains("+test.skip(") && difference.contains("+    \"test\": \"true\""));
}

#[tokio::test]
async fn the_asking_script_waits_and_then_uses_the_answer() {
    let (repository, worker, handed) = after_work("asking").await;
    assert_eq!(handed[2].0, "ask_person");
    assert!(repository.is_broken());
    go_on(
        worker,
        "Deckhand phase: answer\nana: Keep cutting it",
        &repository,
    )
    .await;
    assert!(!repository.is_broken());
    let decisions = repository.run("cat docs/decisions.md");
    assert!(decisions.contains("ana: Keep cutting it"), "{decisions}");
}

#[tokio::test]
async fn the_expensive_script_reports_what_it_burns() {
    let models = start().await;
    let mut agent = Agent::new(&models, Provider::Anthropic);
    agent.hear("Deckhand phase: work\n#script:expensive");
    assert_eq!(agent.turn().await.output_tokens, 80_000);
}

#[tokio::test]
async fn the_script_without_checks_takes_the_one_it_is_told() {
    let models = start().await;
    let repository = Repository::new();
    let mut agent = Agent::new(&models, Provider::Gemini);
    let prompt = "Deckhand phase: plan\nMake it nicer. #script:no_checks";
    let (handed, _) = agent.play(prompt, repository.path()).await;
    assert_eq!(handed[0].1["checks"], serde_json::json!([]));
    assert!(handed[0].1["requirements"][0]["check"].is_null());
    let prompt = "Deckhand phase: answer\nana: node --test will do";
    let (handed, _) = agent.play(prompt, repository.path()).await;
    assert_eq!(handed[0].1["checks"], serde_json::json!(["node --test"]));
}

#[tokio::test]
async fn the_script_that_writes_while_planning_says_what_came_of_it() {
    let (repository, _, handed) = after_work("writes_while_planning").await;
    let risk = handed[1].1["risks"][0].as_str().unwrap();
    assert!(
        risk.contains("touch ended with 0; the edit ended with 0"),
        "{risk}"
    );
    assert!(
        repository
            .run("git ls-files")
            .contains("written-while-planning")
    );
}

#[tokio::test]
async fn the_idle_script_changes_nothing() {
    let (repository, ..) = after_work("nothing").await;
    assert_eq!(repository.run("git log --oneline | wc -l"), "1\n");
    assert_eq!(repository.run("git status --short"), "");
}

#[tokio::test]
async fn the_flooding_script_prints_a_hundred_megabytes() {
    let models = start().await;
    let mut agent = Agent::new(&models, Provider::Chat);
    agent.hear("Deckhand phase: work\n#script:flooding");
    let (_, _, arguments) = agent.turn().await.call.unwrap();
    let command = arguments["command"].as_str().unwrap();
    let repository = Repository::new();
    assert_eq!(
        repository.run(&format!("({command}) | wc -c")),
        "104857600\n"
    );
}

#[tokio::test]
async fn another_repository_gets_a_small_true_change() {
    let models = start().await;
    let repository = Repository::new();
    repository.run(
        "git rm -rqf . && printf 'check:\\n\\ttrue\\n' > Makefile && git add -A && \
         git -c user.name=ana -c user.email=ana@localhost commit -qm 'Another'",
    );
    let prompt = "Deckhand phase: plan\nAdd a greeting, and run make check. repo=acme/tool";
    let mut agent = Agent::new(&models, Provider::Responses);
    let (handed, _) = agent.play(prompt, repository.path()).await;
    assert_eq!(handed[0].1["title"], "Add a greeting, and run make check.");
    let checks = handed[0].1["checks"].as_array().unwrap();
    assert!(checks.contains(&"make check".into()), "{checks:?}");
    let prompt = "Deckhand phase: work\nR1 CHANGES.md names the change.";
    let (report, _) = agent.play(prompt, repository.path()).await;
    assert_eq!(
        report[0].1["requirements"].as_array().map(Vec::len),
        Some(1)
    );
    let check = handed[0].1["requirements"][0]["check"].as_str().unwrap();
    assert!(repository.passes(check));
    let log = repository.run("git log --oneline -n 1");
    assert!(
        log.ends_with("Make the change that was asked for\n"),
        "{log}"
    );
}
