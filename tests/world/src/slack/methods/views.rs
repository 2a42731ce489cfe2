//! Modals and pages: `views.open`, `views.update`, `views.publish`.

use serde_json::{Value, json};

use super::{Blame, Done, Refusal, Result};
use crate::slack::arguments::Arguments;
use crate::slack::directory::{APP_ID, BOT_ID, TEAM_ID};
use crate::slack::ids::ViewId;
use crate::slack::workspace::{TriggerUse, View, ViewState, Workspace};
use crate::slack::{blocks, limits};

/// The form that a call brings, checked.
fn view_of(arguments: &Arguments) -> Result<Value> {
    checked(arguments, blocks::view_faults)
}

/// The view that a call brings, where nothing is wrong with it.
fn checked(arguments: &Arguments, faults_of: fn(&Value) -> Vec<String>) -> Result<Value> {
    let unreadable =
        |error: serde_json::Error| Refusal::caller("invalid_arguments", error.to_string());
    let view = arguments
        .json("view")
        .map_err(unreadable)?
        .unwrap_or_default();
    if view.to_string().len() > limits::VIEW_BYTES {
        return Err(Refusal::caller(
            "view_too_large",
            format!("a view, at most {} bytes", limits::VIEW_BYTES),
        ));
    }
    match faults_of(&view) {
        faults if faults.is_empty() => Ok(view),
        detail => Err(Refusal {
            code: "invalid_arguments",
            detail,
            blame: Blame::Caller,
        }),
    }
}

pub(super) fn open(workspace: &mut Workspace, arguments: &Arguments) -> Result<Done> {
    let mut view = view_of(arguments)?;
    let user = match workspace.use_trigger(&arguments.text_or_empty("trigger_id")) {
        TriggerUse::For(user) => user,
        TriggerUse::Unknown => {
            return Err(Refusal::caller(
                "invalid_trigger_id",
                "nobody was given this trigger_id",
            ));
        }
        TriggerUse::Expired => return Err(Refusal::state("expired_trigger_id")),
        TriggerUse::Spent => {
            return Err(Refusal::caller(
                "exchanged_trigger_id",
                "a trigger_id serves once",
            ));
        }
    };
    let id = ViewId::from(format!("V{:06}", workspace.next_serial()));
    let hash = name_blocks(workspace, &mut view);
    let opened = View {
        id: id.clone(),
        user,
        payload: view,
        hash,
        state: ViewState::Open,
    };
    let body = json!({ "view": wire(&opened, &json!({})) });
    workspace.views.insert(id, opened);
    Ok(Done::quietly(body))
}

pub(super) fn update(workspace: &mut Workspace, arguments: &Arguments) -> Result<Done> {
    let mut view = view_of(arguments)?;
    let by_id = arguments.text("view_id");
    let by_name = arguments.text("external_id");
    let hash = name_blocks(workspace, &mut view);
    let found = workspace.views.values_mut().find(|known| {
        by_id.as_deref() == Some(known.id.as_str())
            || (by_name.is_some() && known.payload["external_id"].as_str() == by_name.as_deref())
    });
    let found = found.ok_or_else(|| Refusal::state("not_found"))?;
    if arguments
        .text("hash")
        .is_some_and(|hash| hash != found.hash)
    {
        return Err(Refusal::state("hash_conflict"));
    }
    found.payload = view;
    found.hash = hash;
    Ok(Done::quietly(json!({ "view": wire(found, &json!({})) })))
}

pub(super) fn publish(workspace: &mut Workspace, arguments: &Arguments) -> Result<Done> {
    let mut view = checked(arguments, blocks::home_faults)?;
    let name = arguments.text_or_empty("user_id");
    let user = workspace.user(&name).map(|user| user.id.clone());
    let user = user.ok_or_else(|| Refusal::state("user_not_found"))?;
    let known = workspace.homes.get(&user).cloned();
    if let (Some(hash), Some(known)) = (arguments.text("hash"), &known)
        && hash != known.hash
    {
        return Err(Refusal::state("hash_conflict"));
    }
    let id = match known {
        Some(known) => known.id,
        None => ViewId::from(format!("V{:06}", workspace.next_serial())),
    };
    let hash = name_blocks(workspace, &mut view);
    let page = View {
        id,
        user: user.clone(),
        payload: view,
        hash,
        state: ViewState::Open,
    };
    let body = json!({ "view": wire(&page, &json!({})) });
    workspace.homes.insert(user, page);
    Ok(Done::quietly(body))
}

/// Gives inputs the identifiers that Slack gives them where the app did not, and makes the view's new hash.
fn name_blocks(workspace: &mut Workspace, view: &mut Value) -> String {
    for block in view["blocks"].as_array_mut().into_iter().flatten() {
        if block["block_id"].is_null() {
            block["block_id"] = json!(format!("b{}", workspace.next_serial()));
        }
        if block["type"] == "input" && block["element"]["action_id"].is_null() {
            block["element"]["action_id"] = json!(format!("a{}", workspace.next_serial()));
        }
    }
    format!("{}.hash", workspace.next_serial())
}

/// A view as the Web API and interactions carry it, with what was filled in.
pub(crate) fn wire(view: &View, values: &Value) -> Value {
    let mut wire = view.payload.clone();
    let fields = [
        ("id", json!(view.id)),
        ("team_id", json!(TEAM_ID)),
        ("app_id", json!(APP_ID)),
        ("bot_id", json!(BOT_ID)),
        ("root_view_id", json!(view.id)),
        ("previous_view_id", Value::Null),
        ("hash", json!(view.hash)),
        ("state", json!({ "values": values })),
    ];
    for (name, value) in fields {
        wire[name] = value;
    }
    wire
}
