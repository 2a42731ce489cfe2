//! The real agents, each in a real container, against the scripted model providers: they plan by the session's tools,
//! run commands and change files, and go on with their session in a new container.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod stage;

use deckhand_executors::{
    agent::{AgentEvent, AgentFailure, AgentSession, ModelProvider, SessionStart, Stop, Turn},
    sandbox::{Access, Executor as _},
};
use deckhand_world::models::{Phase, Script, Turn as Act};
use stage::{Heard, Run, Stage};

/// A script that plans, works, and can tell in a follow-up what it was asked at the beginning of its session.
fn script() -> Script {
    Script::honest().on(
        Phase::FollowUp,
        [
            Act::shell("echo 'Changed again.' >> README.md && git commit -qam 'Change it again'"),
            Act::decide(|scene| {
                let remembers = scene.opening.contains("the lighthouse");
                Act::say(if remembers {
                    "I remember."
                } else {
                    "Who are you?"
                })
            }),
        ],
    )
}

/// Has a prompt answered, and expects no failure.
async fn answered(run: &mut Run, session: &mut AgentSession, prompt: &str) -> Heard {
    session.prompt(prompt).await.unwrap();
    let heard = run.turn(session).await;
    assert_eq!(
        (&heard.end.stop, &heard.end.failure),
        (&Stop::EndTurn, &None),
        "{heard:?}"
    );
    heard
}

async fn plans(stage: &Stage) {
    let mut run = stage.run("plan", Access::ReadOnly).await;
    let mut session = run.open(SessionStart::New).await;
    let request =
        "Deckhand phase: plan\nThe offset of /api/v2/users is ignored when limit is over 100.";
    let heard = answered(&mut run, &mut session, request).await;
    assert_eq!(
        run.tools_called(),
        ["submit_specification", "submit_plan"],
        "{heard:?}"
    );
    assert_eq!(
        run.shell("git status --porcelain; git log --oneline | wc -l")
            .await
            .trim(),
        "1"
    );
    run.end().await;
}

/// Does the work, and gives what a later run needs to go on.
async fn works(stage: &Stage, prompt: &str) -> SessionStart {
    let mut run = stage.run("work", Access::ReadWrite).await;
    let mut session = run.open(SessionStart::New).await;
    let heard = answered(&mut run, &mut session, prompt).await;
    assert_eq!(run.tools_called(), ["report_requirements"], "{heard:?}");
    assert!(
        heard
            .commands
            .iter()
            .any(|command| command.contains("node --test")),
        "{heard:?}"
    );
    assert!(heard.end.usage.tokens.total() > 0, "{heard:?}");
    assert!(
        !run.shell("git diff --stat HEAD~1 -- lib/users.js")
            .await
            .is_empty()
    );
    run.end().await;
    SessionStart::Continue {
        session: session.session_id().clone(),
        cost_before: session.session_cost().unwrap_or_default(),
    }
}

async fn goes_on(stage: &Stage, start: SessionStart) {
    let mut run = stage.run("follow-up", Access::ReadWrite).await;
    let mut session = run.open(start).await;
    let heard = answered(
        &mut run,
        &mut session,
        "Deckhand phase: follow_up\nChange it again.",
    )
    .await;
    assert!(heard.text.contains("I remember."), "{heard:?}");
    assert_eq!(
        run.shell("git log -1 --format=%s").await.trim(),
        "Change it again"
    );
    run.end().await;
}

/// Plays a whole task with one agent.
async fn plays_a_task(agent: &str, provider: ModelProvider) {
    let stage = Stage::set(agent, provider, script()).await;
    plans(&stage).await;
    let start = works(&stage, "Deckhand phase: work\nThink of the lighthouse.").await;
    goes_on(&stage, start).await;
    stage.strike().await;
}

#[tokio::test]
async fn claude_code_plays_a_whole_task() {
    plays_a_task("claude", ModelProvider::Anthropic).await;
}

#[tokio::test]
async fn codex_plays_a_whole_task() {
    plays_a_task("codex", ModelProvider::OpenaiResponses).await;
}

#[tokio::test]
async fn gemini_cli_plays_a_whole_task() {
    plays_a_task("gemini", ModelProvider::Gemini).await;
}

#[tokio::test]
async fn goose_plays_a_whole_task() {
    plays_a_task("goose", ModelProvider::Anthropic).await;
}

#[tokio::test]
async fn opencode_plays_a_whole_task() {
    plays_a_task("opencode", ModelProvider::Anthropic).await;
}

