//! Channels and what was said in them: `conversations.replies`, `.history`, `.info`, `.open`.

use serde_json::{Value, json};

use super::{Done, Refusal, Result, channel_of, ts_of};
use crate::slack::arguments::Arguments;
use crate::slack::directory::{BOT_USER, Channel, ChannelKind, Membership, Reach};
use crate::slack::ids::Ts;
use crate::slack::message::{Audience, Message};
use crate::slack::workspace::Workspace;

/// Messages in one page where the caller names no number.
const USUAL_PAGE: usize = 100;
/// Messages in one page, at most.
const LARGEST_PAGE: usize = 999;

/// A channel whose messages the bot may read.
fn readable<'a>(workspace: &'a Workspace, arguments: &Arguments) -> Result<&'a Channel> {
    let channel = channel_of(workspace, arguments, "channel")?;
    match channel.bot {
        Membership::Joined => Ok(channel),
        Membership::Absent => Err(Refusal::state("channel_not_found")),
    }
}

/// Which messages a caller wants, by `oldest`, `latest`, `inclusive`, `cursor` and `limit`.
struct Window {
    oldest: String,
    latest: Option<String>,
    inclusive: bool,
    from: usize,
    limit: usize,
}

impl Window {
    fn read(arguments: &Arguments) -> Result<Self> {
        let cursor = arguments.text("cursor").filter(|cursor| !cursor.is_empty());
        let from = match cursor {
            None => 0,
            Some(cursor) => cursor
                .strip_prefix("next:")
                .and_then(|from| from.parse().ok())
                .ok_or_else(|| Refusal::caller("invalid_cursor", cursor))?,
        };
        Ok(Self {
            oldest: arguments.text_or_empty("oldest"),
            latest: arguments.text("latest"),
            inclusive: arguments.is_set("inclusive"),
            from,
            limit: arguments
                .number("limit")
                .unwrap_or(USUAL_PAGE)
                .clamp(1, LARGEST_PAGE),
        })
    }

    fn holds(&self, ts: &Ts) -> bool {
        let ts = ts.as_str();
        let at_edge = ts == self.oldest || self.latest.as_deref() == Some(ts);
        let inside =
            ts > self.oldest.as_str() && self.latest.as_deref().is_none_or(|latest| ts < latest);
        inside || (at_edge && self.inclusive)
    }

    /// One page of `messages`, with the cursor of the next.
    fn page(&self, messages: &[&Message], workspace: &Workspace) -> Value {
        let end = messages.len().min(self.from + self.limit);
        let shown = messages.get(self.from..end).unwrap_or_default();
        let has_more = end < messages.len();
        let cursor = if has_more {
            format!("next:{end}")
        } else {
            String::new()
        };
        json!({
            "messages": shown.iter().map(|message| message.wire(workspace)).collect::<Vec<_>>(),
            "has_more": has_more, "response_metadata": { "next_cursor": cursor },
        })
    }
}

pub(super) fn replies(workspace: &mut Workspace, arguments: &Arguments) -> Result<Done> {
    let channel = readable(workspace, arguments)?.id.clone();
    let ts = ts_of(arguments, "ts", "thread_not_found")?;
    let asked = workspace
        .message(&channel, &ts)
        .ok_or_else(|| Refusal::state("thread_not_found"))?;
    let window = Window::read(arguments)?;
    // Asked with a reply's time stamp, Slack gives that reply alone.
    let messages: Vec<&Message> = match &asked.thread {
        Some(_) => vec![asked],
        None => workspace
            .thread(&channel, &ts)
            .filter(|message| message.audience == Audience::Everyone)
            .filter(|message| message.ts == ts || window.holds(&message.ts))
            .collect(),
    };
    Ok(Done::quietly(window.page(&messages, workspace)))
}

pub(super) fn history(workspace: &mut Workspace, arguments: &Arguments) -> Result<Done> {
    let channel = readable(workspace, arguments)?.id.clone();
    let window = Window::read(arguments)?;
    let messages: Vec<&Message> = workspace
        .messages
        .values()
        .rev()
        .filter(|message| message.channel == channel && message.thread.is_none())
        .filter(|message| message.audience == Audience::Everyone && window.holds(&message.ts))
        .collect();
    Ok(Done::quietly(window.page(&messages, workspace)))
}

pub(super) fn info(workspace: &mut Workspace, arguments: &Arguments) -> Result<Done> {
    let channel = channel_of(workspace, arguments, "channel")?;
    if channel.kind == ChannelKind::Private && channel.bot == Membership::Absent {
        return Err(Refusal::state("channel_not_found"));
    }
    Ok(Done::quietly(
        json!({ "channel": wire(workspace, channel) }),
    ))
}

pub(super) fn open(workspace: &mut Workspace, arguments: &Arguments) -> Result<Done> {
    if arguments.text("channel").is_some() {
        let channel = channel_of(workspace, arguments, "channel")?;
        return Ok(Done::quietly(
            json!({ "channel": wire(workspace, channel) }),
        ));
    }
    let users = arguments
        .text("users")
        .ok_or_else(|| Refusal::caller("users_list_not_supplied", "no users"))?;
    let user = workspace
        .users
        .iter()
        .find(|user| user.id.as_str() == users && user.id.as_str() != BOT_USER);
    let user = user
        .map(|user| user.id.clone())
        .ok_or_else(|| Refusal::state("user_not_found"))?;
    let id = workspace.direct_channel(&user);
    Ok(Done::quietly(json!({ "channel": { "id": id } })))
}

fn wire(workspace: &Workspace, channel: &Channel) -> Value {
    let home = &workspace.home;
    let teams = match &channel.reach {
        Reach::Own | Reach::Organisation => vec![home.team.clone()],
        Reach::Of(teams) => teams.clone(),
    };
    let is_member = channel.bot == Membership::Joined;
    let mut wire = json!({
        "id": channel.id, "is_channel": false, "is_group": false, "is_im": false, "is_mpim": false,
        "is_private": false, "is_archived": false, "is_ext_shared": false, "is_shared": false,
        "is_member": is_member, "created": 1_700_000_000,
        "is_org_shared": channel.reach == Reach::Organisation || teams.len() > 1,
        "is_global_shared": channel.reach == Reach::Organisation,
        "context_team_id": teams.first(), "shared_team_ids": teams,
    });
    let mut mark = |names: &[&str]| names.iter().for_each(|name| wire[*name] = json!(true));
    match &channel.kind {
        ChannelKind::Public => mark(&["is_channel"]),
        ChannelKind::Private => mark(&["is_channel", "is_private"]),
        ChannelKind::Connect => mark(&["is_channel", "is_ext_shared", "is_shared"]),
        ChannelKind::Direct(user) => {
            mark(&["is_im", "is_private"]);
            wire["user"] = json!(user);
            return wire;
        }
    }
    wire["name"] = json!(channel.name);
    wire["name_normalized"] = json!(channel.name);
    wire
}
