//! The methods of the Web API that the stand-in plays: each reads arguments, changes the workspace, and says what
//! the app hears of it.

mod chat;
mod conversations;
mod files;
mod people;
mod reactions;
mod sessions;
mod views;

pub(crate) use chat::{content, replace_content};
pub(crate) use views::wire as view_wire;

use serde_json::{Value, json};

use super::arguments::Arguments;
use super::delivery::Parcel;
use super::directory::{Channel, ChannelKind, Closed, Membership};
use super::ids::{ChannelId, Ts};
use super::workspace::Workspace;

/// A call that was done.
pub(crate) struct Done {
    /// The answer without `ok`.
    pub(crate) body: Value,
    /// What the app hears of its own deed.
    pub(crate) parcels: Vec<Parcel>,
}

impl Done {
    fn quietly(body: Value) -> Self {
        Self {
            body,
            parcels: Vec::new(),
        }
    }
}

/// Who has to do with a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blame {
    /// The state of the workspace: it can happen to every caller.
    Circumstance,
    /// The caller: Slack's documents say that the call is wrong.
    Caller,
}

/// A call that was refused.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) code: &'static str,
    pub(crate) detail: Vec<String>,
    pub(crate) blame: Blame,
}

impl Refusal {
    /// The workspace is not so that it could be done.
    pub(crate) fn state(code: &'static str) -> Self {
        Self {
            code,
            detail: Vec::new(),
            blame: Blame::Circumstance,
        }
    }

    /// The call is wrong whatever the workspace holds.
    pub(crate) fn caller(code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: vec![detail.into()],
            blame: Blame::Caller,
        }
    }
}

/// What a method makes of a call.
pub(crate) type Result<T> = std::result::Result<T, Refusal>;

type Play = fn(&mut Workspace, &Arguments) -> Result<Done>;

/// The methods that are played.
const PLAYED: &[(&str, Play)] = &[
    ("api.test", |_, arguments| {
        Ok(Done::quietly(json!({ "args": arguments.to_json() })))
    }),
    ("auth.test", |workspace, _| Ok(people::auth_test(workspace))),
    ("team.info", |workspace, _| Ok(people::team_info(workspace))),
    ("users.info", people::info),
    ("users.lookupByEmail", people::lookup_by_email),
    ("chat.postMessage", chat::post_message),
    ("chat.update", chat::update),
    ("chat.postEphemeral", chat::post_ephemeral),
    ("chat.delete", chat::delete),
    ("chat.getPermalink", chat::permalink),
    ("conversations.replies", conversations::replies),
    ("conversations.history", conversations::history),
    ("conversations.info", conversations::info),
    ("conversations.open", conversations::open),
    ("reactions.add", reactions::add),
    ("reactions.remove", reactions::remove),
    ("reactions.get", reactions::get),
    ("files.getUploadURLExternal", files::get_upload_url),
    ("files.completeUploadExternal", files::complete_upload),
    ("files.info", files::info),
    ("views.open", views::open),
    ("views.update", views::update),
    ("views.publish", views::publish),
    ("agents.sessions.setStatus", sessions::set_status),
    ("agents.sessions.rename", sessions::rename),
    ("assistant.threads.setStatus", sessions::set_thread_status),
];

/// The names of the methods that the stand-in plays.
pub fn played_methods() -> impl Iterator<Item = &'static str> {
    PLAYED.iter().map(|(name, _)| *name)
}

/// Plays one method; `None` where the stand-in does not know it.
pub(crate) fn play(
    method: &str,
    workspace: &mut Workspace,
    arguments: &Arguments,
) -> Option<Result<Done>> {
    let (_, play) = PLAYED.iter().find(|(name, _)| *name == method)?;
    Some(play(workspace, arguments))
}

/// The channel that an argument names, by identifier.
fn channel_of<'a>(
    workspace: &'a Workspace,
    arguments: &Arguments,
    name: &str,
) -> Result<&'a Channel> {
    let id = ChannelId::from(arguments.text_or_empty(name));
    let is_there = |channel: &&Channel| {
        channel.id == id && workspace.closed.get(&id) != Some(&Closed::Deleted)
    };
    let channel = workspace.channels.iter().find(is_there);
    channel.ok_or_else(|| Refusal::state("channel_not_found"))
}

/// The channel that an argument names, where the bot may write; `refusal` is what the method answers in a closed one.
fn writable_channel(
    workspace: &Workspace,
    arguments: &Arguments,
    refusal: fn(Closed) -> &'static str,
) -> Result<ChannelId> {
    let channel = channel_of(workspace, arguments, "channel")?;
    match workspace.closed.get(&channel.id) {
        Some(Closed::ThreadsLocked) if arguments.text("thread_ts").is_none() => {}
        Some(closed) => return Err(Refusal::state(refusal(*closed))),
        None => {}
    }
    match (channel.bot, &channel.kind) {
        (Membership::Joined, _) => Ok(channel.id.clone()),
        // A private channel does not exist for those who are not in it.
        (Membership::Absent, ChannelKind::Private | ChannelKind::Direct(_)) => {
            Err(Refusal::state("channel_not_found"))
        }
        (Membership::Absent, ChannelKind::Public | ChannelKind::Connect) => {
            Err(Refusal::state("not_in_channel"))
        }
    }
}

/// A time stamp, checked for its shape.
fn ts_of(arguments: &Arguments, name: &str, code: &'static str) -> Result<Ts> {
    let text = arguments.text_or_empty(name);
    if Ts::is_well_formed(&text) {
        Ok(Ts::from(text))
    } else {
        Err(Refusal::caller(
            code,
            format!("{name} is no time stamp: {text:?}"),
        ))
    }
}

/// The root of the thread that `thread_ts` names, where it is given.
fn thread_of(
    workspace: &Workspace,
    channel: &ChannelId,
    arguments: &Arguments,
) -> Result<Option<Ts>> {
    const CODE: &str = "cannot_reply_to_message";
    if arguments.text("thread_ts").is_none() {
        return Ok(None);
    }
    let root = ts_of(arguments, "thread_ts", CODE)?;
    match workspace.message(channel, &root) {
        None => Err(Refusal::state(CODE)),
        Some(message) if message.thread.is_some() => Err(Refusal::caller(
            CODE,
            format!("thread_ts {root} is a reply's time stamp; its parent's belongs here"),
        )),
        Some(_) => Ok(Some(root)),
    }
}
