//! What Linear tells of issues and comments that were changed or thrown away, whoever they are about. Linear sends it for
//! every public team, so it matters only where a task knows of the issue or the comment.
//!
//! Source: Linear's documentation of data change webhooks; the shapes are `EntityWebhookPayload`, `IssueWebhookPayload` and
//! `CommentWebhookPayload` of its published schema.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    files, ids,
    inbound::{Accepted, Relevance, TEXT_MAX_CHARS, automation, without_mention},
};
use crate::domain::{
    conversation::{ConversationId, PersonId, Standing, SubjectId},
    incoming::{Author, Incoming},
};

/// The resource of issues.
pub(super) const ISSUE: &str = "Issue";
/// The resource of comments.
pub(super) const COMMENT: &str = "Comment";
/// What of an issue is its words; everything else of it is Linear's to show.
const WORDS_OF_ISSUE: [&str; 3] = ["title", "description", "descriptionData"];
/// The same of a comment.
const WORDS_OF_COMMENT: [&str; 2] = ["body", "bodyData"];
/// What changes where an issue is moved to another team, which gives it another name.
const PLACE_OF_ISSUE: [&str; 2] = ["teamId", "number"];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    r#type: String,
    action: String,
    actor: Option<Actor>,
    data: Data,
    /// What the changed fields were before.
    #[serde(default)]
    updated_from: Option<Map<String, Value>>,
}

/// A user, another application or an integration.
#[derive(Deserialize)]
struct Actor {
    id: String,
    r#type: String,
    name: Option<String>,
    service: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    id: String,
    updated_at: String,
    /// Of an issue.
    identifier: Option<String>,
    /// What the issue was called before it was moved between teams, the first name first.
    #[serde(default)]
    previous_identifiers: Option<Vec<String>>,
    #[serde(default)]
    trashed: Option<bool>,
    /// Of a comment.
    body: Option<String>,
    issue: Option<Named>,
}

#[derive(Deserialize)]
struct Named {
    identifier: String,
}

/// A change that may matter.
pub(super) struct Change {
    key: String,
    about: SubjectId,
    /// What it was called before, the last name first.
    formerly: Vec<SubjectId>,
    of: Of,
}

enum Of {
    IssueEdited {
        by: Author,
    },
    IssueMoved,
    IssueDeleted,
    CommentEdited {
        id: String,
        by: Author,
        body: String,
    },
    CommentDeleted {
        id: String,
    },
}

/// Reads a change of what somebody wrote; none where it is another change, or something else altogether.
pub(super) fn read(payload: &Value) -> Option<Change> {
    let payload = Payload::deserialize(payload).ok()?;
    let Payload {
        r#type: kind,
        action,
        actor,
        data,
        updated_from,
    } = payload;
    let was = |names: &[&str]| {
        let before = updated_from.as_ref();
        before.is_some_and(|before| names.iter().any(|name| before.contains_key(*name)))
    };
    let about = data
        .identifier
        .or(data.issue.map(|issue| issue.identifier))?;
    let formerly = data.previous_identifiers.unwrap_or_default();
    let formerly: Vec<SubjectId> = formerly.iter().rev().map(|name| ids::issue(name)).collect();
    let id = data.id;
    // A repeat has the moment of the change, and the next change has another one.
    let key = format!("{kind}:{id}:{action}:{}", data.updated_at);
    let by = actor.map_or_else(automation, author);
    let of = match (kind.as_str(), action.as_str()) {
        (ISSUE, "remove") => Of::IssueDeleted,
        (ISSUE, "update") if was(&["trashed"]) && data.trashed == Some(true) => Of::IssueDeleted,
        (ISSUE, "update") if was(&WORDS_OF_ISSUE) => Of::IssueEdited { by },
        (ISSUE, "update") if was(&PLACE_OF_ISSUE) && !formerly.is_empty() => Of::IssueMoved,
        (COMMENT, "remove") => Of::CommentDeleted { id },
        (COMMENT, "update") if was(&WORDS_OF_COMMENT) => {
            let body = data.body?;
            Of::CommentEdited { id, by, body }
        }
        _ => return None,
    };
    let about = ids::issue(&about);
    Some(Change {
        key,
        about,
        formerly,
        of,
    })
}

