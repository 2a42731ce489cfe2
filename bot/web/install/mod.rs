//! Where somebody installs the app in a workspace of Slack: off to Slack, and back with a code.
//!
//! The code is exchanged here, because it is good for ten minutes and the person waits. What it gave is stored before the
//! page says so. Between the two a crash loses what Slack gave out; Slack gives it again to whoever begins again.

mod state;

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{Query, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Redirect, Response},
};
use serde::Deserialize;
use tokio::sync::Semaphore;
use tracing::{error, info, warn};

use super::Web;
use crate::{
    config::InstallConfig,
    redact::Redactor,
    slack::{
        oauth::{Grant, Oauth},
        scopes,
    },
    store::{
        StoreError,
        vault::Vault,
        workspaces::{Installed, Return, Secrets},
    },
    surface::SurfaceError,
};

/// Where Slack sends people back to, below the public address.
pub const BACK: &str = "/slack/oauth";
/// The cookie that binds an installation to the browser in which it was begun.
const COOKIE: &str = "deckhand_install";
/// How long the browser keeps it, in seconds.
const COOKIE_SECONDS: u32 = 600;
/// The longest code that is taken to Slack, in bytes. Slack's have about a hundred.
const CODE_MAX_BYTES: usize = 512;
/// How many codes are exchanged at once; who comes beyond that begins again.
const AT_ONCE: usize = 4;
/// Nothing is loaded from anywhere, and no other page may frame this one.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// What installations are made with. Clones share everything.
#[derive(Clone)]
pub struct Installing {
    oauth: Oauth,
    vault: Vault,
    redactor: Redactor,
    settings: InstallConfig,
    places: Arc<Semaphore>,
}

impl Installing {
    /// Puts it together.
    #[must_use]
    pub fn new(oauth: Oauth, vault: Vault, redactor: Redactor, settings: InstallConfig) -> Self {
        Self {
            oauth,
            vault,
            redactor,
            settings,
            places: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }
}

/// What Slack sends somebody back with.
#[derive(Debug, Deserialize)]
pub struct Back {
    #[serde(default)]
    code: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    error: String,
}

/// What became of an installation.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    /// It is done.
    Installed { name: String, lacks: Option<String> },
    /// The settings name nobody who may.
    Closed,
    /// The person did not want to, or may not.
    Denied,
    /// It was not begun here, in this browser, in time, or is over.
    Stale,
    /// It came back before, and nothing was stored by that.
    BrokenOff,
    /// Slack did not take the code.
    Refused { code: String },
    /// The settings do not name this workspace.
    Unwanted { name: String, home: String },
    /// Slack did not answer.
    Unreachable,
    /// The database did not take it.
    Unstored,
}

#[derive(Template)]
#[template(path = "pages/slack_install.html")]
struct InstallPage {
    outcome: Outcome,
    may_begin_again: bool,
}

/// `/slack/install`: off to Slack.
pub async fn begin(State(web): State<Web>) -> Response {
    let Some(installing) = &web.installing else {
        return StatusCode::NOT_FOUND.into_response();
    };
    if installing.settings.teams.is_empty() {
        return page(Outcome::Closed);
    }
    let begun = state::begin(&web.config, web.clock.now());
    let Some(address) = installing.oauth.page(&begun.state) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let secure = if web.config.public_url.starts_with("https:") {
        "; Secure"
    } else {
        ""
    };
    let cookie = format!(
        "{COOKIE}={}; Path=/slack; Max-Age={COOKIE_SECONDS}; HttpOnly; SameSite=Lax{secure}",
        begun.cookie
    );
    let mut response = Redirect::to(&address).into_response();
    let headers = response.headers_mut();
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        headers.insert(header::SET_COOKIE, cookie);
    }
    not_kept(headers);
    response
}

/// `/slack/oauth`: back from Slack.
pub async fn back(
    State(web): State<Web>,
    Query(back): Query<Back>,
    headers: HeaderMap,
) -> Response {
    let Some(installing) = web.installing.clone() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    // Finished by itself: a browser that goes away in the middle must not lose what Slack has given out.
    let finishing = tokio::spawn(async move {
        let cookie = cookie(&headers).unwrap_or_default();
        finish(&web, &installing, &back, cookie).await
    });
    page(finishing.await.unwrap_or(Outcome::Unstored))
}

