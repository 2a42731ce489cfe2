//! What was measured, as a table for people and one JSON object for programs.

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use super::bare::Bare;
use super::crowd::Crowd;
use super::latency::Alone;
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

/// Characters of a row's name, of the same with its indent, and of a figure.
const NAME: usize = 44;
const WIDTH: usize = NAME + 2;
const FIGURE: usize = 10;

/// Everything that was measured.
pub struct Report {
    /// One task after another.
    pub alone: Alone,
    /// The bare costs.
    pub bare: Bare,
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
        let container = milliseconds(self.bare.container.median());
        let clone = milliseconds(self.bare.clone.median());
        let whole_agent = milliseconds(self.bare.agent.median());
        let without_clone = milliseconds(self.alone.command.median()) - whole_agent;
        let (idle, busy) = (megabytes(self.memory.idle), megabytes(self.memory.busy));
        let tasks = u32::try_from(self.memory.tasks.max(1)).map_or(f64::MAX, f64::from);
        Verdict {
            container,
            clone,
            agent: whole_agent - container,
            overhead: without_clone - clone,
            overhead_without_clone: without_clone,
            idle,
            busy,
            each: (busy - idle) / tasks,
        }
    }

    fn table(&self, verdict: &Verdict) -> String {
        let mut table = String::new();
        self.tell_one_by_one(&mut table, verdict);
        self.tell_crowd(&mut table);
        self.tell_memory(&mut table, verdict);
        table
    }

    fn tell_one_by_one(&self, table: &mut String, verdict: &Verdict) {
        let alone = &self.alone;
        let Verdict {
            container,
            clone,
            agent,
            ..
        } = verdict;
        let start = container + agent;
        let all = start + container + clone;
        let title = format!("One task after another, {} times; ms", alone.command.len());
        put(
            table,
            format_args!(
                "\n{title:<WIDTH$}{}",
                heads(["median", "min", "max", "bare"])
            ),
        );
        let rows = [
            ("mention to reaction", &alone.reaction, None),
            ("mention to first words", &alone.words, None),
            ("mention to plan card (a)", &alone.plan, Some(all)),
            (
                "approval to the agent's first command (b)",
                &alone.command,
                Some(start),
            ),
            ("approval to result (a)", &alone.result, Some(all)),
        ];
        for (name, series, bare) in rows {
            let bare = bare.map_or_else(|| "-".to_owned(), |bare| format!("{bare:.1}"));
            let figures = [series.median(), series.shortest(), series.longest()];
            put(
                table,
                format_args!("  {name:<NAME$}{}{bare:>FIGURE$}", row(figures)),
            );
        }
        let explained = format!(
            "  Bare: docker run until its first word {container:.1}, git clone --local {clone:.1}, the agent's own start to its first\n  \
             command {agent:.1}. (a) is two containers, a clone and an agent; (b) is a container and an agent."
        );
        put(table, format_args!("{explained}"));
        let held = within(verdict.overhead <= OVERHEAD_BAR_MS);
        put(
            table,
            format_args!(
                "  Our part of approval to first command, over container, agent and clone: {:.1}, bar {OVERHEAD_BAR_MS:.0}: {held};",
                verdict.overhead
            ),
        );
        put(
            table,
            format_args!(
                "  over container and agent alone, because the clone is made before the plan: {:.1}",
                verdict.overhead_without_clone
            ),
        );
    }

    fn tell_crowd(&self, table: &mut String) {
        let crowd = &self.crowd;
        let title = format!("{} mentions at once; ms", crowd.words.len());
        put(
            table,
            format_args!("\n{title:<WIDTH$}{}", heads(["p50", "p95", "max", "bar"])),
        );
        let rows = [
            ("mention to reaction", &crowd.reaction, REACTION_BAR),
            ("mention to first words", &crowd.words, WORDS_BAR),
        ];
        for (name, series, bar) in rows {
            let held = within(series.longest() <= bar);
            let figures = [series.median(), series.percentile(95), series.longest()];
            put(
                table,
                format_args!(
                    "  {name:<NAME$}{}{:>FIGURE$} {held}",
                    row(figures),
                    bar.as_millis()
                ),
            );
        }
    }

    fn tell_memory(&self, table: &mut String, verdict: &Verdict) {
        let Verdict {
            idle, busy, each, ..
        } = verdict;
        let tasks = self.memory.tasks;
        put(table, format_args!("\nResident memory of the bot; MB"));
        put(
            table,
            format_args!(
                "  idle {idle:.1}, bar {IDLE_BAR_MB:.0}: {}",
                within(*idle <= IDLE_BAR_MB)
            ),
        );
        put(
            table,
            format_args!(
                "  with {tasks} tasks in flight {busy:.1}; each {each:.2}, bar {TASK_BAR_MB:.0}: {}\n",
                within(*each <= TASK_BAR_MB)
            ),
        );
    }

    fn object(&self, verdict: &Verdict) -> Value {
        let Self { alone, crowd, .. } = self;
        let spread = |series: &Series| json!({ "median": milliseconds(series.median()), "min": milliseconds(series.shortest()), "max": milliseconds(series.longest()) });
        let many = |series: &Series| json!({ "p50": milliseconds(series.median()), "p95": milliseconds(series.percentile(95)), "max": milliseconds(series.longest()) });
        json!({
            "bench": "main", "agent": AGENT, "runs": alone.command.len(),
            "milliseconds": {
                "reaction": spread(&alone.reaction), "words": spread(&alone.words), "plan": spread(&alone.plan),
                "first_command": spread(&alone.command), "result": spread(&alone.result),
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

/// One more line; writing into a text does not fail.
fn put(table: &mut String, line: std::fmt::Arguments<'_>) {
    let _ = writeln!(table, "{line}");
}

fn heads(names: [&str; 4]) -> String {
    names.map(|name| format!("{name:>FIGURE$}")).concat()
}

fn row(figures: [Duration; 3]) -> String {
    figures
        .map(|figure| format!("{:>FIGURE$.1}", milliseconds(figure)))
        .concat()
}

const fn within(is_held: bool) -> &'static str {
    if is_held { "held" } else { "MISSED" }
}

fn round(figure: f64) -> f64 {
    (figure * 100.0).round() / 100.0
}

#[expect(
    clippy::cast_precision_loss,
    reason = "memory of one process is far below what a float counts exactly"
)]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
