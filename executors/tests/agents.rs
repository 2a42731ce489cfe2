//! The real agents, each in a real container, against the scripted model providers: they plan by the session's tools,
//! run commands and change files, and go on with their session in a new container.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod stage;

use deckhand_executors::{
    agent::{AgentEvent, AgentFailure, AgentSession, ModelProvider, SessionStart, Stop, Turn},
    sandbox::{Access, Executor as _},
};
use deckhand_world::models::{Phase, Script, Turn as Act};
use stage::Stage;

/// A script that plans, works, and can tell in a follow-up what it was asked at the beginning of its session.
fn script() -> Script {
    Script::honest().on(
        Phase::FollowUp,
        [
            Act::shell("echo 'Changed again.' >> README.md && git commit -qam 'Change it again'"),
            Act::decide(|scene| {
                let remembers = scene.opening.contains("the lighthouse");
                Act::say(if remembers { "I remember." } else { "Who are you?" })
            }),
        ],
    )
}

/// Plays a whole task with one agent.
async fn plays_a_task(agent: &str, provider: ModelProvider) {
    let stage = Stage::set(agent, provider, script()).await;

    let mut run = stage.run("plan", Access::ReadOnly).await;
    let mut planning = run.open(SessionStart::New).await;
    planning.prompt("Deckhand phase: plan\nThe offset of /api/v2/users is ignored when limit is over 100.").await.unwrap();
    let heard = run.turn(&mut planning).await;
    assert_eq!((&heard.end.stop, &heard.end.failure), (&Stop::EndTurn, &None), "{heard:?}");
    assert_eq!(run.tools_called(), ["submit_specification", "submit_plan"], "{heard:?}");
    run.end().await;

    let mut run = stage.run("work", Access::ReadWrite).await;
    assert_eq!(run.shell("git status --porcelain; git log --oneline | wc -l").await.trim(), "1");
    let mut working = run.open(SessionStart::New).await;
    working.prompt("Deckhand phase: work\nThink of the lighthouse.").await.unwrap();
    let heard = run.turn(&mut working).await;
    assert_eq!((&heard.end.stop, &heard.end.failure), (&Stop::EndTurn, &None), "{heard:?}");
    assert_eq!(run.tools_called(), ["report_requirements"], "{heard:?}");
    assert!(heard.commands.iter().any(|command| command.contains("node --test")), "{heard:?}");
    assert!(heard.end.usage.tokens.total() > 0, "{heard:?}");
    assert!(!run.shell("git diff --stat HEAD~1 -- lib/users.js").await.is_empty());
    let session = working.session_id().clone();
    let cost_before = working.session_cost().unwrap_or_default();
    run.end().await;

    let mut run = stage.run("follow-up", Access::ReadWrite).await;
    let mut going_on = run.open(SessionStart::Continue { session, cost_before }).await;
    going_on.prompt("Deckhand phase: follow_up\nChange it again.").await.unwrap();
    let heard = run.turn(&mut going_on).await;
    assert_eq!((&heard.end.stop, &heard.end.failure), (&Stop::EndTurn, &None), "{heard:?}");
    assert!(heard.text.contains("I remember."), "{heard:?}");
    assert_eq!(run.shell("git log -1 --format=%s").await.trim(), "Change it again");
    run.end().await;
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
async fn goose_speaks_the_other_providers_formats_too() {
    for provider in [ModelProvider::OpenaiChat, ModelProvider::Gemini] {
        let stage = Stage::set("goose-formats", provider, script()).await;
        let mut run = stage.run("work", Access::ReadWrite).await;
        let mut session = run.open(SessionStart::New).await;
        session.prompt("Deckhand phase: work\nMend it.").await.unwrap();
        let heard = run.turn(&mut session).await;
        assert_eq!((&heard.end.failure, run.tools_called()), (&None, vec!["report_requirements".into()]), "{heard:?}");
        run.end().await;
        stage.strike().await;
    }
}

#[tokio::test]
async fn opencode_speaks_chat_completions_too() {
    let stage = Stage::set("opencode-chat", ModelProvider::OpenaiChat, script()).await;
    let mut run = stage.run("work", Access::ReadWrite).await;
    let mut session = run.open(SessionStart::New).await;
    session.prompt("Deckhand phase: work\nMend it.").await.unwrap();
    let heard = run.turn(&mut session).await;
    assert_eq!((&heard.end.failure, run.tools_called()), (&None, vec!["report_requirements".into()]), "{heard:?}");
    run.end().await;
    stage.strike().await;
}

#[tokio::test]
async fn a_new_owner_goes_on_with_an_agent_that_is_at_work() {
    let stage = Stage::set("goose-owners", ModelProvider::Anthropic, script()).await;
    let mut run = stage.run("work", Access::ReadWrite).await;
    let mut session = run.open(SessionStart::New).await;
    session.prompt("Deckhand phase: work\nMend it.").await.unwrap();
    let first = loop {
        match session.next_event().await {
            AgentEvent::ToolEnded(tool) => break tool.command,
            AgentEvent::TurnEnded(end) => panic!("{end:?}"),
            _ => {}
        }
    };
    let point = session.resume_point();
    drop(session);

    let attachment = stage.executor.attach(&run.name).await.unwrap();
    let mut session = AgentSession::reopen(attachment, &stage.profile, point, None).await.unwrap();
    assert_eq!(session.turn(), Turn::Open);
    let heard = run.turn(&mut session).await;
    assert_eq!((&heard.end.stop, &heard.end.failure), (&Stop::EndTurn, &None), "{heard:?}");
    assert!(!heard.commands.contains(&first.unwrap()), "{heard:?}");
    assert_eq!(run.tools_called(), ["report_requirements"]);
    run.end().await;
    stage.strike().await;
}

#[tokio::test]
async fn what_a_script_writes_while_planning_meets_the_read_only_mount() {
    let stage = Stage::set("goose-walls", ModelProvider::Anthropic, Script::writes_while_planning()).await;
    let mut run = stage.run("plan", Access::ReadOnly).await;
    let mut session = run.open(SessionStart::New).await;
    session.prompt("Deckhand phase: plan\nMend it.").await.unwrap();
    run.turn(&mut session).await;
    assert_eq!(run.shell("git status --porcelain").await, "");
    run.end().await;
    stage.strike().await;
}

/// Prompts an agent whose model refuses, and gives what is made of it.
async fn failure_of(agent: &str, provider: ModelProvider, script: Script) -> Option<AgentFailure> {
    let stage = Stage::set(&format!("{agent}-fails"), provider, script).await;
    let mut run = stage.run("work", Access::ReadWrite).await;
    let mut session = run.open(SessionStart::New).await;
    session.prompt("Deckhand phase: work\nMend it.").await.unwrap();
    let heard = run.turn(&mut session).await;
    run.end().await;
    stage.strike().await;
    heard.end.failure
}
