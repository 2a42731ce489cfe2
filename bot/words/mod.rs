//! Everything that is said, in words: messages, prompts, pull requests, commits. The words stand in `templates/`.
//!
//! The first line of a message's template is what notifications show; the message follows after a blank line. Texts
//! of models and other programs pass through [`tame`](mod@tame) on their way.

mod amounts;
mod answer;
mod applied;
mod attached;
mod commit;
mod failure;
mod fence;
mod home;
mod issue;
mod labels;
mod network;
mod notes;
mod passage;
mod plan;
mod plan_edit;
mod preferred;
mod progress;
mod prompts;
mod proposal;
mod pull_request;
mod question;
mod result;
pub mod tame;
mod waiting;

#[cfg(test)]
pub(crate) mod tests;

use askama::Template;

pub use amounts::{duration, grouped, moment_of, spent};
pub use attached::file_unread;
pub use commit::{CommitExtra, commit_message};
pub use fence::FenceMark;
pub use home::home_page;
pub use issue::issue_text;
pub use labels::{
    CHOOSE, DONE_STEP, FormLabels, NOISE_QUIET, NOISE_USUAL, OPEN_PULL_REQUEST, OPEN_TASK,
    PICTURES, PLAN_EDIT_FIELD, PLAN_EDIT_HELP, PLAN_TOO_LONG, PULL_REQUEST, REPOSITORY_HINT,
    REQUEST_PLACE, REQUEST_REPOSITORY, RESULT_IS_BAD, RESULT_IS_GOOD, SETTINGS_AGENT,
    SETTINGS_HERE, SETTINGS_LEAVE, SETTINGS_MINE, SETTINGS_NOISE, SETTINGS_NONE,
    SETTINGS_REPOSITORY, SETTINGS_SEND, THREAD, choice_label, form_in_words, form_labels, label,
};
pub use network::{decided_words, network_answer, not_offered, refused_because};
pub use plan::{PLAN_TEXT_MAX_CHARS, plan_text};
pub use plan_edit::{edited_plan, plan_to_edit, read_plan};
pub use prompts::{PromptExtra, delegated_words, files_beside, pointed_words, prompt};
pub use pull_request::{CommandLine, PictureLink, PullRequestExtra, pull_request_body};
pub use tame::tame;
pub use waiting::still_asked;

use crate::{
    domain::{
        clip,
        conversation::{Person, PersonId},
        message::{Decision, Message},
    },
    surface::{Control, Words, WordsKind},
};
use amounts::Room;

/// The longest message, in characters. One `markdown` block of Slack holds 12,000, all blocks of a message together
/// about 13,200 before `msg_blocks_too_long`; the rest is for mention and buttons.
/// Source: the reference of Block Kit's markdown block, and the issue tracker of Slack's client libraries.
pub const MESSAGE_MAX_CHARS: usize = 11_500;
/// The longest notification, in characters.
pub const FALLBACK_MAX_CHARS: usize = 300;

/// Where a message's readers can look further.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Links {
    /// The page of the task, signed.
    pub task_url: String,
    /// The page of the card that somebody is reminded of; none where its surface has no pages for single messages, and
    /// where it could not be found. Then the reminder offers the same choices itself.
    pub card_url: Option<String>,
    /// Whether an emoji on the message says something.
    pub reactions: Reactions,
    /// Whether the plan can have an issue made.
    pub issues: Issues,
}

/// Whether issues are made for tasks of a conversation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Issues {
    /// They are, and a plan offers it.
    Made,
    /// They are not, and nothing is offered.
    #[default]
    NotMade,
}

/// Whether a surface tells of the emojis that people put on messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reactions {
    /// It does, and they are offered.
    Heard,
    /// It does not, and they are not spoken of.
    Unheard,
}

/// Puts a message into words. Long lists are cut until the whole fits into [`MESSAGE_MAX_CHARS`].
pub fn render(message: &Message, links: &Links) -> Result<Words, askama::Error> {
    let mut rendered = String::new();
    for room in Room::ALL {
        rendered = tidy(&text(message, links, room)?);
        if rendered.chars().count() <= MESSAGE_MAX_CHARS {
            break;
        }
    }
    let (fallback, markdown) = rendered
        .split_once("\n\n")
        .unwrap_or((&rendered, &rendered));
    let (mentions, controls, kind) = beside(message, links);
    Ok(Words {
        markdown: clip(markdown.trim(), MESSAGE_MAX_CHARS),
        fallback: clip(fallback.trim(), FALLBACK_MAX_CHARS),
        mentions,
        controls,
        kind,
    })
}

