//! The keys that stored secrets are sealed with: read from the settings, or made once and kept beside the database.

use std::{
    fmt,
    io::{ErrorKind, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    sync::Arc,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::rand::{SecureRandom as _, SystemRandom};
use secrecy::{ExposeSecret as _, SecretBox, SecretString};
use sha2::{Digest as _, Sha256};

/// The length of a key, in bytes.
pub const KEY_BYTES: usize = 32;
/// The most keys at once; rotation needs two.
const KEYS_MAX: usize = 16;
/// How many hexadecimal digits name a key.
const ID_DIGITS: usize = 8;
/// The file in the data folder.
const FILE: &str = "encryption.key";

/// What names a key without telling anything of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(pub String);

impl fmt::Display for KeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Keys, the newest first; never none. Clones share them.
#[derive(Debug, Clone)]
pub struct EncryptionKeys(Arc<[EncryptionKey]>);

/// One key.
#[derive(Debug)]
pub struct EncryptionKey {
    id: KeyId,
    bytes: SecretBox<[u8; KEY_BYTES]>,
}

/// Why there are no keys. Values are never part of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// One of them is neither a key nor a file with keys.
    #[error(
        "has something at place {place} that is neither {KEY_BYTES} bytes in Base64 nor a readable file with such keys"
    )]
    Unreadable {
        /// Which one, from 1.
        place: usize,
    },
    /// There are none.
    #[error("holds no key")]
    None,
    /// There are too many.
    #[error("holds more than {KEYS_MAX} keys")]
    TooMany,
    /// The file in the data folder can neither be read nor made.
    #[error("the file {FILE} in the data folder cannot be used: {0}")]
    File(ErrorKind),
    /// The system gives no random bytes.
    #[error("the system gives no random bytes")]
    Random,
}

impl EncryptionKeys {
    /// Reads keys in Base64, or paths of files that hold some, separated by commas; the newest first.
    pub fn read(text: &str) -> Result<Self, KeyError> {
        let mut keys = Vec::new();
        let places = text.split(',').map(str::trim);
        for (index, item) in places.filter(|item| !item.is_empty()).enumerate() {
            let unreadable = KeyError::Unreadable { place: index + 1 };
            match EncryptionKey::decode(item) {
                Some(key) => keys.push(key),
                None => match std::fs::read_to_string(item) {
                    Ok(text) => keys.extend(in_file(&text).ok_or(unreadable)?),
                    Err(_) => return Err(unreadable),
                },
            }
        }
        Self::of(keys)
    }

    /// The keys of the file in the data folder, which is made where it is missing. Only its owner may read it.
    pub fn kept_in(data_dir: &Path) -> Result<Self, KeyError> {
        if let Some(keys) = Self::left_in(data_dir)? {
            return Ok(keys);
        }
        make(data_dir).map_err(|error| KeyError::File(error.kind()))?;
        Self::left_in(data_dir)?.ok_or(KeyError::None)
    }

    /// These keys, and behind them the ones of the file in the data folder: what was sealed before the setting was made
    /// can still be opened.
    pub fn before_those_of(self, data_dir: &Path) -> Result<Self, KeyError> {
        let Some(older) = Self::left_in(data_dir)? else {
            return Ok(self);
        };
        let all = self.0.iter().chain(older.0.iter());
        Self::of(all.map(EncryptionKey::copy).collect())
    }

    /// The keys of the file in the data folder; none where there is no such file.
    fn left_in(data_dir: &Path) -> Result<Option<Self>, KeyError> {
        match std::fs::read_to_string(data_dir.join(FILE)) {
            Ok(text) => Self::of(in_file(&text).ok_or(KeyError::None)?).map(Some),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(KeyError::File(error.kind())),
        }
    }

    fn of(mut keys: Vec<EncryptionKey>) -> Result<Self, KeyError> {
        let mut known = std::collections::BTreeSet::new();
        keys.retain(|key| known.insert(key.id.clone()));
        match keys.len() {
            0 => Err(KeyError::None),
            1..=KEYS_MAX => Ok(Self(keys.into())),
            _ => Err(KeyError::TooMany),
        }
    }

    /// The one that new secrets are sealed with.
    #[must_use]
    pub fn newest(&self) -> &EncryptionKey {
        &self.0[0]
    }

    /// The one with this name.
    #[must_use]
    pub fn with_id(&self, id: &KeyId) -> Option<&EncryptionKey> {
        self.0.iter().find(|key| key.id == *id)
    }

    /// Each as text, in the forms that somebody could print it in, for the redactor.
    #[must_use]
    pub fn secrets(&self) -> Vec<SecretString> {
        let forms = |key: &EncryptionKey| {
            let bytes = key.bytes.expose_secret();
            [STANDARD.encode(bytes), hex::encode(bytes)].map(SecretString::from)
        };
        self.0.iter().flat_map(forms).collect()
    }
}

impl EncryptionKey {
    /// Its name.
    #[must_use]
    pub const fn id(&self) -> &KeyId {
        &self.id
    }

    /// The key itself, for the cipher.
    #[must_use]
    pub fn bytes(&self) -> &[u8; KEY_BYTES] {
        self.bytes.expose_secret()
    }

