//! Checks everything that is needed, and says what to do about what is missing.

use std::process::ExitCode;

use deckhand_executors::{Executor, docker::DockerExecutor, mirror};

mod server;
mod slack;
mod walls;

use super::say;
use crate::{
    config::{Config, GithubSignIn},
    engine::roster::Agents,
    github::Github,
    linear::Linear,
    redact::{Redactor, is_looked_for},
    store::{Store, vault::Vault},
    surface::NoTokens,
};

/// One thing that was looked at.
struct Finding {
    about: &'static str,
    outcome: Result<String, String>,
}

/// How closely it looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// At what can be asked.
    Asked,
    /// Also at what has to be tried, in a container.
    Tried,
}

/// Looks at everything. The exit status says whether all is well.
pub(super) async fn run(
    config: &Config,
    redactor: &Redactor,
    depth: Depth,
) -> anyhow::Result<ExitCode> {
    let mut findings = vec![
        Finding {
            about: "git",
            outcome: mirror::host_git()
                .await
                .map_err(|error| format!("{error}. Install git 2.38 or newer.")),
        },
        Finding {
            about: "database",
            outcome: database(config).await,
        },
    ];
    findings.push(Finding {
        about: "secrets",
        outcome: stored_secrets(config).await,
    });
    findings.push(Finding {
        about: "network",
        outcome: super::policy::finding(config),
    });
    findings.extend(engine(config, depth).await);
    findings.push(Finding {
        about: "server",
        outcome: server::finding(config).await,
    });
    findings.push(Finding {
        about: "slack",
        outcome: slack::finding(config).await,
    });
    findings.push(Finding {
        about: "linear",
        outcome: linear(config).await,
    });
    findings.push(Finding {
        about: "github",
        outcome: github(config).await,
    });
    let all_well = findings.iter().all(|finding| finding.outcome.is_ok());
    for finding in findings {
        match finding.outcome {
            Ok(text) => say(&redactor.redact(&format!("ok       {:<9} {text}", finding.about))),
            Err(text) => say(&redactor.redact(&format!("missing  {:<9} {text}", finding.about))),
        }
    }
    Ok(if all_well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn database(config: &Config) -> Result<String, String> {
    tokio::fs::create_dir_all(&config.data_dir)
        .await
        .map_err(|error| {
            format!("the data folder cannot be made: {error}. Set DECKHAND_DATA_DIR.")
        })?;
    let store = Store::open_beside(&config.database_url)
        .await
        .map_err(|error| format!("{error}. Check DECKHAND_DATABASE_URL."))?;
    let (inbox, _) = store
        .inbox_depth()
        .await
        .map_err(|error| error.to_string())?;
    let (outbox, oldest) = store
        .outbox_depth()
        .await
        .map_err(|error| error.to_string())?;
    let age = oldest.map_or(0, |oldest| {
        crate::clock::Clock::default()
            .now()
            .milliseconds_since(oldest)
            / 1_000
    });
    let (deliveries, effects) = store.given_up().await.map_err(|error| error.to_string())?;
    store.close().await;
    let given_up = if deliveries + effects > 0 {
        format!(
            "; {deliveries} deliveries and {effects} effects were given up: look at `deckhand inbox list` and `deckhand outbox list`"
        )
    } else {
        String::new()
    };
    Ok(format!(
        "{inbox} deliveries and {outbox} effects wait, the oldest effect for {age} s{given_up}"
    ))
}

/// Whether every stored secret can be opened.
async fn stored_secrets(config: &Config) -> Result<String, String> {
    let weak: Vec<&str> = config
        .held
        .iter()
        .filter(|(_, secret)| !is_looked_for(secret))
        .map(|(variable, _)| *variable)
        .collect();
    if !weak.is_empty() {
        return Err(format!(
            "{} could be an ordinary word, so it is not taken out of texts. Use a random value of 16 characters or more.",
            weak.join(", ")
        ));
    }
    let keys = config.keys_in_force().map_err(|error| error.to_string())?;
    let newest = keys.newest().id().clone();
    let store = Store::open_beside(&config.database_url)
        .await
        .map_err(|error| error.to_string())?;
    let checked = Vault::new(store.clone(), keys).check().await;
    store.close().await;
    let (number, used) = checked.map_err(|error| error.to_string())?;
    let advice = if used.iter().any(|key| *key != newest) {
        "; run `deckhand secrets rotate` to seal all of them with it"
    } else {
        ""
    };
    Ok(format!(
        "{number} stored, the newest key is {newest}{advice}"
    ))
}

async fn engine(config: &Config, depth: Depth) -> Vec<Finding> {
    let executor = match DockerExecutor::connect(
        &config.instance,
        config.sandbox.docker_host.as_deref(),
    ) {
        Ok(executor) => executor,
        Err(error) => {
            let outcome = Err(format!(
                "{error}. Start Docker, or set DECKHAND_DOCKER_HOST. `script/setup` installs it."
            ));
            return vec![Finding {
                about: "engine",
                outcome,
            }];
        }
    };
    let mut findings = vec![Finding {
        about: "engine",
        outcome: executor.describe().await.map_err(|error| error.to_string()),
    }];
    if findings.iter().all(|finding| finding.outcome.is_ok()) {
        findings.extend(walls::asked(&executor, &super::policy::runtimes(config)).await);
    }
    let agents = match Agents::new(config) {
        Ok(agents) => agents,
        Err(error) => {
            findings.push(Finding {
                about: "agents",
                outcome: Err(error.to_string()),
            });
            return findings;
        }
    };
    let usable = agents.usable();
    let default = agents.default_name();
    let outcome = if usable.iter().any(|name| name == default) {
        Ok(format!(
            "{} can work; {default} does where none is named",
            usable.join(", ")
        ))
    } else {
        Err(format!(
            "{default} has no key of a provider that it speaks to. Set ANTHROPIC_API_KEY, OPENAI_API_KEY or GEMINI_API_KEY."
        ))
    };
    findings.push(Finding {
        about: "agents",
        outcome,
    });
    let image = format!("{}{default}", config.image_prefix);
    let outcome = match executor.has_image(&image).await {
        Ok(true) => Ok(format!("{image} is present")),
        Ok(false) => Err(format!(
            "{image} is not there. Run `script/setup {default}`."
        )),
        Err(error) => Err(error.to_string()),
    };
    let is_present = outcome.is_ok();
    findings.push(Finding {
        about: "image",
        outcome,
    });
    if is_present && depth == Depth::Tried {
        findings.extend(walls::tried(&executor, &image, config.sandbox.runtime.clone()).await);
    }
    findings
}

async fn linear(config: &Config) -> Result<String, String> {
    let Some(settings) = &config.linear else {
        return Ok("not set up (LINEAR_CLIENT_ID)".to_owned());
    };
    let linear =
        Linear::new(settings, std::sync::Arc::new(NoTokens)).map_err(|error| error.to_string())?;
    let store = Store::open_beside(&config.database_url)
        .await
        .map_err(|error| error.to_string())?;
    let withdrawn = store.withdrawn(crate::linear::SURFACE).await;
    store.close().await;
    if let Some(since) = withdrawn.map_err(|error| error.to_string())? {
        return Err(format!(
            "its access was taken away on {}. Install the application again; the next session that somebody opens ends this.",
            crate::words::moment_of(since)
        ));
    }
    let told = linear.check().await.map_err(|error| {
        format!("{error}. Check LINEAR_CLIENT_ID, LINEAR_CLIENT_SECRET and LINEAR_API_URL.")
    })?;
    match linear.lacks().await {
        Some(lacks) => Err(format!("{told}: {lacks}.")),
        None => Ok(told),
    }
}

async fn github(config: &Config) -> Result<String, String> {
    if matches!(config.github.sign_in, GithubSignIn::None) {
        return Ok(
            "not set up (GITHUB_APP_ID or GITHUB_TOKEN); branches are pushed to plain remotes only"
                .to_owned(),
        );
    }
    let github = Github::new(&config.github).map_err(|error| error.to_string())?;
    github
        .check()
        .await
        .map_err(|error| format!("{error}. Check the App or token, and GITHUB_API_URL."))
}
