//! The status message of a live run: newest wins, at most every three seconds, and only when there is news.

use std::time::{Duration, Instant};

use deckhand_executors::agent::{PlanStep, StepProgress};
use tokio::sync::watch;

use crate::{
    domain::{
        Timestamp,
        budget::Usage,
        effect::Assignment,
        message::{Live, LiveStanding, LiveStep, Phase, Progress, Trouble},
        task::Task,
    },
    engine::{
        Context,
        live::{EDIT_EVERY, FINISH_WITHIN, Right, say},
    },
    store::runs::RunTicket,
};

/// The longest time without an edit while a run lives: the heartbeat that people see.
const EDIT_AT_LEAST_EVERY: Duration = Duration::from_secs(20);
/// The longest step or command that is shown, in characters.
const STEP_MAX_CHARS: usize = 120;
/// The most steps of the agent's own list that are shown.
const LIST_MAX: usize = 30;

/// What is known of the run, and when it was last said.
pub(super) struct Reporter<'a> {
    context: &'a Context,
    started: Timestamp,
    news: News,
    said: Option<(News, Instant)>,
    heard: Instant,
    /// The newest status; a task of its own says it, so that a slow surface holds nothing up.
    newest: watch::Sender<Option<Progress>>,
    base: Progress,
    saying: tokio::task::JoinHandle<()>,
}

#[derive(Debug, Clone, PartialEq)]
struct News {
    step: String,
    command: Option<String>,
    spent: Usage,
    steps: Option<(u32, u32)>,
    list: Vec<LiveStep>,
    trouble: Option<Trouble>,
}

impl<'a> Reporter<'a> {
    pub(super) fn new(
        context: &'a Context,
        (task, ticket): (&Task, &RunTicket),
        assignment: &Assignment,
        started: Timestamp,
    ) -> Self {
        let phase = match assignment {
            Assignment::Plan | Assignment::Revise { .. } => Phase::Planning,
            Assignment::Inquire { .. } => Phase::Answering,
            Assignment::Rework { round, .. } => Phase::Reworking { round: *round },
            Assignment::Work | Assignment::Answer { .. } | Assignment::FollowUp { .. } => {
                Phase::Working
            }
        };
        let base = Progress {
            phase,
            live: None,
            // The start had to wait, and is over.
            put_off: None,
            ..task.progress_now()
        };
        let news = News {
            step: String::new(),
            command: None,
            spent: task.usage,
            steps: None,
            list: Vec::new(),
            trouble: None,
        };
        let (newest, receiver) = watch::channel(None);
        let right = Right::Run(ticket.clone());
        let saying = tokio::spawn(say(context.clone(), (task.clone(), right), receiver));
        Self {
            context,
            started,
            news,
            said: None,
            heard: Instant::now(),
            newest,
            base,
            saying,
        }
    }

    /// Says nothing more. An edit under way is waited for, so that it cannot overwrite what the task says next.
    pub(super) async fn finish(self) {
        drop(self.newest);
        let mut saying = self.saying;
        if tokio::time::timeout(FINISH_WITHIN, &mut saying)
            .await
            .is_err()
        {
            saying.abort();
        }
    }

    /// From now on the status says that the run was taken up again.
    pub(super) const fn taken_up(&mut self) {
        self.base.taken_up = true;
    }

    /// What people should know about the heartbeat now.
    pub(super) const fn trouble(&mut self, trouble: Option<Trouble>) {
        self.news.trouble = trouble;
    }

    pub(super) fn heard(&mut self) {
        self.heard = Instant::now();
    }

    pub(super) fn step(&mut self, step: &str) {
        let step = self.context.redactor.redact(step);
        self.news.step = crate::domain::clip(&step, STEP_MAX_CHARS);
    }

    pub(super) fn thought(&mut self, thought: &str) {
        let first = thought.lines().map(str::trim).find(|line| !line.is_empty());
        if let Some(first) = first.filter(|first| first.len() > 12) {
            self.step(first.trim_matches(['*', '#', ' ']));
        }
    }

    pub(super) fn says(&mut self, text: &str) {
        if let Some(first) = text.lines().map(str::trim).find(|line| !line.is_empty()) {
            self.step(first.trim_matches(['*', '#', ' ']));
        }
    }

    pub(super) fn tool(&mut self, title: &str, command: Option<&str>) {
        if let Some(command) = command {
            let command = self.context.redactor.redact(command);
            self.news.command = Some(crate::domain::clip(
                command.lines().next().unwrap_or_default(),
                STEP_MAX_CHARS,
            ));
        } else {
            self.step(title);
        }
    }

    pub(super) fn plan(&mut self, steps: &[PlanStep]) {
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let done = steps
            .iter()
            .filter(|step| step.progress == StepProgress::Done)
            .count();
        self.news.steps = Some((count(done), count(steps.len())));
        self.news.list = steps
            .iter()
            .take(LIST_MAX)
            .map(|step| LiveStep {
                title: crate::domain::clip(
                    &self.context.redactor.redact(&step.text),
                    STEP_MAX_CHARS,
                ),
                standing: match step.progress {
                    StepProgress::Done => LiveStanding::Done,
                    StepProgress::Active => LiveStanding::Active,
                    StepProgress::Pending => LiveStanding::Pending,
                },
            })
            .collect();
        if let Some(current) = steps
            .iter()
            .find(|step| step.progress == StepProgress::Active)
        {
            self.step(&current.text.clone());
        }
    }

    pub(super) fn spent(&mut self, spent: Usage) {
        self.news.spent = spent;
    }

    /// Says what is new, if it is time.
    pub(super) fn tick(&mut self) {
        let due = match &self.said {
            None => true,
            Some((said, when)) if said != &self.news => when.elapsed() >= EDIT_EVERY,
            Some((_, when)) => when.elapsed() >= EDIT_AT_LEAST_EVERY,
        };
        if !due {
            return;
        }
        let milliseconds =
            |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        let live = Live {
            step: self.news.step.clone(),
            last_command: self.news.command.clone(),
            elapsed_ms: self.context.clock.now().milliseconds_since(self.started),
            heartbeat_age_ms: milliseconds(self.heard.elapsed()),
            steps: self.news.steps,
            list: self.news.list.clone(),
            trouble: self.news.trouble,
        };
        let _ = self.newest.send(Some(Progress {
            live: Some(live),
            spent: self.news.spent,
            ..self.base.clone()
        }));
        self.said = Some((self.news.clone(), Instant::now()));
    }
}
