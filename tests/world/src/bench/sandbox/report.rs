//! What was measured of sandboxes, as a table for people and one JSON object for programs.

use std::io::Write as _;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::clone::Clone;
use super::pairs::Pairs;
use super::proxy::{AT_ONCE, Measured, SMALL_COUNT};
use super::repository::Repository;
use super::server::LARGE_BYTES;
use super::start::Start;
use crate::bench::place::AGENT;
use crate::bench::report::{LOAD_MAX, round, within};
use crate::bench::series::{Series, milliseconds};

/// How many times as long as `docker run` it may take until the agent is ready.
const START_BAR: f64 = 1.2;
/// How many times as long as `git clone --local` the work tree may take.
const CLONE_BAR: f64 = 1.3;
/// The least part of the direct throughput that has to be left behind the proxy.
const THROUGHPUT_BAR: f64 = 0.5;

/// Characters of a row's name and of a figure.
const NAME: usize = 46;
const FIGURE: usize = 10;

/// Everything that was measured; what was not asked for is not there.
#[derive(Default)]
pub struct Report {
    /// How many processes wanted to run in the minute before.
    pub load: f64,
    /// Until the agent is ready.
    pub start: Option<Start>,
    /// Until the work tree is there, and of what repository.
    pub clone: Option<(Clone, Repository)>,
    /// Requests, by each road.
    pub proxy: Vec<Measured>,
}

impl Report {
    /// Prints both.
    pub fn print(&self) -> anyhow::Result<()> {
        let mut output = std::io::stdout();
        writeln!(output, "{}\n", self.table().join("\n"))?;
        writeln!(output, "{}", self.object())?;
        Ok(())
    }

    fn table(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.load > LOAD_MAX {
            let load = self.load;
            lines.push(format!(
                "\nThe machine had other work (load {load:.1}): these are not the best figures."
            ));
        }
        lines.extend(self.start.iter().flat_map(start));
        lines.extend(self.clone.iter().flat_map(clone));
        if !self.proxy.is_empty() {
            lines.extend(proxy(&self.proxy));
        }
        lines
    }

    fn object(&self) -> Value {
        let mut whole = json!({ "bench": "sandbox", "agent": AGENT, "load_before": self.load });
        let mut bars = Map::new();
        if let Some(start) = &self.start {
            let part = |series: &Series| milliseconds(series.median());
            whole["start"] = with(
                times(&start.pairs),
                json!({
                    "bar": START_BAR,
                    "parts_milliseconds": {
                        "way_out": part(&start.opened), "container": part(&start.started), "agent": part(&start.answered),
                    },
                }),
            );
            bars.insert(
                "start".to_owned(),
                (start.pairs.ratio() <= START_BAR).into(),
            );
        }
        if let Some((clone, of)) = &self.clone {
            whole["clone"] = with(
                times(&clone.pairs),
                json!({
                    "bar": CLONE_BAR, "one_file_system": clone.is_one_file_system,
                    "repository": { "files": of.files, "commits": of.commits, "bytes": of.bytes },
                }),
            );
            bars.insert(
                "clone".to_owned(),
                (clone.pairs.ratio() <= CLONE_BAR).into(),
            );
        }
        if !self.proxy.is_empty() {
            let mut roads = Map::new();
            let mut held = Map::new();
            for one in &self.proxy {
                let name = one.road.name().to_owned();
                roads.insert(
                    name.clone(),
                    json!({
                        "large": rates(&one.large, megabytes), "small": rates(&one.small, requests),
                        "small_at_once": rates(&one.crowd, requests),
                    }),
                );
                held.insert(name, is_fast_enough(one).into());
            }
            whole["proxy"] = json!({
                "bar": THROUGHPUT_BAR, "large_bytes": LARGE_BYTES, "small_count": SMALL_COUNT, "at_once": AT_ONCE,
                "rounds": self.proxy.first().map_or(0, |one| one.large.len()), "roads": roads,
            });
            bars.insert("proxy".to_owned(), held.into());
        }
        whole["within_bars"] = bars.into();
        whole
    }
}

fn with(mut object: Value, more: Value) -> Value {
    if let (Value::Object(object), Value::Object(more)) = (&mut object, more) {
        object.extend(more);
    }
    object
}

fn times(pairs: &Pairs) -> Value {
    let both = |series: &Series| {
        let [p50, p95, _] = series.tail().map(milliseconds);
        json!({ "p50": p50, "p95": p95 })
    };
    json!({
        "pairs": pairs.len(), "milliseconds": both(&pairs.ours()), "bare_milliseconds": both(&pairs.bare()),
        "ratio": round(pairs.ratio()),
    })
}

fn rates(pairs: &Pairs, rate: fn(Duration) -> f64) -> Value {
    let [ours, direct] = [pairs.ours(), pairs.bare()].map(|series| rate(series.median()).round());
    json!({ "per_second": ours, "direct_per_second": direct, "ratio": round(1.0 / pairs.ratio()) })
}

fn start(start: &Start) -> Vec<String> {
    let (pairs, ratio) = (&start.pairs, start.pairs.ratio());
    let held = within(ratio <= START_BAR);
    let [opened, started, answered] = [&start.opened, &start.started, &start.answered]
        .map(|series| milliseconds(series.median()));
    let mut lines = of_pairs(
        &format!("Until the agent is ready, {} pairs; ms", pairs.len()),
        [
            "sandbox, with its way out, walls and volumes",
            "bare: docker run --network=none of the same image",
        ],
        pairs,
    );
    lines.push(format!(
        "  ratio in the middle {ratio:.2}, bar {START_BAR}: {held}"
    ));
    lines.push(format!(
        "  of it the way out {opened:.1}, until the container runs {started:.1}, until the agent answers {answered:.1}"
    ));
    lines
}

