//! What a thread shows about the app's work: `agents.sessions.setStatus`, `.rename`, `assistant.threads.setStatus`.

use std::time::Instant;

use serde_json::{Value, json};

use super::{Done, Refusal, Result, channel_of, ts_of};
use crate::slack::arguments::Arguments;
use crate::slack::ids::{ChannelId, Ts};
use crate::slack::limits;
use crate::slack::workspace::Workspace;

fn place(workspace: &Workspace, arguments: &Arguments) -> Result<(ChannelId, Ts)> {
    let channel = channel_of(workspace, arguments, "channel_id")?.id.clone();
    let root = ts_of(arguments, "thread_ts", "invalid_thread_ts")?;
    match workspace.message(&channel, &root) {
        Some(message) if message.thread.is_none() => Ok((channel, root)),
        Some(_) => Err(Refusal::caller(
            "invalid_thread_ts",
            "thread_ts is a reply's time stamp",
        )),
        None => Err(Refusal::state("invalid_thread_ts")),
    }
}

fn title_of(arguments: &Arguments) -> Result<Option<String>> {
    let title = arguments.text("title");
    match &title {
        Some(title) if title.chars().count() > limits::SESSION_TITLE => Err(Refusal::caller(
            "invalid_arguments",
            format!("title, at most {} characters", limits::SESSION_TITLE),
        )),
        Some(_) | None => Ok(title),
    }
}

pub(super) fn set_status(workspace: &mut Workspace, arguments: &Arguments) -> Result<Done> {
    let place = place(workspace, arguments)?;
    let status = arguments.text_or_empty("status");
    if !["processing", "suspended", "active"].contains(&status.as_str()) {
        return Err(Refusal::caller(
            "invalid_arguments",
            format!("no such session status: {status:?}"),
        ));
    }
    let title = title_of(arguments)?;
    let shown = workspace.statuses.entry(place).or_default();
    shown.session = Some(status);
    // A title counts only where the session begins; later there is a method for it.
    if shown.title.is_none() {
        shown.title = title;
    }
    Ok(Done::quietly(json!({})))
}

pub(super) fn rename(workspace: &mut Workspace, arguments: &Arguments) -> Result<Done> {
    let place = place(workspace, arguments)?;
    let title = title_of(arguments)?;
    workspace.statuses.entry(place).or_default().title = title;
    Ok(Done::quietly(json!({})))
}

pub(super) fn set_thread_status(workspace: &mut Workspace, arguments: &Arguments) -> Result<Done> {
    let place = place(workspace, arguments)?;
    let loading = arguments.json("loading_messages").ok().flatten();
    let loading = loading
        .as_ref()
        .and_then(Value::as_array)
        .map_or(0, Vec::len);
    if loading > limits::LOADING_MESSAGES {
        let detail = format!("loading_messages, at most {}", limits::LOADING_MESSAGES);
        return Err(Refusal::caller("invalid_arguments", detail));
    }
    let status = arguments.text_or_empty("status");
    workspace.statuses.entry(place).or_default().text = Some((status, Instant::now()));
    Ok(Done::quietly(json!({})))
}
