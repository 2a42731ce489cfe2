//! `/metrics` for Prometheus: what this process counted, and what the database has.
//!
//! Counters are the process's own. Gauges of queues, tasks and runs, and the four histograms, are read from the database at
//! each scrape: several replicas say the same of it, and a restart loses nothing. No label has more values than the code
//! has names for.

use std::{
    fmt::{Display, Write as _},
    time::Instant,
};

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing::warn;

use super::{Web, doors, options};
use crate::{
    domain::{Timestamp, effect::Lane},
    heartbeat::Worker,
    store::{
        StoreError,
        inbox::Source,
        milestones::{LONGER, Milestone, UP_TO_MS, Waited},
        queues::Queue,
    },
};

/// Where rows count whose kind this program has no name for.
const OTHER: &str = "other";
/// The format that Prometheus reads.
pub(super) const TEXT_FORMAT: &str = "text/plain; version=0.0.4";

/// How a metric behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only rises, and begins anew with the process.
    Counter,
    /// It is what it is now.
    Gauge,
    /// How many values lie below each bound.
    Histogram,
}

/// A metric, as it is described to whoever scrapes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Its name, with its unit where it has one.
    pub name: &'static str,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// How it behaves.
    pub kind: Kind,
    /// What it tells.
    pub help: &'static str,
}

macro_rules! metrics_are {
    ($($constant:ident = $kind:ident $name:literal [$($label:literal),*] $help:literal;)*) => {
        $(const $constant: Metric = Metric { name: $name, labels: &[$($label),*], kind: Kind::$kind, help: $help };)*
        /// Every metric that there is, in the order in which docs/operating.md lists them.
        pub const METRICS: &[Metric] = &[$($constant),*];
    };
}

metrics_are! {
    DELIVERIES = Counter "deckhand_deliveries_total" ["source", "result"]
        "Deliveries by where they came from and what became of them.";
    MENUS = Counter "deckhand_menus_total" ["result"]
        "Looks of people into menus of repositories, by whether they got a list.";
    EFFECTS = Counter "deckhand_effects_total" ["effect", "result"]
        "Tries of effects by what was to be done and what came of it.";
    FEEDBACK = Counter "deckhand_feedback_total" ["opinion"]
        "What people said of results by the buttons below them; somebody who changes their mind counts again.";
    EGRESS_REQUESTS = Counter "deckhand_egress_requests_total" []
        "Requests of sandboxes at their one way out, let through or refused.";
    REDACTIONS = Counter "deckhand_redactions_total" []
        "Secrets that were taken out of texts.";
    INBOX_DEPTH = Gauge "deckhand_inbox_depth" ["source"]
        "Deliveries that wait.";
    INBOX_OLDEST = Gauge "deckhand_inbox_oldest_seconds" ["source"]
        "How long the oldest delivery waits; 0 where none does.";
    OUTBOX_DEPTH = Gauge "deckhand_outbox_depth" ["lane"]
        "Effects that wait or are in hand.";
    OUTBOX_OLDEST = Gauge "deckhand_outbox_oldest_seconds" ["lane"]
        "How long the oldest effect waits or is in hand; 0 where none does.";
    INBOX_GIVEN_UP = Gauge "deckhand_inbox_given_up" []
        "Deliveries that were given up and lie there.";
    OUTBOX_GIVEN_UP = Gauge "deckhand_outbox_given_up" []
        "Effects that were given up and lie there.";
    TASKS = Gauge "deckhand_tasks" ["state"]
        "Tasks by state.";
    RUNS = Gauge "deckhand_runs" ["state"]
        "Runs of agents that live, and those that ended.";
    SLACK_CONNECTIONS = Gauge "deckhand_slack_connections" []
        "Open connections of Socket Mode to Slack.";
    WORKER_SILENCE = Gauge "deckhand_worker_silence_seconds" ["worker"]
        "How long ago a worker of this process began its last round.";
    TO_WORDS = Histogram "deckhand_mention_to_words_seconds" []
        "From the mention of a task to the first message under it.";
    TO_PLAN = Histogram "deckhand_mention_to_plan_seconds" []
        "From the mention of a task to its first plan.";
    TO_START = Histogram "deckhand_mention_to_start_seconds" []
        "From the mention of a task to the start of its work, the wait for an approval included.";
    TO_RESULT = Histogram "deckhand_mention_to_result_seconds" []
        "From the mention of a task to its first result, every wait for people included.";
}

/// The states that the tasks of the database are counted in: those of the machine, and what cannot be read.
const TASK_STATES: [&str; 15] = [
    "queued",
    "specifying",
    "planning",
    "awaiting_approval",
    "preparing",
    "running",
    "awaiting_input",
    "verifying",
    "publishing",
    "in_review",
    "completed",
    "failed",
    "canceled",
    "expired",
    "unreadable",
];
/// The states of runs.
const RUN_STATES: [&str; 2] = ["live", "ended"];

