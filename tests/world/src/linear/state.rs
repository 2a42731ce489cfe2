//! What Linear remembers: entities with references between them, as JSON.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::{Map, Value, json};
use tokio::sync::watch;
use uuid::Uuid;

use super::fault::PlannedFault;
use super::schema::Loaded;
use super::webhooks::Webhooks;

/// The key of an object that stands for another entity.
const REFERENCE: &str = "$ref";
/// The people of the world beside the agent.
const PEOPLE: [(&str, &str); 3] = [("ana", "Ana"), ("ben", "Ben"), ("cleo", "Cleo")];
/// The team's workflow: name, type, position.
const WORKFLOW: [(&str, &str, f64); 6] = [
    ("Triage", "triage", 0.0),
    ("Backlog", "backlog", 1.0),
    ("Todo", "unstarted", 2.0),
    ("In Progress", "started", 3.0),
    ("In Review", "started", 4.0),
    ("Done", "completed", 5.0),
];

/// One thing with an id.
#[derive(Debug, Clone)]
pub(super) struct Entity {
    pub kind: &'static str,
    /// The order in which entities were made.
    pub sequence: u64,
    pub fields: Map<String, Value>,
}

/// A file that came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadedFile {
    /// The name it was announced with.
    pub name: String,
    /// The content type it was announced with.
    pub content_type: String,
    /// Where it can be read, with the agent's token unless it is public.
    pub asset_url: String,
    /// Its bytes; empty until they were sent.
    pub bytes: Vec<u8>,
}

#[derive(Debug, Clone)]
pub(super) struct UploadSlot {
    pub file: UploadedFile,
    pub size: usize,
    pub public: bool,
    pub arrived: bool,
}

/// One GraphQL request that came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationRecord {
    /// When it came.
    pub at: Timestamp,
    /// The first field of the operation, such as `agentActivityCreate`.
    pub field: String,
    /// The HTTP status of the answer.
    pub status: u16,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub entities: BTreeMap<String, Entity>,
    pub uploads: BTreeMap<String, UploadSlot>,
    /// Live access tokens with their scopes.
    pub tokens: BTreeMap<String, String>,
    pub faults: Vec<PlannedFault>,
    pub operations: Vec<OperationRecord>,
    pub violations: Vec<String>,
    pub guidance: Vec<String>,
    pub known: Known,
    pub next_issue: u64,
    /// Whether a workspace's admin has taken the application away.
    pub revoked: bool,
    /// Scopes that no token gets, although they are asked for.
    pub withheld: Vec<String>,
    /// Whether the application may not see the team any more.
    pub shut_out: bool,
    sequence: u64,
}

/// Ids that everything hangs on.
#[derive(Debug, Default, Clone)]
pub(super) struct Known {
    /// The server's address, which all addresses begin with.
    pub base: String,
    pub organization: String,
    pub team: String,
    pub agent: String,
}

/// Everything that the server's handlers share.
pub(super) struct World {
    pub base: String,
    /// Where files are read.
    pub uploads: String,
    pub schema: Loaded,
    pub client_id: String,
    pub client_secret: SecretString,
    pub webhooks: Webhooks,
    pub changed: watch::Sender<u64>,
    /// How many answers were held back so far.
    pub held: watch::Sender<usize>,
    /// Moves when they are let go.
    pub gate: watch::Sender<u64>,
    pub state: Mutex<State>,
}

/// A reference to another entity.
pub(super) fn reference(id: &str) -> Value {
    json!({ REFERENCE: id })
}

/// The id inside a reference.
pub(super) fn referenced(value: &Value) -> Option<&str> {
    value.get(REFERENCE)?.as_str()
}

/// A moment as Linear writes it.
pub(super) fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

impl World {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells everyone who waits that something is different now.
    pub(super) fn touch(&self) {
        self.changed.send_modify(|version| *version += 1);
    }

    pub(super) fn violation(&self, text: String) {
        tracing::warn!(violation = %text, "the Linear stand-in was used wrongly");
        self.lock().violations.push(text);
    }
}

