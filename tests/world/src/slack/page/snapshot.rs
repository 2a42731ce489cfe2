//! What the page shows at one moment, for one person, as JSON with the parts in HTML.

use serde_json::{Value, json};

use super::blocks;
use super::mrkdwn::{self, escape};
use crate::slack::core::Core;
use crate::slack::delivery::Outcome;
use crate::slack::directory::{Channel, ChannelKind, Standing};
use crate::slack::emoji;
use crate::slack::file::File;
use crate::slack::ids::{ChannelId, Ts, UserId};
use crate::slack::message::{Audience, EditMark, Message, Presence};
use crate::slack::workspace::{View, Workspace};

/// Messages of a channel that are shown, the newest.
const SHOWN_MESSAGES: usize = 200;

/// What one person looks at.
pub(crate) struct Gaze {
    pub(crate) user: String,
    pub(crate) channel: String,
    pub(crate) thread: Option<String>,
}

/// The whole page for one person.
pub(crate) fn snapshot(core: &Core, gaze: &Gaze) -> Value {
    let trouble = trouble(core);
    core.look(|workspace| {
        let people = workspace.users.iter().filter(|user| user.standing != Standing::Bot);
        let me = workspace.user(&gaze.user).map(|user| user.id.clone());
        let me = me.or_else(|| people.clone().next().map(|user| user.id.clone()));
        let Some(me) = me else {
            return json!({});
        };
        let seen = |channel: &&Channel| match &channel.kind {
            ChannelKind::Public | ChannelKind::Private | ChannelKind::Connect => true,
            ChannelKind::Direct(user) => *user == me,
        };
        let channels: Vec<&Channel> = workspace.channels.iter().filter(seen).collect();
        let shown = channels.iter().find(|channel| channel.id.as_str() == gaze.channel).or(channels.first());
        let channel = shown.map(|channel| channel.id.clone());
        let thread = gaze.thread.as_deref().map(Ts::from);
        json!({
            "me": me,
            "people": people.map(|user| json!({
                "id": user.id, "name": user.name, "real_name": user.real_name, "hue": hue(workspace, &user.id),
            })).collect::<Vec<_>>(),
            "channels": channels.iter().map(|channel| channel_entry(workspace, channel)).collect::<Vec<_>>(),
            "channel": channel,
            "messages": channel.as_ref().map(|channel| channel_messages(workspace, channel, &me)),
            "thread": channel.as_ref().zip(thread).and_then(|(channel, root)| thread_pane(workspace, channel, &root, &me)),
            "view": workspace.open_view(&me).map(|view| modal(workspace, view)),
            "offered": emoji::OFFERED.iter().map(|name| json!({ "name": name, "glyph": emoji::glyph(name) })).collect::<Vec<_>>(),
            "trouble": trouble,
        })
    })
}

/// A sentence where the app did not take the newest delivery.
fn trouble(core: &Core) -> Option<String> {
    let journal = core.journal();
    let newest = journal
        .deliveries
        .back()
        .filter(|delivery| !delivery.accepted())?;
    Some(match newest.attempts.last()?.outcome {
        Outcome::Acknowledged => return None,
        Outcome::Answered(status) => format!(
            "Deckhand answered the last event ({}) with HTTP {status}.",
            newest.what
        ),
        Outcome::TimedOut => format!(
            "Deckhand did not answer the last event ({}) within 3 seconds.",
            newest.what
        ),
        Outcome::Unreachable => "Deckhand cannot be reached. Is it running?".to_owned(),
        Outcome::NoAddress => "Deckhand is not connected yet.".to_owned(),
    })
}

fn channel_entry(workspace: &Workspace, channel: &Channel) -> Value {
    let newest = workspace
        .messages
        .values()
        .rfind(|message| message.channel == channel.id && message.from_bot());
    let (kind, name) = match &channel.kind {
        ChannelKind::Direct(_) => ("direct", "deckhand"),
        ChannelKind::Public | ChannelKind::Private | ChannelKind::Connect => {
            ("channel", channel.name.as_str())
        }
    };
    json!({ "id": channel.id, "name": name, "kind": kind, "newest": newest.map(|message| &message.ts) })
}

pub(super) fn is_visible(message: &Message, me: &UserId) -> bool {
    match &message.audience {
        Audience::Everyone => true,
        Audience::Only(user) => user == me,
    }
}

fn channel_messages(workspace: &Workspace, channel: &ChannelId, me: &UserId) -> Vec<Value> {
    let messages = workspace
        .messages
        .values()
        .filter(|message| message.channel == *channel);
    let roots = messages.filter(|message| message.thread.is_none() && is_visible(message, me));
    let mut newest: Vec<&Message> = roots.rev().take(SHOWN_MESSAGES).collect();
    newest.reverse();
    newest
        .into_iter()
        .map(|message| entry(workspace, message, me, &summary(workspace, message)))
        .collect()
}

fn thread_pane(
    workspace: &Workspace,
    channel: &ChannelId,
    root: &Ts,
    me: &UserId,
) -> Option<Value> {
    workspace.message(channel, root)?;
    let messages = workspace
        .thread(channel, root)
        .filter(|message| is_visible(message, me));
    let messages: Vec<Value> = messages
        .map(|message| entry(workspace, message, me, ""))
        .collect();
    let status = workspace
        .statuses
        .get(&(channel.clone(), root.clone()))
        .cloned()
        .unwrap_or_default();
    Some(json!({
        "root": root, "messages": messages, "replies": workspace.replies(channel, root).count(), "title": status.title,
        "working": status.session.as_deref() == Some("processing"), "status": status.live_text(),
    }))
}

