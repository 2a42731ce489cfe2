//! The plan card, and the plan as plain text for the form that corrects it.

use askama::Template;

use super::{
    Issues, Links, Reactions,
    amounts::{Cut, Room, clock_of, duration},
    tame::filters,
};
use crate::{
    domain::{
        budget::MicroDollars,
        message::{Decision, PlanCard},
        plan::{CostRange, ListDifference},
    },
    surface::Control,
};

/// The longest plan in a form, in characters; a section of Slack's Block Kit holds 3,000.
pub const PLAN_TEXT_MAX_CHARS: usize = 2_900;

/// Everything that `plan_card.md` shows.
#[derive(Template)]
#[template(path = "messages/plan_card.md")]
pub(super) struct PlanView<'a> {
    card: &'a PlanCard,
    task_url: &'a str,
    reactions: Reactions,
    room: Room,
}

impl<'a> PlanView<'a> {
    pub(super) const fn new(card: &'a PlanCard, links: &'a Links, room: Room) -> Self {
        Self {
            card,
            task_url: links.task_url.as_str(),
            reactions: links.reactions,
            room,
        }
    }

    fn cut<'b, T>(&self, list: &'b [T]) -> Cut<'b, T> {
        self.room.cut(list)
    }

    /// Required checks and those of the plan, each once.
    fn checks(&self) -> Vec<String> {
        let mut checks = self.card.specification.checks.clone();
        checks.extend(
            self.card
                .plan
                .checks
                .iter()
                .filter(|check| !self.card.specification.checks.contains(check))
                .cloned(),
        );
        checks
    }

    fn hears_reactions(&self) -> bool {
        self.reactions == Reactions::Heard
    }

    /// What chose the repository, where the request did not.
    fn repository_from(&self) -> &'static str {
        let repository = &self.card.workplace.repository;
        super::preferred::origin(self.card.chosen.repository_from(repository))
    }

    /// The same of the agent.
    fn agent_from(&self) -> &'static str {
        super::preferred::origin(self.card.chosen.agent_from(&self.card.agent))
    }

    /// The ceiling of working time.
    fn work_time(&self) -> Option<String> {
        self.card.work_ms.map(duration)
    }

    /// When it was approved, where that is known.
    fn approved_at(&self) -> Option<String> {
        match self.card.decision {
            Decision::Approved { at, .. } => at.map(clock_of),
            Decision::Open | Decision::Superseded | Decision::Withdrawn => None,
        }
    }

    fn is_revised(&self) -> bool {
        self.card.revision > 1
    }

    fn changed_lists(&self) -> &[ListDifference] {
        &self.card.changes
    }
}

/// A range of cost as people read it.
fn range(cost: &CostRange) -> String {
    let (low, high) = (
        MicroDollars::from_dollars(cost.low),
        MicroDollars::from_dollars(cost.high),
    );
    if low == high {
        format!("about {high}")
    } else {
        format!("{low} to {high}")
    }
}

/// What can be done about a plan.
pub(super) fn controls(card: &PlanCard, issues: Issues) -> Vec<Control> {
    let revision = card.revision;
    match card.decision {
        Decision::Open => {
            let offered = issues == Issues::Made && !card.has_issue;
            let issue = offered.then_some(Control::MakeIssue { revision });
            let mut controls = vec![
                Control::Approve { revision },
                Control::Edit { revision },
                Control::ChangeRepository,
            ];
            controls.extend(issue);
            controls.push(Control::Cancel);
            controls
        }
        Decision::Approved { .. } | Decision::Superseded | Decision::Withdrawn => Vec::new(),
    }
}

#[derive(Template)]
#[template(path = "messages/parts/plan_text.md")]
struct PlanTextView<'a> {
    card: &'a PlanCard,
    room: Room,
}

/// The plan as plain text, to be read while its correction is written. At most [`PLAN_TEXT_MAX_CHARS`] characters.
pub fn plan_text(card: &PlanCard) -> Result<String, askama::Error> {
    for room in Room::ALL {
        let text = super::tidy(&PlanTextView { card, room }.render()?);
        if text.chars().count() <= PLAN_TEXT_MAX_CHARS {
            return Ok(text);
        }
    }
    let text = PlanTextView {
        card,
        room: Room {
            entries: 1,
            chars: 40,
        },
    }
    .render()?;
    Ok(crate::domain::clip(
        &super::tidy(&text),
        PLAN_TEXT_MAX_CHARS,
    ))
}