async fn finish(web: &Web, installing: &Installing, back: &Back, cookie: &str) -> Outcome {
    let now = web.clock.now();
    let Some(nonce) = state::nonce_of(&web.config, (&back.state, cookie), now) else {
        warn!("an installation in Slack came back that was not begun here, or not in time");
        return Outcome::Stale;
    };
    if !back.error.is_empty() {
        info!("somebody decided at Slack not to install the app");
        return Outcome::Denied;
    }
    if back.code.is_empty() || back.code.len() > CODE_MAX_BYTES {
        return Outcome::Stale;
    }
    let Ok(_place) = installing.places.try_acquire() else {
        return Outcome::Unreachable;
    };
    // Before the code is used up, so that what it gives can be stored as far as can be known.
    match web.store.count_return(nonce, now).await {
        Ok(Return::First) => {}
        Ok(Return::Repeated {
            installed: Some(name),
        }) => {
            return Outcome::Installed { name, lacks: None };
        }
        Ok(Return::Repeated { installed: None }) => return Outcome::BrokenOff,
        Err(error) => return unstored(&error),
    }
    match installing.oauth.exchange(&back.code).await {
        Ok(grant) => settle(web, installing, nonce, grant).await,
        Err(SurfaceError::Permanent { code, .. }) => {
            warn!(code, "Slack did not take the code of an installation");
            Outcome::Refused { code }
        }
        Err(error @ (SurfaceError::Transient { .. } | SurfaceError::Closed { .. })) => {
            warn!(%error, "an installation in Slack could not be finished");
            Outcome::Unreachable
        }
    }
}

/// Stores what was granted, or gives it back.
async fn settle(web: &Web, installing: &Installing, nonce: &str, grant: Grant) -> Outcome {
    installing.redactor.add(&grant.tokens.access);
    if let Some(refresh) = &grant.tokens.refresh {
        installing.redactor.add(refresh);
    }
    if !installing.settings.lets_in(&grant.home, &grant.enterprise) {
        warn!(
            workspace = %grant.home,
            "the app was installed in a Slack workspace that SLACK_INSTALL_TEAMS does not name; its token is given back"
        );
        if let Err(error) = installing.oauth.revoke(&grant.tokens.access).await {
            warn!(workspace = %grant.home, %error, "that token could not be given back; remove the app there");
        }
        return Outcome::Unwanted {
            name: named(&grant),
            home: grant.home,
        };
    }
    let now = web.clock.now();
    let name = named(&grant);
    let secrets = Secrets {
        access: grant.tokens.access,
        refresh: grant.tokens.refresh,
        ends: grant.tokens.life.map(|life| web.clock.later(life)),
    };
    let installed = Installed {
        id: grant.home.clone(),
        enterprise: grant.enterprise,
        name: name.clone(),
        bot_user: grant.bot_user,
        scopes: grant.scopes.join(","),
    };
    let stored = installing.vault.install(&installed, &secrets, nonce, now);
    if let Err(error) = stored.await {
        error!(
            workspace = %grant.home,
            error = &error as &dyn std::error::Error,
            "an installation in Slack could not be stored; whoever made it has to begin again"
        );
        return Outcome::Unstored;
    }
    info!(workspace = %grant.home, name, "the app was installed in a Slack workspace");
    Outcome::Installed {
        name,
        lacks: scopes::in_words(&scopes::lacking(&grant.scopes)),
    }
}

fn named(grant: &Grant) -> String {
    if grant.name.trim().is_empty() {
        grant.home.clone()
    } else {
        grant.name.clone()
    }
}

fn unstored(error: &StoreError) -> Outcome {
    error!(
        error = error as &dyn std::error::Error,
        "an installation in Slack could not be begun to be stored"
    );
    Outcome::Unstored
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let all = headers.get_all(header::COOKIE).into_iter();
    let mut pairs = all
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    pairs.find_map(|(name, value)| (name == COOKIE).then_some(value))
}

/// What is said here is for one person, and the address that it stands under has a code in it.
fn not_kept(headers: &mut HeaderMap) {
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(CONTENT_SECURITY_POLICY),
    );
}

fn page(outcome: Outcome) -> Response {
    let status = match &outcome {
        Outcome::Installed { .. } | Outcome::Denied => StatusCode::OK,
        Outcome::Closed | Outcome::Unwanted { .. } => StatusCode::FORBIDDEN,
        Outcome::Stale | Outcome::BrokenOff | Outcome::Refused { .. } => StatusCode::BAD_REQUEST,
        Outcome::Unreachable | Outcome::Unstored => StatusCode::SERVICE_UNAVAILABLE,
    };
    let may_begin_again = !matches!(outcome, Outcome::Installed { .. } | Outcome::Closed);
    let page = InstallPage {
        outcome,
        may_begin_again,
    };
    let Ok(html) = page.render() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let mut response = (status, Html(html)).into_response();
    not_kept(response.headers_mut());
    response
}
