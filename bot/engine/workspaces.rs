//! The workspaces of Slack: whose token is taken for what, and where nothing is tried any more.

mod renewal;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::OnceCell;

use crate::{
    clock::Clock,
    domain::Timestamp,
    redact::Redactor,
    slack::{Identity, Slack, oauth::Oauth, scopes},
    store::{
        Store, StoreError,
        vault::Vault,
        workspaces::{OWN, Workspace},
    },
    surface::SurfaceError,
};

/// How long what is stored of workspaces is believed: what another process has closed is closed here within this time.
const BELIEVED: Duration = Duration::from_secs(5);

/// Every workspace that the bot is in. Clones share everything.
#[derive(Clone)]
pub struct Workspaces {
    inner: Arc<Inner>,
}

/// What workspaces are had with.
pub struct Parts {
    /// Where they are stored.
    pub store: Store,
    /// Where their tokens are.
    pub vault: Vault,
    /// Takes their tokens out of what is said.
    pub redactor: Redactor,
    /// The time.
    pub clock: Clock,
    /// The calls with the settings' token, where there is one.
    pub own: Option<Slack>,
    /// How tokens are renewed, and with which address calls are made, where workspaces may install the app.
    pub installed: Option<(Oauth, String)>,
    /// How many times the calls a minute that Slack publishes are made in each.
    pub rate_factor: u16,
}

struct Inner {
    parts: Parts,
    me: OnceCell<Identity>,
    /// Whether it is known of the settings' token that it is worth something, where the workspace was closed before this
    /// process began: the operator may have set another one.
    tried: OnceCell<()>,
    known: Mutex<Option<Known>>,
    open: Mutex<HashMap<String, Arc<Opened>>>,
    /// Channels whose workspace is stored already.
    channels: Mutex<HashMap<(String, String), String>>,
}

/// What Slack does not let the bot do.
#[derive(Debug, Default)]
pub struct Lacks {
    /// A sentence for each workspace in which something is missing.
    pub told: Vec<String>,
    /// Why it is not known of all of them yet.
    pub unknown: Option<SurfaceError>,
}

impl Lacks {
    fn note(
        &mut self,
        lacks: Result<Option<String>, SurfaceError>,
        words: impl FnOnce(String) -> String,
    ) {
        match lacks {
            Ok(lacks) => self.told.extend(lacks.map(words)),
            Err(error) => self.unknown = Some(error),
        }
    }
}

/// What is stored, and when it was read.
struct Known {
    since: Instant,
    all: Arc<BTreeMap<String, Workspace>>,
}

/// A workspace whose token was read.
struct Opened {
    version: i64,
    ends: Option<Timestamp>,
    slack: Slack,
    me: OnceCell<Identity>,
}

/// Whose token opens a workspace.
enum Door {
    Own(Slack),
    Installed(Arc<Opened>),
}

