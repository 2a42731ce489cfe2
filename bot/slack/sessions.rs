//! What Slack itself shows of the work in a thread: the status of an agent session, with its own button to stop it.
//!
//! Source: Slack's guide on agent sessions, and the reference of `agents.sessions.setStatus`.

use std::collections::HashSet;

use serde_json::json;

use super::{ids, limits::SESSION_TITLE_MAX_CHARS, methods, outbound::Slack};
use crate::{
    domain::{clip, conversation::ConversationId, effect::Mark},
    surface::SurfaceError,
};

/// Codes that are about this place, or about the token, and not about what the workspace has.
const OF_THE_PLACE: [&str; 16] = [
    "account_inactive",
    "cannot_reply_to_message",
    "channel_not_found",
    "invalid_auth",
    "invalid_thread_ts",
    "is_archived",
    "message_not_found",
    "no_permission",
    "not_authed",
    "not_in_channel",
    "restricted_action",
    "restricted_action_thread_locked",
    "thread_not_found",
    "token_expired",
    "token_revoked",
    "user_not_in_channel",
];
/// The most workspaces that are remembered to have no sessions.
const WITHOUT_MAX: usize = 10_000;

/// Workspaces that have refused what not every workspace has. Known until the process ends: one that gets it is asked then.
#[derive(Debug, Default)]
pub(super) struct Without {
    teams: std::sync::Mutex<HashSet<(String, &'static str)>>,
}

/// Sessions, in [`Without`].
const SESSIONS: &str = "sessions";
/// Blocks of newer kinds, in [`Without`].
pub(super) const NEWER_BLOCKS: &str = "newer blocks";

impl Without {
    pub(super) fn knows(&self, team: &str, what: &'static str) -> bool {
        let known = self.teams.lock().ok();
        known.is_some_and(|teams| teams.contains(&(team.to_owned(), what)))
    }

    pub(super) fn learn(&self, team: &str, what: &'static str) {
        tracing::info!(
            team,
            what,
            "the workspace does not have this; it is not asked again"
        );
        if let Ok(mut teams) = self.teams.lock() {
            if teams.len() >= WITHOUT_MAX {
                teams.clear();
            }
            teams.insert((team.to_owned(), what));
        }
    }
}

impl Slack {
    /// Moves the thread's session to what a mark says, and opens it under `title` where there is none yet. Where the
    /// workspace has no sessions, nothing is lost: marks, words and buttons say the same.
    pub async fn show_session(
        &self,
        conversation: &ConversationId,
        mark: Mark,
        title: Option<&str>,
    ) -> Result<(), SurfaceError> {
        let place = ids::parse_conversation(conversation)?;
        let Some(thread) = &place.ts else {
            return Ok(());
        };
        if self.without.knows(&place.team, SESSIONS) {
            return Ok(());
        }
        let mut session =
            json!({ "channel_id": place.channel, "thread_ts": thread, "status": status(mark) });
        if let Some(title) = title.map(str::trim).filter(|title| !title.is_empty()) {
            session["title"] = json!(clip(title, SESSION_TITLE_MAX_CHARS));
        }
        match self.api.post(methods::SESSION_STATUS, &session).await {
            Ok(_) => Ok(()),
            Err(SurfaceError::Permanent { code, .. }) => {
                if OF_THE_PLACE.contains(&code.as_str()) {
                    tracing::debug!(code, "the status of a session was not shown");
                } else {
                    self.without.learn(&place.team, SESSIONS);
                }
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

/// While it is `processing`, Slack offers to stop it; after that, only the app moves it on.
const fn status(mark: Mark) -> &'static str {
    match mark {
        Mark::Accepted | Mark::Working => "processing",
        Mark::NeedsYou => "suspended",
        Mark::Proved | Mark::Answered | Mark::Gaps | Mark::Canceled => "active",
    }
}
