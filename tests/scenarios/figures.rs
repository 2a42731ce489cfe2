//! What an operator's Prometheus reads: the figures of a task, also over a restart.

use crate::harness::{REQUEST, Stage};

/// The value of a line of `/metrics`, by all that stands before it.
fn value(page: &str, name: &str) -> String {
    let lines = page.lines().filter_map(|line| line.rsplit_once(' '));
    let mut values = lines.filter(|(told, _)| *told == name);
    let found = values.next().map(|(_, value)| value.to_owned());
    assert!(values.next().is_none(), "{name} stands twice in\n{page}");
    found.unwrap_or_else(|| panic!("{name} is missing in\n{page}"))
}

/// What of the database is told; the counters are the whole process's, in which other stories are played too.
const TOLD: [(&str, &str); 14] = [
    ("deckhand_mention_to_words_seconds_count", "1"),
    ("deckhand_mention_to_plan_seconds_count", "1"),
    ("deckhand_mention_to_start_seconds_count", "1"),
    ("deckhand_mention_to_result_seconds_count", "1"),
    (
        "deckhand_mention_to_result_seconds_bucket{le=\"+Inf\"}",
        "1",
    ),
    ("deckhand_tasks{state=\"in_review\"}", "1"),
    ("deckhand_tasks{state=\"running\"}", "0"),
    ("deckhand_runs{state=\"live\"}", "0"),
    ("deckhand_runs{state=\"ended\"}", "2"),
    ("deckhand_inbox_depth{source=\"slack\"}", "0"),
    ("deckhand_inbox_oldest_seconds{source=\"work\"}", "0"),
    ("deckhand_outbox_depth{lane=\"talk\"}", "0"),
    ("deckhand_outbox_oldest_seconds{lane=\"work\"}", "0"),
    ("deckhand_inbox_given_up", "0"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_task_counts_once_in_every_histogram_also_over_a_restart() {
    let mut stage = Stage::open().await;
    let thread = stage.planned(REQUEST).await;
    stage.settle().await;
    let (_, page) = stage.get("/metrics").await;
    assert_eq!(value(&page, "deckhand_mention_to_plan_seconds_count"), "1");
    assert_eq!(value(&page, "deckhand_mention_to_start_seconds_count"), "0");
    // The mention is stored, so the wait goes on over the restart.
    stage.restart().await;
    stage.approve(&thread).await;
    stage.settle().await;
    let (_, before) = stage.get("/metrics").await;
    for (name, expected) in TOLD {
        assert_eq!(value(&before, name), expected, "{name}\n{before}");
    }
    let sum = |page: &str, of: &str| -> f64 {
        let name = format!("deckhand_mention_to_{of}_seconds_sum");
        value(page, &name).parse().unwrap()
    };
    let waits = ["words", "plan", "start", "result"].map(|of| sum(&before, of));
    assert!(waits[0] > 0.0 && waits.is_sorted(), "{waits:?}");
    stage.restart().await;
    let (_, after) = stage.get("/metrics").await;
    for (name, expected) in TOLD {
        assert_eq!(value(&after, name), expected, "{name}\n{after}");
    }
    let again = ["words", "plan", "start", "result"].map(|of| sum(&after, of));
    assert_eq!(again.map(f64::to_bits), waits.map(f64::to_bits));
    // Every family says what it is.
    for metric in deckhand::web::metrics::METRICS {
        let is_counted = metric.kind != deckhand::web::metrics::Kind::Counter;
        let is_there = metric.name != "deckhand_slack_connections" && is_counted;
        let help = format!("# HELP {} {}\n", metric.name, metric.help);
        assert!(!is_there || after.contains(&help), "{help}\n{after}");
    }
    stage.close().await;
}