#[tokio::test]
async fn goose_speaks_chat_completions_too() {
    let stage = Stage::set("goose-chat", ModelProvider::OpenaiChat, script()).await;
    works(&stage, "Deckhand phase: work\nMend it.").await;
    stage.strike().await;
}

#[tokio::test]
async fn opencode_speaks_chat_completions_too() {
    let stage = Stage::set("opencode-chat", ModelProvider::OpenaiChat, script()).await;
    works(&stage, "Deckhand phase: work\nMend it.").await;
    stage.strike().await;
}

#[tokio::test]
async fn a_new_owner_goes_on_with_an_agent_that_is_at_work() {
    let stage = Stage::set("goose-owners", ModelProvider::Anthropic, script()).await;
    let mut run = stage.run("work", Access::ReadWrite).await;
    let mut session = run.open(SessionStart::New).await;
    session
        .prompt("Deckhand phase: work\nMend it.")
        .await
        .unwrap();
    let first = loop {
        let event = session.next_event().await;
        assert!(!matches!(event, AgentEvent::TurnEnded(_)), "{event:?}");
        if let AgentEvent::ToolEnded(tool) = event {
            break tool.command;
        }
    };
    let point = session.resume_point();
    drop(session);

    let attachment = stage.executor.attach(&run.name).await.unwrap();
    let mut session = AgentSession::reopen(attachment, &stage.profile, point, None)
        .await
        .unwrap();
    assert_eq!(session.turn(), Turn::Open);
    let heard = run.turn(&mut session).await;
    assert_eq!(
        (&heard.end.stop, &heard.end.failure),
        (&Stop::EndTurn, &None),
        "{heard:?}"
    );
    assert!(!heard.commands.contains(&first.unwrap()), "{heard:?}");
    assert_eq!(run.tools_called(), ["report_requirements"]);
    run.end().await;
    stage.strike().await;
}

#[tokio::test]
async fn what_a_script_writes_while_planning_meets_the_read_only_mount() {
    let stage = Stage::set(
        "goose-walls",
        ModelProvider::Anthropic,
        Script::writes_while_planning(),
    )
    .await;
    let mut run = stage.run("plan", Access::ReadOnly).await;
    let mut session = run.open(SessionStart::New).await;
    session
        .prompt("Deckhand phase: plan\nMend it.")
        .await
        .unwrap();
    run.turn(&mut session).await;
    assert_eq!(run.shell("git status --porcelain").await, "");
    run.end().await;
    stage.strike().await;
}

/// Prompts an agent whose model refuses, and gives what is made of it.
async fn failure_of(agent: &str, provider: ModelProvider, script: Script) -> Option<AgentFailure> {
    let name = format!("{agent}-{}", script.name().replace('_', "-"));
    let stage = Stage::set(&name, provider, script).await;
    let mut run = stage.run("work", Access::ReadWrite).await;
    let mut session = run.open(SessionStart::New).await;
    session
        .prompt("Deckhand phase: work\nMend it.")
        .await
        .unwrap();
    let heard = run.turn(&mut session).await;
    run.end().await;
    stage.strike().await;
    heard.end.failure
}

#[tokio::test]
async fn a_refusing_model_is_no_end_though_goose_says_so() {
    let provider = ModelProvider::Anthropic;
    let failure = failure_of("goose", provider, Script::unauthorized()).await;
    assert!(
        matches!(failure, Some(AgentFailure::CredentialsRefused(_))),
        "{failure:?}"
    );
    let failure = failure_of("goose", provider, Script::out_of_credit()).await;
    assert!(
        matches!(failure, Some(AgentFailure::OutOfCredit(_))),
        "{failure:?}"
    );
    let failure = failure_of("goose", provider, Script::rate_limited()).await;
    assert!(
        matches!(failure, Some(AgentFailure::RateLimited(_))),
        "{failure:?}"
    );
    let failure = failure_of("goose", provider, Script::overloaded()).await;
    assert!(
        matches!(failure, Some(AgentFailure::Overloaded(_))),
        "{failure:?}"
    );
}

#[tokio::test]
async fn a_refusing_model_is_no_end_though_codex_says_so() {
    let failure = failure_of(
        "codex",
        ModelProvider::OpenaiResponses,
        Script::rate_limited(),
    )
    .await;
    assert!(
        matches!(failure, Some(AgentFailure::RateLimited(_))),
        "{failure:?}"
    );
}
