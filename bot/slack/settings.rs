//! The form that holds settings: opened from a person's page and from the answer to a word, and what it says when it is
//! sent.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    blocks, forms, ids,
    limits::{METADATA_MAX_CHARS, VIEW_TITLE_MAX_CHARS},
    methods,
    outbound::Slack,
};
use crate::{
    domain::{
        clip, command,
        conversation::ConversationId,
        preferences::{Noise, Preferences},
    },
    surface::{SettingsForm, SurfaceError},
    words,
};

/// The form.
pub(super) const SETTINGS: &str = "deckhand:settings";
/// The field for the repository, as block and as action.
pub(super) const REPOSITORY: &str = "repository";
/// The field for the agent.
const AGENT: &str = "agent";
/// The field for how much is said.
const NOISE: &str = "noise";
/// The value of no default; no repository and no agent is called so.
const NONE: &str = "-";
/// The value of little that is said.
const QUIET: &str = "quiet";
/// The value of everything that is said.
const USUAL: &str = "usual";

/// What the form carries to its own sending.
#[derive(Serialize, Deserialize)]
struct Metadata {
    conversation: ConversationId,
    place: Option<String>,
}

/// What a sent form says.
pub(super) struct Sent {
    pub(super) conversation: ConversationId,
    pub(super) place: Option<String>,
    pub(super) preferences: Preferences,
}

impl Slack {
    /// Opens the form for the person whose press gave the trigger; it is good for three seconds.
    pub async fn open_settings_form(
        &self,
        conversation: &ConversationId,
        trigger: &str,
        form: &SettingsForm,
    ) -> Result<(), SurfaceError> {
        ids::parse_conversation(conversation)?;
        let opening = json!({ "trigger_id": trigger, "view": view(form, conversation) });
        self.api.post(methods::OPEN_FORM, &opening).await.map(drop)
    }
}

/// The view of the form.
pub(super) fn view(form: &SettingsForm, conversation: &ConversationId) -> Value {
    let metadata = serde_json::to_string(&Metadata {
        conversation: conversation.clone(),
        place: form.place.clone(),
    })
    .unwrap_or_default();
    let plain =
        |text: &str| json!({ "type": "plain_text", "text": clip(text, VIEW_TITLE_MAX_CHARS) });
    let set = form.set.repository.as_ref().map(|name| name.0.as_str());
    let repository = forms::repository_field(&form.known, REPOSITORY, words::REPOSITORY_HINT);
    let repository = with_none(repository, set);
    let agent = menu(AGENT, &form.agents, form.set.agent.as_deref());
    let mut fields = vec![
        input(REPOSITORY, words::SETTINGS_REPOSITORY, &repository),
        input(AGENT, words::SETTINGS_AGENT, &agent),
    ];
    if form.place.is_some() {
        let [usual, quiet] = [(words::NOISE_USUAL, USUAL), (words::NOISE_QUIET, QUIET)]
            .map(|(label, value)| blocks::option_of(label, value));
        let now = match form.set.noise {
            Noise::Usual => &usual,
            Noise::Quiet => &quiet,
        };
        let noise = json!({ "type": "static_select", "action_id": NOISE, "options": [usual, quiet], "initial_option": now });
        fields.push(input(NOISE, words::SETTINGS_NOISE, &noise));
    }
    json!({
        "type": "modal",
        "callback_id": SETTINGS,
        "private_metadata": clip(&metadata, METADATA_MAX_CHARS),
        "title": plain(if form.place.is_some() { words::SETTINGS_HERE } else { words::SETTINGS_MINE }),
        "submit": plain(words::SETTINGS_SEND),
        "close": plain(words::SETTINGS_LEAVE),
        "blocks": fields,
    })
}

fn input(name: &str, label: &str, element: &Value) -> Value {
    json!({
        "type": "input", "block_id": name, "optional": true,
        "label": { "type": "plain_text", "text": label }, "element": element,
    })
}

fn menu(action: &str, choices: &[String], set: Option<&str>) -> Value {
    let options: Vec<Value> = choices.iter().map(|name| blocks::option(name)).collect();
    with_none(
        json!({ "type": "static_select", "action_id": action, "options": options }),
        set,
    )
}

