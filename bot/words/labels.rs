//! The words on buttons and forms.

use crate::{
    domain::{edit::Settlement, network::Verdict},
    surface::{Control, Form, WordsKind},
};

/// Opens a pull request.
pub const OPEN_PULL_REQUEST: &str = "Open pull request";
/// On the button that says that a result or an answer is what somebody needed.
pub const RESULT_IS_GOOD: &str = "What I needed";
/// On the button that says that it is not.
pub const RESULT_IS_BAD: &str = "Not what I needed";
/// The page of the thread that an issue was made from.
pub const THREAD: &str = "Slack thread";
/// Opens the page of a task.
pub const OPEN_TASK: &str = "Task page";

/// What stands on a control. Ending a task that has failed already is giving up on it.
#[must_use]
pub fn label(control: &Control, kind: &WordsKind) -> String {
    match control {
        Control::Approve { .. } => "Approve".to_owned(),
        Control::Edit { .. } => "Edit".to_owned(),
        Control::ChangeRepository => "Change repository".to_owned(),
        Control::MakeIssue { .. } => "Create Linear issue".to_owned(),
        Control::Cancel if matches!(kind, WordsKind::Ending { well: false }) => {
            "Give up".to_owned()
        }
        Control::Cancel => "Cancel".to_owned(),
        Control::Retry => "Retry".to_owned(),
        Control::Answer { choice, .. } => super::tame::plain_to(choice, usize::MAX),
        Control::Widen {
            verdict,
            repository,
            ..
        } => match verdict {
            Verdict::Once => "Allow once".to_owned(),
            Verdict::Repository if repository.is_empty() => "Allow for the repository".to_owned(),
            Verdict::Repository => format!("Allow for {}", super::tame::plain_to(repository, 60)),
            Verdict::Never => "Never".to_owned(),
        },
        Control::Settle { settlement, .. } => match settlement {
            Settlement::Take => "Work on it".to_owned(),
            Settlement::Leave => "Leave it out".to_owned(),
            Settlement::Cancel => "Cancel the task".to_owned(),
            Settlement::Keep => "Go on".to_owned(),
        },
        Control::Rate => RESULT_IS_GOOD.to_owned(),
        Control::Settings { place: None } => "Change my settings".to_owned(),
        Control::Settings { place: Some(_) } => "Change this channel's".to_owned(),
        Control::Open { label, .. } => label.clone(),
    }
}

/// What stands on a control where nothing around it says what it is about.
#[must_use]
pub fn choice_label(control: &Control, kind: &WordsKind) -> String {
    let label = label(control, kind);
    match control {
        Control::Widen { host, .. } => format!("{label}: {host}"),
        Control::Edit { .. } => "Revise".to_owned(),
        Control::Approve { .. }
        | Control::ChangeRepository
        | Control::MakeIssue { .. }
        | Control::Cancel
        | Control::Retry
        | Control::Rate
        | Control::Settings { .. }
        | Control::Answer { .. }
        | Control::Settle { .. }
        | Control::Open { .. } => label,
    }
}

/// The words of a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FormLabels {
    /// Above the form, at most 24 characters.
    pub title: &'static str,
    /// Above the field.
    pub field: &'static str,
    /// In the empty field.
    pub hint: &'static str,
    /// On the button that sends it.
    pub send: &'static str,
    /// On the button that leaves it.
    pub leave: &'static str,
}

/// The words of a form.
#[must_use]
pub const fn form_labels(form: &Form) -> FormLabels {
    match form {
        Form::Correction { .. } => FormLabels {
            title: "Edit the plan",
            field: "What should be different?",
            hint: "In your own words. The agent writes the next revision from it.",
            send: "Send",
            leave: "Keep the plan",
        },
        Form::Request { .. } => FormLabels {
            title: "New task",
            field: "What should be done?",
            hint: "In your own words. A plan follows for you to approve.",
            send: "Ask",
            leave: "Not now",
        },
        Form::Repository { .. } => FormLabels {
            title: "Change repository",
            field: "Which repository?",
            hint: "owner/name",
            send: "Plan again",
            leave: "Keep it",
        },
        Form::Team { .. } => FormLabels {
            title: "Create Linear issue",
            field: "In which team?",
            hint: "Choose a team",
            send: "Create",
            leave: "Not now",
        },
    }
}

/// Above the form that holds a person's settings, at most 24 characters.
pub const SETTINGS_MINE: &str = "My settings";
/// Above the form that holds a channel's settings, at most 24 characters.
pub const SETTINGS_HERE: &str = "Settings of this channel";
/// On the button that stores them.
pub const SETTINGS_SEND: &str = "Save";
/// On the button that leaves them.
pub const SETTINGS_LEAVE: &str = "Leave";
/// Above the field for a default repository.
pub const SETTINGS_REPOSITORY: &str = "Repository, where a request names none";
/// Above the field for a default agent.
pub const SETTINGS_AGENT: &str = "Agent, where a request names none";
/// Above the field for how much is said.
pub const SETTINGS_NOISE: &str = "Messages in this channel";
/// The choice of no default.
pub const SETTINGS_NONE: &str = "No default";
/// The choice of everything that is said.
pub const NOISE_USUAL: &str = "Everything";
/// The choice of little that is said.
pub const NOISE_QUIET: &str = "Only plans, questions and results";
/// Above the fields of the form that holds a plan.
pub const PLAN_EDIT_HELP: &str = "Change the text, and the next revision is what you wrote. Or say below in your own words what should be different, and the agent writes it; goal and requirements change only so.";
/// Above the plan as text.
pub const PLAN_EDIT_FIELD: &str = "The plan";
/// Above a plan that no field holds.
pub const PLAN_TOO_LONG: &str = "This plan is longer than a form can hold, so it cannot be edited as text here. Say in your own words what should be different, and the agent writes the next revision.";
/// Above the field for the channel of a new task.
pub const REQUEST_PLACE: &str = "In which channel?";
/// Above the field for the repository of a new task, which may stay empty.
pub const REQUEST_REPOSITORY: &str = "In which repository, if you know it?";
/// In that field.
pub const REPOSITORY_HINT: &str = "owner/name";

/// What a form asks, where there is no form and the answer is written.
#[must_use]
pub const fn form_in_words(form: &Form) -> &'static str {
    match form {
        Form::Correction { .. } => {
            "What should be different about this plan? Write it in your own words; the next revision is made from it."
        }
        Form::Repository { .. } => "Which repository? Write it as `repo=owner/name`.",
        Form::Request { .. } => "What should be done? Write it in your own words.",
        Form::Team { .. } => {
            "In which team? Write `create a Linear issue in ENG`, with the team's key."
        }
    }
}

/// A step of the checklist that is done, in front of its title.
pub const DONE_STEP: &str = "Done";
/// A pull request among the things that hang on an issue.
pub const PULL_REQUEST: &str = "Pull request";
/// In an open list of answers.
pub const CHOOSE: &str = "Choose an answer";
/// Above pictures that are posted together.
pub const PICTURES: &str = "Pictures before and after";
