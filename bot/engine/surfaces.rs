//! Which surface a conversation belongs to. A closed set: a new one is an arm here.

mod asides;
mod forms;
mod marks;
mod people;

pub(super) use people::name_of;

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::sync::Mutex;

use super::workspaces::Workspaces;
use crate::{
    domain::{
        Timestamp,
        conversation::{
            ConversationId, FileRef, Line, LineRef, Person, PersonId, Place, Standing, SubjectId,
        },
        incoming::Author,
        specification::RepositoryName,
        task::Task,
    },
    linear::{self, Linear},
    redact::{Redactor, Sought},
    slack::{self, Slack},
    surface::{
        Attempt, Control, Filing, Linked, PictureFile, Step, Subject, SurfaceError, Words,
        WordsKind,
    },
    words::Reactions,
};

/// How long what a surface said of a person is believed. Rights are taken away within this time.
const PERSON_KEPT: Duration = Duration::from_mins(1);
/// The most people that are remembered at once.
const PEOPLE_MAX: usize = 10_000;

/// Every surface that is set up.
#[derive(Clone)]
pub struct Surfaces {
    workspaces: Option<Workspaces>,
    linear: Option<Linear>,
    people: Arc<Mutex<HashMap<PersonId, (Person, Instant)>>>,
    redactor: Redactor,
}

/// What an address belongs to.
enum Surface<'a> {
    Slack(Slack),
    Linear(&'a Linear),
}

impl Surfaces {
    /// Puts them together. Nothing is said that the redactor has not seen.
    #[must_use]
    pub fn new(workspaces: Option<Workspaces>, linear: Option<Linear>, redactor: Redactor) -> Self {
        Self {
            workspaces,
            linear,
            people: Arc::default(),
            redactor,
        }
    }

    /// The workspaces of Slack, where it is set up.
    #[must_use]
    pub const fn workspaces(&self) -> Option<&Workspaces> {
        self.workspaces.as_ref()
    }

    /// Linear, where it is set up.
    #[must_use]
    pub const fn linear(&self) -> Option<&Linear> {
        self.linear.as_ref()
    }

    /// Who the bot is in a workspace of Slack; asked once.
    pub async fn slack_identity(
        &self,
        home: &str,
    ) -> Result<Option<slack::Identity>, SurfaceError> {
        match &self.workspaces {
            Some(workspaces) => workspaces.me(home).await.map(Some),
            None => Ok(None),
        }
    }

    /// Looks a person up, and believes the answer for a minute.
    pub async fn person(&self, author: &Author) -> Result<Person, SurfaceError> {
        if let (Some(name), Some(standing)) = (&author.name, author.standing) {
            return Ok(Person {
                id: author.id.clone(),
                name: name.clone(),
                standing,
            });
        }
        if let Some((person, _)) = self
            .people
            .lock()
            .await
            .get(&author.id)
            .filter(|(_, since)| since.elapsed() < PERSON_KEPT)
        {
            return Ok(person.clone());
        }
        let found = match self.surface(&author.id.0).await? {
            Surface::Slack(slack) => slack.person(&author.id).await,
            Surface::Linear(linear) => linear.person(&author.id).await,
        };
        let mut person = match found {
            Ok(person) => person,
            Err(error @ (SurfaceError::Transient { .. } | SurfaceError::Closed { .. })) => {
                return Err(error);
            }
            // Nobody that the surface does not know may decide anything.
            Err(SurfaceError::Permanent { .. }) => Person {
                id: author.id.clone(),
                name: "somebody".to_owned(),
                standing: Standing::Unknown,
            },
        };
        if let Some(standing) = author.standing {
            person.standing = standing;
        }
        let mut people = self.people.lock().await;
        if people.len() >= PEOPLE_MAX {
            people.clear();
        }
        people.insert(author.id.clone(), (person.clone(), Instant::now()));
        Ok(person)
    }

