//! A stand-in for Linear: GraphQL executed against the real schema where it is at hand, agent
//! sessions whose state follows from their activities, and signed webhooks.
//!
//! [`Linear::start`] opens it. People act through [`Linear::create_issue`], [`Linear::delegate`],
//! [`Linear::mention`] and a [`Session`]; the agent acts through the wire.

mod complexity;
mod fault;
mod graphql;
mod mutations;
mod oauth;
mod page;
mod payload;
mod queries;
mod resolve;
mod rules;
mod schema;
mod session;
mod sessions;
mod state;
#[cfg(test)]
mod tests;
mod uploads;
mod webhooks;
mod writers;

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Path, State as Shared};
use axum::http::StatusCode;
use axum::routing::{get, post, put};
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use uuid::Uuid;

pub use self::fault::Fault;
pub use self::page::STYLE;
pub use self::rules::{Content, SessionState};
pub use self::schema::SchemaSource;
pub use self::session::{Activity, PlanStep, Session};
pub use self::state::{OperationRecord, UploadedFile};
pub use self::webhooks::WebhookDelivery;

use self::sessions::{NewComment, NewIssue, Opened};
use self::state::{State, World, reference};

/// Largest body, in bytes: a file of the largest size that can be announced.
const LARGEST_BODY: usize = 51 * 1024 * 1024;
/// Linear tries three times more, after a minute, an hour and six; here it does so soon.
const QUICK_RETRIES: [Duration; 3] = [
    Duration::from_millis(100),
    Duration::from_millis(500),
    Duration::from_secs(2),
];

/// What the stand-in is started with.
pub struct LinearOptions {
    /// The port on 127.0.0.1; 0 for any free one.
    pub port: u16,
    /// The secret that webhooks are signed with.
    pub webhook_secret: SecretString,
    /// The application's id at the token endpoint.
    pub client_id: String,
    /// The application's secret at the token endpoint.
    pub client_secret: SecretString,
    /// The schema's file, plain or gzipped; without one it is looked for in `$CONFORMANCE_DIR`, by
    /// default beside the project, and where there is none a small built-in one is used.
    pub schema: Option<PathBuf>,
    /// Waits before a webhook that was not taken is sent again.
    pub retries: Vec<Duration>,
}

impl Default for LinearOptions {
    fn default() -> Self {
        Self {
            port: 0,
            webhook_secret: SecretString::from("linear-webhook-secret"),
            client_id: "linear-client".to_owned(),
            client_secret: SecretString::from("linear-client-secret"),
            schema: None,
            retries: QUICK_RETRIES.to_vec(),
        }
    }
}

/// A running stand-in. Clones share it; it ends with the last one.
#[derive(Clone)]
pub struct Linear {
    world: Arc<World>,
    source: SchemaSource,
    _server: Arc<Server>,
}

struct Server([AbortHandle; 2]);

impl Drop for Server {
    fn drop(&mut self) {
        self.0.iter().for_each(AbortHandle::abort);
    }
}

fn serve(listener: TcpListener, router: Router) -> AbortHandle {
    let serving = tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "the Linear stand-in ended");
        }
    });
    serving.abort_handle()
}

/// An issue as a reader sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// The readable identifier, such as `ENG-1`.
    pub identifier: String,
    /// The title.
    pub title: String,
    /// The name of its workflow state.
    pub state: String,
    /// The short name of whom it is assigned to.
    pub assignee: Option<String>,
    /// The short name of the agent it is delegated to.
    pub delegate: Option<String>,
    /// Attached addresses with their titles.
    pub attachments: Vec<(String, String)>,
    /// Comments as name and Markdown, the first one first.
    pub comments: Vec<(String, String)>,
}

