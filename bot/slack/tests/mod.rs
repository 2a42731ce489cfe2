//! Slack, tried: payloads that production sent, and calls to the stand-in.

mod blocks;
pub(crate) mod broken;
mod calls;
mod doors;
mod payloads;
pub(crate) mod recorded;
mod sessions;
mod tiers;

use super::inbound::Identity;

fn me(user: &str) -> Identity {
    Identity {
        user_id: user.into(),
        team_id: "T1".into(),
        bot_id: Some("B0BOT".into()),
        team_name: "Acme".into(),
        user_name: "deckhand".into(),
        url: String::new(),
        organisation: None,
    }
}
