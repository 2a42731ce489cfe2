//! The payloads that Slack sends to an app: events in their envelope, interactions, slash commands.

use bytes::Bytes;
use serde_json::{Value, json};

use super::arguments::encode_form;
use super::delivery::{Door, Parcel};
use super::directory::{
    APP_ID, BOT_USER, Channel, ChannelKind, Membership, OTHER_TEAM_ID, Reach, Standing, TEAM_DOMAIN,
};
use super::ids::{ChannelId, Ts, UserId};
use super::message::{Control, Message};
use super::workspace::{ResponseUrl, Workspace};

/// The verification token, which nothing trusts any more but every payload still carries.
const TOKEN: &str = "unused-verification-token";

/// The events that a message causes: one for its channel, and one more where it mentions the bot.
pub(crate) fn of_new_message(
    workspace: &Workspace,
    message: &Message,
    mentions: &[UserId],
) -> Vec<Parcel> {
    let Some(channel) = heard_channel(workspace, &message.channel) else {
        return Vec::new();
    };
    let mut event = message.wire(workspace);
    event["channel"] = json!(channel.id);
    event["event_ts"] = json!(message.ts);
    add_origin(workspace, &mut event, &message.user);
    if !message.from_bot() {
        event["client_msg_id"] = json!(uuid::Uuid::new_v4().to_string());
    }
    if !message.files.is_empty() {
        event["subtype"] = json!("file_share");
    }
    let mut parcels = Vec::new();
    let is_direct = matches!(channel.kind, ChannelKind::Direct(_));
    if mentions.iter().any(|user| user.as_str() == BOT_USER) && !is_direct {
        let mut mention = event.clone();
        mention["type"] = json!("app_mention");
        parcels.push(envelope(workspace, channel, "app_mention", &mention));
    }
    event["channel_type"] = json!(channel_type(channel));
    parcels.push(envelope(workspace, channel, "message", &event));
    parcels
}

/// The event of an edited message.
pub(crate) fn of_edit(
    workspace: &Workspace,
    now: &Message,
    before: &Value,
    ts: &Ts,
) -> Option<Parcel> {
    let channel = heard_channel(workspace, &now.channel)?;
    let event = json!({
        "type": "message", "subtype": "message_changed", "hidden": true, "channel": channel.id,
        "channel_type": channel_type(channel), "ts": ts, "event_ts": ts,
        "message": now.wire(workspace), "previous_message": before,
    });
    Some(envelope(workspace, channel, "message_changed", &event))
}

/// The event of a deleted message.
pub(crate) fn of_deletion(
    workspace: &Workspace,
    gone: &Message,
    before: &Value,
    ts: &Ts,
) -> Option<Parcel> {
    let channel = heard_channel(workspace, &gone.channel)?;
    // One with replies leaves its place behind, and that is told as a change of it.
    if let Some(emptied) = workspace.message(&gone.channel, &gone.ts) {
        let event = json!({
            "type": "message", "subtype": "message_changed", "hidden": true, "channel": channel.id,
            "channel_type": channel_type(channel), "ts": ts, "event_ts": ts,
            "message": emptied.wire(workspace), "previous_message": before,
        });
        return Some(envelope(workspace, channel, "message_changed", &event));
    }
    let event = json!({
        "type": "message", "subtype": "message_deleted", "hidden": true, "channel": channel.id,
        "channel_type": channel_type(channel), "ts": ts, "event_ts": ts,
        "deleted_ts": gone.ts, "previous_message": before,
    });
    Some(envelope(workspace, channel, "message_deleted", &event))
}

/// The event of a person opening the app's page.
pub(crate) fn of_opened_home(workspace: &mut Workspace, user: &UserId) -> Parcel {
    let id = workspace.direct_channel(user);
    let ts = workspace.next_ts();
    let event = json!({
        "type": "app_home_opened", "user": user, "channel": id, "tab": "home", "event_ts": ts,
    });
    let channel = workspace.channel(id.as_str()).cloned();
    let channel = channel.unwrap_or_else(|| Channel {
        id: id.clone(),
        name: String::new(),
        kind: ChannelKind::Direct(user.clone()),
        bot: Membership::Joined,
        reach: Reach::Own,
    });
    envelope(workspace, &channel, "app_home_opened", &event)
}