impl Linear {
    /// Starts the server on 127.0.0.1.
    pub async fn start(options: LinearOptions) -> anyhow::Result<Self> {
        // A provider that is already installed does as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let source = schema::find(options.schema.as_deref());
        if source == SchemaSource::BuiltIn {
            tracing::warn!(
                "Linear's published schema is not here; requests are held against a small built-in one"
            );
        }
        let wanted = source.clone();
        let schema = tokio::task::spawn_blocking(move || schema::load(&wanted)).await??;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port))
            .await
            .with_context(|| format!("port {} is taken", options.port))?;
        let base = format!("http://{}", listener.local_addr()?);
        // Files lie on a host of their own.
        let uploads = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let uploads_url = format!("http://{}", uploads.local_addr()?);
        let uploads = (uploads, uploads_url);
        let world = Arc::new(World {
            schema,
            client_id: options.client_id,
            client_secret: options.client_secret,
            webhooks: webhooks::Webhooks::start(options.webhook_secret, options.retries)?,
            changed: watch::Sender::new(0),
            held: watch::Sender::new(0),
            gate: watch::Sender::new(0),
            state: Mutex::new(State::with_workspace(&base)),
            base,
            uploads: uploads.1,
        });
        let files = Router::new()
            .route("/{organization}/{id}/{file}", get(uploads::get))
            .with_state(Arc::clone(&world));
        let router = Router::new()
            .route("/graphql", post(graphql::serve))
            .route("/oauth/token", post(oauth::token))
            .route("/uploads/{id}", put(uploads::put))
            .route("/acme/issue/{identifier}", get(issue_page))
            .layer(DefaultBodyLimit::max(LARGEST_BODY))
            .with_state(Arc::clone(&world));
        let server = Server([serve(listener, router), serve(uploads.0, files)]);
        Ok(Self {
            world,
            source,
            _server: Arc::new(server),
        })
    }

    /// The base address: GraphQL is at `/graphql` below it, tokens are at `/oauth/token`.
    #[must_use]
    pub fn api_url(&self) -> String {
        self.world.base.clone()
    }

    /// The base address of the files that hang on issues and comments, which Linear keeps on a host of their own.
    #[must_use]
    pub fn uploads_url(&self) -> String {
        self.world.uploads.clone()
    }

    /// Which schema requests are held against.
    #[must_use]
    pub fn schema_source(&self) -> &SchemaSource {
        &self.source
    }

    /// Where webhooks go. Events before the first call are not sent.
    pub fn set_webhook_url(&self, url: &str) {
        self.world.webhooks.set_url(url);
    }

    /// A person makes an issue in the team ENG; gives its identifier.
    pub fn create_issue(
        &self,
        login: &str,
        title: &str,
        description: &str,
    ) -> anyhow::Result<String> {
        let mut state = self.world.lock();
        let creator = state
            .person(login)
            .with_context(|| format!("there is no {login}"))?
            .id()
            .to_owned();
        let new = NewIssue {
            team: None,
            title,
            description,
            creator: Some(&creator),
        };
        let id = sessions::create_issue(&mut state, &new);
        Ok(state.entities[&id].text("identifier").to_owned())
    }

    /// A person comments on an issue; no agent is told.
    pub fn comment(&self, login: &str, issue: &str, body: &str) -> anyhow::Result<()> {
        self.write_comment(login, issue, body).map(drop)
    }

    fn write_comment(&self, login: &str, issue: &str, body: &str) -> anyhow::Result<String> {
        let mut state = self.world.lock();
        let (author, issue) = both(&state, login, issue)?;
        let new = NewComment {
            issue: &issue,
            parent: None,
            author: &author,
            body,
        };
        Ok(sessions::comment(&mut state, &new))
    }

    /// A person delegates an issue to Deckhand: a session opens and the agent is told.
    pub fn delegate(&self, login: &str, issue: &str) -> anyhow::Result<Session> {
        let id = {
            let mut state = self.world.lock();
            let (creator, issue) = both(&state, login, issue)?;
            let agent = reference(&state.known.agent);
            state.set(
                &issue,
                &[("delegate", agent), ("assignee", reference(&creator))],
            );
            let opened = Opened {
                issue,
                creator: Some(creator),
                comment: None,
            };
            sessions::open(&mut state, &opened)
        };
        self.announce(id)
    }

    /// A person mentions Deckhand in a comment: a session opens on that comment.
    pub fn mention(&self, login: &str, issue: &str, body: &str) -> anyhow::Result<Session> {
        let comment = self.write_comment(login, issue, body)?;
        let id = {
            let mut state = self.world.lock();
            let (creator, issue) = both(&state, login, issue)?;
            let opened = Opened {
                issue,
                creator: Some(creator),
                comment: Some(comment),
            };
            sessions::open(&mut state, &opened)
        };
        self.announce(id)
    }

    /// An automation delegates an issue: the session has no creator.
    pub fn delegate_by_automation(&self, issue: &str) -> anyhow::Result<Session> {
        let id = {
            let mut state = self.world.lock();
            let issue = state
                .find("Issue", issue)
                .context("there is no such issue")?
                .id()
                .to_owned();
            let agent = reference(&state.known.agent);
            state.set(&issue, &[("delegate", agent)]);
            sessions::open(
                &mut state,
                &Opened {
                    issue,
                    creator: None,
                    comment: None,
                },
            )
        };
        self.announce(id)
    }

    fn announce(&self, id: String) -> anyhow::Result<Session> {
        self.world.touch();
        let payload = payload::created(&self.world, &id).context("the session is gone")?;
        self.world.webhooks.send(payload);
        Ok(Session {
            world: Arc::clone(&self.world),
            id,
        })
    }

    /// A person takes the issue away from Deckhand.
    pub fn undelegate(&self, login: &str, issue: &str) -> anyhow::Result<()> {
        let (actor, issue) = {
            let mut state = self.world.lock();
            let (actor, issue) = both(&state, login, issue)?;
            state.set(&issue, &[("delegate", serde_json::Value::Null)]);
            (actor, issue)
        };
        self.world.touch();
        self.world
            .webhooks
            .send(payload::unassigned(&self.world, &issue, &actor));
        Ok(())
    }

    /// Guidance that an administrator wrote for agents; new sessions carry it.
    pub fn set_guidance(&self, rules: &[&str]) {
        self.world.lock().guidance = rules.iter().map(|rule| (*rule).to_owned()).collect();
    }

    /// All sessions, the first one first.
    #[must_use]
    pub fn sessions(&self) -> Vec<Session> {
        let state = self.world.lock();
        let all = state.all("AgentSession", |_| true);
        all.into_iter()
            .map(|one| Session {
                world: Arc::clone(&self.world),
                id: one.id().to_owned(),
            })
            .collect()
    }

    /// An issue by its identifier.
    #[must_use]
    pub fn issue(&self, identifier: &str) -> Option<Issue> {
        let state = self.world.lock();
        let issue = state.find("Issue", identifier)?;
        let name = |key: &str, field: &str| {
            let linked = state.entities.get(issue.link(key)?)?;
            Some(linked.text(field).to_owned())
        };
        let ours = |kind: &str| state.all(kind, |one| one.link("issue") == Some(issue.id()));
        let author = |id: Option<&str>| {
            let user = id.and_then(|id| state.entities.get(id));
            user.map(|user| user.text("displayName").to_owned())
                .unwrap_or_default()
        };
        Some(Issue {
            identifier: identifier.to_owned(),
            title: issue.text("title").to_owned(),
            state: name("state", "name").unwrap_or_default(),
            assignee: name("assignee", "displayName"),
            delegate: name("delegate", "displayName"),
            attachments: ours("Attachment")
                .into_iter()
                .map(|one| (one.text("title").to_owned(), one.text("url").to_owned()))
                .collect(),
            comments: ours("Comment")
                .into_iter()
                .map(|one| (author(one.link("user")), one.text("body").to_owned()))
                .collect(),
        })
    }

    /// Files whose bytes arrived.
    #[must_use]
    pub fn uploads(&self) -> Vec<UploadedFile> {
        let state = self.world.lock();
        state
            .uploads
            .values()
            .filter(|slot| slot.arrived)
            .map(|slot| slot.file.clone())
            .collect()
    }

    /// Every access token that lives, for whoever looks for it where it must not be.
    pub fn tokens(&self) -> Vec<SecretString> {
        let world = self.world.lock();
        world
            .tokens
            .keys()
            .cloned()
            .map(SecretString::from)
            .collect()
    }

    /// Ends the life of every access token, as after thirty days.
    pub fn expire_tokens(&self) {
        self.world.lock().tokens.clear();
    }

    /// An admin takes the application out of the workspace: its tokens die and none is given, and it is told so.
    pub fn revoke(&self) {
        {
            let mut state = self.world.lock();
            state.tokens.clear();
            state.revoked = true;
        }
        self.world.webhooks.send(payload::revoked(&self.world));
    }

    /// An admin installs the application again.
    pub fn install_again(&self) {
        self.world.lock().revoked = false;
    }

    /// New tokens get fewer scopes than they are asked for.
    pub fn withhold(&self, scopes: &[&str]) {
        self.world.lock().withheld = scopes.iter().map(|&scope| scope.to_owned()).collect();
    }

    /// An admin takes the team away from the application: its issues and sessions are not there any more.
    pub fn shut_out(&self) {
        self.world.lock().shut_out = true;
        self.world.webhooks.send(payload::shut_out(&self.world));
    }

    /// Waits until an answer is held back by [`Fault::Held`].
    pub async fn until_held(&self) {
        // The sender lives as long as the world.
        let _ = self.world.held.subscribe().wait_for(|held| *held > 0).await;
    }

    /// Gives every answer that is held back.
    pub fn let_go(&self) {
        self.world.held.send_modify(|held| *held = 0);
        self.world.gate.send_modify(|times| *times += 1);
    }

    /// Plans a fault for the next operation whose first field this is, such as
    /// `agentActivityCreate`, for the next file that is read with `file`, or for any with `*`.
    pub fn fail_next(&self, field: &str, fault: Fault) {
        let planned = fault::PlannedFault {
            field: field.to_owned(),
            fault,
        };
        self.world.lock().faults.push(planned);
    }

    /// Sends the last webhook once more with the same delivery id, after what is queued.
    pub async fn redeliver_last(&self) -> anyhow::Result<()> {
        self.settle().await;
        self.world.webhooks.redeliver(None)
    }

    /// Sends the last webhook once more under a new delivery id, as a second subscription would.
    pub async fn redeliver_last_with_new_id(&self) -> anyhow::Result<()> {
        self.settle().await;
        self.world.webhooks.redeliver(Some(Uuid::new_v4()))
    }

    /// The webhooks that were sent and taken or given up, the first one first, at most 1,000.
    #[must_use]
    pub fn deliveries(&self) -> Vec<WebhookDelivery> {
        self.world.webhooks.log()
    }

    /// Waits until every queued webhook was taken or given up.
    pub async fn settle(&self) {
        self.world.webhooks.settle().await;
    }

    /// The GraphQL operations that came in, the first one first, at most 20,000.
    #[must_use]
    pub fn operations(&self) -> Vec<OperationRecord> {
        self.world.lock().operations.clone()
    }

    /// What was asked that Linear would refuse, or that the stand-in cannot do; empty at the end of
    /// a good scenario.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        self.world.lock().violations.clone()
    }
}

/// An issue and its sessions as plain text, so that an issue's address opens.
async fn issue_page(
    Shared(world): Shared<Arc<World>>,
    Path(identifier): Path<String>,
) -> Result<String, StatusCode> {
    let ids: Vec<String> = {
        let state = world.lock();
        let issue = state
            .find("Issue", &identifier)
            .ok_or(StatusCode::NOT_FOUND)?;
        let ours = |one: &state::Entity| one.link("issue") == Some(issue.id());
        let sessions = state.all("AgentSession", ours);
        sessions
            .into_iter()
            .map(|one| one.id().to_owned())
            .collect()
    };
    let sessions = ids.into_iter().map(|id| {
        Session {
            world: Arc::clone(&world),
            id,
        }
        .render()
    });
    Ok(sessions.collect::<Vec<_>>().join("\n"))
}

/// The ids of a person and an issue.
fn both(state: &State, login: &str, issue: &str) -> anyhow::Result<(String, String)> {
    let person = state
        .person(login)
        .with_context(|| format!("there is no {login}"))?;
    let found = state
        .find("Issue", issue)
        .with_context(|| format!("there is no issue {issue}"))?;
    Ok((person.id().to_owned(), found.id().to_owned()))
}