    fn decode(text: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text).ok()?;
        Some(Self::new(bytes.try_into().ok()?))
    }

    fn new(bytes: [u8; KEY_BYTES]) -> Self {
        let digest = Sha256::new()
            .chain_update(b"deckhand encryption key:")
            .chain_update(bytes)
            .finalize();
        let mut id = hex::encode(digest);
        id.truncate(ID_DIGITS);
        Self {
            id: KeyId(id),
            bytes: SecretBox::new(Box::new(bytes)),
        }
    }

    fn copy(&self) -> Self {
        Self::new(*self.bytes())
    }
}

/// A fresh key in Base64, as the setting takes it.
pub fn fresh_key() -> Result<SecretString, KeyError> {
    let mut bytes = [0; KEY_BYTES];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| KeyError::Random)?;
    Ok(STANDARD.encode(bytes).into())
}

/// One key a line or between commas; none where something else stands there.
fn in_file(text: &str) -> Option<Vec<EncryptionKey>> {
    text.split([',', '\n'])
        .map(str::trim)
        .filter(|item| !item.is_empty())
        .map(EncryptionKey::decode)
        .collect()
}

/// Makes the file whole or not at all, and leaves one alone that another process made meanwhile.
fn make(data_dir: &Path) -> std::io::Result<()> {
    let fresh = fresh_key().map_err(std::io::Error::other)?;
    std::fs::create_dir_all(data_dir)?;
    let draft = data_dir.join(format!("{FILE}.{}", uuid::Uuid::new_v4().simple()));
    let written = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)
        .and_then(|mut file| {
            file.write_all(fresh.expose_secret().as_bytes())?;
            file.write_all(b"\n")?;
            file.sync_all()
        })
        .and_then(|()| std::fs::hard_link(&draft, data_dir.join(FILE)));
    std::fs::remove_file(&draft)?;
    match written {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn key(byte: u8) -> String {
        STANDARD.encode([byte; KEY_BYTES])
    }

    #[test]
    fn keys_are_read_from_text_and_from_files_newest_first() {
        let folder = tempfile::tempdir().expect("made");
        let file = folder.path().join("older");
        std::fs::write(&file, format!("{}\n{}\n", key(2), key(3))).expect("written");
        let keys = EncryptionKeys::read(&format!("{}, {}", key(1), file.display())).expect("read");
        assert_eq!(keys.0.len(), 3);
        assert_eq!(keys.newest().bytes(), &[1; KEY_BYTES]);
        let oldest = EncryptionKey::new([3; KEY_BYTES]);
        assert_eq!(
            keys.with_id(oldest.id()).expect("there").bytes(),
            oldest.bytes()
        );
        assert_eq!(oldest.id().0.len(), ID_DIGITS);
    }

    #[test]
    fn a_mistake_is_named_by_its_place_and_never_by_its_value() {
        let error =
            EncryptionKeys::read(&format!("{},canary-no-key", key(1))).expect_err("no key there");
        assert_eq!(error, KeyError::Unreadable { place: 2 });
        assert!(!error.to_string().contains("canary"), "{error}");
        assert_eq!(
            EncryptionKeys::read(" , ").expect_err("none"),
            KeyError::None
        );
        let short = STANDARD.encode([1; 31]);
        assert_eq!(
            EncryptionKeys::read(&short).expect_err("too short"),
            KeyError::Unreadable { place: 1 }
        );
    }

    #[test]
    fn a_key_of_its_own_is_made_once_and_only_its_owner_reads_it() {
        let folder = tempfile::tempdir().expect("made");
        let data_dir = folder.path().join("d");
        let first = EncryptionKeys::kept_in(&data_dir).expect("made");
        let again = EncryptionKeys::kept_in(&data_dir).expect("read");
        assert_eq!(first.newest().bytes(), again.newest().bytes());
        let mode = std::fs::metadata(data_dir.join(FILE))
            .expect("there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(
            std::fs::read_dir(&data_dir).expect("read").count(),
            1,
            "no draft is left"
        );
    }

    #[test]
    fn a_broken_file_is_no_reason_to_make_another_key() {
        let folder = tempfile::tempdir().expect("made");
        std::fs::write(folder.path().join(FILE), "half a key").expect("written");
        assert_eq!(
            EncryptionKeys::kept_in(folder.path()).expect_err("broken"),
            KeyError::None
        );
    }

    #[test]
    fn a_setting_stands_before_the_key_that_was_made() {
        let folder = tempfile::tempdir().expect("made");
        let own = EncryptionKeys::kept_in(folder.path()).expect("made");
        let keys = EncryptionKeys::read(&key(1))
            .expect("read")
            .before_those_of(folder.path())
            .expect("read");
        assert_eq!(keys.newest().bytes(), &[1; KEY_BYTES]);
        assert!(keys.with_id(own.newest().id()).is_some());
    }

    #[test]
    fn keys_print_their_names_only() {
        let keys = EncryptionKeys::read(&key(b'k')).expect("read");
        let printed = format!("{keys:?}");
        assert!(printed.contains(&keys.newest().id().0), "{printed}");
        assert!(
            !printed.contains("107, 107") && !printed.contains(&key(b'k')),
            "{printed}"
        );
    }
}
