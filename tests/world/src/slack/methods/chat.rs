//! Messages: `chat.postMessage`, `chat.update`, `chat.postEphemeral`, `chat.delete`, `chat.getPermalink`.

use serde_json::{Value, json};

use super::{Done, Refusal, Result, channel_of, thread_of, ts_of, writable_channel};
use crate::slack::arguments::Arguments;
use crate::slack::blocks::{self, Place};
use crate::slack::directory::{BOT_USER, Closed};
use crate::slack::events;
use crate::slack::ids::{ChannelId, Ts};
use crate::slack::limits;
use crate::slack::message::{Audience, EditMark};
use crate::slack::workspace::{Draft, Workspace};

/// Text and blocks of a message, checked.
pub(crate) struct Content {
    pub(crate) text: String,
    /// `None` where the call named no blocks.
    pub(crate) blocks: Option<Vec<Value>>,
}

/// Reads `text`, `blocks` and `markdown_text`, and refuses what Slack would refuse.
pub(crate) fn content(workspace: &mut Workspace, arguments: &Arguments) -> Result<Content> {
    let unreadable =
        |error: serde_json::Error| Refusal::caller("invalid_blocks_format", error.to_string());
    let text = arguments.text("text");
    let mut blocks = match arguments.json("blocks").map_err(unreadable)? {
        None => None,
        Some(Value::Array(blocks)) => Some(blocks),
        Some(_) => {
            return Err(Refusal::caller(
                "invalid_blocks_format",
                "blocks is no array",
            ));
        }
    };
    if let Some(markdown) = arguments.text("markdown_text") {
        if text.is_some() || blocks.is_some() {
            return Err(Refusal::caller(
                "markdown_text_conflict",
                "markdown_text stands alone",
            ));
        }
        blocks = Some(vec![json!({ "type": "markdown", "text": markdown })]);
    }
    let says_nothing =
        text.as_ref().is_none_or(String::is_empty) && blocks.as_ref().is_none_or(Vec::is_empty);
    if says_nothing {
        return Err(Refusal::caller("no_text", "neither text nor blocks"));
    }
    if let Some(blocks) = &mut blocks {
        let faults = blocks::faults(blocks, Place::Message);
        if let Some(first) = faults.first() {
            let code = first.code;
            let detail = faults.into_iter().map(|fault| fault.message).collect();
            return Err(Refusal {
                code,
                detail,
                blame: super::Blame::Caller,
            });
        }
        name_blocks(workspace, blocks);
    }
    Ok(Content {
        text: text.unwrap_or_default(),
        blocks,
    })
}

/// Gives blocks the identifiers that Slack gives them where the app did not.
fn name_blocks(workspace: &mut Workspace, blocks: &mut [Value]) {
    for block in blocks {
        if block["block_id"].is_null() {
            block["block_id"] = json!(format!("b{}", workspace.next_serial()));
        }
    }
}

fn metadata(arguments: &Arguments) -> Result<Option<Value>> {
    let read = arguments.json("metadata");
    read.map_err(|error| Refusal::caller("invalid_metadata_format", error.to_string()))
}

pub(super) fn post_message(workspace: &mut Workspace, arguments: &Arguments) -> Result<Done> {
    let channel = post_target(workspace, arguments)?;
    let thread = thread_of(workspace, &channel, arguments)?;
    let mut content = content(workspace, arguments)?;
    if let Some((cut, _)) = content.text.char_indices().nth(limits::TEXT_IN_POST) {
        content.text.truncate(cut);
    }
    let message = workspace.post(Draft {
        thread,
        blocks: content.blocks.unwrap_or_default(),
        metadata: metadata(arguments)?,
        ..Draft::text(channel.clone(), BOT_USER.into(), &content.text)
    });
    Ok(Done {
        body: json!({ "channel": channel, "ts": message.ts, "message": message.wire(workspace) }),
        parcels: events::of_new_message(workspace, &message, &[]),
    })
}

/// Where a message goes: a channel, or a person, whose direct conversation is opened.
fn post_target(workspace: &mut Workspace, arguments: &Arguments) -> Result<ChannelId> {
    let target = arguments.text_or_empty("channel");
    let person = workspace
        .users
        .iter()
        .find(|user| user.id.as_str() == target);
    match person.map(|user| user.id.clone()) {
        Some(user) => Ok(workspace.direct_channel(&user)),
        None => writable_channel(workspace, arguments, Closed::to_message),
    }
}

