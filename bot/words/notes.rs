//! Everything short: confirmations, refusals, hints, lists.

use askama::Template;

use super::{
    Reactions,
    amounts::{Cut, Room},
    tame::{self, filters},
};
use crate::domain::{
    TaskId,
    command::UnknownOption,
    conversation::{Person, Road},
    event::FilingProblem,
    feedback::Opinion,
    inquiry::Purpose,
    kept::{Kept, branch_of},
    message::TaskLine,
    plan_edit::{EditRefusal, PlanEdit},
    policy::{Act, Refusal},
};

/// `canceled.md`.
#[derive(Template)]
#[template(path = "messages/canceled.md")]
pub(super) struct CanceledView<'a> {
    pub(super) purpose: Purpose,
    pub(super) by: &'a Person,
    pub(super) road: Road,
    pub(super) confirmed: bool,
    pub(super) pushed_branch: Option<&'a str>,
    pub(super) unsure_branch: Option<&'a str>,
    pub(super) kept: KeptView<'a>,
}

/// `parts/kept.md`: what became of work that a task ended with.
#[derive(Template)]
#[template(path = "messages/parts/kept.md")]
pub(super) struct KeptView<'a> {
    pub(super) kept: &'a Kept,
}

#[expect(clippy::unused_self, reason = "a template calls methods of its view")]
impl KeptView<'_> {
    fn branch(&self, task: &TaskId) -> String {
        branch_of(task)
    }

    /// What hands the kept work out.
    fn command(&self, task: &TaskId) -> String {
        format!("deckhand task work {task} {task}.bundle")
    }
}

/// `pull_request_ended.md`.
#[derive(Template)]
#[template(path = "messages/pull_request_ended.md")]
pub(super) struct PullRequestEndedView<'a> {
    merged: bool,
    by: &'a str,
}

impl<'a> PullRequestEndedView<'a> {
    pub(super) const fn new(merged: bool, by: &'a str) -> Self {
        Self { merged, by }
    }
}

/// `not_allowed.md`.
#[derive(Template)]
#[template(path = "messages/not_allowed.md")]
pub(super) struct NotAllowedView {
    act: Act,
    refusal: Refusal,
}

impl NotAllowedView {
    pub(super) const fn new(act: Act, refusal: Refusal) -> Self {
        Self { act, refusal }
    }
}

/// `stale_approval.md`.
#[derive(Template)]
#[template(path = "messages/stale_approval.md")]
pub(super) struct StaleApprovalView {
    pub(super) seen: u32,
    pub(super) current: Option<u32>,
}

/// `nothing_to_do.md`.
#[derive(Template)]
#[template(path = "messages/nothing_to_do.md")]
pub(super) struct NothingToDoView<'a> {
    pub(super) stands: &'a str,
    pub(super) wanted: &'a str,
    pub(super) purpose: Purpose,
}

/// `option_hints.md`.
#[derive(Template)]
#[template(path = "messages/option_hints.md")]
pub(super) struct OptionHintsView<'a> {
    pub(super) unknown: &'a [UnknownOption],
    pub(super) room: Room,
}

impl OptionHintsView<'_> {
    fn cut<'b, T>(&self, list: &'b [T]) -> Cut<'b, T> {
        self.room.cut(list)
    }
}

/// `edit_taken.md`.
#[derive(Template)]
#[template(path = "messages/edit_taken.md")]
pub(super) struct EditTakenView {
    pub(super) purpose: Purpose,
}

/// `edit_refused.md`.
#[derive(Template)]
#[template(path = "messages/edit_refused.md")]
pub(super) struct EditRefusedView<'a> {
    pub(super) why: &'a EditRefusal,
}

#[expect(clippy::unused_self, reason = "a template calls methods of its view")]
impl EditRefusedView<'_> {
    fn text(&self, edit: &PlanEdit) -> String {
        super::plan_to_edit(edit)
    }
}

/// `thanks.md`.
#[derive(Template)]
#[template(path = "messages/thanks.md")]
pub(super) struct ThanksView {
    pub(super) opinion: Opinion,
    pub(super) changed: bool,
    pub(super) purpose: Purpose,
}

/// `issue_filed.md`.
#[derive(Template)]
#[template(path = "messages/issue_filed.md")]
pub(super) struct IssueFiledView<'a> {
    pub(super) name: &'a str,
    pub(super) url: &'a str,
}

