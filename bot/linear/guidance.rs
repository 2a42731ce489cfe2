//! What a workspace and its teams have written down for every agent, as a new session brings it.

use serde::Deserialize;
use serde_json::Value;

use super::ids;
use crate::domain::{
    clip,
    conversation::{Line, LineKind, Person, Standing},
};

/// The most rules that are taken; the nearest to the issue come first.
const RULES_MAX: usize = 20;
/// The longest rule that is taken, in characters.
const RULE_MAX_CHARS: usize = 8_000;
/// Whose the rules are that no team is named for.
const OF_WORKSPACE: &str = "the workspace's guidance";

#[derive(Deserialize)]
struct Payload {
    #[serde(default)]
    guidance: Option<Vec<Value>>,
}

#[derive(Deserialize)]
struct Rule {
    body: String,
    #[serde(default)]
    origin: Option<Origin>,
}

#[derive(Deserialize)]
struct Origin {
    team: Option<Team>,
}

#[derive(Deserialize)]
struct Team {
    id: String,
    #[serde(default)]
    name: String,
}

/// The rules of a stored delivery. Linear does not say who wrote them, only where they stand, and that takes a member of
/// the workspace: so they instruct where every member may, and are data where only some people may.
#[must_use]
pub fn guidance(payload: &Value) -> Vec<Line> {
    let rules = Payload::deserialize(payload).ok();
    let rules = rules.and_then(|payload| payload.guidance);
    let rules = rules.into_iter().flatten();
    // One that is not understood costs only itself.
    rules
        .filter_map(|rule| Rule::deserialize(&rule).ok())
        .filter(|rule| !rule.body.trim().is_empty())
        .take(RULES_MAX)
        .enumerate()
        .map(|(index, rule)| line(index, &rule))
        .collect()
}

fn line(index: usize, rule: &Rule) -> Line {
    let team = rule.origin.as_ref().and_then(|origin| origin.team.as_ref());
    let (place, name) = match team {
        Some(team) if !team.name.is_empty() => (
            team.id.as_str(),
            format!("the guidance of the team {}", team.name),
        ),
        Some(_) | None => ("workspace", OF_WORKSPACE.to_owned()),
    };
    let author = Person {
        id: ids::person(&format!("guidance:{place}")),
        name,
        standing: Standing::Member,
    };
    let reference = ids::line(&format!("guidance:{place}:{index}"));
    Line {
        kind: LineKind::Guidance,
        ..Line::said(reference, author, clip(rule.body.trim(), RULE_MAX_CHARS))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rules_come_with_where_they_stand_and_what_is_not_understood_is_left_out() {
        let payload = json!({ "guidance": [
            { "body": "Prefer acme/api.", "origin": { "type": "Team", "team": { "id": "t1", "name": "Engineering" } } },
            { "body": " Small changes. ", "origin": { "type": "Organization" } },
            { "body": "Later kinds.", "origin": { "type": "Moon", "crater": 7 } },
            { "body": "  ", "origin": null },
            { "rule": "no body" },
            7,
        ] });
        let lines = guidance(&payload);
        let read: Vec<(&str, &str)> = lines
            .iter()
            .map(|line| (line.author.name.as_str(), line.text.as_str()))
            .collect();
        assert_eq!(
            read,
            [
                ("the guidance of the team Engineering", "Prefer acme/api."),
                (OF_WORKSPACE, "Small changes."),
                (OF_WORKSPACE, "Later kinds."),
            ]
        );
        assert!(lines.iter().all(|line| line.kind == LineKind::Guidance));
        assert_eq!(
            lines[1].author.id, lines[2].author.id,
            "one place is one voice"
        );
        for none in [
            json!({}),
            json!({ "guidance": null }),
            json!([]),
            json!({ "guidance": {} }),
        ] {
            assert!(guidance(&none).is_empty(), "{none}");
        }
    }
}
