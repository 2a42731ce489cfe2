//! Forms as modal views, and what they say when they are sent.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    blocks,
    limits::{
        INPUT_MAX_CHARS, METADATA_MAX_CHARS, OPTION_VALUE_MAX_CHARS, OPTIONS_MAX,
        PLACEHOLDER_MAX_CHARS, SECTION_MAX_CHARS, VIEW_TITLE_MAX_CHARS,
    },
    settings,
};
use crate::{
    domain::{TaskId, clip, conversation::ConversationId, incoming::Press},
    surface::Form,
    words,
};

/// The form that corrects a plan.
const CORRECTION: &str = "deckhand:correction";
/// The form that chooses a repository.
const REPOSITORY: &str = "deckhand:repository";
/// The form that chooses the team of an issue.
const TEAM: &str = "deckhand:team";
/// The form that asks for a task.
const REQUEST: &str = "deckhand:request";
/// The field for what is said in each form, as block and as action.
const FIELD: &str = "said";
/// The field for the plan's own text.
const PLAN: &str = "plan";
/// The field for the channel of a new task.
const WHERE: &str = "where";
/// The field for the repository of a new task.
const WHICH: &str = "which";

/// What a form carries to its own sending.
#[derive(Serialize, Deserialize)]
struct Metadata {
    conversation: ConversationId,
    /// The task that is meant; forms that an earlier version opened name none.
    #[serde(default)]
    task: Option<TaskId>,
    revision: Option<u32>,
}

/// What a form says when it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sent {
    /// Where it belongs.
    pub conversation: ConversationId,
    /// The task whose button opened it.
    pub task: Option<TaskId>,
    /// What it asks for.
    pub press: Press,
}

/// The view of a form about a task.
pub(super) fn view(form: &Form, conversation: &ConversationId, task: &TaskId) -> Value {
    let labels = words::form_labels(form);
    let hint = json!({ "type": "plain_text", "text": clip(labels.hint, PLACEHOLDER_MAX_CHARS) });
    let (callback, revision, blocks_before, field) = match form {
        Form::Correction {
            revision,
            plan,
            editable,
        } => {
            let shown = plan_blocks(plan, editable.as_deref());
            let field = json!({ "type": "plain_text_input", "action_id": FIELD, "multiline": true, "max_length": INPUT_MAX_CHARS, "placeholder": hint });
            (CORRECTION, Some(*revision), shown, field)
        }
        Form::Repository { known } | Form::Request { known } => {
            let field = repository_field(known, FIELD, labels.hint);
            (REPOSITORY, None, Vec::new(), field)
        }
        Form::Team { revision, known } => {
            let field = menu_of(known, FIELD, &hint);
            (TEAM, Some(*revision), Vec::new(), field)
        }
    };
    let metadata = serde_json::to_string(&Metadata {
        conversation: conversation.clone(),
        task: Some(task.clone()),
        revision,
    })
    .unwrap_or_default();
    let plain =
        |text: &str| json!({ "type": "plain_text", "text": clip(text, VIEW_TITLE_MAX_CHARS) });
    // Where the plan itself can be edited, words are one of two ways.
    let is_optional = blocks_before.iter().any(|block| block["block_id"] == PLAN);
    let input = json!({ "type": "input", "block_id": FIELD, "optional": is_optional, "label": { "type": "plain_text", "text": labels.field }, "element": field });
    json!({
        "type": "modal",
        "callback_id": callback,
        "private_metadata": clip(&metadata, METADATA_MAX_CHARS),
        "title": plain(labels.title),
        "submit": plain(labels.send),
        "close": plain(labels.leave),
        "blocks": blocks_before.into_iter().chain([input]).collect::<Vec<_>>(),
    })
}

