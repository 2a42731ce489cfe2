//! What a person does on the page.

use std::sync::Arc;

use anyhow::Context as _;
use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::slack::core::Core;
use crate::slack::directory::BOT_USER;
use crate::slack::ids::{ChannelId, FileId, Ts, ViewId};
use crate::slack::message::Control;
use crate::slack::people::{self, Attachment, Emoji, Speech, ViewAnswer};
use crate::slack::{COMMAND, events};

/// One deed of the person `who`.
#[derive(Deserialize)]
pub(super) struct Act {
    who: String,
    #[serde(flatten)]
    deed: Deed,
}

#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
enum Deed {
    /// Writes, or types a slash command where the text begins with it.
    Say {
        channel: ChannelId,
        thread: Option<Ts>,
        text: String,
        #[serde(default)]
        files: Vec<FileId>,
    },
    /// Puts an emoji on a message, or takes it away where it is there.
    React {
        channel: ChannelId,
        ts: Ts,
        name: String,
    },
    /// Presses a button.
    Press {
        channel: ChannelId,
        ts: Ts,
        block: String,
        action: String,
    },
    /// Chooses from a menu.
    Choose {
        channel: ChannelId,
        ts: Ts,
        block: String,
        action: String,
        option: String,
    },
    /// Submits the open modal.
    Submit { fields: Vec<(String, String)> },
    /// Closes the open modal.
    Close { view: ViewId },
    /// Changes an own message.
    Edit {
        channel: ChannelId,
        ts: Ts,
        text: String,
    },
    /// Deletes an own message.
    Delete { channel: ChannelId, ts: Ts },
    /// Presses the native stop button.
    Stop { channel: ChannelId, ts: Ts },
    /// Opens the conversation with the bot.
    Direct,
}

pub(super) async fn act(State(core): State<Arc<Core>>, Json(act): Json<Act>) -> Response {
    match perform(&core, &act.who, act.deed).await {
        Ok(answer) => Json(answer).into_response(),
        Err(error) => (
            StatusCode::BAD_REQUEST,
            Json(json!({ "error": format!("{error:#}") })),
        )
            .into_response(),
    }
}

async fn perform(core: &Arc<Core>, who: &str, deed: Deed) -> anyhow::Result<Value> {
    match deed {
        Deed::Say {
            channel,
            thread,
            text,
            files,
        } => {
            return say(core, who, &channel, thread.as_ref(), &text, files).await;
        }
        Deed::React { channel, ts, name } => {
            let what = toggle(core, who, &channel, &ts, &name)?;
            core.deliver_soon(core.set_reaction(who, (&channel, &ts), &name, what)?);
        }
        Deed::Press {
            channel,
            ts,
            block,
            action,
        } => {
            let control = control(core, &channel, &ts, &block, &action)?;
            core.press(who, &channel, &control, None).await?;
        }
        Deed::Choose {
            channel,
            ts,
            block,
            action,
            option,
        } => {
            let control = control(core, &channel, &ts, &block, &action)?;
            core.press(who, &channel, &control, Some(&option)).await?;
        }
        Deed::Submit { fields } => {
            let fields: Vec<(&str, &str)> = fields
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect();
            return Ok(match core.submit(who, &fields).await? {
                ViewAnswer::Errors(errors) => json!({ "errors": errors }),
                ViewAnswer::Closed | ViewAnswer::Updated => json!({}),
            });
        }
        Deed::Close { view } => close(core, who, &view)?,
        Deed::Edit { channel, ts, text } => {
            core.deliver_soon(core.edit(who, (&channel, &ts), &text)?);
        }
        Deed::Delete { channel, ts } => core.deliver_soon(core.delete(who, (&channel, &ts))?),
        Deed::Stop { channel, ts } => {
            let parcel = core.change(|workspace| {
                let user = people::person(workspace, who)?;
                let event_ts = workspace.next_ts();
                anyhow::Ok(events::of_stopped_session(
                    workspace, &channel, &ts, &user, &event_ts,
                ))
            })?;
            core.deliver_soon(parcel.into_iter().collect());
        }
        Deed::Direct => {
            let channel = core.change(|workspace| {
                let user = people::person(workspace, who)?;
                anyhow::Ok(workspace.direct_channel(&user))
            })?;
            return Ok(json!({ "channel": channel }));
        }
    }
    Ok(json!({}))
}

