//! What `deckhand doctor` says about GitHub: who the bot is here, and which permission is missing.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{
    ForgeError,
    client::{CallError, Client},
    tokens::GRANTED,
};

/// The scope that a classic token needs to push and to open pull requests.
const TOKEN_SCOPE: &str = "repo";

#[derive(Deserialize)]
struct App {
    slug: String,
    #[serde(default)]
    events: Vec<String>,
}

#[derive(Deserialize)]
struct Installation {
    account: Option<Account>,
    #[serde(default)]
    permissions: BTreeMap<String, Value>,
    suspended_at: Option<String>,
}

#[derive(Deserialize)]
struct Account {
    login: String,
}

/// Each installation has its own permissions: a change of the App's waits until an owner accepts it.
pub(super) async fn of_app(client: &Client) -> Result<String, ForgeError> {
    let app: App = client.get("asking GitHub who the App is", "/app").await?;
    let installations: Vec<Installation> = client
        .get(
            "listing the App's installations",
            "/app/installations?per_page=100",
        )
        .await?;
    let mut faults: Vec<String> = installations.iter().filter_map(fault).collect();
    if installations.is_empty() {
        faults.push("it is installed nowhere: install it on an account".to_owned());
    }
    if !app.events.iter().any(|event| event == "pull_request") {
        faults.push(
            "it does not get the event `pull_request`: tick it in the App's settings".to_owned(),
        );
    }
    if faults.is_empty() {
        let accounts: Vec<&str> = installations.iter().map(Installation::login).collect();
        return Ok(format!(
            "App `{}`, installed on {}",
            app.slug,
            accounts.join(", ")
        ));
    }
    Err(ForgeError::Refused {
        what: format!("checking the App `{}`", app.slug),
        reason: faults.join("; "),
    })
}

impl Installation {
    fn login(&self) -> &str {
        self.account
            .as_ref()
            .map_or("an account without a name", |account| &account.login)
    }
}

fn fault(installation: &Installation) -> Option<String> {
    if installation.suspended_at.is_some() {
        return Some(format!("it is suspended on {}", installation.login()));
    }
    let missing: Vec<String> = GRANTED
        .into_iter()
        .filter(|(name, level)| {
            installation.permissions.get(*name).and_then(Value::as_str) != Some(level)
        })
        .map(|(name, level)| format!("`{name}: {level}`"))
        .collect();
    (!missing.is_empty()).then(|| {
        format!(
            "it lacks {} on {}: grant it in the App's settings and accept it there",
            missing.join(" and "),
            installation.login()
        )
    })
}

pub(super) async fn of_token(client: &Client) -> Result<String, ForgeError> {
    let answer: Result<(Account, Option<String>), CallError> = client
        .get_with_header("asking GitHub whose token it is", "/user", "x-oauth-scopes")
        .await;
    let (user, scopes) = answer?;
    // Fine-grained tokens have no scopes; what they may do shows only repository by repository.
    let Some(scopes) = scopes.filter(|scopes| !scopes.trim().is_empty()) else {
        return Ok(format!(
            "token of {}; what it may do is set per repository",
            user.login
        ));
    };
    if scopes.split(',').any(|scope| scope.trim() == TOKEN_SCOPE) {
        return Ok(format!("token of {}", user.login));
    }
    let what = format!("checking the token of {}", user.login);
    Err(ForgeError::Refused {
        what,
        reason: format!("it lacks the scope `{TOKEN_SCOPE}`"),
    })
}
