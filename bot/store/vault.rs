//! Stored secrets: sealed with a key that is not in the database, each bound to its name.
//!
//! ChaCha20-Poly1305 out of ring, which is in the program for TLS anyway. A nonce is 96 random bits: a key seals a few
//! values a day, far from the number at which two of them would meet.

use std::collections::BTreeSet;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::{
    aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    rand::{SecureRandom as _, SystemRandom},
};
use secrecy::{ExposeSecret as _, SecretString};

use super::{
    Store, StoreError,
    database::{Query, Row, query},
    moment,
};
use crate::{
    config::{EncryptionKey, EncryptionKeys, KeyId},
    domain::Timestamp,
};

/// The longest secret that is stored, in bytes. Tokens are far shorter.
const SECRET_MAX_BYTES: usize = 16 << 10;

/// The stored secrets, with the keys to them. Clones share both.
#[derive(Debug, Clone)]
pub struct Vault {
    store: Store,
    keys: EncryptionKeys,
}

/// A secret as it was put in.
#[derive(Debug, Clone)]
pub struct Kept {
    /// The secret.
    pub secret: SecretString,
    /// When it is worth nothing any more.
    pub ends: Timestamp,
}

/// What a rotation did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotated {
    /// How many were sealed anew.
    pub sealed_anew: u64,
    /// How many were sealed with the newest key already.
    pub newest_already: u64,
    /// The newest key.
    pub key: KeyId,
}

/// Why a stored secret cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The key that it was sealed with is not there.
    #[error(
        "the stored secret `{name}` is sealed with the key {key}, which is not among DECKHAND_ENCRYPTION_KEYS; add that key behind the newest"
    )]
    KeyMissing {
        /// The secret.
        name: String,
        /// The key.
        key: KeyId,
    },
    /// It was changed, or belongs to another name.
    #[error(
        "the stored secret `{name}` was changed outside of Deckhand, or its key is not what it was"
    )]
    Broken {
        /// The secret.
        name: String,
    },
    /// It is too long.
    #[error("a secret of more than {SECRET_MAX_BYTES} bytes is not stored")]
    TooLong,
    /// The cipher or the system's random bytes refused.
    #[error("a secret cannot be sealed on this system")]
    Sealing,
    /// The database refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for VaultError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// A row.
struct Sealed {
    name: String,
    key: KeyId,
    /// As [`seal`] made it.
    text: String,
    ends: Timestamp,
}

impl Vault {
    /// The secrets of a database.
    #[must_use]
    pub const fn new(store: Store, keys: EncryptionKeys) -> Self {
        Self { store, keys }
    }

    /// The database that the secrets are in.
    #[must_use]
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// Seals a secret and stores it under its name, in place of what was there.
    pub async fn put(
        &self,
        name: &str,
        secret: &SecretString,
        ends: Timestamp,
        now: Timestamp,
    ) -> Result<(), VaultError> {
        self.putting(name, secret, ends, now)?
            .execute(self.store.database.writing())
            .await?;
        Ok(())
    }

    /// The same as a part of something larger.
    pub(super) fn putting(
        &self,
        name: &str,
        secret: &SecretString,
        ends: Timestamp,
        now: Timestamp,
    ) -> Result<Query, VaultError> {
        let key = self.keys.newest();
        let sealed = seal(key, name, secret)?;
        Ok(query(
            "INSERT INTO secrets (name, key_id, sealed, ends_ms, changed_ms) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (name) DO UPDATE SET key_id = excluded.key_id, sealed = excluded.sealed, ends_ms = excluded.ends_ms, changed_ms = excluded.changed_ms",
        )
        .bind(name)
        .bind(&key.id().0)
        .bind(sealed)
        .bind(ends.0)
        .bind(now.0))
    }

    /// Opens the secret of this name, where there is one.
    pub async fn get(&self, name: &str) -> Result<Option<Kept>, VaultError> {
        let row = query("SELECT name, key_id, sealed, ends_ms FROM secrets WHERE name = $1")
            .bind(name)
            .fetch_optional(self.store.database.reading())
            .await?;
        let Some(row) = row else { return Ok(None) };
        let row = read(&row)?;
        Ok(Some(Kept {
            secret: self.open(&row)?,
            ends: row.ends,
        }))
    }

    /// Forgets the secret of this name.
    pub async fn remove(&self, name: &str) -> Result<(), VaultError> {
        query("DELETE FROM secrets WHERE name = $1")
            .bind(name)
            .execute(self.store.database.writing())
            .await?;
        Ok(())
    }

