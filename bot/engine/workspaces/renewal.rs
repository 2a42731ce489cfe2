//! Tokens that end: renewed two hours early, by one process alone.
//!
//! Slack takes the token that the next ones are had for only once. So whoever renews has the row for a lease, and everybody
//! else goes on with the token that is still good. Where a process dies between Slack's answer and storing it, what it was
//! given is lost: the token before works until its end, and the app has to be installed again until then.

use std::{sync::Arc, time::Duration};

use tracing::{error, info, warn};

use super::{Opened, Workspaces, locked, unknown};
use crate::{
    engine::pause_before_try,
    slack::oauth::{Oauth, Tokens},
    store::workspaces::{Secrets, Workspace},
    surface::SurfaceError,
};

/// How long after a renewal that could not be done another one is tried.
const AGAIN_AFTER: Duration = Duration::from_mins(1);
/// How often it is tried to store new tokens: the ones before are worth nothing any more.
const STORED_TRIES_MAX: i64 = 12;
/// The longest pause between two of these tries.
const STORED_PAUSE_MAX: Duration = Duration::from_secs(3);
/// How long to wait where there is no token that is worth something.
const WITHOUT_TOKEN: Duration = Duration::from_secs(30);
/// How long to wait for somebody else who renews.
const FOR_ANOTHER: Duration = Duration::from_secs(2);

impl Workspaces {
    /// The same workspace with a token that is not about to end, or with the old one where that is still good.
    ///
    /// By itself: whoever waits for it may go away, and what Slack has given out must not be lost by that.
    pub(super) async fn renew(
        &self,
        workspace: &Workspace,
        opened: Arc<Opened>,
    ) -> Result<Arc<Opened>, SurfaceError> {
        let (this, workspace, before) = (self.clone(), workspace.clone(), Arc::clone(&opened));
        let renewing = tokio::spawn(async move { this.renew_now(&workspace, &before).await });
        match renewing.await {
            Ok(Ok(Some(fresh))) => Ok(fresh),
            Ok(Ok(None)) => self.still_good(opened, FOR_ANOTHER),
            Ok(Err(failure)) => {
                warn!(%failure, "a token of Slack could not be renewed; it is tried again");
                self.still_good(opened, AGAIN_AFTER)
            }
            Err(_) => self.still_good(opened, AGAIN_AFTER),
        }
    }

    /// The token at hand, unless it has ended.
    pub(super) fn still_good(
        &self,
        opened: Arc<Opened>,
        pause: Duration,
    ) -> Result<Arc<Opened>, SurfaceError> {
        let now = self.inner.parts.clock.now();
        if opened.ends.is_none_or(|ends| now < ends) {
            return Ok(opened);
        }
        // Another one may be there as soon as somebody has renewed it or installed the app again.
        self.forget();
        Err(SurfaceError::Transient {
            what: "the token of a Slack workspace has ended and is not renewed yet".to_owned(),
            retry_after: Some(pause),
        })
    }

    /// What cannot be renewed is good until its end; then everything waits until the app was installed again.
    pub(super) fn unrenewed(&self, opened: Arc<Opened>) -> Result<Arc<Opened>, SurfaceError> {
        self.still_good(opened, WITHOUT_TOKEN)
    }

    /// None where somebody else is at it.
    async fn renew_now(
        &self,
        workspace: &Workspace,
        before: &Opened,
    ) -> Result<Option<Arc<Opened>>, SurfaceError> {
        let parts = &self.inner.parts;
        let Some((oauth, _)) = &parts.installed else {
            return Ok(None);
        };
        let row = (workspace.id.as_str(), workspace.version);
        let begun = parts.store.begin_renewal(row, parts.clock.now()).await;
        if !begun.map_err(|error| unknown(&error))? {
            self.forget();
            return Ok(None);
        }
        let tokens = match self.ask(oauth, workspace).await {
            Ok(tokens) => tokens,
            Err(SurfaceError::Permanent { code, .. }) => {
                self.give_up(workspace, &code).await?;
                return Ok(None);
            }
            Err(error) => {
                let again = parts.clock.later(AGAIN_AFTER);
                let ended = parts.store.end_renewal(row, again).await;
                ended.map_err(|error| unknown(&error))?;
                self.forget();
                return Err(error);
            }
        };
        parts.redactor.add(&tokens.access);
        if let Some(refresh) = &tokens.refresh {
            parts.redactor.add(refresh);
        }
        let secrets = Secrets {
            ends: tokens.life.map(|life| parts.clock.later(life)),
            access: tokens.access,
            refresh: tokens.refresh,
        };
        let fresh = Arc::new(Opened {
            version: before.version,
            ends: secrets.ends,
            slack: before.slack.with_token(secrets.access.clone()),
            me: before.me.clone(),
        });
        // Whatever the database does, this process has them.
        locked(&self.inner.open).insert(workspace.id.clone(), Arc::clone(&fresh));
        self.store(workspace, &secrets).await;
        self.forget();
        Ok(Some(fresh))
    }

    async fn ask(&self, oauth: &Oauth, workspace: &Workspace) -> Result<Tokens, SurfaceError> {
        let secrets = self.inner.parts.vault.secrets_of(&workspace.id).await;
        let secrets = secrets.map_err(|error| SurfaceError::Transient {
            what: format!("finding the token of a workspace: {error}"),
            retry_after: None,
        })?;
        let refresh = secrets.and_then(|secrets| secrets.refresh);
        let refresh = refresh.ok_or_else(|| SurfaceError::Permanent {
            what: "renewing the token of a workspace".to_owned(),
            code: "no_refresh_token".to_owned(),
        })?;
        oauth.refresh(&refresh).await
    }

    async fn store(&self, workspace: &Workspace, secrets: &Secrets) {
        let parts = &self.inner.parts;
        let row = (workspace.id.as_str(), workspace.version);
        let mut tries = 1;
        loop {
            match parts.vault.renewed(row, secrets, parts.clock.now()).await {
                Ok(true) => {
                    info!(workspace = %workspace.id, "a token of Slack was renewed");
                    return;
                }
                // The app was installed again meanwhile, and those tokens are newer.
                Ok(false) => return,
                Err(error) if tries == STORED_TRIES_MAX => {
                    error!(
                        workspace = %workspace.id,
                        error = &error as &dyn std::error::Error,
                        "a renewed token of Slack could not be stored; this process has it until it ends, and then the app has to be installed again"
                    );
                    return;
                }
                Err(_) => {
                    tokio::time::sleep(pause_before_try(tries, STORED_PAUSE_MAX)).await;
                    tries += 1;
                }
            }
        }
    }

    /// Slack does not renew it any more: it works until its end, and only a new installation helps.
    async fn give_up(&self, workspace: &Workspace, code: &str) -> Result<(), SurfaceError> {
        let name = if workspace.name.is_empty() {
            &workspace.id
        } else {
            &workspace.name
        };
        let trouble = format!(
            "it does not renew the token of the workspace {name} any more ({code}); install the app there again at /slack/install, or nothing is heard or said there once the token ends"
        );
        error!(workspace = %workspace.id, "Slack: {trouble}");
        let row = (workspace.id.as_str(), workspace.version);
        let stored = self.inner.parts.store.refuse_renewal(row, &trouble).await;
        stored.map_err(|error| unknown(&error))?;
        self.forget();
        Ok(())
    }
}
