//! The short version, which is a test: everything is measured once, and nothing is said of how long it took.

use std::process::ExitCode;

use deckhand_world::{
    postgres::Postgres,
    runner::{self, Test},
};

use crate::{Kind, Options, cost, flight};

/// So many tasks are in flight.
const TASKS: u32 = 5;

const ALL: [Test; 3] = [
    ("everybody_in_flight_is_heard_on_sqlite", || {
        Box::pin(flight(Kind::Sqlite, 1))
    }),
    ("everybody_in_flight_is_heard_by_two_replicas", || {
        Box::pin(flight(Kind::Postgres, 2))
    }),
    ("an_event_goes_its_way_beside_all_kinds_of_others", || {
        Box::pin(costs())
    }),
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
