//! Addresses inside the sandbox that stand for a model provider: the path's prefix says which, the proxy adds the key.

use std::fmt;

use hyper::{
    HeaderMap, Uri,
    header::{AUTHORIZATION, HeaderName, HeaderValue},
    http::uri::{Authority, PathAndQuery, Scheme},
};
use secrecy::{ExposeSecret as _, SecretString};

use super::{EgressError, meter::endpoint::Provider, placeholder_like};

/// Query parameters in which providers accept a key. The sandbox's own never pass.
pub(super) const KEY_PARAMETERS: [&str; 3] = ["key", "api_key", "access_token"];

/// How a provider wants its key.
#[derive(Debug, Clone)]
pub enum ApiKey {
    /// In a header of its own: `x-api-key` (Anthropic), `x-goog-api-key` (Gemini).
    Header {
        /// The header's name.
        name: HeaderName,
        /// The key.
        value: SecretString,
    },
    /// As `Authorization: Bearer …` (`OpenAI`, and most gateways).
    Bearer(SecretString),
}

impl ApiKey {
    /// The key in the header `x-api-key`.
    #[must_use]
    pub fn anthropic(value: SecretString) -> Self {
        Self::Header {
            name: HeaderName::from_static("x-api-key"),
            value,
        }
    }

    /// The key in the header `x-goog-api-key`.
    #[must_use]
    pub fn gemini(value: SecretString) -> Self {
        Self::Header {
            name: HeaderName::from_static("x-goog-api-key"),
            value,
        }
    }

    fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        let (name, text) = match self {
            Self::Header { name, value } => (name.clone(), value.expose_secret().to_owned()),
            Self::Bearer(value) => (AUTHORIZATION, format!("Bearer {}", value.expose_secret())),
        };
        let mut value = HeaderValue::try_from(text).ok()?;
        value.set_sensitive(true);
        Some((name, value))
    }
}

/// One base address: what is asked below `/<prefix>/` is asked of the upstream with its key.
#[derive(Clone)]
pub struct BaseAddress {
    prefix: String,
    scheme: Scheme,
    authority: Authority,
    path: String,
    header: HeaderName,
    value: HeaderValue,
    provider: Option<(Provider, SecretString)>,
}

impl BaseAddress {
    /// The base address of a model provider, with its customary prefix and its key: `anthropic`, `gemini`, and
    /// `openai/v1`, whose `upstream` has the version too. Calls of models below it are counted, and nothing but calls
    /// of models, counts of tokens and lists of models is let through.
    pub fn of_provider(
        provider: Provider,
        upstream: &str,
        key: SecretString,
    ) -> Result<Self, EgressError> {
        let (prefix, form) = match provider {
            Provider::Anthropic => ("anthropic", ApiKey::anthropic(key.clone())),
            Provider::OpenAi => ("openai/v1", ApiKey::Bearer(key.clone())),
            Provider::Gemini => ("gemini", ApiKey::gemini(key.clone())),
        };
        let base = Self::new(prefix, upstream, &form)?;
        Ok(Self {
            provider: Some((provider, key)),
            ..base
        })
    }

    /// The base address of something that is no model provider, so that nothing is counted.
    ///
    /// `prefix` is one or more path segments (`anthropic`, `openai/v1`), `upstream` an `http` or `https` address
    /// without query and without a name and password in it; its path is kept in front.
    pub fn new(prefix: &str, upstream: &str, key: &ApiKey) -> Result<Self, EgressError> {
        let refuse = |reason: &str| EgressError::BaseAddress {
            prefix: prefix.to_owned(),
            reason: reason.to_owned(),
        };
        let prefix = prefix.trim_matches('/');
        if prefix.is_empty() {
            return Err(refuse("its prefix is empty"));
        }
        let parts = upstream
            .parse::<Uri>()
            .map_err(|_| refuse("its upstream is no address"))?
            .into_parts();
        let scheme = parts
            .scheme
            .filter(|scheme| matches!(scheme.as_str(), "http" | "https"));
        let scheme = scheme.ok_or_else(|| refuse("its upstream is neither http nor https"))?;
        let authority = parts
            .authority
            .ok_or_else(|| refuse("its upstream names no host"))?;
        if authority.as_str().contains('@') {
            return Err(refuse("its upstream holds a name or a password"));
        }
        if parts
            .path_and_query
            .as_ref()
            .is_some_and(|path| path.query().is_some())
        {
            return Err(refuse("its upstream has a query"));
        }
        let path = parts.path_and_query.map_or_else(String::new, |path| {
            path.path().trim_end_matches('/').to_owned()
        });
        // A tunnel through the house's proxy takes 443 for the port of an address that names none.
        let authority = match authority.port() {
            None if scheme == Scheme::HTTP => format!("{authority}:80")
                .parse()
                .map_err(|_| refuse("its port is none"))?,
            None | Some(_) => authority,
        };
        let (header, value) = key
            .header()
            .ok_or_else(|| refuse("its key cannot stand in a header"))?;
        Ok(Self {
            prefix: prefix.to_owned(),
            scheme,
            authority,
            path,
            header,
            value,
            provider: None,
        })
    }

