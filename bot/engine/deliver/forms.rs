//! What is shown to one person beside the conversation: forms, and their page.

use super::{Deliver, saying::Further};
use crate::{
    domain::{
        conversation::{ConversationId, Person, PersonId},
        effect::FormRequest,
        event::FilingProblem,
        home::Home,
        message::{Decision, Message},
        plan_edit::PlanEdit,
        preferences::PreferencesOf,
    },
    engine::{Fault, gather},
    slack,
    store::{
        inbox::{NewDelivery, Source},
        outbox::Claimed,
    },
    surface::{Attempt, Form, SettingsForm, SurfaceError},
    words,
};

impl Deliver {
    pub(super) async fn open_form(
        &self,
        claimed: &Claimed,
        trigger: &str,
        form: &FormRequest,
    ) -> Result<(), Fault> {
        let owner = self.owner(claimed)?;
        let Some(stored) = self.context.store.task(owner).await? else {
            return Ok(());
        };
        let asked = form;
        let form = match form {
            FormRequest::Correction { revision } => {
                let Some(card) = stored.task.plan_card(Decision::Open) else {
                    return Ok(());
                };
                let edit = PlanEdit::of(&card.plan, &card.specification);
                Form::Correction {
                    revision: *revision,
                    plan: words::plan_text(&card).map_err(Fault::of_words)?,
                    editable: Some(words::plan_to_edit(&edit)),
                }
            }
            FormRequest::Repository => Form::Repository {
                known: gather::known_names(&self.context).await,
            },
            FormRequest::Team {
                revision, known, ..
            } => Form::Team {
                revision: *revision,
                known: known.clone(),
            },
        };
        let conversation = &claimed.conversation;
        let surfaces = &self.context.surfaces;
        let opened = surfaces.open_form((conversation, owner), trigger, &form);
        match (opened.await, asked) {
            // The teams came too late for the form; they are asked for in words.
            (Err(SurfaceError::Permanent { .. }), FormRequest::Team { by, known, .. }) => {
                let known = known.clone();
                let problem = FilingProblem::WhichTeam { known };
                let message = Message::IssueNotFiled { problem };
                let words =
                    self.words((&message, Some(owner)), conversation, Further::default())?;
                Ok(surfaces.whisper(conversation, &by.id, &words).await?)
            }
            (opened, _) => Ok(opened?),
        }
    }

    pub(super) async fn show_home(&self, to: &PersonId, home: &Home) -> Result<(), Fault> {
        let page = words::home_page(home);
        Ok(self.context.surfaces.show_home(to, &page).await?)
    }

    pub(super) async fn open_request_form(
        &self,
        conversation: &ConversationId,
        trigger: &str,
    ) -> Result<(), Fault> {
        let known = gather::known_names(&self.context).await;
        let surfaces = &self.context.surfaces;
        Ok(surfaces
            .open_request_form(conversation, trigger, known)
            .await?)
    }

    pub(super) async fn open_settings_form(
        &self,
        conversation: &ConversationId,
        trigger: &str,
        of: &PreferencesOf,
    ) -> Result<(), Fault> {
        let context = &self.context;
        let form = SettingsForm {
            place: match of {
                PreferencesOf::Person(_) => None,
                PreferencesOf::Place(place) => Some(place.clone()),
            },
            set: context.store.preferences(of).await?,
            known: gather::known_names(context).await,
            agents: context.agents.usable(),
        };
        let surfaces = &context.surfaces;
        Ok(surfaces
            .open_settings_form(conversation, trigger, &form)
            .await?)
    }

    /// Says the request where its person wants it, and stores it as what that person said there. Where it cannot be said,
    /// they hear so, with their words.
    pub(super) async fn post_request(
        &self,
        claimed: &Claimed,
        by: &Person,
        text: &str,
        attempt: Attempt,
    ) -> Result<(), Fault> {
        let conversation = &claimed.conversation;
        let shown = Message::Requested {
            by: by.clone(),
            text: text.to_owned(),
        };
        let words = self.words((&shown, None), &claimed.conversation, Further::default())?;
        let key = format!("request:{}", claimed.id);
        let surfaces = &self.context.surfaces;
        let said = surfaces
            .say(conversation, &key, None, &words, attempt)
            .await;
        let line = match said {
            Ok(line) => line,
            Err(SurfaceError::Permanent { .. } | SurfaceError::Closed { .. }) => {
                let text = text.to_owned();
                let words = self.words(
                    (&Message::CannotPost { text }, None),
                    &claimed.conversation,
                    Further::default(),
                )?;
                return Ok(surfaces.whisper(conversation, &by.id, &words).await?);
            }
            Err(error) => return Err(error.into()),
        };
        let posted = slack::posted(&line, &by.id, text)?;
        let delivery = NewDelivery {
            source: Source::Slack,
            key: posted.key,
            conversation: posted.conversation.0,
            body: posted.body,
        };
        Ok(self.context.accept(delivery).await?)
    }
}
