//! Linear: agent sessions as conversations, activities as what is said.
//!
//! Linear derives a session's state from its last activity, and nothing that was said can be changed. So a status is a
//! passing thought, a decision is a question with choices, and an end is a response.

mod access;
mod authors;
mod changes;
mod choices;
mod client;
mod conversation;
mod files;
mod filing;
mod guidance;
pub mod ids;
mod inbound;
mod issue;
mod joining;
mod making;
mod memory;
mod operations;
mod reactions;
mod show;
mod signature;
mod talk;
mod token;

#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use access::sent_at;
pub use guidance::guidance;
pub use inbound::{Accepted, Relevance, about, accept, read};
pub use joining::{is_addressed, named_in, only_names};
pub use making::{NewIssue, TeamChoice};
pub use signature::{SignatureError, verify};
pub use talk::Floor;

use crate::{
    config::LinearConfig,
    domain::conversation::{ConversationId, FileRef, LineRef},
    surface::{SurfaceError, TokenStore},
};
use client::Client;
use memory::Memories;
use operations::{VIEWER, ViewerAnswer};

/// The surface's name, which stands in front of the first colon of every key.
pub const SURFACE: &str = "linear";

/// The bot's side of Linear. Clones share connection, token and memory.
#[derive(Clone)]
pub struct Linear {
    client: Client,
    uploads_url: String,
    memories: Arc<Memories>,
}

impl Linear {
    /// Puts it together; asks nothing. The token is kept in `tokens`.
    pub fn new(config: &LinearConfig, tokens: Arc<dyn TokenStore>) -> Result<Self, SurfaceError> {
        Ok(Self {
            client: Client::new(config, tokens)?,
            uploads_url: config.uploads_url.clone(),
            memories: Arc::default(),
        })
    }

    /// Shows that a line was heard: the session shows that by itself.
    #[expect(clippy::unused_async, reason = "the same call on every surface")]
    pub async fn hear(
        &self,
        _conversation: &ConversationId,
        _line: &LineRef,
    ) -> Result<(), SurfaceError> {
        Ok(())
    }

    /// The bytes of a file that hung on a line, at most `limit_bytes`.
    pub async fn download(
        &self,
        file: &FileRef,
        limit_bytes: u64,
    ) -> Result<Vec<u8>, SurfaceError> {
        files::download(&self.client, &self.uploads_url, file, limit_bytes).await
    }

    /// Whether the application has not lost its access, as far as the bot was told. Asks nothing of Linear.
    pub async fn has_access(&self) -> bool {
        self.client.has_access().await
    }

    /// Forgets the application's token: Linear has taken its access away.
    pub async fn sign_out(&self) {
        self.client.sign_out().await;
    }

    /// What the application's token may not do that it is asked for, in words; none where nothing is missing, or where Linear
    /// has not said. Known of a token that was taken out here.
    pub async fn lacks(&self) -> Option<String> {
        let each = self.client.lacking().await.into_iter().map(|scope| {
            let without = match scope {
                "read" => "issues and comments cannot be read",
                "write" => "nothing can be said",
                "app:assignable" => "issues cannot be delegated to the bot",
                "app:mentionable" => "mentions open no session",
                _ => "it is asked for",
            };
            format!("{scope} ({without})")
        });
        let each: Vec<String> = each.collect();
        (!each.is_empty()).then(|| {
            let each = each.join(", ");
            format!("these scopes are missing: {each}. Allow them in the application's settings and install it again")
        })
    }

    /// One line for `deckhand doctor`: who the bot is, and where.
    pub async fn check(&self) -> Result<String, SurfaceError> {
        let answer: ViewerAnswer = self.client.run(&VIEWER, &serde_json::json!({})).await?;
        Ok(format!(
            "`{}` in the workspace {}",
            answer.viewer.name, answer.organization.name
        ))
    }
}
