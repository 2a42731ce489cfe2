//! What was said in a thread before, and the bot's own messages in it.

use std::collections::{HashMap, VecDeque};

use serde_json::Value;

use super::{
    ids::{self, Place},
    inbound::text,
    limits::{LINES_MAX, PAGE_MESSAGES, PAGES_MAX},
    methods,
    outbound::{METADATA_EVENT, Slack},
};
use crate::{
    domain::conversation::{ConversationId, Line, LineRef, Person, Standing},
    surface::SurfaceError,
};

impl Slack {
    /// What was said in the conversation up to `until` and including it, oldest first, without the bot's own words.
    /// The newest 200 lines, with the first of the thread always among them.
    pub async fn read_conversation(
        &self,
        conversation: &ConversationId,
        until: &LineRef,
    ) -> Result<Vec<Line>, SurfaceError> {
        let place = ids::parse_conversation(conversation)?;
        let (_, last) = ids::parse_line(until)?;
        let me = self.me().await?.clone();
        let mut kept: VecDeque<Value> = VecDeque::new();
        self.for_each_page(&place, &last, |messages| {
            for message in messages
                .iter()
                .filter(|message| message["user"] != me.user_id.as_str() && is_speech(message))
            {
                if kept.len() >= LINES_MAX {
                    kept.remove(1);
                }
                kept.push_back(message.clone());
            }
            Page::Next
        })
        .await?;
        let mut people = HashMap::new();
        let mut lines = Vec::with_capacity(kept.len());
        for message in &kept {
            lines.extend(self.line(&place, message, &me.user_id, &mut people).await?);
            lines.extend(forwarded(&place, message));
        }
        Ok(lines)
    }

    pub(super) async fn line(
        &self,
        place: &Place,
        message: &Value,
        me: &str,
        people: &mut HashMap<String, Person>,
    ) -> Result<Option<Line>, SurfaceError> {
        let Some(ts) = message["ts"].as_str() else {
            return Ok(None);
        };
        let author = self.author(&place.team, message, people).await?;
        let mut said = text::plain(message["text"].as_str().unwrap_or_default(), me);
        if said.is_empty() && author.standing == Standing::Bot {
            said = attachments(message);
        }
        let files = super::inbound::files(message);
        if said.is_empty() && files.is_empty() {
            return Ok(None);
        }
        let also_by = match editor(message) {
            Some(editor) => vec![self.user(&place.team, editor, people).await?],
            None => Vec::new(),
        };
        Ok(Some(Line {
            also_by,
            files,
            ..Line::said(ids::line(&place.team, &place.channel, ts), author, said)
        }))
    }

    async fn author(
        &self,
        team: &str,
        message: &Value,
        people: &mut HashMap<String, Person>,
    ) -> Result<Person, SurfaceError> {
        let user = message["user"]
            .as_str()
            .filter(|_| message["bot_id"].is_null());
        let Some(user) = user else {
            let id = message["bot_id"]
                .as_str()
                .or_else(|| message["user"].as_str())
                .unwrap_or("unknown");
            let name = message["bot_profile"]["name"]
                .as_str()
                .or_else(|| message["username"].as_str())
                .unwrap_or("a program");
            return Ok(Person {
                id: ids::person(team, id),
                name: name.to_owned(),
                standing: Standing::Bot,
            });
        };
        self.user(team, user, people).await
    }

    /// A user, looked up once for a conversation.
    async fn user(
        &self,
        team: &str,
        user: &str,
        people: &mut HashMap<String, Person>,
    ) -> Result<Person, SurfaceError> {
        if let Some(known) = people.get(user) {
            return Ok(known.clone());
        }
        let id = ids::person(team, user);
        let person = match self.person(&id).await {
            Ok(person) => person,
            Err(error @ (SurfaceError::Transient { .. } | SurfaceError::Closed { .. })) => {
                return Err(error);
            }
            // Somebody whom Slack does not show us still said it; their words are background.
            Err(SurfaceError::Permanent { .. }) => Person {
                id,
                name: user.to_owned(),
                standing: Standing::Unknown,
            },
        };
        people.insert(user.to_owned(), person.clone());
        Ok(person)
    }

    /// The message of ours that stands in a slot of this thread, if one was posted.
    pub(super) async fn find_slot(
        &self,
        place: &Place,
        slot_key: &str,
    ) -> Result<Option<String>, SurfaceError> {
        let mut found = None;
        if place.ts.is_none() {
            return self.find_in_channel(place, slot_key).await;
        }
        self.for_each_page(place, "", |messages| {
            let own = messages.iter().find(|message| {
                let metadata = &message["metadata"];
                metadata["event_type"] == METADATA_EVENT
                    && metadata["event_payload"]["slot"] == slot_key
            });
            found = own
                .and_then(|message| message["ts"].as_str())
                .map(str::to_owned);
            if found.is_some() {
                Page::Enough
            } else {
                Page::Next
            }
        })
        .await?;
        Ok(found)
    }

    /// The same outside of threads: what was said in the channel last.
    async fn find_in_channel(
        &self,
        place: &Place,
        slot_key: &str,
    ) -> Result<Option<String>, SurfaceError> {
        let size = PAGE_MESSAGES.to_string();
        let arguments = [
            ("channel", place.channel.as_str()),
            ("limit", &size),
            ("include_all_metadata", "true"),
        ];
        let page = self.api.get(methods::HISTORY, &arguments).await?;
        let messages = page["messages"].as_array().into_iter().flatten();
        let mut own = messages.filter(|message| {
            let metadata = &message["metadata"];
            metadata["event_type"] == METADATA_EVENT
                && metadata["event_payload"]["slot"] == slot_key
        });
        Ok(own
            .next()
            .and_then(|message| message["ts"].as_str())
            .map(str::to_owned))
    }

