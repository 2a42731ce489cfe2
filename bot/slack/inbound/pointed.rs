//! The shortcut in a message's menu: somebody makes a request of what somebody has said.

use serde_json::Value;

use super::{
    Accepted, Identity, author, certain, interactor,
    said::{files, outsider},
    team, text, text_of,
};
use crate::{
    domain::{conversation::Standing, incoming::Incoming},
    slack::{ids, manifest::TURN_INTO_TASK},
};

/// A message that somebody pointed at.
pub(super) struct Pointed<'a> {
    team: &'a str,
    channel: &'a str,
    message: &'a Value,
    ts: &'a str,
    by: &'a str,
}

impl<'a> Pointed<'a> {
    /// The message in an interaction; none where the shortcut is not ours.
    pub(super) fn of(payload: &'a Value) -> Option<Self> {
        (text_of(payload, "callback_id") == TURN_INTO_TASK).then_some(())?;
        let message = &payload["message"];
        Some(Self {
            team: team(payload),
            channel: payload["channel"]["id"].as_str()?,
            message,
            ts: message["ts"]
                .as_str()
                .or_else(|| payload["message_ts"].as_str())?,
            by: payload["user"]["id"].as_str()?,
        })
    }

    /// The shortcut's own moment tells two uses apart; a repeat has the same.
    pub(super) fn accepted(&self, payload: &Value) -> Option<Accepted> {
        let moment = ["action_ts", "trigger_id"]
            .into_iter()
            .find_map(|field| payload[field].as_str())?;
        let key = format!(
            "shortcut:{}:{}:{}:{}:{moment}",
            self.team, self.channel, self.ts, self.by
        );
        Some(certain(key, self.conversation()))
    }

    pub(super) fn read(&self, payload: &Value, me: &Identity) -> Option<Incoming> {
        // What a program wrote has no user, or the program's own.
        let standing = if self.message["bot_id"].is_string() {
            Some(Standing::Bot)
        } else {
            outsider(payload, self.message, self.team)
        };
        let user = ["user", "bot_id", "username"]
            .into_iter()
            .find_map(|field| self.message[field].as_str())
            .unwrap_or("unknown");
        let mut writer = author(self.team, user, standing);
        if standing == Some(Standing::Bot) {
            writer.name = Some(text_of(self.message, "username").to_owned())
                .filter(|name| !name.is_empty())
                .or_else(|| Some("an app".to_owned()));
        }
        Some(Incoming::Pointed {
            conversation: self.conversation(),
            reference: ids::line(self.team, self.channel, self.ts),
            by: interactor(payload)?,
            writer,
            text: text::plain(text_of(self.message, "text"), &me.user_id),
            files: files(self.message),
            place: format!("slack:{}:{}", self.team, self.channel),
        })
    }

    fn conversation(&self) -> crate::domain::conversation::ConversationId {
        let thread = self.message["thread_ts"].as_str().unwrap_or(self.ts);
        ids::conversation(self.team, self.channel, Some(thread))
    }
}
