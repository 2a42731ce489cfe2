//! Whether the process lives, and whether it can work.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};

use super::Web;
use crate::store::Store;

/// From when on an effect that waits is called late, in seconds.
const LATE_SECONDS: i64 = 120;
/// How long the database may take for a write before it is said not to answer. Longer than SQLite waits for a lock and work for
/// a connection, which have sentences of their own.
const WRITTEN_WITHIN: Duration = Duration::from_secs(6);

/// What is known of this process beside its workers' signs of life.
#[derive(Debug, Clone, Default)]
pub struct Health {
    draining: Arc<AtomicBool>,
    engine_answers: Arc<AtomicBool>,
    policy_trouble: Arc<Mutex<Option<String>>>,
    clock_jump: Arc<Mutex<Option<String>>>,
    slack: Arc<Mutex<Vec<String>>>,
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

    /// That the clock on the wall was set, where that is not long ago.
    pub fn clock(&self, jump: Option<String>) {
        *self
            .clock_jump
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = jump;
    }

    /// What Slack does not let the bot do, a sentence for each workspace in which something is missing. The rest works, so
    /// this process stays ready.
    pub fn slack(&self, lacks: Vec<String>) {
        *self.slack.lock().unwrap_or_else(PoisonError::into_inner) = lacks;
    }

    fn slack_notes(&self) -> Vec<String> {
        let lacks = self.slack.lock();
        let lacks = lacks.unwrap_or_else(PoisonError::into_inner);
        lacks.iter().map(|one| format!("Slack: {one}\n")).collect()
    }

