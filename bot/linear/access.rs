//! What Linear tells of the application's own access: it was taken away altogether, or from some teams.
//!
//! Source: Linear's documentation of webhooks and of agents; the shapes are `OAuthAppWebhookPayload` and
//! `AppUserTeamAccessChangedWebhookPayload` of its published schema.

use serde::Deserialize;
use serde_json::Value;

use super::inbound::{Accepted, Relevance};
use crate::domain::{
    Timestamp,
    conversation::ConversationId,
    incoming::{AccessLost, Incoming},
};

/// The resource of the application itself.
pub(super) const APPLICATION: &str = "OAuthApp";
/// The resource of what the application may see.
pub(super) const PERMISSION: &str = "PermissionChange";
/// In whose order these stand: they are about no session.
const LANE: &str = "linear:access";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    r#type: String,
    action: String,
    created_at: String,
    #[serde(default)]
    removed_team_ids: Vec<String>,
}

/// What was taken away, with what makes the delivery the same when it comes again; none where nothing was.
fn lost(payload: &Value) -> Option<(String, AccessLost)> {
    let payload = Payload::deserialize(payload).ok()?;
    let lost = match (payload.r#type.as_str(), payload.action.as_str()) {
        (APPLICATION, "revoked") => AccessLost::Everything,
        (PERMISSION, "teamAccessChanged") if !payload.removed_team_ids.is_empty() => {
            AccessLost::Something
        }
        _ => return None,
    };
    let key = format!("{}:{}", payload.r#type, payload.created_at);
    Some((key, lost))
}

/// Whether it matters, and what it is the same as.
pub(super) fn accept(payload: &Value) -> Option<Accepted> {
    let (key, _) = lost(payload)?;
    Some(Accepted {
        key,
        conversation: ConversationId(LANE.to_owned()),
        relevance: Relevance::Certain,
    })
}

/// What it means.
pub(super) fn read(payload: &Value) -> Option<Incoming> {
    let (_, lost) = lost(payload)?;
    Some(Incoming::AccessLost {
        conversation: ConversationId(LANE.to_owned()),
        lost,
    })
}

/// When Linear sent a delivery, by its own clock; it is signed.
#[must_use]
pub fn sent_at(payload: &Value) -> Option<Timestamp> {
    payload["webhookTimestamp"].as_i64().map(Timestamp)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::inbound;
    use super::*;

    #[test]
    fn access_is_lost_by_what_takes_it_away_and_by_nothing_else() {
        let moment = "2026-01-01T00:00:00.000Z";
        let payload = |kind: &str, action: &str, removed: &[&str]| {
            json!({
                "type": kind, "action": action, "createdAt": moment, "oauthClientId": "o1",
                "removedTeamIds": removed, "addedTeamIds": ["t9"], "canAccessAllPublicTeams": false,
            })
        };
        let lost = |payload: &Value| match inbound::read(payload, "") {
            Incoming::AccessLost { lost, .. } => Some(lost),
            _ => None,
        };
        let revoked = payload("OAuthApp", "revoked", &[]);
        assert_eq!(lost(&revoked), Some(AccessLost::Everything));
        let fewer = payload("PermissionChange", "teamAccessChanged", &["t1"]);
        assert_eq!(lost(&fewer), Some(AccessLost::Something));
        for other in [
            payload("PermissionChange", "teamAccessChanged", &[]),
            payload("PermissionChange", "something new", &["t1"]),
            payload("OAuthApp", "something new", &[]),
        ] {
            assert_eq!(lost(&other), None, "{other}");
            assert_eq!(inbound::accept(&other, "d1"), None);
        }
        let key = |payload: &Value| inbound::accept(payload, "d1").map(|one| one.key);
        assert_eq!(
            key(&revoked).as_deref(),
            Some("OAuthApp:2026-01-01T00:00:00.000Z")
        );
    }
}
