//! Questions that are only answered: `ask …`.

mod ceilings;
mod edits;

use std::time::{Duration, Instant};

use deckhand::domain::{
    TaskId,
    task::{State, Task},
};
use deckhand_world::{
    linear::{Content, Session, SessionState},
    models::{Failure, Phase, Script, Turn},
    slack::{Audience, Fault, On, Standing, Thread},
};
use serde_json::json;

use crate::harness::{
    CHANNEL, MODEL_KEY, PATIENCE, REQUEST, Stage,
    asking::{no_message_twice, says, whispered},
    scripts,
};

/// What a story usually asks.
const QUESTION: &str = "ask where is the offset applied? repo=acme/web";

/// The newest question of a thread, also where a task stands in it.
async fn question(stage: &Stage, thread: &Thread) -> Task {
    question_after(stage, thread, None).await
}

/// The same, of one that was asked after another.
async fn question_after(stage: &Stage, thread: &Thread, before: Option<&TaskId>) -> Task {
    let conversation = deckhand::slack::ids::conversation(
        "T0ACME",
        thread.channel().as_str(),
        Some(thread.root().as_str()),
    );
    crate::harness::asking::until(PATIENCE, || async {
        let recent = stage.context.store.recent_tasks(None, 20).await.unwrap();
        let mut asked = recent
            .into_iter()
            .filter(|task| task.purpose().is_inquiry() && task.conversation == conversation);
        asked
            .next()
            .filter(|task| Some(&task.id) != before)
            .ok_or_else(|| format!("nothing was asked\n{}", thread.render()))
    })
    .await
}

async fn is_looked_up(stage: &Stage, thread: &Thread) -> TaskId {
    let id = question(stage, thread).await.id;
    let planning = |task: &Task| matches!(task.state, State::Planning { .. });
    stage.wait_for_task(&id, "looked up", planning).await;
    id
}

async fn is_answered(stage: &Stage, id: &TaskId) -> Task {
    let answered = |task: &Task| task.state == State::Answered;
    stage.wait_for_task(id, "answered", answered).await
}

/// What everybody sees of the bot.
fn said(thread: &Thread) -> usize {
    let bot = thread.bot_messages();
    bot.iter()
        .filter(|message| message.audience == Audience::Everyone)
        .count()
}