/// The plan above the words about it: as a field with its own text where it fits, and to be read where it does not.
fn plan_blocks(plan: &str, editable: Option<&str>) -> Vec<Value> {
    let said = |text: &str| json!({ "type": "section", "text": { "type": "plain_text", "text": clip(text, SECTION_MAX_CHARS) } });
    match editable {
        Some(text) if text.chars().count() <= INPUT_MAX_CHARS => {
            let field = json!({
                "type": "plain_text_input", "action_id": PLAN, "multiline": true,
                "max_length": INPUT_MAX_CHARS, "initial_value": text,
            });
            vec![
                said(words::PLAN_EDIT_HELP),
                json!({ "type": "input", "block_id": PLAN, "label": { "type": "plain_text", "text": words::PLAN_EDIT_FIELD }, "element": field }),
            ]
        }
        Some(_) => vec![said(words::PLAN_TOO_LONG), said(plan)],
        None if plan.trim().is_empty() => vec![said("…")],
        None => vec![said(plan)],
    }
}

/// What is wrong with a sent form, as the answer that shows it at its field and keeps everything that was written. None
/// where nothing is.
#[must_use]
pub fn wrong(payload: &Value) -> Option<Value> {
    let view = &payload["view"];
    let is_ours = payload["type"] == "view_submission" && view["callback_id"] == CORRECTION;
    let text = plan_of(view).filter(|_| is_ours)?;
    // Words ask the agent, which reads whatever stands beside them.
    if words_of(view).is_some() {
        return None;
    }
    let wrong = words::read_plan(text).err()?;
    let errors = json!({ PLAN: wrong });
    Some(json!({ "response_action": "errors", "errors": errors }))
}

/// The text of the plan in a sent form, where it has that field.
fn plan_of(view: &Value) -> Option<&str> {
    view["state"]["values"].get(PLAN)?;
    // Slack sends an empty field as nothing.
    Some(
        view["state"]["values"][PLAN][PLAN]["value"]
            .as_str()
            .unwrap_or_default(),
    )
}

/// What was said in a form in words, or chosen.
fn words_of(view: &Value) -> Option<&str> {
    let field = &view["state"]["values"][FIELD][FIELD];
    let text = field["value"]
        .as_str()
        .or_else(|| field["selected_option"]["value"].as_str());
    text.map(str::trim).filter(|text| !text.is_empty())
}

/// What a form about a plan asks for: the plan as it was written, or what the agent is to make of words. Where both were
/// written, the agent gets both.
fn correction(view: &Value, revision: u32) -> Option<Press> {
    let (said, text) = (words_of(view), plan_of(view));
    let Some(text) = text else {
        let text = said?.to_owned();
        return Some(Press::Correct { revision, text });
    };
    let mut blocks = view["blocks"].as_array().into_iter().flatten();
    let shown = blocks.find(|block| block["block_id"] == PLAN);
    let shown = shown.and_then(|block| block["element"]["initial_value"].as_str());
    let is_as_it_was = shown.is_some_and(|shown| shown.trim() == text.trim());
    Some(match (said, words::read_plan(text)) {
        (None, Ok(edit)) => Press::EditPlan {
            revision,
            edit: Box::new(edit),
        },
        (Some(said), _) if is_as_it_was => Press::Correct {
            revision,
            text: said.to_owned(),
        },
        (said, _) => Press::Correct {
            revision,
            text: words::edited_plan(said, text),
        },
    })
}

/// The field for a repository: a menu of the known ones, or one that asks for what fits, or a line to write in.
pub(super) fn repository_field(known: &[String], action: &str, hint: &str) -> Value {
    let hint = json!({ "type": "plain_text", "text": clip(hint, PLACEHOLDER_MAX_CHARS) });
    if known.len() > OPTIONS_MAX {
        // The whole list does not fit; Slack asks for what fits to each letter.
        json!({ "type": "external_select", "action_id": action, "placeholder": hint, "min_query_length": 1 })
    } else {
        menu_of(known, action, &hint)
    }
}

