//! Tokens by OAuth: the page at Slack where somebody installs the app, the code that it gives, and tokens that end.
//!
//! Answers hold tokens, so nothing of them is ever part of an error: method, code and status alone are.
//!
//! Source: Slack's pages "Installing with OAuth", "Using token rotation" and `oauth.v2.access`.

use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use super::{
    api::{self, permanent, transient},
    limits::{CALL_TIMEOUT, CONNECT_TIMEOUT},
    manifest::SCOPES,
    methods,
};
use crate::surface::SurfaceError;

const EXCHANGE: &str = methods::EXCHANGE.name();
const REVOKE: &str = methods::REVOKE.name();
/// The longest life of a token that is believed; Slack's live twelve hours.
const LIFE_MAX: Duration = Duration::from_hours(24 * 30);

/// The app, as Slack knows it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Oauth {
    http: reqwest::Client,
    api_url: String,
    client_id: String,
    client_secret: SecretString,
    /// Where Slack sends people back to.
    redirect: String,
}

/// The tokens of one installation.
#[derive(Debug, Clone)]
pub struct Tokens {
    /// What calls are made with.
    pub access: SecretString,
    /// What the next tokens are had for, where these end. It is worth nothing once it was used.
    pub refresh: Option<SecretString>,
    /// How long they are worth something, where they end.
    pub life: Option<Duration>,
}

/// What somebody has installed.
#[derive(Debug, Clone)]
pub struct Grant {
    /// The workspace; the organisation where the app was installed for the whole of it.
    pub home: String,
    /// The organisation that the workspace belongs to, or that was installed for; empty where there is none.
    pub enterprise: String,
    /// What people call it.
    pub name: String,
    /// The bot's user.
    pub bot_user: String,
    /// What was granted.
    pub scopes: Vec<String>,
    /// Its tokens.
    pub tokens: Tokens,
}

impl Oauth {
    /// Prepares calls to the API at `api_url`. `redirect` is where Slack sends people back to; it has to be among the
    /// redirect addresses of the app.
    pub fn new(
        api_url: &str,
        (client_id, client_secret): (String, SecretString),
        redirect: String,
    ) -> Result<Self, SurfaceError> {
        let http = reqwest::Client::builder()
            // A redirect could carry the secret elsewhere.
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(CALL_TIMEOUT)
            .build()
            .map_err(|_| permanent(EXCHANGE, "the HTTP client cannot be built"))?;
        Ok(Self {
            http,
            api_url: api_url.trim_end_matches('/').to_owned(),
            client_id,
            client_secret,
            redirect,
        })
    }

    /// The page at Slack on which somebody installs the app. It stands beside the API.
    #[must_use]
    pub fn page(&self, state: &str) -> Option<String> {
        let base = self.api_url.strip_suffix("/api").unwrap_or(&self.api_url);
        let query = [
            ("client_id", self.client_id.as_str()),
            ("scope", &SCOPES.join(",")),
            ("redirect_uri", &self.redirect),
            ("state", state),
        ];
        reqwest::Url::parse_with_params(&format!("{base}/oauth/v2/authorize"), query)
            .ok()
            .map(String::from)
    }

    /// Takes what was installed for the code that Slack sent somebody back with. A code is good for ten minutes and once.
    pub async fn exchange(&self, code: &str) -> Result<Grant, SurfaceError> {
        let form = [("code", code), ("redirect_uri", self.redirect.as_str())];
        let answer = self.ask(&form).await?;
        grant(&answer).ok_or_else(|| permanent(EXCHANGE, "not_a_bot_installation"))
    }

    /// The next tokens. The token that they are had for is worth nothing afterwards, whatever becomes of the answer.
    pub async fn refresh(&self, token: &SecretString) -> Result<Tokens, SurfaceError> {
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", token.expose_secret()),
        ];
        let answer = self.ask(&form).await?;
        tokens(&answer).ok_or_else(|| transient(EXCHANGE, "gave an answer that is none", None))
    }

    /// Gives a token back, so that it is worth nothing any more.
    pub async fn revoke(&self, token: &SecretString) -> Result<(), SurfaceError> {
        let request = self.http.post(format!("{}/{REVOKE}", self.api_url));
        let request = request.bearer_auth(token.expose_secret());
        settled(REVOKE, request).await.map(drop)
    }

    async fn ask(&self, form: &[(&str, &str)]) -> Result<Value, SurfaceError> {
        let request = self
            .http
            .post(format!("{}/{EXCHANGE}", self.api_url))
            .basic_auth(&self.client_id, Some(self.client_secret.expose_secret()))
            .form(form);
        settled(EXCHANGE, request).await
    }
}

