//! The credential of one push. It is given back after the push, also where the push was broken off.

use std::fmt;

use deckhand_executors::mirror::Credential;
use tracing::warn;

use super::client::Client;

/// What git signs in with for one push.
pub struct PushCredential {
    credential: Credential,
    /// The connection that is signed in with it, until it was given back; none for a token that stands.
    client: Option<Client>,
}

impl PushCredential {
    /// One that was taken out for this push.
    pub(super) const fn taken_out(credential: Credential, client: Client) -> Self {
        Self {
            credential,
            client: Some(client),
        }
    }

    /// A person's token, which is not the bot's to end.
    pub(super) const fn standing(credential: Credential) -> Self {
        Self {
            credential,
            client: None,
        }
    }

    /// User and secret.
    #[must_use]
    pub const fn credential(&self) -> &Credential {
        &self.credential
    }

    /// Ends it now. Where that fails it ends by itself within the hour.
    pub async fn give_back(mut self) {
        if let Some(client) = self.client.take() {
            revoke(&client).await;
        }
    }
}

impl Drop for PushCredential {
    fn drop(&mut self) {
        // A cancel breaks the push off in the middle.
        if let (Some(client), Ok(runtime)) =
            (self.client.take(), tokio::runtime::Handle::try_current())
        {
            runtime.spawn(async move { revoke(&client).await });
        }
    }
}

impl fmt::Debug for PushCredential {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("PushCredential")
            .finish_non_exhaustive()
    }
}

async fn revoke(client: &Client) {
    let revoked = client
        .delete("giving a token back", "/installation/token")
        .await;
    if revoked.is_err() {
        warn!("the token of a push could not be given back; it ends by itself within the hour");
    }
}
