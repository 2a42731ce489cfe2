//! A message as the workspace keeps it: what it says now, what it said before, and its shape on the wire.

use std::time::Instant;

use serde_json::{Value, json};

use super::directory::{APP_ID, BOT_ID};
use super::ids::{ChannelId, FileId, Ts, UserId};
use super::workspace::Workspace;

/// Who can see a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Everybody in the channel.
    Everyone,
    /// One person (an ephemeral message).
    Only(UserId),
}

/// Whether a message still says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It can be read.
    Live,
    /// It was deleted while it had replies: only the place remains.
    Tombstone,
}

/// Whether people see that a message was edited. Slack shows it only where the text was edited without blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EditMark {
    /// No mark.
    Hidden,
    /// "(edited)", with who did it and when.
    Shown {
        /// Who edited.
        by: UserId,
        /// When, as a time stamp.
        ts: Ts,
    },
}

/// One emoji on a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reaction {
    /// The emoji's name without colons.
    pub name: String,
    /// Who reacted with it, in order.
    pub users: Vec<UserId>,
    /// When the first of them did.
    pub at: Instant,
}

/// What a message said before an edit.
#[derive(Clone, Debug)]
pub struct Version {
    /// The text it had.
    pub text: String,
    /// The blocks it had.
    pub blocks: Vec<Value>,
    /// When it was replaced.
    pub until: Instant,
}

/// A message in a channel or thread.
#[derive(Clone, Debug)]
pub struct Message {
    /// When it was written; also its identifier.
    pub ts: Ts,
    /// Where it stands.
    pub channel: ChannelId,
    /// The root of its thread, where it is a reply.
    pub thread: Option<Ts>,
    /// Who wrote it.
    pub user: UserId,
    /// The text as it travels: mentions as `<@U…>`, `&`, `<` and `>` escaped.
    pub text: String,
    /// Its blocks, as they were sent.
    pub blocks: Vec<Value>,
    /// Files that are shown with it.
    pub files: Vec<FileId>,
    /// Emojis on it, in order of arrival.
    pub reactions: Vec<Reaction>,
    /// Who sees it.
    pub audience: Audience,
    /// Whether it still says something.
    pub presence: Presence,
    /// Whether an edit is shown.
    pub edit_mark: EditMark,
    /// What it said before, oldest first.
    pub versions: Vec<Version>,
    /// The metadata that the app attached.
    pub metadata: Option<Value>,
    /// When it arrived, for measuring.
    pub posted_at: Instant,
}

/// A button or menu in a message, with all that a press on it needs; it can be pressed after it has gone, as a
/// person does whose window has not caught up yet.
#[derive(Clone, Debug)]
pub struct Control {
    /// The message that it stands in.
    pub message: Ts,
    /// The label: a button's text, a menu's placeholder.
    pub label: String,
    /// The `action_id`.
    pub action_id: String,
    /// The `block_id` of its block.
    pub block_id: String,
    /// The element as it was sent.
    pub element: Value,
    /// The message on the wire when the control was seen.
    pub(crate) seen_in: Value,
}

impl Message {
    /// Whether the bot wrote it.
    #[must_use]
    pub fn from_bot(&self) -> bool {
        self.user.as_str() == super::directory::BOT_USER
    }

    /// Whether `user` reacted to it with `emoji` (a name without colons).
    #[must_use]
    pub fn has_reaction(&self, user: &UserId, emoji: &str) -> bool {
        self.reactions
            .iter()
            .any(|reaction| reaction.name == emoji && reaction.users.contains(user))
    }

    /// All that a person reads in it, as plain text: its blocks where it has some, else its text.
    #[must_use]
    pub fn plain_text(&self) -> String {
        super::transcript::plain_text(&self.text, &self.blocks)
    }

    /// Whether what a person reads contains `fragment`.
    #[must_use]
    pub fn says(&self, fragment: &str) -> bool {
        self.plain_text().contains(fragment)
    }

