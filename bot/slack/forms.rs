//! Forms as modal views, and what they say when they are sent.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    blocks,
    limits::{
        INPUT_MAX_CHARS, METADATA_MAX_CHARS, OPTION_VALUE_MAX_CHARS, OPTIONS_MAX,
        PLACEHOLDER_MAX_CHARS, SECTION_MAX_CHARS, VIEW_TITLE_MAX_CHARS,
    },
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
/// The one field of either form, as block and as action.
const FIELD: &str = "said";

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
        Form::Correction { revision, plan } => {
            let plan = if plan.trim().is_empty() {
                "…"
            } else {
                plan.as_str()
            };
            let shown = json!({ "type": "section", "text": { "type": "plain_text", "text": clip(plan, SECTION_MAX_CHARS) } });
            let field = json!({ "type": "plain_text_input", "action_id": FIELD, "multiline": true, "max_length": INPUT_MAX_CHARS, "placeholder": hint });
            (CORRECTION, Some(*revision), vec![shown], field)
        }
        Form::Repository { known } => {
            let options: Vec<Value> = known
                .iter()
                .filter(|name| name.chars().count() <= OPTION_VALUE_MAX_CHARS)
                .take(OPTIONS_MAX)
                .map(|name| blocks::option(name))
                .collect();
            let field = if options.is_empty() {
                json!({ "type": "plain_text_input", "action_id": FIELD, "placeholder": hint })
            } else {
                json!({ "type": "static_select", "action_id": FIELD, "placeholder": hint, "options": options })
            };
            (REPOSITORY, None, Vec::new(), field)
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
    let input = json!({ "type": "input", "block_id": FIELD, "label": { "type": "plain_text", "text": labels.field }, "element": field });
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

/// What a sent form says; none where it is not ours.
pub(super) fn sent(view: &Value) -> Option<Sent> {
    let metadata: Metadata = serde_json::from_str(view["private_metadata"].as_str()?).ok()?;
    let field = &view["state"]["values"][FIELD][FIELD];
    let text = field["value"]
        .as_str()
        .or_else(|| field["selected_option"]["value"].as_str())?
        .trim()
        .to_owned();
    let press = match view["callback_id"].as_str()? {
        CORRECTION => Press::Correct {
            revision: metadata.revision?,
            text,
        },
        REPOSITORY => Press::ChooseRepository { text },
        _ => return None,
    };
    Some(Sent {
        conversation: metadata.conversation,
        task: metadata.task,
        press,
    })
}
