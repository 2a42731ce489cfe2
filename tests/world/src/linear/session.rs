//! One agent session as people and tests see it.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::payload;
use super::rules::{Content, SessionState};
use super::sessions::{self, NewActivity};
use super::state::{Entity, State, World};
use super::uploads;

/// One activity of a session.
#[derive(Debug, Clone, PartialEq)]
pub struct Activity {
    /// Its id, which the agent may choose.
    pub id: String,
    /// The name of who wrote it.
    pub author: String,
    /// What it says.
    pub content: Content,
    /// Whether the next activity replaces it.
    pub ephemeral: bool,
    /// Whether one already did.
    pub replaced: bool,
    /// `select`, `auth`, `stop` or `continue`.
    pub signal: Option<String>,
    /// What belongs to the signal.
    pub signal_metadata: Value,
    /// When it arrived.
    pub at: Timestamp,
}

/// One step of a session's plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanStep {
    /// The words.
    pub content: String,
    /// `pending`, `inProgress`, `completed` or `canceled`.
    pub status: String,
}

/// An agent session.
#[derive(Clone)]
pub struct Session {
    pub(super) world: Arc<World>,
    pub(super) id: String,
}

impl Session {
    /// The session's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// A person (`ana`, `ben`, `cleo`) writes in the session.
    pub fn say(&self, login: &str, text: &str) -> anyhow::Result<()> {
        self.prompt(login, text, Value::Null)
    }

    /// A person writes in the session and hangs files on it, by name and content; gives the whole text as Linear keeps it.
    pub fn say_with_files(
        &self,
        login: &str,
        text: &str,
        files: &[(&str, &[u8])],
    ) -> anyhow::Result<String> {
        let hung = files
            .iter()
            .map(|(name, bytes)| uploads::attach(&self.world, name, bytes));
        let parts = [text.to_owned()].into_iter().chain(hung);
        let parts: Vec<String> = parts.filter(|part| !part.is_empty()).collect();
        let whole = parts.join("\n\n");
        self.say(login, &whole)?;
        Ok(whole)
    }

