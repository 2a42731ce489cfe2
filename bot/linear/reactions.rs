//! Emojis that people put on what the bot said. Linear tells the application of those on its own comments.
//!
//! An end and another try are asked for so. An approval is not: Linear does not say which of the bot's activities a comment
//! is, so an emoji would approve a plan that may not be the one that its person has read.

use serde::Deserialize;
use serde_json::Value;

use super::{
    ids,
    inbound::{Accepted, Relevance, User, author, automation},
};
use crate::domain::{conversation::ConversationId, event::ReactionMeaning, incoming::Incoming};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Notice {
    r#type: String,
    action: String,
    app_user_id: String,
    notification: Notification,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Notification {
    id: String,
    actor: Option<User>,
    reaction_emoji: String,
    comment: Comment,
    /// The root of the session's thread.
    parent_comment_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Comment {
    user_id: Option<String>,
}

/// Reads an emoji that means something; none where it is another one, or hangs on somebody else's words.
fn notice(payload: &Value) -> Option<(Notification, String, ReactionMeaning)> {
    let notice = Notice::deserialize(payload).ok()?;
    let is_meant =
        notice.r#type == "AppUserNotification" && notice.action == "issueCommentReaction";
    let notification = notice.notification;
    let is_ours = notification.comment.user_id.as_ref() == Some(&notice.app_user_id);
    let meaning = meaning(&notification.reaction_emoji)?;
    let root = notification.parent_comment_id.clone()?;
    (is_meant && is_ours).then_some((notification, root, meaning))
}

fn meaning(emoji: &str) -> Option<ReactionMeaning> {
    match emoji.trim_matches(':').trim_end_matches('\u{fe0f}') {
        "❌" | "x" | "🛑" | "octagonal_sign" | "stop_sign" | "⛔" | "no_entry" => {
            Some(ReactionMeaning::Cancel)
        }
        "🔁" | "repeat" => Some(ReactionMeaning::Retry),
        _ => None,
    }
}

/// Whether it matters, and what it is the same as.
pub(super) fn accept(payload: &Value) -> Option<Accepted> {
    let (notification, root, _) = notice(payload)?;
    Some(Accepted {
        key: notification.id,
        conversation: ConversationId(ids::line(&root).0),
        relevance: Relevance::Certain,
    })
}

/// What it means. It stands under the comment that opened the session.
pub(super) fn read(payload: &Value) -> Option<Incoming> {
    let (notification, root, meaning) = notice(payload)?;
    Some(Incoming::Reacted {
        by: notification.actor.map_or_else(automation, author),
        on: ids::line(&root),
        meaning,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::inbound;
    use super::*;

    fn reaction(emoji: &str, writer: &str) -> Value {
        json!({
            "type": "AppUserNotification", "action": "issueCommentReaction", "appUserId": "app",
            "notification": {
                "id": "n1", "actor": { "id": "u1", "name": "Ana" }, "reactionEmoji": emoji,
                "comment": { "id": "c2", "userId": writer }, "parentCommentId": "c1",
            },
        })
    }

    #[test]
    fn an_end_and_another_try_are_asked_for_under_the_bots_own_words_and_nothing_else_is() {
        let meaning = |payload: &Value| match inbound::read(payload, "") {
            Incoming::Reacted { on, by, meaning } => {
                assert_eq!((on, by.id.0.as_str()), (ids::line("c1"), "linear:u1"));
                Some(meaning)
            }
            Incoming::Nothing => None,
            other => panic!("{other:?}"),
        };
        for emoji in ["x", "❌", ":octagonal_sign:", "⛔\u{fe0f}"] {
            assert_eq!(
                meaning(&reaction(emoji, "app")),
                Some(ReactionMeaning::Cancel)
            );
        }
        assert_eq!(
            meaning(&reaction("repeat", "app")),
            Some(ReactionMeaning::Retry)
        );
        for emoji in ["+1", "✅", "white_check_mark", "eyes", ""] {
            assert_eq!(meaning(&reaction(emoji, "app")), None, "{emoji}");
            assert_eq!(inbound::accept(&reaction(emoji, "app"), "d1"), None);
        }
        assert_eq!(meaning(&reaction("x", "u1")), None);
    }
}
