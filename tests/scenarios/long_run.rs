//! A task of 36 hours: questions and follow-ups, twenty restarts, credentials that end every hour, two losses of the
//! container engine and a restart of the database. Every step is done once, and the thread reads as if nothing had happened.

use std::collections::BTreeSet;

use deckhand::domain::task::Task;
use deckhand_world::{
    linear::{Activity, Content, SessionState},
    models::{Phase, Script, Turn},
    postgres::Postgres,
    slack::{Audience, Thread},
};
use serde_json::json;

use crate::harness::{
    Beside, PATIENCE, Props, REQUEST, SignIn, SlackDoors, Stage,
    asking::{is_confirmed, no_message_twice, says},
    engine::Gate,
    program::Deckhand,
    scripts,
    time::End,
};

/// The steps before the question, after it, and of the follow-up.
const STEPS: [std::ops::RangeInclusive<usize>; 3] = [1..=8, 9..=14, 15..=16];
/// The most messages of the bot that such a thread may have.
const MESSAGES_MAX: usize = 12;

/// One step: it leaves a line, says that it was made, and waits for its hour.
fn step(number: usize) -> Turn {
    Turn::shell(format!(
        "echo '// step {number}' >> lib/users.js; touch /tmp/at-{number}; until [ -e /tmp/go-{number} ]; do sleep 0.1; done"
    ))
}

/// Works in many steps, asks in the middle, and is asked for more at the end.
fn of_many_steps() -> Script {
    let [before, after, more] = STEPS.map(|steps| steps.map(step).collect::<Vec<_>>());
    let asks = [
        Turn::tool(
            "ask_person",
            json!({ "question": "Should a limit above 100 be cut or refused?", "choices": ["Cut it", "Refuse it"] }),
        ),
        Turn::say("I wait for the answer."),
    ];
    scripts::without_pages()
        .called("of_many_steps")
        .on(Phase::Work, before.into_iter().chain(asks))
        .first(Phase::Answer, after)
        .first(Phase::FollowUp, more)
}

/// A long story, with the hours that have passed and the restarts that it has seen.
struct Story {
    stage: Stage,
    thread: Thread,
    gate: Gate,
    hours: u32,
    restarts: u32,
}

impl Story {
    async fn hours_pass(&mut self, hours: u32) {
        self.stage.hours_pass(hours).await;
        self.hours += hours;
    }

    /// Every second restart is a kill.
    async fn restart(&mut self) {
        let end = if self.restarts.is_multiple_of(2) {
            End::Asked
        } else {
            End::Killed
        };
        self.restarts += 1;
        self.stage.begin_anew(end).await;
    }

    /// A step is made; the bot ends and begins around it, and then the agent may go on.
    async fn through(&mut self, number: usize) {
        self.stage
            .wait_for_file(&self.thread, &format!("/tmp/at-{number}"))
            .await;
        match number {
            3 | 11 => self.without_engine().await,
            _ => self.restart().await,
        }
        self.hours_pass(if number.is_multiple_of(2) { 2 } else { 1 })
            .await;
        let sandbox = self.stage.sandboxes().await.remove(0);
        let go = format!("touch /tmp/go-{number}");
        self.stage.inside(&sandbox, &go).await;
    }

    /// The engine goes away, the bot is killed meanwhile, and the engine comes back.
    async fn without_engine(&mut self) {
        self.gate.close();
        self.hours_pass(1).await;
        self.restarts += 1;
        self.stage.begin_anew(End::Killed).await;
        self.gate.reopen();
    }

    async fn reviewed(&self, results: usize) -> Task {
        let reviewed =
            |task: &Task| task.state.name() == "in_review" && task.last_run.0 as usize > results;
        self.stage
            .wait_until(&self.thread, "in review", reviewed)
            .await
    }
}