/// Hands this over as the answer.
fn answering(text: impl Into<String>) -> Script {
    let answer =
        json!({ "answer": text.into(), "sources": [{ "path": "lib/users.js", "first_line": 28 }] });
    Script::honest().on(
        Phase::Ask,
        [Turn::tool("submit_answer", answer), Turn::say("Done.")],
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_answered_in_its_thread_and_nothing_changes() {
    let stage = Stage::open().await;
    stage.models.pause();
    let thread = stage.mention(QUESTION).await;
    thread.wait_for_mark("👀").await.unwrap();
    thread
        .wait_for_words("the answer follows here")
        .await
        .unwrap();
    let timing = thread.timing();
    assert!(
        timing.first_reaction.unwrap() < Duration::from_secs(1),
        "{timing:?}"
    );
    assert!(
        timing.first_words.unwrap() < Duration::from_secs(2),
        "{timing:?}"
    );
    stage.models.resume();
    let task = stage.wait_for_state(&thread, "completed").await;
    stage.settle().await;

    assert_eq!(task.state, State::Answered);
    let words = thread.render();
    let answer = says(&thread, "The offset is applied in `listUsers`").await;
    assert!(
        answer.says("lib/users.js:28-40") && answer.says("README.md"),
        "{words}"
    );
    let commit = task.workplace.as_ref().unwrap().base_commit.0.clone();
    let page = format!("/acme/web/blob/{commit}/lib/users.js#L28-L40");
    assert!(format!("{:?}", answer.blocks).contains(&page), "{words}");
    assert!(
        answer.says("agent time") && answer.says("Nothing was changed"),
        "{words}"
    );
    assert!(
        format!("{:?}", answer.blocks).contains("<@UANA>"),
        "{words}"
    );
    assert_eq!(said(&thread), 2, "a status, and the answer\n{words}");
    assert_eq!(thread.bot_marks(), ["speech_balloon"], "{words}");
    assert!(stage.pull_requests().is_empty());
    assert_eq!(stage.pushes(), 0);
    assert!(stage.context.executor.volumes().await.unwrap().is_empty());
    assert!(task.usage.cost.is_some(), "what it cost is counted");

    // Lists and pages call it answered.
    thread.mention("ana", "list").await.unwrap();
    whispered(&thread, "was answered").await;
    let page = deckhand::links::task_url(&stage.context.config, &task.id);
    let (status, page) = stage.get(&page).await;
    assert!(status == 200 && page.contains("was answered") && page.contains("lib/users.js:28-40"));

    // What people say to each other afterwards is theirs.
    thread
        .say("ben", "Thanks, that explains it.")
        .await
        .unwrap();
    stage.slack.settled().await;
    stage.settle().await;
    assert_eq!(said(&thread), 2, "{}", thread.render());

    // The next question knows this answer, as words that nobody obeys; so does a task that follows.
    thread
        .mention("ben", "ask and who calls it?")
        .await
        .unwrap();
    let second = question_after(&stage, &thread, Some(&task.id)).await;
    let second = is_answered(&stage, &second.id).await;
    assert_eq!(second.repository(), task.repository());
    let earlier = second
        .context
        .iter()
        .find(|line| line.text.contains("listUsers"));
    assert_eq!(earlier.unwrap().author.name, "goose");
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_in_the_thread_of_a_task_does_not_disturb_it() {
    let stage = Stage::open().await;
    stage.models.otherwise(scripts::without_pages());
    let thread = stage.planned("The offset parameter of /api/v2/users is ignored when limit is over 100. repo=acme/web").await;
    let task = stage.task(&thread).await.id;
    stage.models.pause();
    thread
        .mention("ben", "ask where is the offset applied?")
        .await
        .unwrap();
    let asked = is_looked_up(&stage, &thread).await;
    assert_ne!(asked, task);
    assert_eq!(stage.task(&thread).await.id, task);
    assert!(stage.task(&thread).await.state.name() == "awaiting_approval");

    // Stop ends what is at work: the question, while the plan waits.
    thread.say("ana", "stop").await.unwrap();
    says(&thread, "The question was cancelled by ana").await;
    stage
        .wait_for_task(&asked, "cancelled", |task| task.state.name() == "canceled")
        .await;
    assert_eq!(stage.task(&thread).await.state.name(), "awaiting_approval");

    thread
        .mention("ben", "ask where is the offset applied?")
        .await
        .unwrap();
    let asked = question_after(&stage, &thread, Some(&asked)).await.id;
    stage.models.resume();
    let answered = is_answered(&stage, &asked).await;
    assert_eq!(answered.repository().unwrap().0, "acme/web");
    says(&thread, "The offset is applied in `listUsers`").await;
    // What people say to each other in the thread is the task's as before, and no question.
    let done = stage.approve(&thread).await;
    assert_eq!(done.id, task);
    assert_eq!(stage.pull_requests().len(), 1);
    no_message_twice(&thread);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_judged_below_it_also_beside_a_task() {
    let stage = Stage::open().await;
    stage.slack.add_user("gus", Standing::Guest);
    let thread = stage.planned(REQUEST).await;
    thread
        .mention("ben", "ask where is the offset applied?")
        .await
        .unwrap();
    let asked = question(&stage, &thread).await.id;
    is_answered(&stage, &asked).await;
    says(&thread, "The offset is applied in `listUsers`").await;
    thread.press("ben", "What I needed").await.unwrap();
    whispered(&thread, "the answer was what you needed").await;
    thread.press("ben", "Not what I needed").await.unwrap();
    whispered(&thread, "your other answer is replaced").await;
    whispered(&thread, "Ask again with").await;
    thread.press("gus", "What I needed").await.unwrap();
    whispered(&thread, "Your opinion was not noted").await;
    stage.settle().await;
    let task = stage.context.store.task(&asked).await.unwrap().unwrap();
    let opinions: Vec<(&str, &str)> = task
        .task
        .feedback
        .iter()
        .map(|one| (one.by.name.as_str(), one.opinion.name()))
        .collect();
    assert_eq!(opinions, [("ben", "bad")]);
    // The task in whose thread it was asked has no result yet, and nobody's opinion.
    let planned = stage.task(&thread).await;
    assert_ne!(planned.id, asked);
    assert!(planned.feedback.is_empty());
    let (_, metrics) = stage.get("/metrics").await;
    assert!(
        metrics.contains(r#"deckhand_feedback_total{opinion="bad"}"#),
        "{metrics}"
    );
    stage.stop(&thread).await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ask_without_a_mention_is_a_word_to_the_task_and_stop_ends_both_that_are_at_work() {
    let stage = Stage::open().await;
    stage.models.pause();
    let thread = stage.mention(REQUEST).await;
    stage.wait_for_state(&thread, "planning").await;
    let task = stage.task(&thread).await.id;
    thread.say("ben", "ask cleo about the tests").await.unwrap();
    stage.settle().await;
    let waiting = stage.task(&thread).await.waiting;
    assert_eq!(waiting[0].text, "ask cleo about the tests");

    thread
        .mention("ana", "ask who calls listUsers?")
        .await
        .unwrap();
    let asked = is_looked_up(&stage, &thread).await;
    thread.say("ana", "stop").await.unwrap();
    let begun = Instant::now();
    let is_over = |task: &Task| {
        matches!(
            task.state,
            State::Canceled {
                confirmed: true,
                ..
            }
        )
    };
    for id in [&task, &asked] {
        stage.wait_for_task(id, "cancelled", is_over).await;
    }
    assert!(
        begun.elapsed() < crate::harness::asking::CANCEL_WITHIN,
        "{:?}",
        begun.elapsed()
    );
    says(&thread, "The question was cancelled by ana").await;
    stage.wait_for_no_sandbox().await;
    stage.settle().await;
    stage
        .nothing_more(&thread, async || stage.models.resume())
        .await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emoji_on_the_question_ends_it_and_nothing_comes_any_more() {
    let stage = Stage::open().await;
    stage.models.pause();
    let thread = stage.mention(QUESTION).await;
    is_looked_up(&stage, &thread).await;
    let asked = Instant::now();
    thread.react("ana", "x", On::Root).await.unwrap();
    says(&thread, "The question was cancelled by ana").await;
    assert!(asked.elapsed() < crate::harness::asking::CANCEL_WITHIN);
    stage.wait_for_no_sandbox().await;
    stage.settle().await;
    stage
        .nothing_more(&thread, async || stage.models.resume())
        .await;
    assert_eq!(thread.bot_marks(), ["octagonal_sign"]);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ask_alone_and_people_who_may_not_ask_get_a_sentence() {
    let stage = Stage::open().await;
    stage.slack.add_user("gus", Standing::Guest);
    let empty = stage.mention("ask").await;
    whispered(&empty, "Write the question behind").await;
    let guest = stage
        .slack
        .mention("gus", CHANNEL, QUESTION)
        .await
        .unwrap()
        .with_patience(PATIENCE);
    whispered(&guest, "full members").await;
    stage.settle().await;
    assert_eq!(stage.rows("tasks").await, 0);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_names_no_repository_asks_for_it_with_the_same_picker() {
    let stage = Stage::open().await;
    stage
        .github
        .seed("acme/docs", &crate::harness::fixture("web"))
        .await
        .unwrap();
    let thread = stage.mention("ask where is the offset applied?").await;
    stage.wait_for_state(&thread, "awaiting_input").await;
    thread
        .wait_for_words("Which repository is this for?")
        .await
        .unwrap();
    thread.say("ana", "acme/docs").await.unwrap();
    let task = stage.wait_for_state(&thread, "completed").await;
    assert_eq!(task.workplace.unwrap().repository.0, "acme/docs");
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_model_writes_into_an_answer_calls_nobody_hides_nothing_and_is_cut() {
    let stage = Stage::open().await;
    let rude = format!(
        "<!channel> @here It is <@UBEN>'s. \u{1b}[31mred\u{1b}[0m {MODEL_KEY}\n\n[click](https://evil.example)\n{}\nThe end of it.",
        "A line of many that follow.\n".repeat(1_900)
    );
    assert!(rude.len() > 50_000);
    stage.models.otherwise(answering(rude));
    let thread = stage.mention(QUESTION).await;
    let task = stage.wait_for_state(&thread, "completed").await;
    stage.settle().await;
    let answer = says(&thread, "the whole answer is on the").await;
    let shown = format!("{:?} {}", answer.blocks, answer.text);
    for bad in [
        "<!channel>",
        "@here",
        "\u{1b}",
        "<@UBEN>",
        MODEL_KEY,
        "](https://evil",
        "The end of it",
    ] {
        assert!(!shown.contains(bad), "{bad:?} in {shown}");
    }
    let page = deckhand::links::task_url(&stage.context.config, &task.id);
    let (_, page) = stage.get(&page).await;
    assert!(page.contains("The end of it") && !page.contains(MODEL_KEY));
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_without_an_answer_fails_in_words_and_retry_asks_it_again() {
    let stage = Stage::open().await;
    let silent = Script::honest().on(Phase::Ask, [Turn::say("I looked, and I am not sure.")]);
    stage.models.otherwise(silent);
    let thread = stage.mention(QUESTION).await;
    stage.wait_for_state(&thread, "failed").await;
    let failed = says(&thread, "while looking for the answer").await;
    assert!(failed.says("I am not sure"), "{}", thread.render());
    stage.models.otherwise(Script::honest());
    thread.press("ana", "Retry").await.unwrap();
    let first = stage.wait_for_state(&thread, "completed").await.id;
    stage.settle().await;
    no_message_twice(&thread);

    // A provider that refuses is told of as in a task.
    stage.models.fail_next(Failure::Unauthorized, 1);
    thread.mention("ana", QUESTION).await.unwrap();
    let second = question_after(&stage, &thread, Some(&first)).await.id;
    stage
        .wait_for_task(&second, "failed", |task| task.state.name() == "failed")
        .await;
    says(&thread, "refuses the key").await;
    thread.say("ana", "stop").await.unwrap();
    stage
        .wait_for_task(&second, "cancelled", |task| task.state.name() == "canceled")
        .await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_is_not_there_goes_back_to_the_agent() {
    let stage = Stage::open().await;
    let of = |path: &str, line: u32| json!({ "answer": "In the list.", "sources": [{ "path": path, "first_line": line }] });
    let script = Script::honest().on(
        Phase::Ask,
        [
            Turn::tool("submit_answer", of("lib/nowhere.js", 1)),
            Turn::tool("submit_answer", of("lib/users.js", 4_000)),
            Turn::tool("submit_answer", of("/work/repo/lib/users.js", 28)),
            Turn::say("Done."),
        ],
    );
    stage.models.otherwise(script);
    let thread = stage.mention(QUESTION).await;
    let task = stage.wait_for_state(&thread, "completed").await;
    let log = stage.log(&task.id).await;
    assert!(log.contains("there is no file lib/nowhere.js"), "{log}");
    assert!(log.contains("no line 4000"), "{log}");
    assert!(task.plans.is_empty());
    says(&thread, "lib/users.js:28").await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_while_it_is_looked_up_are_answered_with_it() {
    let stage = Stage::open().await;
    stage.models.otherwise(Script::honest());
    stage.models.pause();
    let thread = stage.mention(QUESTION).await;
    let id = is_looked_up(&stage, &thread).await;
    thread.say("ana", "And in which test?").await.unwrap();
    stage.settle().await;
    stage.models.resume();
    let task = is_answered(&stage, &id).await;
    stage.settle().await;
    assert_eq!(
        task.last_run.0, 2,
        "the answer was looked up again before anybody saw it"
    );
    let answers = thread.bot_messages();
    let answers = answers
        .iter()
        .filter(|message| message.says("The offset is applied"));
    assert_eq!(answers.count(), 1, "{}", thread.render());
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_outlives_the_bot_and_is_answered_once() {
    let mut stage = Stage::open().await;
    stage.models.otherwise(Script::honest());
    stage.models.pause();
    let thread = stage.mention(QUESTION).await;
    stage.slack.redeliver_last().await;
    stage.restart().await;
    is_looked_up(&stage, &thread).await;
    stage.restart().await;
    // The answer is handed over, and Slack does not take it: the bot ends before it could say it.
    let limited = || Fault::RateLimited {
        retry_after: Duration::from_secs(2),
    };
    stage.models.resume();
    let id = question(&stage, &thread).await.id;
    for _ in 0..2 {
        stage.slack.fail_next("chat.postMessage", limited());
    }
    is_answered(&stage, &id).await;
    stage.restart().await;
    says(&thread, "The offset is applied in `listUsers`").await;
    stage.slack.redeliver_shuffled(7).await;
    stage.settle().await;
    assert_eq!(stage.rows("tasks").await, 1);
    no_message_twice(&thread);
    // Too late to end it: it says so, and takes nothing back.
    thread.say("ana", "stop").await.unwrap();
    whispered(&thread, "This question was answered").await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_by_the_slash_command_stands_where_everybody_sees_it() {
    let stage = Stage::open().await;
    let answer = stage.slack.slash("ana", CHANNEL, QUESTION).await.unwrap();
    assert!(answer.accepted);
    let id = crate::harness::asking::until(PATIENCE, || async {
        let recent = stage.context.store.recent_tasks(None, 1).await.unwrap();
        let asked = recent.first().map(|task| task.id.clone());
        asked.ok_or_else(|| "nothing was asked".to_owned())
    })
    .await;
    let task = is_answered(&stage, &id).await;
    assert_eq!(task.request.text, "where is the offset applied?");
    stage.close().await;
}

async fn ends_in(session: &Session, state: SessionState) {
    let is_so = |session: &Session| (session.state() == state).then_some(());
    session.wait_for("end", PATIENCE, is_so).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_in_linear_is_answered_by_a_response_and_moves_no_issue() {
    let stage = crate::linear::open().await;
    let linear = stage.linear.as_ref().unwrap();
    let issue = linear
        .create_issue(
            "ana",
            "Long pages begin at the first user",
            crate::linear::DESCRIPTION,
        )
        .unwrap();
    let before = format!("{:?}", linear.issue(&issue).unwrap().state);
    let session = linear.mention("ana", &issue, QUESTION).unwrap();
    session
        .wait_for_activity("first thought", PATIENCE, |one| {
            matches!(one.content, Content::Thought { .. })
        })
        .await
        .unwrap();
    ends_in(&session, SessionState::Complete).await;
    stage.settle().await;
    let words = session.render();
    assert!(
        words.contains("The offset is applied") && words.contains("lib/users.js:28-40"),
        "{words}"
    );
    assert_eq!(format!("{:?}", linear.issue(&issue).unwrap().state), before);

    // The issue is free for a task, and a question about it does not end the session that is at work.
    let work = linear.delegate("ana", &issue).unwrap();
    crate::linear::asked(&work).await;
    stage.settle().await;
    let page = work.external_urls();
    work.say("ana", "ask where is the offset applied?").unwrap();
    let answered = |session: &Session| {
        session
            .render()
            .contains("lib/users.js:28-40")
            .then_some(())
    };
    work.wait_for("the answer", PATIENCE, answered)
        .await
        .unwrap();
    stage.settle().await;
    assert_eq!(
        work.state(),
        SessionState::AwaitingInput,
        "{}",
        work.render()
    );
    assert_eq!(work.external_urls(), page, "the session leads to its task");
    work.say("ana", "approve").unwrap();
    ends_in(&work, SessionState::Complete).await;
    stage.settle().await;
    assert_eq!(stage.pull_requests().len(), 1);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stop_of_each_surface_ends_a_question() {
    let stage = crate::linear::open().await;
    stage.models.pause();
    let direct = stage.slack.direct("ana", QUESTION).await.unwrap();
    let direct = direct.with_patience(PATIENCE);
    is_looked_up(&stage, &direct).await;
    direct.stop_session("ana").await.unwrap();
    says(&direct, "The question was cancelled by ana").await;

    let linear = stage.linear.as_ref().unwrap();
    let issue = linear
        .create_issue("ana", "Long pages", crate::linear::DESCRIPTION)
        .unwrap();
    let session = linear.mention("ana", &issue, QUESTION).unwrap();
    let is_sought = |session: &Session| {
        session
            .render()
            .contains("Looking for the answer")
            .then_some(())
    };
    session
        .wait_for("the search", PATIENCE, is_sought)
        .await
        .unwrap();
    session.stop("ana").unwrap();
    let is_said = |session: &Session| {
        session
            .render()
            .contains("The question was cancelled by Ana")
            .then_some(())
    };
    session
        .wait_for("the confirmation", PATIENCE, is_said)
        .await
        .unwrap();
    stage.wait_for_no_sandbox().await;
    stage.settle().await;
    let calls = stage.models.request_count();
    stage.models.resume();
    stage.settle().await;
    assert_eq!(stage.models.request_count(), calls);
    stage.close().await;
}