    /// A person picks one of the options of the last question, by its value or its label.
    pub fn select(&self, login: &str, choice: &str) -> anyhow::Result<()> {
        let activities = self.activities();
        let question = activities
            .iter()
            .rev()
            .find(|one| one.signal.as_deref() == Some("select"));
        let question =
            question.with_context(|| format!("no options were offered\n{}", self.render()))?;
        let options = question.signal_metadata["options"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let chosen = options
            .iter()
            .find(|option| option["value"] == choice || option["label"] == choice);
        let chosen = chosen
            .with_context(|| format!("{choice} is not among the options\n{}", self.render()))?;
        let value = chosen["value"].as_str().unwrap_or_default();
        self.prompt(login, value, Value::Null)
    }

    /// A person puts an emoji on the agent's last comment in the session's thread.
    pub fn react(&self, login: &str, emoji: &str) -> anyhow::Result<()> {
        let actor = {
            let state = self.world.lock();
            let person = state.person(login);
            person
                .with_context(|| format!("there is no {login}"))?
                .id()
                .to_owned()
        };
        let payload = payload::reacted(&self.world, &self.id, &actor, emoji);
        self.world
            .webhooks
            .send(payload.context("the agent has said nothing there")?);
        Ok(())
    }

    /// A person presses Stop.
    pub fn stop(&self, login: &str) -> anyhow::Result<()> {
        self.prompt(login, "Stop", json!("stop"))
    }

    fn prompt(&self, login: &str, text: &str, signal: Value) -> anyhow::Result<()> {
        let signal_is_none = signal.is_null();
        let activity = {
            let mut state = self.world.lock();
            let author = state
                .person(login)
                .with_context(|| format!("there is no {login}"))?
                .id()
                .to_owned();
            let said = Content::Prompt {
                body: text.to_owned(),
            };
            let new = NewActivity {
                id: Uuid::new_v4().to_string(),
                author: author.clone(),
                content: json!({ "type": "prompt", "body": text }),
                ephemeral: false,
                signal,
                metadata: Value::Null,
            };
            let id = sessions::append(&mut state, &self.id, new, &said);
            // What a person writes there stands in the session's thread as a comment of theirs.
            if signal_is_none {
                let comment = sessions::keep_as_comment(&mut state, &self.id, (&author, text));
                state.set(&id, &[("sourceComment", comment)]);
            }
            id
        };
        self.world.touch();
        let payload = payload::prompted(&self.world, &activity).context("the session is gone")?;
        self.world.webhooks.send(payload);
        Ok(())
    }

    /// All activities, the first one first, with ephemeral ones that were replaced.
    #[must_use]
    pub fn activities(&self) -> Vec<Activity> {
        let state = self.world.lock();
        let ours = state.all("AgentActivity", |one| {
            one.link("agentSession") == Some(self.id.as_str())
        });
        ours.into_iter()
            .filter_map(|one| read(&state, one))
            .collect()
    }

    /// The state that Linear derives.
    #[must_use]
    pub fn state(&self) -> SessionState {
        SessionState::read(
            self.with(|entity| entity.text("status").to_owned())
                .as_str(),
        )
    }

    /// The plan as it stands.
    #[must_use]
    pub fn plan(&self) -> Vec<PlanStep> {
        let plan = self.with(|entity| entity.value("plan"));
        let steps = plan.as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        steps
            .iter()
            .map(|step| PlanStep {
                content: text(&step["content"]),
                status: text(&step["status"]),
            })
            .collect()
    }

    /// The external links as label and address.
    #[must_use]
    pub fn external_urls(&self) -> Vec<(String, String)> {
        let links = self.with(|entity| entity.value("externalUrls"));
        let links = links.as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        links
            .iter()
            .map(|link| (text(&link["label"]), text(&link["url"])))
            .collect()
    }

    /// The title that the agent gave the session.
    #[must_use]
    pub fn summary(&self) -> Option<String> {
        self.with(|entity| entity.value("summary").as_str().map(str::to_owned))
    }

    fn with<T: Default>(&self, read: impl FnOnce(&Entity) -> T) -> T {
        self.world
            .lock()
            .entities
            .get(&self.id)
            .map(read)
            .unwrap_or_default()
    }

    /// Waits until the reading of the session is something, and gives it; after `limit` the whole
    /// session is in the error.
    pub async fn wait_for<T>(
        &self,
        what: &str,
        limit: Duration,
        mut read: impl FnMut(&Self) -> Option<T>,
    ) -> anyhow::Result<T> {
        let mut changed = self.world.changed.subscribe();
        let found = tokio::time::timeout(limit, async {
            loop {
                if let Some(found) = read(self) {
                    return Some(found);
                }
                if changed.changed().await.is_err() {
                    return None;
                }
            }
        });
        match found.await {
            Ok(Some(found)) => Ok(found),
            Ok(None) | Err(_) => bail!(
                "no {what} in the session after {limit:?}\n{}",
                self.render()
            ),
        }
    }

    /// Waits for an activity of the agent that is not replaced and for which the test holds.
    pub async fn wait_for_activity(
        &self,
        what: &str,
        limit: Duration,
        mut test: impl FnMut(&Activity) -> bool,
    ) -> anyhow::Result<Activity> {
        let by_agent = |one: &Activity| !matches!(one.content, Content::Prompt { .. });
        self.wait_for(what, limit, |session| {
            session
                .activities()
                .into_iter()
                .find(|one| by_agent(one) && test(one))
        })
        .await
    }

    /// The session as plain text.
    #[must_use]
    pub fn render(&self) -> String {
        let (identifier, title) = {
            let state = self.world.lock();
            let issue = state
                .entities
                .get(&self.id)
                .and_then(|one| one.link("issue"));
            let issue = issue.and_then(|id| state.entities.get(id));
            issue.map_or_else(Default::default, |one| {
                (
                    one.text("identifier").to_owned(),
                    one.text("title").to_owned(),
                )
            })
        };
        let mut text = format!("{identifier} {title} [{}]\n", self.state().as_str());
        for step in self.plan() {
            let _ = writeln!(text, "  plan: {} [{}]", step.content, step.status);
        }
        for (label, url) in self.external_urls() {
            let _ = writeln!(text, "  link: {label} {url}");
        }
        for activity in self.activities() {
            let mark = if activity.replaced { " (replaced)" } else { "" };
            let body = activity.content.text().replace('\n', "\n    ");
            let _ = write!(
                text,
                "{} · {}{mark}: {body}",
                activity.author,
                activity.content.kind()
            );
            if let Some(signal) = &activity.signal {
                let options = activity.signal_metadata["options"]
                    .as_array()
                    .cloned()
                    .unwrap_or_default();
                let labels: Vec<&str> = options
                    .iter()
                    .filter_map(|one| one["label"].as_str().or(one["value"].as_str()))
                    .collect();
                let _ = write!(
                    text,
                    " [{signal}{}{}]",
                    if labels.is_empty() { "" } else { ": " },
                    labels.join(" | ")
                );
            }
            text.push('\n');
        }
        text
    }
}

fn read(state: &State, entity: &Entity) -> Option<Activity> {
    let author = entity.link("user").and_then(|id| state.entities.get(id));
    Some(Activity {
        id: entity.id().to_owned(),
        author: author
            .map(|user| user.text("name").to_owned())
            .unwrap_or_default(),
        content: Content::read(&entity.value("content"))?,
        ephemeral: entity.value("ephemeral") == true,
        replaced: entity.value("replaced") == true,
        signal: entity.value("signal").as_str().map(str::to_owned),
        signal_metadata: entity.value("signalMetadata"),
        at: entity.text("createdAt").parse().ok()?,
    })
}
