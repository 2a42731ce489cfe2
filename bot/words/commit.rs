//! The message of the commit that is pushed: subject, body, and trailers that lead back to the conversation.

use askama::Template;

use super::tame::{JOINT, plain_to, unheard};
use crate::domain::task::Task;

/// The longest subject, in characters; longer ones are cut by most of git's tools.
const SUBJECT_MAX_CHARS: usize = 72;
/// The longest value of a trailer, in characters.
const TRAILER_MAX_CHARS: usize = 300;
/// The longest body, in characters.
const BODY_MAX_CHARS: usize = 2_000;
/// The length of a body's lines, in characters.
const BODY_LINE_CHARS: usize = 72;

/// What a commit message needs to know beside the task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitExtra {
    /// The version of the agent, where it says one.
    pub agent_version: Option<String>,
    /// Where it was asked for: the address of the thread.
    pub thread: String,
}

#[derive(Template)]
#[template(path = "commit.txt")]
struct CommitView<'a> {
    subject: String,
    body: String,
    task: &'a Task,
    agent: String,
    thread: &'a str,
}

/// The message of a task's commit.
pub fn commit_message(task: &Task, extra: &CommitExtra) -> Result<String, askama::Error> {
    let goal = task
        .specification
        .as_ref()
        .map_or("", |specification| specification.goal.as_str());
    let summary = task
        .report
        .as_ref()
        .map_or(goal, |report| report.summary.as_str());
    let agent = extra.agent_version.as_deref().map_or_else(
        || task.terms.agent.clone(),
        |version| format!("{} {version}", task.terms.agent),
    );
    let title = unheard(&plain_to(&task.title(), SUBJECT_MAX_CHARS), JOINT);
    let view = CommitView {
        subject: if title.is_empty() {
            format!("Task {}", task.id)
        } else {
            title
        },
        body: wrap(&unheard(&plain_to(summary, BODY_MAX_CHARS), JOINT)),
        task,
        agent,
        thread: &extra.thread,
    };
    Ok(super::tidy(&view.render()?) + "\n")
}

#[expect(clippy::unused_self, reason = "a template calls methods of its view")]
impl CommitView<'_> {
    /// The value of a trailer: one line that cannot begin another.
    fn value(&self, text: &str) -> String {
        let line = plain_to(text, TRAILER_MAX_CHARS);
        if line.is_empty() {
            "unknown".to_owned()
        } else {
            line
        }
    }

    fn approver(&self) -> String {
        self.task.approval.as_ref().map_or_else(
            || "nobody".to_owned(),
            |approval| self.value(&approval.by.name),
        )
    }

    fn model(&self) -> String {
        self.value(
            self.task
                .model
                .as_deref()
                .or(self.task.terms.model.as_deref())
                .unwrap_or("default"),
        )
    }
}

/// Breaks a line at blanks. A line of a body never looks like a trailer: its first word gets no colon.
fn wrap(text: &str) -> String {
    let mut wrapped = String::with_capacity(text.len());
    let mut length = 0;
    for word in text.split_whitespace() {
        let size = word.chars().count();
        if length > 0 && length + 1 + size > BODY_LINE_CHARS {
            wrapped.push('\n');
            length = 0;
        }
        if length > 0 {
            wrapped.push(' ');
            length += 1;
        }
        wrapped.push_str(word);
        length += size;
    }
    wrapped
}
