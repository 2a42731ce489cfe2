//! What was measured of the doors, as a table for people and one JSON object for programs.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::apps::{App, Usage};
use super::load::Answers;
use super::{CONNECTIONS, PACE_PER_SECOND};
use crate::bench::report::{LOAD_MAX, megabytes, round, within};
use crate::bench::series::Series;

/// Deckhand's two.
const OURS: [App; 2] = [App::Doors, App::Deckhand];
/// The connections at which the bars stand.
const AT: usize = 64;
/// How many times the requests a second of either Bolt.
const RATE_BAR: f64 = 3.0;
/// The most of either Bolt's p99.
const TAIL_BAR: f64 = 0.5;
/// How many times the memory Bolt for JavaScript may need.
const MEMORY_BAR: f64 = 10.0;
/// The longest acknowledgement at the pace. Source: Slack's guide of the Events API gives three seconds.
const PACE_BAR: Duration = Duration::from_secs(3);

/// Characters of a row's name and of a figure.
const NAME: usize = 38;
const FIGURE: usize = 11;

/// What one app did with one number of connections.
#[derive(Default)]
pub struct Figures {
    /// Acknowledgements a second, of each round.
    rates: Vec<f64>,
    times: Vec<Duration>,
    refused: u64,
    peak: u64,
    own: u64,
    beside: u64,
    worked: Duration,
    sending: Duration,
}

impl Figures {
    /// Adds a round, and what the app had used before and after it.
    pub fn add(&mut self, answers: Answers, (before, after): (Usage, Usage)) {
        #[expect(clippy::cast_precision_loss, reason = "requests are no billions")]
        let count = answers.times.len() as f64;
        self.rates.push(count / answers.took.as_secs_f64());
        self.times.extend(answers.times);
        self.refused += answers.refused;
        self.peak = self.peak.max(after.peak);
        self.own = self.own.max(after.own);
        self.beside = self.beside.max(after.beside);
        self.sending += answers.worked;
        self.worked += after.worked.saturating_sub(before.worked);
    }

    fn summary(&self) -> Summary {
        let mut rates = self.rates.clone();
        rates.sort_unstable_by(f64::total_cmp);
        let times: Series = self.times.iter().copied().collect();
        let count = u32::try_from(times.len()).unwrap_or(u32::MAX).max(1);
        Summary {
            rate: rates.get(rates.len() / 2).copied().unwrap_or_default(),
            p50: times.median(),
            p99: times.percentile(99),
            longest: times.longest(),
            refused: self.refused,
            peak: megabytes(self.peak),
            own: megabytes(self.own),
            beside: megabytes(self.beside),
            work: self.worked / count,
            sending: self.sending / count,
        }
    }
}

/// What is told of it.
#[derive(Clone, Copy)]
struct Summary {
    rate: f64,
    p50: Duration,
    p99: Duration,
    longest: Duration,
    refused: u64,
    peak: f64,
    own: f64,
    beside: f64,
    work: Duration,
    sending: Duration,
}

impl Summary {
    fn object(&self) -> Value {
        json!({
            "requests_per_second": self.rate.round(), "p50_ms": fine(self.p50), "p99_ms": fine(self.p99),
            "longest_ms": fine(self.longest), "not_acknowledged": self.refused, "rss_mb": round(self.peak),
            "own_mb": round(self.own), "beside_mb": round(self.beside), "work_us": round(self.work.as_secs_f64() * 1e6),
            "sending_us": round(self.sending.as_secs_f64() * 1e6),
        })
    }
}

/// What became of the events that one of Deckhand's two acknowledged.
pub struct Stored {
    /// How many they are.
    pub acknowledged: usize,
    /// How many of them it had handled too before it was killed.
    pub handled: u64,
    /// How many of them it did not know after it was killed and started again.
    pub missing: u64,
}

