//! The app is taken out of the workspace and put back.

use serde_json::{Value, json};

use super::directory::BOT_USER;
use super::{Delivery, Slack, TokenStanding, events};

impl Slack {
    /// Somebody removes the app: its token is worth nothing, and Slack says so.
    pub async fn uninstall(&self) -> anyhow::Result<Delivery> {
        self.set_token(TokenStanding::Revoked);
        self.say_of_app(&json!({ "type": "app_uninstalled" })).await
    }

    /// Somebody takes the bot's token back, and Slack says so.
    pub async fn revoke_token(&self) -> anyhow::Result<Delivery> {
        self.set_token(TokenStanding::Revoked);
        self.say_of_app(
            &json!({ "type": "tokens_revoked", "tokens": { "oauth": [], "bot": [BOT_USER] } }),
        )
        .await
    }

    /// Slack says something of the app itself, whether it is so or not.
    pub async fn say_of_app(&self, event: &Value) -> anyhow::Result<Delivery> {
        let what = event["type"].as_str().unwrap_or_default();
        let parcel = self
            .core
            .change(|workspace| events::of_app(workspace, what, event));
        self.core.deliver_one(parcel).await
    }
}
