//! What applies to whoever asks: `why`, `limits`, `experts` and `settings`. Nothing is decided here, and nothing is changed.

use std::time::Duration;

use super::{Dispatch, Later};
use crate::domain::{
    Timestamp,
    budget::MicroDollars,
    command::{Command, Options},
    conversation::{ConversationId, Person, PersonId, Standing},
    incoming::Author,
    message::{AppliedTerms, Because, LimitsCard, Message, Used, WhyCard},
    network::NetworkTerms,
    plan::Terms,
    policy::Act,
    specification::RepositoryName,
    task::Task,
};

/// What somebody may want to do, as they are told of it.
const ACTS: [Act; 4] = [Act::Start, Act::Approve, Act::WidenNetwork, Act::Rate];
/// The most people whose names are looked up.
const NAMES_MAX: usize = 8;
/// How long all these names may take; an answer without them is better than a late one.
const NAMED_WITHIN: Duration = Duration::from_millis(1_500);

impl Dispatch {
    /// What is answered to somebody who asks what applies or what is set; none where they ask for something else. A place is
    /// a channel or team, by its name in the settings.
    pub(super) async fn explained(
        &self,
        person: &Person,
        command: &Command,
        (conversation, place): (&ConversationId, &str),
        task: Option<(&Task, Timestamp)>,
    ) -> Result<Option<Message>, Later> {
        Ok(match command {
            Command::Settings => Some(self.settings_card(person, Some(place)).await?),
            Command::Why => Some(self.why(person, (conversation, place), task).await?),
            Command::Limits => Some(self.limits(person, task).await?),
            Command::Experts => Some(Message::Experts {
                agents: self.agents.usable(),
            }),
            _ => None,
        })
    }

    async fn why(
        &self,
        person: &Person,
        here: (&ConversationId, &str),
        task: Option<(&Task, Timestamp)>,
    ) -> Result<Message, Later> {
        let requester = task.map_or(&person.id, |(task, _)| &task.request.author.id);
        let policy = &self.config.policy;
        let rights = ACTS.map(|act| policy.right(act, person, requester));
        let is_member = person.standing == Standing::Member;
        let terms = match task {
            Some((task, _)) => Some(self.terms_of(task).await?),
            None if is_member => Some(self.terms_here(person, here).await?),
            None => None,
        };
        let people = if is_member {
            self.names_like(&person.id).await
        } else {
            Vec::new()
        };
        Ok(Message::Why(Box::new(WhyCard {
            rights: rights.into(),
            people,
            terms: terms.map(Box::new),
        })))
    }

    /// The names of people whom the settings list, as far as they are known where somebody asks.
    async fn names_like(&self, asker: &PersonId) -> Vec<String> {
        let people = self.config.policy.people.iter();
        let near = people.filter(|person| person.surface() == asker.surface());
        let mut names = Vec::new();
        let looked_up = async {
            for id in near.take(NAMES_MAX) {
                let author = Author {
                    id: id.clone(),
                    name: None,
                    standing: None,
                };
                if let Ok(person) = self.surfaces.person(&author).await
                    && person.standing != Standing::Unknown
                {
                    names.push(person.name);
                }
            }
        };
        // What was found until then is shown.
        let _ = tokio::time::timeout(NAMED_WITHIN, looked_up).await;
        names
    }

    /// What a task has.
    async fn terms_of(&self, task: &Task) -> Result<AppliedTerms, Later> {
        let Terms {
            agent,
            model,
            budget,
            ..
        } = &task.terms;
        let repository = task.repository().map(|name| {
            let because = task.chosen.repository_from(name).map(Because::Set);
            (name.clone(), because.unwrap_or(Because::Said))
        });
        let agent_because = match task.chosen.agent_from(agent) {
            Some(origin) => Because::Set(origin),
            None if task.options.agent.is_some() => Because::Said,
            None => self.agent_by_itself(),
        };
        let model_because = if task.options.model.is_some() {
            Because::Said
        } else {
            Because::Installation
        };
        let work_ms = (task.ceilings.work_ms < i64::MAX).then(|| {
            let named = task.repository();
            (task.ceilings.work_ms, self.work_ms_because(named))
        });
        let network = self.book.terms(&self.store, task, &[]).await?;
        let decided = task.network.entries.iter().filter_map(|entry| {
            let decision = entry.decision.as_ref()?;
            let host = format!("{}:{}", entry.refused.host, entry.refused.port);
            Some((host, decision.verdict, decision.by.name.clone()))
        });
        let approval = task.approval.as_ref();
        Ok(AppliedTerms {
            task: Some(task.id.0.clone()),
            repository,
            base: task.workplace.as_ref().map(|workplace| {
                let commit = workplace.base_commit.short().to_owned();
                (workplace.base_branch.clone(), commit)
            }),
            agent: (agent.clone(), agent_because),
            model: model.clone().map(|model| (model, model_because)),
            budget: (*budget, budget_because(&task.options, *budget)),
            work_ms,
            network,
            has_policy: self.has_policy(),
            decided: decided.collect(),
            approved: approval.map(|one| (one.revision, one.by.name.clone(), one.at)),
        })
    }