/// Everything that was measured.
pub struct Report {
    /// How many processes wanted to run in the minute before.
    pub load: f64,
    /// Rounds of each app with each number of connections.
    pub rounds: u32,
    /// How long each took.
    pub each: Duration,
    /// What the disk takes to have a block for good.
    pub sync: Duration,
    /// By connections and app.
    pub figures: BTreeMap<(usize, App), Figures>,
    /// Deckhand's two at the pace.
    pub paced: BTreeMap<App, Answers>,
    /// What they stored.
    pub stored: BTreeMap<App, Stored>,
}

/// How one of Deckhand's two stands to one of the others at the connections of the bars.
struct Beside {
    rate: f64,
    tail: f64,
    memory: f64,
}

impl Report {
    /// Prints both.
    pub fn print(&self) -> anyhow::Result<()> {
        let all: BTreeMap<(usize, App), Summary> = self
            .figures
            .iter()
            .map(|(key, figures)| (*key, figures.summary()))
            .collect();
        let mut output = std::io::stdout();
        writeln!(output, "{}\n", self.table(&all).join("\n"))?;
        writeln!(output, "{}", self.object(&all))?;
        Ok(())
    }

    fn table(&self, all: &BTreeMap<(usize, App), Summary>) -> Vec<String> {
        let mut lines = Vec::new();
        if self.load > LOAD_MAX {
            let load = self.load;
            lines.push(format!(
                "\nThe machine had other work (load {load:.1}): these are not the best figures."
            ));
        }
        lines.push(format!(
            "\nSigned events of 2 KB, each verified and acknowledged; {} rounds of {} s in turns; ms, MB.
Memory is the most that was resident, own is what of it is no page of the program; work is what an event costs the processors, \
sending what it costs them besides.",
            self.rounds,
            self.each.as_secs()
        ));
        for connections in CONNECTIONS {
            let title = format!("with {connections} connections");
            let names = [
                "a second",
                "p50",
                "p99",
                "longest",
                "memory",
                "own",
                "work µs",
                "sending µs",
            ];
            lines.push(format!("\n{title:<0$}{1}", NAME + 2, row(&names)));
            for ((_, app), summary) in
                all.range((connections, App::Doors)..=(connections, App::BoltPython))
            {
                let figures = [
                    format!("{:.0}", summary.rate),
                    format!("{:.2}", fine(summary.p50)),
                    format!("{:.2}", fine(summary.p99)),
                    format!("{:.1}", fine(summary.longest)),
                    format!("{:.1}", summary.peak),
                    format!("{:.1}", summary.own),
                    format!("{:.0}", summary.work.as_secs_f64() * 1e6),
                    format!("{:.0}", summary.sending.as_secs_f64() * 1e6),
                ];
                lines.push(format!("  {:<NAME$}{}", app.title(), row(&figures)));
                if *app == App::Doors {
                    let beside = summary.beside;
                    lines.push(format!("    the bot beside them: {beside:.1} MB"));
                }
                if summary.refused > 0 {
                    lines.push(format!("    {} were not acknowledged", summary.refused));
                }
            }
        }
        lines.push(String::new());
        for app in OURS {
            lines.extend(verdicts(app, all));
        }
        lines.extend(self.cost_of_storing(all));
        for app in OURS {
            lines.extend(self.rest(app));
        }
        lines
    }

    /// At one connection nothing can be committed together.
    fn cost_of_storing(&self, all: &BTreeMap<(usize, App), Summary>) -> Option<String> {
        let ours = all.get(&(1, App::Doors))?;
        let (p50, sync) = (fine(ours.p50), fine(self.sync));
        let beside = all.get(&(1, App::BoltJs)).map_or(String::new(), |bolt| {
            format!(
                " Bolt for JavaScript, which keeps nothing, takes {:.2} ms: at one connection it acknowledges {:.1} times as many.",
                fine(bolt.p50),
                ratio(bolt.rate, ours.rate)
            )
        });
        Some(format!(
            "What storing costs: with one connection every acknowledgement waits for the disk by itself. It takes {p50:.2} ms, of
  which a bare write that reaches the disk takes {sync:.2} ms here.{beside}"
        ))
    }

