//! Watches one run: starts its agent, hears everything that it does, keeps the ceilings, and takes out what it made.

use std::{collections::BTreeMap, time::Duration};

use deckhand_executors::{
    SandboxName,
    agent::{AgentEvent, AgentFailure, HandoverCall, TurnEnded},
    sandbox::Condition,
};
use futures::{FutureExt as _, future::BoxFuture};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{Context, sandbox, tools};
use crate::{
    domain::{
        RunNumber,
        event::{Ending, RunFailure},
        task::Task,
    },
    redact::Sought,
    store::runs::{LogKind, RunTicket},
    words,
};

mod attach;
mod citing;
mod ending;
mod keep;
mod progress;
mod pulse;
mod spend;
mod stance;
mod start;
mod steering;
mod take_out;
mod unlogged;

pub use keep::{Hold, keep};
pub use stance::{Detached, Prepared};
pub use start::{Started, open_again, start, usage_before};
pub use steering::Words;

use ending::{died, end, failure_of};
use progress::Reporter;
use pulse::{Beat, Pulse};
use stance::{Marked, Resume, SessionHandle, mark, resume, resume_of};
use steering::Pending;
use unlogged::Unlogged;

/// The most text that an agent may write in one run, in bytes.
const OUTPUT_MAX_BYTES: usize = 64 << 20;
/// How often the ceilings are looked at.
const TICK: Duration = Duration::from_secs(1);
/// The longest piece of an agent's words in one line of the log, in characters.
const LOG_TEXT_MAX_CHARS: usize = 4_000;
/// The longest last words that are kept, in characters.
const CLOSING_WORDS_MAX_CHARS: usize = 600;
/// How many calls of handover tools may wait.
const CALLS_MAX: usize = 16;
/// Names of rules files that agents honour; they are named in the prompt where they are present.
const RULES_FILES: [&str; 3] = ["AGENTS.md", "CLAUDE.md", "GEMINI.md"];

/// What became of a watch.
enum Watched {
    /// The run is over.
    Over(Box<Ending>),
    /// The agent is not heard any more, and nothing says that its run is over.
    CutOff(Box<Prepared>),
    /// It was let go from outside, which whoever did so knows already.
    LetGo,
}

/// Watches until the run is over, or cannot be heard any more.
async fn watch(
    watcher: &mut Watcher<'_>,
    mut prepared: Box<Prepared>,
    steering: &mut mpsc::Receiver<Words>,
    stop: &CancellationToken,
) -> Watched {
    watcher.left = prepared.egress.left();
    watcher.unlogged = Unlogged::behind(prepared.session.resume_point());
    let mut tick = tokio::time::interval(TICK);
    let mut spending = prepared.egress.spending();
    let mut probing: BoxFuture<'_, Option<Condition>> = std::future::pending().boxed();
    let failure = loop {
        let heard = tokio::select! {
            biased;
            () = stop.cancelled() => {
                watcher.let_go(&mut prepared).await;
                return Watched::LetGo;
            }
            Some(words) = steering.recv() => {
                watcher.steer(&mut prepared, words).await;
                Heard::Going
            }
            Some(call) = prepared.calls.recv() => {
                watcher.called(&mut prepared, call).await;
                Heard::Going
            }
            event = prepared.session.next_event() => {
                let heard = watcher.heard(&mut prepared, event).await;
                watcher.unlogged.heard_to(prepared.session.resume_point());
                heard
            }
            Ok(()) = spending.changed() => watcher.spent(&mut prepared).await,
            condition = &mut probing => {
                probing = std::future::pending().boxed();
                let now = watcher.context.clock.steady();
                watcher.pulse.answered(condition.as_ref(), now).into()
            }
            _ = tick.tick() => {
                let now = watcher.context.clock.steady();
                if watcher.pulse.is_due(now) {
                    watcher.pulse.ask(now);
                    probing = probe(watcher.context, sandbox::run_name(&watcher.task.id, watcher.run));
                }
                watcher.ticked(&mut prepared).await
            }
        };
        match heard {
            Heard::Going => {}
            Heard::Over(failure) => break failure,
            Heard::CutOff => {
                watcher.flush_text().await;
                watcher.mark(&mut prepared).await;
                return Watched::CutOff(prepared);
            }
        }
    };
    Watched::Over(Box::new(Box::pin(end(watcher, prepared, failure)).await))
}

fn probe(context: &Context, name: SandboxName) -> BoxFuture<'_, Option<Condition>> {
    async move { pulse::ask(context, &name).await }.boxed()
}

/// Whether a run goes on after what was heard.
enum Heard {
    Going,
    Over(Option<RunFailure>),
    /// The agent has to be attached to again.
    CutOff,
}

impl From<Beat> for Heard {
    fn from(beat: Beat) -> Self {
        match beat {
            Beat::Going => Self::Going,
            Beat::AttachAgain => Self::CutOff,
            Beat::Over(failure) => Self::Over(Some(failure)),
        }
    }
}

