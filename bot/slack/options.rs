//! Menus that ask for their entries while somebody writes into them.

use serde_json::{Value, json};

use super::{
    blocks, forms, ids, inbound,
    limits::{OPTION_VALUE_MAX_CHARS, OPTIONS_MAX},
    settings,
};
use crate::domain::incoming::Author;

/// What somebody has written so far into the menu of repositories; none where the menu is not ours.
#[must_use]
pub fn looked_for(payload: &Value) -> Option<&str> {
    let is_ours = payload["type"] == "block_suggestion" && forms::is_repository_menu(payload);
    is_ours.then(|| payload["value"].as_str().unwrap_or_default())
}

/// Who writes into a menu, and in which workspace; none where the payload does not say.
#[must_use]
pub fn asker(payload: &Value) -> Option<(&str, Author)> {
    let user = payload["user"]["id"].as_str()?;
    let home = inbound::home(payload);
    let by = Author {
        id: ids::person(home, user),
        name: None,
        standing: None,
    };
    Some((home, by))
}

/// The choice of nothing, in front of what fits, where a menu is for a default that may be taken away.
#[must_use]
pub fn with_none(payload: &Value, mut fitting: Value) -> Value {
    let is_default = payload["view"]["callback_id"] == settings::SETTINGS;
    if let Some(options) = fitting["options"].as_array_mut().filter(|_| is_default) {
        options.truncate(OPTIONS_MAX - 1);
        options.insert(0, settings::none_option());
    }
    fitting
}

/// The entries that fit to what was written, those that begin with it first.
#[must_use]
pub fn fitting<'a>(names: impl IntoIterator<Item = &'a str>, written: &str) -> Value {
    let written = written.trim().to_lowercase();
    let mut fitting: Vec<(bool, &str)> = names
        .into_iter()
        .filter(|name| name.chars().count() <= OPTION_VALUE_MAX_CHARS)
        .filter_map(|name| {
            let lower = name.to_lowercase();
            let last = lower.rsplit('/').next().unwrap_or_default();
            let begins = lower.starts_with(&written) || last.starts_with(&written);
            lower.contains(&written).then_some((!begins, name))
        })
        .collect();
    fitting.sort_unstable();
    let options: Vec<Value> = fitting
        .into_iter()
        .take(OPTIONS_MAX)
        .map(|(_, name)| blocks::option(name))
        .collect();
    json!({ "options": options })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(names: &[&str], written: &str) -> Vec<String> {
        fitting(names.iter().copied(), written)["options"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|option| option["value"].as_str().map(str::to_owned))
            .collect()
    }

    #[test]
    fn names_that_begin_with_what_was_written_come_first() {
        let names = ["acme/api", "acme/old-web", "acme/web", "beta/web-tools"];
        assert_eq!(
            values(&names, "Web"),
            ["acme/web", "beta/web-tools", "acme/old-web"]
        );
        assert_eq!(values(&names, "acme/a"), ["acme/api"]);
        assert_eq!(values(&names, "").len(), 4);
        assert!(values(&names, "nothing").is_empty());
    }

    #[test]
    fn there_are_never_more_than_slack_takes() {
        let many: Vec<String> = (0..500).map(|n| format!("acme/r{n}")).collect();
        let long = format!("acme/{}", "x".repeat(200));
        let names = many.iter().map(String::as_str).chain([long.as_str()]);
        let options = fitting(names, "acme");
        assert_eq!(
            options["options"].as_array().map(Vec::len),
            Some(OPTIONS_MAX)
        );
    }

    #[test]
    fn menus_of_others_are_none_of_ours() {
        let ours = json!({
            "type": "block_suggestion", "action_id": "said", "block_id": "said", "value": "we",
            "view": { "callback_id": "deckhand:repository" },
        });
        assert_eq!(looked_for(&ours), Some("we"));
        for (pointer, other) in [
            ("/type", "block_actions"),
            ("/action_id", "other"),
            ("/view/callback_id", "other:repository"),
        ] {
            let mut payload = ours.clone();
            *payload.pointer_mut(pointer).expect("a field") = json!(other);
            assert_eq!(looked_for(&payload), None, "{pointer}");
        }
    }
}