    /// What a request would get here that names nothing.
    async fn terms_here(
        &self,
        person: &Person,
        (conversation, place): (&ConversationId, &str),
    ) -> Result<AppliedTerms, Later> {
        let mut options = Options::default();
        let is_filed = conversation.surface() == "linear" && self.config.has_labels();
        let here = (conversation, place, is_filed);
        let (chosen, _) = self.choose(person, here, &mut options).await?;
        let Terms {
            agent,
            model,
            budget,
            ..
        } = self.terms(&Options::default());
        let agent = match chosen.agent {
            Some((agent, origin)) => (agent, Because::Set(origin)),
            None => (agent, self.agent_by_itself()),
        };
        let named = chosen.repository.as_ref().map(|(name, _)| name);
        let network = match named {
            Some(name) => {
                let policy = self.book.policy(&name.0, &agent.0).await;
                Some(NetworkTerms {
                    fingerprint: String::new(),
                    summary: policy.summary(),
                    open: policy.is_open(),
                    beyond: Vec::new(),
                })
            }
            None => None,
        };
        let work_ms = named.map_or(self.config.limits.task.work_ms, |name| {
            self.config.work_ms(name)
        });
        Ok(AppliedTerms {
            task: None,
            work_ms: Some((work_ms, self.work_ms_because(named))),
            repository: chosen
                .repository
                .map(|(name, origin)| (name, Because::Set(origin))),
            base: None,
            agent,
            model: model.map(|model| (model, Because::Installation)),
            budget: (budget, Because::Installation),
            network,
            has_policy: self.has_policy(),
            decided: Vec::new(),
            approved: None,
        })
    }

    fn agent_by_itself(&self) -> Because {
        if self.config.agent.is_some() {
            Because::Installation
        } else {
            Because::Unset
        }
    }

    fn work_ms_because(&self, repository: Option<&RepositoryName>) -> Because {
        let settings = repository.and_then(|name| self.config.repository(name));
        match settings.and_then(|settings| settings.task_minutes) {
            Some(_) => Because::Repository,
            None => Because::Installation,
        }
    }

    fn has_policy(&self) -> bool {
        let sandbox = &self.config.sandbox;
        sandbox.policy_file.is_some() || !sandbox.registry_hosts.is_empty()
    }

    async fn limits(
        &self,
        person: &Person,
        task: Option<(&Task, Timestamp)>,
    ) -> Result<Message, Later> {
        let (limits, sandbox) = (&self.config.limits, &self.config.sandbox);
        let (taken, waiting) = self.store.slots().await?;
        let number = |count: i64| u32::try_from(count).unwrap_or_default();
        let milliseconds = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        let ceilings = task.map_or(limits.task, |(task, _)| task.ceilings);
        let spend_because = match task {
            // People have let it spend more since.
            Some((task, _)) if task.ceilings.spend != task.terms.budget => Because::Said,
            Some((task, _)) => budget_because(&task.options, task.terms.budget),
            None => Because::Installation,
        };
        let requester = task.map_or(&person.id, |(task, _)| &task.request.author.id);
        let allowed = self.config.policy.allows(Act::Steer, person, requester);
        let named = task.and_then(|(task, _)| task.repository());
        Ok(Message::Limits(Box::new(LimitsCard {
            used: task.map(|(task, now)| Used {
                task: task.id.0.clone(),
                spent: task.usage,
                worked_ms: task.work_ms(now),
                rework_rounds: task.rework_rounds,
                waiting: task.waiting.len(),
            }),
            spend: (ceilings.spend, spend_because),
            work_ms: (ceilings.work_ms < i64::MAX)
                .then(|| (ceilings.work_ms, self.work_ms_because(named))),
            run_ms: ceilings.run_ms,
            check_ms: milliseconds(limits.check),
            silence_ms: milliseconds(limits.silence),
            wait_ms: milliseconds(limits.wait),
            remind_ms: limits.remind.map(milliseconds),
            rework_rounds: ceilings.rework_rounds,
            at_once: limits.parallel_tasks,
            at_work: number(taken),
            in_line: number(waiting),
            memory_bytes: sandbox.memory_bytes,
            processors: sandbox.processors,
            disk_bytes: sandbox.disk_bytes,
            refused: allowed.err(),
        })))
    }
}

/// What says how much a task may spend. A request gets no more than the setting allows, whatever it says.
fn budget_because(options: &Options, budget: MicroDollars) -> Because {
    let said = options.budget_dollars.map(MicroDollars::from_dollars);
    if said == Some(budget) {
        Because::Said
    } else {
        Because::Installation
    }
}