/// Writes; the answer is the message's time stamp, so that the page can open its thread.
async fn say(
    core: &Arc<Core>,
    who: &str,
    channel: &ChannelId,
    thread: Option<&Ts>,
    text: &str,
    files: Vec<FileId>,
) -> anyhow::Result<Value> {
    if let Some(rest) = text
        .strip_prefix(COMMAND)
        .filter(|rest| rest.is_empty() || rest.starts_with(' '))
    {
        anyhow::ensure!(
            thread.is_none(),
            "Slack has no slash commands inside threads: mention @deckhand instead."
        );
        let answer = core
            .slash(who, channel.as_str(), COMMAND, rest.trim())
            .await?;
        anyhow::ensure!(
            answer.accepted,
            "{COMMAND} failed because the app did not answer in time."
        );
        return Ok(json!({}));
    }
    let speech = Speech {
        user: who,
        channel: channel.as_str(),
        thread,
        text,
        files,
    };
    let (message, parcels) = core.speak(speech)?;
    let to_bot =
        message.text.contains(&format!("<@{BOT_USER}>")) || channel.as_str().starts_with('D');
    core.deliver_soon(parcels);
    Ok(json!({ "ts": message.ts, "to_bot": to_bot }))
}

fn toggle(
    core: &Core,
    who: &str,
    channel: &ChannelId,
    ts: &Ts,
    name: &str,
) -> anyhow::Result<Emoji> {
    core.look(|workspace| {
        let user = people::person(workspace, who)?;
        let message = workspace
            .message(channel, ts)
            .context("the message is gone")?;
        Ok(if message.has_reaction(&user, name) {
            Emoji::Remove
        } else {
            Emoji::Add
        })
    })
}

fn control(
    core: &Core,
    channel: &ChannelId,
    ts: &Ts,
    block: &str,
    action: &str,
) -> anyhow::Result<Control> {
    let controls = core.look(|workspace| {
        workspace
            .message(channel, ts)
            .map(|message| message.controls(workspace))
    });
    let mut controls = controls.unwrap_or_default().into_iter();
    let found = controls.find(|control| control.block_id == block && control.action_id == action);
    found.context("the button is gone: the message has changed")
}

fn close(core: &Arc<Core>, who: &str, id: &ViewId) -> anyhow::Result<()> {
    let view = core.close_view(id).context("the view is gone")?;
    if view.payload["notify_on_close"] == true {
        let wire = crate::slack::methods::view_wire(&view, &json!({}));
        let parcel = core.change(|workspace| {
            let user = people::person(workspace, who)?;
            anyhow::Ok(events::of_view(workspace, "view_closed", &user, wire))
        })?;
        core.deliver_soon(vec![parcel]);
    }
    Ok(())
}

#[derive(Deserialize)]
pub(super) struct Upload {
    who: String,
    name: String,
}

/// Takes a file that a person attaches; it is shown when a message names it.
pub(super) async fn upload(
    State(core): State<Arc<Core>>,
    Query(upload): Query<Upload>,
    content: Bytes,
) -> Response {
    match core.attach(
        &upload.who,
        Attachment {
            name: upload.name,
            content,
        },
    ) {
        Ok(id) => Json(json!({ "id": id })).into_response(),
        Err(error) => (
            StatusCode::BAD_REQUEST,
            Json(json!({ "error": format!("{error:#}") })),
        )
            .into_response(),
    }
}
