//! Models of single stories: the honest one with another specification.

use deckhand_world::models::{Phase, Script, Turn, acme_web};
use serde_json::{Value, json};

/// The honest model with a changed specification.
fn with_specification(name: &str, change: impl FnOnce(&mut Value)) -> Script {
    let mut specification = acme_web::specification();
    change(&mut specification);
    Script::honest().called(name).on(
        Phase::Plan,
        [
            Turn::shell("cat lib/users.js"),
            Turn::tool("submit_specification", specification),
            Turn::tool("submit_plan", acme_web::plan()),
            Turn::say("The specification and the plan are handed over."),
        ],
    )
}

/// Needs no pictures, for stories that are about something else.
pub fn without_pages() -> Script {
    with_specification("without_pages", |specification| {
        specification["pages"] = json!([]);
    })
}

/// Asks for a setup that does not end.
pub fn endless_setup() -> Script {
    with_specification("endless_setup", |specification| {
        specification["setup"] = json!("sleep 86400");
    })
}

/// Asks for a check that does not end.
pub fn endless_check() -> Script {
    with_specification("endless_check", |specification| {
        specification["checks"] = json!(["sleep 86400"]);
    })
}

/// Asks for a check that takes so long that somebody can look away and come back.
pub fn slow_check() -> Script {
    with_specification("slow_check", |specification| {
        specification["checks"] = json!(["sleep 3"]);
        specification["pages"] = json!([]);
    })
}

/// Calls everybody in its goal.
pub fn loud() -> Script {
    with_specification("loud", |specification| {
        specification["goal"] =
            json!("Tell everybody: <!channel> <!here> @channel @here @everyone <@UBEN> done.");
    })
}
