//! Forms and pages that surfaces show to one person.

use super::{Surface, Surfaces};
use crate::{
    domain::{
        TaskId,
        conversation::{ConversationId, PersonId},
    },
    surface::{Form, HomeEntry, HomePage, HomeSection, SettingsForm, SurfaceError},
};

impl Surfaces {
    /// Opens a form about a task. Where a surface has none, it asks in words, and what the person writes then is the answer.
    pub async fn open_form(
        &self,
        (conversation, task): (&ConversationId, &TaskId),
        trigger: &str,
        form: &Form,
    ) -> Result<(), SurfaceError> {
        let form = &match form {
            Form::Correction {
                revision,
                plan,
                editable,
            } => Form::Correction {
                revision: *revision,
                plan: self.clean(plan),
                editable: editable.as_ref().map(|text| self.clean(text)),
            },
            Form::Repository { .. } | Form::Request { .. } | Form::Team { .. } => form.clone(),
        };
        match self.surface(&conversation.0).await? {
            Surface::Slack(slack) => slack.open_form(trigger, (conversation, task), form).await,
            Surface::Linear(linear) => linear.open_form(conversation, trigger, form).await,
        }
    }

    /// Opens the form that asks for a task.
    pub async fn open_request_form(
        &self,
        conversation: &ConversationId,
        trigger: &str,
        known: Vec<String>,
    ) -> Result<(), SurfaceError> {
        match self.surface(&conversation.0).await? {
            Surface::Slack(slack) => slack.open_request_form(trigger, known).await,
            Surface::Linear(_) => Ok(()),
        }
    }

    /// Opens the form that holds settings.
    pub async fn open_settings_form(
        &self,
        conversation: &ConversationId,
        trigger: &str,
        form: &SettingsForm,
    ) -> Result<(), SurfaceError> {
        match self.surface(&conversation.0).await? {
            Surface::Slack(slack) => slack.open_settings_form(conversation, trigger, form).await,
            Surface::Linear(_) => Ok(()),
        }
    }

    /// Shows a person their page, where the surface has such pages.
    pub async fn show_home(&self, person: &PersonId, page: &HomePage) -> Result<(), SurfaceError> {
        let clean = |entry: &HomeEntry| HomeEntry {
            text: self.clean(&entry.text),
            page: entry.page.clone(),
        };
        let sections = page.sections.iter().map(|section| HomeSection {
            title: section.title.clone(),
            entries: section.entries.iter().map(clean).collect(),
        });
        let page = HomePage {
            sections: sections.collect(),
            controls: page.controls.clone(),
        };
        match self.surface(&person.0).await? {
            Surface::Slack(slack) => slack.show_home(person, &page).await,
            Surface::Linear(_) => Ok(()),
        }
    }
}