    /// The root of the thread that it belongs to: itself where it is no reply.
    #[must_use]
    pub fn root(&self) -> &Ts {
        self.thread.as_ref().unwrap_or(&self.ts)
    }

    /// Keeps what the message says now as a version and puts the new content in its place.
    pub(crate) fn replace(&mut self, text: String, blocks: Vec<Value>) {
        let text = std::mem::replace(&mut self.text, text);
        let blocks = std::mem::replace(&mut self.blocks, blocks);
        self.versions.push(Version {
            text,
            blocks,
            until: Instant::now(),
        });
    }

    /// The message as the Web API and events carry it.
    #[must_use]
    pub(crate) fn wire(&self, workspace: &Workspace) -> Value {
        let mut wire = json!({
            "type": "message", "user": self.user, "ts": self.ts, "text": self.text, "team": workspace.home.team,
        });
        let mut set = |name: &str, value: Value| wire[name] = value;
        if self.from_bot() {
            set("bot_id", json!(BOT_ID));
            set("app_id", json!(APP_ID));
        }
        if !self.blocks.is_empty() {
            set("blocks", Value::Array(self.blocks.clone()));
        }
        if let Some(metadata) = &self.metadata {
            set("metadata", metadata.clone());
        }
        if !self.files.is_empty() {
            let files = self.files.iter().filter_map(|id| workspace.file(id));
            set("files", files.map(|file| file.wire(workspace)).collect());
        }
        if let EditMark::Shown { by, ts } = &self.edit_mark {
            set("edited", json!({ "user": by, "ts": ts }));
        }
        if self.presence == Presence::Tombstone {
            set("subtype", json!("tombstone"));
            set("user", json!("USLACKBOT"));
            set("hidden", json!(true));
        }
        if !self.reactions.is_empty() {
            let reactions = self.reactions.iter().map(|reaction| {
                json!({ "name": reaction.name, "users": reaction.users, "count": reaction.users.len() })
            });
            set("reactions", reactions.collect());
        }
        if let Some(root) = &self.thread {
            set("thread_ts", json!(root));
            if let Some(parent) = workspace.message(&self.channel, root) {
                set("parent_user_id", json!(parent.user));
            }
        } else {
            let replies: Vec<_> = workspace.replies(&self.channel, &self.ts).collect();
            if let Some(latest) = replies.last() {
                set("thread_ts", json!(self.ts));
                set("reply_count", json!(replies.len()));
                set("latest_reply", json!(latest.ts));
            }
        }
        wire
    }

    /// The buttons and menus that stand in the message now.
    #[must_use]
    pub fn controls(&self, workspace: &Workspace) -> Vec<Control> {
        let seen_in = self.wire(workspace);
        let mut controls = Vec::new();
        for block in &self.blocks {
            let block_id = text_of(block, "block_id");
            let elements = block["elements"].as_array().into_iter().flatten();
            for element in elements.chain(block.get("accessory")) {
                if element["type"] == "feedback_buttons" {
                    // Two buttons with one identifier; each sends a value of its own.
                    for side in ["positive_button", "negative_button"] {
                        let mut button = element[side].clone();
                        button["type"] = json!("feedback_buttons");
                        button["action_id"] = element["action_id"].clone();
                        controls.push(self.control(&block_id, &button, &seen_in));
                    }
                } else if element["action_id"].is_string() {
                    controls.push(self.control(&block_id, element, &seen_in));
                }
            }
        }
        controls
    }

    fn control(&self, block_id: &str, element: &Value, seen_in: &Value) -> Control {
        let label = element["text"]["text"]
            .as_str()
            .or_else(|| element["placeholder"]["text"].as_str())
            .unwrap_or_default();
        Control {
            message: self.ts.clone(),
            label: label.to_owned(),
            action_id: text_of(element, "action_id"),
            block_id: block_id.to_owned(),
            element: element.clone(),
            seen_in: seen_in.clone(),
        }
    }
}

fn text_of(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}