    fn rest(&self, app: App) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(paced) = self.paced.get(&app) {
            let longest = longest(paced);
            lines.push(format!(
                "{} at {PACE_PER_SECOND} events a second, ten times what Slack sends at most: the longest acknowledgement {:.1} ms, bar {}: {}",
                app.title(),
                fine(longest),
                PACE_BAR.as_millis(),
                within(keeps_pace(paced)),
            ));
        }
        if let Some(stored) = self.stored.get(&app) {
            lines.push(format!(
                "  It handled what it stored in the same time, one transaction each: {} of {} when it was killed in the midst of it.
  Started again, it knew all of them but {}.",
                stored.handled, stored.acknowledged, stored.missing
            ));
        }
        lines
    }

    fn object(&self, all: &BTreeMap<(usize, App), Summary>) -> Value {
        let mut by_connections = Map::new();
        for ((connections, app), summary) in all {
            by_connections
                .entry(connections.to_string())
                .or_insert_with(|| json!({}))[app.name()] = summary.object();
        }
        let mut object = json!({
            "bench": "intake", "load_before": self.load, "rounds": self.rounds, "seconds": self.each.as_secs(),
            "connections": by_connections, "sync_ms": fine(self.sync), "one_process": self.figures_of(App::Deckhand, all),
        });
        let doors = self.figures_of(App::Doors, all);
        if let (Some(object), Value::Object(doors)) = (object.as_object_mut(), doors) {
            object.extend(doors);
        }
        object
    }

    /// The figures of one of Deckhand's two at the connections of the bars.
    fn figures_of(&self, app: App, all: &BTreeMap<(usize, App), Summary>) -> Value {
        let ours = all.get(&(AT, app)).map(Summary::object);
        let ours = ours.unwrap_or_default();
        let [js, python] = [App::BoltJs, App::BoltPython].map(|other| beside(app, other, all));
        let figure = |one: &Option<Beside>, of: fn(&Beside) -> f64| one.as_ref().map(of).map(round);
        let both = |holds: fn(&Beside) -> bool| match (&js, &python) {
            (Some(js), Some(python)) => Some(holds(js) && holds(python)),
            _ => None,
        };
        let (paced, stored) = (self.paced.get(&app), self.stored.get(&app));
        json!({
            "requests_per_second": ours["requests_per_second"], "p50_ms": ours["p50_ms"], "p99_ms": ours["p99_ms"],
            "rss_mb": ours["rss_mb"], "own_mb": ours["own_mb"], "beside_mb": ours["beside_mb"], "work_us": ours["work_us"],
            "ratio_bolt_js": figure(&js, |js| js.rate), "ratio_bolt_python": figure(&python, |python| python.rate),
            "p99_ratio_bolt_js": figure(&js, |js| js.tail), "p99_ratio_bolt_python": figure(&python, |python| python.tail),
            "rss_ratio_bolt_js": figure(&js, |js| js.memory), "rss_ratio_bolt_python": figure(&python, |python| python.memory),
            "slack_rate": paced.map(|paced| json!({
                "per_second": PACE_PER_SECOND, "acknowledged": paced.times.len(), "not_acknowledged": paced.refused,
                "longest_ms": fine(longest(paced)),
            })),
            "acknowledged": stored.map(|stored| stored.acknowledged), "handled": stored.map(|stored| stored.handled),
            "missing": stored.map(|stored| stored.missing),
            "within_bars": {
                "requests_per_second": both(|one| one.rate >= RATE_BAR), "p99_ms": both(|one| one.tail < TAIL_BAR),
                "rss_mb": js.as_ref().map(|js| js.memory >= MEMORY_BAR), "slack_rate": paced.map(keeps_pace),
            },
        })
    }
}

fn longest(paced: &Answers) -> Duration {
    paced.times.iter().copied().max().unwrap_or_default()
}

fn keeps_pace(paced: &Answers) -> bool {
    longest(paced) < PACE_BAR && paced.refused == 0
}