/// The process's one recorder of counters; a second app in the same process shares it.
pub fn recorder() -> PrometheusHandle {
    static RECORDER: std::sync::OnceLock<PrometheusHandle> = std::sync::OnceLock::new();
    RECORDER
        .get_or_init(|| {
            let recorder = PrometheusBuilder::new().build_recorder();
            let handle = recorder.handle();
            // Somebody else's recorder is as good; then this one stays empty.
            let _ = metrics::set_global_recorder(recorder);
            describe();
            handle
        })
        .clone()
}

/// Tells the process's recorder what its counters mean. Those without labels are there from the beginning.
fn describe() {
    for metric in METRICS {
        if metric.kind == Kind::Counter {
            metrics::describe_counter!(metric.name, metric.help);
            if metric.labels.is_empty() {
                metrics::counter!(metric.name).increment(0);
            }
        }
    }
    doors::begin_to_count();
    options::begin_to_count();
}

/// `/metrics`. What the database does not tell now is left out.
pub async fn scrape(State(web): State<Web>) -> Response {
    let mut page = Page(web.metrics.render());
    if let Err(error) = stored(&web, &mut page).await {
        warn!(
            error = &error as &dyn std::error::Error,
            "figures could not be read from the database"
        );
    }
    if let Some(sockets) = &web.sockets {
        page.family(&SLACK_CONNECTIONS, [(None, sockets.open())]);
    }
    let silences = web.heartbeats.silences(Instant::now());
    let silences = silences
        .iter()
        .map(|(worker, silence)| (Some(Worker::name(*worker)), silence.as_secs()));
    page.family(&WORKER_SILENCE, silences);
    ([(header::CONTENT_TYPE, TEXT_FORMAT)], page.0).into_response()
}

/// What stands in the database.
async fn stored(web: &Web, page: &mut Page) -> Result<(), StoreError> {
    let (store, now) = (&web.store, web.clock.now());
    let sources = Source::ALL.map(Source::name);
    page.queues(
        (&INBOX_DEPTH, &INBOX_OLDEST),
        &sources,
        (&store.deliveries_by_source().await?, now),
    );
    let lanes = Lane::ALL.map(Lane::name);
    page.queues(
        (&OUTBOX_DEPTH, &OUTBOX_OLDEST),
        &lanes,
        (&store.effects_by_lane().await?, now),
    );
    let (deliveries, effects) = store.given_up().await?;
    page.family(&INBOX_GIVEN_UP, [(None, deliveries)]);
    page.family(&OUTBOX_GIVEN_UP, [(None, effects)]);
    page.states(&TASKS, &TASK_STATES, &store.tasks_by_state().await?);
    page.states(&RUNS, &RUN_STATES, &store.runs_by_state().await?);
    for (metric, milestone) in [TO_WORDS, TO_PLAN, TO_START, TO_RESULT]
        .iter()
        .zip(Milestone::ALL)
    {
        page.histogram(metric, &store.waits_for(milestone).await?);
    }
    Ok(())
}

/// The text that is answered, line by line.
struct Page(String);

impl Page {
    /// A metric with a value for each value of its label, where it has one.
    fn family<'a, V: Display>(
        &mut self,
        metric: &Metric,
        samples: impl IntoIterator<Item = (Option<&'a str>, V)>,
    ) {
        self.head(metric);
        for (value_of_label, value) in samples {
            let label = metric.labels.first().zip(value_of_label);
            let label = label.map_or(String::new(), |(name, value)| {
                format!("{{{name}=\"{value}\"}}")
            });
            self.line(format_args!("{}{label} {value}", metric.name));
        }
    }

