//! Who may do what, and which repository is meant.

use serde::{Deserialize, Serialize};

use super::{
    conversation::{Person, PersonId, Standing},
    specification::RepositoryName,
};

/// What somebody wants to do to a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Ask for a task.
    Start,
    /// Say something that the agent follows.
    Steer,
    /// Approve a plan.
    Approve,
    /// End a task.
    Cancel,
    /// Decide about a host that a sandbox was refused.
    WidenNetwork,
    /// Say what one thinks of a result.
    Rate,
    /// Change the settings of a channel.
    Configure,
    /// Have an issue made for a task.
    FileIssue,
}

/// Who may act. People who are not full members may never approve.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// People who may act; empty means every member.
    #[serde(default)]
    pub people: Vec<PersonId>,
    /// Whether the requester may not approve their own task.
    #[serde(default)]
    pub second_person_approves: bool,
    /// People who may decide about refused hosts; empty means whoever may approve.
    #[serde(default)]
    pub network_people: Vec<PersonId>,
    /// Whether nobody decides about the network of their own task.
    #[serde(default)]
    pub second_person_widens: bool,
}

/// Why an act was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// Not a full member of the organisation.
    NotAMember,
    /// Not on the list of people.
    NotListed,
    /// The requester approves their own task where a second person has to.
    OwnRequest,
    /// A second person has to decide, and the task was asked for on another surface: nothing says that it is not the same
    /// person.
    Elsewhere,
}

/// Who may do something, what says so, and whether one person may.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Right {
    /// What.
    pub act: Act,
    /// Who.
    pub who: Who,
    /// Whether nobody may do it to a task that they asked for themselves.
    pub needs_another: bool,
    /// Why the person may not; none where they may.
    pub refused: Option<Refusal>,
}

/// People who may do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "are", content = "number", rename_all = "snake_case")]
pub enum Who {
    /// Every full member: nobody is named.
    Members,
    /// So many, whom [`Policy::people`] names.
    People(usize),
    /// So many, whom [`Policy::network_people`] names.
    NetworkPeople(usize),
}

impl Policy {
    /// Who may do `act`, and whether `person` may do it to a task of `requester`.
    #[must_use]
    pub fn right(&self, act: Act, person: &Person, requester: &PersonId) -> Right {
        let who = match act {
            Act::Rate => Who::Members,
            Act::WidenNetwork if !self.network_people.is_empty() => {
                Who::NetworkPeople(self.network_people.len())
            }
            Act::Start
            | Act::Steer
            | Act::Approve
            | Act::Cancel
            | Act::Configure
            | Act::FileIssue
            | Act::WidenNetwork => match self.people.len() {
                0 => Who::Members,
                number => Who::People(number),
            },
        };
        Right {
            act,
            who,
            needs_another: self.needs_another(act),
            refused: self.allows(act, person, requester).err(),
        }
    }

    const fn needs_another(&self, act: Act) -> bool {
        match act {
            Act::Approve => self.second_person_approves,
            Act::WidenNetwork => self.second_person_widens,
            Act::Start | Act::Steer | Act::Cancel | Act::Rate | Act::Configure | Act::FileIssue => {
                false
            }
        }
    }

    /// Whether `person` may do `act` to a task of `requester`.
    pub fn allows(&self, act: Act, person: &Person, requester: &PersonId) -> Result<(), Refusal> {
        match person.standing {
            Standing::Member => {}
            Standing::Guest | Standing::Outsider | Standing::Bot | Standing::Unknown => {
                return Err(Refusal::NotAMember);
            }
        }
        let listed = match act {
            // Nothing follows from it, so every member may.
            Act::Rate => return Ok(()),
            Act::WidenNetwork if !self.network_people.is_empty() => &self.network_people,
            Act::Start
            | Act::Steer
            | Act::Approve
            | Act::Cancel
            | Act::Configure
            | Act::FileIssue
            | Act::WidenNetwork => &self.people,
        };
        if !listed.is_empty() && !listed.contains(&person.id) {
            return Err(Refusal::NotListed);
        }
        let needs_another = self.needs_another(act);
        if needs_another && &person.id == requester {
            return Err(Refusal::OwnRequest);
        }
        // Somebody who asks on one surface may be somebody of another name on the next one.
        if needs_another && person.id.surface() != requester.surface() {
            return Err(Refusal::Elsewhere);
        }
        Ok(())
    }
}

/// Which repository a request means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RepositoryChoice {
    /// This one.
    Chosen(RepositoryName),
    /// It has to be asked. Never more than a picker can hold.
    Ask(Vec<RepositoryName>),
}

/// The most repositories that a picker offers.
pub const PICKER_MAX: usize = 20;