fn verdicts(ours: App, all: &BTreeMap<(usize, App), Summary>) -> Vec<String> {
    let mut lines = Vec::new();
    for (app, name) in [
        (App::BoltJs, "Bolt for JavaScript"),
        (App::BoltPython, "Bolt for Python"),
    ] {
        let Some(one) = beside(ours, app, all) else {
            continue;
        };
        let (rate, tail, memory) = (one.rate, one.tail, one.memory);
        let memory_bar = match app {
            App::BoltJs => format!(", bar {MEMORY_BAR:.0}: {}", within(memory >= MEMORY_BAR)),
            App::BoltPython | App::Deckhand | App::Doors => String::new(),
        };
        lines.push(format!(
            "{} beside {name} with {AT} connections: {rate:.2} times the requests a second, bar {RATE_BAR:.0}: {}; {tail:.2} of its p99, bar {TAIL_BAR}: {};
  the other needs {memory:.1} times the memory{memory_bar}",
            ours.title(),
            within(rate >= RATE_BAR),
            within(tail < TAIL_BAR)
        ));
    }
    lines
}

fn beside(ours: App, other: App, all: &BTreeMap<(usize, App), Summary>) -> Option<Beside> {
    let (ours, other) = (all.get(&(AT, ours))?, all.get(&(AT, other))?);
    Some(Beside {
        rate: ratio(ours.rate, other.rate),
        tail: ratio(ours.p99.as_secs_f64(), other.p99.as_secs_f64()),
        memory: ratio(other.peak, ours.peak),
    })
}

/// Nought where there is nothing to divide by.
fn ratio(one: f64, other: f64) -> f64 {
    if other > 0.0 { one / other } else { 0.0 }
}

/// Milliseconds with two decimals.
fn fine(time: Duration) -> f64 {
    round(time.as_secs_f64() * 1_000.0)
}