    /// Says something, or edits what stands in the slot.
    pub async fn say(
        &self,
        conversation: &ConversationId,
        slot: &str,
        standing: Option<&LineRef>,
        words: &Words,
        attempt: Attempt,
    ) -> Result<LineRef, SurfaceError> {
        let words = &self.clean_words(words);
        match self.surface(&conversation.0).await? {
            Surface::Slack(slack) => {
                slack
                    .say(conversation, slot, standing, words, attempt)
                    .await
            }
            Surface::Linear(linear) => {
                linear
                    .say(conversation, slot, standing, words, attempt)
                    .await
            }
        }
    }

    /// Says a status again where a surface would take long silence for a stop.
    pub async fn keep_fresh(
        &self,
        conversation: &ConversationId,
        words: &Words,
        now: Timestamp,
    ) -> Result<(), SurfaceError> {
        match self.surface(&conversation.0).await? {
            Surface::Slack(_) => Ok(()),
            Surface::Linear(linear) => {
                let words = &self.clean_words(words);
                linear.keep_fresh(conversation, words, now).await
            }
        }
    }

    /// Says something that one person sees.
    pub async fn whisper(
        &self,
        conversation: &ConversationId,
        person: &PersonId,
        words: &Words,
    ) -> Result<(), SurfaceError> {
        let words = &self.clean_words(words);
        match self.surface(&conversation.0).await? {
            Surface::Slack(slack) => slack.whisper(conversation, person, words).await,
            Surface::Linear(linear) => linear.whisper(conversation, person, words).await,
        }
    }

    /// Posts pictures.
    pub async fn show_pictures(
        &self,
        conversation: &ConversationId,
        pictures: &[PictureFile],
        attempt: Attempt,
    ) -> Result<(), SurfaceError> {
        let pictures: &[PictureFile] = &pictures
            .iter()
            .map(|picture| PictureFile {
                title: self.clean(&picture.title),
                ..picture.clone()
            })
            .collect::<Vec<_>>();
        match self.surface(&conversation.0).await? {
            Surface::Slack(slack) => slack.show_pictures(conversation, pictures, attempt).await,
            Surface::Linear(linear) => linear.show_pictures(conversation, pictures, attempt).await,
        }
    }

    /// What was said in the conversation, oldest first.
    pub async fn read_conversation(
        &self,
        conversation: &ConversationId,
        until: &LineRef,
    ) -> Result<Vec<Line>, SurfaceError> {
        match self.surface(&conversation.0).await? {
            Surface::Slack(slack) => slack.read_conversation(conversation, until).await,
            Surface::Linear(linear) => linear.read_conversation(conversation, until).await,
        }
    }

    /// What a text that somebody wrote in the conversation links to on its surface.
    pub async fn linked(
        &self,
        conversation: &ConversationId,
        by: &PersonId,
        text: &str,
    ) -> Result<Linked, SurfaceError> {
        match self.surface(&conversation.0).await? {
            Surface::Slack(slack) => slack.linked(conversation, by, text).await,
            Surface::Linear(_) => Ok(Linked::default()),
        }
    }

    /// What a conversation is about that stands outside of it: the issue, where it has one.
    pub async fn subject(
        &self,
        conversation: &ConversationId,
    ) -> Result<Option<Subject>, SurfaceError> {
        let found = match self.surface(&conversation.0).await? {
            Surface::Slack(_) => None,
            Surface::Linear(linear) => linear.subject(conversation).await?,
        };
        // It came by no door, where secrets are taken out of what is stored.
        Ok(found.map(|mut subject| {
            let mut text = Value::String(std::mem::take(&mut subject.line.text));
            self.redactor.redact_value(&mut text, Sought::Held);
            if let Value::String(text) = text {
                subject.line.text = text;
            }
            subject
        }))
    }