/// A menu of names, so many as it holds; a line to write in where there are none.
fn menu_of(known: &[String], action: &str, hint: &Value) -> Value {
    let options: Vec<Value> = known
        .iter()
        .filter(|name| name.chars().count() <= OPTION_VALUE_MAX_CHARS)
        .take(OPTIONS_MAX)
        .map(|name| blocks::option(name))
        .collect();
    if options.is_empty() {
        json!({ "type": "plain_text_input", "action_id": action, "placeholder": hint })
    } else {
        json!({ "type": "static_select", "action_id": action, "placeholder": hint, "options": options })
    }
}

/// Whether somebody writes into the menu of repositories, of either form that has one.
pub(super) fn is_repository_menu(payload: &Value) -> bool {
    let (action, form) = (&payload["action_id"], &payload["view"]["callback_id"]);
    (action == FIELD && form == REPOSITORY)
        || (action == WHICH && form == REQUEST)
        || (action == settings::REPOSITORY && form == settings::SETTINGS)
}

/// The view of the form that asks for a task.
pub(super) fn request_view(form: &Form) -> Value {
    let labels = words::form_labels(form);
    let known: &[String] = match form {
        Form::Request { known } | Form::Repository { known } => known,
        Form::Correction { .. } | Form::Team { .. } => &[],
    };
    let plain =
        |text: &str| json!({ "type": "plain_text", "text": clip(text, VIEW_TITLE_MAX_CHARS) });
    let label = |text: &str| json!({ "type": "plain_text", "text": text });
    let hint = json!({ "type": "plain_text", "text": clip(labels.hint, PLACEHOLDER_MAX_CHARS) });
    let said = json!({
        "type": "plain_text_input", "action_id": FIELD, "multiline": true, "max_length": INPUT_MAX_CHARS, "placeholder": hint,
    });
    let place = json!({
        "type": "conversations_select", "action_id": WHERE, "default_to_current_conversation": true,
        "filter": { "include": ["public", "private"], "exclude_external_shared_channels": true, "exclude_bot_users": true },
    });
    let which = repository_field(known, WHICH, words::REPOSITORY_HINT);
    json!({
        "type": "modal",
        "callback_id": REQUEST,
        "title": plain(labels.title),
        "submit": plain(labels.send),
        "close": plain(labels.leave),
        "blocks": [
            { "type": "input", "block_id": FIELD, "label": label(labels.field), "element": said },
            { "type": "input", "block_id": WHERE, "label": label(words::REQUEST_PLACE), "element": place },
            { "type": "input", "block_id": WHICH, "optional": true, "label": label(words::REQUEST_REPOSITORY), "element": which },
        ],
    })
}

/// What the form that asks for a task says when it is sent: its channel, and its words with the repository as an option.
/// None where it is another form.
pub(super) fn requested(view: &Value) -> Option<(&str, String)> {
    (view["callback_id"] == REQUEST).then_some(())?;
    let values = &view["state"]["values"];
    let channel = values[WHERE][WHERE]["selected_conversation"].as_str()?;
    let said = values[FIELD][FIELD]["value"].as_str()?.trim();
    let which = &values[WHICH][WHICH];
    let repository = which["value"]
        .as_str()
        .or_else(|| which["selected_option"]["value"].as_str())
        .map(str::trim)
        .filter(|name| !name.is_empty() && !name.contains(char::is_whitespace));
    let text = match repository {
        Some(repository) => format!("{said}\nrepo={repository}"),
        None => said.to_owned(),
    };
    Some((channel, text))
}

/// What a sent form says; none where it is not ours.
pub(super) fn sent(view: &Value) -> Option<Sent> {
    let metadata: Metadata = serde_json::from_str(view["private_metadata"].as_str()?).ok()?;
    let press = match view["callback_id"].as_str()? {
        CORRECTION => correction(view, metadata.revision?)?,
        REPOSITORY => Press::ChooseRepository {
            text: words_of(view)?.to_owned(),
        },
        TEAM => Press::MakeIssue {
            revision: metadata.revision?,
            team: Some(words_of(view)?.to_owned()),
            trigger: None,
        },
        _ => return None,
    };
    Some(Sent {
        conversation: metadata.conversation,
        task: metadata.task,
        press,
    })
}
