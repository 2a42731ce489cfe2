//! The text of an issue that is made for a task.

use askama::Template;

use super::tame::filters;
use crate::domain::task::Task;

#[derive(Template)]
#[template(path = "issue.md")]
struct IssueView<'a> {
    task: &'a Task,
    thread: Option<&'a str>,
}

/// The description of the issue of a task, in Markdown; `thread` is the page that it was asked for on.
pub fn issue_text(task: &Task, thread: Option<&str>) -> Result<String, askama::Error> {
    let text = IssueView { task, thread }.render()?;
    Ok(super::tidy(&text))
}