/// An event of the app itself, which stands in no channel.
pub(crate) fn of_app(workspace: &mut Workspace, what: &str, event: &Value) -> Parcel {
    let nowhere = Channel {
        id: ChannelId::from("-"),
        name: String::new(),
        kind: ChannelKind::Public,
        bot: Membership::Absent,
        reach: Reach::Own,
    };
    let mut event = event.clone();
    event["event_ts"] = json!(workspace.next_ts());
    envelope(workspace, &nowhere, what, &event)
}

/// The event of a reaction; `what` is `reaction_added` or `reaction_removed`.
pub(crate) fn of_reaction(
    workspace: &Workspace,
    what: &str,
    message: &Message,
    user: &UserId,
    name: &str,
    ts: &Ts,
) -> Option<Parcel> {
    let channel = heard_channel(workspace, &message.channel)?;
    let event = json!({
        "type": what, "user": user, "reaction": name, "item_user": message.user, "event_ts": ts,
        "item": { "type": "message", "channel": channel.id, "ts": message.ts },
    });
    Some(envelope(workspace, channel, what, &event))
}

/// The event of a person pressing the native stop button of an agent session.
pub(crate) fn of_stopped_session(
    workspace: &Workspace,
    channel: &ChannelId,
    root: &Ts,
    user: &UserId,
    ts: &Ts,
) -> Option<Parcel> {
    let channel = heard_channel(workspace, channel)?;
    let event = json!({
        "type": "agent_session_stopped", "channel": channel.id, "thread_ts": root, "user": user,
        "streaming_message_ts": [], "event_ts": ts,
    });
    Some(envelope(
        workspace,
        channel,
        "agent_session_stopped",
        &event,
    ))
}

/// A press on a button or a choice from a menu, with the way back to the message.
pub(crate) fn of_press(
    workspace: &mut Workspace,
    channel: &ChannelId,
    user: &UserId,
    control: &Control,
    chosen: Option<&Value>,
) -> Parcel {
    let message = workspace.message(channel, &control.message);
    let is_ephemeral =
        message.is_some_and(|message| message.audience != super::message::Audience::Everyone);
    let thread = control.seen_in["thread_ts"].as_str().map(Ts::from);
    let response_url = workspace.make_response_url(ResponseUrl {
        channel: channel.clone(),
        thread: thread.clone(),
        message: Some(control.message.clone()),
        user: user.clone(),
        made: std::time::Instant::now(),
        uses: 0,
    });
    let action_ts = workspace.next_ts();
    let mut action = json!({
        "type": control.element["type"], "action_id": control.action_id, "block_id": control.block_id,
        "action_ts": action_ts,
    });
    for part in ["text", "value", "style", "placeholder"] {
        if !control.element[part].is_null() {
            action[part] = control.element[part].clone();
        }
    }
    if let Some(option) = chosen {
        action["selected_option"] = option.clone();
    }
    let mut container = json!({
        "type": "message", "message_ts": control.message, "channel_id": channel, "is_ephemeral": is_ephemeral,
    });
    if let Some(thread) = thread {
        container["thread_ts"] = json!(thread);
    }
    let name = workspace
        .channel(channel.as_str())
        .map(|channel| channel.name.clone());
    let mut payload = interaction(workspace, "block_actions", user);
    payload["container"] = container;
    payload["channel"] = json!({ "id": channel, "name": name });
    payload["message"] = control.seen_in.clone();
    payload["state"] = json!({ "values": {} });
    payload["response_url"] = json!(response_url);
    payload["actions"] = json!([action]);
    interaction_parcel("block_actions", &payload)
}