    fn clock_note(&self) -> Option<String> {
        let jump = self.clock_jump.lock();
        let jump = jump.unwrap_or_else(PoisonError::into_inner);
        jump.as_ref().map(|jump| format!("{jump}\n"))
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

/// What is wrong with the database, where something is: nothing can be stored, or a newer program has changed the schema.
pub async fn of_database(store: &Store) -> Option<String> {
    match tokio::time::timeout(WRITTEN_WITHIN, store.check_write()).await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(error.as_trouble()),
        Err(_) => Some("nothing can be stored: the database does not answer".to_owned()),
    }
}

/// `/readyz`: the database takes a write and has the schema that this program knows, the engine answers, every worker makes its
/// rounds, Slack can be heard, and nothing is being shut down.
pub async fn ready(State(web): State<Web>) -> Response {
    let mut problems = Vec::new();
    if web.health.draining.load(Ordering::Relaxed) {
        problems.push("shutting down".to_owned());
    }
    if !web.health.engine_answers.load(Ordering::Relaxed) {
        problems.push("the container engine does not answer".to_owned());
    }
    problems.extend(of_database(&web.store).await);
    problems.extend(web.heartbeats.troubles(Instant::now()));
    let mut notes = Vec::from_iter(web.health.clock_note());
    match unheard(&web) {
        Some(Unheard::Here(sentence)) => notes.push(format!("Socket Mode: {sentence}\n")),
        Some(Unheard::Anywhere(sentence)) => problems.push(sentence),
        None => {}
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
    if let Ok(Some(since)) = web.store.withdrawn("linear").await {
        notes.push(format!(
            "Linear: the application's access was taken away on {}; install it again, or take LINEAR_CLIENT_ID out of the settings\n",
            crate::words::moment_of(since)
        ));
    }
    // A platform that is down makes effects late. That is no reason to take this process away: another one would wait too.
    let late = if age > LATE_SECONDS { ", late" } else { "" };
    if let Ok((deliveries, effects)) = web.store.given_up().await
        && deliveries + effects > 0
    {
        notes.push(format!(
            "given up: {deliveries} deliveries, {effects} effects; `deckhand inbox list` and `deckhand outbox list` show them\n"
        ));
    }
    notes.extend(web.health.slack_notes());
    notes.extend(workspaces_in_trouble(&web).await);
    let notes = notes.concat();
    let told = format!("{first}\noldest effect: {age} s{late}\n{notes}");
    (status, told).into_response()
}

/// Why nothing of Slack comes through a socket of this process.
enum Unheard {
    /// Requests come in by another road, or to another process.
    Here(String),
    /// As far as is known here, requests come in nowhere.
    Anywhere(String),
}

/// Whether nothing comes through a socket, and why.
fn unheard(web: &Web) -> Option<Unheard> {
    let sockets = web.sockets.as_ref().filter(|one| one.open() == 0)?;
    if let Some(sentence) = sockets.elsewhere() {
        return Some(Unheard::Here(sentence));
    }
    let trouble = sockets.trouble();
    let sentence = trouble.unwrap_or_else(|| "no connection to Slack is open".to_owned());
    let slack = web.config.slack.as_ref();
    // Where Slack reaches the HTTP doors as well, requests still come in.
    if slack.is_some_and(|slack| slack.signing_secret.is_some()) {
        return Some(Unheard::Here(sentence));
    }
    Some(Unheard::Anywhere(sentence))
}

/// What the app was taken out of, and what it soon will be. Nobody else could do anything there, so this process stays ready.
async fn workspaces_in_trouble(web: &Web) -> Vec<String> {
    let known = web.store.slack_workspaces().await.unwrap_or_default();
    let told = known.into_iter().filter_map(|one| match one.closed {
        Some((why, since)) => {
            let hours = web.clock.now().milliseconds_since(since) / 3_600_000;
            Some(format!(
                "Slack: {why}, {hours} h ago; nothing is tried there until it is installed again\n"
            ))
        }
        None => one.trouble.map(|trouble| format!("Slack: {trouble}\n")),
    });
    told.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::Config, heartbeat::Worker, slack::socket::SocketState, web::socket::tests::doors,
    };

    async fn told(web: &Web) -> (StatusCode, String) {
        let answer = ready(State(web.clone())).await;
        let status = answer.status();
        let body = axum::body::to_bytes(answer.into_body(), 1 << 16).await;
        (status, String::from_utf8(body.unwrap().to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_worker_that_hangs_is_named_and_makes_the_process_unready() {
        let folder = tempfile::tempdir().unwrap();
        let web = doors(&folder).await;
        web.health.engine(true);
        let (deliver, reaper) = (
            web.heartbeats.of(Worker::Deliver),
            web.heartbeats.of(Worker::Reaper),
        );
        reaper.back_in(Duration::from_secs(30));
        let (status, words) = told(&web).await;
        assert_eq!(
            (status, words.as_str()),
            (StatusCode::OK, "ready\noldest effect: 0 s\n")
        );
        let long_ago = Instant::now().checked_sub(Duration::from_secs(17)).unwrap();
        deliver.sign(long_ago, Duration::ZERO);
        reaper.sign(long_ago, Duration::from_secs(30));
        let (status, words) = told(&web).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        let first = "the worker that does what is to be done has made no round for 17 s";
        assert_eq!(words.lines().next(), Some(first));
        deliver.round();
        assert_eq!(told(&web).await.0, StatusCode::OK);
    }

    #[tokio::test]
    async fn one_for_which_no_connection_to_slack_is_left_is_ready_where_others_have_some() {
        let folder = tempfile::tempdir().unwrap();
        let mut web = doors(&folder).await;
        web.health.engine(true);
        // Sockets are the only road.
        let settings = [("SLACK_BOT_TOKEN", "xoxb-1"), ("SLACK_APP_TOKEN", "xapp-1")];
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let config = Config::from_parts(&settings.into(), "", "deckhand.toml");
        web.config = Arc::new(config.unwrap());
        let sockets = SocketState::default();
        web.sockets = Some(sockets.clone());
        for (ours, others) in [(0, 0), (1, 9)] {
            sockets.shared(ours, others);
            let (status, words) = told(&web).await;
            assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{words}");
            assert!(
                words.starts_with("no connection to Slack is open\n"),
                "{words}"
            );
        }
        sockets.shared(0, 10);
        let (status, words) = told(&web).await;
        assert_eq!(status, StatusCode::OK, "{words}");
        let note = "Socket Mode: Slack is heard by other servers, which have 10 connections";
        assert!(
            words.starts_with("ready\n") && words.contains(note),
            "{words}"
        );
    }

    #[tokio::test]
    async fn a_database_that_is_gone_makes_the_process_unready() {
        let folder = tempfile::tempdir().unwrap();
        let web = doors(&folder).await;
        web.health.engine(true);
        web.store.close().await;
        let (status, words) = told(&web).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(
            words.starts_with("nothing can be stored: the database does not answer\n"),
            "{words}"
        );
    }
}