    /// Seals everything anew with the newest key. Each one by itself: where this ends in the middle, the rest can still
    /// be opened with the older keys, and the next call goes on.
    ///
    /// What cannot be opened is left as it is and is told at the end.
    pub async fn rotate(&self, now: Timestamp) -> Result<Rotated, VaultError> {
        let newest = self.keys.newest();
        let mut rotated = Rotated {
            sealed_anew: 0,
            newest_already: 0,
            key: newest.id().clone(),
        };
        let mut trouble = None;
        for row in self.rows().await? {
            if row.key == *newest.id() {
                rotated.newest_already += 1;
                continue;
            }
            let sealed = match self.open(&row) {
                Ok(secret) => seal(newest, &row.name, &secret)?,
                Err(error) => {
                    trouble.get_or_insert(error);
                    continue;
                }
            };
            // A server may have put another secret there meanwhile; that one stays.
            let done = query("UPDATE secrets SET key_id = $2, sealed = $3, changed_ms = $4 WHERE name = $1 AND sealed = $5")
                .bind(&row.name)
                .bind(&newest.id().0)
                .bind(sealed)
                .bind(now.0)
                .bind(&row.text)
                .execute(self.store.database.writing())
                .await?;
            rotated.sealed_anew += done;
        }
        trouble.map_or(Ok(rotated), Err)
    }

    /// How many secrets are stored, and which keys they are sealed with; an error where one of those is not there.
    pub async fn check(&self) -> Result<(usize, BTreeSet<KeyId>), VaultError> {
        let rows = self.rows().await?;
        for row in &rows {
            self.open(row)?;
        }
        Ok((rows.len(), rows.into_iter().map(|row| row.key).collect()))
    }

    /// Every stored secret, for a redactor.
    pub async fn secrets(&self) -> Result<Vec<SecretString>, VaultError> {
        let rows = self.rows().await?;
        rows.iter().map(|row| self.open(row)).collect()
    }

    async fn rows(&self) -> Result<Vec<Sealed>, VaultError> {
        let rows = query("SELECT name, key_id, sealed, ends_ms FROM secrets ORDER BY name")
            .fetch_all(self.store.database.reading())
            .await?;
        Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
    }

    fn open(&self, row: &Sealed) -> Result<SecretString, VaultError> {
        let Some(key) = self.keys.with_id(&row.key) else {
            return Err(VaultError::KeyMissing {
                name: row.name.clone(),
                key: row.key.clone(),
            });
        };
        open(key, &row.name, &row.text).ok_or_else(|| VaultError::Broken {
            name: row.name.clone(),
        })
    }
}

fn read(row: &Row) -> Result<Sealed, sqlx::Error> {
    Ok(Sealed {
        name: row.try_get("name")?,
        key: KeyId(row.try_get("key_id")?),
        text: row.try_get("sealed")?,
        ends: moment(row.try_get("ends_ms")?),
    })
}

/// Nonce, sealed bytes and tag, in Base64.
fn seal(key: &EncryptionKey, name: &str, secret: &SecretString) -> Result<String, VaultError> {
    let secret = secret.expose_secret().as_bytes();
    if secret.len() > SECRET_MAX_BYTES {
        return Err(VaultError::TooLong);
    }
    let mut nonce = [0; NONCE_LEN];
    SystemRandom::new()
        .fill(&mut nonce)
        .map_err(|_| VaultError::Sealing)?;
    let mut bytes = secret.to_vec();
    cipher(key)
        .and_then(|cipher| {
            let nonce = Nonce::assume_unique_for_key(nonce);
            cipher
                .seal_in_place_append_tag(nonce, bound_to(key, name), &mut bytes)
                .ok()
        })
        .ok_or(VaultError::Sealing)?;
    Ok(STANDARD.encode([&nonce[..], &bytes].concat()))
}

fn open(key: &EncryptionKey, name: &str, sealed: &str) -> Option<SecretString> {
    let bytes = STANDARD.decode(sealed).ok()?;
    let (nonce, sealed) = bytes.split_first_chunk::<NONCE_LEN>()?;
    let mut sealed = sealed.to_vec();
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let secret = cipher(key)?
        .open_in_place(nonce, bound_to(key, name), &mut sealed)
        .ok()?;
    Some(SecretString::from(String::from_utf8(secret.to_vec()).ok()?))
}

fn cipher(key: &EncryptionKey) -> Option<LessSafeKey> {
    let key = UnboundKey::new(&CHACHA20_POLY1305, key.bytes()).ok()?;
    Some(LessSafeKey::new(key))
}

