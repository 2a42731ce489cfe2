//! Messages as Block Kit, and what their buttons mean when they come back.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    checklist, ids,
    limits::{
        ACTIONS_MAX, ANSWER_BUTTONS_MAX, BUTTON_MAX_CHARS, MARKDOWN_MAX_CHARS, OPTION_MAX_CHARS,
        OPTION_VALUE_MAX_CHARS, OPTIONS_MAX, PLACEHOLDER_MAX_CHARS, SECTION_MAX_CHARS,
        TEXT_MAX_CHARS, URL_MAX_CHARS, VALUE_MAX_CHARS,
    },
};
use crate::{
    domain::{clip, edit::Settlement, feedback::Opinion, network::Verdict},
    surface::{Control, Words, WordsKind},
    words,
};

/// The first part of every `action_id` of ours.
const PREFIX: &str = "deckhand";
/// The longest answer on a button's value, in characters; the value holds a little more beside it.
const ANSWER_MAX_CHARS: usize = VALUE_MAX_CHARS / 4;

/// What a button of ours stands for, as its value carries it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub(super) enum Action {
    Approve {
        revision: u32,
    },
    Edit {
        revision: u32,
    },
    ChangeRepository,
    MakeIssue {
        revision: u32,
    },
    Cancel,
    Retry,
    Answer {
        question: u32,
        choice: String,
    },
    Network {
        entry: u32,
        verdict: Verdict,
    },
    Settle {
        proposal: u32,
        settlement: Settlement,
    },
    Rate {
        opinion: Opinion,
    },
    Settings {
        place: Option<String>,
    },
}

impl Action {
    /// Reads one entry of an interaction's `actions`; none where it is not ours.
    pub(super) fn of(action: &Value) -> Option<Self> {
        let mut id = action["action_id"].as_str()?.split(':');
        if id.next() != Some(PREFIX) {
            return None;
        }
        if let Some(chosen) = action["selected_option"]["value"].as_str() {
            let question = id.nth(1)?.parse().ok()?;
            return Some(Self::Answer {
                question,
                choice: chosen.to_owned(),
            });
        }
        serde_json::from_str(action["value"].as_str()?).ok()
    }

    fn of_control(control: &Control) -> Option<Self> {
        match control {
            Control::Approve { revision } => Some(Self::Approve {
                revision: *revision,
            }),
            Control::Edit { revision } => Some(Self::Edit {
                revision: *revision,
            }),
            Control::ChangeRepository => Some(Self::ChangeRepository),
            Control::MakeIssue { revision } => Some(Self::MakeIssue {
                revision: *revision,
            }),
            Control::Cancel => Some(Self::Cancel),
            Control::Retry => Some(Self::Retry),
            Control::Answer { question, choice } => Some(Self::Answer {
                question: *question,
                choice: clip(choice, ANSWER_MAX_CHARS),
            }),
            Control::Widen { entry, verdict, .. } => Some(Self::Network {
                entry: *entry,
                verdict: *verdict,
            }),
            Control::Settle {
                proposal,
                settlement,
            } => Some(Self::Settle {
                proposal: *proposal,
                settlement: *settlement,
            }),
            Control::Settings { place } => Some(Self::Settings {
                place: place.clone(),
            }),
            // A pair of buttons, each with a value of its own.
            Control::Rate | Control::Open { .. } => None,
        }
    }
}

/// Who sees a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Audience {
    /// Everybody in the conversation.
    Everybody,
    /// One person, for a while. State is never whispered, so nothing can be decided there.
    OnePerson,
}

/// A message's `text` and `blocks`.
pub(super) fn message(words: &Words, audience: Audience) -> Value {
    let mut blocks = Vec::new();
    if let Some(user) = words
        .mentions
        .as_ref()
        .and_then(|person| ids::parse_person(person).ok())
        .map(|(_, user)| user)
    {
        blocks.push(json!({ "type": "section", "text": { "type": "mrkdwn", "text": format!("<@{user}>") } }));
    }
    let text = if words.markdown.trim().is_empty() {
        &words.fallback
    } else {
        &words.markdown
    };
    let text = clip(text, MARKDOWN_MAX_CHARS);
    if let WordsKind::Status {
        headline, steps, ..
    } = &words.kind
    {
        let below = checklist::block(headline, steps, text.chars().count());
        blocks.push(json!({ "type": "markdown", "text": text }));
        blocks.extend(below);
    } else {
        blocks.push(json!({ "type": "markdown", "text": text }));
    }
    let controls: Vec<&Control> = words
        .controls
        .iter()
        .filter(|control| {
            audience == Audience::Everybody
                || matches!(control, Control::Open { .. } | Control::Settings { .. })
        })
        .collect();
    let (hosts, others): (Vec<&Control>, Vec<&Control>) = controls
        .into_iter()
        .partition(|control| matches!(control, Control::Widen { .. }));
    let (ratings, others): (Vec<&Control>, Vec<&Control>) = others
        .into_iter()
        .partition(|control| matches!(control, Control::Rate));
    for about_one in hosts.chunk_by(|one, next| entry_of(one) == entry_of(next)) {
        blocks.extend(about_host(about_one, &words.kind));
    }
    let elements = elements(&others, &words.kind);
    if !elements.is_empty() {
        blocks.push(json!({ "type": "actions", "elements": elements }));
    }
    if !ratings.is_empty() {
        blocks.push(json!({ "type": "context_actions", "elements": [rating()] }));
    }
    json!({ "text": clip(&escape(&words.fallback), TEXT_MAX_CHARS), "blocks": blocks })
}

