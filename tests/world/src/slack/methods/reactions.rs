//! Emojis on messages: `reactions.add`, `.remove`, `.get`.

use serde_json::json;

use super::{Done, Refusal, Result, channel_of, ts_of};
use crate::slack::arguments::Arguments;
use crate::slack::directory::BOT_USER;
use crate::slack::ids::UserId;
use crate::slack::message::Message;
use crate::slack::workspace::Workspace;
use crate::slack::{emoji, events, limits};

fn target(workspace: &Workspace, arguments: &Arguments) -> Result<Message> {
    if arguments.text("channel").is_none() || arguments.text("timestamp").is_none() {
        return Err(Refusal::caller(
            "no_item_specified",
            "channel and timestamp name the message",
        ));
    }
    let channel = channel_of(workspace, arguments, "channel")?;
    let ts = ts_of(arguments, "timestamp", "bad_timestamp")?;
    let message = workspace.message(&channel.id, &ts).cloned();
    message.ok_or_else(|| Refusal::state("message_not_found"))
}

fn name_of(arguments: &Arguments) -> Result<String> {
    let name = arguments.text_or_empty("name");
    match emoji::glyph(&name) {
        Some(_) => Ok(name),
        None => Err(Refusal::caller(
            "invalid_name",
            format!("no emoji is called {name:?}"),
        )),
    }
}

pub(super) fn add(workspace: &mut Workspace, arguments: &Arguments) -> Result<Done> {
    let (message, name) = (target(workspace, arguments)?, name_of(arguments)?);
    let closed = workspace.closed.get(&message.channel);
    if let Some(code) = closed.and_then(|closed| closed.to_reaction()) {
        return Err(Refusal::state(code));
    }
    let is_new = message
        .reactions
        .iter()
        .all(|reaction| reaction.name != name);
    if is_new && message.reactions.len() >= limits::EMOJIS_PER_MESSAGE {
        return Err(Refusal::state("too_many_emoji"));
    }
    let bot = UserId::from(BOT_USER);
    if !workspace.react(&message.channel, &message.ts, &bot, &name) {
        return Err(Refusal::state("already_reacted"));
    }
    let ts = workspace.next_ts();
    let parcel = events::of_reaction(workspace, "reaction_added", &message, &bot, &name, &ts);
    Ok(Done {
        body: json!({}),
        parcels: parcel.into_iter().collect(),
    })
}

pub(super) fn remove(workspace: &mut Workspace, arguments: &Arguments) -> Result<Done> {
    let (message, name) = (target(workspace, arguments)?, name_of(arguments)?);
    let bot = UserId::from(BOT_USER);
    if !workspace.unreact(&message.channel, &message.ts, &bot, &name) {
        return Err(Refusal::state("no_reaction"));
    }
    let ts = workspace.next_ts();
    let parcel = events::of_reaction(workspace, "reaction_removed", &message, &bot, &name, &ts);
    Ok(Done {
        body: json!({}),
        parcels: parcel.into_iter().collect(),
    })
}

pub(super) fn get(workspace: &mut Workspace, arguments: &Arguments) -> Result<Done> {
    let message = target(workspace, arguments)?;
    let wire = message.wire(workspace);
    Ok(Done::quietly(
        json!({ "type": "message", "channel": message.channel, "message": wire }),
    ))
}
