//! Emojis: what they mean when people add them, and the bot's own status emoji.

use serde_json::{Value, json};

use super::{ids, methods, outbound::Slack, tiers::Urgency};
use crate::{
    domain::{conversation::LineRef, effect::Mark, event::ReactionMeaning},
    surface::SurfaceError,
};

/// Every mark of the bot; on one line stands at most one of them.
const MARKS: [Mark; 7] = [
    Mark::Accepted,
    Mark::Working,
    Mark::NeedsYou,
    Mark::Proved,
    Mark::Answered,
    Mark::Gaps,
    Mark::Canceled,
];

/// What an emoji means when a person adds it. Skin tones mean nothing.
pub(super) fn meaning(name: &str) -> Option<ReactionMeaning> {
    match name.split("::").next().unwrap_or(name) {
        "white_check_mark" | "heavy_check_mark" | "+1" | "thumbsup" => {
            Some(ReactionMeaning::Approve)
        }
        "x" | "octagonal_sign" | "stop_sign" | "no_entry" | "no_entry_sign" => {
            Some(ReactionMeaning::Cancel)
        }
        "repeat" | "arrows_counterclockwise" => Some(ReactionMeaning::Retry),
        _ => None,
    }
}

/// The name of a mark's emoji.
pub(super) const fn emoji(mark: Mark) -> &'static str {
    match mark {
        Mark::Accepted => "eyes",
        Mark::Working => "hourglass_flowing_sand",
        Mark::NeedsYou => "raising_hand",
        Mark::Proved => "white_check_mark",
        Mark::Answered => "speech_balloon",
        Mark::Gaps => "warning",
        Mark::Canceled => "octagonal_sign",
    }
}

impl Slack {
    /// Sets the bot's one status emoji on a message, and takes away the one before. Harmless to repeat.
    pub async fn mark(&self, request: &LineRef, mark: Mark) -> Result<(), SurfaceError> {
        let (place, ts) = ids::parse_line(request)?;
        let urgency = match mark {
            // Somebody looks whether they were heard.
            Mark::Accepted | Mark::NeedsYou => Urgency::Waited,
            Mark::Working | Mark::Proved | Mark::Answered | Mark::Gaps | Mark::Canceled => {
                Urgency::Lasting
            }
        };
        self.add((&place.channel, &ts), emoji(mark), urgency)
            .await?;
        let standing = self.own_marks(&place.channel, &ts).await?;
        for old in MARKS
            .into_iter()
            .map(emoji)
            .filter(|old| *old != emoji(mark) && standing.iter().any(|name| name == old))
        {
            let removal = json!({ "channel": place.channel, "timestamp": ts, "name": old });
            settled(
                self.api.post(methods::REMOVE_MARK, &removal).await,
                "no_reaction",
            )?;
        }
        Ok(())
    }

    /// Shows that a reply was heard.
    pub async fn hear(&self, line: &LineRef) -> Result<(), SurfaceError> {
        let (place, ts) = ids::parse_line(line)?;
        let line = (&*place.channel, &*ts);
        self.add(line, emoji(Mark::Accepted), Urgency::Waited).await
    }

    async fn add(
        &self,
        (channel, ts): (&str, &str),
        name: &str,
        urgency: Urgency,
    ) -> Result<(), SurfaceError> {
        let addition = json!({ "channel": channel, "timestamp": ts, "name": name });
        let added = self.api.post_as(urgency, methods::ADD_MARK, &addition);
        settled(added.await, "already_reacted")
    }

    /// The emojis that the bot itself has on a message.
    async fn own_marks(&self, channel: &str, ts: &str) -> Result<Vec<String>, SurfaceError> {
        let me = self.me().await?.user_id.clone();
        let found = self
            .api
            .get(
                methods::MARKS,
                &[("channel", channel), ("timestamp", ts), ("full", "true")],
            )
            .await?;
        let all = found["message"]["reactions"]
            .as_array()
            .map_or(&[] as &[Value], Vec::as_slice);
        let is_own = |reaction: &&Value| {
            reaction["users"]
                .as_array()
                .is_some_and(|users| users.iter().any(|user| user == &me))
        };
        Ok(all
            .iter()
            .filter(is_own)
            .filter_map(|reaction| reaction["name"].as_str().map(str::to_owned))
            .collect())
    }
}

/// Takes an answer that says that it is so already for success.
fn settled(answer: Result<Value, SurfaceError>, already: &str) -> Result<(), SurfaceError> {
    match answer {
        Ok(_) => Ok(()),
        Err(SurfaceError::Permanent { code, .. }) if code == already => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bots_own_failure_mark_is_no_mark_of_people() {
        assert_eq!(meaning(emoji(Mark::Gaps)), None);
        assert_eq!(meaning("+1::skin-tone-3"), Some(ReactionMeaning::Approve));
        assert_eq!(meaning("tada"), None);
        // It is for what is to be remembered, and is no decision about a plan, a cancel or a retry.
        assert_eq!(meaning("brain"), None);
    }
}