/// A button of a view is pressed: of a person's page, or of a form.
/// Source: the reference of `block_actions` payloads, whose container is a view then.
pub(crate) fn of_press_in_view(
    workspace: &mut Workspace,
    user: &UserId,
    view: Value,
    (block, button): (&Value, &Value),
) -> Parcel {
    let mut action = json!({
        "type": button["type"], "action_id": button["action_id"], "block_id": block["block_id"],
        "action_ts": workspace.next_ts(),
    });
    for part in ["text", "value", "style"] {
        if !button[part].is_null() {
            action[part] = button[part].clone();
        }
    }
    let mut payload = interaction(workspace, "block_actions", user);
    payload["container"] = json!({ "type": "view", "view_id": view["id"] });
    payload["view"] = view;
    payload["actions"] = json!([action]);
    interaction_parcel("block_actions", &payload)
}

/// A shortcut in a message's menu.
pub(crate) fn of_message_shortcut(
    workspace: &mut Workspace,
    message: &Message,
    user: &UserId,
    callback_id: &str,
) -> Parcel {
    let response_url = workspace.make_response_url(ResponseUrl {
        channel: message.channel.clone(),
        thread: message.thread.clone(),
        message: None,
        user: user.clone(),
        made: std::time::Instant::now(),
        uses: 0,
    });
    let name = workspace
        .channel(message.channel.as_str())
        .map(|channel| channel.name.clone());
    let mut payload = interaction(workspace, "message_action", user);
    payload["callback_id"] = json!(callback_id);
    payload["message_ts"] = json!(message.ts);
    payload["message"] = message.wire(workspace);
    payload["channel"] = json!({ "id": message.channel, "name": name });
    payload["response_url"] = json!(response_url);
    interaction_parcel("message_action", &payload)
}

/// A shortcut that belongs to no message.
pub(crate) fn of_shortcut(workspace: &mut Workspace, user: &UserId, callback_id: &str) -> Parcel {
    let mut payload = interaction(workspace, "shortcut", user);
    payload["callback_id"] = json!(callback_id);
    payload["action_ts"] = json!(workspace.next_ts());
    interaction_parcel("shortcut", &payload)
}

/// A submitted view; `what` is `view_submission` or `view_closed`.
pub(crate) fn of_view(workspace: &mut Workspace, what: &str, user: &UserId, view: Value) -> Parcel {
    let mut payload = interaction(workspace, what, user);
    payload["view"] = view;
    payload["response_urls"] = json!([]);
    interaction_parcel(what, &payload)
}

/// Somebody writes into a menu of a view, which asks for its entries.
/// Source: the reference of `block_suggestion` payloads.
pub(crate) fn of_suggestion(
    workspace: &mut Workspace,
    user: &UserId,
    view: Value,
    (block, action): (&Value, &Value),
    written: &str,
) -> Parcel {
    let mut payload = interaction(workspace, "block_suggestion", user);
    let container = json!({ "type": "view", "view_id": view["id"] });
    for (name, value) in [
        ("container", container),
        ("view", view),
        ("block_id", block.clone()),
        ("action_id", action.clone()),
        ("value", json!(written)),
    ] {
        payload[name] = value;
    }
    // It opens nothing.
    if let Some(fields) = payload.as_object_mut() {
        fields.remove("trigger_id");
    }
    Parcel {
        door: Door::Options,
        ..interaction_parcel("block_suggestion", &payload)
    }
}

/// A slash command.
pub(crate) fn of_command(
    workspace: &mut Workspace,
    user: &UserId,
    channel: &ChannelId,
    command: &str,
    text: &str,
) -> Parcel {
    let response_url = workspace.make_response_url(ResponseUrl {
        channel: channel.clone(),
        thread: None,
        message: None,
        user: user.clone(),
        made: std::time::Instant::now(),
        uses: 0,
    });
    let trigger = workspace.make_trigger(user);
    let user_name = workspace
        .user(user.as_str())
        .map_or(String::new(), |user| user.name.clone());
    let channel_name = workspace
        .channel(channel.as_str())
        .map_or(String::new(), |channel| channel.name.clone());
    let home = workspace.home.clone();
    let body = encode_form(&[
        ("token", TOKEN),
        ("team_id", home.team.as_str()),
        ("team_domain", TEAM_DOMAIN),
        (
            "enterprise_id",
            home.organisation.as_deref().unwrap_or_default(),
        ),
        ("channel_id", channel.as_str()),
        ("channel_name", &channel_name),
        ("user_id", user.as_str()),
        ("user_name", &user_name),
        ("command", command),
        ("text", text),
        ("api_app_id", APP_ID),
        (
            "is_enterprise_install",
            if home.organisation.is_some() {
                "true"
            } else {
                "false"
            },
        ),
        ("response_url", &response_url),
        ("trigger_id", &trigger),
    ]);
    Parcel {
        door: Door::Commands,
        what: command.to_owned(),
        event_id: None,
        content_type: "application/x-www-form-urlencoded",
        body: Bytes::from(body),
    }
}

