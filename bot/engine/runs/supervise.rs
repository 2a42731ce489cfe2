//! Watches one run: starts its agent, hears everything that it does, keeps the ceilings, and takes out what it made.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use deckhand_executors::{
    agent::{
        AgentEvent, AgentFailure, AgentSession, AgentSessionId, Handover, HandoverCall,
        ResumePoint, Turn, TurnEnded,
    },
    egress::Spend,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{Context, died, sandbox, tools, ways::Way};
use crate::{
    domain::{
        RunNumber, Timestamp,
        effect::Assignment,
        event::{Ending, RunFailure},
        task::Task,
    },
    redact::Sought,
    store::runs::LogKind,
    words::{self, PromptExtra},
};

mod progress;
mod spend;
mod start;
mod take_out;

pub use start::{Started, start, take_up, usage_before};

use progress::Reporter;

/// The most text that an agent may write in one run, in bytes.
const OUTPUT_MAX_BYTES: usize = 64 << 20;
/// How long an agent may take to let itself be interrupted; then its run ends, and the words begin the next one.
const INTERRUPT_WITHIN: Duration = Duration::from_secs(5);
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

/// A run that is ready to be watched.
pub struct Prepared {
    session: AgentSession,
    /// The one way out; closed when this is dropped.
    egress: Way,
    /// The tools; withdrawn when this is dropped.
    _handover: Handover,
    calls: mpsc::Receiver<HandoverCall>,
    ending: Ending,
    assignment: Assignment,
    started: Timestamp,
}

/// What another process needs to take a run up; stored with the run.
#[derive(Debug, Serialize, Deserialize)]
struct Resume {
    point: ResumePoint,
    ending: Ending,
    #[serde(default)]
    spend: Spend,
    /// What had left by each rule of the network policy, in bytes.
    #[serde(default)]
    left: BTreeMap<String, u64>,
}

/// The agent's session, and what it had cost, as the task keeps it.
#[derive(Debug, Serialize, Deserialize)]
struct SessionHandle {
    id: AgentSessionId,
    cost: deckhand_executors::agent::MicroDollars,
}

/// Watches until the run is over. None where it was stopped from outside, which the task knows already.
pub async fn watch(
    context: &Context,
    task: &Task,
    run: RunNumber,
    mut prepared: Prepared,
    mut steering: mpsc::Receiver<String>,
    stop: CancellationToken,
) -> Option<Ending> {
    let mut watcher = Watcher {
        context,
        task,
        run,
        reporter: Reporter::new(context, task, &prepared.assignment, prepared.started),
        text: String::new(),
        closing: String::new(),
        bytes: 0,
        heard: context.clock.now(),
        steer: None,
        left: prepared.egress.left(),
    };
    let mut tick = tokio::time::interval(TICK);
    let mut spending = prepared.egress.spending();
    let failure = loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => {
                prepared.egress.revoke();
                // Where only this process ends, the next one goes on with what was spent.
                prepared.egress.settled().await;
                mark(context, task, run, resume_of(&prepared)).await;
                watcher.reporter.finish().await;
                return None;
            }
            Some(words) = steering.recv() => watcher.steer(&mut prepared, words),
            Some(call) = prepared.calls.recv() => watcher.called(&mut prepared, call).await,
            event = prepared.session.next_event() => match watcher.heard(&mut prepared, event).await {
                Heard::Going => {}
                Heard::Over(failure) => break failure,
            },
            Ok(()) = spending.changed() => {
                if watcher.spent(&mut prepared).await {
                    break Some(RunFailure::OutOfBudget);
                }
            }
            _ = tick.tick() => {
                watcher.note_what_left(&mut prepared).await;
                if let Some(failure) = watcher.ceiling(&prepared) {
                    break Some(failure);
                }
                if watcher.is_deaf() {
                    break None;
                }
            }
        }
    };
    Some(Box::pin(end(watcher, prepared, failure)).await)
}

/// What a run left that is over.
async fn end(
    mut watcher: Watcher<'_>,
    mut prepared: Prepared,
    failure: Option<RunFailure>,
) -> Ending {
    prepared.egress.revoke();
    let spend = prepared.egress.settled().await;
    watcher.flush_text().await;
    if let Some(body) = spend::difference(&prepared.session.usage(), &spend) {
        watcher.log(LogKind::Host, body).await;
    }
    let Watcher {
        context,
        task,
        run,
        reporter,
        closing,
        steer,
        ..
    } = watcher;
    reporter.finish().await;
    let mut ending = std::mem::take(&mut prepared.ending);
    ending.usage = spend::usage_of(&spend);
    ending.elapsed_ms = context.clock.now().milliseconds_since(prepared.started);
    let closing = context.redactor.redact(closing.trim());
    ending.closing_words = crate::domain::clip(&closing, CLOSING_WORDS_MAX_CHARS);
    ending.session = session_handle(&prepared.session);
    // An agent that is refused a call fails in its own words.
    ending.failure = if spend.refused > 0 {
        Some(RunFailure::OutOfBudget)
    } else {
        failure
    };
    ending.unheard = steer.map(|(words, _)| words);
    if ending.unheard.is_some() {
        // It must not go on beside the run that follows, in the same work tree.
        if let Err(error) = context
            .executor
            .stop(&sandbox::run_name(&task.id, run))
            .await
        {
            warn!(task = %task.id, %error, "a run that could not be interrupted is not confirmed to be gone");
        }
    } else if is_kept(&ending) && prepared.assignment.changes_files() {
        ending.change = take_out::take_out(context, task, run, prepared.started, &ending).await;
    }
    ending
}