fn row(figures: &[impl AsRef<str>]) -> String {
    let padded = figures
        .iter()
        .map(|figure| format!("{:>FIGURE$}", figure.as_ref()));
    padded.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(count: u64, each: u64) -> Answers {
        Answers {
            times: vec![Duration::from_millis(each); usize::try_from(count).unwrap()],
            acknowledged: (0..count).collect(),
            refused: 0,
            took: Duration::from_secs(1),
            worked: Duration::ZERO,
        }
    }

    fn report(ours: u64) -> Report {
        let mut figures = BTreeMap::<_, Figures>::new();
        for (app, count, each, peak) in [
            (App::Doors, ours, 4, 20_000_000),
            (App::Deckhand, 150, 6, 40_000_000),
            (App::BoltJs, 100, 10, 200_000_000),
            (App::BoltPython, 50, 12, 60_000_000),
        ] {
            let entry = figures.entry((AT, app)).or_default();
            let used = Usage {
                peak,
                own: peak / 2,
                beside: 0,
                worked: Duration::from_millis(count),
            };
            entry.add(answers(count, each), (Usage::default(), used));
        }
        Report {
            load: 0.0,
            rounds: 1,
            each: Duration::from_secs(1),
            sync: Duration::from_micros(400),
            figures,
            paced: OURS.map(|app| (app, answers(83, 5))).into(),
            stored: OURS
                .map(|app| {
                    let stored = Stored {
                        acknowledged: 300,
                        handled: 200,
                        missing: 0,
                    };
                    (app, stored)
                })
                .into(),
        }
    }

    fn told(report: &Report) -> (Value, String) {
        let all = report
            .figures
            .iter()
            .map(|(key, figures)| (*key, figures.summary()))
            .collect();
        (report.object(&all), report.table(&all).join("\n"))
    }

    #[test]
    fn a_missed_bar_is_told_in_the_table_and_in_the_object() {
        let (object, table) = told(&report(300));
        assert_eq!(object["requests_per_second"], 300.0);
        assert_eq!(object["ratio_bolt_js"], 3.0);
        assert_eq!(object["ratio_bolt_python"], 6.0);
        assert_eq!(object["rss_ratio_bolt_js"], 10.0);
        assert_eq!(object["p99_ratio_bolt_js"], 0.4);
        assert_eq!(object["connections"]["64"]["bolt_python"]["p99_ms"], 12.0);
        assert_eq!(object["connections"]["64"]["doors"]["work_us"], 1_000.0);
        let held = json!({ "requests_per_second": true, "p99_ms": true, "rss_mb": true, "slack_rate": true });
        assert_eq!(object["within_bars"], held);
        let missed = |table: &str| {
            let lines = table.lines().filter(|line| line.contains("MISSED"));
            lines
                .filter(|line| line.starts_with("Deckhand's doors"))
                .count()
        };
        assert_eq!(missed(&table), 0, "{table}");
        let one = &object["one_process"];
        assert_eq!(
            (&one["ratio_bolt_js"], &one["p99_ratio_bolt_js"]),
            (&json!(1.5), &json!(0.6))
        );
        let held = json!({ "requests_per_second": false, "p99_ms": false, "rss_mb": false, "slack_rate": true });
        assert_eq!(one["within_bars"], held);

        let (object, table) = told(&report(299));
        assert_eq!(object["within_bars"]["requests_per_second"], false);
        assert_eq!(missed(&table), 1, "{table}");
    }

    #[test]
    fn a_pace_that_is_not_kept_is_told_in_the_table_and_in_the_object() {
        let refusing = Answers {
            refused: 1,
            ..answers(83, 5)
        };
        for (paced, longest, is_kept, verdict) in [
            (answers(83, 2_999), "2999.0", true, "held"),
            (answers(83, 3_000), "3000.0", false, "MISSED"),
            (refusing, "5.0", false, "MISSED"),
        ] {
            let mut report = report(300);
            report.paced.insert(App::Doors, paced);
            let (object, table) = told(&report);
            assert_eq!(object["within_bars"]["slack_rate"], is_kept);
            // One of the two does not make up for the other.
            assert_eq!(object["one_process"]["within_bars"]["slack_rate"], true);
            let at_the_pace = format!("{} at {PACE_PER_SECOND} events", App::Doors.title());
            let line = table.lines().find(|line| line.starts_with(&at_the_pace));
            let told = format!("the longest acknowledgement {longest} ms, bar 3000: {verdict}");
            assert!(line.unwrap().ends_with(&told), "{table}");
        }
    }

    #[test]
    fn what_storing_costs_is_told_beside_who_keeps_nothing() {
        let mut report = report(300);
        let (_, table) = told(&report);
        assert!(!table.contains("What storing costs"), "{table}");
        for (app, count, each) in [(App::Doors, 100, 8), (App::BoltJs, 250, 2)] {
            let alone = report.figures.entry((1, app)).or_default();
            alone.add(answers(count, each), (Usage::default(), Usage::default()));
        }
        let (_, table) = told(&report);
        let by_itself = "What storing costs: with one connection every acknowledgement waits for the disk by itself. It takes 8.00 ms, of
  which a bare write that reaches the disk takes 0.40 ms here.";
        let beside = " Bolt for JavaScript, which keeps nothing, takes 2.00 ms: at one connection it acknowledges 2.5 times as many.";
        assert!(table.contains(&format!("{by_itself}{beside}")), "{table}");

        report.figures.remove(&(1, App::BoltJs));
        let (_, table) = told(&report);
        assert!(table.contains(by_itself), "{table}");
        assert!(!table.contains("which keeps nothing"), "{table}");
    }

    #[test]
    fn without_the_others_their_ratios_are_left_open() {
        let mut report = report(300);
        report.figures.retain(|(_, app), _| app.stores());
        let (object, _) = told(&report);
        assert_eq!(object["ratio_bolt_js"], Value::Null);
        assert_eq!(object["within_bars"]["rss_mb"], Value::Null);
        assert_eq!(object["within_bars"]["slack_rate"], true);
    }
}