struct Watcher<'a> {
    context: &'a Context,
    task: &'a Task,
    run: RunNumber,
    /// What the run is watched by: what is stored of it is stored under this alone.
    ticket: &'a RunTicket,
    reporter: Reporter<'a>,
    /// Words that were not written into the log yet.
    unlogged: Unlogged,
    /// The agent's words since its last use of a tool.
    closing: String,
    bytes: usize,
    pulse: Pulse,
    /// Words that interrupt the turn; told as soon as it has ended.
    pending: Pending,
    /// What had left by each rule of the network policy when that was stored last, in bytes.
    left: BTreeMap<String, u64>,
}

impl<'a> Watcher<'a> {
    fn new(context: &'a Context, task: &'a Task, ticket: &'a RunTicket, hold: &Hold) -> Self {
        let (assignment, started, is_taken_up) = match hold {
            Hold::Prepared(prepared) => (&prepared.assignment, prepared.started, false),
            Hold::Detached(detached) => (&detached.assignment, detached.started, true),
        };
        let mut reporter = Reporter::new(context, (task, ticket), assignment, started);
        if is_taken_up {
            reporter.taken_up();
        }
        Self {
            context,
            task,
            run: ticket.run,
            ticket,
            reporter,
            unlogged: Unlogged::default(),
            closing: String::new(),
            bytes: 0,
            pulse: Pulse::new(&context.config.limits, context.clock.steady()),
            pending: Pending::default(),
            left: BTreeMap::new(),
        }
    }

    /// Says nothing more.
    async fn finish(self) {
        self.reporter.finish().await;
    }

    /// Closes the way out. Where only this process ends, the next one goes on with what was spent.
    async fn let_go(&self, prepared: &mut Prepared) {
        prepared.egress.revoke();
        prepared.egress.settled().await;
        self.mark(prepared).await;
    }

    /// Stores how far the run was heard: up to the words that are in no log yet, which whoever goes on hears again.
    async fn mark(&self, prepared: &mut Prepared) -> Marked {
        let point = self.unlogged.point(prepared.session.resume_point());
        let resume = resume(&point, &prepared.ending, &prepared.egress);
        mark(self.context, self.ticket, resume).await
    }

    /// The agent's last words, without any secret, cut.
    fn take_closing_words(&mut self) -> String {
        let closing = std::mem::take(&mut self.closing);
        let closing = self.context.redactor.redact(closing.trim());
        crate::domain::clip(&closing, CLOSING_WORDS_MAX_CHARS)
    }

    async fn called(&mut self, prepared: &mut Prepared, mut call: HandoverCall) {
        self.pulse.heard(self.context.clock.steady());
        // Only what is held: checks are commands that will be run as they are.
        let redactor = &self.context.redactor;
        redactor.redact_value(&mut call.arguments, Sought::Held);
        let answer = match call.tool.as_str() {
            tools::NETWORK_ACCESS => self.network_access(call.arguments).await,
            tools::SUBMIT_ANSWER => {
                let ending = &mut prepared.ending;
                citing::take(self.context, self.task, ending, call.arguments).await
            }
            _ => tools::take(&mut prepared.ending, &call.tool, call.arguments),
        };
        self.log(LogKind::Tool, json!({"tool": call.tool, "taken": answer.is_ok(), "answer": answer.clone().unwrap_or_else(|error| error)})).await;
        self.reporter.step(match call.tool.as_str() {
            "submit_specification" => "The specification is written.",
            "submit_plan" => "The plan is written.",
            tools::SUBMIT_ANSWER => "The answer is written.",
            "ask_person" => "The agent has a question.",
            tools::NETWORK_ACCESS => "The agent looks at what it may reach.",
            _ => "The agent has reported on the requirements.",
        });
        self.mark(prepared).await;
        // An agent that is gone needs no answer.
        let _ = call.answer.send(answer);
    }

    /// What people decided is read from the task as it stands now, not as it was when the run began.
    async fn network_access(&self, arguments: Value) -> Result<String, String> {
        let asked: tools::NetworkAccess = serde_json::from_value(arguments)
            .map_err(|error| format!("the arguments do not fit the schema: {error}"))?;
        let stored = self.context.store.task(&self.task.id).await;
        let stored = stored.map_err(|_| "this could not be read now; call it again".to_owned())?;
        let task = stored.as_ref().map_or(self.task, |stored| &stored.task);
        words::network_answer(&task.network, asked.host.as_deref())
            .map_err(|error| error.to_string())
    }

