//! The doors as a process of their own, beside the bot: they stay open while the bot is started anew, and what reaches them is not
//! where the container engine, the models' keys and the work are.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{database, keys, not_opened};
use crate::{
    clock::Clock,
    config::Config,
    redact::Redactor,
    store::{Store, StoreError, vault::Vault},
    wake::Wake,
    web::{
        self,
        alone::{Alone, Draining},
        doors::Doors,
    },
};

/// How often it is looked whether the bot has made the database.
const LOOKED_EVERY: Duration = Duration::from_millis(500);
/// How often stored secrets are learned.
const LEARNED_EVERY: Duration = Duration::from_mins(1);
/// The least time between two bells: in a flood one is enough for many deliveries.
const RUNG_EVERY: Duration = Duration::from_millis(5);
/// How long requests that have begun may take to end.
const END_WITHIN: Duration = Duration::from_secs(6);

/// Runs the doors until `stop`. They open when the bot has made the database, or brought it up to date.
pub async fn run(
    config: Config,
    clock: Clock,
    redactor: Redactor,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let opened = tokio::select! {
        opened = opened(&config) => opened,
        () = stop.cancelled() => return Ok(()),
    };
    let store = opened.map_err(not_opened)?;
    let mut sealed = Sealed {
        vault: vault(&config, &store, &redactor)?,
        redactor: redactor.clone(),
        told: false,
    };
    // Before anything comes in.
    sealed.learn().await;
    let listener = TcpListener::bind(config.doors_listen)
        .await
        .with_context(|| format!("cannot listen on {}", config.doors_listen))?;
    let (wake, draining) = (Wake::default(), Draining::default());
    let alone = Alone {
        doors: Doors {
            config: Arc::new(config),
            store: store.clone(),
            clock,
            wake: wake.clone(),
            redactor,
        },
        metrics: web::metrics::recorder(),
        draining: draining.clone(),
    };
    info!(address = %listener.local_addr()?, "the doors are open; the bot works beside");
    let doors = CancellationToken::new();
    let mut server = tokio::spawn(web::server::serve(
        listener,
        web::alone::router(alone),
        doors.clone(),
    ));
    tokio::select! {
        () = ring(&store, &wake) => {}
        () = sealed.learn_again(LEARNED_EVERY) => {}
        () = database::watch((store.clone(), wake.clone()), stop.clone()) => {}
        () = stop.cancelled() => {}
    }
    draining.begin();
    doors.cancel();
    if tokio::time::timeout(END_WITHIN, &mut server).await.is_err() {
        server.abort();
    }
    store.ring_for_delivery().await;
    store.close().await;
    Ok(())
}

/// The database, once the bot has made it.
async fn opened(config: &Config) -> Result<Store, StoreError> {
    let mut told = false;
    loop {
        match Store::open_for_doors(&config.database_url).await {
            Err(error @ StoreError::Older) if !told => {
                warn!("{error}; the doors open then");
                told = true;
            }
            Err(StoreError::Older) => {}
            opened => return opened,
        }
        tokio::time::sleep(LOOKED_EVERY).await;
    }
}

/// What the bot has made and sealed in the meantime, so that nothing of it is kept of what comes in.
fn vault(config: &Config, store: &Store, redactor: &Redactor) -> anyhow::Result<Vault> {
    if let Some(secret) = &config.with_own_secret().secret {
        redactor.add(secret);
    }
    Ok(Vault::new(store.clone(), keys(config, redactor)?))
}

/// What the bot has sealed: its tokens, which change.
struct Sealed {
    vault: Vault,
    redactor: Redactor,
    /// Whether it was said that it cannot be opened.
    told: bool,
}

impl Sealed {
    /// From now on it is looked for in what comes in.
    async fn learn(&mut self) {
        match self.vault.secrets().await {
            Ok(secrets) => {
                for secret in &secrets {
                    self.redactor.add(secret);
                }
                self.told = false;
            }
            Err(error) if !self.told => {
                warn!(
                    error = &error as &dyn std::error::Error,
                    "what is stored sealed is not looked for in what comes in"
                );
                self.told = true;
            }
            Err(_) => {}
        }
    }

    async fn learn_again(&mut self, every: Duration) {
        loop {
            tokio::time::sleep(every).await;
            self.learn().await;
        }
    }
}

/// Rings for the bot when something was stored, and every now and then beside.
async fn ring(store: &Store, wake: &Wake) {
    loop {
        wake.wait_inbox().await;
        store.ring_for_delivery().await;
        tokio::time::sleep(RUNG_EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;
    use crate::{config::EncryptionKeys, domain::Timestamp};

    #[tokio::test]
    async fn a_token_that_the_bot_seals_later_is_looked_for_too() {
        let folder = tempfile::tempdir().unwrap();
        let database = format!("sqlite:{}", folder.path().join("db").display());
        let store = Store::open(&database).await.unwrap();
        let keys = EncryptionKeys::kept_in(folder.path()).unwrap();
        let bot = Vault::new(store, keys);
        let redactor = Redactor::new([]).unwrap();
        let mut sealed = Sealed {
            vault: bot.clone(),
            redactor: redactor.clone(),
            told: false,
        };
        for token in ["lin_oauth_canary_first", "lin_oauth_canary_renewed"] {
            assert!(redactor.redact(token).contains(token));
            bot.put("linear", &token.into(), Timestamp(2_000), Timestamp(1_000))
                .await
                .unwrap();
            let learned = async {
                while redactor.redact(token).contains(token) {
                    tokio::task::yield_now().await;
                }
            };
            tokio::select! {
                () = learned => {}
                () = sealed.learn_again(Duration::from_millis(1)) => {}
            }
        }
    }
}
