//! What people set for themselves, and for a channel: defaults for requests that do not say, and how much is said.

use serde::{Deserialize, Serialize};

use super::{conversation::PersonId, specification::RepositoryName};

/// Whose settings these are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "of", content = "key", rename_all = "snake_case")]
pub enum PreferencesOf {
    /// One person's, for what they ask.
    Person(PersonId),
    /// A channel's or a team's, by its name in the settings: for what is asked there.
    Place(String),
}

impl PreferencesOf {
    /// Their key in the database.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::Person(person) => format!("person:{}", person.0),
            Self::Place(place) => format!("place:{place}"),
        }
    }
}

/// How much is said about a task.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Noise {
    /// Everything.
    #[default]
    Usual,
    /// Plans, questions and results; how the work goes is said to whoever asks for it.
    Quiet,
}

/// What was set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preferences {
    /// The repository of requests that name none.
    #[serde(default)]
    pub repository: Option<RepositoryName>,
    /// The agent of requests that name none.
    #[serde(default)]
    pub agent: Option<String>,
    /// How much is said; of a person's own it means nothing.
    #[serde(default)]
    pub noise: Noise,
}

/// Settings to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Whose.
    pub of: PreferencesOf,
    /// What.
    pub preferences: Preferences,
}

/// What says which repository or agent is meant, where the request itself does not. What is set goes first; the rest is
/// found out when the request is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// An earlier task of the same conversation.
    Thread,
    /// The rules of this installation.
    Rules,
    /// The settings of the channel.
    Channel,
    /// The requester's own settings.
    Person,
    /// The labels, the project or the team that its issue is filed under.
    Filed,
    /// The place where the issue stands is sure of it.
    Suggested,
    /// There is no other in reach.
    Only,
}

/// What was chosen for a task without a word of the request, and by what.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chosen {
    /// The repository.
    #[serde(default)]
    pub repository: Option<(RepositoryName, Origin)>,
    /// The agent.
    #[serde(default)]
    pub agent: Option<(String, Origin)>,
}

impl Chosen {
    /// What says that this repository is meant; none where people named it since, or nothing had to.
    #[must_use]
    pub fn repository_from(&self, repository: &RepositoryName) -> Option<Origin> {
        let (chosen, origin) = self.repository.as_ref()?;
        (chosen == repository).then_some(*origin)
    }

    /// The same of the agent.
    #[must_use]
    pub fn agent_from(&self, agent: &str) -> Option<Origin> {
        let (chosen, origin) = self.agent.as_ref()?;
        (chosen == agent).then_some(*origin)
    }
}

/// The first of several settings that says something, in the order in which they go.
#[must_use]
pub fn first<T: Clone>(settings: [(Option<&T>, Origin); 2]) -> Option<(T, Origin)> {
    settings
        .into_iter()
        .find_map(|(value, origin)| value.map(|value| (value.clone(), origin)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_name_later_was_not_chosen_for_them() {
        let web = RepositoryName("acme/web".into());
        let chosen = Chosen {
            repository: Some((web.clone(), Origin::Channel)),
            agent: Some(("goose".into(), Origin::Person)),
        };
        assert_eq!(chosen.repository_from(&web), Some(Origin::Channel));
        assert_eq!(
            chosen.repository_from(&RepositoryName("acme/api".into())),
            None
        );
        assert_eq!(chosen.agent_from("goose"), Some(Origin::Person));
        assert_eq!(chosen.agent_from("codex"), None);
        assert_eq!(Chosen::default().repository_from(&web), None);
    }

    #[test]
    fn the_channel_goes_before_the_person() {
        let (channel, person) = ("a".to_owned(), "b".to_owned());
        let of = |channel, person| first([(channel, Origin::Channel), (person, Origin::Person)]);
        assert_eq!(
            of(Some(&channel), Some(&person)),
            Some((channel.clone(), Origin::Channel))
        );
        assert_eq!(
            of(None, Some(&person)),
            Some((person.clone(), Origin::Person))
        );
        assert_eq!(of(None, None), None);
    }
}