/// A sealed value opens only under its own name and as sealed with its own key.
fn bound_to(key: &EncryptionKey, name: &str) -> Aad<Vec<u8>> {
    Aad::from(format!("deckhand secret 1\0{}\0{name}", key.id()).into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "lin_oauth_canary_0123456789abcdef";
    const NOW: Timestamp = Timestamp(1_000);
    const ENDS: Timestamp = Timestamp(2_000);

    fn keys(bytes: &[u8]) -> EncryptionKeys {
        let text: Vec<String> = bytes
            .iter()
            .map(|byte| STANDARD.encode([*byte; 32]))
            .collect();
        EncryptionKeys::read(&text.join(",")).expect("keys")
    }

    async fn store(folder: &std::path::Path) -> Store {
        Store::open(&format!("sqlite:{}", folder.join("db").display()))
            .await
            .expect("opened")
    }

    async fn opened(vault: &Vault, name: &str) -> Option<String> {
        let kept = vault.get(name).await.expect("opened")?;
        assert_eq!(kept.ends, ENDS);
        Some(kept.secret.expose_secret().to_owned())
    }

    #[tokio::test]
    async fn the_bytes_of_the_database_hold_no_secret() {
        let folder = tempfile::tempdir().expect("made");
        let store = store(folder.path()).await;
        let vault = Vault::new(store.clone(), keys(&[1]));
        vault
            .put("linear", &TOKEN.into(), ENDS, NOW)
            .await
            .expect("stored");
        let longer = format!("{TOKEN}-and-longer");
        vault
            .put("linear", &longer.clone().into(), ENDS, NOW)
            .await
            .expect("replaced");
        assert_eq!(opened(&vault, "linear").await, Some(longer));
        let mut files = 0;
        // The journal beside it too, before it is written into the database and after.
        for closed in [false, true] {
            if closed {
                store.close().await;
            }
            for entry in std::fs::read_dir(folder.path()).expect("read").flatten() {
                let bytes = std::fs::read(entry.path()).expect("read");
                let forms = [TOKEN.to_owned(), STANDARD.encode(TOKEN), hex::encode(TOKEN)];
                for form in &forms {
                    let half = &form.as_bytes()[..form.len() / 2];
                    assert!(
                        !bytes.windows(half.len()).any(|window| window == half),
                        "in {:?}",
                        entry.path()
                    );
                }
                files += 1;
            }
        }
        assert!(files >= 2);
    }

    #[tokio::test]
    async fn an_older_key_opens_and_the_newest_seals() {
        let folder = tempfile::tempdir().expect("made");
        let store = store(folder.path()).await;
        let before = Vault::new(store.clone(), keys(&[1]));
        for name in ["a", "b"] {
            before
                .put(name, &format!("{TOKEN}-{name}").into(), ENDS, NOW)
                .await
                .expect("stored");
        }
        let both = Vault::new(store.clone(), keys(&[2, 1]));
        assert_eq!(opened(&both, "a").await, Some(format!("{TOKEN}-a")));
        // What is put now has the newest key already: keys are mixed, and all of it opens.
        both.put("b", &TOKEN.into(), ENDS, NOW)
            .await
            .expect("stored");
        assert_eq!(both.check().await.expect("fine").1.len(), 2);
        let rotated = both.rotate(NOW).await.expect("rotated");
        assert_eq!((rotated.sealed_anew, rotated.newest_already), (1, 1));
        let again = both.rotate(NOW).await.expect("rotated");
        assert_eq!((again.sealed_anew, again.newest_already), (0, 2));
        let after = Vault::new(store.clone(), keys(&[2]));
        assert_eq!(opened(&after, "a").await, Some(format!("{TOKEN}-a")));
        assert_eq!(opened(&after, "b").await, Some(TOKEN.to_owned()));
    }

    #[tokio::test]
    async fn a_missing_key_is_named_and_loses_nothing() {
        let folder = tempfile::tempdir().expect("made");
        let store = store(folder.path()).await;
        let old = Vault::new(store.clone(), keys(&[1]));
        old.put("linear", &TOKEN.into(), ENDS, NOW)
            .await
            .expect("stored");
        let new = Vault::new(store.clone(), keys(&[2]));
        let id = keys(&[1]).newest().id().clone();
        for error in [
            new.get("linear").await.expect_err("no key"),
            new.rotate(NOW).await.expect_err("no key"),
            new.check().await.expect_err("no key"),
        ] {
            let text = error.to_string();
            assert!(
                text.contains(&id.0) && text.contains("DECKHAND_ENCRYPTION_KEYS"),
                "{text}"
            );
        }
        assert_eq!(opened(&old, "linear").await, Some(TOKEN.to_owned()));
    }

    #[tokio::test]
    async fn a_value_opens_only_under_its_own_name_and_unchanged() {
        let folder = tempfile::tempdir().expect("made");
        let store = store(folder.path()).await;
        let vault = Vault::new(store.clone(), keys(&[1]));
        vault
            .put("mine", &TOKEN.into(), ENDS, NOW)
            .await
            .expect("stored");
        vault
            .put("yours", &"another-secret".into(), ENDS, NOW)
            .await
            .expect("stored");
        query("UPDATE secrets SET sealed = (SELECT sealed FROM secrets WHERE name = 'mine') WHERE name = 'yours'")
            .execute(store.database.writing())
            .await
            .expect("changed");
        assert!(matches!(
            vault.get("yours").await,
            Err(VaultError::Broken { .. })
        ));
        assert_eq!(opened(&vault, "mine").await, Some(TOKEN.to_owned()));
        vault.remove("yours").await.expect("removed");
        assert_eq!(opened(&vault, "yours").await, None);
    }

    #[tokio::test]
    async fn the_same_secret_is_never_sealed_the_same_way_twice() {
        let keys = keys(&[1]);
        let sealed = || seal(keys.newest(), "a", &TOKEN.into()).expect("sealed");
        assert_ne!(sealed(), sealed());
        assert!(matches!(
            seal(keys.newest(), "a", &"x".repeat(SECRET_MAX_BYTES + 1).into()),
            Err(VaultError::TooLong)
        ));
    }
}
