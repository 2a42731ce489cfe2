//! What was measured, as a table for people and one JSON object for programs.

use std::io::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use super::crowd::Crowd;
use super::latency::{Allowance, Alone, Walk};
use super::memory::Memory;
use super::place::AGENT;
use super::series::{Series, milliseconds};

/// The longest wait for a reaction, with all mentions at once.
const REACTION_BAR: Duration = Duration::from_secs(1);
/// The longest wait for first words, with all mentions at once.
const WORDS_BAR: Duration = Duration::from_secs(2);
/// The most that Deckhand may add between the approval and the agent's first command.
const OVERHEAD_BAR_MS: f64 = 500.0;
/// The most memory of an idle Deckhand, in megabytes.
const IDLE_BAR_MB: f64 = 40.0;
/// The most memory of one more task in flight, in megabytes.
const TASK_BAR_MB: f64 = 1.0;

/// More load than this before the measurement is told.
pub const LOAD_MAX: f64 = 0.5;
/// Characters of a row's name, of the same with its indent, and of a figure.
const NAME: usize = 44;
const WIDTH: usize = NAME + 2;
const FIGURE: usize = 10;

/// Everything that was measured.
pub struct Report {
    /// How many processes wanted to run in the minute before.
    pub load: f64,
    /// One task after another.
    pub alone: Alone,
    /// Many mentions at once.
    pub crowd: Crowd,
    /// Memory.
    pub memory: Memory,
}

/// What follows from the figures.
struct Verdict {
    container: f64,
    clone: f64,
    agent: f64,
    overhead: f64,
    overhead_without_clone: f64,
    idle: f64,
    busy: f64,
    each: f64,
}

impl Verdict {
    fn overhead(&self) -> String {
        let Verdict {
            container,
            clone,
            agent,
            overhead,
            overhead_without_clone,
            ..
        } = self;
        let held = within(*overhead <= OVERHEAD_BAR_MS);
        format!(
            "  Bare: docker run until its first word {container:.1}, git clone --local {clone:.1}, the agent's own start to its
  first command {agent:.1}. (a) is two containers, a clone and an agent; (b) is a container and an agent.
  Our part of approval to first command, over container, agent and clone: {overhead:.1}, bar {OVERHEAD_BAR_MS:.0}: {held};
  over container and agent alone, because the clone is made before the plan: {overhead_without_clone:.1}."
        )
    }
}

impl Report {
    /// Prints both.
    pub fn print(&self) -> anyhow::Result<()> {
        let verdict = self.verdict();
        let mut output = std::io::stdout();
        write!(output, "{}", self.table(&verdict))?;
        writeln!(output, "{}", self.object(&verdict))?;
        Ok(())
    }

    fn verdict(&self) -> Verdict {
        let container = milliseconds(self.alone.of(|_, bare| bare.container).median());
        let (idle, busy) = (megabytes(self.memory.idle), megabytes(self.memory.busy));
        let tasks = u32::try_from(self.memory.tasks.max(1)).map_or(f64::MAX, f64::from);
        Verdict {
            container,
            clone: milliseconds(self.alone.of(|_, bare| bare.clone).median()),
            agent: milliseconds(self.alone.of(|_, bare| bare.agent).median()) - container,
            overhead: self.alone.overhead(Allowance::WithClone),
            overhead_without_clone: self.alone.overhead(Allowance::WithoutClone),
            idle,
            busy,
            each: (busy - idle) / tasks,
        }
    }

    fn table(&self, verdict: &Verdict) -> String {
        let mut lines = Vec::new();
        if self.load > LOAD_MAX {
            let load = self.load;
            lines.push(format!(
                "\nThe machine had other work (load {load:.1}): these are not the best figures."
            ));
        }
        lines.extend(self.one_by_one(verdict));
        lines.push(verdict.overhead());
        lines.extend(self.crowd());
        lines.extend(self.memory(verdict));
        lines.join("\n") + "\n\n"
    }

    fn one_by_one(&self, verdict: &Verdict) -> Vec<String> {
        let alone = &self.alone;
        let one = verdict.container + verdict.agent;
        let all = one + verdict.container + verdict.clone;
        let bare = |milliseconds: f64| format!("{milliseconds:.1}");
        let title = format!("One task after another, {} times; ms", alone.len());
        let times = |of: fn(&Walk) -> Duration| alone.of(|walk, _| of(walk)).spread();
        vec![
            head(&title, ["median", "min", "max", "bare"]),
            row("mention to reaction", times(|walk| walk.reaction), "-"),
            row("mention to first words", times(|walk| walk.words), "-"),
            row(
                "mention to plan card (a)",
                times(|walk| walk.plan),
                &bare(all),
            ),
            row(
                "approval to first command (b)",
                times(|walk| walk.command),
                &bare(one),
            ),
            row(
                "approval to result (a)",
                times(|walk| walk.result),
                &bare(all),
            ),
        ]
    }

