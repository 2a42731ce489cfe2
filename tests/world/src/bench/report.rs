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
        let Self { alone, crowd, .. } = self;
        let Verdict {
            container,
            clone,
            agent,
            ..
        } = verdict;
        let start = container + agent;
        let mut table = format!(
            "\nOne task after another, {} times, milliseconds                 median      min      max     bare\n",
            alone.command.len()
        );
        let rows = [
            ("mention to reaction", &alone.reaction, None),
            ("mention to first words", &alone.words, None),
            (
                "mention to plan card",
                &alone.plan,
                Some(container + clone + start),
            ),
            (
                "approval to the agent's first command",
                &alone.command,
                Some(start),
            ),
            (
                "approval to result",
                &alone.result,
                Some(start + container + clone),
            ),
        ];
        for (name, series, bare) in rows {
            let bare = bare.map_or_else(|| "-".to_owned(), |bare| format!("{bare:.1}"));
            put(
                &mut table,
                format_args!("  {name:<60}{}{bare:>9}", three(series)),
            );
        }
        put(
            &mut table,
            format_args!(
                "  bare: container {container:.1} (docker run until its first word), clone {clone:.1} (git clone --local), agent {agent:.1}"
            ),
        );
        put(
            &mut table,
            format_args!(
                "  (its own start to its first command); plan card: two containers, clone, agent; result: two containers, clone, agent"
            ),
        );
        let overhead = within(verdict.overhead <= OVERHEAD_BAR_MS);
        put(
            &mut table,
            format_args!(
                "  our part of approval to first command: {:.1}, bar {OVERHEAD_BAR_MS:.0}: {overhead}",
                verdict.overhead
            ),
        );
        put(
            &mut table,
            format_args!(
                "  the same with no allowance for the clone, which is made before the plan: {:.1}",
                verdict.overhead_without_clone
            ),
        );
        put(
            &mut table,
            format_args!(
                "\n{} mentions at once, milliseconds                                p50      p95      max      bar",
                crowd.words.len()
            ),
        );
        for (name, series, bar) in [
            ("mention to reaction", &crowd.reaction, REACTION_BAR),
            ("mention to first words", &crowd.words, WORDS_BAR),
        ] {
            let held = within(series.longest() <= bar);
            let figures = [series.median(), series.percentile(95), series.longest()];
            put(
                &mut table,
                format_args!("  {name:<60}{}{:>9} {held}", row(figures), bar.as_millis()),
            );
        }
        put(&mut table, format_args!("\nResident memory of the bot, MB"));
        put(
            &mut table,
            format_args!(
                "  idle {:.1}, bar {IDLE_BAR_MB:.0}: {}",
                verdict.idle,
                within(verdict.idle <= IDLE_BAR_MB)
            ),
        );
        let each = within(verdict.each <= TASK_BAR_MB);
        put(
            &mut table,
            format_args!(
                "  with {} tasks in flight {:.1}; each {:.2}, bar {TASK_BAR_MB:.0}: {each}\n",
                self.memory.tasks, verdict.busy, verdict.each
            ),
        );
        table
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

fn three(series: &Series) -> String {
    row([series.median(), series.shortest(), series.longest()])
}

fn row(figures: [Duration; 3]) -> String {
    figures
        .map(|figure| format!("{:>9.1}", milliseconds(figure)))
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
