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

/// Asks for this setup, and for no pictures.
pub fn with_setup(command: &str) -> Script {
    with_specification("with_setup", |specification| {
        specification["setup"] = json!(command);
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

/// Works honestly, and does something more at its end of which the plan does not speak.
fn with_extra(name: &str, command: &str) -> Script {
    let command = command.to_owned();
    let honest = Script::honest().called(name);
    honest.first(Phase::Work, [Turn::shell(command)])
}

/// Edits a file that the plan does not name.
pub fn straying() -> Script {
    with_extra("straying", "echo '// kept alive' >> server.js")
}

/// Adds a workflow of the forge.
pub fn workflow() -> Script {
    with_extra(
        "workflow",
        "mkdir -p .github/workflows && printf 'on: push\\n' > .github/workflows/ci.yml",
    )
}

/// A token that no platform ever gave; made of parts, so that no scanner takes this file for a leak.
pub fn leaked_token() -> String {
    ["ghp_", "Zq3vR8mK1xT6", "bN4cW9yL2pH7", "sD5fG0jA8uEe"].concat()
}

/// Writes a token into a file that the plan names.
pub fn leaking() -> Script {
    let line = format!("const fallbackToken = '{}';", leaked_token());
    with_extra("leaking", &format!("echo \"{line}\" >> lib/users.js"))
}

/// Changes a file of the plan, says so with `/tmp/halfway`, and is then at work until somebody makes `/tmp/go`.
pub fn long_work() -> Script {
    let command = "echo '// begun' >> lib/users.js; touch /tmp/halfway; until [ -e /tmp/go ]; do sleep 0.1; done";
    without_pages().first(Phase::Work, [Turn::shell(command)])
}
