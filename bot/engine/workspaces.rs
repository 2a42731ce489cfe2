//! The workspaces of Slack: whose token is taken for what, and where nothing is tried any more.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::OnceCell;

use crate::{
    slack::{Identity, Slack, scopes},
    store::{
        Store, StoreError,
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

struct Inner {
    store: Store,
    /// The workspace of the settings' token.
    own: Slack,
    me: OnceCell<Identity>,
    /// Whether it is known of the settings' token that it is worth something, where the workspace was closed before this
    /// process began: the operator may have set another one.
    tried: OnceCell<()>,
    known: Mutex<Option<(Instant, BTreeMap<String, Workspace>)>>,
}

impl Workspaces {
    /// Puts it together. Nothing is asked yet.
    #[must_use]
    pub fn new(store: Store, own: Slack) -> Self {
        Self {
            inner: Arc::new(Inner {
                store,
                own,
                me: OnceCell::new(),
                tried: OnceCell::new(),
                known: Mutex::default(),
            }),
        }
    }

    /// The calls to the workspace that a conversation or person names. [`SurfaceError::Closed`] where the bot is not in it
    /// any more.
    pub async fn of(&self, _home: &str) -> Result<&Slack, SurfaceError> {
        let Some(closed) = self.closed(OWN).await? else {
            return Ok(&self.inner.own);
        };
        self.inner
            .tried
            .get_or_try_init(|| self.try_again())
            .await?;
        // It may have been opened by that.
        match self.closed(OWN).await? {
            None => Ok(&self.inner.own),
            Some(_) => Err(SurfaceError::Closed { why: closed }),
        }
    }

    /// Who the bot is in a workspace; asked once.
    pub async fn me(&self, home: &str) -> Result<Identity, SurfaceError> {
        let slack = self.of(home).await?;
        let asked = self.inner.me.get_or_try_init(|| slack.identity()).await;
        asked.cloned()
    }

    /// Whether Slack still takes the token of a workspace that the bot is said to have been taken out of.
    pub async fn lets_in(&self, _home: &str) -> Result<bool, SurfaceError> {
        match self.inner.own.identity().await {
            Ok(_) => Ok(true),
            Err(SurfaceError::Permanent { .. } | SurfaceError::Closed { .. }) => Ok(false),
            Err(error @ SurfaceError::Transient { .. }) => Err(error),
        }
    }

    /// What Slack does not let the bot do, in words; none where nothing is missing. An error where that is not known yet.
    pub async fn lacks(&self) -> Result<Option<String>, SurfaceError> {
        let slack = match self.of(OWN).await {
            Ok(slack) => slack,
            // That it is closed is told elsewhere.
            Err(SurfaceError::Closed { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        match slack.granted_scopes().await {
            Ok(granted) => Ok(scopes::in_words(&scopes::lacking(&granted))),
            Err(SurfaceError::Permanent { code, .. }) => Ok(Some(format!(
                "it refuses the bot's token ({code}), so nothing can be done there. Check SLACK_BOT_TOKEN"
            ))),
            Err(error) => Err(error),
        }
    }

    /// What people call a workspace.
    #[must_use]
    pub fn name(&self, home: &str) -> String {
        let known = self.inner.me.get().map(|me| me.team_name.as_str());
        let named = known.filter(|name| !name.is_empty());
        named.unwrap_or(home).to_owned()
    }

    /// Tries nothing there any more, from now on and in every process.
    pub async fn close(
        &self,
        _home: &str,
        why: &str,
        now: crate::domain::Timestamp,
    ) -> Result<(), StoreError> {
        self.inner
            .store
            .close_slack_workspace(OWN, why, now)
            .await?;
        // The token that this process has is the one that is worth nothing.
        let _ = self.inner.tried.set(());
        self.forget();
        Ok(())
    }

    /// The operator may have set another token since the workspace was closed, or put the app back.
    async fn try_again(&self) -> Result<(), SurfaceError> {
        if self.lets_in("").await? {
            let opened = self.inner.store.reopen_slack_workspace(OWN).await;
            opened.map_err(|error| unknown(&error))?;
            self.forget();
            tracing::info!("the app is in its Slack workspace again");
        }
        Ok(())
    }

    /// Why nothing is tried in a workspace; none where something is.
    async fn closed(&self, id: &str) -> Result<Option<String>, SurfaceError> {
        if let Some((since, known)) = &*self.known()
            && since.elapsed() < BELIEVED
        {
            return Ok(why(known.get(id)));
        }
        let stored = self.inner.store.slack_workspaces().await;
        let stored = stored.map_err(|error| unknown(&error))?;
        let known: BTreeMap<String, Workspace> = stored
            .into_iter()
            .map(|one| (one.id.clone(), one))
            .collect();
        let found = why(known.get(id));
        *self.known() = Some((Instant::now(), known));
        Ok(found)
    }

    fn forget(&self) {
        *self.known() = None;
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Option<(Instant, BTreeMap<String, Workspace>)>> {
        self.inner
            .known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn why(workspace: Option<&Workspace>) -> Option<String> {
    let (why, _) = workspace?.closed.as_ref()?;
    Some(why.clone())
}

/// The database does not say, so nothing is done yet.
fn unknown(error: &StoreError) -> SurfaceError {
    SurfaceError::Transient {
        what: format!("finding the workspace: {}", error.in_words()),
        retry_after: None,
    }
}