    /// The bytes of a file that hung on a line.
    pub async fn download(
        &self,
        line: &LineRef,
        file: &FileRef,
        limit_bytes: u64,
    ) -> Result<Vec<u8>, SurfaceError> {
        match self.surface(&line.0).await? {
            Surface::Slack(slack) => slack.download(file, limit_bytes).await,
            Surface::Linear(linear) => linear.download(file, limit_bytes).await,
        }
    }

    /// What a request elsewhere names, by the name that it has now; none where there is no such thing.
    pub async fn named(&self, about: &SubjectId) -> Result<Option<SubjectId>, SurfaceError> {
        match self.surface(&about.0).await? {
            Surface::Slack(_) => Ok(None),
            Surface::Linear(linear) => linear.issue_of_name(about).await,
        }
    }

    /// Opens a conversation about something that a request elsewhere names; none where there is no such thing.
    pub async fn open_beside(
        &self,
        about: &SubjectId,
        task_url: &str,
    ) -> Result<Option<(Place, SubjectId)>, SurfaceError> {
        match self.surface(&about.0).await? {
            Surface::Slack(_) => Ok(None),
            Surface::Linear(linear) => linear.open_beside(about, task_url).await,
        }
    }

    /// Whether the bot itself has opened a conversation.
    pub async fn is_own(
        &self,
        conversation: &ConversationId,
        public_url: &str,
    ) -> Result<bool, SurfaceError> {
        match self.surface(&conversation.0).await? {
            Surface::Slack(_) => Ok(false),
            Surface::Linear(linear) => linear.is_own(conversation, public_url).await,
        }
    }

    /// How the subject of a conversation is filed; none where a surface files nothing.
    pub async fn filing(
        &self,
        conversation: &ConversationId,
    ) -> Result<Option<Filing>, SurfaceError> {
        match self.surface(&conversation.0).await? {
            Surface::Slack(_) => Ok(None),
            Surface::Linear(linear) => linear.filing(conversation).await,
        }
    }

    /// How sure a surface is, from 0 to 1, of each repository that its conversation may be about, the surest first; empty
    /// where it has no opinion.
    pub async fn suggested(
        &self,
        conversation: &ConversationId,
        host: &str,
        known: &[RepositoryName],
    ) -> Result<Vec<(RepositoryName, f64)>, SurfaceError> {
        match self.surface(&conversation.0).await? {
            Surface::Slack(_) => Ok(Vec::new()),
            Surface::Linear(linear) => linear.suggested(conversation, host, known).await,
        }
    }

    /// The page on which a line stands; where the surface has none, its conversation's name.
    pub async fn permalink(&self, conversation: &ConversationId, line: &LineRef) -> String {
        let page = self.page(conversation, line).await;
        page.unwrap_or_else(|| conversation.0.clone())
    }

    /// The page on which a line stands, or its whole conversation; none where the surface has none, or does not say.
    async fn page(&self, conversation: &ConversationId, line: &LineRef) -> Option<String> {
        match self.surface(&conversation.0).await.ok()? {
            Surface::Slack(slack) => slack.permalink(line).await.ok(),
            Surface::Linear(linear) => linear.permalink(conversation).await.ok(),
        }
    }

    /// The page of a single line, for people; none where its surface has no such pages, or does not say.
    pub async fn page_of_line(
        &self,
        conversation: &ConversationId,
        line: &LineRef,
    ) -> Option<String> {
        match self.surface(&conversation.0).await {
            Ok(Surface::Slack(slack)) => slack.permalink(line).await.ok(),
            Ok(Surface::Linear(_)) | Err(_) => None,
        }
    }

    /// Whether the surface of a conversation tells of the emojis on its messages.
    #[must_use]
    pub fn reactions(conversation: &ConversationId) -> Reactions {
        if conversation.0.starts_with("slack:") {
            Reactions::Heard
        } else {
            Reactions::Unheard
        }
    }

    /// Whether a conversation has one state for all that is said in it, which is that of another task: a question that is
    /// asked beside it is answered by the way.
    #[must_use]
    pub fn is_anothers(conversation: &ConversationId, task: &Task) -> bool {
        task.is_beside() && conversation.surface() == linear::SURFACE
    }

