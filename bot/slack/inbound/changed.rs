//! Messages that people edit or delete. They come as hidden messages that hold the message before and after.
//!
//! Slack sends the same event for much that nobody did: previews of links, counts of replies, the bot's own edits. Only
//! what a person wrote differently is an edit.

use serde_json::Value;

use super::{
    Accepted, Identity, Relevance, author, own_users,
    said::{files, outsider},
    team, text, text_of,
};
use crate::{domain::incoming::Incoming, slack::ids};

/// What was done to a message.
enum What<'a> {
    /// The words are different.
    Edited {
        /// The message of now.
        now: &'a Value,
        /// Its moment of this edit.
        edited_ts: &'a str,
        /// Who edited it.
        by: &'a str,
    },
    /// It is gone.
    Deleted,
}

/// A message that a person edited or deleted.
pub(super) struct Changed<'a> {
    team: &'a str,
    channel: &'a str,
    ts: &'a str,
    /// The message as it was.
    before: &'a Value,
    what: What<'a>,
}

impl<'a> Changed<'a> {
    /// Whether an event is of this kind at all.
    pub(super) fn is_one(event: &Value) -> bool {
        matches!(
            text_of(event, "subtype"),
            "message_changed" | "message_deleted"
        )
    }

    /// The change in an event; none where no person's words are different.
    pub(super) fn of(payload: &'a Value) -> Option<Self> {
        let event = &payload["event"];
        let before = &event["previous_message"];
        let user = before["user"].as_str()?;
        let is_ours = own_users(payload).any(|own| own == user);
        if before["bot_id"].is_string() || user == "USLACKBOT" || is_ours {
            return None;
        }
        let now = &event["message"];
        // A message with replies leaves its place behind.
        let is_gone = text_of(event, "subtype") == "message_deleted"
            || text_of(now, "subtype") == "tombstone";
        let what = if is_gone {
            What::Deleted
        } else {
            if text_of(now, "text") == text_of(before, "text") {
                return None;
            }
            What::Edited {
                now,
                edited_ts: now["edited"]["ts"].as_str()?,
                by: now["edited"]["user"].as_str().unwrap_or(user),
            }
        };
        Some(Self {
            team: team(payload),
            channel: event["channel"].as_str()?,
            ts: before["ts"].as_str()?,
            before,
            what,
        })
    }

    pub(super) fn accepted(&self, payload: &Value) -> Accepted {
        let (key, relevance) = match &self.what {
            What::Edited { edited_ts, .. } => {
                let called = own_users(payload).any(|own| self.calls(own));
                let relevance = if called {
                    Relevance::Certain
                } else {
                    Relevance::IfConversationKnown
                };
                (format!("edited:{}", self.key(edited_ts)), relevance)
            }
            What::Deleted => (
                format!("deleted:{}", self.key("")),
                Relevance::IfConversationKnown,
            ),
        };
        Accepted {
            key,
            conversation_hint: Some(self.conversation()),
            reaction_on: None,
            relevance,
        }
    }

    pub(super) fn read(&self, payload: &Value, me: &Identity) -> Option<Incoming> {
        if self.before["user"] == me.user_id.as_str() {
            return None;
        }
        let (conversation, reference) = (
            self.conversation(),
            ids::line(self.team, self.channel, self.ts),
        );
        Some(match &self.what {
            What::Edited { now, by, .. } => Incoming::Edited {
                conversation,
                reference,
                by: author(self.team, by, outsider(payload, now, self.team)),
                text: text::plain(text_of(now, "text"), &me.user_id),
                files: files(now),
                mentioned: self.calls(&me.user_id),
                place: format!("slack:{}:{}", self.team, self.channel),
            },
            What::Deleted => Incoming::Deleted {
                conversation,
                reference,
            },
        })
    }

    /// Whether the edit put a mention of this user into it.
    fn calls(&self, user: &str) -> bool {
        let What::Edited { now, .. } = &self.what else {
            return false;
        };
        text::mentions(text_of(now, "text"), user)
            && !text::mentions(text_of(self.before, "text"), user)
    }

    fn conversation(&self) -> crate::domain::conversation::ConversationId {
        let thread = self.before["thread_ts"].as_str().unwrap_or(self.ts);
        ids::conversation(self.team, self.channel, Some(thread))
    }

    fn key(&self, moment: &str) -> String {
        format!("{}:{}:{}:{moment}", self.team, self.channel, self.ts)
    }
}
