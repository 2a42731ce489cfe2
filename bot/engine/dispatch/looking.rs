//! What people look at outside any conversation: the answers to a command, and their page.

use super::{
    Dispatch, LIST_MAX, Later,
    deliveries::{answer, nothing, without_task},
};
use crate::{
    domain::{
        command::{self, Command},
        conversation::{ConversationId, Person, Standing},
        effect::Effect,
        home::{Home, HomeSettings},
        incoming::{Author, Incoming},
        message::Message,
        policy::Act,
        preferences::{Preferences, PreferencesOf},
    },
    store::{inbox::Delivery, tasks::Transition},
};

impl Dispatch {
    /// What people look at and fill in, each for themselves.
    pub(super) async fn looked(
        &self,
        delivery: &Delivery,
        incoming: Incoming,
    ) -> Result<Transition, Later> {
        match incoming {
            Incoming::Asked {
                conversation,
                by,
                text,
            } => self.asked(delivery, conversation, &by, &text).await,
            Incoming::FormAsked {
                conversation,
                by,
                trigger,
            } => {
                self.starting(delivery, conversation, &by, |_| Effect::OpenRequestForm {
                    trigger,
                })
                .await
            }
            Incoming::Requested {
                conversation,
                by,
                text,
            } => {
                self.starting(delivery, conversation, &by, |by| Effect::PostRequest {
                    by,
                    text,
                })
                .await
            }
            Incoming::SettingsAsked {
                conversation,
                by,
                trigger,
                place,
            } => {
                self.settings_asked(delivery, conversation, &by, (trigger, place))
                    .await
            }
            Incoming::SettingsSent {
                conversation,
                by,
                place,
                preferences,
            } => {
                self.settings_sent(delivery, conversation, &by, (place, preferences))
                    .await
            }
            Incoming::HomeOpened { conversation, by } => {
                self.home_opened(delivery, conversation, &by).await
            }
            _ => Ok(nothing(delivery)),
        }
    }

    /// A command outside any conversation.
    pub(super) async fn asked(
        &self,
        delivery: &Delivery,
        conversation: ConversationId,
        by: &Author,
        text: &str,
    ) -> Result<Transition, Later> {
        let person = self.surfaces.person(by).await?;
        let (command, _) = command::parse(text);
        if matches!(&command, Command::Ask(question) if !question.is_empty()) {
            // It stands where everybody sees it, and is answered in its thread.
            let text = text.to_owned();
            return self
                .starting(delivery, conversation, by, |by| Effect::PostRequest {
                    by,
                    text,
                })
                .await;
        }
        let message = match command {
            Command::List | Command::Status => self.list(&person).await?,
            Command::Settings => self.settings_card(&person, None).await?,
            Command::Ask(question) if question.is_empty() => Message::NothingToAnswer,
            _ => {
                let place = place_of(&conversation);
                let asked = self.explained(&person, &command, (&conversation, place), None);
                asked.await?.unwrap_or(Message::Help)
            }
        };
        Ok(answer(delivery, conversation, &person, message))
    }

    /// A person looks at their page: it shows what is true now.
    pub(super) async fn home_opened(
        &self,
        delivery: &Delivery,
        conversation: ConversationId,
        by: &Author,
    ) -> Result<Transition, Later> {
        let person = self.surfaces.person(by).await?;
        let policy = &self.config.policy;
        let mine = match policy.allows(Act::Configure, &person, &person.id) {
            Ok(()) => {
                let of = PreferencesOf::Person(person.id.clone());
                Some(self.store.preferences(&of).await?)
            }
            Err(_) => None,
        };
        let effect = self.home(&person, mine).await?;
        Ok(without_task(delivery, conversation, effect))
    }

    /// Shows a person their page, with what they have set.
    pub(super) async fn home(
        &self,
        person: &Person,
        mine: Option<Preferences>,
    ) -> Result<Effect, Later> {
        let config = &self.config;
        // Guests and outsiders see what is theirs, and not what there is beside.
        let shown = match person.standing {
            Standing::Member => config.repositories.as_slice(),
            Standing::Guest | Standing::Outsider | Standing::Bot | Standing::Unknown => &[],
        };
        let settings = HomeSettings {
            agent: self.agents.default_name().to_owned(),
            model: config.model.clone(),
            budget: config.limits.task.spend,
            parallel_tasks: config.limits.parallel_tasks,
            repositories: shown
                .iter()
                .map(|repository| repository.name.clone())
                .collect(),
            people: config.policy.people.len(),
            second_person_approves: config.policy.second_person_approves,
        };
        let home = Home {
            tasks: self.task_lines(&person.id, LIST_MAX).await?,
            settings,
            mine,
        };
        Ok(Effect::ShowHome {
            to: person.id.clone(),
            home: Box::new(home),
        })
    }

    /// A form for a task is asked for, or sent: whoever may start one goes on, the others hear why not. A sent form gets a
    /// message of its own first, in whose thread the task lives.
    async fn starting(
        &self,
        delivery: &Delivery,
        conversation: ConversationId,
        by: &Author,
        next: impl FnOnce(Person) -> Effect,
    ) -> Result<Transition, Later> {
        let by = self.surfaces.person(by).await?;
        if let Some(refused) = self.may_not_start(&by) {
            return Ok(answer(delivery, conversation, &by, refused));
        }
        Ok(without_task(delivery, conversation, next(by)))
    }
}

/// The channel of a place to whisper in, by its name in the settings.
fn place_of(conversation: &ConversationId) -> &str {
    let name = conversation.0.rsplit_once(':');
    name.map_or("", |(channel, _)| channel)
}
