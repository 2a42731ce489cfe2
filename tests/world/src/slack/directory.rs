//! Who and what there is in the workspace before anybody speaks: the team, its people, its channels.

use super::ids::{ChannelId, UserId};

/// The workspace's identifier.
pub const TEAM_ID: &str = "T0ACME";
/// The workspace's domain.
pub const TEAM_DOMAIN: &str = "acme";
/// The organisation that outsiders come from.
pub const OTHER_TEAM_ID: &str = "T0OTHER";
/// The bot as a user.
pub const BOT_USER: &str = "U0DECK";
/// The bot's name.
pub const BOT_NAME: &str = "deckhand";
/// The bot as an integration.
pub const BOT_ID: &str = "B0DECK";
/// The app's identifier.
pub const APP_ID: &str = "A0DECK";

/// Which workspace it is, and how the app is installed in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    /// The workspace's identifier.
    pub team: String,
    /// What people call it, or the organisation.
    pub name: String,
    /// The organisation, where the app is installed for the whole of it.
    pub organisation: Option<String>,
}

impl Home {
    /// What the app is installed in: the organisation, or the workspace.
    #[must_use]
    pub fn name_of(&self) -> &str {
        self.organisation.as_deref().unwrap_or(&self.team)
    }

    /// The organisation's host in addresses, where the app is installed for the whole of it.
    pub(crate) fn host(&self) -> Option<String> {
        self.organisation.as_ref()?;
        Some(format!("{}.enterprise.slack.com", self.name.to_lowercase()))
    }

    /// This workspace's own host in addresses of its messages, where it is one of an organisation.
    pub(crate) fn own_host(&self) -> Option<String> {
        self.organisation.as_ref()?;
        Some(format!("{}.slack.com", self.team.to_lowercase()))
    }
}

impl Default for Home {
    fn default() -> Self {
        Self {
            team: TEAM_ID.to_owned(),
            name: "Acme".to_owned(),
            organisation: None,
        }
    }
}

/// What a person is to the workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// A full member.
    Member,
    /// A guest of several channels.
    Guest,
    /// A guest of one channel.
    SingleChannelGuest,
    /// A person of another organisation, in a channel shared by Slack Connect.
    Outsider,
    /// An app.
    Bot,
}

/// A person or bot.
#[derive(Clone, Debug)]
pub struct User {
    /// The identifier.
    pub id: UserId,
    /// The handle, without `@`.
    pub name: String,
    /// The name that people read.
    pub real_name: String,
    /// The address, where the profile has one.
    pub email: Option<String>,
    /// What the person is to the workspace.
    pub standing: Standing,
}

/// What kind of conversation a channel is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChannelKind {
    /// Open to all members.
    Public,
    /// By invitation.
    Private,
    /// Shared with another organisation by Slack Connect.
    Connect,
    /// One person's conversation with the bot.
    Direct(UserId),
}

/// Which workspaces of an organisation a channel belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// The one in front of us alone.
    #[default]
    Own,
    /// These, by their identifiers.
    Of(Vec<String>),
    /// All of them.
    Organisation,
}

/// Whether the bot is in a channel: it hears and writes only where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Membership {
    /// It was invited.
    Joined,
    /// It was not.
    Absent,
}

/// Why the bot may not write in a channel where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// It was archived: it can still be read.
    Archived,
    /// It was deleted: it does not exist any more.
    Deleted,
    /// Only some people may post.
    ReadOnly,
    /// Nobody may reply in its threads.
    ThreadsLocked,
}

impl Closed {
    /// What `chat.postMessage` answers.
    pub(crate) const fn to_message(self) -> &'static str {
        match self {
            Self::Archived => "is_archived",
            Self::Deleted => "channel_not_found",
            Self::ReadOnly => "restricted_action_read_only_channel",
            Self::ThreadsLocked => "restricted_action_thread_locked",
        }
    }

    /// What `chat.postEphemeral` answers, which knows fewer reasons.
    pub(crate) const fn to_whisper(self) -> &'static str {
        match self {
            Self::Archived => "is_archived",
            Self::Deleted => "channel_not_found",
            Self::ReadOnly | Self::ThreadsLocked => "restricted_action",
        }
    }

    /// What `reactions.add` answers; none where emojis are still taken.
    pub(crate) const fn to_reaction(self) -> Option<&'static str> {
        match self {
            Self::Archived => Some("is_archived"),
            Self::Deleted => Some("channel_not_found"),
            Self::ReadOnly => None,
            Self::ThreadsLocked => Some("thread_locked"),
        }
    }
}

/// A channel.
#[derive(Clone, Debug)]
pub struct Channel {
    /// The identifier.
    pub id: ChannelId,
    /// The name, without `#`.
    pub name: String,
    /// What kind it is.
    pub kind: ChannelKind,
    /// Whether the bot is in it.
    pub bot: Membership,
    /// Which workspaces of the organisation share it.
    pub reach: Reach,
}