pub(super) fn update(workspace: &mut Workspace, arguments: &Arguments) -> Result<Done> {
    let channel = channel_of(workspace, arguments, "channel")?.id.clone();
    let ts = ts_of(arguments, "ts", "message_not_found")?;
    let message = workspace
        .message(&channel, &ts)
        .ok_or_else(|| Refusal::state("message_not_found"))?;
    if !message.from_bot() {
        return Err(Refusal::caller(
            "cant_update_message",
            "the message is not the app's",
        ));
    }
    if arguments.text_or_empty("text").chars().count() > limits::TEXT_IN_UPDATE {
        return Err(Refusal::caller(
            "msg_too_long",
            format!("text in an edit, at most {}", limits::TEXT_IN_UPDATE),
        ));
    }
    let content = content(workspace, arguments)?;
    let parcels = replace_content(workspace, &channel, &ts, content);
    if let Some(metadata) = metadata(arguments)?
        && let Some(message) = workspace.message_mut(&channel, &ts)
    {
        message.metadata = Some(metadata);
    }
    let message = workspace
        .message(&channel, &ts)
        .ok_or_else(|| Refusal::state("message_not_found"))?;
    let body = json!({ "channel": channel, "ts": ts, "text": message.text, "message": message.wire(workspace) });
    Ok(Done { body, parcels })
}

/// Puts new content into a message of the bot and tells of the edit.
pub(crate) fn replace_content(
    workspace: &mut Workspace,
    channel: &ChannelId,
    ts: &Ts,
    content: Content,
) -> Vec<crate::slack::delivery::Parcel> {
    let before = workspace
        .message(channel, ts)
        .map(|message| message.wire(workspace));
    let edit_ts = workspace.next_ts();
    let (Some(before), Some(message)) = (before, workspace.message_mut(channel, ts)) else {
        return Vec::new();
    };
    // Text alone takes the blocks away and is marked as edited; blocks are not marked.
    if content.blocks.is_none() {
        message.edit_mark = EditMark::Shown {
            by: BOT_USER.into(),
            ts: edit_ts.clone(),
        };
    }
    message.replace(content.text, content.blocks.unwrap_or_default());
    let now = message.clone();
    events::of_edit(workspace, &now, &before, &edit_ts)
        .into_iter()
        .collect()
}

pub(super) fn post_ephemeral(workspace: &mut Workspace, arguments: &Arguments) -> Result<Done> {
    let channel = writable_channel(workspace, arguments, Closed::to_whisper)?;
    let thread = thread_of(workspace, &channel, arguments)?;
    let user = arguments.text_or_empty("user");
    let user = workspace
        .users
        .iter()
        .find(|known| known.id.as_str() == user)
        .map(|known| known.id.clone());
    let user = user.ok_or_else(|| Refusal::state("user_not_in_channel"))?;
    let content = content(workspace, arguments)?;
    let message = workspace.post(Draft {
        thread,
        blocks: content.blocks.unwrap_or_default(),
        audience: Audience::Only(user),
        ..Draft::text(channel, BOT_USER.into(), &content.text)
    });
    Ok(Done::quietly(json!({ "message_ts": message.ts })))
}

pub(super) fn delete(workspace: &mut Workspace, arguments: &Arguments) -> Result<Done> {
    let channel = channel_of(workspace, arguments, "channel")?.id.clone();
    let ts = ts_of(arguments, "ts", "message_not_found")?;
    let message = workspace
        .message(&channel, &ts)
        .ok_or_else(|| Refusal::state("message_not_found"))?;
    if !message.from_bot() {
        return Err(Refusal::caller(
            "cant_delete_message",
            "the message is not the app's",
        ));
    }
    let before = message.wire(workspace);
    let event_ts = workspace.next_ts();
    let gone = workspace
        .remove(&channel, &ts)
        .ok_or_else(|| Refusal::state("message_not_found"))?;
    let parcels = events::of_deletion(workspace, &gone, &before, &event_ts)
        .into_iter()
        .collect();
    Ok(Done {
        body: json!({ "channel": channel, "ts": ts }),
        parcels,
    })
}

pub(super) fn permalink(workspace: &mut Workspace, arguments: &Arguments) -> Result<Done> {
    let channel = channel_of(workspace, arguments, "channel")?.id.clone();
    let ts = ts_of(arguments, "message_ts", "message_not_found")?;
    let message = workspace
        .message(&channel, &ts)
        .ok_or_else(|| Refusal::state("message_not_found"))?;
    let digits = ts.as_str().replace('.', "");
    let place = match &message.thread {
        Some(root) => format!("?thread_ts={root}&cid={channel}"),
        None => String::new(),
    };
    let address = match workspace.home.own_host() {
        Some(host) => format!("https://{host}"),
        None => workspace.address.clone(),
    };
    let url = format!("{address}/archives/{channel}/p{digits}{place}");
    Ok(Done::quietly(
        json!({ "channel": channel, "permalink": url }),
    ))
}
