//! One task, several conversations: everything that is said is said in each, and what somebody says in any of them counts
//! once, because there is one task that hears it.

use super::{State, Surroundings, Task};
use crate::domain::{
    conversation::{ConversationId, Person, Place, Road, SubjectId},
    edit::{Proposal, ProposalStanding},
    effect::{Effect, Mark, Slot},
    event::{Event, Happened},
    message::{Decision, Message, Progress},
    policy::Act,
    preferences::Noise,
};

/// The most conversations of one task.
pub const PLACES_MAX: usize = 4;

impl Task {
    /// Whether how the work goes is left unsaid in a conversation: where the task was asked for in a quiet channel.
    #[must_use]
    pub fn is_quiet_in(&self, conversation: &ConversationId) -> bool {
        self.noise == Noise::Quiet && self.conversation == *conversation
    }

    /// Every conversation that the task is talked about in, the one that it was asked for in first.
    pub fn conversations(&self) -> impl Iterator<Item = &ConversationId> {
        let also = self.also.iter().map(|place| &place.conversation);
        std::iter::once(&self.conversation).chain(also)
    }

    /// Whether something can be said and heard in a conversation.
    #[must_use]
    pub fn reaches(&self, conversation: &ConversationId) -> bool {
        !self.lost.contains(conversation)
    }

    /// Every conversation in which something can be said and heard.
    pub fn reachable(&self) -> impl Iterator<Item = &ConversationId> {
        self.conversations()
            .filter(|conversation| self.reaches(conversation))
    }

    /// The conversation of the task on a surface, the first where it has several.
    #[must_use]
    pub fn place_on(&self, surface: &str) -> Option<&ConversationId> {
        self.conversations()
            .find(|conversation| conversation.surface() == surface)
    }

    /// Where an effect is done that follows from something in the conversation `from`: what is said to all is said
    /// everywhere, an answer to one person where they are, and work where the task is at home.
    #[must_use]
    pub fn places_of(&self, effect: &Effect, from: &ConversationId) -> Vec<ConversationId> {
        let mut places = self.places_wanted(effect, from);
        if effect.is_said() {
            places.retain(|place| self.reaches(place));
        }
        places
    }

    fn places_wanted(&self, effect: &Effect, from: &ConversationId) -> Vec<ConversationId> {
        match effect {
            Effect::Say { .. }
            | Effect::Redraw
            | Effect::Mark { .. }
            | Effect::ShowPictures { .. } => self.conversations().cloned().collect(),
            Effect::Introduce
            | Effect::Whisper { .. }
            | Effect::Hear { .. }
            | Effect::OpenForm { .. }
            | Effect::OpenRequestForm { .. }
            | Effect::OpenSettingsForm { .. }
            | Effect::PostRequest { .. }
            | Effect::ShowHome { .. } => vec![from.clone()],
            Effect::FileIssue { .. }
            | Effect::Gather
            | Effect::StartRun { .. }
            | Effect::Steer { .. }
            | Effect::Widen { .. }
            | Effect::Prove { .. }
            | Effect::Publish { .. }
            | Effect::StopAll
            | Effect::Release => vec![self.conversation.clone()],
        }
    }

    /// Takes what happened to the places in which it is talked about, and to the issue that it is about.
    pub(super) fn placed(&mut self, happened: &Happened, around: &Surroundings) -> Vec<Effect> {
        match &happened.event {
            Event::Joined { by, place, about } => {
                self.joined(by.as_ref(), place, about.as_ref(), around)
            }
            Event::PlacesLost { by, places } => self.places_lost(by, places),
            Event::IssueFiled {
                place,
                about,
                name,
                url,
            } => self.issue_filed((place, about), (name, url), around),
            Event::IssueMoved { about } => {
                self.about = Some(about.clone());
                Vec::new()
            }
            Event::IssueRead { line } => self.issue_read(line, happened.at, around),
            Event::IssueWanted {
                by,
                revision,
                team,
                trigger,
            } => {
                let wanted = (team.as_ref(), trigger.as_deref());
                self.issue_pressed(by, (*revision, happened.at), wanted, around)
            }
            Event::IssueNotFiled {
                by,
                problem,
                trigger,
            } => self.issue_not_filed(by, problem, trigger.as_deref()),
            _ => Vec::new(),
        }
    }

