//! Every method of Slack's Web API that is called. A call takes its method from here, so that [`ALL`] is all of them.

/// A method of the Web API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Method(&'static str);

impl Method {
    /// Its name, as it stands in the address.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.0
    }
}

macro_rules! methods {
    ($($name:ident: $method:literal;)*) => {
        $(pub(super) const $name: Method = Method($method);)*

        /// All of them, sorted.
        pub const ALL: &[Method] = &[$($name),*];
    };
}

methods! {
    SESSION_STATUS: "agents.sessions.setStatus";
    OPEN_CONNECTION: "apps.connections.open";
    REVOKE: "auth.revoke";
    WHO_AM_I: "auth.test";
    PERMALINK: "chat.getPermalink";
    WHISPER: "chat.postEphemeral";
    SAY: "chat.postMessage";
    EDIT: "chat.update";
    HISTORY: "conversations.history";
    CHANNEL: "conversations.info";
    OPEN_DIRECT: "conversations.open";
    THREAD: "conversations.replies";
    SHOW_FILES: "files.completeUploadExternal";
    ANNOUNCE_FILE: "files.getUploadURLExternal";
    FILE: "files.info";
    EXCHANGE: "oauth.v2.access";
    ADD_MARK: "reactions.add";
    MARKS: "reactions.get";
    REMOVE_MARK: "reactions.remove";
    PERSON: "users.info";
    OPEN_FORM: "views.open";
    SHOW_HOME: "views.publish";
}
