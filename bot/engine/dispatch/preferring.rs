//! Settings that people change themselves: how they are shown, changed, and taken for a task.

use super::{
    Dispatch, Later,
    deliveries::{answer, without_task},
};
use crate::{
    domain::{
        command::Options,
        conversation::{ConversationId, Person},
        effect::Effect,
        incoming::Author,
        message::{Message, SettingsCard},
        policy::{Act, Refusal},
        preferences::{Chosen, Kept, Noise, Origin, Preferences, PreferencesOf, first},
        specification::RepositoryName,
    },
    store::{
        StoreError,
        inbox::Delivery,
        tasks::{AuditEntry, Transition},
    },
};

/// What is set where somebody asks.
struct Set {
    channel: Preferences,
    person: Preferences,
}

impl Set {
    /// The repository of a request that names none.
    fn repository(&self) -> Option<(RepositoryName, Origin)> {
        first([
            (self.channel.repository.as_ref(), Origin::Channel),
            (self.person.repository.as_ref(), Origin::Person),
        ])
    }

    /// The agent of a request that names none; one that cannot work any more is passed over.
    fn agent(&self, works: impl Fn(&str) -> bool) -> Option<(String, Origin)> {
        let usable = |set: &'_ Preferences| set.agent.clone().filter(|agent| works(agent));
        let (channel, person) = (usable(&self.channel), usable(&self.person));
        first([
            (channel.as_ref(), Origin::Channel),
            (person.as_ref(), Origin::Person),
        ])
    }
}

impl Dispatch {
    /// What is meant where a request says nothing of it: the repository, which is put among its options, and the agent; and
    /// how much is said. An issue that is filed under labels has its repository by them.
    pub(super) async fn choose(
        &self,
        author: &Person,
        (conversation, place, is_filed): (&ConversationId, &str, bool),
        options: &mut Options,
    ) -> Result<(Chosen, Noise), Later> {
        let set = self.set_for(author, place).await?;
        let mut chosen = Chosen::default();
        if options.repository.is_none() {
            let place = if is_filed { "" } else { place };
            chosen.repository = self.repository_of(conversation, place).await?;
            if chosen.repository.is_none() && !is_filed {
                chosen.repository = set.repository();
            }
            let name = chosen.repository.as_ref().map(|(name, _)| name.clone());
            options.repository = name;
        }
        if options.agent.is_none() {
            chosen.agent = set.agent(|name| self.agents.find(name).is_some());
        }
        Ok((chosen, set.channel.noise))
    }

    /// What is set for a person who asks in a place.
    async fn set_for(&self, person: &Person, place: &str) -> Result<Set, StoreError> {
        let channel = PreferencesOf::Place(place.to_owned());
        let person = PreferencesOf::Person(person.id.clone());
        Ok(Set {
            channel: self.store.preferences(&channel).await?,
            person: self.store.preferences(&person).await?,
        })
    }

    /// How the settings of a person, and of where they ask, stand.
    pub(super) async fn settings_card(
        &self,
        person: &Person,
        place: Option<&str>,
    ) -> Result<Message, StoreError> {
        let set = self.set_for(person, place.unwrap_or_default()).await?;
        let refused = self.may_set(person).is_err();
        Ok(Message::Settings(Box::new(SettingsCard {
            mine: set.person,
            place: place.map(str::to_owned),
            here: set.channel,
            agent: self.agents.default_name().to_owned(),
            may_change: !refused,
        })))
    }

    fn may_set(&self, person: &Person) -> Result<(), Refusal> {
        let policy = &self.config.policy;
        policy.allows(Act::Configure, person, &person.id)
    }

    pub(super) async fn settings_asked(
        &self,
        delivery: &Delivery,
        conversation: ConversationId,
        by: &Author,
        (trigger, place): (String, Option<String>),
    ) -> Result<Transition, Later> {
        let by = self.surfaces.person(by).await?;
        if let Err(refusal) = self.may_set(&by) {
            let act = Act::Configure;
            let message = Message::NotAllowed { act, refusal };
            return Ok(answer(delivery, conversation, &by, message));
        }
        let of = place.map_or(PreferencesOf::Person(by.id), PreferencesOf::Place);
        let effect = Effect::OpenSettingsForm { trigger, of };
        Ok(without_task(delivery, conversation, effect))
    }

    pub(super) async fn settings_sent(
        &self,
        delivery: &Delivery,
        conversation: ConversationId,
        by: &Author,
        (place, preferences): (Option<String>, Preferences),
    ) -> Result<Transition, Later> {
        let by = self.surfaces.person(by).await?;
        if let Err(refusal) = self.may_set(&by) {
            let act = Act::Configure;
            let message = Message::NotAllowed { act, refusal };
            return Ok(answer(delivery, conversation, &by, message));
        }
        let of = match place {
            Some(place) => PreferencesOf::Place(place),
            None => PreferencesOf::Person(by.id.clone()),
        };
        let set = |value: Option<&str>| value.unwrap_or("none").to_owned();
        let noise = match preferences.noise {
            Noise::Usual => "usual",
            Noise::Quiet => "quiet",
        };
        let repository = preferences.repository.as_ref().map(|name| name.0.as_str());
        let entry = AuditEntry {
            person: by.id.0.clone(),
            act: "settings".to_owned(),
            detail: format!(
                "{}: repository {}, agent {}, messages {noise}",
                of.key(),
                set(repository),
                set(preferences.agent.as_deref()),
            ),
        };
        let told = Message::SettingsKept {
            of: of.clone(),
            preferences: preferences.clone(),
        };
        let page = match &of {
            PreferencesOf::Person(_) => Some(self.home(&by, Some(preferences.clone())).await?),
            PreferencesOf::Place(_) => None,
        };
        let mut transition = answer(delivery, conversation, &by, told);
        transition.effects.extend(page);
        transition.audit = vec![entry];
        transition.settings = Some(Kept { of, preferences });
        Ok(transition)
    }
}
