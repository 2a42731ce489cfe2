//! The status message: where a task is, in one line, and the checklist for surfaces that have one.

use askama::Template;

use super::{
    amounts::{Room, clock_of, duration, spent},
    tame::filters,
};
use crate::{
    domain::{
        Timestamp,
        message::{CheckedTree, Checking, Live, LiveStanding, Phase, Progress, Trouble},
    },
    surface::{Control, Pace, Step, StepStanding, WordsKind},
};

/// Everything that `progress.md` shows.
#[derive(Template)]
#[template(path = "messages/progress.md")]
pub(super) struct ProgressView<'a> {
    progress: &'a Progress,
    room: Room,
}

impl<'a> ProgressView<'a> {
    pub(super) const fn new(progress: &'a Progress, room: Room) -> Self {
        Self { progress, room }
    }

    /// Everything behind the name of the phase: step, time, last command, heartbeat, spend.
    fn facts(&self) -> Vec<String> {
        let mut facts = Vec::new();
        if let Some(live) = &self.progress.live {
            facts.extend(live_facts(live));
        }
        facts.extend(self.progress.checking.as_ref().map(checking_fact));
        if !self.progress.spent.is_empty() {
            let spent = spent(self.progress.spent);
            // A status says what is known; that a price is not known stands in the result.
            facts.extend(self.progress.spent.cost.map(|_| format!("{spent} so far")));
        }
        facts
    }

    /// A dash where the phase is a word alone; behind a sentence with a dash of its own, a dot.
    const fn separator(&self) -> &'static str {
        match self.progress.phase {
            Phase::Preparing
            | Phase::Working
            | Phase::Reworking { .. }
            | Phase::Verifying
            | Phase::Publishing => " — ",
            Phase::Queued { .. }
            | Phase::Reading
            | Phase::Planning
            | Phase::Answering
            | Phase::Planned
            | Phase::Waiting
            | Phase::Over { .. } => " · ",
        }
    }

    #[expect(
        clippy::unused_self,
        clippy::trivially_copy_pass_by_ref,
        reason = "a template calls it so"
    )]
    fn minutes(&self, milliseconds: &i64) -> String {
        duration(*milliseconds)
    }

    #[expect(
        clippy::unused_self,
        clippy::trivially_copy_pass_by_ref,
        reason = "a template calls it so"
    )]
    fn clock(&self, at: &Timestamp) -> String {
        clock_of(*at)
    }

    fn how_over(&self) -> &str {
        if let Phase::Over { how } = &self.progress.phase {
            how
        } else {
            ""
        }
    }
}

fn live_facts(live: &Live) -> Vec<String> {
    let mut facts = Vec::new();
    if let Some((done, all)) = live.steps {
        facts.push(format!("step {} of {all}", done.saturating_add(1).min(all)));
    }
    if live.elapsed_ms >= NOTICEABLE_MS {
        facts.push(format!("for {}", duration(live.elapsed_ms)));
    }
    if let Some(command) = live
        .last_command
        .as_deref()
        .filter(|command| !command.trim().is_empty())
    {
        facts.push(format!(
            "last command {}",
            super::tame::code(&crate::domain::clip(command, COMMAND_MAX_CHARS))
        ));
    }
    facts.push(if live.heartbeat_age_ms < NOTICEABLE_MS {
        "heard just now".to_owned()
    } else {
        format!("heard {} ago", duration(live.heartbeat_age_ms))
    });
    facts
}

/// What runs in the clean container, and how many there are.
fn checking_fact(checking: &Checking) -> String {
    let code = |command: &str| super::tame::code(&crate::domain::clip(command, COMMAND_MAX_CHARS));
    match checking {
        Checking::Setup { command } => format!("setup {}", code(command)),
        Checking::Check {
            command,
            number,
            all,
            tree,
        } => {
            let on = match tree {
                CheckedTree::Result => "",
                CheckedTree::Base => " on the base",
            };
            format!("{}{on} ({number} of {all})", code(command))
        }
    }
}

/// What is shorter is no news, in milliseconds.
const NOTICEABLE_MS: i64 = 2_000;
/// The longest command in a status line, in characters; the whole one is on the task page.
const COMMAND_MAX_CHARS: usize = 80;

/// A status can be cancelled while it is not over.
pub(super) fn controls(progress: &Progress, open: Control) -> Vec<Control> {
    match progress.phase {
        // The card below has the buttons; two that do the same only raise the question which is right.
        Phase::Planned | Phase::Over { .. } => vec![open],
        Phase::Queued { .. }
        | Phase::Reading
        | Phase::Planning
        | Phase::Answering
        | Phase::Preparing
        | Phase::Working
        | Phase::Reworking { .. }
        | Phase::Verifying
        | Phase::Publishing
        | Phase::Waiting => vec![Control::Cancel, open],
    }
}

pub(super) fn kind(progress: &Progress) -> WordsKind {
    let steps = steps(progress);
    WordsKind::Status {
        headline: headline(&steps),
        steps,
        title: progress.title.clone(),
        pace: match (&progress.live, &progress.checking) {
            (None, None) => Pace::Lasting,
            (Some(_), _) | (_, Some(_)) => Pace::Passing,
        },
    }
}