/// Whether a run's work is taken out: where its turn is over, and where its time is.
fn is_kept(ending: &Ending) -> bool {
    match ending.failure {
        None => ending.question.is_none(),
        Some(RunFailure::OutOfWorkTime) => true,
        Some(_) => false,
    }
}

/// Whether a run goes on after what was heard.
enum Heard {
    Going,
    Over(Option<RunFailure>),
}

struct Watcher<'a> {
    context: &'a Context,
    task: &'a Task,
    run: RunNumber,
    reporter: Reporter<'a>,
    /// Words that were not written into the log yet.
    text: String,
    /// The agent's words since its last use of a tool.
    closing: String,
    bytes: usize,
    heard: Timestamp,
    /// Words that interrupt the turn, and since when; said as soon as it has ended.
    steer: Option<(String, Instant)>,
    /// What had left by each rule of the network policy when that was stored last, in bytes.
    left: BTreeMap<String, u64>,
}

impl Watcher<'_> {
    fn steer(&mut self, prepared: &mut Prepared, words: String) {
        self.steer = Some(match self.steer.take() {
            Some((earlier, since)) => (format!("{earlier}\n{words}"), since),
            None => (words, Instant::now()),
        });
        if prepared.session.turn() == Turn::Open {
            prepared.session.cancel();
        }
    }

    async fn called(&mut self, prepared: &mut Prepared, mut call: HandoverCall) {
        self.heard = self.context.clock.now();
        // Only what is held: checks are commands that will be run as they are.
        let redactor = &self.context.redactor;
        redactor.redact_value(&mut call.arguments, Sought::Held);
        let answer = match call.tool.as_str() {
            tools::NETWORK_ACCESS => self.network_access(call.arguments).await,
            _ => tools::take(&mut prepared.ending, &call.tool, call.arguments),
        };
        self.log(LogKind::Tool, json!({"tool": call.tool, "taken": answer.is_ok(), "answer": answer.clone().unwrap_or_else(|error| error)})).await;
        self.reporter.step(match call.tool.as_str() {
            "submit_specification" => "The specification is written.",
            "submit_plan" => "The plan is written.",
            "ask_person" => "The agent has a question.",
            tools::NETWORK_ACCESS => "The agent looks at what it may reach.",
            _ => "The agent has reported on the requirements.",
        });
        mark(self.context, self.task, self.run, resume_of(prepared)).await;
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
        self.heard = self.context.clock.now();
        self.reporter.heard();
        match event {
            AgentEvent::Text(text) => {
                self.bytes += text.len();
                self.text.push_str(&text);
                self.closing.push_str(&text);
                if self.closing.len() > 4 * CLOSING_WORDS_MAX_CHARS {
                    self.closing =
                        crate::domain::clip(&self.closing, 4 * CLOSING_WORDS_MAX_CHARS - 1);
                }
                if self.text.len() > LOG_TEXT_MAX_CHARS {
                    self.flush_whole_words().await;
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
                mark(self.context, self.task, self.run, resume_of(prepared)).await;
            }
            AgentEvent::PlanUpdated(steps) => self.reporter.plan(&steps),
            // What it costs is read where it leaves the sandbox.
            AgentEvent::Usage(_) => {}
            AgentEvent::Notice(notice) => self.log(LogKind::Host, json!({"notice": notice})).await,
            AgentEvent::TurnEnded(turn) => return self.turn_ended(prepared, turn).await,
            AgentEvent::Ended {
                failure,
                errors_tail,
            } => return Heard::Over(Some(self.process_ended(failure, errors_tail).await)),
        }
        if self.bytes > OUTPUT_MAX_BYTES {
            return Heard::Over(Some(RunFailure::TooMuchOutput));
        }
        Heard::Going
    }

    async fn turn_ended(&mut self, prepared: &mut Prepared, turn: TurnEnded) -> Heard {
        if let Some((words, _)) = self.steer.take() {
            let prompt = words::prompt(
                self.task,
                &Assignment::FollowUp { words: vec![words] },
                &PromptExtra {
                    network: prepared.egress.allowed().to_vec(),
                    ..PromptExtra::default()
                },
            );
            let Ok(prompt) = prompt else {
                return Heard::Over(None);
            };
            return match prepared.session.prompt(&prompt).await {
                Ok(()) => {
                    mark(self.context, self.task, self.run, resume_of(prepared)).await;
                    Heard::Going
                }
                Err(error) => Heard::Over(Some(RunFailure::Other {
                    detail: error.to_string(),
                })),
            };
        }
        Heard::Over(turn.failure.map(failure_of))
    }

    async fn process_ended(
        &self,
        failure: Option<AgentFailure>,
        errors_tail: String,
    ) -> RunFailure {
        if let Some(failure) = failure {
            return failure_of(failure);
        }
        let condition = self
            .context
            .executor
            .condition(&sandbox::run_name(&self.task.id, self.run))
            .await;
        condition.map_or_else(
            |error| RunFailure::Other {
                detail: error.to_string(),
            },
            |condition| died(&condition, errors_tail),
        )
    }

    fn ceiling(&mut self, prepared: &Prepared) -> Option<RunFailure> {
        self.reporter.tick();
        let elapsed = self
            .context
            .clock
            .now()
            .milliseconds_since(prepared.started);
        if elapsed > self.task.ceilings.run_ms {
            return Some(RunFailure::OutOfTime);
        }
        if self.task.work_left_ms(self.context.clock.now()) <= 0 {
            return Some(RunFailure::OutOfWorkTime);
        }
        let silent = self.context.clock.now().milliseconds_since(self.heard);
        if u128::try_from(silent)
            .is_ok_and(|silent| silent > self.context.config.limits.silence.as_millis())
        {
            return Some(RunFailure::Silent);
        }
        None
    }

    /// Takes note of what was spent, for people and for another process; true where that is too much.
    async fn spent(&mut self, prepared: &mut Prepared) -> bool {
        let spend = prepared.egress.spend();
        let usage = spend::usage_of(&spend);
        self.reporter.spent(self.task.usage.plus(usage));
        mark(self.context, self.task, self.run, resume_of(prepared)).await;
        spend::is_over(&self.task.usage, &self.task.ceilings, &spend)
    }

    /// Stores what has left, so that another process goes on counting there.
    async fn note_what_left(&mut self, prepared: &mut Prepared) {
        let left = prepared.egress.left();
        if left != self.left {
            self.left = left;
            mark(self.context, self.task, self.run, resume_of(prepared)).await;
        }
    }

    /// Whether the agent does not let itself be interrupted: some listen only between two answers of their model.
    fn is_deaf(&self) -> bool {
        self.steer
            .as_ref()
            .is_some_and(|(_, since)| since.elapsed() > INTERRUPT_WITHIN)
    }

    /// Keeps the last word back: it may go on, and half a secret looks like none.
    async fn flush_whole_words(&mut self) {
        let last = self
            .text
            .rsplit_once(char::is_whitespace)
            .map(|(_, last)| last.to_owned());
        let last = last.unwrap_or_default();
        self.text.truncate(self.text.len() - last.len());
        self.flush_text().await;
        self.text = last;
    }

    async fn flush_text(&mut self) {
        if self.text.trim().is_empty() {
            self.text.clear();
            return;
        }
        let text = self.context.redactor.redact(self.text.trim());
        let text = crate::domain::clip(&text, LOG_TEXT_MAX_CHARS);
        self.text.clear();
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

/// Remembers how far the run was heard, with what it handed over so far.
async fn mark(context: &Context, task: &Task, run: RunNumber, resume: Option<Value>) {
    let Some(resume) = resume else { return };
    if let Err(error) = context.store.mark_run(&task.id, run, &resume).await {
        warn!(task = %task.id, error = &error as &dyn std::error::Error, "a run's position could not be stored");
    }
}

fn resume_of(prepared: &Prepared) -> Option<Value> {
    serde_json::to_value(Resume {
        point: prepared.session.resume_point(),
        ending: prepared.ending.clone(),
        spend: prepared.egress.spend(),
        left: prepared.egress.left(),
    })
    .ok()
}

fn session_handle(session: &AgentSession) -> Option<String> {
    let handle = SessionHandle {
        id: session.session_id().clone(),
        cost: session.session_cost().unwrap_or_default(),
    };
    serde_json::to_string(&handle).ok()
}

fn failure_of(failure: AgentFailure) -> RunFailure {
    match failure {
        AgentFailure::CredentialsRefused(_) => RunFailure::KeyRefused,
        AgentFailure::OutOfCredit(_) => RunFailure::OutOfCredit,
        AgentFailure::RateLimited(_) => RunFailure::RateLimited,
        AgentFailure::Overloaded(_) => RunFailure::Overloaded,
        AgentFailure::ProtocolBroken(detail) => RunFailure::Nonsense { detail },
        AgentFailure::StartFailed {
            reason,
            errors_tail,
        } => RunFailure::DidNotStart {
            detail: format!("{reason}\n{errors_tail}"),
        },
        AgentFailure::SessionLost(detail) | AgentFailure::Other(detail) => {
            RunFailure::Other { detail }
        }
    }
}