    fn crowd(&self) -> Vec<String> {
        let crowd = &self.crowd;
        let title = format!("{} mentions at once; ms", crowd.words.len());
        let line = |name: &str, series: &Series, bar: Duration| {
            let held = within(series.longest() <= bar);
            format!(
                "{} {held}",
                row(name, series.tail(), &bar.as_millis().to_string())
            )
        };
        vec![
            head(&title, ["p50", "p95", "max", "bar"]),
            line("mention to reaction", &crowd.reaction, REACTION_BAR),
            line("mention to first words", &crowd.words, WORDS_BAR),
        ]
    }

    fn memory(&self, verdict: &Verdict) -> Vec<String> {
        let Verdict {
            idle, busy, each, ..
        } = verdict;
        let tasks = self.memory.tasks;
        let (idle_held, each_held) = (within(*idle <= IDLE_BAR_MB), within(*each <= TASK_BAR_MB));
        vec![
            "\nResident memory of the bot; MB".to_owned(),
            format!("  idle {idle:.1}, bar {IDLE_BAR_MB:.0}: {idle_held}"),
            format!(
                "  with {tasks} tasks in flight {busy:.1}; each {each:.2}, bar {TASK_BAR_MB:.0}: {each_held}"
            ),
        ]
    }

    fn object(&self, verdict: &Verdict) -> Value {
        let Self { alone, crowd, .. } = self;
        let spread = |of: fn(&Walk) -> Duration| {
            let [median, min, max] = alone.of(|walk, _| of(walk)).spread().map(milliseconds);
            json!({ "median": median, "min": min, "max": max })
        };
        let many = |series: &Series| {
            let [p50, p95, max] = series.tail().map(milliseconds);
            json!({ "p50": p50, "p95": p95, "max": max })
        };
        json!({
            "bench": "main", "agent": AGENT, "load_before": self.load, "runs": alone.len(),
            "milliseconds": {
                "reaction": spread(|walk| walk.reaction), "words": spread(|walk| walk.words), "plan": spread(|walk| walk.plan),
                "first_command": spread(|walk| walk.command), "result": spread(|walk| walk.result),
            },
            "bare_milliseconds": {
                "container": round(verdict.container), "clone": round(verdict.clone), "agent": round(verdict.agent),
            },
            "overhead_milliseconds": round(verdict.overhead),
            "overhead_without_clone_milliseconds": round(verdict.overhead_without_clone),
            "crowd": { "mentions": crowd.words.len(), "reaction": many(&crowd.reaction), "words": many(&crowd.words) },
            "memory_mb": {
                "idle": round(verdict.idle), "tasks": self.memory.tasks, "busy": round(verdict.busy), "each": round(verdict.each),
            },
            "within_bars": {
                "reaction": crowd.reaction.longest() <= REACTION_BAR, "words": crowd.words.longest() <= WORDS_BAR,
                "overhead": verdict.overhead <= OVERHEAD_BAR_MS, "idle": verdict.idle <= IDLE_BAR_MB,
                "each": verdict.each <= TASK_BAR_MB,
            },
        })
    }
}

/// How many processes wanted to run in the last minute.
pub fn load() -> anyhow::Result<f64> {
    let averages = std::fs::read_to_string("/proc/loadavg")?;
    Ok(averages.split(' ').next().unwrap_or_default().parse()?)
}

fn head(title: &str, names: [&str; 4]) -> String {
    let names = names.map(|name| format!("{name:>FIGURE$}")).concat();
    format!("\n{title:<WIDTH$}{names}")
}

fn row(name: &str, figures: [Duration; 3], last: &str) -> String {
    let figures = figures.map(|figure| format!("{:>FIGURE$.1}", milliseconds(figure)));
    format!("  {name:<NAME$}{}{last:>FIGURE$}", figures.concat())
}

/// Whether a bar was held, as a word.
pub const fn within(is_held: bool) -> &'static str {
    if is_held { "held" } else { "MISSED" }
}

/// Two decimals.
pub fn round(figure: f64) -> f64 {
    (figure * 100.0).round() / 100.0
}

/// Megabytes of so many bytes.
#[expect(
    clippy::cast_precision_loss,
    reason = "memory of one process is far below what a float counts exactly"
)]
pub fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
