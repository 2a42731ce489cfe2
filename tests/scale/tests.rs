//! The short version, which is a test: everything is measured once, and nothing is said of how long it took.

use std::{process::ExitCode, time::Duration};

use deckhand_world::{
    postgres::Postgres,
    runner::{self, Test},
};

use serde_json::{Value, json};

use crate::{
    Kind, Options,
    cost::{self, Beside, Cost, STEPS},
    flight::{self, Flight},
    report::Report,
};

/// So many tasks are in flight.
const TASKS: u32 = 5;

const ALL: [Test; 5] = [
    ("everybody_in_flight_is_heard_on_sqlite", || {
        Box::pin(flight(Kind::Sqlite, 1))
    }),
    ("everybody_in_flight_is_heard_by_two_replicas", || {
        Box::pin(flight(Kind::Postgres, 2))
    }),
    ("an_event_goes_its_way_beside_all_kinds_of_others", || {
        Box::pin(costs())
    }),
    (
        "a_cost_that_grows_up_to_the_bar_is_held_and_beyond_it_missed",
        || Box::pin(async { growth() }),
    ),
    (
        "what_was_measured_is_told_line_by_line_and_in_one_object",
        || Box::pin(async { report() }),
    ),
];

/// Runs or lists the tests that are named.
pub async fn run(arguments: &[&str]) -> ExitCode {
    runner::run(arguments, &[&ALL]).await
}

async fn flight(kind: Kind, replicas: usize) {
    let server = Postgres::start().unwrap();
    let flight = flight::measure(kind, replicas, TASKS, &server)
        .await
        .unwrap();
    assert!(flight.events >= u64::from(TASKS) * 2);
    assert_eq!(flight.burst.len(), TASKS as usize);
}

async fn costs() {
    let server = Postgres::start().unwrap();
    let options = Options {
        in_flight: TASKS,
        replicas: Vec::new(),
        stored: vec![100],
        events: 3,
        only: None,
    };
    let mut costs = Vec::new();
    for kind in [Kind::Sqlite, Kind::Postgres] {
        cost::measure(kind, &options, &server, &mut costs)
            .await
            .unwrap();
    }
    assert!(costs.len() >= 6, "{} of them", costs.len());
}

/// What an event costs beside so many rows.
fn cost_of(kind: Kind, rows: i64, whole_us: u64) -> Cost {
    Cost {
        kind,
        beside: Beside::Stored,
        rows,
        steps: [Duration::from_micros(100); STEPS.len()],
        whole: Duration::from_micros(whole_us),
        whole_p99: Duration::from_micros(2 * whole_us),
    }
}

fn told(flights: Vec<Flight>, costs: Vec<Cost>) -> (Vec<String>, Value) {
    Report { flights, costs }.told()
}

fn growth() {
    for (most_us, growth, is_held, verdict) in
        [(1_500, 1.5, true, "held"), (1_510, 1.51, false, "MISSED")]
    {
        let (kind, few, many) = (Kind::Sqlite, 1_000, 1_000_000);
        // What lies between the two says nothing; nor does another database make up for it.
        let costs = vec![
            cost_of(kind, few, 1_000),
            cost_of(kind, 100_000, 9_000),
            cost_of(kind, many, most_us),
            cost_of(Kind::Postgres, few, 1_000),
            cost_of(Kind::Postgres, many, 900),
        ];
        let (lines, object) = told(Vec::new(), costs);
        assert_eq!(object["growth"]["sqlite_stored"], growth);
        assert_eq!(object["growth"]["postgres_stored"], 0.9);
        assert_eq!(object["within_bars"]["growth"], is_held);
        let line = format!(
            "sqlite, {many} stored: {growth} times the cost of an event at {few}, bar 1.5: {verdict}"
        );
        assert!(lines.contains(&line), "{lines:#?}");
    }
    // Of one number of rows nothing grows.
    let (_, object) = told(Vec::new(), vec![cost_of(Kind::Sqlite, 1_000, 1_000)]);
    assert_eq!(object["growth"], json!({}));
    assert_eq!(object["within_bars"]["growth"], json!(null));
}

fn report() {
    let milliseconds = |times: [u64; 4]| times.map(Duration::from_millis).to_vec();
    let flight = Flight {
        kind: Kind::Postgres,
        replicas: 2,
        tasks: 4,
        events: 96,
        took: Duration::from_secs(8),
        idle: 50_000_000,
        busy: 60_000_000,
        burst: milliseconds([40, 30, 20, 10]),
        burst_took: Duration::from_millis(500),
        paced: milliseconds([4, 3, 2, 1]),
    };
    let (lines, object) = told(vec![flight], vec![cost_of(Kind::Sqlite, 1_000, 700)]);
    let rows: Vec<Vec<&str>> = lines
        .iter()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert!(lines[0].contains("tasks in flight") && lines[2].contains("one event"));
    assert_eq!(rows[1][..5], ["4", "on", "postgres", "by", "2"]);
    assert_eq!(rows[1][5..9], ["8.0", "s", "12", "8"], "{lines:#?}");
    assert_eq!(rows[1].last(), Some(&"2.50"), "{lines:#?}");
    assert_eq!(rows[3][..4], ["sqlite,", "1000", "stored", "100"]);
    assert_eq!(rows[3][8..], ["700", "1400"], "{lines:#?}");
    let flight = &object["flights"][0];
    assert_eq!(flight["events_per_second"], 12.0);
    assert_eq!(flight["burst"]["events_per_second"], 8.0);
    assert_eq!(flight["burst"]["p99_ms"], 40.0);
    assert_eq!(flight["mb_per_task"], 2.5);
    assert_eq!(object["costs"][0]["event_us"], 700.0);
    assert_eq!(object["costs"][0]["steps_us"]["accept"], 100.0);
    assert_eq!(object["bench"], "scale");
}