    async fn heard(&mut self, prepared: &mut Prepared, event: AgentEvent) -> Heard {
        if !matches!(event, AgentEvent::Ended { .. }) {
            self.pulse.heard(self.context.clock.steady());
            self.reporter.heard();
        }
        match event {
            AgentEvent::Text(text) => {
                self.bytes += text.len();
                self.unlogged.push(&text);
                self.closing.push_str(&text);
                if self.closing.len() > 4 * CLOSING_WORDS_MAX_CHARS {
                    self.closing =
                        crate::domain::clip(&self.closing, 4 * CLOSING_WORDS_MAX_CHARS - 1);
                }
                if self.unlogged.len() > LOG_TEXT_MAX_CHARS {
                    let text = self.unlogged.take_whole_words();
                    self.log_text(&text).await;
                }
            }
            AgentEvent::Thought(text) => {
                self.bytes += text.len();
                self.reporter.thought(&text);
            }
            AgentEvent::ToolStarted(started) => {
                if let Some(command) = &started.command {
                    prepared.egress.note_command(command);
                }
                self.flush_text().await;
                self.closing.clear();
                self.reporter
                    .tool(&started.title, started.command.as_deref());
                if started.command.is_none() {
                    self.log(LogKind::Tool, json!({"tool": started.title}))
                        .await;
                }
            }
            AgentEvent::ToolEnded(ended) => {
                self.bytes += ended.output_tail.len();
                if let Some(command) = ended.command {
                    self.log(LogKind::Command, json!({"command": command, "status": ended.exit_status, "outcome": format!("{:?}", ended.outcome), "tail": ended.output_tail})).await;
                }
                self.mark(prepared).await;
            }
            AgentEvent::PlanUpdated(steps) => self.reporter.plan(&steps),
            // What it costs is read where it leaves the sandbox.
            AgentEvent::Usage(_) => {}
            AgentEvent::Notice(notice) => self.log(LogKind::Host, json!({"notice": notice})).await,
            AgentEvent::TurnEnded(turn) => return self.turn_ended(prepared, turn).await,
            AgentEvent::Ended {
                failure,
                errors_tail,
            } => return self.process_ended(failure, errors_tail).await,
        }
        if self.bytes > OUTPUT_MAX_BYTES {
            return Heard::Over(Some(RunFailure::TooMuchOutput));
        }
        Heard::Going
    }

    async fn turn_ended(&mut self, prepared: &mut Prepared, turn: TurnEnded) -> Heard {
        if let Some(heard) = self.tell_pending(prepared).await {
            return heard;
        }
        Heard::Over(turn.failure.map(failure_of))
    }

    /// The end of the output is the end of the run only where the engine says so too: a connection can break off.
    async fn process_ended(&mut self, failure: Option<AgentFailure>, errors_tail: String) -> Heard {
        if let Some(failure) = failure {
            return Heard::Over(Some(failure_of(failure)));
        }
        let name = sandbox::run_name(&self.task.id, self.run);
        match pulse::ask(self.context, &name).await {
            Some(condition @ (Condition::Ended { .. } | Condition::Absent)) => {
                Heard::Over(Some(died(&condition, errors_tail)))
            }
            Some(Condition::Running) | None => self.pulse.cut_off().into(),
        }
    }

    /// What is looked at every second.
    async fn ticked(&mut self, prepared: &mut Prepared) -> Heard {
        self.note_what_left(prepared).await;
        let (now, steady) = (self.context.clock.now(), self.context.clock.steady());
        self.reporter.trouble(self.pulse.trouble(steady));
        self.reporter.tick();
        if now.milliseconds_since(prepared.started) > self.task.ceilings.run_ms {
            return Heard::Over(Some(RunFailure::OutOfTime));
        }
        if self.task.work_left_ms(now) <= 0 {
            return Heard::Over(Some(RunFailure::OutOfWorkTime));
        }
        if self.pending.is_deaf() {
            return Heard::Over(None);
        }
        self.pulse.at(steady).into()
    }

    /// Takes note of what was spent, for people and for another process; the run is over where that is too much.
    async fn spent(&mut self, prepared: &mut Prepared) -> Heard {
        let spend = prepared.egress.spend();
        let usage = spend::usage_of(&spend);
        self.reporter.spent(self.task.usage.plus(usage));
        self.mark(prepared).await;
        if spend::is_over(&self.task.usage, &self.task.ceilings, &spend) {
            return Heard::Over(Some(RunFailure::OutOfBudget));
        }
        Heard::Going
    }

    /// Stores what has left, so that another process goes on counting there.
    async fn note_what_left(&mut self, prepared: &mut Prepared) {
        let left = prepared.egress.left();
        if left != self.left {
            self.left = left;
            self.mark(prepared).await;
        }
    }

    async fn flush_text(&mut self) {
        let text = self.unlogged.take();
        self.log_text(&text).await;
    }

    async fn log_text(&mut self, text: &str) {
        if text.trim().is_empty() {
            return;
        }
        let text = self.context.redactor.redact(text.trim());
        let text = crate::domain::clip(&text, LOG_TEXT_MAX_CHARS);
        self.reporter.says(&text);
        self.log(LogKind::Text, json!({"text": text})).await;
    }

    async fn log(&self, kind: LogKind, body: Value) {
        let written = self.context.log_run(&self.task.id, self.run, kind, body);
        if let Err(error) = written.await {
            warn!(task = %self.task.id, error = &error as &dyn std::error::Error, "a line of a run's log is lost");
        }
    }
}