/// A field with what is set in it, and with a choice of nothing: a menu cannot be emptied once something stands in it.
fn with_none(mut field: Value, set: Option<&str>) -> Value {
    if field["type"] == "plain_text_input" {
        if let Some(set) = set {
            field["initial_value"] = json!(set);
        }
        return field;
    }
    let none = none_option();
    if let Some(options) = field.get_mut("options").and_then(Value::as_array_mut) {
        options.truncate(super::limits::OPTIONS_MAX - 1);
        options.insert(0, none.clone());
    }
    // What is set and not offered any more is not shown as if it were.
    let initial = match set {
        None => Some(none),
        Some(set) if field["options"].is_null() => Some(blocks::option(set)),
        Some(set) => {
            let mut options = field["options"].as_array().into_iter().flatten();
            options.find(|option| option["value"] == set).cloned()
        }
    };
    if let Some(initial) = initial {
        field["initial_option"] = initial;
    }
    field
}

/// The choice of no default.
pub(super) fn none_option() -> Value {
    blocks::option_of(words::SETTINGS_NONE, NONE)
}

/// What a sent form says; none where it is another one.
pub(super) fn sent(view: &Value) -> Option<Sent> {
    (view["callback_id"] == SETTINGS).then_some(())?;
    let metadata: Metadata = serde_json::from_str(view["private_metadata"].as_str()?).ok()?;
    let value = |name: &str| {
        let field = &view["state"]["values"][name][name];
        let text = field["selected_option"]["value"]
            .as_str()
            .or_else(|| field["value"].as_str());
        text.map(str::trim)
            .filter(|text| !text.is_empty() && *text != NONE)
    };
    Some(Sent {
        conversation: metadata.conversation,
        place: metadata.place,
        preferences: Preferences {
            repository: value(REPOSITORY).and_then(command::parse_repository),
            agent: value(AGENT).map(str::to_lowercase),
            noise: match value(NOISE) {
                Some(QUIET) => Noise::Quiet,
                _ => Noise::Usual,
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::specification::RepositoryName;

    fn form(known: usize, set: Preferences) -> SettingsForm {
        SettingsForm {
            place: Some("slack:T1:C1".into()),
            set,
            known: (0..known).map(|n| format!("acme/r{n}")).collect(),
            agents: vec!["goose".into(), "codex".into()],
        }
    }

    fn set() -> Preferences {
        Preferences {
            repository: Some(RepositoryName("acme/r1".into())),
            agent: Some("codex".into()),
            noise: Noise::Quiet,
        }
    }

    #[test]
    fn what_is_set_stands_in_the_form_and_comes_back() {
        let conversation = ConversationId("slack:T1:C1:1.2".into());
        for known in [2, 300] {
            let mut view = view(&form(known, set()), &conversation);
            let mut values = json!({});
            for block in view["blocks"].as_array().cloned().unwrap_or_default() {
                let name = block["block_id"].as_str().unwrap_or_default().to_owned();
                values[&name][&name]["selected_option"] =
                    block["element"]["initial_option"].clone();
            }
            view["state"] = json!({ "values": values });
            let back = sent(&view).expect("it is ours");
            assert_eq!(back.preferences, set(), "{known}");
            assert_eq!(back.place.as_deref(), Some("slack:T1:C1"));
            assert_eq!(back.conversation, conversation);
        }
    }

    #[test]
    fn nothing_can_be_chosen_and_what_is_gone_is_not_shown() {
        let conversation = ConversationId("slack:T1:C1:1.2".into());
        let empty = view(&form(2, Preferences::default()), &conversation);
        assert_eq!(
            empty["blocks"][0]["element"]["initial_option"]["value"],
            NONE
        );
        let mut gone = set();
        gone.repository = Some(RepositoryName("acme/gone".into()));
        let gone = view(&form(2, gone), &conversation);
        assert!(gone["blocks"][0]["element"]["initial_option"].is_null());
        let mut chosen = empty;
        chosen["state"] = json!({ "values": {
            "repository": { "repository": { "selected_option": { "value": NONE } } },
            "agent": { "agent": { "selected_option": null } },
        } });
        assert_eq!(
            sent(&chosen).map(|sent| sent.preferences),
            Some(Preferences::default())
        );
    }

    #[test]
    fn a_persons_own_form_says_nothing_of_messages() {
        let mut own = form(2, Preferences::default());
        own.place = None;
        let view = view(&own, &ConversationId("slack:T1:U1:-".into()));
        assert_eq!(view["blocks"].as_array().map(Vec::len), Some(2));
        assert!(
            view["title"]["text"]
                .as_str()
                .is_some_and(|title| title.len() <= 24)
        );
        assert!(words::SETTINGS_HERE.len() <= 24);
    }
}