/// Sends a request and reads its answer, of which an error tells the code alone.
async fn settled(
    method: &'static str,
    request: reqwest::RequestBuilder,
) -> Result<Value, SurfaceError> {
    let unreachable = |_| transient(method, "cannot be reached", None);
    let response = request.send().await.map_err(unreachable)?;
    let status = response.status();
    let pause = response
        .headers()
        .get("retry-after")
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .map(Duration::from_secs);
    if status.as_u16() == 429 {
        return Err(transient(method, "limits us", pause));
    }
    if status.is_server_error() {
        let how = format!("answered with status {}", status.as_u16());
        return Err(transient(method, &how, pause));
    }
    let answer: Value = response
        .json()
        .await
        .map_err(|_| transient(method, "gave an answer that is none", None))?;
    if answer["ok"] == true {
        Ok(answer)
    } else {
        let code = answer["error"].as_str().unwrap_or("unknown");
        Err(api::refused(method, code))
    }
}

fn grant(answer: &Value) -> Option<Grant> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (team, enterprise) = (&answer["team"], &answer["enterprise"]);
    let whole = answer["is_enterprise_install"] == true;
    let home = if whole { enterprise } else { team };
    let is_id = |id: &&str| !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric());
    let scopes = answer["scope"].as_str().unwrap_or_default();
    Some(Grant {
        home: home["id"].as_str().filter(is_id)?.to_owned(),
        enterprise: text(&enterprise["id"]),
        name: text(&home["name"]),
        bot_user: text(&answer["bot_user_id"]),
        scopes: scopes
            .split(',')
            .map(str::trim)
            .filter(|scope| !scope.is_empty())
            .map(str::to_owned)
            .collect(),
        tokens: tokens(answer)?,
    })
}

/// The tokens of an answer; none where it has none of a bot.
fn tokens(answer: &Value) -> Option<Tokens> {
    let secret = |field: &str| {
        let text = answer[field].as_str().filter(|text| !text.is_empty())?;
        Some(SecretString::from(text.to_owned()))
    };
    let is_bots = answer["token_type"]
        .as_str()
        .is_none_or(|kind| kind == "bot");
    let life = answer["expires_in"].as_u64().map(Duration::from_secs);
    Some(Tokens {
        access: secret("access_token").filter(|_| is_bots)?,
        refresh: secret("refresh_token"),
        life: life.map(|life| life.min(LIFE_MAX)),
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_workspace_and_a_whole_organisation_are_read_as_slack_documents_them() {
        let workspace = json!({
            "ok": true, "access_token": "xoxe.xoxb-1-a", "refresh_token": "xoxe-1-r", "expires_in": 43_200,
            "token_type": "bot", "scope": "chat:write,commands", "bot_user_id": "U0BOT", "app_id": "A1",
            "team": { "id": "T1", "name": "Acme" }, "enterprise": null, "is_enterprise_install": false,
        });
        let read = grant(&workspace).unwrap();
        assert_eq!(
            (
                read.home.as_str(),
                read.enterprise.as_str(),
                read.name.as_str()
            ),
            ("T1", "", "Acme")
        );
        assert_eq!(read.scopes, ["chat:write", "commands"]);
        assert_eq!(read.tokens.life, Some(Duration::from_hours(12)));
        assert_eq!(read.tokens.refresh.unwrap().expose_secret(), "xoxe-1-r");

        let whole = json!({
            "ok": true, "access_token": "xoxb-1", "token_type": "bot", "scope": "", "bot_user_id": "W0",
            "team": null, "enterprise": { "id": "E1", "name": "Starship" }, "is_enterprise_install": true,
        });
        let read = grant(&whole).unwrap();
        assert_eq!((read.home.as_str(), read.enterprise.as_str()), ("E1", "E1"));
        assert!(read.tokens.refresh.is_none() && read.tokens.life.is_none());
        // One that names nothing, and one whose name could be mistaken for a part of others.
        for id in [json!(null), json!("T1:C1"), json!("")] {
            let mut answer = workspace.clone();
            answer["team"]["id"] = id;
            assert!(grant(&answer).is_none());
        }
        let mut persons = workspace;
        persons["token_type"] = json!("user");
        assert!(grant(&persons).is_none());
    }

    #[test]
    fn the_page_asks_for_the_scopes_of_the_manifest_and_nothing_more() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let secret = SecretString::from("canary-of-the-client");
        let back = "https://deckhand.example.com/slack/oauth".to_owned();
        let oauth = Oauth::new("https://slack.com/api", ("1.2".to_owned(), secret), back).unwrap();
        let page = reqwest::Url::parse(&oauth.page("a&b").unwrap()).unwrap();
        assert_eq!(page.host_str(), Some("slack.com"));
        assert_eq!(page.path(), "/oauth/v2/authorize");
        let query: Vec<(String, String)> = page.query_pairs().into_owned().collect();
        let scopes = SCOPES.join(",");
        let expected = [
            ("client_id", "1.2"),
            ("scope", scopes.as_str()),
            ("redirect_uri", "https://deckhand.example.com/slack/oauth"),
            ("state", "a&b"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(query, expected);
        assert!(!format!("{oauth:?}").contains("canary"));
    }
}
