//! Payloads of Slack, read as raw JSON: which of them matter, and what they mean.
//!
//! Typed models of client libraries refuse whole payloads for one unexpected field (organisation-wide installations send
//! no team, other apps put numbers into metadata). Here every field is optional, and what is missing makes the payload
//! mean less, never an error.

mod changed;
mod form;
mod left;
mod pointed;
mod requested;
mod said;
pub(crate) mod text;

pub(crate) use said::files;

use serde_json::Value;

pub use form::form_to_value;
pub use left::{Leaving, Left, left, placed};
pub use requested::{PostedRequest, posted};
pub use said::said_key;

use super::{blocks::Action, forms, ids, marks, settings};
use crate::domain::{
    TaskId,
    conversation::{ConversationId, LineRef, Standing},
    incoming::{Author, Incoming, Press},
};
use changed::Changed;
use pointed::Pointed;
use said::Said;

/// Who the bot is in a workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The bot's user.
    pub user_id: String,
    /// The workspace.
    pub team_id: String,
    /// The bot behind the user, where Slack names one.
    pub bot_id: Option<String>,
    /// The workspace's name.
    pub team_name: String,
    /// The bot's name.
    pub user_name: String,
    /// The workspace's address, or the organisation's.
    pub url: String,
    /// The organisation, where the token is good for all of its workspaces.
    pub organisation: Option<String>,
}

/// What a door needs to know of a payload before it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The same for every delivery of the same thing: a mention arrives as two events with different identifiers.
    pub key: String,
    /// Where it belongs, where the payload says so.
    pub conversation_hint: Option<ConversationId>,
    /// The line that a reaction hangs on.
    pub reaction_on: Option<LineRef>,
    /// Whether it matters.
    pub relevance: Relevance,
}

/// Whether a payload matters, as far as it says so itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relevance {
    /// It does.
    Certain,
    /// It does where its conversation is one of ours, or may be one when what waits of it is understood.
    IfConversationKnown,
    /// It does where the line that it hangs on is one of ours, or waits to be understood.
    IfLineKnown,
}

/// The word that proves to Slack that this address is ours, where the payload asks for it.
#[must_use]
pub fn challenge(payload: &Value) -> Option<&str> {
    (text_of(payload, "type") == "url_verification")
        .then(|| payload["challenge"].as_str())
        .flatten()
}

/// Whether a payload is stored. None for what is certainly nothing for us: own deeds, other bots, hidden changes, chatter.
#[must_use]
pub fn accept(payload: &Value) -> Option<Accepted> {
    match text_of(payload, "type") {
        "event_callback" => accept_event(payload),
        "block_actions" => accept_press(payload),
        "view_submission" => accept_form(payload),
        "shortcut" => requested::accept_shortcut(payload),
        "message_action" => Pointed::of(payload)?.accepted(payload),
        "" if payload["command"].is_string() => {
            let trigger = payload["trigger_id"].as_str()?;
            Some(certain(
                format!("command:{trigger}"),
                whisper_place(payload),
            ))
        }
        _ => None,
    }
}

/// What a payload means. [`Incoming::Nothing`] for what does not matter, and for what cannot be read.
#[must_use]
pub fn read(payload: &Value, me: &Identity) -> Incoming {
    let read = match text_of(payload, "type") {
        "event_callback" => read_event(payload, me),
        "block_actions" => read_press(payload),
        "view_submission" => read_form(payload),
        "shortcut" => requested::read_shortcut(payload),
        requested::POSTED => requested::read_posted(payload),
        "message_action" => Pointed::of(payload).and_then(|pointed| pointed.read(payload, me)),
        "" if payload["command"].is_string() => read_command(payload, me),
        _ => None,
    };
    read.unwrap_or(Incoming::Nothing)
}

/// What says which task a press is about; a thread may hold several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meant {
    /// The one whose message this is: a button hangs on it.
    Message(LineRef),
    /// This one: a form was opened for it.
    Task(TaskId),
}