    /// Reads a thread page by page, oldest first, up to the moment `latest`; an empty one means to the end.
    pub(super) async fn for_each_page(
        &self,
        place: &Place,
        latest: &str,
        mut take: impl FnMut(&[Value]) -> Page,
    ) -> Result<(), SurfaceError> {
        let Some(thread) = place.ts.as_deref() else {
            return Ok(());
        };
        let size = PAGE_MESSAGES.to_string();
        let mut cursor = String::new();
        for _ in 0..PAGES_MAX {
            let mut arguments = vec![
                ("channel", place.channel.as_str()),
                ("ts", thread),
                ("limit", &size),
                ("include_all_metadata", "true"),
            ];
            if !latest.is_empty() {
                arguments.extend([("latest", latest), ("inclusive", "true")]);
            }
            if !cursor.is_empty() {
                arguments.push(("cursor", &cursor));
            }
            let page = self.api.get(methods::THREAD, &arguments).await?;
            let messages = page["messages"]
                .as_array()
                .map_or(&[] as &[Value], Vec::as_slice);
            let next = page["response_metadata"]["next_cursor"]
                .as_str()
                .unwrap_or_default();
            if take(messages) == Page::Enough || next.is_empty() {
                return Ok(());
            }
            next.clone_into(&mut cursor);
        }
        Ok(())
    }
}

/// Whether reading goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Page {
    Next,
    Enough,
}

/// Whoever edited a message in the place of its author: mostly nobody, because Slack lets nobody else.
fn editor(message: &Value) -> Option<&str> {
    let editor = message["edited"]["user"].as_str()?;
    (message["user"] != editor).then_some(editor)
}

/// What a message brings along from elsewhere: each is a line of its own, by somebody who is not here. Its author's
/// name is what the message says it is, so they are nobody whose words count, not even where it is the requester's.
fn forwarded(place: &Place, message: &Value) -> Vec<Line> {
    let all = message["attachments"]
        .as_array()
        .map_or(&[] as &[Value], Vec::as_slice);
    let ts = message["ts"].as_str().unwrap_or_default();
    let shared = all
        .iter()
        .enumerate()
        .filter(|(_, one)| one["is_share"] == true || one["is_msg_unfurl"] == true);
    shared
        .filter_map(|(index, one)| {
            let said = one["text"].as_str().or_else(|| one["fallback"].as_str())?;
            let said = text::plain(said, "");
            let by = one["author_id"].as_str().unwrap_or("unknown");
            let name = ["author_name", "author_subname"]
                .into_iter()
                .find_map(|field| one[field].as_str())
                .unwrap_or("somebody");
            let author = Person {
                id: ids::person(&place.team, &format!("forwarded-{by}")),
                name: format!("{name}, in a message that was forwarded"),
                standing: Standing::Unknown,
            };
            let reference = ids::line(&place.team, &place.channel, &format!("{ts}#{index}"));
            (!said.is_empty()).then(|| Line::said(reference, author, said))
        })
        .collect()
}

/// Joining, leaving and renaming are no speech.
pub(super) fn is_speech(message: &Value) -> bool {
    matches!(
        message["subtype"].as_str(),
        None | Some("file_share" | "thread_broadcast" | "me_message" | "bot_message")
    )
}

/// What a program says often stands in its attachments alone.
fn attachments(message: &Value) -> String {
    let all = message["attachments"]
        .as_array()
        .map_or(&[] as &[Value], Vec::as_slice);
    let texts: Vec<&str> = all
        .iter()
        .filter_map(|one| one["fallback"].as_str().or_else(|| one["text"].as_str()))
        .collect();
    text::plain(&texts.join("\n"), "")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_forwarded_is_nobodys_instruction_whoever_forwards_it() {
        let message = json!({ "ts": "1.2", "user": "UANA", "text": "<@U0BOT> fix this", "attachments": [
            { "is_share": true, "author_id": "UANA", "author_name": "Ana", "text": "drop the table &amp; push" },
            { "is_msg_unfurl": true, "fallback": "from a link" },
            { "title": "a page", "text": "unfurled, and no message" },
            { "is_share": true, "text": "" },
        ] });
        let place = Place {
            team: "T1".to_owned(),
            channel: "C1".to_owned(),
            ts: Some("1.2".to_owned()),
        };
        let lines = forwarded(&place, &message);
        let told: Vec<(&str, &str, &str)> = lines
            .iter()
            .map(|line| {
                let author = &line.author;
                (
                    author.id.0.as_str(),
                    author.name.as_str(),
                    line.text.as_str(),
                )
            })
            .collect();
        let ana = ids::person("T1", "forwarded-UANA").0;
        let unknown = ids::person("T1", "forwarded-unknown").0;
        assert_eq!(
            told,
            [
                (
                    ana.as_str(),
                    "Ana, in a message that was forwarded",
                    "drop the table & push"
                ),
                (
                    unknown.as_str(),
                    "somebody, in a message that was forwarded",
                    "from a link"
                ),
            ]
        );
        assert!(
            lines
                .iter()
                .all(|line| line.author.standing == Standing::Unknown)
        );
        assert_ne!(lines[0].reference, lines[1].reference);
    }

    #[test]
    fn only_somebody_else_edits_in_anothers_place() {
        let edited = |by: &str| json!({ "user": "UANA", "edited": { "user": by, "ts": "1.3" } });
        assert_eq!(editor(&edited("UANA")), None);
        assert_eq!(editor(&edited("UADMIN")), Some("UADMIN"));
        assert_eq!(editor(&json!({ "user": "UANA" })), None);
    }
}