/// The pair of buttons that asks what people think of a result. Source: reference of the feedback buttons element.
fn rating() -> Value {
    let button = |label: &str, opinion| {
        json!({
            "text": { "type": "plain_text", "text": clip(label, BUTTON_MAX_CHARS) },
            "value": serde_json::to_string(&Action::Rate { opinion }).unwrap_or_default(),
        })
    };
    json!({
        "type": "feedback_buttons",
        "action_id": format!("{PREFIX}:rate"),
        "positive_button": button(words::RESULT_IS_GOOD, Opinion::Good),
        "negative_button": button(words::RESULT_IS_BAD, Opinion::Bad),
    })
}

/// The decisions about one host, below its name: on a card about several, each has buttons of its own.
fn about_host(controls: &[&Control], kind: &WordsKind) -> Vec<Value> {
    let Some(Control::Widen { host, .. }) = controls.first() else {
        return Vec::new();
    };
    let name = format!("*{}*", escape(host).replace(['*', '`'], ""));
    let buttons: Vec<Value> = controls
        .iter()
        .enumerate()
        .map(|(index, control)| button(index, control, kind))
        .collect();
    vec![
        json!({ "type": "section", "text": { "type": "mrkdwn", "text": clip(&name, SECTION_MAX_CHARS), "verbatim": true } }),
        json!({ "type": "actions", "elements": buttons }),
    ]
}

const fn entry_of(control: &Control) -> Option<u32> {
    if let Control::Widen { entry, .. } = control {
        Some(*entry)
    } else {
        None
    }
}

/// Escapes the three characters of Slack's own markup. Source: Slack's guide on formatting text.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

fn elements(controls: &[&Control], kind: &WordsKind) -> Vec<Value> {
    let answers: Vec<(u32, &str)> = controls
        .iter()
        .filter_map(|control| {
            if let Control::Answer { question, choice } = control {
                Some((*question, choice.as_str()))
            } else {
                None
            }
        })
        .collect();
    // An option's value is short; a longer answer would come back cut, so it stays on a button.
    let as_menu = answers.len() > ANSWER_BUTTONS_MAX
        && answers
            .iter()
            .all(|(_, choice)| choice.chars().count() <= OPTION_VALUE_MAX_CHARS);
    let mut elements: Vec<Value> = if as_menu {
        vec![menu(&answers)]
    } else {
        Vec::new()
    };
    for (index, control) in controls.iter().enumerate() {
        if !(as_menu && matches!(control, Control::Answer { .. })) {
            elements.push(button(index, control, kind));
        }
    }
    elements.truncate(ACTIONS_MAX);
    elements
}

fn menu(answers: &[(u32, &str)]) -> Value {
    let options: Vec<Value> = answers
        .iter()
        .take(OPTIONS_MAX)
        .map(|(_, choice)| option(choice))
        .collect();
    let question = answers.first().map_or(0, |(question, _)| *question);
    json!({
        "type": "static_select",
        "action_id": format!("{PREFIX}:choose:{question}"),
        "placeholder": { "type": "plain_text", "text": clip(words::CHOOSE, PLACEHOLDER_MAX_CHARS) },
        "options": options,
    })
}

/// One entry of a menu, with a value of its own.
pub(super) fn option_of(label: &str, value: &str) -> Value {
    json!({
        "text": { "type": "plain_text", "text": clip(label, OPTION_MAX_CHARS) },
        "value": clip(value, OPTION_VALUE_MAX_CHARS),
    })
}

/// One entry of a menu.
pub(super) fn option(choice: &str) -> Value {
    json!({
        "text": { "type": "plain_text", "text": clip(choice, OPTION_MAX_CHARS) },
        "value": clip(choice, OPTION_VALUE_MAX_CHARS),
    })
}

/// A button of ours.
pub(super) fn button(index: usize, control: &Control, kind: &WordsKind) -> Value {
    let label = words::label(control, kind);
    let label = if label.trim().is_empty() {
        "…"
    } else {
        label.as_str()
    };
    let mut button = json!({
        "type": "button",
        "action_id": format!("{PREFIX}:{}:{index}", name(control)),
        "text": { "type": "plain_text", "text": clip(label, BUTTON_MAX_CHARS) },
    });
    if let Some(value) =
        Action::of_control(control).and_then(|action| serde_json::to_string(&action).ok())
    {
        button["value"] = json!(value);
    }
    match control {
        Control::Approve { .. } => button["style"] = json!("primary"),
        Control::Cancel
        | Control::Settle {
            settlement: Settlement::Cancel,
            ..
        } => button["style"] = json!("danger"),
        Control::Open { url, .. } => button["url"] = json!(clip(url, URL_MAX_CHARS)),
        Control::Edit { .. }
        | Control::ChangeRepository
        | Control::MakeIssue { .. }
        | Control::Retry
        | Control::Rate
        | Control::Settings { .. }
        | Control::Widen { .. }
        | Control::Settle { .. }
        | Control::Answer { .. } => {}
    }
    button
}

const fn name(control: &Control) -> &'static str {
    match control {
        Control::Approve { .. } => "approve",
        Control::Edit { .. } => "edit",
        Control::ChangeRepository => "repository",
        Control::MakeIssue { .. } => "issue",
        Control::Cancel => "cancel",
        Control::Retry => "retry",
        Control::Rate => "rate",
        Control::Settings { .. } => "settings",
        Control::Answer { .. } => "answer",
        Control::Widen { .. } => "network",
        Control::Settle { .. } => "settle",
        Control::Open { .. } => "open",
    }
}