fn clone((clone, of): &(Clone, Repository)) -> Vec<String> {
    let (pairs, ratio) = (&clone.pairs, clone.pairs.ratio());
    let held = within(ratio <= CLONE_BAR);
    let mut lines = of_pairs(
        &format!("Until the work tree is there, {} pairs; ms", pairs.len()),
        [
            "in a sandbox, from the mirror",
            "bare: git clone --local on the host",
        ],
        pairs,
    );
    lines.push(format!(
        "  ratio in the middle {ratio:.2}, bar {CLONE_BAR}: {held}"
    ));
    lines.push(format!(
        "  {} files, {} MB, {} commits{}",
        of.files,
        of.bytes / 1_000_000,
        of.commits,
        if clone.is_one_file_system {
            ""
        } else {
            "; sandboxes are on another file system than the host's clone"
        }
    ));
    lines
}

fn proxy(all: &[Measured]) -> Vec<String> {
    let megabytes_in_all = LARGE_BYTES / 1_000_000;
    let rounds = all.first().map_or(0, |one| one.large.len());
    let mut lines = vec![head(
        &format!("Requests by the proxy, {rounds} pairs"),
        ["proxy", "direct", "ratio", "bar"],
    )];
    let row = |name: &str, pairs: &Pairs, rate: fn(Duration) -> f64, bar: &str| {
        let [ours, direct] = [pairs.ours(), pairs.bare()].map(|series| rate(series.median()));
        let ratio = 1.0 / pairs.ratio();
        format!(
            "  {name:<NAME$}{ours:>FIGURE$.0}{direct:>FIGURE$.0}{ratio:>FIGURE$.2}{bar:>FIGURE$}"
        )
    };
    for one in all {
        let (road, held) = (one.road.name(), within(is_fast_enough(one)));
        let large = row(
            &format!("{road}: {megabytes_in_all} MB; MB a second"),
            &one.large,
            megabytes,
            &THROUGHPUT_BAR.to_string(),
        );
        lines.push(format!("{large} {held}"));
        let small = format!("{road}: {SMALL_COUNT} small ones in turn; a second");
        lines.push(row(&small, &one.small, requests, "-"));
        let crowd = format!("{road}: the same, {AT_ONCE} at once; a second");
        lines.push(row(&crowd, &one.crowd, requests, "-"));
    }
    lines
}

fn is_fast_enough(one: &Measured) -> bool {
    1.0 / one.large.ratio() >= THROUGHPUT_BAR
}

fn of_pairs(title: &str, names: [&str; 2], pairs: &Pairs) -> Vec<String> {
    let row = |name: &str, series: &Series| {
        let figures = series
            .tail()
            .map(|time| format!("{:>FIGURE$.1}", milliseconds(time)));
        format!("  {name:<NAME$}{}", figures.concat())
    };
    let names_of_figures = ["p50", "p95", "max"];
    vec![
        head(title, names_of_figures),
        row(names[0], &pairs.ours()),
        row(names[1], &pairs.bare()),
    ]
}

fn head<const N: usize>(title: &str, names: [&str; N]) -> String {
    let names = names.map(|name| format!("{name:>FIGURE$}")).concat();
    format!("\n{title:<0$}{names}", NAME + 2)
}

fn megabytes(time: Duration) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "a hundred million is counted exactly"
    )]
    let bytes = LARGE_BYTES as f64;
    bytes / 1e6 / time.as_secs_f64()
}

fn requests(time: Duration) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a thousand is counted exactly")]
    let count = SMALL_COUNT as f64;
    count / time.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::sandbox::proxy::Road;

    async fn pairs(ours: u64, bare: u64) -> Pairs {
        let time = |milliseconds| async move || Ok(Duration::from_millis(milliseconds));
        Pairs::take(2, time(ours), time(bare)).await.unwrap()
    }

    #[tokio::test]
    async fn a_missed_bar_is_told_in_the_table_and_in_the_object() {
        let road = async |road, large| Measured {
            road,
            large: pairs(large, 100).await,
            small: pairs(500, 250).await,
            crowd: pairs(400, 100).await,
        };
        let start = async |ours| Start {
            pairs: pairs(ours, 1_000).await,
            opened: Series::default(),
            started: Series::default(),
            answered: Series::default(),
        };
        let mut report = Report {
            start: Some(start(1_100).await),
            proxy: vec![
                road(Road::Plain, 150).await,
                road(Road::Inspected, 250).await,
            ],
            ..Report::default()
        };
        let object = report.object();
        let held = json!({ "start": true, "proxy": { "plain": true, "inspected": false } });
        assert_eq!(object["within_bars"], held);
        assert_eq!(object["start"]["ratio"], 1.1);
        let large = json!({ "per_second": 400.0, "direct_per_second": 1000.0, "ratio": 0.4 });
        assert_eq!(object["proxy"]["roads"]["inspected"]["large"], large);
        let small = json!({ "per_second": 2000.0, "direct_per_second": 4000.0, "ratio": 0.5 });
        assert_eq!(object["proxy"]["roads"]["plain"]["small"], small);
        let table = report.table().join("\n");
        assert_eq!(table.matches("MISSED").count(), 1, "{table}");
        assert_eq!(table.matches("held").count(), 2, "{table}");

        report.start = Some(start(1_300).await);
        assert_eq!(report.object()["within_bars"]["start"], false);
        assert!(report.table().join("\n").contains("1.30, bar 1.2: MISSED"));
    }
}
