//! The entries of a menu that a person writes into. Nothing is stored: the answer is all that is asked for.

use std::time::Duration;

use axum::{
    Json,
    extract::{FromRef as _, Request, State},
    response::{IntoResponse, Response},
};
use serde_json::Value;

use super::{
    Web,
    doors::{self, Doors},
};
use crate::{
    domain::policy::Act,
    slack::{form_to_value, options},
};

/// How long the forge may take to list its repositories. It has just listed them for the form, so it is rarely asked at all.
/// Together with [`KNOWN_WITHIN`] it is below the three seconds that Slack waits.
const LISTED_WITHIN: Duration = Duration::from_millis(1_500);
/// How long it may take to find out who asks. Whoever opened the form was looked up a moment ago.
const KNOWN_WITHIN: Duration = Duration::from_secs(1);
/// What can become of a look into a menu, as it is counted.
const RESULTS: [&str; 2] = ["listed", "refused"];

/// Slack asks for the entries of a menu.
pub async fn slack_options(State(web): State<Web>, request: Request) -> Response {
    let body = match doors::slack_body(&Doors::from_ref(&web), request).await {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    let payload = form_to_value(&body).unwrap_or_default();
    let entries = entries(&web, &payload).await;
    Json(entries.unwrap_or_else(|| options::fitting([], ""))).into_response()
}

/// The entries that a payload asks for: the names of repositories, which are not for everybody. Guests, people of other
/// organisations and other workspaces get none, and neither does whoever cannot be looked up now.
/// None where it asks for nothing of ours. Without the forge, those of the settings.
pub(super) async fn entries(web: &Web, payload: &Value) -> Option<Value> {
    let written = options::looked_for(payload)?;
    if !may_look(web, payload).await {
        counter("refused").increment(1);
        return Some(options::fitting([], ""));
    }
    counter("listed").increment(1);
    let mut names: Vec<String> = web
        .config
        .repositories
        .iter()
        .map(|repository| repository.name.0.clone())
        .collect();
    if let Some(github) = &web.github {
        let listed = tokio::time::timeout(LISTED_WITHIN, github.repositories()).await;
        let listed = listed.ok().and_then(Result::ok).unwrap_or_default();
        names.extend(listed.into_iter().map(|name| name.0));
    }
    names.sort();
    names.dedup();
    let fitting = options::fitting(names.iter().map(String::as_str), written);
    Some(options::with_none(payload, fitting))
}

/// Whether whoever asks could ask for a task. A form may be open for longer than its person has the right to it.
async fn may_look(web: &Web, payload: &Value) -> bool {
    let Some((home, by)) = options::asker(payload) else {
        return false;
    };
    let found = tokio::time::timeout(KNOWN_WITHIN, web.people.person_in(home, &by)).await;
    let Ok(Ok(Some(person))) = found else {
        tracing::info!(home, by = by.id.0, "the entries of a menu are not shown");
        return false;
    };
    let allowed = web.config.policy.allows(Act::Start, &person, &person.id);
    allowed.is_ok()
}

fn counter(result: &'static str) -> metrics::Counter {
    metrics::counter!("deckhand_menus_total", "result" => result)
}

/// Has every count there from the beginning.
pub(super) fn begin_to_count() {
    for result in RESULTS {
        counter(result).increment(0);
    }
}
