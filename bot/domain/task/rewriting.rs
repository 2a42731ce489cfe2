//! Plans that people write themselves: the next revision, without the agent. It is approved like any other.

use super::{QuestionKind, State, Surroundings, Task};
use crate::domain::{
    conversation::Person,
    effect::Effect,
    event::{Event, Happened},
    message::{Decision, Message},
    plan_edit::{EditRefusal, PlanEdit},
    policy::Act,
};

impl Task {
    /// What people decide about a plan that waits.
    pub(super) fn plan_decided(
        &mut self,
        happened: &Happened,
        around: &Surroundings,
    ) -> Vec<Effect> {
        match &happened.event {
            Event::Approved { by, revision, road } => {
                self.approved(by, *revision, *road, happened.at, around)
            }
            Event::Corrected { by, revision, text } => self.corrected(by, *revision, text, around),
            Event::PlanEdited { by, revision, edit } => {
                self.plan_edited(by, *revision, edit, around)
            }
            Event::RepositoryChosen { by, repository } => {
                self.repository_chosen(by, repository, around)
            }
            _ => Vec::new(),
        }
    }

    fn plan_edited(
        &mut self,
        by: &Person,
        seen: u32,
        edit: &PlanEdit,
        around: &Surroundings,
    ) -> Vec<Effect> {
        let refused = |why| {
            let why = Box::new(why);
            vec![Self::whisper(by, Message::EditRefused { why })]
        };
        let current = match self.state {
            State::AwaitingApproval { revision } => Some(revision),
            _ => None,
        };
        if current != Some(seen) {
            let edit = edit.clone();
            return refused(EditRefusal::Stale {
                seen,
                current,
                edit,
            });
        }
        let act = Act::Steer;
        if let Err(refusal) = around.policy.allows(act, by, &self.request.author.id) {
            return vec![Self::whisper(by, Message::NotAllowed { act, refusal })];
        }
        let shown = self.plans.last().map(|last| last.plan.clone());
        let (Some(shown), Some(mut specification)) = (shown, self.specification.clone()) else {
            return refused(EditRefusal::Unchanged);
        };
        if PlanEdit::of(&shown, &specification) == *edit {
            return refused(EditRefusal::Unchanged);
        }
        let mut effects = self.say_plan(Decision::Superseded);
        edit.require_in(&shown, &mut specification);
        let decides = !specification.all_checks().is_empty();
        self.specification = Some(specification);
        self.take_network(around);
        self.take_plan(&edit.applied_to(&shown, &by.name));
        effects.extend(if decides {
            self.show_plan()
        } else {
            self.ask(QuestionKind::Check, Vec::new())
        });
        effects
    }
}