impl State {
    /// A workspace with three people, the agent, and the team ENG.
    pub(super) fn with_workspace(base: &str) -> Self {
        let mut state = Self::default();
        base.clone_into(&mut state.known.base);
        let organization =
            json!({ "name": "Acme", "urlKey": "acme", "userCount": 4, "createdIssueCount": 0 });
        state.known.organization = state.add("Organization", organization);
        let organization = reference(&state.known.organization);
        let user = |login: &str, name: &str, app: bool| {
            json!({
                "name": name, "displayName": login, "email": format!("{login}@example.com"),
                "url": format!("{base}/acme/profiles/{login}"), "avatarUrl": null, "initials": name.get(..1),
                "active": true, "admin": login == "ana", "owner": false, "app": app, "guest": false,
                "isMe": app, "isAssignable": true, "isMentionable": true, "supportsAgentSessions": app,
                "canAccessAnyPublicTeam": true, "organization": organization,
            })
        };
        for (login, name) in PEOPLE {
            state.add("User", user(login, name, false));
        }
        state.known.agent = state.add("User", user("deckhand", "Deckhand", true));
        state.known.team = state.add_team("ENG", "Engineering");
        state
    }

    /// Adds a team with its workflow, and gives its id.
    pub(super) fn add_team(&mut self, key: &str, name: &str) -> String {
        let team = json!({
            "key": key, "name": name, "displayName": name, "private": false,
            "organization": reference(&self.known.organization), "triageEnabled": true,
        });
        let id = self.add("Team", team);
        for (name, kind, position) in WORKFLOW {
            let workflow = json!({ "name": name, "type": kind, "position": position, "color": "#888888", "team": reference(&id) });
            self.add("WorkflowState", workflow);
        }
        id
    }

    /// Adds an entity with the fields that all have, and gives its id.
    pub(super) fn add(&mut self, kind: &'static str, fields: Value) -> String {
        self.sequence += 1;
        let mut entity = match fields {
            Value::Object(fields) => fields,
            _ => Map::new(),
        };
        let id = match entity.get("id").and_then(Value::as_str) {
            Some(id) => id.to_owned(),
            None => Uuid::new_v4().to_string(),
        };
        let now = json!(moment(Timestamp::now()));
        entity.insert("id".to_owned(), json!(id));
        entity.entry("createdAt").or_insert_with(|| now.clone());
        entity.entry("updatedAt").or_insert(now);
        entity.entry("archivedAt").or_insert(Value::Null);
        self.entities.insert(
            id.clone(),
            Entity {
                kind,
                sequence: self.sequence,
                fields: entity,
            },
        );
        id
    }

    /// An entity of a kind by its id; an issue also by its identifier, a team by its key.
    pub(super) fn find(&self, kind: &str, id: &str) -> Option<&Entity> {
        self.entities
            .get(id)
            .filter(|entity| entity.kind == kind)
            .or_else(|| {
                let key = match kind {
                    "Issue" => "identifier",
                    "Team" => "key",
                    _ => return None,
                };
                let same = |entity: &&Entity| {
                    entity.kind == kind && entity.fields.get(key).is_some_and(|value| value == id)
                };
                self.entities.values().find(same)
            })
    }

    /// All entities of a kind for which the test holds, in the order in which they were made.
    pub(super) fn all(&self, kind: &str, test: impl Fn(&Entity) -> bool) -> Vec<&Entity> {
        let mut found: Vec<&Entity> = self
            .entities
            .values()
            .filter(|entity| entity.kind == kind && test(entity))
            .collect();
        found.sort_by_key(|entity| entity.sequence);
        found
    }

    /// Gives an entity that nothing refers to yet the id that a client has chosen.
    pub(super) fn rename(&mut self, id: &str, chosen: &str) {
        if let Some(mut entity) = self.entities.remove(id) {
            entity.fields.insert("id".to_owned(), json!(chosen));
            self.entities.insert(chosen.to_owned(), entity);
        }
    }

    /// Sets fields of an entity.
    pub(super) fn set(&mut self, id: &str, changes: &[(&str, Value)]) {
        let now = json!(moment(Timestamp::now()));
        if let Some(entity) = self.entities.get_mut(id) {
            for (key, value) in changes {
                entity.fields.insert((*key).to_owned(), value.clone());
            }
            entity.fields.insert("updatedAt".to_owned(), now);
        }
    }

    /// A person by the short name that the world uses.
    pub(super) fn person(&self, login: &str) -> Option<&Entity> {
        self.all("User", |user| user.text("displayName") == login)
            .first()
            .copied()
    }
}

impl Entity {
    pub(super) fn id(&self) -> &str {
        self.text("id")
    }

    /// A field's text, or nothing.
    pub(super) fn text(&self, key: &str) -> &str {
        self.fields
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// The id that a field refers to.
    pub(super) fn link(&self, key: &str) -> Option<&str> {
        referenced(self.fields.get(key)?)
    }

    /// A field as it is; null where it is not there.
    pub(super) fn value(&self, key: &str) -> Value {
        self.fields.get(key).cloned().unwrap_or(Value::Null)
    }
}