fn text(message: &Message, links: &Links, room: Room) -> Result<String, askama::Error> {
    let url = links.task_url.as_str();
    match message {
        Message::Progress(progress) => progress::ProgressView::new(progress, room).render(),
        Message::PlanCard(card) => plan::PlanView::new(card, links, room).render(),
        Message::Question(card) => question::QuestionView::new(card, url, room).render(),
        Message::Network(card) => network::NetworkView::new(card, url, room).render(),
        Message::Proposal(card) => proposal::ProposalView::new(card, room).render(),
        Message::NetworkUnknown { host } => network::NetworkUnknownView { host }.render(),
        Message::Result(card) => result::ResultView::new(card, url, room).render(),
        Message::Answer(card) => answer::AnswerView::new(card, url, room).render(),
        Message::Failed(card) => failure::FailureView::new(card, links, room).render(),
        Message::Canceled { .. } | Message::PullRequestEnded { .. } | Message::Expired { .. } => {
            end_text(message, links)
        }
        Message::TimeLow(note) => waiting::TimeLowView { note }.render(),
        Message::Reminder(reminder) => waiting::ReminderView::new(reminder, links)?.render(),
        Message::NotAllowed { act, refusal } => notes::NotAllowedView::new(*act, *refusal).render(),
        Message::OptionHints { unknown } => notes::OptionHintsView { unknown, room }.render(),
        Message::StaleApproval { .. }
        | Message::NothingToDo { .. }
        | Message::NothingAsked
        | Message::NothingToAnswer
        | Message::EditTaken { .. }
        | Message::Experts { .. }
        | Message::NetworkSettled { .. }
        | Message::Settings(_)
        | Message::SettingsKept { .. }
        | Message::FilesRefused { .. }
        | Message::LinksUnread { .. }
        | Message::EditRefused { .. }
        | Message::Thanks { .. }
        | Message::IssueFiled { .. }
        | Message::IssueNotFiled { .. }
        | Message::PlaceLost { .. }
        | Message::EditFenced { .. } => answer_text(message, room),
        Message::Help => notes::HelpView::new(links.reactions).render(),
        Message::Why(card) => applied::WhyView { card, room }.render(),
        Message::Limits(card) => applied::LimitsView { card }.render(),
        Message::Requested { by, text } => notes::RequestedView { by, text }.render(),
        Message::CannotPost { text } => notes::CannotPostView { text }.render(),
        Message::AlreadyAsked { task } => notes::AlreadyAskedView { task }.render(),
        Message::TaskList { tasks } => notes::TaskListView { tasks, room }.render(),
        Message::NotHandled { reference } => notes::NotHandledView { reference }.render(),
        Message::Unreadable { reference, .. } => notes::UnreadableView { reference }.render(),
        Message::GivenUp { effect, reason } => {
            notes::GivenUpView::new(effect, reason, url).render()
        }
    }
}

/// How a task ends by people or by time alone.
fn end_text(message: &Message, links: &Links) -> Result<String, askama::Error> {
    match message {
        Message::Canceled {
            by,
            road,
            confirmed,
            pushed_branch,
            unsure_branch,
            kept,
            purpose,
        } => notes::CanceledView {
            purpose: *purpose,
            by,
            road: *road,
            confirmed: *confirmed,
            pushed_branch: pushed_branch.as_deref(),
            unsure_branch: unsure_branch.as_deref(),
            kept: notes::KeptView { kept },
        }
        .render(),
        Message::PullRequestEnded { merged, by } => {
            notes::PullRequestEndedView::new(*merged, by).render()
        }
        Message::Expired {
            asked,
            pushed_branch,
            kept,
        } => waiting::ExpiredView::new(asked.as_ref(), pushed_branch.as_deref(), kept, links)?
            .render(),
        _ => Ok(String::new()),
    }
}

/// What answers something that somebody wrote, attached or pressed.
fn answer_text(message: &Message, room: Room) -> Result<String, askama::Error> {
    match message {
        Message::StaleApproval { seen, current } => notes::StaleApprovalView {
            seen: *seen,
            current: *current,
        }
        .render(),
        Message::NothingToDo {
            stands,
            wanted,
            purpose,
        } => notes::NothingToDoView {
            stands,
            wanted,
            purpose: *purpose,
        }
        .render(),
        Message::NothingAsked => notes::NothingAskedView.render(),
        Message::NothingToAnswer => notes::NothingToAnswerView.render(),
        Message::EditTaken { purpose } => notes::EditTakenView { purpose: *purpose }.render(),
        Message::Experts { agents } => applied::ExpertsView { agents, room }.render(),
        Message::NetworkSettled { host, decision } => {
            network::NetworkSettledView { host, decision }.render()
        }
        Message::Settings(card) => preferred::SettingsView { card }.render(),
        Message::SettingsKept { of, preferences } => {
            preferred::SettingsKeptView { of, preferences }.render()
        }
        Message::FilesRefused { files } => attached::FilesRefusedView::new(files, room).render(),
        Message::LinksUnread { links } => attached::LinksUnreadView::new(links, room).render(),
        Message::EditRefused { why } => notes::EditRefusedView { why }.render(),
        Message::Thanks {
            opinion,
            changed,
            purpose,
        } => notes::ThanksView {
            opinion: *opinion,
            changed: *changed,
            purpose: *purpose,
        }
        .render(),
        Message::IssueFiled { name, url } => notes::IssueFiledView { name, url }.render(),
        Message::IssueNotFiled { problem } => notes::IssueNotFiledView { problem }.render(),
        Message::PlaceLost { by } => notes::PlaceLostView { by }.render(),
        Message::EditFenced { by, strangers } => {
            notes::EditFencedView::new(by, strangers, room).render()
        }
        _ => Ok(String::new()),
    }
}