fn entry(workspace: &Workspace, message: &Message, me: &UserId, below: &str) -> Value {
    json!({ "ts": message.ts, "mine": message.user == *me, "html": message_html(workspace, message, me) + below })
}

pub(super) fn message_html(workspace: &Workspace, message: &Message, me: &UserId) -> String {
    let user = workspace.user(message.user.as_str());
    let name = user.map_or("someone", |user| user.real_name.as_str());
    let badge = if message.from_bot() {
        r#"<span class="badge">APP</span>"#
    } else {
        ""
    };
    let only = match message.audience {
        Audience::Everyone => "",
        Audience::Only(_) => r#"<div class="only">Only visible to you</div>"#,
    };
    let edited = match message.edit_mark {
        EditMark::Hidden => "",
        EditMark::Shown { .. } => r#" <span class="faint">(edited)</span>"#,
    };
    let words = match message.presence {
        Presence::Tombstone => r#"<em class="faint">This message was deleted.</em>"#.to_owned(),
        Presence::Live if message.from_bot() && !message.blocks.is_empty() => {
            blocks::html(workspace, message.ts.as_str(), &message.blocks)
        }
        Presence::Live => mrkdwn::html(workspace, &message.text),
    };
    let files = message.files.iter().filter_map(|id| workspace.file(id));
    let files: String = files.map(file_html).collect();
    let files = if files.is_empty() {
        files
    } else {
        format!(r#"<div class="files">{files}</div>"#)
    };
    format!(
        r#"{only}{}<div class="body"><div class="head"><b>{}</b>{badge}<time data-ts="{}"></time></div><div class="words">{words}{edited}</div>{files}{}</div>"#,
        avatar(workspace, message, name),
        escape(name),
        message.ts,
        reactions(workspace, message, me)
    )
}

fn avatar(workspace: &Workspace, message: &Message, name: &str) -> String {
    if message.from_bot() {
        return r##"<div class="avatar bot"><svg aria-hidden="true"><use href="#wheel"/></svg></div>"##.to_owned();
    }
    let initial = name.chars().next().map(String::from).unwrap_or_default();
    format!(
        r#"<div class="avatar hue{}">{}</div>"#,
        hue(workspace, &message.user),
        escape(&initial)
    )
}

/// One of the six colours of people, by their place in the workspace: neighbours differ.
fn hue(workspace: &Workspace, id: &UserId) -> usize {
    workspace
        .users
        .iter()
        .position(|user| user.id == *id)
        .unwrap_or_default()
        % 6
}

fn file_html(file: &File) -> String {
    let (id, title) = (escape(file.id.as_str()), escape(&file.title));
    if file.media_type().starts_with("image/") {
        let alt = if file.alt.is_empty() {
            title.clone()
        } else {
            escape(&file.alt)
        };
        return format!(
            r#"<figure class="picture"><figcaption>{title}</figcaption><a href="/page/files/{id}" target="_blank"><img src="/page/files/{id}" alt="{alt}"></a></figure>"#
        );
    }
    let size = file.length.div_ceil(1024);
    format!(
        r#"<a class="file" href="/page/files/{id}" target="_blank">📄 <b>{title}</b> <span class="faint">{size} kB</span></a>"#
    )
}

fn reactions(workspace: &Workspace, message: &Message, me: &UserId) -> String {
    if message.reactions.is_empty() {
        return String::new();
    }
    let shown = message.reactions.iter().map(|reaction| {
        let names = reaction.users.iter().filter_map(|user| workspace.user(user.as_str()));
        let names: Vec<&str> = names.map(|user| user.real_name.as_str()).collect();
        let mine = if reaction.users.contains(me) { " mine" } else { "" };
        let glyph = emoji::glyph(&reaction.name).unwrap_or(&reaction.name);
        format!(
            r#"<button type="button" class="reaction{mine}" data-do="react" data-ts="{}" data-name="{}" title="{}">{glyph} <span>{}</span></button>"#,
            message.ts,
            escape(&reaction.name),
            escape(&names.join(", ")),
            reaction.users.len()
        )
    });
    format!(
        r#"<div class="reactions">{}</div>"#,
        shown.collect::<String>()
    )
}

/// How many replies there are, and when the last came: the way into the thread.
fn summary(workspace: &Workspace, message: &Message) -> String {
    let replies: Vec<&Message> = workspace.replies(&message.channel, &message.ts).collect();
    let Some(latest) = replies.last() else {
        return String::new();
    };
    let count = match replies.len() {
        1 => "1 reply".to_owned(),
        count => format!("{count} replies"),
    };
    let status = workspace
        .statuses
        .get(&(message.channel.clone(), message.ts.clone()));
    let working = match status.and_then(|status| status.session.as_deref()) {
        Some("processing") => r#"<span class="working">working</span>"#,
        _ => "",
    };
    format!(
        r#"<button type="button" class="summary" data-do="open" data-ts="{}"><b>{count}</b> <span class="faint">last reply <time data-ts="{}"></time></span>{working}</button>"#,
        message.ts, latest.ts
    )
}

fn modal(workspace: &Workspace, view: &View) -> Value {
    let text = |name: &str| view.payload[name]["text"].as_str().map(str::to_owned);
    let blocks = view.payload["blocks"]
        .as_array()
        .map_or(&[] as &[Value], Vec::as_slice);
    json!({
        "id": view.id, "hash": view.hash, "title": text("title"), "submit": text("submit"),
        "close": text("close").unwrap_or("Cancel".to_owned()), "html": blocks::html(workspace, "", blocks),
    })
}