/// The most teams that a sentence names.
const TEAMS_MAX: usize = 10;

/// `issue_not_filed.md`.
#[derive(Template)]
#[template(path = "messages/issue_not_filed.md")]
pub(super) struct IssueNotFiledView<'a> {
    pub(super) problem: &'a FilingProblem,
}

#[expect(clippy::unused_self, reason = "a template calls methods of its view")]
impl IssueNotFiledView<'_> {
    /// Names as code, one after the other.
    fn codes(&self, names: &[String]) -> String {
        let few = names.iter().take(TEAMS_MAX);
        let names: Vec<String> = few.map(|name| tame::code(name)).collect();
        names.join(", ")
    }
}

/// `place_lost.md`.
#[derive(Template)]
#[template(path = "messages/place_lost.md")]
pub(super) struct PlaceLostView<'a> {
    pub(super) by: &'a Person,
}

/// `edit_fenced.md`.
#[derive(Template)]
#[template(path = "messages/edit_fenced.md")]
pub(super) struct EditFencedView<'a> {
    by: &'a Person,
    strangers: &'a [String],
    room: Room,
}

impl<'a> EditFencedView<'a> {
    pub(super) const fn new(by: &'a Person, strangers: &'a [String], room: Room) -> Self {
        Self {
            by,
            strangers,
            room,
        }
    }

    fn cut<'b, T>(&self, list: &'b [T]) -> Cut<'b, T> {
        self.room.cut(list)
    }
}

/// `nothing_to_answer.md`.
#[derive(Template)]
#[template(path = "messages/nothing_to_answer.md")]
pub(super) struct NothingToAnswerView;

/// `nothing_asked.md`.
#[derive(Template)]
#[template(path = "messages/nothing_asked.md")]
pub(super) struct NothingAskedView;

/// `help.md`.
#[derive(Template)]
#[template(path = "messages/help.md")]
pub(super) struct HelpView {
    reactions: Reactions,
}

impl HelpView {
    pub(super) const fn new(reactions: Reactions) -> Self {
        Self { reactions }
    }

    fn hears_reactions(&self) -> bool {
        self.reactions == Reactions::Heard
    }
}

/// `requested.md`.
#[derive(Template)]
#[template(path = "messages/requested.md")]
pub(super) struct RequestedView<'a> {
    pub(super) by: &'a Person,
    pub(super) text: &'a str,
}

/// `cannot_post.md`.
#[derive(Template)]
#[template(path = "messages/cannot_post.md")]
pub(super) struct CannotPostView<'a> {
    pub(super) text: &'a str,
}

/// `already_asked.md`.
#[derive(Template)]
#[template(path = "messages/already_asked.md")]
pub(super) struct AlreadyAskedView<'a> {
    pub(super) task: &'a TaskLine,
}

/// `task_list.md`.
#[derive(Template)]
#[template(path = "messages/task_list.md")]
pub(super) struct TaskListView<'a> {
    pub(super) tasks: &'a [TaskLine],
    pub(super) room: Room,
}

impl TaskListView<'_> {
    fn cut<'b, T>(&self, list: &'b [T]) -> Cut<'b, T> {
        self.room.cut(list)
    }

    fn waiting(&self) -> usize {
        self.tasks
            .iter()
            .filter(|task| task.needs.is_some())
            .count()
    }
}

/// `not_handled.md`.
#[derive(Template)]
#[template(path = "messages/not_handled.md")]
pub(super) struct NotHandledView<'a> {
    pub(super) reference: &'a str,
}

/// `unreadable.md`.
#[derive(Template)]
#[template(path = "messages/unreadable.md")]
pub(super) struct UnreadableView<'a> {
    pub(super) reference: &'a str,
}

/// `given_up.md`.
#[derive(Template)]
#[template(path = "messages/given_up.md")]
pub(super) struct GivenUpView<'a> {
    effect: &'a str,
    reason: &'a str,
    task_url: &'a str,
}

impl<'a> GivenUpView<'a> {
    pub(super) const fn new(effect: &'a str, reason: &'a str, task_url: &'a str) -> Self {
        Self {
            effect,
            reason,
            task_url,
        }
    }
}