impl Change {
    /// What makes it the same delivery when it comes again, and when it matters.
    pub(super) fn accepted(self) -> Accepted {
        let conversation = ConversationId(self.about.0.clone());
        let relevance = match self.of {
            Of::IssueEdited { .. } | Of::IssueMoved | Of::IssueDeleted => {
                Relevance::IfWorkedOn(self.about, self.formerly)
            }
            Of::CommentEdited { id, .. } | Of::CommentDeleted { id } => {
                Relevance::IfHeard(ids::line(&id), self.about)
            }
        };
        Accepted {
            key: self.key,
            conversation,
            relevance,
        }
    }

    /// What it means.
    pub(super) fn incoming(self, uploads_url: &str) -> Incoming {
        let (about, formerly) = (self.about, self.formerly);
        let conversation = ConversationId(about.0.clone());
        match self.of {
            Of::IssueEdited { by } => Incoming::IssueEdited {
                about,
                formerly,
                by,
            },
            Of::IssueMoved => Incoming::IssueMoved { about, formerly },
            Of::IssueDeleted => Incoming::IssueDeleted { about, formerly },
            Of::CommentEdited { id, by, body } => {
                let text = crate::domain::clip(without_mention(body.trim()), TEXT_MAX_CHARS);
                Incoming::Edited {
                    conversation,
                    reference: ids::line(&id),
                    by,
                    files: files::named_in(&text, uploads_url),
                    text,
                    // Linear itself opens a session where an edit mentions somebody.
                    mentioned: false,
                    place: String::new(),
                }
            }
            Of::CommentDeleted { id } => Incoming::Deleted {
                conversation,
                reference: ids::line(&id),
            },
        }
    }
}

