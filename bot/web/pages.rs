//! The task's page: specification, plan and its revisions, live log, commands, checks, pictures, cost.

use std::{convert::Infallible, time::Duration};

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    http::{StatusCode, header},
    response::{
        Html, IntoResponse, Response,
        sse::{Event as SseEvent, KeepAlive, Sse},
    },
};
use futures::Stream;
use serde::Deserialize;

use super::Web;
use crate::{
    domain::{
        TaskId,
        inquiry::AnswerCard,
        message::{Decision, PlanCard, ResultCard},
        plan::ListDifference,
        proof::{CheckOutcome, CheckResult, Judged, Verdict},
        task::{State as TaskState, Task},
    },
    links,
    store::runs::LogLine,
    words,
};

/// The most lines of the log that are read at once.
const LOG_MAX: u32 = 500;
/// How often the live log looks for news.
const LOOK_EVERY: Duration = Duration::from_millis(700);
/// Nothing from elsewhere is loaded, and no other page may frame this one.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src 'self'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// The key of a signed link.
#[derive(Debug, Deserialize)]
pub struct Key {
    #[serde(default)]
    key: String,
    #[serde(default)]
    after: String,
}

/// One line of the log, ready to be shown.
struct ShownLine {
    run: String,
    kind: String,
    text: String,
    detail: String,
    status: String,
}

/// One earlier revision of the plan.
struct ShownRevision {
    number: u32,
    reason: String,
    changes: Vec<ListDifference>,
}

#[derive(Template)]
#[template(path = "pages/task.html")]
struct TaskPage {
    task: Task,
    title: String,
    stands: String,
    card: Option<PlanCard>,
    revisions: Vec<ShownRevision>,
    result: Option<ResultCard>,
    answer: Option<AnswerCard>,
    commands: Vec<ShownLine>,
    lines: Vec<ShownLine>,
    last_line: String,
    decisions: Vec<String>,
    spent: String,
    elapsed: String,
    key: String,
    is_live: bool,
}

impl TaskPage {
    fn mark(judged: &Judged) -> &'static str {
        match judged.verdict {
            Verdict::Met => "met",
            Verdict::NotMet => "not met",
            Verdict::NotChecked => "not checked",
        }
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "a template calls it so")]
    fn grouped(number: &u32) -> String {
        words::grouped(u64::from(*number))
    }

    fn outcome(check: &CheckResult) -> String {
        match &check.outcome {
            CheckOutcome::Passed => "passed".to_owned(),
            CheckOutcome::Failed { status } => format!("failed with status {status}"),
            CheckOutcome::TimedOut => "did not end in time".to_owned(),
            CheckOutcome::CouldNotRun { reason } => format!("could not be run: {reason}"),
        }
    }
}