    /// Takes the task into another conversation, where the person may steer it. What stands open is shown there too.
    pub(super) fn joined(
        &mut self,
        by: Option<&Person>,
        place: &Place,
        about: Option<&SubjectId>,
        around: &Surroundings,
    ) -> Vec<Effect> {
        let requester = &self.request.author.id;
        if let Some(by) = by
            && let Err(refusal) = around.policy.allows(Act::Steer, by, requester)
        {
            let act = Act::Steer;
            return vec![Self::whisper(by, Message::NotAllowed { act, refusal })];
        }
        let is_news = self.about.is_none() && about.is_some();
        if is_news {
            self.about = about.cloned();
        }
        let is_known = self
            .conversations()
            .any(|conversation| *conversation == place.conversation);
        if is_known || self.state.is_over() {
            return Vec::new();
        }
        if self.conversations().count() >= PLACES_MAX {
            return by
                .map(|by| self.nothing_to_do(by, "bring it into one more conversation"))
                .into_iter()
                .collect();
        }
        self.also.push(place.clone());
        let mut effects = vec![Effect::Introduce];
        if is_news && matches!(self.state, State::AwaitingApproval { .. }) {
            // It offers an issue no more.
            effects.push(Effect::Redraw);
        }
        effects
    }

    /// A task that is at home where nothing can be said any more ends, and is told of where it is also talked about. One
    /// that is only talked about there goes on without.
    pub(super) fn places_lost(&mut self, by: &Person, places: &[ConversationId]) -> Vec<Effect> {
        let mut lost: Vec<ConversationId> = places
            .iter()
            .filter(|place| self.conversations().any(|known| known == *place))
            .filter(|place| !self.lost.contains(place))
            .cloned()
            .collect();
        if lost.is_empty() {
            return Vec::new();
        }
        self.lost.append(&mut lost);
        let is_failed = matches!(self.state, State::Failed { .. });
        if self.state.is_over() && !is_failed {
            return Vec::new();
        }
        if self.lost.contains(&self.conversation) {
            return self.ended_by(by, Road::Withdrawn);
        }
        if is_failed {
            return Vec::new();
        }
        vec![self.note(Message::PlaceLost { by: by.clone() })]
    }

    /// What somebody sees who comes in now: the status, and what waits for a decision.
    #[must_use]
    pub fn standing(&self) -> Vec<(Slot, Message)> {
        let progress: Progress = self.progress_now();
        let mut shown = vec![(Slot::Progress(self.progress), Message::Progress(progress))];
        match &self.state {
            State::AwaitingApproval { .. } => shown.extend(
                self.plan_card(Decision::Open)
                    .map(|card| (Slot::Plan(card.revision), Message::PlanCard(Box::new(card)))),
            ),
            State::AwaitingInput { question } => shown.push((
                Slot::Question(question.number),
                Message::Question(self.question_card(question)),
            )),
            State::InReview { .. } => shown.extend(self.last_result().map(|card| {
                let run = self.last_run;
                (Slot::Result(run), Message::Result(Box::new(card)))
            })),
            State::Queued { .. }
            | State::Specifying
            | State::Planning { .. }
            | State::Preparing { .. }
            | State::Running { .. }
            | State::Verifying { .. }
            | State::Publishing { .. }
            | State::Completed { .. }
            | State::Answered
            | State::Failed { .. }
            | State::Canceled { .. }
            | State::Expired => {}
        }
        let is_open = |one: &&Proposal| one.standing == ProposalStanding::Open;
        let open = self.proposals.iter().filter(is_open);
        shown.extend(open.map(|proposal| self.proposal_card(proposal)));
        for number in 1..=self.network.cards {
            let card = self.network_card(number);
            if card.is_open() {
                shown.push((Slot::Network(number), Message::Network(Box::new(card))));
            }
        }
        shown
    }

    /// The emoji that fits how the task stands.
    #[must_use]
    pub const fn mark_now(&self) -> Mark {
        match &self.state {
            State::AwaitingApproval { .. } | State::AwaitingInput { .. } => Mark::NeedsYou,
            State::Queued { .. } | State::Specifying | State::Planning { .. } => Mark::Accepted,
            State::Preparing { .. }
            | State::Running { .. }
            | State::Verifying { .. }
            | State::Publishing { .. } => Mark::Working,
            State::InReview { whole: true } | State::Completed { whole: true, .. } => Mark::Proved,
            State::Answered => Mark::Answered,
            State::InReview { .. }
            | State::Completed { .. }
            | State::Failed { .. }
            | State::Expired => Mark::Gaps,
            State::Canceled { .. } => Mark::Canceled,
        }
    }
}
