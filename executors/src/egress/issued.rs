//! The placeholders that runs hold in the place of keys. Each is one run's own: in another sandbox it is a sign that
//! something was carried over, and is refused.

use std::{
    collections::{HashMap, VecDeque},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use hyper::{HeaderMap, header::HeaderName};
use secrecy::{ExposeSecret as _, SecretString};

use super::{base_address::KEY_PARAMETERS, forward::CREDENTIAL_HEADERS};

/// Placeholders that are known at a time; the oldest are forgotten first.
const MAX_KNOWN: usize = 10_000;

/// The placeholders of all runs, those of ended ones among them.
#[derive(Debug, Default)]
pub struct Issued {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    runs: HashMap<String, PathBuf>,
    oldest_first: VecDeque<String>,
}

impl Issued {
    /// Notes that a run, known by its folder, holds a placeholder. A repeat changes nothing.
    pub fn issue(&self, placeholder: &SecretString, run: &Path) {
        let mut known = self.known();
        let text = placeholder.expose_secret().to_owned();
        let before = known.runs.insert(text.clone(), run.to_path_buf());
        if before.is_none() {
            known.oldest_first.push_back(text);
        }
        while known.oldest_first.len() > MAX_KNOWN {
            if let Some(oldest) = known.oldest_first.pop_front() {
                known.runs.remove(&oldest);
            }
        }
    }

    /// Whether a request carries a placeholder that is not this run's, wherever clients put their keys.
    pub fn is_anothers(&self, run: &Path, headers: &HeaderMap, query: Option<&str>) -> bool {
        let known = self.known();
        let is_foreign = |text: &str| known.runs.get(text).is_some_and(|owner| owner != run);
        let in_headers = CREDENTIAL_HEADERS
            .into_iter()
            .flat_map(|name: HeaderName| headers.get_all(name))
            .filter_map(|value| value.to_str().ok())
            // The scheme in front of it, if there is one, is not part of it.
            .filter_map(|value| value.rsplit(' ').next());
        let in_query = query
            .into_iter()
            .flat_map(|query| query.split('&'))
            .filter_map(|pair| pair.split_once('='))
            .filter(|(name, _)| KEY_PARAMETERS.contains(&name.to_ascii_lowercase().as_str()))
            .map(|(_, value)| value);
        in_headers.chain(in_query).any(is_foreign)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Nothing can panic while it is held.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        headers
    }

    #[test]
    fn a_placeholder_is_known_wherever_it_stands_and_good_in_its_own_run() {
        let issued = Issued::default();
        let (own, other) = (Path::new("/s/1"), Path::new("/s/2"));
        issued.issue(&"sk-ant-own".into(), own);
        issued.issue(&"sk-ant-other".into(), other);
        issued.issue(&"sk-ant-own".into(), own);
        let none = HeaderMap::new();
        for (headers, query) in [
            (headers("x-api-key", "sk-ant-other"), None),
            (headers("authorization", "Bearer sk-ant-other"), None),
            (headers("x-goog-api-key", "sk-ant-other"), None),
            (none.clone(), Some("alt=sse&KEY=sk-ant-other")),
        ] {
            assert!(issued.is_anothers(own, &headers, query), "{headers:?}");
            assert!(!issued.is_anothers(other, &headers, query), "{headers:?}");
        }
        for (headers, query) in [
            (headers("x-api-key", "sk-ant-own"), None),
            (headers("x-api-key", "a key of the project's tests"), None),
            (none, Some("q=sk-ant-other")),
        ] {
            assert!(!issued.is_anothers(own, &headers, query), "{headers:?}");
        }
    }

    #[test]
    fn only_so_many_are_known() {
        let issued = Issued::default();
        for number in 0..=MAX_KNOWN {
            issued.issue(&format!("key-{number}").into(), Path::new("/s/1"));
        }
        assert_eq!(issued.known().runs.len(), MAX_KNOWN);
        let oldest = headers("x-api-key", "key-0");
        assert!(!issued.is_anothers(Path::new("/s/2"), &oldest, None));
    }
}