async fn told(database: Option<&Postgres>) {
    let gate = Gate::open();
    let minutes = || "100000".to_owned();
    let mut settings = vec![
        ("DECKHAND_DOCKER_HOST", gate.address()),
        ("DECKHAND_TASK_MINUTES", minutes()),
        ("DECKHAND_RUN_MINUTES", minutes()),
        ("DECKHAND_SILENCE_MINUTES", minutes()),
    ];
    if let Some(server) = database {
        let address = server.fresh_database().await.unwrap();
        settings.push(("DECKHAND_DATABASE_URL", address));
    }
    let stage = Stage::open_with(Props {
        settings,
        sign_in: SignIn::App,
        linear: Beside::Present,
        // What comes through a socket has no signature with a time in it.
        doors: SlackDoors::Socket,
        ..Props::default()
    })
    .await;
    stage.models.otherwise(of_many_steps());

    // Hour 0. In Linear a plan waits for all of the story.
    let linear = stage.linear.as_ref().unwrap();
    let issue = linear.create_issue("ana", "Long pages begin at the first user", REQUEST);
    let session = linear.delegate("ana", &issue.unwrap()).unwrap();
    let waits = |session: &deckhand_world::linear::Session| {
        (session.state() == SessionState::AwaitingInput).then_some(())
    };
    session.wait_for("plan", PATIENCE, waits).await.unwrap();
    let thread = stage.planned(REQUEST).await;
    stage.settle().await;
    let mut story = Story {
        stage,
        thread,
        gate,
        hours: 0,
        restarts: 0,
    };

    // Ana reads the plan after lunch.
    story.restart().await;
    story.hours_pass(2).await;
    story.restart().await;
    story.thread.say("ana", "approve").await.unwrap();

    for number in STEPS[0].clone() {
        story.through(number).await;
        if number == 6
            && let Some(server) = database
        {
            server.stop().unwrap();
            story.hours_pass(1).await;
            server.start_again().unwrap();
        }
    }
    story
        .stage
        .wait_for_state(&story.thread, "awaiting_input")
        .await;
    says(&story.thread, "Should a limit above 100 be cut or refused?").await;
    // A night.
    story.hours_pass(4).await;
    story.restart().await;
    story.hours_pass(3).await;
    story.thread.press("ana", "Cut it").await.unwrap();
    for number in STEPS[1].clone() {
        story.through(number).await;
    }
    let first = story.reviewed(1).await;
    story.restart().await;
    story.hours_pass(1).await;
    story
        .thread
        .say("ana", "Say it in the README, too.")
        .await
        .unwrap();
    for number in STEPS[2].clone() {
        story.through(number).await;
    }
    let last = story.reviewed(first.last_run.0 as usize).await;
    story.restart().await;
    while story.hours < 36 {
        story.hours_pass(1).await;
    }
    story.stage.settle().await;
    tracing::info!("the thread at its end\n{}", story.thread.render());
    assert!(story.restarts >= 20, "{}", story.restarts);
    assert!(
        last.last_result().unwrap().whole,
        "{}",
        story.thread.render()
    );
    every_step_was_made_once(&story, &last).await;
    the_thread_reads_well(&story.thread);

    // In Linear, too, somebody was reminded once, with a credential of its own hour.
    let reminded = |one: &Activity| matches!(&one.content, Content::Elicitation { body } if body.contains("This plan still waits"));
    let reminders = session.activities();
    let reminders = reminders.iter().filter(|one| reminded(one)).count();
    assert_eq!(reminders, 1, "{}", session.render());

    let Story { stage, thread, .. } = story;
    stage.github.merge("acme/web", 1).await.unwrap();
    stage.wait_for_state(&thread, "completed").await;
    let tasks = stage.context.store.recent_tasks(None, 5).await.unwrap();
    let waiting = tasks.iter().find(|task| !task.state.is_over()).unwrap();
    let program = Deckhand::of(&stage);
    let canceled = program.run(&["task", "cancel", &waiting.id.0]).await;
    assert!(canceled.ok, "{canceled:?}");
    stage
        .wait_for_task(&waiting.id, "cancelled", is_confirmed)
        .await;
    stage.close().await;
}

async fn every_step_was_made_once(story: &Story, task: &Task) {
    let pulls = story.stage.pull_requests();
    assert_eq!(pulls.len(), 1, "{}", story.thread.render());
    let repository = story.stage.github.repository("acme/web").unwrap();
    let file = repository.file_at(&task.branch(), "lib/users.js").await;
    let file = file.unwrap().unwrap();
    let made: Vec<usize> = file
        .lines()
        .filter_map(|line| line.strip_prefix("// step "))
        .map(|number| number.parse().unwrap())
        .collect();
    let wanted: Vec<usize> = STEPS.into_iter().flatten().collect();
    assert_eq!(made, wanted);
    // One commit for each of the two results, and one push of it.
    let base = repository.log("main").await.unwrap().len();
    let commits = repository.log(&task.branch()).await.unwrap().len();
    assert_eq!(commits - base, 2);
    let requests = story.stage.github.requests();
    let pushes = requests
        .iter()
        .filter(|request| request.method == "POST" && request.path.ends_with("/git-receive-pack"));
    assert_eq!(pushes.count(), 2);
}

fn the_thread_reads_well(thread: &Thread) {
    no_message_twice(thread);
    let mut slots = BTreeSet::new();
    let said = thread.bot_messages();
    let said = said
        .iter()
        .filter(|message| message.audience == Audience::Everyone);
    let mut number = 0;
    for message in said {
        number += 1;
        let metadata = message.metadata.as_ref().unwrap();
        let slot = metadata["event_payload"]["slot"].to_string();
        assert!(
            slots.insert(slot.clone()),
            "{slot} twice\n{}",
            thread.render()
        );
    }
    assert!(number <= MESSAGES_MAX, "{number}\n{}", thread.render());
    for words in ["did not work", "**Failed**", "is gone"] {
        let complains = thread
            .bot_messages()
            .into_iter()
            .find(|message| message.says(words));
        assert!(complains.is_none(), "{words}\n{}", thread.render());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn thirty_six_hours_on_a_file() {
    Box::pin(told(None)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn thirty_six_hours_on_a_server_that_is_started_again() {
    let server = Postgres::start().unwrap();
    Box::pin(told(Some(&server))).await;
}
