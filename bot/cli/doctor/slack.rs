//! Slack: the settings' token, its rights, the doors, and what was installed.

use crate::{
    clock::Clock,
    config::{Config, InstallConfig, SlackConfig},
    engine::workspaces::lacks_of,
    slack::{Slack, SocketMode, scopes},
    store::{
        Store,
        vault::Vault,
        workspaces::{OWN, Workspace},
    },
};

/// What there is to say of Slack.
pub(super) async fn finding(config: &Config) -> Result<String, String> {
    let Some(settings) = &config.slack else {
        return Ok("not set up (SLACK_BOT_TOKEN or SLACK_CLIENT_ID)".to_owned());
    };
    let mut told = Vec::new();
    if settings.bot_token.is_some() {
        told.push(own(config, settings).await?);
    }
    let sockets = SocketMode::of(Some(settings)).map_err(|error| error.to_string())?;
    told.push(match sockets {
        Some(sockets) => {
            sockets.check().await?;
            "Socket Mode works".to_owned()
        }
        None => "events come by HTTPS".to_owned(),
    });
    if let Some(install) = &settings.install {
        told.push(installed(config, settings, install).await?);
    }
    Ok(told.join("; "))
}

/// The workspace of the settings' token.
async fn own(config: &Config, settings: &SlackConfig) -> Result<String, String> {
    let Some(token) = settings.bot_token.clone() else {
        return Ok(String::new());
    };
    let slack = Slack::new(&settings.api_url, token).map_err(|error| error.to_string())?;
    let me = match slack.identity().await {
        Ok(me) => me,
        Err(error) => {
            let known = known(config).await.unwrap_or_default();
            let gone = known.into_iter().find(|one| one.id == OWN);
            let gone = gone.and_then(|own| own.closed);
            let gone = gone.map_or(String::new(), |(why, _)| {
                format!(" It is known that {why}.")
            });
            return Err(format!(
                "{error}.{gone} Check SLACK_BOT_TOKEN and SLACK_API_URL."
            ));
        }
    };
    let granted = slack
        .granted_scopes()
        .await
        .map_err(|error| error.to_string())?;
    match scopes::in_words(&scopes::lacking(&granted)) {
        Some(lacks) => Err(format!("{lacks}.")),
        None => Ok(format!("{} in {}", me.user_name, me.team_name)),
    }
}

/// Where workspaces have installed the app, and what is wrong with them.
async fn installed(
    config: &Config,
    settings: &SlackConfig,
    install: &InstallConfig,
) -> Result<String, String> {
    let known = known(config).await?.into_iter();
    let known: Vec<Workspace> = known.filter(|one| one.id != OWN).collect();
    let page = format!("{}/slack/install", config.public_url);
    let wrong: Vec<&str> = known
        .iter()
        .filter_map(|one| {
            let closed = one.closed.as_ref().map(|(why, _)| why.as_str());
            closed.or(one.trouble.as_deref())
        })
        .collect();
    if !wrong.is_empty() {
        return Err(format!(
            "{}. Where it is wanted, install the app again at {page}.",
            wrong.join("; ")
        ));
    }
    let lacks = lacking(config, settings, &known).await?;
    if !lacks.is_empty() {
        return Err(format!("{}, at {page}.", lacks.join("; ")));
    }
    let who = if install.teams.is_empty() {
        "nobody may install it until SLACK_INSTALL_TEAMS names somebody, at"
    } else {
        "others install it at"
    };
    Ok(format!(
        "{} workspaces have installed it; {who} {page}",
        known.len()
    ))
}

/// What Slack does not allow in each workspace, in words. A token whose time is over is no news: a server renews it.
async fn lacking(
    config: &Config,
    settings: &SlackConfig,
    known: &[Workspace],
) -> Result<Vec<String>, String> {
    if known.is_empty() {
        return Ok(Vec::new());
    }
    let keys = config.keys_in_force().map_err(|error| error.to_string())?;
    let store = Store::open_beside(&config.database_url)
        .await
        .map_err(|error| error.to_string())?;
    let (vault, now) = (Vault::new(store.clone(), keys), Clock::default().now());
    let mut lacks = Vec::new();
    for one in known {
        let secrets = vault.secrets_of(&one.id).await;
        let secrets = secrets.map_err(|error| error.to_string());
        let lack = match secrets {
            Ok(Some(secrets)) if secrets.ends.is_some_and(|ends| ends <= now) => None,
            Ok(Some(secrets)) => {
                let slack = Slack::new(&settings.api_url, secrets.access)
                    .map_err(|error| error.to_string())?;
                let lack = lacks_of(&slack, "Install the app again there").await;
                lack.unwrap_or_else(|error| Some(error.to_string()))
            }
            Ok(None) => Some("its token is not there. Install the app again there".to_owned()),
            Err(error) => Some(error),
        };
        lacks.extend(lack.map(|lack| format!("in the workspace {}, {lack}", one.name)));
    }
    store.close().await;
    Ok(lacks)
}

async fn known(config: &Config) -> Result<Vec<Workspace>, String> {
    let store = Store::open_beside(&config.database_url)
        .await
        .map_err(|error| error.to_string())?;
    let known = store.slack_workspaces().await;
    store.close().await;
    known.map_err(|error| error.to_string())
}
