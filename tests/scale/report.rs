//! What was measured, as a table for people and one JSON object for programs.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};

use crate::{
    Kind,
    cost::{Beside, Cost, STEPS, percentile},
    flight::Flight,
};

/// How many times the cost of an event may rise from the fewest rows to the most: less than what one run differs from the next.
const GROWTH_BAR: f64 = 1.5;

/// Everything that was measured.
#[derive(Default)]
pub struct Report {
    pub flights: Vec<Flight>,
    pub costs: Vec<Cost>,
}

impl Report {
    /// Prints both.
    pub fn print(mut self) {
        let (lines, object) = self.told();
        println!("{}\n\n{object}", lines.join("\n"));
    }

    /// The lines of the table, and the object.
    pub fn told(&mut self) -> (Vec<String>, Value) {
        let mut lines = Vec::new();
        if !self.flights.is_empty() {
            lines.push(format!(
                "\n{:<28}{:>12}{:>12}{:>12}{:>12}{:>12}{:>12}{:>12}",
                "tasks in flight",
                "until then",
                "events/s",
                "burst /s",
                "p99 ms",
                "paced p50",
                "paced p99",
                "MB a task"
            ));
        }
        let mut flights = Vec::new();
        for (line, object) in self.flights.iter_mut().map(flight) {
            lines.push(line);
            flights.push(object);
        }
        if !self.costs.is_empty() {
            lines.push(format!(
                "\n{:<28}{:>12}{:>12}{:>12}{:>12}{:>12}{:>12}{:>12}",
                "one event, µs",
                "accept",
                "take",
                "commit",
                "claim",
                "done",
                "whole p50",
                "whole p99"
            ));
        }
        let mut costs = Vec::new();
        for (line, object) in self.costs.iter().map(cost) {
            lines.push(line);
            costs.push(object);
        }
        let growths = self.growths(&mut lines);
        let held = growths.values().all(|growth| *growth <= GROWTH_BAR);
        let object = json!({
            "bench": "scale", "flights": flights, "costs": costs, "growth": growths,
            "within_bars": { "growth": (!growths.is_empty()).then_some(held) },
        });
        (lines, object)
    }

    /// How many times the cost of an event at the most rows is that at the fewest, by what they are beside.
    fn growths(&self, lines: &mut Vec<String>) -> BTreeMap<String, f64> {
        let mut growths = BTreeMap::new();
        for kind in [Kind::Sqlite, Kind::Postgres] {
            for beside in [Beside::Stored, Beside::Behind, Beside::Later] {
                let mut of_it = self
                    .costs
                    .iter()
                    .filter(|cost| (cost.kind, cost.beside) == (kind, beside));
                if let (Some(first), Some(last)) = (of_it.next(), of_it.next_back()) {
                    let growth = round(last.whole.as_secs_f64() / first.whole.as_secs_f64());
                    let held = if growth <= GROWTH_BAR {
                        "held"
                    } else {
                        "MISSED"
                    };
                    lines.push(format!(
                        "{}, {} {}: {growth} times the cost of an event at {}, bar {GROWTH_BAR}: {held}",
                        kind.name(),
                        last.rows,
                        beside.name(),
                        first.rows
                    ));
                    growths.insert(format!("{}_{}", kind.name(), beside.name()), growth);
                }
            }
        }
        growths
    }
}

fn flight(flight: &mut Flight) -> (String, Value) {
    let until_then = flight.took.as_secs_f64();
    let events = number(flight.events) / until_then;
    let burst_rate = number(flight.burst.len() as u64) / flight.burst_took.as_secs_f64();
    let [burst_p50, burst_p99] =
        [50, 99].map(|percent| milliseconds(percentile(&mut flight.burst, percent)));
    let [paced_p50, paced_p99] =
        [50, 99].map(|percent| milliseconds(percentile(&mut flight.paced, percent)));
    let added = flight.busy.saturating_sub(flight.idle);
    let a_task = megabytes(added) / f64::from(flight.tasks);
    let what = format!(
        "{} on {} by {}",
        flight.tasks,
        flight.kind.name(),
        flight.replicas
    );
    let line = format!(
        "{what:<28}{until_then:>10.1} s{events:>12.0}{burst_rate:>12.0}{burst_p99:>12.0}{paced_p50:>12.1}{paced_p99:>12.1}{a_task:>12.2}",
    );
    let object = json!({
        "database": flight.kind.name(), "replicas": flight.replicas, "tasks": flight.tasks,
        "seconds_until_in_flight": round(until_then), "events_per_second": round(events),
        "burst": { "events_per_second": round(burst_rate), "p50_ms": burst_p50, "p99_ms": burst_p99 },
        "paced": { "p50_ms": paced_p50, "p99_ms": paced_p99 },
        "idle_mb": round(megabytes(flight.idle)), "mb_per_task": round(a_task),
    });
    (line, object)
}

fn cost(cost: &Cost) -> (String, Value) {
    let what = format!("{}, {} {}", cost.kind.name(), cost.rows, cost.beside.name());
    let steps: Vec<String> = cost
        .steps
        .iter()
        .map(|step| format!("{:>12.0}", micros(*step)))
        .collect();
    let (whole, whole_p99) = (micros(cost.whole), micros(cost.whole_p99));
    let line = format!("{what:<28}{}{whole:>12.0}{whole_p99:>12.0}", steps.concat());
    let by_step: BTreeMap<&str, f64> = STEPS.into_iter().zip(cost.steps.map(micros)).collect();
    let object = json!({
        "database": cost.kind.name(), "rows": cost.rows, "beside": cost.beside.name(),
        "steps_us": by_step, "event_us": whole, "event_p99_us": whole_p99,
    });
    (line, object)
}

fn micros(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round()
}

fn milliseconds(time: Duration) -> f64 {
    round(time.as_secs_f64() * 1e3)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "memory and events are far below its precision"
)]
fn number(count: u64) -> f64 {
    count as f64
}

fn megabytes(bytes: u64) -> f64 {
    number(bytes) / 1e6
}

/// Two decimals.
fn round(figure: f64) -> f64 {
    (figure * 100.0).round() / 100.0
}
