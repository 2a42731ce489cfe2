//! What is said and shown in Slack.

use std::sync::Arc;

use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::{
    api::Api,
    blocks::{self, Audience},
    checklist, forms,
    ids::{self, Place},
    inbound::Identity,
    methods,
    sessions::{NEWER_BLOCKS, Without},
    tiers::Urgency,
};
use crate::{
    clock::Clock,
    domain::{
        TaskId,
        conversation::{ConversationId, LineRef, PersonId},
    },
    surface::{Attempt, Form, Pace, SurfaceError, Words, WordsKind},
};

/// The name of the metadata by which the bot finds its own messages again.
pub(super) const METADATA_EVENT: &str = "deckhand";

/// A workspace of Slack, as the bot sees it. Cheap to clone.
#[derive(Clone)]
pub struct Slack {
    pub(super) api: Api,
    identity: Arc<OnceCell<Identity>>,
    pub(super) without: Arc<Without>,
}

impl Slack {
    /// Prepares calls to the Web API at `api_url`. Nothing is called yet. The process needs a default provider of rustls.
    pub fn new(api_url: &str, token: SecretString) -> Result<Self, SurfaceError> {
        Ok(Self {
            api: Api::new(api_url, token)?,
            identity: Arc::default(),
            without: Arc::default(),
        })
    }

    /// The same by another clock: it says how long a limit of Slack is obeyed.
    #[must_use]
    pub fn timed_by(mut self, clock: &Clock) -> Self {
        self.api = self.api.timed_by(clock);
        self
    }

    /// The same before anything was called, where Slack allows so many times the calls a minute that it publishes.
    #[must_use]
    pub fn allowed(mut self, times: u16) -> Self {
        self.api = self.api.allowed(times);
        self
    }

    /// The same workspace with another token, as after a renewal.
    #[must_use]
    pub fn with_token(&self, token: SecretString) -> Self {
        Self {
            api: self.api.with_token(token),
            identity: Arc::default(),
            without: Arc::default(),
        }
    }

    /// Who the bot is.
    pub async fn identity(&self) -> Result<Identity, SurfaceError> {
        let found = self.api.post(methods::WHO_AM_I, &json!({})).await?;
        let text = |field: &str| found[field].as_str().unwrap_or_default().to_owned();
        Ok(Identity {
            user_id: text("user_id"),
            team_id: text("team_id"),
            bot_id: found["bot_id"].as_str().map(str::to_owned),
            team_name: text("team"),
            user_name: text("user"),
            url: text("url"),
            organisation: (found["is_enterprise_install"] == true)
                .then(|| text("enterprise_id"))
                .filter(|id| !id.is_empty()),
        })
    }

    /// Who the bot is, asked once.
    pub(super) async fn me(&self) -> Result<&Identity, SurfaceError> {
        self.identity.get_or_try_init(|| self.identity()).await
    }

    /// The rights that were granted, which may be fewer than the manifest asks for.
    pub async fn granted_scopes(&self) -> Result<Vec<String>, SurfaceError> {
        self.api.granted_scopes().await
    }

    /// Says something to everybody in the thread, or edits what stands in the slot.
    ///
    /// `slot_key` is unique in the conversation. A message that somebody deleted is posted anew.
    pub async fn say(
        &self,
        conversation: &ConversationId,
        slot_key: &str,
        standing: Option<&LineRef>,
        words: &Words,
        attempt: Attempt,
    ) -> Result<LineRef, SurfaceError> {
        let place = ids::parse_conversation(conversation)?;
        let mut message = blocks::message(words, Audience::Everybody);
        message["channel"] = json!(place.channel);
        message["metadata"] =
            json!({ "event_type": METADATA_EVENT, "event_payload": { "slot": slot_key } });
        message["unfurl_links"] = json!(false);
        message["unfurl_media"] = json!(false);
        let standing = match (standing, attempt) {
            (Some(line), Attempt::First | Attempt::Repeated) => Some(ids::parse_line(line)?.1),
            (None, Attempt::Repeated) => self.find_slot(&place, slot_key).await?,
            (None, Attempt::First) => None,
        };
        if self.without.knows(&place.team, NEWER_BLOCKS) {
            checklist::take_out(&mut message);
        }
        let edit = (standing.as_deref(), urgency(&words.kind));
        match self.put(&place, edit, &message).await {
            // A checklist, or a question what people think, is never worth the message.
            Err(SurfaceError::Permanent { code, .. })
                if checklist::may_be_why(&code) && checklist::take_out(&mut message) =>
            {
                let line = self.put(&place, edit, &message).await?;
                self.without.learn(&place.team, NEWER_BLOCKS);
                Ok(line)
            }
            said => said,
        }
    }