    /// A text without secrets, for whoever stores what a surface answered.
    #[must_use]
    pub fn clean(&self, text: &str) -> String {
        self.redactor.redact(text).into_owned()
    }

    /// The same for every text in a value.
    pub fn clean_value(&self, value: &mut Value) {
        self.redactor.redact_value(value, Sought::Everything);
    }

    /// The same words without secrets. Addresses stay: their keys are made for their readers.
    fn clean_words(&self, words: &Words) -> Words {
        let step = |step: &Step| Step {
            title: self.clean(&step.title),
            standing: step.standing,
        };
        Words {
            markdown: self.clean(&words.markdown),
            fallback: self.clean(&words.fallback),
            mentions: words.mentions.clone(),
            controls: self.clean_controls(&words.controls),
            kind: match &words.kind {
                WordsKind::Status {
                    headline,
                    steps,
                    title,
                    pace,
                } => WordsKind::Status {
                    headline: self.clean(headline),
                    steps: steps.iter().map(step).collect(),
                    title: title.as_ref().map(|title| self.clean(title)),
                    pace: *pace,
                },
                WordsKind::Decision | WordsKind::Ending { .. } | WordsKind::Note => {
                    words.kind.clone()
                }
            },
        }
    }

    fn clean_controls(&self, controls: &[Control]) -> Vec<Control> {
        let control = |control: &Control| match control {
            Control::Answer { question, choice } => Control::Answer {
                question: *question,
                choice: self.clean(choice),
            },
            Control::Approve { .. }
            | Control::Edit { .. }
            | Control::ChangeRepository
            | Control::MakeIssue { .. }
            | Control::Cancel
            | Control::Retry
            | Control::Rate
            | Control::Settings { .. }
            | Control::Widen { .. }
            | Control::Settle { .. }
            | Control::Open { .. } => control.clone(),
        };
        controls.iter().map(control).collect()
    }

    async fn surface(&self, address: &str) -> Result<Surface<'_>, SurfaceError> {
        if let Some(home) = slack::ids::home(address) {
            let workspaces = self.workspaces.as_ref().ok_or_else(Self::not_set_up)?;
            return workspaces.of(home).await.map(Surface::Slack);
        }
        match address.split(':').next() {
            Some("linear") => self.linear.as_ref().map(Surface::Linear),
            Some(_) | None => None,
        }
        .ok_or_else(Self::not_set_up)
    }

    fn not_set_up() -> SurfaceError {
        SurfaceError::Permanent {
            what: "finding the surface of a conversation".to_owned(),
            code: "not_set_up".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::surface::StepStanding;

    #[test]
    fn nothing_that_is_said_has_a_secret_in_it() {
        let redactor = Redactor::new(["canary-of-the-model".into()]).expect("made");
        let surfaces = Surfaces::new(None, None, redactor);
        let canary = "see canary-of-the-model";
        let page = Control::Open {
            label: "Page".to_owned(),
            url: "https://deckhand.example/tasks/k3?key=1".to_owned(),
        };
        let said = surfaces.clean_words(&Words {
            markdown: canary.to_owned(),
            fallback: canary.to_owned(),
            mentions: None,
            controls: vec![
                Control::Answer {
                    question: 1,
                    choice: canary.to_owned(),
                },
                page.clone(),
            ],
            kind: WordsKind::Status {
                headline: canary.to_owned(),
                title: Some(canary.to_owned()),
                pace: crate::surface::Pace::Passing,
                steps: vec![Step {
                    title: canary.to_owned(),
                    standing: StepStanding::Active,
                }],
            },
        });
        assert!(!format!("{said:?}").contains("canary"), "{said:?}");
        assert_eq!(said.markdown, "see [redacted]");
        assert_eq!(said.controls[1], page);
    }
}
