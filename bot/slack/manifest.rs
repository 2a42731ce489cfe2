//! The rights and events that the code uses. The app's manifest asks for exactly these.

/// Rights of the bot, sorted, each with the reason.
pub const SCOPES: &[&str] = &[
    // Mentions start tasks.
    "app_mentions:read",
    // The app is an agent, with a place of its own in Slack.
    "assistant:write",
    // Replies without a mention, and what was said before.
    "channels:history",
    // Whether a message that a request links to was said in public.
    "channels:read",
    // Everything that is said.
    "chat:write",
    // The slash command.
    "commands",
    // Attachments of requests.
    "files:read",
    // Pictures of pages.
    "files:write",
    // As for channels, in private ones.
    "groups:history",
    // Whether a private channel with a request is shared with others, before a link is followed there.
    "groups:read",
    // As for channels, in direct messages.
    "im:history",
    // Answers to a command in a channel without the bot.
    "im:write",
    // Decisions by emoji.
    "reactions:read",
    // The status emoji.
    "reactions:write",
    // Names, and who is a guest.
    "users:read",
];

/// The shortcut in the menu of every message.
pub const TURN_INTO_TASK: &str = "turn_into_task";

/// The shortcut that opens the form for a task, from anywhere.
pub const NEW_TASK: &str = "new_task";

/// Shortcuts by their identifiers, sorted.
pub const SHORTCUTS: &[&str] = &[NEW_TASK, TURN_INTO_TASK];

/// Events that Slack sends, sorted.
pub const EVENTS: &[&str] = &[
    "agent_session_stopped",
    "app_home_opened",
    "app_mention",
    "app_uninstalled",
    "message.channels",
    "message.groups",
    "message.im",
    "reaction_added",
    "team_access_revoked",
    "tokens_revoked",
];

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    reason = "a manifest that cannot be read is a failed test"
)]
mod tests {
    use super::*;

    /// The entries of a list in the manifest, which is simple enough to be read by its lines.
    fn entries(manifest: &str, list: &str) -> Vec<String> {
        let mut lines = manifest
            .lines()
            .skip_while(|line| line.trim() != format!("{list}:"));
        let depth = |line: &str| line.len() - line.trim_start().len();
        let head = depth(lines.next().unwrap());
        lines
            .take_while(|line| depth(line) > head)
            .filter_map(|line| line.trim().strip_prefix("- ").map(str::to_owned))
            .collect()
    }

    #[test]
    fn the_manifest_asks_for_what_the_code_uses() {
        let manifest =
            std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/manifest/slack.yaml"))
                .unwrap();
        assert_eq!(entries(&manifest, "bot"), SCOPES);
        assert_eq!(entries(&manifest, "bot_events"), EVENTS);
        let shortcuts: Vec<&str> = manifest
            .lines()
            .filter_map(|line| line.trim().strip_prefix("callback_id: "))
            .collect();
        assert_eq!(shortcuts, SHORTCUTS);
        assert!(manifest.contains("home_tab_enabled: true"));
        for door in [
            "/slack/events",
            "/slack/interactions",
            "/slack/options",
            "/slack/commands",
            "/slack/oauth",
        ] {
            assert!(manifest.contains(door), "{door}");
        }
    }

    /// A manifest without what is meant to differ: its head, addresses, and the choice itself.
    fn alike(name: &str) -> Vec<String> {
        let path = format!("{}/manifest/{name}", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).unwrap();
        let differs = |line: &&str| {
            line.starts_with('#')
                || line.contains("url:")
                || line.contains("redirect_urls:")
                || line.contains("/slack/oauth")
                || line.contains("socket_mode_enabled")
        };
        text.lines()
            .filter(|line| !differs(line))
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn the_manifest_for_sockets_is_the_same_without_addresses() {
        assert_eq!(alike("slack-socket-mode.yaml"), alike("slack.yaml"));
        let read = |name| {
            std::fs::read_to_string(format!("{}/manifest/{name}", env!("CARGO_MANIFEST_DIR")))
                .unwrap()
        };
        assert!(read("slack.yaml").contains("socket_mode_enabled: false"));
        let sockets = read("slack-socket-mode.yaml");
        assert!(sockets.contains("socket_mode_enabled: true"));
        assert!(!sockets.contains("deckhand.example.com"));
    }

    #[test]
    fn the_lists_are_sorted() {
        assert!(SCOPES.is_sorted() && EVENTS.is_sorted() && SHORTCUTS.is_sorted());
    }
}
