//! Who a person is.

use serde_json::Value;

use super::{ids, methods, outbound::Slack};
use crate::{
    domain::conversation::{Person, PersonId, Standing},
    surface::SurfaceError,
};

impl Slack {
    /// Looks a person up.
    pub async fn person(&self, person: &PersonId) -> Result<Person, SurfaceError> {
        let (team, user) = ids::parse_person(person)?;
        let found = self.api.get(methods::PERSON, &[("user", user)]).await?;
        Ok(read(person, team, &found["user"]))
    }

    /// The workspaces of an organisation that a person belongs to. Source: `enterprise_user` of `users.info`.
    pub(super) async fn teams(&self, person: &PersonId) -> Result<Vec<String>, SurfaceError> {
        let (_, user) = ids::parse_person(person)?;
        let found = self.api.get(methods::PERSON, &[("user", user)]).await?;
        let teams = found["user"]["enterprise_user"]["teams"].as_array();
        let teams = teams.map_or(&[] as &[Value], Vec::as_slice);
        Ok(teams
            .iter()
            .filter_map(|team| team.as_str().map(str::to_owned))
            .collect())
    }
}

fn read(id: &PersonId, home: &str, user: &Value) -> Person {
    let profile = &user["profile"];
    let names = [
        &profile["display_name"],
        &profile["real_name"],
        &user["real_name"],
        &user["name"],
        &user["id"],
    ];
    let name = names
        .into_iter()
        .filter_map(Value::as_str)
        .find(|name| !name.trim().is_empty())
        .unwrap_or("somebody");
    Person {
        id: id.clone(),
        name: name.to_owned(),
        standing: standing(home, user),
    }
}

/// Anything that speaks against full membership wins, in the order of how little it is trusted.
fn standing(home: &str, user: &Value) -> Standing {
    let is = |field: &str| user[field] == true;
    if is("deleted") || user["id"].is_null() {
        return Standing::Unknown;
    }
    if is("is_bot") || is("is_workflow_bot") || user["id"] == "USLACKBOT" {
        return Standing::Bot;
    }
    if is("is_stranger") || is_of_another_team(home, user) {
        return Standing::Outsider;
    }
    if is("is_restricted") || is("is_ultra_restricted") {
        return Standing::Guest;
    }
    Standing::Member
}

/// In an organisation with several workspaces, people belong to some of them; all of these count.
fn is_of_another_team(home: &str, user: &Value) -> bool {
    let Some(team) = user["team_id"].as_str() else {
        return false;
    };
    let enterprise = &user["enterprise_user"];
    let of_organisation = enterprise["teams"]
        .as_array()
        .is_some_and(|teams| teams.iter().any(|team| team == home))
        || enterprise["enterprise_id"] == home;
    team != home && !of_organisation
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_full_members_of_this_workspace_are_members() {
        let check = |user: Value, expected| assert_eq!(standing("T1", &user), expected, "{user}");
        check(json!({"id": "U1", "team_id": "T1"}), Standing::Member);
        check(
            json!({"id": "U1", "team_id": "T1", "is_restricted": true}),
            Standing::Guest,
        );
        check(
            json!({"id": "U1", "team_id": "T1", "is_ultra_restricted": true}),
            Standing::Guest,
        );
        check(json!({"id": "U1", "team_id": "T2"}), Standing::Outsider);
        check(
            json!({"id": "U1", "team_id": "T2", "is_restricted": true}),
            Standing::Outsider,
        );
        check(
            json!({"id": "U1", "team_id": "T1", "is_stranger": true}),
            Standing::Outsider,
        );
        check(
            json!({"id": "U1", "team_id": "T2", "enterprise_user": {"teams": ["T1", "T2"]}}),
            Standing::Member,
        );
        check(
            json!({"id": "U1", "team_id": "T1", "is_bot": true}),
            Standing::Bot,
        );
        check(
            json!({"id": "U1", "team_id": "T1", "deleted": true}),
            Standing::Unknown,
        );
        check(json!(null), Standing::Unknown);
    }
}