impl Workspaces {
    /// Puts it together. Nothing is asked yet.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self {
            inner: Arc::new(Inner {
                parts,
                me: OnceCell::new(),
                tried: OnceCell::new(),
                known: Mutex::default(),
                open: Mutex::default(),
                channels: Mutex::default(),
            }),
        }
    }

    /// The calls to the workspace that a conversation or person names. [`SurfaceError::Closed`] where the bot is not in it.
    pub async fn of(&self, home: &str) -> Result<Slack, SurfaceError> {
        Ok(match self.door(home).await? {
            Door::Own(slack) => slack,
            Door::Installed(opened) => opened.slack.clone(),
        })
    }

    /// Who the bot is in a workspace; asked once.
    pub async fn me(&self, home: &str) -> Result<Identity, SurfaceError> {
        match self.door(home).await? {
            Door::Own(slack) => self.own_identity(&slack).await,
            Door::Installed(opened) => {
                let asked = opened.me.get_or_try_init(|| opened.slack.identity());
                asked.await.cloned()
            }
        }
    }

    /// What the names of conversations in each workspace that the bot is in begin with.
    pub async fn homes(&self) -> Result<Vec<String>, SurfaceError> {
        let known = self.known().await?;
        let open = known.values().filter(|one| one.closed.is_none());
        let installed = open.filter(|one| one.id != OWN).map(|one| one.id.clone());
        let mut homes: Vec<String> = installed.collect();
        if let Some(slack) = &self.inner.parts.own {
            homes.push(self.own_identity(slack).await?.team_id);
        }
        Ok(homes)
    }

    async fn door(&self, home: &str) -> Result<Door, SurfaceError> {
        let mut found = self.row_of(home).await?;
        let is_missing =
            found.is_none() && self.inner.parts.installed.is_some() && !self.is_own(home).await?;
        if is_missing || found.as_ref().is_some_and(|row| row.closed.is_some()) {
            // It may have been installed a moment ago, on the page or by another process; what comes from there is not lost.
            self.forget();
            found = self.row_of(home).await?;
        }
        if is_missing && found.is_none() {
            return Err(SurfaceError::Closed {
                why: format!("the app is not installed in the Slack workspace {home}"),
            });
        }
        match found.filter(|_| home != OWN) {
            Some(workspace) => self.installed(workspace).await.map(Door::Installed),
            None => self.own().await.map(Door::Own),
        }
    }

    /// Whether the settings' token is meant. Where nothing can be installed, there is no other.
    async fn is_own(&self, home: &str) -> Result<bool, SurfaceError> {
        let Some(slack) = &self.inner.parts.own else {
            return Ok(false);
        };
        if home == OWN {
            return Ok(true);
        }
        let own = match self.own_identity(slack).await {
            Ok(me) => me.team_id,
            // What it was for is not known any more; nobody else asks for what is not installed.
            Err(SurfaceError::Permanent { .. }) => return Ok(true),
            Err(error) => return Err(error),
        };
        Ok(own == home)
    }

    async fn own_identity(&self, slack: &Slack) -> Result<Identity, SurfaceError> {
        let asked = self.inner.me.get_or_try_init(|| slack.identity());
        asked.await.cloned()
    }

    async fn own(&self) -> Result<Slack, SurfaceError> {
        let own = self.inner.parts.own.as_ref();
        let own = own.ok_or_else(|| SurfaceError::Closed {
            why: "no token for Slack is set".to_owned(),
        })?;
        if self.own_is_closed().await?.is_none() {
            return Ok(own.clone());
        }
        self.inner
            .tried
            .get_or_try_init(|| self.try_again())
            .await?;
        // It may have been opened by that.
        match self.own_is_closed().await? {
            None => Ok(own.clone()),
            Some(why) => Err(SurfaceError::Closed { why }),
        }
    }

    async fn own_is_closed(&self) -> Result<Option<String>, SurfaceError> {
        let known = self.known().await?;
        let closed = known.get(OWN).and_then(|own| own.closed.as_ref());
        Ok(closed.map(|(why, _)| why.clone()))
    }

    /// The operator may have set another token since the workspace was closed, or put the app back.
    async fn try_again(&self) -> Result<(), SurfaceError> {
        if self.lets_in(OWN).await? {
            let opened = self.inner.parts.store.reopen_slack_workspace(OWN).await;
            opened.map_err(|error| unknown(&error))?;
            self.forget();
            tracing::info!("the app is in its Slack workspace again");
        }
        Ok(())
    }

    /// Whether Slack still takes the token of a workspace that the bot is said to have been taken out of.
    pub async fn lets_in(&self, home: &str) -> Result<bool, SurfaceError> {
        let slack = match self.row_of(home).await? {
            Some(workspace) if workspace.id != OWN => match self.installed(workspace).await {
                Ok(opened) => Some(opened.slack.clone()),
                Err(SurfaceError::Closed { .. }) => None,
                Err(error) => return Err(error),
            },
            Some(_) | None => self.inner.parts.own.clone(),
        };
        let Some(slack) = slack else { return Ok(false) };
        match slack.identity().await {
            Ok(_) => Ok(true),
            Err(SurfaceError::Permanent { .. } | SurfaceError::Closed { .. }) => Ok(false),
            Err(error @ SurfaceError::Transient { .. }) => Err(error),
        }
    }

    /// Under which identifier the app was installed that a payload is for: some name the workspace, and mean the
    /// organisation that it was installed for.
    pub async fn installed_as(
        &self,
        home: &str,
        enterprise: Option<&str>,
    ) -> Result<String, SurfaceError> {
        let known = self.known().await?;
        let whole = enterprise.filter(|id| !known.contains_key(home) && known.contains_key(*id));
        Ok(whole.unwrap_or(home).to_owned())
    }

    async fn row_of(&self, home: &str) -> Result<Option<Workspace>, SurfaceError> {
        Ok(self.known().await?.get(home).cloned())
    }

    /// What Slack does not let the bot do in each workspace that it is in, in words.
    pub async fn lacks(&self) -> Lacks {
        let mut found = Lacks::default();
        if self.inner.parts.own.is_some() {
            found.note(self.lacks_in(OWN).await, |words| words);
        }
        let known = match self.known().await {
            Ok(known) => known,
            Err(error) => {
                found.unknown = Some(error);
                return found;
            }
        };
        for one in known.values().filter(|one| one.id != OWN) {
            let lacks = self.lacks_in(&one.id).await;
            found.note(lacks, |words| {
                format!("in the workspace {}, {words}", one.name)
            });
        }
        found
    }

    /// The same in one of them; none where nothing is missing, or where it is closed, which is told elsewhere.
    async fn lacks_in(&self, home: &str) -> Result<Option<String>, SurfaceError> {
        let slack = match self.of(home).await {
            Ok(slack) => slack,
            Err(SurfaceError::Closed { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let remedy = if home == OWN {
            "Check SLACK_BOT_TOKEN"
        } else {
            "Install the app again there"
        };
        lacks_of(&slack, remedy).await
    }

    /// What people call a workspace.
    pub async fn name(&self, home: &str) -> String {
        let row = self.row_of(home).await.ok().flatten();
        let own = self.inner.me.get().filter(|me| me.team_id == home);
        row.map(|row| row.name)
            .or_else(|| own.map(|me| me.team_name.clone()))
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| home.to_owned())
    }

    /// Tries nothing there any more, from now on and in every process, and forgets its token.
    pub async fn close(&self, home: &str, why: &str, now: Timestamp) -> Result<(), StoreError> {
        let rows = self.inner.parts.store.slack_workspaces().await?;
        let id = rows.iter().find(|row| row.id == home);
        let id = id.map_or(OWN, |row| row.id.as_str());
        self.inner
            .parts
            .store
            .close_slack_workspace(id, why, now)
            .await?;
        if id == OWN {
            // The token that this process has is the one that is worth nothing.
            let _ = self.inner.tried.set(());
        }
        locked(&self.inner.open).remove(id);
        self.forget();
        Ok(())
    }

    /// Takes note of the workspace of an organisation in which a channel is.
    pub async fn place_channel(
        &self,
        (home, channel): (&str, &str),
        team: &str,
    ) -> Result<(), StoreError> {
        let key = (home.to_owned(), channel.to_owned());
        if locked(&self.inner.channels)
            .get(&key)
            .is_some_and(|known| known == team)
        {
            return Ok(());
        }
        self.inner
            .parts
            .store
            .remember_slack_channel(home, channel, team)
            .await?;
        let mut channels = locked(&self.inner.channels);
        if channels.len() >= CHANNELS_MAX {
            channels.clear();
        }
        channels.insert(key, team.to_owned());
        Ok(())
    }

    /// A workspace that was installed, with a token that is worth something.
    async fn installed(&self, workspace: Workspace) -> Result<Arc<Opened>, SurfaceError> {
        if let Some((why, _)) = workspace.closed {
            return Err(SurfaceError::Closed { why });
        }
        let now = self.inner.parts.clock.now();
        let is_due = workspace.renew.is_some_and(|renew| renew <= now);
        let opened = self.opened(&workspace).await?;
        if !is_due {
            return self.unrenewed(opened);
        }
        self.renew(&workspace, opened).await
    }

    /// The token of this number, read and kept.
    async fn opened(&self, workspace: &Workspace) -> Result<Arc<Opened>, SurfaceError> {
        let kept = locked(&self.inner.open).get(&workspace.id).cloned();
        if let Some(opened) = kept
            .as_ref()
            .filter(|opened| opened.version == workspace.version)
        {
            return Ok(Arc::clone(opened));
        }
        let Parts {
            vault,
            redactor,
            installed,
            ..
        } = &self.inner.parts;
        let Some((_, api_url)) = installed else {
            return Err(SurfaceError::Closed {
                why: "workspaces cannot be installed with these settings".to_owned(),
            });
        };
        let secrets = vault.secrets_of(&workspace.id).await.map_err(|error| {
            let what = format!("finding the token of a workspace: {error}");
            SurfaceError::Transient {
                what,
                retry_after: None,
            }
        })?;
        let secrets = secrets.ok_or_else(|| SurfaceError::Closed {
            why: format!(
                "the token of the Slack workspace {} is not there",
                workspace.id
            ),
        })?;
        redactor.add(&secrets.access);
        if let Some(refresh) = &secrets.refresh {
            redactor.add(refresh);
        }
        let slack = match kept {
            Some(before) => before.slack.with_token(secrets.access),
            None => Slack::new(api_url, secrets.access)?
                .timed_by(&self.inner.parts.clock)
                .allowed(self.inner.parts.rate_factor),
        };
        let opened = Arc::new(Opened {
            version: workspace.version,
            ends: secrets.ends,
            slack,
            me: OnceCell::new(),
        });
        locked(&self.inner.open).insert(workspace.id.clone(), Arc::clone(&opened));
        Ok(opened)
    }

    async fn known(&self) -> Result<Arc<BTreeMap<String, Workspace>>, SurfaceError> {
        if let Some(known) = &*locked(&self.inner.known)
            && known.since.elapsed() < BELIEVED
        {
            return Ok(Arc::clone(&known.all));
        }
        let stored = self.inner.parts.store.slack_workspaces().await;
        let stored = stored.map_err(|error| unknown(&error))?;
        let all = stored.into_iter().map(|one| (one.id.clone(), one));
        let all: Arc<BTreeMap<String, Workspace>> = Arc::new(all.collect());
        *locked(&self.inner.known) = Some(Known {
            since: Instant::now(),
            all: Arc::clone(&all),
        });
        Ok(all)
    }

    fn forget(&self) {
        *locked(&self.inner.known) = None;
    }
}

/// What Slack does not let the bot do with a token, in words; none where nothing is missing. `remedy` is for one that it
/// refuses.
pub async fn lacks_of(slack: &Slack, remedy: &str) -> Result<Option<String>, SurfaceError> {
    match slack.granted_scopes().await {
        Ok(granted) => Ok(scopes::in_words(&scopes::lacking(&granted))),
        Err(SurfaceError::Permanent { code, .. }) => Ok(Some(format!(
            "it refuses the bot's token ({code}), so nothing can be done there. {remedy}"
        ))),
        Err(error) => Err(error),
    }
}

/// The most channels whose workspace is remembered at once.
const CHANNELS_MAX: usize = 10_000;

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The database does not say, so nothing is done yet.
fn unknown(error: &StoreError) -> SurfaceError {
    SurfaceError::Transient {
        what: format!("finding the workspace: {}", error.in_words()),
        retry_after: None,
    }
}