/// The payload does not say who is a guest, so a user's standing is left to be looked up.
fn author(actor: Actor) -> Author {
    if actor.r#type == "user" {
        return Author {
            id: ids::person(&actor.id),
            name: actor.name,
            standing: None,
        };
    }
    let name = actor.name.or(actor.service);
    Author {
        id: PersonId(format!("linear:{}:{}", actor.r#type, actor.id)),
        name: Some(name.unwrap_or_else(|| "a program".to_owned())),
        standing: Some(Standing::Bot),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::inbound;
    use super::*;

    fn changed(kind: &str, action: &str, was: &Value) -> Value {
        json!({
            "type": kind, "action": action, "updatedFrom": was,
            "actor": { "id": "u1", "name": "Ana", "type": "user", "email": "ana@example.com", "url": "" },
            "data": {
                "id": "i1", "updatedAt": "2026-01-01T00:00:00.000Z", "identifier": "ENG-1", "title": "Now", "trashed": null,
            },
        })
    }

    fn comment(action: &str) -> Value {
        let mut payload = changed(COMMENT, action, &json!({ "body": "@deckhand before" }));
        payload["data"] = json!({
            "id": "c1", "updatedAt": "2026-01-01T00:00:00.000Z", "body": "@deckhand now", "issue": { "identifier": "ENG-1" },
        });
        payload
    }

    #[test]
    fn a_change_of_words_is_told_and_every_other_change_is_left_aside() {
        let about = SubjectId("linear:ENG-1".to_owned());
        for before in [
            json!({ "title": "Before" }),
            json!({ "description": null }),
            json!({ "descriptionData": "x", "updatedAt": "y" }),
        ] {
            let payload = changed(ISSUE, "update", &before);
            let Incoming::IssueEdited {
                about: told, by, ..
            } = inbound::read(&payload, "")
            else {
                panic!("not an edit: {payload}")
            };
            assert_eq!((told, by.id.0.as_str()), (about.clone(), "linear:u1"));
            assert_eq!(by.standing, None);
        }
        for (action, before) in [
            ("update", json!({ "stateId": "s1" })),
            ("update", json!({ "trashed": true })),
            ("update", Value::Null),
            ("create", json!({ "title": "Before" })),
            ("something new", json!({ "title": "Before" })),
        ] {
            let payload = changed(ISSUE, action, &before);
            assert_eq!(inbound::accept(&payload, "d1"), None, "{payload}");
            assert_eq!(inbound::read(&payload, ""), Incoming::Nothing);
        }
    }

    #[test]
    fn an_issue_that_was_moved_is_known_by_its_names_of_before() {
        let mut moved = changed(ISSUE, "update", &json!({ "teamId": "t1", "number": 1.0 }));
        assert_eq!(inbound::accept(&moved, "d1"), None, "it had no other name");
        moved["data"]["identifier"] = json!("OPS-7");
        moved["data"]["previousIdentifiers"] = json!(["ENG-1", "WEB-4"]);
        let name = |name: &str| SubjectId(format!("linear:{name}"));
        let formerly = vec![name("WEB-4"), name("ENG-1")];
        let accepted = inbound::accept(&moved, "d1").map(|one| one.relevance);
        let expected = Relevance::IfWorkedOn(name("OPS-7"), formerly.clone());
        assert_eq!(accepted, Some(expected));
        let about = name("OPS-7");
        let told = inbound::read(&moved, "");
        assert_eq!(told, Incoming::IssueMoved { about, formerly });
    }

    #[test]
    fn an_issue_that_is_thrown_away_is_gone_by_either_road() {
        let removed = changed(ISSUE, "remove", &Value::Null);
        let mut trashed = changed(ISSUE, "update", &json!({ "trashed": null }));
        trashed["data"]["trashed"] = json!(true);
        for payload in [removed, trashed] {
            let gone = inbound::read(&payload, "");
            assert!(matches!(gone, Incoming::IssueDeleted { .. }), "{payload}");
        }
    }

    #[test]
    fn a_comment_is_known_by_its_own_name_and_matters_where_a_task_heard_it() {
        let accepted = inbound::accept(&comment("update"), "d1");
        let accepted = accepted.map(|one| (one.conversation.0, one.relevance));
        let line = ids::line("c1");
        let about = SubjectId("linear:ENG-1".to_owned());
        assert_eq!(
            accepted,
            Some((about.0.clone(), Relevance::IfHeard(line.clone(), about)))
        );
        let Incoming::Edited {
            text, reference, ..
        } = inbound::read(&comment("update"), "")
        else {
            panic!("not an edit")
        };
        assert_eq!((text.as_str(), reference), ("now", line.clone()));
        let Incoming::Deleted { reference, .. } = inbound::read(&comment("remove"), "") else {
            panic!("not a deletion")
        };
        assert_eq!(reference, line);
    }

    #[test]
    fn a_repeat_is_the_same_and_the_next_change_is_another() {
        let key = |payload: &Value, id| inbound::accept(payload, id).map(|one| one.key);
        let first = changed(ISSUE, "update", &json!({ "title": "Before" }));
        let mut next = first.clone();
        next["data"]["updatedAt"] = json!("2026-01-01T00:00:01.000Z");
        assert_eq!(key(&first, "d1"), key(&first, "d2"));
        assert_ne!(key(&first, "d1"), key(&next, "d1"));
    }

    #[test]
    fn a_program_that_edits_is_nobody_who_steers() {
        for actor in [
            json!({ "id": "x1", "type": "integration", "service": "zendesk" }),
            json!({ "id": "x1", "type": "oauthClient", "name": "Zap" }),
            Value::Null,
        ] {
            let mut payload = changed(ISSUE, "update", &json!({ "title": "Before" }));
            payload["actor"] = actor;
            let Incoming::IssueEdited { by, .. } = inbound::read(&payload, "") else {
                panic!("not an edit: {payload}")
            };
            assert_eq!(by.standing, Some(Standing::Bot));
            assert!(by.name.is_some());
        }
    }
}
