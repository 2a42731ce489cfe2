//! Whose words an issue or a comment is, as far as Linear says it; what it does not say is nobody's whom anybody trusts.

use super::{
    ids,
    operations::{Comment, Edit, Outside, Request, User},
};
use crate::domain::conversation::{Person, Standing};

/// The name of whoever has none.
const OUTSIDE: &str = "somebody outside Linear";

/// Everybody who wrote title or description: the creator first, then those who edited them.
pub(super) fn of_issue(request: &Request) -> Vec<Person> {
    let mut writers = creators(
        request.creator.as_ref(),
        request.external_user_creator.as_ref(),
        request.bot_actor.as_ref(),
    );
    let edits = request.history.nodes.iter();
    for writer in edits.flat_map(editors) {
        add(&mut writers, writer);
    }
    // Who is on the next page may have written every word of it.
    if request.history.page_info.has_next_page {
        add(&mut writers, outside(None, Standing::Unknown));
    }
    writers
}

/// Whoever wrote a comment; only its author can edit it.
pub(super) fn of_comment(comment: &Comment) -> Vec<Person> {
    creators(
        comment.user.as_ref(),
        comment.external_user.as_ref(),
        comment.bot_actor.as_ref(),
    )
}

/// A user, as the policy sees them.
pub(super) fn person(user: &User) -> Person {
    let standing = match user {
        User { app: true, .. } => Standing::Bot,
        User { active: false, .. } => Standing::Unknown,
        User { guest: true, .. } => Standing::Guest,
        User { .. } => Standing::Member,
    };
    Person {
        id: ids::person(&user.id),
        name: user.name.clone(),
        standing,
    }
}

/// A member who makes an issue of a message elsewhere has not written it, so an integration counts beside its user.
fn creators(
    user: Option<&User>,
    external: Option<&Outside>,
    integration: Option<&Outside>,
) -> Vec<Person> {
    let mut writers: Vec<Person> = user.map(person).into_iter().collect();
    writers.extend(external.map(|one| outside(Some(one), Standing::Outsider)));
    writers.extend(integration.map(|one| outside(Some(one), Standing::Bot)));
    if writers.is_empty() {
        writers.push(outside(None, Standing::Unknown));
    }
    writers
}

/// Who wrote something at this change.
fn editors(edit: &Edit) -> Vec<Person> {
    let of_description = edit.description_updated_by.iter().flatten();
    let mut writers: Vec<Person> = of_description.map(person).collect();
    let is_described = edit.updated_description == Some(true) && writers.is_empty();
    if is_described || edit.to_title.is_some() {
        writers.extend(creators(edit.actor.as_ref(), None, edit.bot_actor.as_ref()));
    }
    writers
}

fn outside(one: Option<&Outside>, standing: Standing) -> Person {
    let id = one.and_then(|one| one.id.as_deref());
    let name = one.and_then(|one| one.name.as_deref());
    Person {
        id: ids::person(&format!("outside:{}", id.or(name).unwrap_or_default())),
        name: name.map_or_else(
            || OUTSIDE.to_owned(),
            |name| format!("{name}, outside Linear"),
        ),
        standing,
    }
}

fn add(writers: &mut Vec<Person>, writer: Person) {
    if !writers.iter().any(|known| known.id == writer.id) {
        writers.push(writer);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn user(id: &str) -> Value {
        json!({ "id": id, "name": id, "app": false, "guest": id == "gus", "active": true })
    }

    fn writers(changes: &Value) -> Vec<(String, Standing)> {
        let mut issue = json!({
            "id": "i1", "identifier": "ENG-1", "title": "t", "description": "d", "createdAt": "2026-01-01T00:00:00Z",
            "creator": user("ana"), "externalUserCreator": null, "botActor": null,
            "history": { "nodes": [], "pageInfo": { "hasNextPage": false } },
        });
        for (key, value) in changes.as_object().into_iter().flatten() {
            issue[key] = value.clone();
        }
        let request: Request = serde_json::from_value(issue).expect("an issue");
        let writers = of_issue(&request).into_iter();
        writers.map(|one| (one.name, one.standing)).collect()
    }

    fn edited(edit: &Value) -> Vec<(String, Standing)> {
        let mut whole = json!({
            "toTitle": null, "updatedDescription": null, "actor": null, "botActor": null, "descriptionUpdatedBy": null,
        });
        for (key, value) in edit.as_object().into_iter().flatten() {
            whole[key] = value.clone();
        }
        let page = json!({ "hasNextPage": false });
        writers(&json!({ "history": { "nodes": [whole], "pageInfo": page } }))
    }

    fn named(name: &str, standing: Standing) -> (String, Standing) {
        (name.to_owned(), standing)
    }

    #[test]
    fn an_issue_is_by_whoever_made_it_and_never_by_nobody() {
        let ana = || named("ana", Standing::Member);
        let mallory = json!({ "id": "x1", "name": "Mallory" });
        for (changes, expected) in [
            (json!({}), vec![ana()]),
            (
                json!({ "creator": user("gus") }),
                vec![named("gus", Standing::Guest)],
            ),
            (
                json!({ "creator": null }),
                vec![named(OUTSIDE, Standing::Unknown)],
            ),
            (
                json!({ "creator": null, "externalUserCreator": mallory }),
                vec![named("Mallory, outside Linear", Standing::Outsider)],
            ),
            (
                json!({ "botActor": { "id": null, "name": "Slack" } }),
                vec![ana(), named("Slack, outside Linear", Standing::Bot)],
            ),
            (
                json!({ "history": { "nodes": [], "pageInfo": { "hasNextPage": true } } }),
                vec![ana(), named(OUTSIDE, Standing::Unknown)],
            ),
        ] {
            assert_eq!(writers(&changes), expected, "{changes}");
        }
    }

    #[test]
    fn whoever_edited_title_or_description_wrote_in_it() {
        let with =
            |name: &str, standing| vec![named("ana", Standing::Member), named(name, standing)];
        for (edit, expected) in [
            (
                json!({ "updatedDescription": true, "actor": user("ana"), "descriptionUpdatedBy": [user("gus")] }),
                with("gus", Standing::Guest),
            ),
            (
                json!({ "updatedDescription": true, "actor": user("ben") }),
                with("ben", Standing::Member),
            ),
            (
                json!({ "updatedDescription": true }),
                with(OUTSIDE, Standing::Unknown),
            ),
            (
                json!({ "toTitle": "other", "actor": user("gus") }),
                with("gus", Standing::Guest),
            ),
            (
                json!({ "toTitle": "other", "botActor": { "id": "b1", "name": "Zap" } }),
                with("Zap, outside Linear", Standing::Bot),
            ),
            // Whoever assigned it or moved it has written nothing.
            (
                json!({ "actor": user("gus") }),
                vec![named("ana", Standing::Member)],
            ),
        ] {
            assert_eq!(edited(&edit), expected, "{edit}");
        }
    }
}