/// How far a checklist is, and where: its title may be all of it that is seen.
fn headline(steps: &[Step]) -> String {
    let of = |standing| steps.iter().filter(move |step| step.standing == standing);
    let all = steps.len();
    let done = of(StepStanding::Done).count();
    let stopped = of(StepStanding::Failed).next();
    // The last of them is the narrower one: a step of the work, inside of the work.
    let now = of(StepStanding::Active).next_back();
    match (stopped, now) {
        (Some(step), _) => format!("Stopped at: {}", step.title),
        (None, Some(step)) => format!("{done} of {all} done · {}", step.title),
        (None, None) if done == all => format!("All {all} steps are done"),
        (None, None) => format!("{done} of {all} done"),
    }
}

/// The longest step of a checklist, in characters; the whole one is in the plan.
const STEP_MAX_CHARS: usize = 160;
/// Where in [`STEPS`] the work is, which has steps of its own.
const WORK: usize = 3;

/// The parts of a task's way, as people are shown them.
const STEPS: [&str; 6] = [
    "Read the conversation and the repository",
    "Write a plan",
    "Decide on the plan",
    "Do the work",
    "Check the result in a clean container",
    "Publish the result",
];

/// The parts of a question's way.
const STEPS_OF_INQUIRY: [&str; 2] = [
    "Read the conversation and the repository",
    "Look for the answer",
];

fn steps(progress: &Progress) -> Vec<Step> {
    if progress.purpose.is_inquiry() {
        return steps_of_inquiry(&progress.phase);
    }
    let planned = progress.title.is_some();
    let (at, standing) = match &progress.phase {
        Phase::Queued { .. } => (if planned { 3 } else { 0 }, StepStanding::Pending),
        Phase::Reading => (0, StepStanding::Active),
        Phase::Planning | Phase::Answering => (1, StepStanding::Active),
        Phase::Planned => (2, StepStanding::Active),
        Phase::Preparing | Phase::Working | Phase::Reworking { .. } => (3, StepStanding::Active),
        Phase::Waiting => (if planned { 3 } else { 1 }, StepStanding::Active),
        Phase::Verifying => (4, StepStanding::Active),
        Phase::Publishing => (5, StepStanding::Active),
        Phase::Over { how } if how == "done" => (STEPS.len(), StepStanding::Done),
        Phase::Over { .. } => (if planned { 3 } else { 0 }, StepStanding::Failed),
    };
    let later = if standing == StepStanding::Failed {
        StepStanding::Failed
    } else {
        StepStanding::Pending
    };
    let standing_of = |index: usize| match index.cmp(&at) {
        std::cmp::Ordering::Less => StepStanding::Done,
        std::cmp::Ordering::Equal => standing,
        std::cmp::Ordering::Greater => later,
    };
    let mut all: Vec<Step> = STEPS
        .iter()
        .enumerate()
        .map(|(index, title)| Step {
            title: (*title).to_owned(),
            standing: standing_of(index),
        })
        .collect();
    let work = steps_of_work(progress, standing_of(WORK));
    let behind = WORK + 1;
    all.splice(behind..behind, work);
    all
}

fn steps_of_inquiry(phase: &Phase) -> Vec<Step> {
    let [read, look] = match phase {
        Phase::Queued { .. } => [StepStanding::Pending; 2],
        Phase::Reading => [StepStanding::Active, StepStanding::Pending],
        Phase::Over { how } if how == "answered" => [StepStanding::Done; 2],
        Phase::Over { .. } => [StepStanding::Failed; 2],
        Phase::Planning
        | Phase::Answering
        | Phase::Planned
        | Phase::Preparing
        | Phase::Working
        | Phase::Reworking { .. }
        | Phase::Verifying
        | Phase::Publishing
        | Phase::Waiting => [StepStanding::Done, StepStanding::Active],
    };
    let standings = [read, look];
    let steps = STEPS_OF_INQUIRY.iter().zip(standings);
    steps
        .map(|(title, standing)| Step {
            title: (*title).to_owned(),
            standing,
        })
        .collect()
}

/// The steps of the work itself: the agent's own list while it keeps one, the plan's otherwise. Which of the plan's are
/// done is known only when all are.
fn steps_of_work(progress: &Progress, work: StepStanding) -> Vec<Step> {
    let step = |title: &str, standing| Step {
        title: super::tame::plain_to(title, STEP_MAX_CHARS),
        standing,
    };
    let listed = match (&progress.live, work) {
        (Some(live), StepStanding::Active) => live.list.as_slice(),
        (Some(_) | None, _) => &[],
    };
    if listed.is_empty() {
        let standing = match work {
            StepStanding::Active => StepStanding::Pending,
            StepStanding::Pending | StepStanding::Done | StepStanding::Failed => work,
        };
        let steps = progress.steps.iter();
        return steps.map(|title| step(title, standing)).collect();
    }
    let standing = |of| match of {
        LiveStanding::Pending => StepStanding::Pending,
        LiveStanding::Active => StepStanding::Active,
        LiveStanding::Done => StepStanding::Done,
    };
    listed
        .iter()
        .map(|one| step(&one.title, standing(one.standing)))
        .collect()
}
