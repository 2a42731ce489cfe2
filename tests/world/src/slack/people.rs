//! What people do in the workspace: speak, react, press, fill in, edit, delete, and type slash commands.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use serde_json::{Value, json};

use super::core::Core;
use super::delivery::{Delivery, Parcel};
use super::file::File;
use super::ids::{ChannelId, FileId, Ts, UserId};
use super::message::{Audience, Control, EditMark, Message};
use super::workspace::{Draft, Workspace};
use super::{emoji, events, typed};

/// A file that a person attaches.
#[derive(Clone, Debug)]
pub struct Attachment {
    /// The file's name, with its extension.
    pub name: String,
    /// The content.
    pub content: Bytes,
}

/// What the app answered to a submitted view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ViewAnswer {
    /// The view was closed.
    Closed,
    /// It stays, with an error under each named block.
    Errors(Vec<(String, String)>),
    /// It stays with other content.
    Updated,
}

/// What the app answered to a slash command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlashAnswer {
    /// Whether the app answered in time and with success.
    pub accepted: bool,
    /// The words that it answered with at once, empty where it had none.
    pub text: String,
}

/// What a person says, and where.
pub(crate) struct Speech<'a> {
    pub(crate) user: &'a str,
    pub(crate) channel: &'a str,
    pub(crate) thread: Option<&'a Ts>,
    pub(crate) text: &'a str,
    pub(crate) files: Vec<FileId>,
}

/// Where an emoji goes or comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Emoji {
    Add,
    Remove,
}

/// The person that a scenario or the page speaks of.
pub(crate) fn person(workspace: &Workspace, name: &str) -> anyhow::Result<UserId> {
    let user = workspace
        .user(name)
        .with_context(|| format!("there is nobody called {name}"))?;
    Ok(user.id.clone())
}

/// The channel that a scenario or the page speaks of.
pub(crate) fn channel(workspace: &Workspace, name: &str) -> anyhow::Result<ChannelId> {
    let channel = workspace
        .channel(name)
        .with_context(|| format!("there is no channel called {name}"))?;
    Ok(channel.id.clone())
}

impl Core {
    /// Writes a message and says which events come of it.
    pub(crate) fn speak(&self, speech: Speech<'_>) -> anyhow::Result<(Message, Vec<Parcel>)> {
        self.change(|workspace| {
            let typed = typed::translate(workspace, speech.text);
            let draft = Draft {
                thread: speech.thread.cloned(),
                blocks: typed.blocks,
                files: speech.files,
                ..Draft::text(
                    channel(workspace, speech.channel)?,
                    person(workspace, speech.user)?,
                    &typed.text,
                )
            };
            let message = workspace.post(draft);
            let parcels = events::of_new_message(workspace, &message, &typed.mentions);
            Ok((message, parcels))
        })
    }

    /// Stores a file of a person, ready to be said with a message.
    pub(crate) fn attach(&self, user: &str, attachment: Attachment) -> anyhow::Result<FileId> {
        self.change(|workspace| {
            let id = FileId::from(format!("F{:06}", workspace.next_serial()));
            let file = File {
                id: id.clone(),
                title: attachment.name.clone(),
                name: attachment.name,
                alt: String::new(),
                user: person(workspace, user)?,
                length: attachment.content.len(),
                content: Some(attachment.content),
            };
            workspace.files.insert(id.clone(), file);
            Ok(id)
        })
    }

    /// Adds or removes a person's reaction; doing it twice changes nothing and is not told.
    pub(crate) fn set_reaction(
        &self,
        user: &str,
        place: (&ChannelId, &Ts),
        name: &str,
        what: Emoji,
    ) -> anyhow::Result<Vec<Parcel>> {
        let (channel, ts) = place;
        self.change(|workspace| {
            let user = person(workspace, user)?;
            let name = emoji::name_of(name).to_owned();
            if emoji::glyph(&name).is_none() {
                bail!("there is no emoji called {name}");
            }
            let message = workspace
                .message(channel, ts)
                .cloned()
                .context("the message is gone")?;
            let (changed, event) = match what {
                Emoji::Add => (workspace.react(channel, ts, &user, &name), "reaction_added"),
                Emoji::Remove => (
                    workspace.unreact(channel, ts, &user, &name),
                    "reaction_removed",
                ),
            };
            let event_ts = workspace.next_ts();
            let parcel = events::of_reaction(workspace, event, &message, &user, &name, &event_ts);
            Ok(parcel.filter(|_| changed).into_iter().collect())
        })
    }