fn interaction(workspace: &mut Workspace, kind: &str, user: &UserId) -> Value {
    let trigger = workspace.make_trigger(user);
    let name = workspace.user(user.as_str()).map(|user| user.name.clone());
    let home = &workspace.home;
    let enterprise = home.organisation.as_ref();
    let enterprise = enterprise.map(|id| json!({ "id": id, "name": home.name }));
    let standing = workspace.user(user.as_str()).map(|user| user.standing);
    let their_team = match standing {
        Some(Standing::Outsider) => OTHER_TEAM_ID,
        _ => &home.team,
    };
    json!({
        "type": kind, "token": TOKEN, "api_app_id": APP_ID, "trigger_id": trigger,
        "team": { "id": home.team, "domain": TEAM_DOMAIN }, "enterprise": enterprise,
        "is_enterprise_install": home.organisation.is_some(),
        "user": { "id": user, "username": name, "name": name, "team_id": their_team },
    })
}

fn interaction_parcel(what: &str, payload: &Value) -> Parcel {
    Parcel {
        door: Door::Interactions,
        what: what.to_owned(),
        event_id: None,
        content_type: "application/x-www-form-urlencoded",
        body: Bytes::from(encode_form(&[("payload", &payload.to_string())])),
    }
}

/// An inner event in its envelope, with an identifier of its own.
fn envelope(workspace: &Workspace, channel: &Channel, what: &str, event: &Value) -> Parcel {
    let event_id = format!(
        "Ev{}",
        &uuid::Uuid::new_v4().simple().to_string().to_uppercase()[..16]
    );
    let seconds = event["event_ts"]
        .as_str()
        .and_then(|ts| ts.split('.').next()?.parse::<u64>().ok());
    let home = &workspace.home;
    let body = json!({
        "token": TOKEN, "team_id": home.team, "context_team_id": home.team,
        "enterprise_id": home.organisation, "context_enterprise_id": home.organisation,
        "api_app_id": APP_ID, "event": event, "type": "event_callback", "event_id": event_id,
        "event_time": seconds, "is_ext_shared_channel": channel.kind == ChannelKind::Connect,
        "authorizations": [{
            "enterprise_id": home.organisation, "user_id": BOT_USER, "is_bot": true,
            "team_id": home.organisation.is_none().then_some(&home.team),
            "is_enterprise_install": home.organisation.is_some(),
        }],
    });
    Parcel {
        door: Door::Events,
        what: what.to_owned(),
        event_id: Some(event_id),
        content_type: "application/json",
        body: Bytes::from(body.to_string()),
    }
}

/// The channel, where the bot is in it: it hears nothing elsewhere.
fn heard_channel<'a>(workspace: &'a Workspace, id: &ChannelId) -> Option<&'a Channel> {
    workspace
        .channel(id.as_str())
        .filter(|channel| channel.bot == Membership::Joined)
}

fn channel_type(channel: &Channel) -> &'static str {
    match channel.kind {
        ChannelKind::Public | ChannelKind::Connect => "channel",
        ChannelKind::Private => "group",
        ChannelKind::Direct(_) => "im",
    }
}

/// Marks what an outsider wrote as such.
fn add_origin(workspace: &Workspace, event: &mut Value, user: &UserId) {
    let standing = workspace.user(user.as_str()).map(|user| user.standing);
    if standing == Some(Standing::Outsider) {
        for field in ["team", "user_team", "source_team"] {
            event[field] = json!(OTHER_TEAM_ID);
        }
    }
}
