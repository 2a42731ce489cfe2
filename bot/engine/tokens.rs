//! Tokens of platforms: sealed in the database, and known to the redactor from the moment at which they are had.

use std::time::Duration;

use futures::future::BoxFuture;
use tracing::warn;

use crate::{
    clock::Clock,
    redact::Redactor,
    store::vault::Vault,
    surface::{Token, TokenStore},
};

/// The longest life of a token that is believed. What a platform says beyond it is no reason to keep it longer.
const LIFE_MAX: Duration = Duration::from_hours(24 * 366);

/// Keeps tokens in the vault.
#[derive(Debug, Clone)]
pub struct VaultTokens {
    vault: Vault,
    redactor: Redactor,
    clock: Clock,
}

impl VaultTokens {
    /// Puts it together.
    #[must_use]
    pub const fn new(vault: Vault, redactor: Redactor, clock: Clock) -> Self {
        Self {
            vault,
            redactor,
            clock,
        }
    }

    async fn look(&self, name: &str) -> Option<Token> {
        let kept = match self.vault.get(name).await {
            Ok(kept) => kept?,
            Err(error) => {
                warn!(%error, "a stored token cannot be used; another one is taken out");
                return None;
            }
        };
        self.redactor.add(&kept.secret);
        let left = kept.ends.milliseconds_since(self.clock.now());
        let life = Duration::from_millis(u64::try_from(left).ok().filter(|left| *left > 0)?);
        Some(Token {
            secret: kept.secret,
            life,
        })
    }
}

impl TokenStore for VaultTokens {
    fn kept<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Option<Token>> {
        Box::pin(self.look(name))
    }

    fn keep<'a>(&'a self, name: &'a str, token: &'a Token) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            self.redactor.add(&token.secret);
            let ends = self.clock.later(token.life.min(LIFE_MAX));
            let now = self.clock.now();
            if let Err(error) = self.vault.put(name, &token.secret, ends, now).await {
                warn!(%error, "a token cannot be stored; the next start takes out another one");
            }
        })
    }

    fn forget<'a>(&'a self, name: &'a str) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            if let Err(error) = self.vault.remove(name).await {
                warn!(%error, "a stored token cannot be removed");
            }
        })
    }

    fn is_withdrawn<'a>(&'a self, surface: &'a str) -> BoxFuture<'a, bool> {
        Box::pin(async move {
            match self.vault.store().withdrawn(surface).await {
                Ok(since) => since.is_some(),
                // Then the platform says so itself.
                Err(error) => {
                    warn!(%error, "it cannot be read whether a platform gives access");
                    false
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;
    use crate::{config::EncryptionKeys, store::Store};

    #[tokio::test]
    async fn a_token_is_kept_as_long_as_it_lives_and_is_redacted_from_then_on() {
        let folder = tempfile::tempdir().expect("made");
        let store = Store::open(&format!("sqlite:{}", folder.path().join("db").display()))
            .await
            .expect("opened");
        let keys = EncryptionKeys::kept_in(folder.path()).expect("made");
        let clock = Clock::default();
        let redactor = || Redactor::new([]).expect("made");
        let tokens = |redactor: &Redactor| {
            VaultTokens::new(
                Vault::new(store.clone(), keys.clone()),
                redactor.clone(),
                clock.clone(),
            )
        };
        let token = Token {
            secret: "canary-token-of-a-platform".into(),
            life: Duration::from_mins(10),
        };
        let first = redactor();
        tokens(&first).keep("linear", &token).await;
        assert_eq!(
            first.redact("it is canary-token-of-a-platform"),
            "it is [redacted]"
        );
        // The next process.
        let second = redactor();
        let kept = tokens(&second).kept("linear").await.expect("kept");
        assert_eq!(kept.secret.expose_secret(), token.secret.expose_secret());
        assert!(kept.life <= token.life && kept.life > Duration::from_mins(9));
        assert_eq!(
            second.redact("it is canary-token-of-a-platform"),
            "it is [redacted]"
        );
        assert!(tokens(&second).kept("another").await.is_none());
        clock.advance(Duration::from_mins(10));
        assert!(tokens(&second).kept("linear").await.is_none());
        tokens(&second).keep("linear", &token).await;
        tokens(&second).forget("linear").await;
        assert!(tokens(&second).kept("linear").await.is_none());
    }
}