    /// The model provider that it stands for.
    pub(super) fn provider(&self) -> Option<Provider> {
        self.provider.as_ref().map(|(provider, _)| *provider)
    }

    /// What stands for a provider's key in the sandbox of the run with this seed.
    pub(super) fn placeholder(&self, seed: &SecretString) -> Option<(Provider, SecretString)> {
        let (provider, key) = self.provider.as_ref()?;
        Some((*provider, placeholder_like(key, seed)))
    }

    /// The prefix, without slashes around it.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The provider's host, with its port where it is not the customary one.
    #[must_use]
    pub fn host(&self) -> &str {
        self.authority.as_str()
    }

    /// The rest of a path below the prefix, if it is below.
    pub(super) fn below<'a>(&self, path: &'a str) -> Option<&'a str> {
        let rest = path.strip_prefix('/')?.strip_prefix(self.prefix.as_str())?;
        (rest.is_empty() || rest.starts_with('/')).then_some(rest)
    }

    /// The upstream's address of a path below the prefix.
    pub(super) fn upstream(&self, rest: &str, query: Option<&str>) -> Option<Uri> {
        let query = query.map(without_keys).filter(|query| !query.is_empty());
        let (slash, question) = (
            if rest.is_empty() { "/" } else { "" },
            if query.is_some() { "?" } else { "" },
        );
        let path = format!(
            "{}{rest}{slash}{question}{}",
            self.path,
            query.unwrap_or_default()
        );
        Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.authority.clone())
            .path_and_query(PathAndQuery::try_from(path).ok()?)
            .build()
            .ok()
    }

    /// Adds the key to a request.
    pub(super) fn add_key(&self, headers: &mut HeaderMap) {
        headers.insert(self.header.clone(), self.value.clone());
    }
}

impl fmt::Debug for BaseAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "BaseAddress(/{} -> {}://{}{})",
            self.prefix, self.scheme, self.authority, self.path
        )
    }
}

/// The base address with the longest prefix above a path, and the rest of the path.
pub fn find<'a, 'b>(bases: &'a [BaseAddress], path: &'b str) -> Option<(&'a BaseAddress, &'b str)> {
    let below = bases
        .iter()
        .filter_map(|base| Some((base, base.below(path)?)));
    below.max_by_key(|(base, _)| base.prefix.len())
}

fn without_keys(query: &str) -> String {
    let kept = query.split('&').filter(|pair| {
        let name = pair.split('=').next().unwrap_or(pair);
        // An escaped name could be any of them; no client writes these names so.
        !name.contains('%') && !KEY_PARAMETERS.contains(&name.to_ascii_lowercase().as_str())
    });
    kept.collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

    use super::*;

    fn base(prefix: &str, upstream: &str) -> BaseAddress {
        BaseAddress::new(prefix, upstream, &ApiKey::Bearer("real".into())).unwrap()
    }

    #[test]
    fn a_path_below_the_prefix_goes_to_the_upstream_without_the_clients_key() {
        let bases = [
            base("anthropic", "https://models.example"),
            base("openai", "http://127.0.0.1:9/gateway/"),
            base("openai/v1", "http://127.0.0.1:9/gateway/one"),
        ];
        let table = [
            (
                "/anthropic/v1/messages",
                Some("beta=true"),
                Some("https://models.example/v1/messages?beta=true"),
            ),
            ("/anthropic", None, Some("https://models.example/")),
            (
                "/anthropic//evil.example/x",
                None,
                Some("https://models.example//evil.example/x"),
            ),
            (
                "/openai/v1/responses",
                None,
                Some("http://127.0.0.1:9/gateway/one/responses"),
            ),
            (
                "/openai/models",
                Some("KEY=mine&alt=sse&k%65y=x"),
                Some("http://127.0.0.1:9/gateway/models?alt=sse"),
            ),
            (
                "/openai/models",
                Some("key=mine"),
                Some("http://127.0.0.1:9/gateway/models"),
            ),
            ("/anthropicx/v1", None, None),
            ("/", None, None),
        ];
        for (path, query, expected) in table {
            let found = find(&bases, path).and_then(|(base, rest)| base.upstream(rest, query));
            assert_eq!(
                found.map(|uri| uri.to_string()).as_deref(),
                expected,
                "{path}"
            );
        }
    }

    #[test]
    fn an_upstream_that_cannot_be_asked_is_refused_at_once() {
        for upstream in [
            "",
            "models.example",
            "ftp://a.example",
            "https://ana:secret@a.example",
            "https://a.example/?x=1",
        ] {
            let key = ApiKey::Bearer("real".into());
            let error = BaseAddress::new("p", upstream, &key).expect_err(upstream);
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        BaseAddress::new(
            "p",
            "https://a.example",
            &ApiKey::Bearer("two\nlines".into()),
        )
        .unwrap_err();
    }

    #[test]
    fn the_key_is_not_printed() {
        let base = base("openai", "https://a.example");
        let mut headers = HeaderMap::new();
        base.add_key(&mut headers);
        assert_eq!(headers[AUTHORIZATION], "Bearer real");
        assert!(!format!("{base:?} {headers:?}").contains("real"));
    }
}