    /// Presses a button, or chooses `option` (its label) from a menu.
    pub(crate) async fn press(
        self: &Arc<Self>,
        user: &str,
        channel: &ChannelId,
        control: &Control,
        option: Option<&str>,
    ) -> anyhow::Result<Delivery> {
        let chosen = option
            .map(|label| option_of(&control.element, label))
            .transpose()?;
        let parcel = self.change(|workspace| {
            let user = person(workspace, user)?;
            anyhow::Ok(events::of_press(
                workspace,
                channel,
                &user,
                control,
                chosen.as_ref(),
            ))
        })?;
        self.deliver_one(parcel).await
    }

    /// Delivers one parcel and gives its record.
    pub(crate) async fn deliver_one(self: &Arc<Self>, parcel: Parcel) -> anyhow::Result<Delivery> {
        self.deliver(vec![parcel])
            .await
            .pop()
            .context("the delivery was not made")
    }

    /// Changes what a person's own message says.
    pub(crate) fn edit(
        &self,
        user: &str,
        place: (&ChannelId, &Ts),
        text: &str,
    ) -> anyhow::Result<Vec<Parcel>> {
        let (channel, ts) = place;
        self.change(|workspace| {
            let user = own_message(workspace, user, place)?;
            let before = workspace
                .message(channel, ts)
                .map(|message| message.wire(workspace))
                .unwrap_or_default();
            let typed = typed::translate(workspace, text);
            let edit_ts = workspace.next_ts();
            let message = workspace
                .message_mut(channel, ts)
                .context("the message is gone")?;
            message.replace(typed.text, typed.blocks);
            message.edit_mark = EditMark::Shown {
                by: user,
                ts: edit_ts.clone(),
            };
            let now = message.clone();
            Ok(events::of_edit(workspace, &now, &before, &edit_ts)
                .into_iter()
                .collect())
        })
    }

    /// Takes a person's own message away.
    pub(crate) fn delete(
        &self,
        user: &str,
        place: (&ChannelId, &Ts),
    ) -> anyhow::Result<Vec<Parcel>> {
        let (channel, ts) = place;
        self.change(|workspace| {
            own_message(workspace, user, place)?;
            let before = workspace
                .message(channel, ts)
                .map(|message| message.wire(workspace))
                .unwrap_or_default();
            let event_ts = workspace.next_ts();
            let gone = workspace
                .remove(channel, ts)
                .context("the message is gone")?;
            Ok(events::of_deletion(workspace, &gone, &before, &event_ts)
                .into_iter()
                .collect())
        })
    }

    /// Types a slash command; what the app answers at once is shown to its person alone, unless it says otherwise.
    pub(crate) async fn slash(
        self: &Arc<Self>,
        user: &str,
        place: &str,
        command: &str,
        text: &str,
    ) -> anyhow::Result<SlashAnswer> {
        let (user, channel, parcel) = self.change(|workspace| {
            let (user, channel) = (person(workspace, user)?, channel(workspace, place)?);
            let parcel = events::of_command(workspace, &user, &channel, command, text);
            anyhow::Ok((user, channel, parcel))
        })?;
        let delivery = self.deliver_one(parcel).await?;
        let read: Option<Value> = serde_json::from_str(&delivery.answer)
            .ok()
            .filter(Value::is_object);
        let answer = read.unwrap_or_else(|| json!({ "text": delivery.answer }));
        let blocks = answer["blocks"].as_array().cloned().unwrap_or_default();
        let text = answer["text"].as_str().unwrap_or_default().to_owned();
        let shown = super::transcript::plain_text(&text, &blocks);
        if delivery.accepted() && !shown.is_empty() {
            let audience = match answer["response_type"].as_str() {
                Some("in_channel") => Audience::Everyone,
                Some(_) | None => Audience::Only(user),
            };
            let draft = Draft {
                blocks,
                audience,
                ..Draft::text(channel, super::directory::BOT_USER.into(), &text)
            };
            self.change(|workspace| workspace.post(draft));
        }
        Ok(SlashAnswer {
            accepted: delivery.accepted(),
            text: shown,
        })
    }
}

/// The person, where the message is theirs.
fn own_message(
    workspace: &Workspace,
    user: &str,
    place: (&ChannelId, &Ts),
) -> anyhow::Result<UserId> {
    let user = person(workspace, user)?;
    match workspace.message(place.0, place.1) {
        Some(message) if message.user == user => Ok(user),
        Some(_) => bail!("the message is another person's"),
        None => bail!("the message is gone"),
    }
}

/// The option of a menu with this label or value.
pub(super) fn option_of(element: &Value, label: &str) -> anyhow::Result<Value> {
    let options = element["options"].as_array().into_iter().flatten();
    let found = options
        .into_iter()
        .find(|option| option["text"]["text"] == label || option["value"] == label);
    found
        .cloned()
        .with_context(|| format!("the menu has no option {label}: {}", element["options"]))
}
