//! Every method of Slack's Web API that is called. A call takes its method from here, so that [`ALL`] is all of them.

use super::tiers::{Tier, Urgency};

/// A method of the Web API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Method {
    name: &'static str,
    tier: Tier,
    urgency: Urgency,
}

impl Method {
    /// Its name, as it stands in the address.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.name
    }

    /// How often Slack lets it be called.
    pub(super) const fn tier(self) -> Tier {
        self.tier
    }

    /// How much somebody usually waits for it.
    pub(super) const fn urgency(self) -> Urgency {
        self.urgency
    }
}

macro_rules! methods {
    ($($name:ident: $method:literal, $tier:ident, $urgency:ident;)*) => {
        $(pub(super) const $name: Method = Method {
            name: $method,
            tier: Tier::$tier,
            urgency: Urgency::$urgency,
        };)*

        /// All of them, sorted.
        pub const ALL: &[Method] = &[$($name),*];
    };
}

methods! {
    SESSION_STATUS: "agents.sessions.setStatus", Three, Lasting;
    OPEN_CONNECTION: "apps.connections.open", Three, Now;
    REVOKE: "auth.revoke", Three, Now;
    WHO_AM_I: "auth.test", Special, Now;
    PERMALINK: "chat.getPermalink", Special, Waited;
    WHISPER: "chat.postEphemeral", Four, Waited;
    SAY: "chat.postMessage", Special, Waited;
    EDIT: "chat.update", Three, Waited;
    HISTORY: "conversations.history", Three, Waited;
    CHANNEL: "conversations.info", Three, Waited;
    OPEN_DIRECT: "conversations.open", Three, Waited;
    THREAD: "conversations.replies", Three, Waited;
    SHOW_FILES: "files.completeUploadExternal", Four, Waited;
    ANNOUNCE_FILE: "files.getUploadURLExternal", Four, Waited;
    FILE: "files.info", Four, Waited;
    EXCHANGE: "oauth.v2.access", Special, Now;
    ADD_MARK: "reactions.add", Three, Lasting;
    MARKS: "reactions.get", Three, Lasting;
    REMOVE_MARK: "reactions.remove", Two, Lasting;
    PERSON: "users.info", Four, Now;
    OPEN_FORM: "views.open", Four, Now;
    SHOW_HOME: "views.publish", Four, Waited;
}
