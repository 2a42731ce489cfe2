//! Messages of people, which arrive as `message`, as `app_mention`, or as both.

use serde_json::Value;

use super::{Accepted, Identity, Relevance, author, own_users, team, text, text_of};
use crate::{
    domain::{
        conversation::{ConversationId, FileRef, LineRef, Standing},
        incoming::Incoming,
    },
    slack::ids,
};

/// The most files of one message that are taken.
const FILES_MAX: usize = 20;

/// The key of the delivery by which a message comes. A mention arrives twice, with two identifiers and sometimes in either
/// order; what was said is the same.
#[must_use]
pub fn said_key(line: &LineRef) -> String {
    let (_, place) = line.0.split_once(':').unwrap_or_default();
    format!("said:{place}")
}

/// A message that a person wrote.
pub(super) struct Said<'a> {
    event: &'a Value,
    team: &'a str,
    channel: &'a str,
    ts: &'a str,
    user: &'a str,
}

impl<'a> Said<'a> {
    /// The message in an event; none where it is an edit, a deletion, a service message, or by a program.
    pub(super) fn of(payload: &'a Value) -> Option<Self> {
        let event = &payload["event"];
        match text_of(event, "subtype") {
            "" | "file_share" | "thread_broadcast" | "me_message" => {}
            _ => return None,
        }
        if event["bot_id"].is_string() || event["hidden"] == true {
            return None;
        }
        let user = event["user"].as_str()?;
        if user == "USLACKBOT" || own_users(payload).any(|own| own == user) {
            return None;
        }
        Some(Self {
            event,
            team: team(payload),
            channel: event["channel"].as_str()?,
            ts: event["ts"].as_str()?,
            user,
        })
    }

    pub(super) fn accepted(&self, payload: &Value) -> Option<Accepted> {
        // Whom Slack says that a mention is for needs no list of the bot's own users, which may be missing.
        let mentioned = self.is_addressed() || own_users(payload).any(|own| self.means(own));
        let relevance = match (mentioned, self.is_reply()) {
            (true, _) => Relevance::Certain,
            (false, true) => Relevance::IfConversationKnown,
            (false, false) => return None,
        };
        Some(Accepted {
            key: said_key(&self.reference()),
            conversation_hint: Some(self.conversation()),
            reaction_on: None,
            relevance,
        })
    }

    pub(super) fn read(&self, payload: &Value, me: &Identity) -> Option<Incoming> {
        if self.user == me.user_id {
            return None;
        }
        Some(Incoming::Said {
            conversation: self.conversation(),
            reference: self.reference(),
            by: author(
                self.team,
                self.user,
                outsider(payload, self.event, self.team),
            ),
            text: text::plain(text_of(self.event, "text"), &me.user_id),
            files: files(self.event),
            mentioned: self.means(&me.user_id),
            place: format!("slack:{}:{}", self.team, self.channel),
        })
    }

    /// Whether the bot is meant without doubt. In a direct message, every word is for it.
    fn means(&self, bot_user: &str) -> bool {
        self.is_addressed() || text::mentions(text_of(self.event, "text"), bot_user)
    }

    /// Whether the event itself says that the bot is meant.
    fn is_addressed(&self) -> bool {
        text_of(self.event, "type") == "app_mention" || self.is_direct()
    }

    fn is_direct(&self) -> bool {
        text_of(self.event, "channel_type") == "im" || self.channel.starts_with('D')
    }

    fn is_reply(&self) -> bool {
        self.event["thread_ts"]
            .as_str()
            .is_some_and(|thread| thread != self.ts)
    }

    /// The thread; a message outside of any opens its own.
    fn conversation(&self) -> ConversationId {
        ids::conversation(
            self.team,
            self.channel,
            Some(self.event["thread_ts"].as_str().unwrap_or(self.ts)),
        )
    }

    fn reference(&self) -> LineRef {
        ids::line(self.team, self.channel, self.ts)
    }
}

/// In a channel that is shared with others, whoever belongs to another team is an outsider, whatever else is known.
pub(super) fn outsider(payload: &Value, message: &Value, team: &str) -> Option<Standing> {
    // An organisation has many teams; whether somebody's is one of them is asked of Slack.
    if super::organisation(payload).is_some() {
        return None;
    }
    let home = message["user_team"]
        .as_str()
        .or_else(|| message["source_team"].as_str())?;
    (payload["is_ext_shared_channel"] == true && home != team).then_some(Standing::Outsider)
}

/// What hangs on a message. A file that was deleted since is none.
pub(crate) fn files(message: &Value) -> Vec<FileRef> {
    let all = message["files"]
        .as_array()
        .map_or(&[] as &[Value], Vec::as_slice);
    let known = all
        .iter()
        .filter(|file| text_of(file, "mode") != "tombstone");
    known
        .filter_map(|file| {
            // Files of other organisations come with an identifier alone, and are looked up when they are wanted.
            let handle = file["url_private_download"]
                .as_str()
                .or_else(|| file["url_private"].as_str())
                .or_else(|| file["id"].as_str())?;
            Some(FileRef {
                name: file["name"]
                    .as_str()
                    .or_else(|| file["title"].as_str())
                    .unwrap_or("file")
                    .to_owned(),
                media_type: file["mimetype"]
                    .as_str()
                    .unwrap_or("application/octet-stream")
                    .to_owned(),
                size_bytes: file["size"].as_u64().unwrap_or(0),
                handle: handle.to_owned(),
            })
        })
        .take(FILES_MAX)
        .collect()
}
