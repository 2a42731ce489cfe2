//! What Slack says when the bot was taken out of a workspace.

use serde_json::Value;

use super::{Accepted, Relevance, team, text_of};

/// How the bot was taken out of a workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leaving {
    /// The app was removed.
    Uninstalled,
    /// The bot's token was taken back; the app may still be listed.
    TokenRevoked,
    /// Some workspaces of the organisation that it is installed for have it no more; the others have.
    Workspaces(Vec<String>),
}

/// The bot was taken out of a workspace, as Slack says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// The workspace, or the organisation, as conversations carry it.
    pub home: String,
    /// The organisation that the payload names, where it names one.
    pub enterprise: Option<String>,
    /// What happened.
    pub how: Leaving,
}

/// Whether a payload says that the bot was taken out of a workspace. That tokens of people were revoked concerns nobody:
/// the bot has none.
///
/// Source: Slack's pages on the events `app_uninstalled` and `tokens_revoked`.
#[must_use]
pub fn left(payload: &Value) -> Option<Left> {
    (text_of(payload, "type") == "event_callback").then_some(())?;
    let event = &payload["event"];
    let how = match text_of(event, "type") {
        "app_uninstalled" => Leaving::Uninstalled,
        "tokens_revoked" => {
            let bots = event["tokens"]["bot"].as_array()?;
            (!bots.is_empty()).then_some(Leaving::TokenRevoked)?
        }
        "team_access_revoked" => {
            let teams = event["team_ids"].as_array()?;
            let teams: Vec<String> = teams
                .iter()
                .filter_map(|team| team.as_str().map(str::to_owned))
                .collect();
            (!teams.is_empty()).then_some(Leaving::Workspaces(teams))?
        }
        _ => return None,
    };
    Some(Left {
        home: team(payload).to_owned(),
        enterprise: payload["enterprise_id"].as_str().map(str::to_owned),
        how,
    })
}

/// In which workspace of an organisation a channel is, where a payload of an installation for the whole of it says so:
/// organisation, channel, workspace.
#[must_use]
pub fn placed(payload: &Value) -> Option<(&str, &str, &str)> {
    let organisation = super::organisation(payload)?;
    let channels = [
        &payload["event"]["channel"],
        &payload["channel"]["id"],
        &payload["channel_id"],
    ];
    let teams = [
        &payload["authorizations"][0]["team_id"],
        &payload["context_team_id"],
        &payload["team_id"],
        &payload["team"]["id"],
    ];
    let (channel, team) = (first(&channels)?, first(&teams)?);
    (team != organisation).then_some((organisation, channel, team))
}

/// The first that says something.
fn first<'a>(all: &[&'a Value]) -> Option<&'a str> {
    let mut told = all.iter().filter_map(|one| one.as_str());
    told.find(|text| !text.is_empty())
}

/// Such a payload is always for us. It stands in no conversation.
pub(super) fn accepted(payload: &Value, left: &Left) -> Accepted {
    let id = text_of(payload, "event_id");
    Accepted {
        key: format!(
            "left:{}:{}:{id}",
            left.home,
            text_of(&payload["event"], "type")
        ),
        conversation_hint: None,
        reaction_on: None,
        relevance: Relevance::Certain,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(event: &Value) -> Value {
        json!({ "type": "event_callback", "team_id": "T1", "event_id": "Ev1", "event": event })
    }

    #[test]
    fn a_workspace_is_left_when_the_app_or_the_bots_token_goes_and_not_when_a_persons_does() {
        let check = |said: &Value, expected: Option<Leaving>| {
            let payload = event(said);
            let found = left(&payload).map(|left| (left.home, left.how));
            let is_kept = super::super::accept(&payload).is_some();
            assert_eq!(is_kept, expected.is_some(), "{said}");
            assert_eq!(found, expected.map(|how| ("T1".to_owned(), how)), "{said}");
        };
        let gone = json!({ "type": "app_uninstalled" });
        check(&gone, Some(Leaving::Uninstalled));
        let both =
            json!({ "type": "tokens_revoked", "tokens": { "oauth": ["U1"], "bot": ["U2"] } });
        check(&both, Some(Leaving::TokenRevoked));
        let persons = json!({ "type": "tokens_revoked", "tokens": { "oauth": ["U1"], "bot": [] } });
        check(&persons, None);
        check(
            &json!({ "type": "tokens_revoked", "tokens": { "oauth": ["U1"] } }),
            None,
        );
        check(&json!({ "type": "tokens_revoked" }), None);
        assert_eq!(left(&json!({ "type": "app_uninstalled" })), None);
    }

    #[test]
    fn the_same_event_has_one_key_and_the_next_one_another() {
        let mut payload = event(&json!({ "type": "app_uninstalled" }));
        let key = |payload: &Value| super::super::accept(payload).map(|accepted| accepted.key);
        let first = key(&payload);
        assert_eq!(key(&payload), first);
        payload["event_id"] = json!("Ev2");
        assert_ne!(key(&payload), first);
    }
}