/// Chooses: what was said, then the conversation's, then the channel's, then the only one. It never guesses between two.
#[must_use]
pub fn choose_repository(
    said: Option<&RepositoryName>,
    of_conversation: Option<&RepositoryName>,
    of_channel: Option<&RepositoryName>,
    known: &[RepositoryName],
) -> RepositoryChoice {
    if let Some(name) = said.or(of_conversation).or(of_channel) {
        return RepositoryChoice::Chosen(name.clone());
    }
    match known {
        [only] => RepositoryChoice::Chosen(only.clone()),
        _ => RepositoryChoice::Ask(known.iter().take(PICKER_MAX).cloned().collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(standing: Standing) -> Person {
        Person {
            id: PersonId("p".into()),
            name: "ana".into(),
            standing,
        }
    }

    #[test]
    fn only_members_act() {
        let policy = Policy::default();
        assert_eq!(
            policy.allows(
                Act::Approve,
                &person(Standing::Member),
                &PersonId("p".into())
            ),
            Ok(())
        );
        for standing in [
            Standing::Guest,
            Standing::Outsider,
            Standing::Bot,
            Standing::Unknown,
        ] {
            assert_eq!(
                policy.allows(Act::Approve, &person(standing), &PersonId("p".into())),
                Err(Refusal::NotAMember)
            );
        }
    }

    #[test]
    fn nobody_approves_their_own_task_where_a_second_person_has_to() {
        let policy = Policy {
            second_person_approves: true,
            ..Policy::default()
        };
        assert_eq!(
            policy.allows(
                Act::Approve,
                &person(Standing::Member),
                &PersonId("p".into())
            ),
            Err(Refusal::OwnRequest)
        );
        assert_eq!(
            policy.allows(
                Act::Cancel,
                &person(Standing::Member),
                &PersonId("p".into())
            ),
            Ok(())
        );
    }

    #[test]
    fn somebody_of_another_surface_may_be_the_requester_and_is_no_second_person() {
        let policy = Policy {
            second_person_approves: true,
            ..Policy::default()
        };
        let approves = |id: &str, requester: &str| {
            let person = Person {
                id: PersonId(id.into()),
                ..person(Standing::Member)
            };
            policy.allows(Act::Approve, &person, &PersonId(requester.into()))
        };
        assert_eq!(approves("a:ben", "a:ana"), Ok(()));
        assert_eq!(approves("a:ana", "a:ana"), Err(Refusal::OwnRequest));
        assert_eq!(approves("b:ben", "a:ana"), Err(Refusal::Elsewhere));
        let alone = Policy::default();
        let ben = Person {
            id: PersonId("b:ben".into()),
            ..person(Standing::Member)
        };
        let ana = PersonId("a:ana".into());
        assert_eq!(alone.allows(Act::Approve, &ben, &ana), Ok(()));
    }

    #[test]
    fn the_network_has_people_and_a_second_person_of_its_own() {
        let (ana, ben) = (PersonId("p".into()), PersonId("q".into()));
        let may = |policy: &Policy, requester: &PersonId| {
            policy.allows(Act::WidenNetwork, &person(Standing::Member), requester)
        };
        assert_eq!(may(&Policy::default(), &ana), Ok(()));
        let listed = Policy {
            people: vec![ana.clone()],
            network_people: vec![ben.clone()],
            ..Policy::default()
        };
        assert_eq!(may(&listed, &ben), Err(Refusal::NotListed));
        let member = person(Standing::Member);
        assert_eq!(listed.allows(Act::Approve, &member, &ben), Ok(()));
        let second = Policy {
            second_person_widens: true,
            ..Policy::default()
        };
        assert_eq!(may(&second, &ana), Err(Refusal::OwnRequest));
        assert_eq!(may(&second, &ben), Ok(()));
        assert_eq!(
            second.allows(Act::WidenNetwork, &person(Standing::Guest), &ben),
            Err(Refusal::NotAMember)
        );
    }

    #[test]
    fn a_right_says_who_has_it_and_why_somebody_has_not() {
        let (ana, ben) = (PersonId("p".into()), PersonId("q".into()));
        let policy = Policy {
            people: vec![ana.clone(), ben.clone()],
            network_people: vec![ben.clone()],
            second_person_approves: true,
            ..Policy::default()
        };
        let member = person(Standing::Member);
        let right = |act, requester| {
            let right = policy.right(act, &member, requester);
            (right.who, right.needs_another, right.refused)
        };
        assert_eq!(right(Act::Start, &ana), (Who::People(2), false, None));
        let own = Some(Refusal::OwnRequest);
        assert_eq!(right(Act::Approve, &ana), (Who::People(2), true, own));
        assert_eq!(right(Act::Approve, &ben), (Who::People(2), true, None));
        let refused = Some(Refusal::NotListed);
        let network = (Who::NetworkPeople(1), false, refused);
        assert_eq!(right(Act::WidenNetwork, &ana), network);
        let open = Policy::default().right(Act::WidenNetwork, &member, &ana);
        assert_eq!((open.who, open.refused), (Who::Members, None));
    }

    #[test]
    fn between_two_repositories_it_asks() {
        let names: Vec<RepositoryName> = ["a/a", "b/b"]
            .map(|name| RepositoryName(name.into()))
            .into();
        assert_eq!(
            choose_repository(None, None, None, &names),
            RepositoryChoice::Ask(names.clone())
        );
        assert_eq!(
            choose_repository(None, None, None, &names[..1]),
            RepositoryChoice::Chosen(names[0].clone())
        );
        assert_eq!(
            choose_repository(None, Some(&names[1]), Some(&names[0]), &names),
            RepositoryChoice::Chosen(names[1].clone())
        );
    }
}
