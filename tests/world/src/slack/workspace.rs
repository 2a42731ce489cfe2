//! The workspace's state: people, channels, messages, files, views; and the few changes that keep it whole.

use std::collections::{BTreeMap, HashMap};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::directory::{
    BOT_NAME, BOT_USER, Channel, ChannelKind, Closed, Home, Membership, Reach, Standing, User,
};
use super::file::File;
use super::ids::{ChannelId, FileId, Ts, UserId, ViewId};
use super::limits::{
    RESPONSE_URL_LIFETIME, RESPONSE_URL_USES, THREAD_STATUS_LIFETIME, TRIGGER_LIFETIME,
};
use super::message::{Audience, EditMark, Message, Presence, Reaction};

/// Whether a view is still in front of its person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ViewState {
    /// It is shown.
    Open,
    /// It was submitted or closed.
    Closed,
}

/// A modal.
#[derive(Clone, Debug)]
pub struct View {
    /// The identifier.
    pub id: ViewId,
    /// Whom it is shown to.
    pub user: UserId,
    /// The view as the app sent it.
    pub payload: Value,
    /// Changes with each update, so that a stale update can be refused.
    pub hash: String,
    /// Whether it is still shown.
    pub state: ViewState,
}

/// What a thread shows under its last message about the app's work.
#[derive(Clone, Debug, Default)]
pub struct ThreadStatus {
    /// `processing`, `suspended` or `active`, set by `agents.sessions.setStatus`.
    pub session: Option<String>,
    /// The session's title.
    pub title: Option<String>,
    /// Free text, set by `assistant.threads.setStatus`.
    pub text: Option<(String, Instant)>,
}

impl ThreadStatus {
    /// The free text, where it has not expired.
    #[must_use]
    pub fn live_text(&self) -> Option<&str> {
        self.text
            .as_ref()
            .filter(|(text, at)| !text.is_empty() && at.elapsed() < THREAD_STATUS_LIFETIME)
            .map(|(text, _)| text.as_str())
    }
}

/// Where an answer through a `response_url` goes.
#[derive(Clone, Debug)]
pub(crate) struct ResponseUrl {
    pub(crate) channel: ChannelId,
    pub(crate) thread: Option<Ts>,
    pub(crate) message: Option<Ts>,
    pub(crate) user: UserId,
    pub(crate) made: Instant,
    pub(crate) uses: u32,
}

impl ResponseUrl {
    pub(crate) fn is_spent(&self) -> bool {
        self.uses >= RESPONSE_URL_USES || self.made.elapsed() > RESPONSE_URL_LIFETIME
    }
}

/// What became of a `trigger_id` that was handed back.
pub(crate) enum TriggerUse {
    For(UserId),
    Unknown,
    Expired,
    Spent,
}

struct Trigger {
    user: UserId,
    made: Instant,
    spent: bool,
}

/// Everything that the workspace knows.
#[derive(Default)]
pub struct Workspace {
    pub(crate) address: String,
    pub(crate) home: Home,
    pub(crate) users: Vec<User>,
    pub(crate) channels: Vec<Channel>,
    pub(crate) closed: BTreeMap<ChannelId, Closed>,
    pub(crate) messages: BTreeMap<Ts, Message>,
    pub(crate) deleted: Vec<Message>,
    pub(crate) files: BTreeMap<FileId, File>,
    pub(crate) views: BTreeMap<ViewId, View>,
    pub(crate) homes: BTreeMap<UserId, View>,
    pub(crate) statuses: HashMap<(ChannelId, Ts), ThreadStatus>,
    pub(crate) response_urls: BTreeMap<String, ResponseUrl>,
    triggers: HashMap<String, Trigger>,
    last_micros: u128,
    serial: u64,
}

impl Workspace {
    /// A workspace with the bot, three people (ana, ben and cleo) and three channels that the bot is in.
    pub(crate) fn new() -> Self {
        let mut workspace = Self::default();
        workspace.users.push(User {
            id: BOT_USER.into(),
            name: BOT_NAME.to_owned(),
            real_name: "Deckhand".to_owned(),
            email: None,
            standing: Standing::Bot,
        });
        for name in ["ana", "ben", "cleo"] {
            workspace.add_user(name, Standing::Member);
        }
        for name in ["eng", "web", "general"] {
            workspace.add_channel(name, ChannelKind::Public, Membership::Joined);
        }
        workspace
    }

    pub(crate) fn add_user(&mut self, name: &str, standing: Standing) -> UserId {
        let id = UserId::from(format!("U{}", name.to_uppercase()));
        let mut letters = name.chars();
        let first = letters
            .next()
            .map(|letter| letter.to_uppercase().to_string());
        self.users.retain(|user| user.id != id);
        self.users.push(User {
            id: id.clone(),
            name: name.to_owned(),
            real_name: format!("{}{}", first.unwrap_or_default(), letters.as_str()),
            email: Some(format!("{name}@acme.example")),
            standing,
        });
        id
    }