/// Which task a button or a sent form is about, where the payload says so.
#[must_use]
pub fn meant(payload: &Value) -> Option<Meant> {
    if let Some(sent) = forms::sent(&payload["view"]) {
        return sent.task.map(Meant::Task);
    }
    let container = &payload["container"];
    let (channel, ts) = (&container["channel_id"], &container["message_ts"]);
    let line = ids::line(team(payload), channel.as_str()?, ts.as_str()?);
    Some(Meant::Message(line))
}

fn certain(key: String, conversation: ConversationId) -> Accepted {
    Accepted {
        key,
        conversation_hint: Some(conversation),
        reaction_on: None,
        relevance: Relevance::Certain,
    }
}

fn accept_event(payload: &Value) -> Option<Accepted> {
    let event = &payload["event"];
    let team = team(payload);
    if let Some(left) = left(payload) {
        return Some(left::accepted(payload, &left));
    }
    match text_of(event, "type") {
        "message" if Changed::is_one(event) => Some(Changed::of(payload)?.accepted(payload)),
        "app_mention" | "message" => Said::of(payload)?.accepted(payload),
        "reaction_added" => {
            let (user, channel, ts) = reaction(event)?;
            let name = event["reaction"].as_str()?;
            marks::meaning(name)?;
            if own_users(payload).any(|own| own == user) {
                return None;
            }
            Some(Accepted {
                key: format!(
                    "reaction:{channel}:{ts}:{user}:{name}:{}",
                    text_of(event, "event_ts")
                ),
                conversation_hint: None,
                reaction_on: Some(ids::line(team, channel, ts)),
                relevance: Relevance::IfLineKnown,
            })
        }
        "app_home_opened" => {
            let (place, user) = home_of(team, event)?;
            let moment = text_of(event, "event_ts");
            Some(certain(format!("home:{team}:{user}:{moment}"), place))
        }
        "agent_session_stopped" => {
            let (channel, thread) = (event["channel"].as_str()?, event["thread_ts"].as_str()?);
            Some(Accepted {
                key: format!("stopped:{channel}:{thread}:{}", text_of(event, "event_ts")),
                conversation_hint: Some(ids::conversation(team, channel, Some(thread))),
                reaction_on: None,
                relevance: Relevance::IfConversationKnown,
            })
        }
        _ => None,
    }
}

fn read_event(payload: &Value, me: &Identity) -> Option<Incoming> {
    let event = &payload["event"];
    let team = team(payload);
    match text_of(event, "type") {
        "message" if Changed::is_one(event) => Changed::of(payload)?.read(payload, me),
        "app_mention" | "message" => Said::of(payload)?.read(payload, me),
        "reaction_added" => {
            let (user, channel, ts) = reaction(event)?;
            let meaning = marks::meaning(event["reaction"].as_str()?)?;
            (user != me.user_id).then(|| Incoming::Reacted {
                by: author(team, user, None),
                on: ids::line(team, channel, ts),
                meaning,
            })
        }
        "app_home_opened" => {
            let (conversation, user) = home_of(team, event)?;
            let by = author(team, user, None);
            Some(Incoming::HomeOpened { conversation, by })
        }
        "agent_session_stopped" => Some(Incoming::StopSignal {
            conversation: ids::conversation(
                team,
                event["channel"].as_str()?,
                Some(event["thread_ts"].as_str()?),
            ),
            by: author(team, event["user"].as_str()?, None),
        }),
        _ => None,
    }
}

/// Whose page was opened. The tab with messages is opened by the same event, and shows nothing of ours.
fn home_of<'a>(team: &str, event: &'a Value) -> Option<(ConversationId, &'a str)> {
    (text_of(event, "tab") == "home").then_some(())?;
    let place = ids::conversation(team, event["channel"].as_str()?, None);
    Some((place, event["user"].as_str()?))
}

