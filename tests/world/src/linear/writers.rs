//! Issues that somebody from outside makes, that others edit, and people who are guests.

use anyhow::Context as _;
use serde_json::{Value, json};

use super::sessions::{self, NewIssue};
use super::state::{State, reference};
use super::{Linear, both, payload};

impl Linear {
    /// Somebody who is no user of the workspace makes an issue, by an integration; gives its identifier.
    #[must_use]
    pub fn create_issue_from_outside(&self, name: &str, title: &str, description: &str) -> String {
        let mut state = self.world.lock();
        let new = NewIssue {
            team: None,
            title,
            description,
            creator: None,
        };
        let id = sessions::create_issue(&mut state, &new);
        let outsider = state.add("ExternalUser", json!({ "name": name, "displayName": name }));
        state.set(&id, &[("externalUserCreator", reference(&outsider))]);
        state.entities[&id].text("identifier").to_owned()
    }

    /// A person makes an issue of a Slack thread, by Linear's own integration, which hangs the thread on the issue.
    pub fn create_issue_of_thread(
        &self,
        login: &str,
        title: &str,
        page: &str,
    ) -> anyhow::Result<String> {
        let name = self.create_issue(login, title, "Made of a thread in Slack.")?;
        let mut state = self.world.lock();
        let (_, issue) = both(&state, login, &name)?;
        let attachment = json!({
            "issue": reference(&issue), "url": page, "title": "Slack thread", "subtitle": null,
            "metadata": {}, "groupBySource": false, "sourceType": "slack",
        });
        state.add("Attachment", attachment);
        Ok(name)
    }

    /// A person writes an issue's description anew; its history says so, and so does a webhook.
    pub fn edit_issue(&self, login: &str, issue: &str, description: &str) -> anyhow::Result<()> {
        let (editor, issue, before) = {
            let mut state = self.world.lock();
            let (editor, issue) = both(&state, login, issue)?;
            let before = json!({
                "description": state.entities[&issue].text("description"),
                "updatedAt": state.entities[&issue].text("updatedAt"),
            });
            state.set(&issue, &[("description", json!(description))]);
            let by = reference(&editor);
            let edit = json!({
                "issue": reference(&issue), "actor": by, "updatedDescription": true, "descriptionUpdatedBy": [by],
            });
            state.add("IssueHistory", edit);
            (editor, issue, before)
        };
        self.tell_changed(&issue, "update", &editor, &before)
    }

    /// The workspace has another team from now on, which the application may see.
    pub fn add_team(&self, key: &str, name: &str) {
        self.world.lock().add_team(key, name);
        self.world.touch();
    }

    /// A person moves an issue into another team, where it has another name, which this gives; a webhook tells of it.
    pub fn move_issue(&self, login: &str, issue: &str, team: &str) -> anyhow::Result<String> {
        let (by, issue, before, name) = {
            let mut state = self.world.lock();
            let (by, issue) = both(&state, login, issue)?;
            let team = state
                .find("Team", team)
                .with_context(|| format!("there is no team {team}"))?
                .id()
                .to_owned();
            let before = sessions::move_issue(&mut state, &issue, &team);
            let name = state.entities[&issue].text("identifier").to_owned();
            (by, issue, before, name)
        };
        self.tell_changed(&issue, "update", &by, &before)?;
        Ok(name)
    }

    /// A person throws an issue away.
    pub fn delete_issue(&self, login: &str, issue: &str) -> anyhow::Result<()> {
        let (by, issue) = {
            let mut state = self.world.lock();
            let (by, issue) = both(&state, login, issue)?;
            state.set(&issue, &[("trashed", json!(true))]);
            (by, issue)
        };
        self.tell_changed(&issue, "remove", &by, &Value::Null)
    }

    /// A person writes a comment of their own anew, which says `before` now.
    pub fn edit_comment(
        &self,
        login: &str,
        issue: &str,
        (before, now): (&str, &str),
    ) -> anyhow::Result<()> {
        let (by, comment) = self.own_comment(login, issue, before)?;
        self.world.lock().set(
            &comment,
            &[
                ("body", json!(now)),
                ("editedAt", json!("2026-01-01T00:00:00.000Z")),
            ],
        );
        self.tell_changed(&comment, "update", &by, &json!({ "body": before }))
    }

    /// A person takes a comment of their own away.
    pub fn delete_comment(&self, login: &str, issue: &str, body: &str) -> anyhow::Result<()> {
        let (by, comment) = self.own_comment(login, issue, body)?;
        let payload = payload::changed(&self.world, &comment, "remove", &by, &Value::Null);
        self.world.lock().entities.remove(&comment);
        self.world.touch();
        self.world
            .webhooks
            .send(payload.context("the comment is gone")?);
        Ok(())
    }

    /// The person and their comment of these words.
    fn own_comment(
        &self,
        login: &str,
        issue: &str,
        body: &str,
    ) -> anyhow::Result<(String, String)> {
        let state = self.world.lock();
        let (by, issue) = both(&state, login, issue)?;
        let ours = |one: &super::state::Entity| {
            one.link("issue") == Some(issue.as_str())
                && one.link("user") == Some(by.as_str())
                && one.text("body") == body
        };
        let found = state.all("Comment", ours);
        let comment = found
            .first()
            .with_context(|| format!("{login} has no comment {body:?}"))?
            .id()
            .to_owned();
        Ok((by, comment))
    }

    fn tell_changed(&self, id: &str, action: &str, by: &str, before: &Value) -> anyhow::Result<()> {
        self.world.touch();
        let payload = payload::changed(&self.world, id, action, by, before);
        self.world
            .webhooks
            .send(payload.context("there is nothing of this name")?);
        Ok(())
    }

    /// Makes a guest of a person.
    pub fn make_guest(&self, login: &str) -> anyhow::Result<()> {
        let mut state = self.world.lock();
        let person = state
            .person(login)
            .with_context(|| format!("there is no {login}"))?
            .id()
            .to_owned();
        state.set(&person, &[("guest", json!(true))]);
        Ok(())
    }

    /// A person puts a label on an issue; it is made where there is none of this name.
    pub fn label(&self, issue: &str, name: &str) -> anyhow::Result<()> {
        let mut state = self.world.lock();
        let id = state
            .find("Issue", issue)
            .with_context(|| format!("there is no issue {issue}"))?
            .id()
            .to_owned();
        let known = state
            .all("IssueLabel", |label| label.text("name") == name)
            .first()
            .map(|label| label.id().to_owned());
        let label = known.unwrap_or_else(|| state.add("IssueLabel", json!({ "name": name })));
        let mut labels = state.entities[&id].value("labels");
        if let Some(labels) = labels.as_array_mut() {
            labels.push(reference(&label));
        }
        state.set(&id, &[("labels", labels)]);
        Ok(())
    }

    /// A person makes an issue a part of another one.
    pub fn make_part_of(&self, issue: &str, parent: &str) -> anyhow::Result<()> {
        let mut state = self.world.lock();
        let id = |state: &State, name: &str| {
            let found = state.find("Issue", name);
            found
                .map(|issue| issue.id().to_owned())
                .with_context(|| format!("there is no issue {name}"))
        };
        let (issue, parent) = (id(&state, issue)?, id(&state, parent)?);
        state.set(&issue, &[("parent", reference(&parent))]);
        Ok(())
    }
}