/// `/tasks/<id>?key=…`: the page.
pub async fn task(
    State(web): State<Web>,
    Path(id): Path<String>,
    Query(key): Query<Key>,
) -> Response {
    let Some(task) = open(&web, &id, &key.key).await else {
        return not_found();
    };
    let (lines, after) = newest_lines(&web, &task.id).await;
    let commands = lines
        .iter()
        .filter(|line: &&ShownLine| line.kind == "command")
        .map(|line| ShownLine {
            run: line.run.clone(),
            kind: String::new(),
            text: line.text.clone(),
            detail: line.detail.clone(),
            status: line.status.clone(),
        })
        .collect();
    let decisions = decisions_of(&web, &task.id).await;
    let page = TaskPage {
        title: task.title(),
        stands: task.in_words().to_owned(),
        card: task.plan_card(Decision::Open),
        revisions: revisions(&task),
        result: task.last_result(),
        answer: task
            .answer_card()
            .filter(|_| task.state == TaskState::Answered),
        commands,
        last_line: after,
        decisions,
        spent: spent(&task),
        elapsed: duration(task.run_ms),
        is_live: !task.state.is_over(),
        lines,
        key: key.key,
        task,
    };
    match page.render() {
        Ok(html) => (
            [
                (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
                (header::REFERRER_POLICY, "no-referrer"),
                (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            ],
            Html(web.redactor.redacted(html)),
        )
            .into_response(),
        Err(error) => {
            tracing::error!(%error, "a page could not be made");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// The newest part of the log, and the identifier of its last line.
async fn newest_lines(web: &Web, task: &TaskId) -> (Vec<ShownLine>, String) {
    let mut lines = Vec::new();
    let mut after = String::new();
    while let Ok(more) = web.store.log_after(task, &after, LOG_MAX).await {
        let Some(last) = more.last() else { break };
        after.clone_from(&last.id);
        lines.extend(more.iter().map(shown));
        let over = lines.len().saturating_sub(4 * LOG_MAX as usize);
        lines.drain(..over);
    }
    (lines, after)
}

async fn decisions_of(web: &Web, task: &TaskId) -> Vec<String> {
    web.store
        .audit_of(task)
        .await
        .unwrap_or_default()
        .into_iter()
        .filter(|(_, entry)| entry.act != "say")
        .map(|(at, entry)| {
            format!(
                "{} · {} · {} {}",
                moment(at.0),
                entry.person,
                entry.act,
                entry.detail
            )
        })
        .collect()
}

/// `/tasks/<id>/artifacts/<name>?key=…`: a picture.
pub async fn artifact(
    State(web): State<Web>,
    Path((id, name)): Path<(String, String)>,
    Query(key): Query<Key>,
) -> Response {
    let Some(task) = open(&web, &id, &key.key).await else {
        return not_found();
    };
    let known = task
        .proof
        .iter()
        .flat_map(|proof| &proof.pictures)
        .any(|picture| picture.artifact.as_deref() == Some(name.as_str()));
    if !known {
        return not_found();
    }
    let folder = web.config.data_dir.join("artifacts").join(&task.id.0);
    super::artifacts::answer(&folder.join(&name))
        .await
        .unwrap_or_else(not_found)
}

/// `/tasks/<id>/events?key=…`: the live log.
pub async fn events(
    State(web): State<Web>,
    Path(id): Path<String>,
    Query(key): Query<Key>,
) -> Response {
    let Some(task) = open(&web, &id, &key.key).await else {
        return not_found();
    };
    let stands = task.in_words().to_owned();
    Sse::new(news(web, task.id, key.after, stands))
        .keep_alive(KeepAlive::default())
        .into_response()
}

fn news(
    web: Web,
    task: TaskId,
    after: String,
    stands: String,
) -> impl Stream<Item = Result<SseEvent, Infallible>> {
    futures::stream::unfold(
        (web, task, after, stands),
        |(web, task, mut after, mut stands)| async move {
            loop {
                let lines = web
                    .store
                    .log_after(&task, &after, 1)
                    .await
                    .unwrap_or_default();
                if let Some(line) = lines.first() {
                    after.clone_from(&line.id);
                    let shown = shown(line);
                    let body = serde_json::json!({"run": shown.run, "kind": shown.kind, "text": shown.text, "detail": shown.detail, "status": shown.status});
                    return Some((
                        Ok(SseEvent::default().id(after.clone()).data(body.to_string())),
                        (web, task, after, stands),
                    ));
                }
                let now = web
                    .store
                    .task(&task)
                    .await
                    .ok()
                    .flatten()
                    .map(|stored| stored.task.in_words().to_owned());
                if let Some(now) = now.filter(|now| now != &stands) {
                    stands.clone_from(&now);
                    return Some((
                        Ok(SseEvent::default().event("stands").data(now)),
                        (web, task, after, stands),
                    ));
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        },
    )
}

async fn open(web: &Web, id: &str, key: &str) -> Option<Task> {
    let id = TaskId(id.to_owned());
    if !links::is_signed(&web.config, &id, key) {
        return None;
    }
    web.store
        .task(&id)
        .await
        .ok()
        .flatten()
        .map(|stored| stored.task)
}

/// The same for a task that is not there and a key that does not fit.
fn not_found() -> Response {
    (
        StatusCode::NOT_FOUND,
        "There is no such page, or the link is not whole.\n",
    )
        .into_response()
}

fn revisions(task: &Task) -> Vec<ShownRevision> {
    task.plans
        .windows(2)
        .map(|pair| ShownRevision {
            number: pair[1].number,
            reason: pair[1].plan.reason.clone().unwrap_or_default(),
            changes: crate::domain::plan::difference(&pair[0].plan, &pair[1].plan),
        })
        .collect()
}

fn spent(task: &Task) -> String {
    match task.usage.cost {
        Some(cost) => cost.to_string(),
        None if task.usage.is_empty() => "nothing yet".to_owned(),
        None => format!(
            "{} tokens, price unknown",
            task.usage.input_tokens + task.usage.output_tokens
        ),
    }
}

fn duration(milliseconds: i64) -> String {
    let seconds = milliseconds / 1_000;
    if seconds < 60 {
        format!("{seconds} s")
    } else {
        format!("{} min {} s", seconds / 60, seconds % 60)
    }
}

fn moment(milliseconds: i64) -> String {
    jiff::Timestamp::from_millisecond(milliseconds)
        .map(|at| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
        .unwrap_or_default()
}

fn shown(line: &LogLine) -> ShownLine {
    let text_of = |name: &str| {
        line.body
            .get(name)
            .and_then(serde_json::Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let (text, detail) = match line.kind.as_str() {
        "command" => (text_of("command"), text_of("tail")),
        "text" => (text_of("text"), String::new()),
        "tool" => (text_of("tool"), text_of("answer")),
        "egress" => (
            format!(
                "{} {}{} — {}",
                text_of("method"),
                text_of("host"),
                text_of("path"),
                text_of("verdict")
            ),
            [text_of("rule"), text_of("client")]
                .join(" ")
                .trim()
                .to_owned(),
        ),
        _ => (
            line.body
                .as_object()
                .and_then(|body| body.values().find_map(|value| value.as_str()))
                .unwrap_or_default()
                .to_owned(),
            String::new(),
        ),
    };
    let status = line
        .body
        .get("status")
        .and_then(serde_json::Value::as_i64)
        .map(|status| status.to_string())
        .unwrap_or_default();
    ShownLine {
        run: line.run.to_string(),
        kind: line.kind.clone(),
        text,
        detail,
        status,
    }
}