fn reaction(event: &Value) -> Option<(&str, &str, &str)> {
    let item = &event["item"];
    (text_of(item, "type") == "message").then_some(())?;
    Some((
        event["user"].as_str()?,
        item["channel"].as_str()?,
        item["ts"].as_str()?,
    ))
}

fn accept_press(payload: &Value) -> Option<Accepted> {
    let (action, meaning) = pressed(payload)?;
    if matches!(meaning, Action::Settings { .. }) {
        let (user, moment) = (
            text_of(&payload["user"], "id"),
            text_of(action, "action_ts"),
        );
        return Some(certain(
            format!("settings:{user}:{moment}"),
            beside(payload)?,
        ));
    }
    let channel = pressed_channel(payload)?;
    let key = format!(
        "press:{channel}:{}:{}:{}:{}",
        text_of(&payload["container"], "message_ts"),
        text_of(&payload["user"], "id"),
        text_of(action, "action_id"),
        text_of(action, "action_ts"),
    );
    Some(certain(key, pressed_conversation(payload)?))
}

/// Where a press is answered that belongs to no task: in its thread, or to its person alone where it was on their page.
fn beside(payload: &Value) -> Option<ConversationId> {
    pressed_conversation(payload).or_else(|| requested::alone(payload))
}

fn read_press(payload: &Value) -> Option<Incoming> {
    let (_, meaning) = pressed(payload)?;
    if let Action::Settings { place } = meaning {
        return Some(Incoming::SettingsAsked {
            conversation: beside(payload)?,
            by: interactor(payload)?,
            trigger: text_of(payload, "trigger_id").to_owned(),
            place,
        });
    }
    let trigger = || text_of(payload, "trigger_id").to_owned();
    let press = match meaning {
        Action::Approve { revision } => Press::Approve { revision },
        Action::Edit { revision } => Press::OpenCorrection {
            revision,
            trigger: trigger(),
        },
        Action::ChangeRepository => Press::OpenRepository { trigger: trigger() },
        Action::MakeIssue { revision } => Press::MakeIssue {
            revision,
            team: None,
            trigger: Some(trigger()),
        },
        Action::Cancel => Press::Cancel,
        Action::Retry => Press::Retry,
        Action::Network { entry, verdict } => Press::Widen { entry, verdict },
        Action::Settle {
            proposal,
            settlement,
        } => Press::Settle {
            proposal,
            settlement,
        },
        Action::Rate { opinion } => Press::Rate { opinion },
        Action::Settings { .. } => return None,
        Action::Answer { question, choice } => Press::Answer {
            question,
            text: choice,
        },
    };
    Some(Incoming::Pressed {
        conversation: pressed_conversation(payload)?,
        by: interactor(payload)?,
        press,
    })
}

/// The first action that is one of ours; links are pressed too, and mean nothing.
fn pressed(payload: &Value) -> Option<(&Value, Action)> {
    payload["actions"]
        .as_array()?
        .iter()
        .find_map(|action| Action::of(action).map(|meaning| (action, meaning)))
}

fn pressed_channel(payload: &Value) -> Option<&str> {
    payload["container"]["channel_id"]
        .as_str()
        .or_else(|| payload["channel"]["id"].as_str())
}

fn pressed_conversation(payload: &Value) -> Option<ConversationId> {
    let (container, message) = (&payload["container"], &payload["message"]);
    let thread = [
        &container["thread_ts"],
        &message["thread_ts"],
        &container["message_ts"],
        &message["ts"],
    ];
    let thread = thread.into_iter().find_map(Value::as_str)?;
    Some(ids::conversation(
        team(payload),
        pressed_channel(payload)?,
        Some(thread),
    ))
}