    /// How many rows wait and since when, by kind.
    fn queues(
        &mut self,
        (depth, oldest): (&Metric, &Metric),
        kinds: &[&'static str],
        (queues, now): (&[Queue], Timestamp),
    ) {
        let depths: Vec<_> = queues
            .iter()
            .map(|queue| (queue.kind.as_str(), queue.depth))
            .collect();
        self.family(depth, by_name(kinds, &depths, |one, more| one + more));
        let ages: Vec<_> = queues
            .iter()
            .map(|queue| {
                let age = now.milliseconds_since(queue.oldest).max(0) / 1_000;
                (queue.kind.as_str(), age)
            })
            .collect();
        self.family(oldest, by_name(kinds, &ages, i64::max));
    }

    /// How many there are of each state.
    fn states(&mut self, metric: &Metric, states: &[&'static str], numbers: &[(String, i64)]) {
        let numbers: Vec<_> = numbers
            .iter()
            .map(|(state, number)| (state.as_str(), *number))
            .collect();
        self.family(metric, by_name(states, &numbers, |one, more| one + more));
    }

    /// A histogram in seconds of waits that are stored in milliseconds.
    fn histogram(&mut self, metric: &Metric, waits: &[Waited]) {
        self.head(metric);
        let name = metric.name;
        let up_to = |bound: i64| -> i64 {
            let below = waits.iter().filter(|waited| waited.up_to_ms <= bound);
            below.map(|waited| waited.tasks).sum()
        };
        for bound in UP_TO_MS {
            let (seconds, tasks) = (seconds(bound), up_to(bound));
            self.line(format_args!("{name}_bucket{{le=\"{seconds}\"}} {tasks}"));
        }
        let tasks = up_to(LONGER);
        let sum = seconds(waits.iter().map(|waited| waited.sum_ms).sum());
        self.line(format_args!("{name}_bucket{{le=\"+Inf\"}} {tasks}"));
        self.line(format_args!("{name}_sum {sum}"));
        self.line(format_args!("{name}_count {tasks}"));
    }

    fn head(&mut self, metric: &Metric) {
        let kind = match metric.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        self.line(format_args!("# HELP {} {}", metric.name, metric.help));
        self.line(format_args!("# TYPE {} {kind}", metric.name));
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing into a string does not fail.
        let _ = writeln!(self.0, "{line}");
    }
}

/// A value for every name, nought where there is none; what has no name counts under one of its own.
fn by_name<'a>(
    names: &'a [&'static str],
    rows: &'a [(&str, i64)],
    together: fn(i64, i64) -> i64,
) -> impl Iterator<Item = (Option<&'a str>, i64)> {
    let sum = move |fits: &dyn Fn(&str) -> bool| {
        let fitting = rows.iter().filter(|(name, _)| fits(name));
        fitting.map(|(_, value)| *value).reduce(together)
    };
    let known = names
        .iter()
        .map(move |name| (Some(*name), sum(&|row| row == *name).unwrap_or_default()));
    let other = sum(&|row| !names.contains(&row)).map(|value| (Some(OTHER), value));
    known.chain(other)
}

/// Milliseconds as seconds, written as short as they can be.
fn seconds(milliseconds: i64) -> String {
    let (whole, rest) = (milliseconds / 1_000, milliseconds % 1_000);
    let text = format!("{whole}.{rest:03}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_told_as_a_histogram_in_seconds() {
        let mut page = Page(String::new());
        let waits = [(500, 2, 800), (2_000, 1, 1_700), (LONGER, 1, 300_000_000)];
        let waits = waits.map(|(up_to_ms, tasks, sum_ms)| Waited {
            up_to_ms,
            tasks,
            sum_ms,
        });
        page.histogram(&TO_WORDS, &waits);
        let lines: Vec<&str> = page.0.lines().collect();
        assert_eq!(
            lines[..7],
            [
                "# HELP deckhand_mention_to_words_seconds From the mention of a task to the first message under it.",
                "# TYPE deckhand_mention_to_words_seconds histogram",
                "deckhand_mention_to_words_seconds_bucket{le=\"0.25\"} 0",
                "deckhand_mention_to_words_seconds_bucket{le=\"0.5\"} 2",
                "deckhand_mention_to_words_seconds_bucket{le=\"1\"} 2",
                "deckhand_mention_to_words_seconds_bucket{le=\"2\"} 3",
                "deckhand_mention_to_words_seconds_bucket{le=\"3\"} 3",
            ]
        );
        assert_eq!(
            lines[lines.len() - 4..],
            [
                "deckhand_mention_to_words_seconds_bucket{le=\"259200\"} 3",
                "deckhand_mention_to_words_seconds_bucket{le=\"+Inf\"} 4",
                "deckhand_mention_to_words_seconds_sum 300002.5",
                "deckhand_mention_to_words_seconds_count 4",
            ]
        );
    }

    #[test]
    fn every_name_has_a_value_and_what_has_none_is_one_more() {
        let mut page = Page(String::new());
        let rows = [("live", 3), ("lost", 1), ("odd", 4)];
        let rows = rows.map(|(state, number)| (state.to_owned(), number));
        page.states(&RUNS, &RUN_STATES, &rows);
        let samples: Vec<&str> = page.0.lines().skip(2).collect();
        assert_eq!(
            samples,
            [
                "deckhand_runs{state=\"live\"} 3",
                "deckhand_runs{state=\"ended\"} 0",
                "deckhand_runs{state=\"other\"} 5",
            ]
        );
    }
}