    pub(crate) fn add_channel(
        &mut self,
        name: &str,
        kind: ChannelKind,
        bot: Membership,
    ) -> ChannelId {
        let prefix = match kind {
            ChannelKind::Direct(_) => 'D',
            ChannelKind::Public | ChannelKind::Private | ChannelKind::Connect => 'C',
        };
        let letters = name.chars().filter(char::is_ascii_alphanumeric);
        let id = ChannelId::from(format!(
            "{prefix}{}",
            letters.collect::<String>().to_uppercase()
        ));
        self.channels.retain(|channel| channel.id != id);
        let name = name.to_owned();
        self.channels.push(Channel {
            id: id.clone(),
            name,
            kind,
            bot,
            reach: Reach::Own,
        });
        id
    }

    /// The person's conversation with the bot, made where it is missing.
    pub(crate) fn direct_channel(&mut self, user: &UserId) -> ChannelId {
        let kind = ChannelKind::Direct(user.clone());
        match self.channels.iter().find(|channel| channel.kind == kind) {
            Some(channel) => channel.id.clone(),
            None => self.add_channel(user.as_str(), kind, Membership::Joined),
        }
    }

    /// A new time stamp: the present time, but always later than the one before.
    pub(crate) fn next_ts(&mut self) -> Ts {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_micros());
        self.last_micros = now.max(self.last_micros + 1);
        let (seconds, fraction) = (self.last_micros / 1_000_000, self.last_micros % 1_000_000);
        Ts::from(format!("{seconds}.{fraction:06}"))
    }

    /// A number that was not used before.
    pub(crate) fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    /// A person by identifier or handle.
    #[must_use]
    pub fn user(&self, id_or_name: &str) -> Option<&User> {
        let bare = id_or_name.trim_start_matches('@');
        self.users
            .iter()
            .find(|user| user.id.as_str() == bare || user.name == bare)
    }

    /// A channel by identifier or name.
    #[must_use]
    pub fn channel(&self, id_or_name: &str) -> Option<&Channel> {
        let bare = id_or_name.trim_start_matches('#');
        self.channels
            .iter()
            .find(|channel| channel.id.as_str() == bare || channel.name == bare)
    }

    /// A message by channel and time stamp.
    #[must_use]
    pub fn message(&self, channel: &ChannelId, ts: &Ts) -> Option<&Message> {
        self.messages
            .get(ts)
            .filter(|message| message.channel == *channel)
    }

    pub(crate) fn message_mut(&mut self, channel: &ChannelId, ts: &Ts) -> Option<&mut Message> {
        self.messages
            .get_mut(ts)
            .filter(|message| message.channel == *channel)
    }

    /// The replies in a thread that everybody sees, oldest first, without its root.
    pub fn replies<'a>(
        &'a self,
        channel: &'a ChannelId,
        root: &'a Ts,
    ) -> impl Iterator<Item = &'a Message> {
        self.thread(channel, root)
            .filter(move |message| message.ts != *root && message.audience == Audience::Everyone)
    }

    /// A thread's root and replies, ephemeral ones too, oldest first.
    pub fn thread<'a>(
        &'a self,
        channel: &'a ChannelId,
        root: &'a Ts,
    ) -> impl Iterator<Item = &'a Message> {
        self.messages
            .range(root.clone()..)
            .map(|(_, message)| message)
            .filter(move |message| message.channel == *channel && message.root() == root)
    }

    /// A file.
    #[must_use]
    pub fn file(&self, id: &FileId) -> Option<&File> {
        self.files.get(id)
    }

    /// The view that `user` has in front of them: the one opened last.
    #[must_use]
    pub fn open_view(&self, user: &UserId) -> Option<&View> {
        let open = |view: &&View| view.user == *user && view.state == ViewState::Open;
        self.views.values().rfind(open)
    }

    /// Puts a new message into the workspace.
    pub(crate) fn post(&mut self, draft: Draft) -> Message {
        let ts = self.next_ts();
        let message = Message {
            ts: ts.clone(),
            channel: draft.channel,
            thread: draft.thread,
            user: draft.user,
            text: draft.text,
            blocks: draft.blocks,
            files: draft.files,
            reactions: Vec::new(),
            audience: draft.audience,
            presence: Presence::Live,
            edit_mark: EditMark::Hidden,
            versions: Vec::new(),
            metadata: draft.metadata,
            posted_at: Instant::now(),
        };
        if message.from_bot() {
            let place = (message.channel.clone(), message.root().clone());
            if let Some(status) = self.statuses.get_mut(&place) {
                status.text = None;
            }
        }
        self.messages.insert(ts, message.clone());
        message
    }

    /// Takes a message away; one with replies leaves its place behind.
    pub(crate) fn remove(&mut self, channel: &ChannelId, ts: &Ts) -> Option<Message> {
        let has_replies = self.replies(channel, ts).next().is_some();
        let message = self.message_mut(channel, ts)?;
        let removed = message.clone();
        if has_replies {
            message.presence = Presence::Tombstone;
            "This message was deleted.".clone_into(&mut message.text);
            message.blocks.clear();
            message.files.clear();
            message.reactions.clear();
        } else {
            self.messages.remove(ts);
        }
        self.deleted.push(removed.clone());
        Some(removed)
    }

    /// Whether a person has a view in front of them.
    #[must_use]
    pub fn has_open_view(&self, user: &str) -> bool {
        let user = self.user(user).map(|user| user.id.clone());
        user.is_some_and(|user| self.open_view(&user).is_some())
    }

    /// Whether the bot says this to a person alone, in their direct messages or where only they see it.
    #[must_use]
    pub fn says_to(&self, user: &str, fragment: &str) -> bool {
        let Some(user) = self.user(user).map(|user| user.id.clone()) else {
            return false;
        };
        let direct = ChannelKind::Direct(user.clone());
        self.messages.values().any(|message| {
            let is_direct = self
                .channel(message.channel.as_str())
                .is_some_and(|channel| channel.kind == direct);
            let is_theirs = is_direct || message.audience == Audience::Only(user.clone());
            is_theirs && message.from_bot() && message.says(fragment)
        })
    }

    /// Adds a reaction; `false` where it is there already.
    pub(crate) fn react(
        &mut self,
        channel: &ChannelId,
        ts: &Ts,
        user: &UserId,
        name: &str,
    ) -> bool {
        let Some(message) = self.message_mut(channel, ts) else {
            return false;
        };
        if message.has_reaction(user, name) {
            return false;
        }
        match message
            .reactions
            .iter_mut()
            .find(|reaction| reaction.name == name)
        {
            Some(reaction) => reaction.users.push(user.clone()),
            None => message.reactions.push(Reaction {
                name: name.to_owned(),
                users: vec![user.clone()],
                at: Instant::now(),
            }),
        }
        true
    }

    /// Takes a reaction away; `false` where there was none.
    pub(crate) fn unreact(
        &mut self,
        channel: &ChannelId,
        ts: &Ts,
        user: &UserId,
        name: &str,
    ) -> bool {
        let Some(message) = self.message_mut(channel, ts) else {
            return false;
        };
        let found = message.has_reaction(user, name);
        for reaction in &mut message.reactions {
            if reaction.name == name {
                reaction.users.retain(|reactor| reactor != user);
            }
        }
        message
            .reactions
            .retain(|reaction| !reaction.users.is_empty());
        found
    }

    /// A new `trigger_id` for something that `user` has just done.
    pub(crate) fn make_trigger(&mut self, user: &UserId) -> String {
        let id = format!(
            "{}.{}.{}",
            self.next_serial(),
            self.next_serial(),
            uuid::Uuid::new_v4().simple()
        );
        self.triggers
            .retain(|_, trigger| trigger.made.elapsed() < TRIGGER_LIFETIME * 20);
        let trigger = Trigger {
            user: user.clone(),
            made: Instant::now(),
            spent: false,
        };
        self.triggers.insert(id.clone(), trigger);
        id
    }

    /// Uses a `trigger_id`: once, and only while it is fresh.
    pub(crate) fn use_trigger(&mut self, id: &str) -> TriggerUse {
        match self.triggers.get_mut(id) {
            None => TriggerUse::Unknown,
            Some(trigger) if trigger.spent => TriggerUse::Spent,
            Some(trigger) if trigger.made.elapsed() > TRIGGER_LIFETIME => TriggerUse::Expired,
            Some(trigger) => {
                trigger.spent = true;
                TriggerUse::For(trigger.user.clone())
            }
        }
    }

    /// A new `response_url`.
    pub(crate) fn make_response_url(&mut self, target: ResponseUrl) -> String {
        let key = uuid::Uuid::new_v4().simple().to_string();
        let url = format!("{}/response/{key}", self.address);
        self.response_urls.insert(key, target);
        url
    }
}

/// What is needed to put a message into the workspace.
pub(crate) struct Draft {
    pub(crate) channel: ChannelId,
    pub(crate) thread: Option<Ts>,
    pub(crate) user: UserId,
    pub(crate) text: String,
    pub(crate) blocks: Vec<Value>,
    pub(crate) files: Vec<FileId>,
    pub(crate) audience: Audience,
    pub(crate) metadata: Option<Value>,
}

impl Draft {
    /// A message to everybody, with text alone.
    pub(crate) fn text(channel: ChannelId, user: UserId, text: &str) -> Self {
        Self {
            channel,
            thread: None,
            user,
            text: text.to_owned(),
            blocks: Vec::new(),
            files: Vec::new(),
            audience: Audience::Everyone,
            metadata: None,
        }
    }
}