fn accept_form(payload: &Value) -> Option<Accepted> {
    let settings = settings::sent(&payload["view"]).map(|sent| sent.conversation);
    let conversation = match (settings, requested::place(payload)) {
        (Some(place), _) | (None, Some((place, _))) => place,
        (None, None) => forms::sent(&payload["view"])?.conversation,
    };
    let view = payload["view"]["id"].as_str()?;
    Some(certain(
        format!("form:{view}:{}", text_of(&payload["user"], "id")),
        conversation,
    ))
}

fn read_form(payload: &Value) -> Option<Incoming> {
    if let Some(sent) = settings::sent(&payload["view"]) {
        return Some(Incoming::SettingsSent {
            conversation: sent.conversation,
            by: interactor(payload)?,
            place: sent.place,
            preferences: sent.preferences,
        });
    }
    if let Some((conversation, text)) = requested::place(payload) {
        let by = interactor(payload)?;
        return Some(Incoming::Requested {
            conversation,
            by,
            text,
        });
    }
    let sent = forms::sent(&payload["view"])?;
    Some(Incoming::Pressed {
        conversation: sent.conversation,
        by: interactor(payload)?,
        press: sent.press,
    })
}

fn read_command(payload: &Value, me: &Identity) -> Option<Incoming> {
    let by = author(team(payload), payload["user_id"].as_str()?, None);
    Some(Incoming::Asked {
        conversation: whisper_place(payload),
        by,
        text: text::plain(text_of(payload, "text"), &me.user_id),
    })
}

fn whisper_place(payload: &Value) -> ConversationId {
    ids::conversation(team(payload), text_of(payload, "channel_id"), None)
}

fn interactor(payload: &Value) -> Option<Author> {
    Some(author(team(payload), payload["user"]["id"].as_str()?, None))
}

fn author(team: &str, user: &str, standing: Option<Standing>) -> Author {
    Author {
        id: ids::person(team, user),
        name: None,
        standing,
    }
}

/// The workspace of any payload, as conversations carry it.
#[must_use]
pub fn home(payload: &Value) -> &str {
    team(payload)
}

/// The organisation that a payload belongs to, where the app was installed for the whole of it.
fn organisation(payload: &Value) -> Option<&str> {
    let by = &payload["authorizations"][0];
    let is_whole = by["is_enterprise_install"] == true
        || payload["is_enterprise_install"] == true
        || payload["is_enterprise_install"] == "true";
    let named = [
        &by["enterprise_id"],
        &payload["enterprise_id"],
        &payload["enterprise"]["id"],
        &payload["context_enterprise_id"],
    ];
    let mut named = named.into_iter().filter_map(Value::as_str);
    named.find(|id| is_whole && !id.is_empty())
}

/// The workspace of any payload, by which the installation is found that it is for; the organisation where the app was
/// installed for the whole of it, because some payloads of such an installation name no workspace, and others another one.
///
/// In a channel that is shared with others, `team_id` may be theirs, so the installation's own is asked first.
fn team(payload: &Value) -> &str {
    if let Some(organisation) = organisation(payload) {
        return organisation;
    }
    let candidates = [
        &payload["view"]["app_installed_team_id"],
        &payload["authorizations"][0]["team_id"],
        &payload["context_team_id"],
        &payload["team_id"],
        &payload["team"]["id"],
        &payload["event"]["team"],
        &payload["user"]["team_id"],
        &payload["enterprise_id"],
        &payload["enterprise"]["id"],
        &payload["authorizations"][0]["enterprise_id"],
    ];
    candidates
        .into_iter()
        .filter_map(Value::as_str)
        .find(|team| !team.is_empty())
        .unwrap_or("unknown")
}

/// The bot's own users, as far as the payload names them.
fn own_users(payload: &Value) -> impl Iterator<Item = &str> {
    let all = payload["authorizations"]
        .as_array()
        .map_or(&[] as &[Value], Vec::as_slice);
    all.iter()
        .filter(|authorization| authorization["is_bot"].as_bool().unwrap_or(true))
        .filter_map(|authorization| authorization["user_id"].as_str())
}

fn text_of<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}
