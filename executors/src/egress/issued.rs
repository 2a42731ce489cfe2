//! The placeholders that runs hold in the place of keys. Each is one run's own: in another sandbox it is a sign that
//! something was carried over, and is refused.

use std::{
    collections::{HashMap, VecDeque},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hyper::{
    HeaderMap, Uri,
    header::{HeaderName, HeaderValue},
};
use secrecy::{ExposeSecret as _, SecretString};

use super::{
    base_address::KEY_PARAMETERS, forward::CREDENTIAL_HEADERS, record::Rule, refusal::Refusal,
};

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

/// The placeholders as one run's proxy sees them: its own come off, another's are refused.
#[derive(Debug, Clone)]
pub struct OfRun {
    all: Arc<Issued>,
    run: PathBuf,
    own: Arc<[SecretString]>,
}

impl OfRun {
    /// Issues a run its placeholders.
    pub fn new(all: Arc<Issued>, run: &Path, own: Vec<SecretString>) -> Self {
        for placeholder in &own {
            all.issue(placeholder, run);
        }
        Self {
            all,
            run: run.to_path_buf(),
            own: own.into(),
        }
    }

    /// Refuses a request that carries what stands for a credential in another sandbox.
    pub fn refuse_anothers(&self, headers: &HeaderMap, uri: &Uri) -> Result<(), Refusal> {
        if self.all.is_anothers(&self.run, headers, uri.query()) {
            let sentence =
                "This key stands for another sandbox's and is worth nothing in this one.";
            return Err(Refusal::Denied(Rule::Placeholder, sentence.to_owned()));
        }
        Ok(())
    }

    /// Takes every header away in which one of the run's own stands, whatever it is called.
    pub fn take_off(&self, headers: &mut HeaderMap) {
        let holds = |value: &HeaderValue| {
            let text = String::from_utf8_lossy(value.as_bytes());
            let mut own = self.own.iter();
            own.any(|placeholder| text.contains(placeholder.expose_secret()))
        };
        let names: Vec<HeaderName> = headers
            .iter()
            .filter(|(_, value)| holds(value))
            .map(|(name, _)| name.clone())
            .collect();
        for name in names {
            headers.remove(name);
        }
    }
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
        let is_foreign = |text: &str| {
            is_foreign(text) || password(text).is_some_and(|password| is_foreign(&password))
        };
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

/// The password in the pair of `Basic`, where this is one.
fn password(text: &str) -> Option<String> {
    let pair = String::from_utf8(STANDARD.decode(text).ok()?).ok()?;
    pair.split_once(':')
        .map(|(_, password)| password.to_owned())
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
            // `x:sk-ant-other`
            (headers("authorization", "Basic eDpzay1hbnQtb3RoZXI="), None),
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
    fn a_runs_own_come_off_whatever_header_they_stand_in() {
        let own = vec!["npm_own".into()];
        let run = OfRun::new(Arc::default(), Path::new("/s/1"), own);
        let mut sent = headers("x-anything", "token=npm_own;");
        sent.append("x-anything", "beside it".parse().unwrap());
        sent.insert("accept", "npm_other".parse().unwrap());
        run.take_off(&mut sent);
        let left: Vec<&str> = sent.keys().map(HeaderName::as_str).collect();
        assert_eq!(left, ["accept"]);
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
