//! The entries of a menu that a person writes into. Nothing is stored: the answer is all that is asked for.

use std::time::Duration;

use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use serde_json::Value;

use super::{Web, doors};
use crate::slack::{form_to_value, options};

/// How long the forge may take to list its repositories; below the three seconds that Slack waits. It has just listed them
/// for the form, so it is rarely asked at all.
const LISTED_WITHIN: Duration = Duration::from_secs(2);

/// Slack asks for the entries of a menu.
pub async fn slack_options(State(web): State<Web>, request: Request) -> Response {
    let body = match doors::slack_body(&web, request).await {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    let payload = form_to_value(&body).unwrap_or_default();
    let entries = entries(&web, &payload).await;
    Json(entries.unwrap_or_else(|| options::fitting([], ""))).into_response()
}

/// The entries that a payload asks for. Slack asks for a form that this bot has opened, and only for people whom policy lets
/// ask or steer is one with such a menu opened; guests get none.
/// None where it asks for nothing of ours. Without the forge, those of the settings.
pub(super) async fn entries(web: &Web, payload: &Value) -> Option<Value> {
    let written = options::looked_for(payload)?;
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