/// Whom a card calls, and what it is: a decision while it is open.
fn asked(is_open: bool, asks: &Person) -> (Option<PersonId>, WordsKind) {
    if is_open {
        (Some(asks.id.clone()), WordsKind::Decision)
    } else {
        (None, WordsKind::Note)
    }
}

const fn ended(well: bool) -> WordsKind {
    WordsKind::Ending { well }
}

/// What a message is beside its text: whom it calls, what can be pressed, and what it is to its reader. People are called where
/// they have to decide, and at the end; not while somebody is working.
fn beside(message: &Message, links: &Links) -> (Option<PersonId>, Vec<Control>, WordsKind) {
    let open = || Control::Open {
        label: OPEN_TASK.to_owned(),
        url: links.task_url.clone(),
    };
    let ((mentions, kind), controls) = match message {
        Message::Progress(progress) => (
            (None, progress::kind(progress)),
            progress::controls(progress, open()),
        ),
        Message::PlanCard(card) => (
            asked(card.decision == Decision::Open, &card.asks),
            plan::controls(card, links.issues),
        ),
        Message::Question(card) => (asked(card.is_open(), &card.asks), question::controls(card)),
        Message::Network(card) => (asked(card.is_open(), &card.asks), network::controls(card)),
        Message::Proposal(card) => (asked(card.is_open(), &card.asks), proposal::controls(card)),
        Message::Result(card) => (
            (Some(card.asks.id.clone()), ended(card.whole)),
            result::controls(card, open()),
        ),
        Message::Answer(card) => (
            (Some(card.asks.id.clone()), answer::kind(card)),
            answer::controls(card, open()),
        ),
        Message::Failed(card) => (
            (Some(card.asks.id.clone()), ended(false)),
            failure::controls(card, open()),
        ),
        Message::Reminder(reminder) => {
            let again = links.card_url.is_none();
            let controls = again.then(|| waiting::controls(reminder));
            let calls = Some(reminder.asks.id.clone());
            ((calls, WordsKind::Note), controls.unwrap_or_default())
        }
        Message::Settings(card) => ((None, WordsKind::Note), preferred::controls(card)),
        Message::Canceled { .. } | Message::Expired { .. } => ((None, ended(false)), Vec::new()),
        Message::PullRequestEnded { merged, .. } => ((None, ended(*merged)), Vec::new()),
        Message::Unreadable { asks, .. } => ((Some(asks.clone()), ended(false)), Vec::new()),
        Message::TimeLow(_)
        | Message::NetworkSettled { .. }
        | Message::NetworkUnknown { .. }
        | Message::NotAllowed { .. }
        | Message::StaleApproval { .. }
        | Message::NothingToDo { .. }
        | Message::EditTaken { .. }
        | Message::SettingsKept { .. }
        | Message::FilesRefused { .. }
        | Message::LinksUnread { .. }
        | Message::EditRefused { .. }
        | Message::Thanks { .. }
        | Message::EditFenced { .. }
        | Message::PlaceLost { .. }
        | Message::IssueFiled { .. }
        | Message::IssueNotFiled { .. }
        | Message::OptionHints { .. }
        | Message::NothingAsked
        | Message::NothingToAnswer
        | Message::Help
        | Message::Why(_)
        | Message::Limits(_)
        | Message::Experts { .. }
        | Message::Requested { .. }
        | Message::CannotPost { .. }
        | Message::AlreadyAsked { .. }
        | Message::TaskList { .. }
        | Message::NotHandled { .. }
        | Message::GivenUp { .. } => ((None, WordsKind::Note), Vec::new()),
    };
    (mentions, controls, kind)
}

/// Takes what templates leave over: blanks at the ends of lines, and more than one blank line.
fn tidy(text: &str) -> String {
    let mut tidied = String::with_capacity(text.len());
    for line in text.trim().lines() {
        let line = line.trim_end();
        if line.is_empty() && tidied.ends_with("\n\n") {
            continue;
        }
        tidied.push_str(line);
        tidied.push('\n');
    }
    tidied.truncate(tidied.trim_end().len());
    tidied
}
