//! Who is asking, and what they may touch.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::{HeaderMap, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use secrecy::ExposeSecret as _;

use super::reply::ApiError;
use super::state::{Access, RepositoryName, Shared};

/// The person that the plain token belongs to.
pub(super) const TOKEN_OWNER: &str = "ana";
/// The login under which an installation writes.
pub(super) const APP_LOGIN: &str = "deckhand[bot]";
/// The scopes of the plain token.
pub(super) const TOKEN_SCOPES: &str = "repo, workflow";

/// Who sent a request.
#[derive(Debug, Clone)]
pub(super) enum Caller {
    /// A person's token.
    Person,
    /// The App itself, by a JSON Web Token.
    App,
    /// The App's installation.
    Installation(Grant),
}

/// What an installation token carries.
#[derive(Debug, Clone)]
pub(super) struct Grant {
    repositories: Option<BTreeSet<String>>,
    permissions: BTreeMap<String, String>,
}

/// What a request needs in a repository: a permission's name and how much of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Need {
    permission: &'static [&'static str],
    write: Write,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Write {
    No,
    Yes,
}

impl Need {
    /// Reading; any one of the named permissions is enough.
    pub(super) const fn read(permission: &'static [&'static str]) -> Self {
        Self {
            permission,
            write: Write::No,
        }
    }

    /// Writing; any one of the named permissions is enough.
    pub(super) const fn write(permission: &'static [&'static str]) -> Self {
        Self {
            permission,
            write: Write::Yes,
        }
    }
}

/// Reads the `Authorization` header of a REST request.
pub(super) fn caller(shared: &Shared, headers: &HeaderMap) -> Result<Caller, ApiError> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Err(ApiError::new(
            StatusCode::UNAUTHORIZED,
            "Requires authentication",
        ));
    };
    let value = value.to_str().map_err(|_| ApiError::bad_credentials())?;
    let (scheme, secret) = value
        .split_once(' ')
        .ok_or_else(ApiError::bad_credentials)?;
    if scheme.eq_ignore_ascii_case("basic") {
        let secret = basic_password(secret).ok_or_else(ApiError::bad_credentials)?;
        return by_token(shared, &secret);
    }
    if !scheme.eq_ignore_ascii_case("bearer") && !scheme.eq_ignore_ascii_case("token") {
        return Err(ApiError::bad_credentials());
    }
    if secret.matches('.').count() == 2 {
        return by_jwt(shared, secret);
    }
    by_token(shared, secret)
}

/// The password of a Basic credential, which is where git puts its token.
pub(super) fn basic_password(encoded: &str) -> Option<String> {
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    decoded
        .split_once(':')
        .map(|(_, password)| password.to_owned())
}

fn by_jwt(shared: &Shared, jwt: &str) -> Result<Caller, ApiError> {
    let app = shared.app.as_ref().ok_or_else(ApiError::bad_credentials)?;
    app.key
        .check(jwt, app.id, Timestamp::now().as_second())
        .map_err(|refused| ApiError::new(StatusCode::UNAUTHORIZED, refused.to_string()))?;
    Ok(Caller::App)
}

/// Who a token stands for, if it lives.
pub(super) fn by_token(shared: &Shared, secret: &str) -> Result<Caller, ApiError> {
    if shared
        .token
        .as_ref()
        .is_some_and(|token| token.expose_secret() == secret)
    {
        return Ok(Caller::Person);
    }
    let state = shared.lock();
    let token = state
        .tokens
        .get(secret)
        .ok_or_else(ApiError::bad_credentials)?;
    if token.expires_at <= Timestamp::now() {
        return Err(ApiError::bad_credentials());
    }
    Ok(Caller::Installation(Grant {
        repositories: token.repositories.clone(),
        permissions: token.permissions.clone(),
    }))
}

impl Caller {
    /// The login that what they write carries.
    pub(super) fn login(&self) -> &'static str {
        match self {
            Self::Person => TOKEN_OWNER,
            Self::App | Self::Installation(_) => APP_LOGIN,
        }
    }

    /// Finds a repository that this caller may see and use in this way.
    pub(super) fn repository(
        &self,
        shared: &Shared,
        (owner, name): &(String, String),
        need: Need,
    ) -> Result<RepositoryName, ApiError> {
        let name = RepositoryName::new(owner, name).map_err(|_| ApiError::not_found())?;
        let state = shared.lock();
        let repository = state
            .repositories
            .get(&name)
            .ok_or_else(ApiError::not_found)?;
        match self {
            Self::Person => {
                let access = state
                    .people
                    .get(TOKEN_OWNER)
                    .copied()
                    .unwrap_or(Access::None);
                if access == Access::None {
                    return Err(ApiError::not_found());
                }
                if need.write == Write::Yes && access < Access::Write {
                    let message = "Resource not accessible by personal access token";
                    return Err(ApiError::new(StatusCode::FORBIDDEN, message));
                }
            }
            Self::App => return Err(ApiError::new(StatusCode::UNAUTHORIZED, "Bad credentials")),
            Self::Installation(grant) => {
                if !repository.installed || !grant.covers(&name) {
                    return Err(ApiError::not_found());
                }
                if !grant.allows(need) {
                    let message = "Resource not accessible by integration";
                    return Err(ApiError::new(StatusCode::FORBIDDEN, message));
                }
            }
        }
        Ok(name)
    }

    /// Whether pushes of this caller may touch `.github/workflows`.
    pub(super) fn may_change_workflows(&self) -> bool {
        match self {
            Self::Person => true,
            Self::App => false,
            Self::Installation(grant) => grant.allows(Need::write(&["workflows"])),
        }
    }

    /// Which repositories the caller's token is narrowed to, where it is.
    pub(super) fn narrowed_to(&self) -> Option<&BTreeSet<String>> {
        match self {
            Self::Person | Self::App => None,
            Self::Installation(grant) => grant.repositories.as_ref(),
        }
    }
}

impl Grant {
    fn covers(&self, name: &RepositoryName) -> bool {
        self.repositories
            .as_ref()
            .is_none_or(|names| names.contains(&name.full()))
    }

    fn allows(&self, need: Need) -> bool {
        need.permission.iter().any(|name| {
            *name == "metadata"
                || match self.permissions.get(*name).map(String::as_str) {
                    Some("write" | "admin") => true,
                    Some("read") => need.write == Write::No,
                    Some(_) | None => false,
                }
        })
    }
}