    /// Edits what stands there, or posts it.
    async fn put(
        &self,
        place: &Place,
        (standing, urgency): (Option<&str>, Urgency),
        message: &Value,
    ) -> Result<LineRef, SurfaceError> {
        if let Some(ts) = standing
            && self.update(message, (ts, urgency)).await?
        {
            return Ok(ids::line(&place.team, &place.channel, ts));
        }
        let mut message = message.clone();
        if let Some(thread) = &place.ts {
            message["thread_ts"] = json!(thread);
        }
        let posted = self.api.post(methods::SAY, &message).await?;
        let ts = posted["ts"].as_str().ok_or_else(|| {
            super::api::transient(methods::SAY.name(), "gave an answer that is none", None)
        })?;
        Ok(ids::line(&place.team, &place.channel, ts))
    }

    /// Edits a message. False where there is nothing any more that could be edited.
    async fn update(
        &self,
        message: &Value,
        (ts, urgency): (&str, Urgency),
    ) -> Result<bool, SurfaceError> {
        let mut edit = message.clone();
        edit["ts"] = json!(ts);
        match self.api.post_as(urgency, methods::EDIT, &edit).await {
            Ok(_) => Ok(true),
            Err(SurfaceError::Permanent { code, .. })
                if matches!(
                    code.as_str(),
                    "message_not_found" | "cant_update_message" | "edit_window_closed"
                ) =>
            {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Says something that one person sees. Where the bot may not write, as after a command in a channel without it or in one
    /// that is closed since, it is said in their direct messages.
    pub async fn whisper(
        &self,
        conversation: &ConversationId,
        person: &PersonId,
        words: &Words,
    ) -> Result<(), SurfaceError> {
        let place = ids::parse_conversation(conversation)?;
        let (_, user) = ids::parse_person(person)?;
        let mut message = blocks::message(words, Audience::OnePerson);
        message["channel"] = json!(place.channel);
        message["user"] = json!(user);
        if let Some(thread) = &place.ts {
            message["thread_ts"] = json!(thread);
        }
        match self.api.post(methods::WHISPER, &message).await {
            Ok(_) => Ok(()),
            Err(SurfaceError::Permanent { code, .. })
                if matches!(
                    code.as_str(),
                    "not_in_channel"
                        | "channel_not_found"
                        | "is_archived"
                        | "restricted_action"
                        | "user_not_in_channel"
                        | "cannot_dm_bot"
                ) =>
            {
                self.say_directly(user, message).await
            }
            Err(error) => Err(error),
        }
    }

    async fn say_directly(&self, user: &str, mut message: Value) -> Result<(), SurfaceError> {
        let opened = self
            .api
            .post(methods::OPEN_DIRECT, &json!({ "users": user }))
            .await?;
        message["channel"] = opened["channel"]["id"].clone();
        message["unfurl_links"] = json!(false);
        if let Some(fields) = message.as_object_mut() {
            fields.remove("user");
            fields.remove("thread_ts");
        }
        self.api.post(methods::SAY, &message).await.map(drop)
    }

    /// Opens a form about a task for the person whose press gave the trigger; it is good for three seconds.
    pub async fn open_form(
        &self,
        trigger: &str,
        (conversation, task): (&ConversationId, &TaskId),
        form: &Form,
    ) -> Result<(), SurfaceError> {
        ids::parse_conversation(conversation)?;
        let view = json!({ "trigger_id": trigger, "view": forms::view(form, conversation, task) });
        self.api.post(methods::OPEN_FORM, &view).await.map(drop)
    }

    /// Opens the form that asks for a task, for the person whose shortcut gave the trigger; it is good for three seconds.
    pub async fn open_request_form(
        &self,
        trigger: &str,
        known: Vec<String>,
    ) -> Result<(), SurfaceError> {
        let view = forms::request_view(&Form::Request { known });
        let opening = json!({ "trigger_id": trigger, "view": view });
        self.api.post(methods::OPEN_FORM, &opening).await.map(drop)
    }

    /// The address of a message, for people.
    pub async fn permalink(&self, line: &LineRef) -> Result<String, SurfaceError> {
        let (Place { channel, .. }, ts) = ids::parse_line(line)?;
        let found = self
            .api
            .get(
                methods::PERMALINK,
                &[("channel", &channel), ("message_ts", &ts)],
            )
            .await?;
        found["permalink"]
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| {
                super::api::transient(
                    methods::PERMALINK.name(),
                    "gave an answer that is none",
                    None,
                )
            })
    }
}

/// How much somebody waits for an edit of a message of this kind.
const fn urgency(kind: &WordsKind) -> Urgency {
    match kind {
        WordsKind::Status {
            pace: Pace::Passing,
            ..
        } => Urgency::Passing,
        WordsKind::Status {
            pace: Pace::Lasting,
            ..
        } => Urgency::Lasting,
        WordsKind::Decision | WordsKind::Ending { .. } | WordsKind::Note => Urgency::Waited,
    }
}
