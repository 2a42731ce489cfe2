//! Whether the process lives, whether it can work, and how much it has done.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};

use super::Web;
use crate::domain::Timestamp;

/// From when on an effect that waits is called late, in seconds.
const LATE_SECONDS: i64 = 120;

/// What the workers say of themselves.
#[derive(Debug, Clone, Default)]
pub struct Health {
    draining: Arc<AtomicBool>,
    engine_answers: Arc<AtomicBool>,
    policy_trouble: Arc<Mutex<Option<String>>>,
}

impl Health {
    /// No new work is taken from now on.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Whether the container engine answered last time.
    pub fn engine(&self, answers: bool) {
        self.engine_answers.store(answers, Ordering::Relaxed);
    }

    /// What is wrong with the policy file, where something is. The policy before it is in force, so work goes on.
    pub fn policy(&self, trouble: Option<String>) {
        *self.noted() = trouble;
    }

    fn noted(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.policy_trouble
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// `/healthz`: the process answers.
pub async fn alive() -> &'static str {
    "alive\n"
}

/// `/readyz`: the database takes a write, the engine answers, Slack can be heard, and nothing is being shut down.
pub async fn ready(State(web): State<Web>) -> Response {
    let mut problems = Vec::new();
    if web.health.draining.load(Ordering::Relaxed) {
        problems.push("shutting down".to_owned());
    }
    if !web.health.engine_answers.load(Ordering::Relaxed) {
        problems.push("the container engine does not answer".to_owned());
    }
    if !web.store.is_writable().await {
        problems.push("the database does not take a write".to_owned());
    }
    let mut notes = Vec::new();
    if let Some(sockets) = web.sockets.as_ref().filter(|sockets| sockets.open() == 0) {
        let trouble = sockets.trouble();
        let sentence = trouble.unwrap_or_else(|| "no connection to Slack is open".to_owned());
        let slack = web.config.slack.as_ref();
        // Where Slack reaches the HTTP doors as well, requests still come in.
        if slack.is_some_and(|slack| slack.signing_secret.is_some()) {
            notes.push(format!("Socket Mode: {sentence}\n"));
        } else {
            problems.push(sentence);
        }
    }
    let oldest = web
        .store
        .outbox_depth()
        .await
        .ok()
        .and_then(|(_, oldest)| oldest);
    let age = oldest.map_or(0, |oldest| {
        web.clock.now().milliseconds_since(oldest) / 1_000
    });
    let status = if problems.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let first = if problems.is_empty() {
        "ready".to_owned()
    } else {
        problems.join("; ")
    };
    notes.extend(
        web.health
            .noted()
            .as_ref()
            .map(|trouble| format!("network policy: {trouble}; the one before is in force\n")),
    );
    // A platform that is down makes effects late. That is no reason to take this process away: another one would wait too.
    let late = if age > LATE_SECONDS { ", late" } else { "" };
    if let Ok((deliveries, effects)) = web.store.given_up().await
        && deliveries + effects > 0
    {
        notes.push(format!(
            "given up: {deliveries} deliveries, {effects} effects; `deckhand inbox list` and `deckhand outbox list` show them\n"
        ));
    }
    let notes = notes.concat();
    let told = format!("{first}\noldest effect: {age} s{late}\n{notes}");
    (status, told).into_response()
}

/// `/metrics`: counters and gauges for Prometheus.
pub async fn metrics(State(web): State<Web>) -> Response {
    let now = web.clock.now();
    if let (Ok((inbox, inbox_oldest)), Ok((outbox, outbox_oldest))) = (
        web.store.inbox_depth().await,
        web.store.outbox_depth().await,
    ) {
        gauge("deckhand_inbox_depth", "", inbox);
        gauge("deckhand_inbox_oldest_seconds", "", age(now, inbox_oldest));
        gauge("deckhand_outbox_depth", "", outbox);
        gauge(
            "deckhand_outbox_oldest_seconds",
            "",
            age(now, outbox_oldest),
        );
    }
    if let Some(sockets) = &web.sockets {
        gauge("deckhand_slack_connections", "", sockets.open().into());
    }
    if let Ok((deliveries, effects)) = web.store.given_up().await {
        gauge("deckhand_inbox_given_up", "", deliveries);
        gauge("deckhand_outbox_given_up", "", effects);
    }
    for (state, number) in web.store.tasks_by_state().await.unwrap_or_default() {
        gauge("deckhand_tasks", &state, number);
    }
    web.metrics.render().into_response()
}

fn age(now: Timestamp, oldest: Option<Timestamp>) -> i64 {
    oldest.map_or(0, |oldest| now.milliseconds_since(oldest) / 1_000)
}

fn gauge(name: &'static str, state: &str, value: i64) {
    #[expect(
        clippy::cast_precision_loss,
        reason = "a gauge is a float; counts are far below its precision"
    )]
    let value = value as f64;
    if state.is_empty() {
        metrics::gauge!(name).set(value);
    } else {
        metrics::gauge!(name, "state" => state.to_owned()).set(value);
    }
}
