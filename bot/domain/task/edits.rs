//! What people do to what they said before: they edit it, or take it away.
//!
//! Before an approval, an edit of the request is a correction of the plan. After it, the edit is a proposal: what was
//! approved stays what is done until somebody decides otherwise. A deleted request never ends anything by itself.

use super::{Next, QuestionKind, State, Surroundings, Task};
use crate::domain::{
    Timestamp,
    budget::MicroDollars,
    command::{Command, Options},
    conversation::{Line, LineKind, LineRef, Person, Road, Taken},
    edit::{PROPOSALS_MAX, Proposal, ProposalCard, ProposalStanding, RequestChange, Settlement},
    effect::{Assignment, Effect, Slot},
    event::{Event, Happened},
    message::{Decision, Message},
    policy::Act,
};

/// What an agent is told of an edited request, or of the edited issue behind it. The request itself is shown to it with
/// every plan.
pub(super) fn told(of: LineKind, now: &str) -> String {
    let what = match of {
        LineKind::Talk | LineKind::Guidance | LineKind::Linked | LineKind::Earlier => "request",
        LineKind::Issue => "issue",
    };
    format!("The {what} was edited. Specification and plan have to fit its words of now:\n{now}")
}

/// An edit, as it arrived.
pub(super) struct Edit<'a> {
    /// The words of now, by whoever edited them.
    pub(super) line: &'a Line,
    /// What they ask for.
    pub(super) command: &'a Command,
    /// What they set.
    pub(super) options: &'a Options,
    /// Whether the edit put a mention of the bot into it.
    pub(super) mentioned: bool,
    /// When.
    pub(super) at: Timestamp,
}

impl Edit<'_> {
    /// What is asked for, without options.
    pub(super) fn words(&self) -> &str {
        match self.command {
            Command::Words(text) | Command::New(text) | Command::Ask(text) => text.trim(),
            _ => self.line.text.trim(),
        }
    }
}

impl Task {
    /// Takes an edit, a deletion, or what was decided about one.
    pub(super) fn reworded(&mut self, happened: &Happened, around: &Surroundings) -> Vec<Effect> {
        match &happened.event {
            Event::Edited {
                line,
                command,
                options,
                mentioned,
            } => {
                let edit = Edit {
                    line,
                    command,
                    options,
                    mentioned: *mentioned,
                    at: happened.at,
                };
                self.edited(&edit, around)
            }
            Event::Deleted { line } => self.deleted(line),
            Event::ProposalSettled {
                by,
                proposal,
                settlement,
                road,
            } => {
                let (what, how) = ((*proposal, *settlement), (*road, happened.at));
                self.proposal_settled(by, what, how, around)
            }
            _ => Vec::new(),
        }
    }

    fn edited(&mut self, edit: &Edit<'_>, around: &Surroundings) -> Vec<Effect> {
        let Edit { line, command, .. } = edit;
        if line.kind == LineKind::Issue {
            return self.issue_edited(edit, around);
        }
        if self.request.reference == line.reference {
            return self.request_edited(edit, around);
        }
        // What nobody has taken up yet simply says something else now.
        if let Some(bystander) = by_reference(&mut self.bystanders, &line.reference) {
            bystander.text.clone_from(&line.text);
            return Vec::new();
        }
        if self.may_not_steer(&line.author, around).is_some() {
            return Vec::new();
        }
        if let Some(waiting) = by_reference(&mut self.waiting, &line.reference) {
            waiting.text.clone_from(&line.text);
            return vec![Effect::Hear {
                line: line.reference.clone(),
            }];
        }
        let is_background = self
            .context
            .iter()
            .any(|known| known.reference == line.reference && known.taken == Taken::Background);
        match command {
            _ if edit.mentioned => self.said(line, command, edit.options, true, edit.at, around),
            Command::Words(_) | Command::Stop if !is_background && !self.state.is_over() => {
                self.said(line, command, edit.options, false, edit.at, around)
            }
            // An approval, a retry and the like are given by what is said, not by what it is turned into.
            _ => Vec::new(),
        }
    }

    /// What was deleted before anybody took it up was not said; what is work already stays work.
    fn deleted(&mut self, line: &LineRef) -> Vec<Effect> {
        self.waiting.retain(|waiting| waiting.reference != *line);
        self.drop_files_of(line);
        self.bystanders
            .retain(|bystander| bystander.reference != *line);
        let of = if self.request.reference == *line {
            self.request.kind
        } else if self.issue() == Some(line) {
            LineKind::Issue
        } else {
            return Vec::new();
        };
        let change = RequestChange::Deleted { of };
        let is_asked =
            |one: &Proposal| one.change == change && one.standing != ProposalStanding::Replaced;
        if self.state.is_over() || self.proposals.iter().any(is_asked) {
            return Vec::new();
        }
        self.propose(change)
    }

    pub(super) fn request_edited(&mut self, edit: &Edit<'_>, around: &Surroundings) -> Vec<Effect> {
        let (line, now) = (edit.line, edit.words());
        let asks_elsewhere = self.asks_elsewhere(edit.options);
        if now.is_empty() || (now == self.request.text && !asks_elsewhere) {
            return Vec::new();
        }
        if let Some(refused) = self.may_not_steer(&line.author, around) {
            return vec![refused];
        }
        let is_over = self.state.is_over() && !matches!(self.state, State::Failed { .. });
        if is_over {
            return Vec::new();
        }
        let before = self.rewrite(line, now);
        if self.approval.is_some() {
            return self.propose(RequestChange::Edited {
                by: line.author.clone(),
                before,
                now: now.to_owned(),
                of: self.request.kind,
            });
        }
        let told = if self.inquiry.is_some() {
            format!("The question was edited. The answer has to fit its words of now:\n{now}")
        } else {
            told(self.request.kind, now)
        };
        self.edited_before_approval(edit, &told, around)
    }

    /// What people have said before the approval is what is planned; `told` is what the agent hears of it.
    pub(super) fn edited_before_approval(
        &mut self,
        edit: &Edit<'_>,
        told: &str,
        around: &Surroundings,
    ) -> Vec<Effect> {
        let Edit { line, options, .. } = edit;
        let purpose = self.purpose();
        let taken = Self::whisper(&line.author, Message::EditTaken { purpose });
        match &self.state {
            // Nobody has read it yet, or only to find the repository.
            State::Queued {
                next: Next::Specify,
            }
            | State::Specifying
            | State::Failed {
                retry: Next::Specify,
                ..
            } => {
                let again = self.asks_elsewhere(options) && self.state == State::Specifying;
                self.take_options(options);
                let mut effects = vec![taken];
                if again {
                    effects.extend(self.specify_again(around));
                }
                effects
            }
            State::AwaitingApproval { .. } if self.asks_elsewhere(options) => {
                let mut effects = self.say_plan(Decision::Superseded);
                self.take_options(options);
                effects.extend(self.specify_again(around));
                effects
            }
            State::AwaitingApproval { revision } => {
                let revision = *revision;
                self.corrected(&line.author, revision, told, around)
            }
            State::AwaitingInput { question }
                if matches!(question.kind, QuestionKind::Workplace { .. }) =>
            {
                let number = question.number;
                let Some(repository) = &options.repository else {
                    return vec![taken];
                };
                let how = (Road::Sentence, edit.at);
                self.answered(&line.author, number, &repository.0, how, around)
            }
            State::AwaitingInput { .. }
            | State::Queued { .. }
            | State::Planning { .. }
            | State::Preparing { .. }
            | State::Running { .. }
            | State::Verifying { .. }
            | State::Publishing { .. }
            | State::InReview { .. }
            | State::Failed { .. }
            | State::Completed { .. }
            | State::Answered
            | State::Canceled { .. }
            | State::Expired => {
                self.edit_waits(line, told);
                vec![taken]
            }
        }
    }

    /// The edit waits for the agent's next turn; of several edits only the last one does.
    pub(super) fn edit_waits(&mut self, line: &Line, told: &str) {
        self.waiting
            .retain(|waiting| waiting.reference != line.reference);
        self.waiting.push(Line {
            text: told.to_owned(),
            ..line.clone()
        });
    }

    /// Shows the plan, or has it revised where the request was edited while a question about it was open.
    pub(super) fn show_edited_plan(&mut self, around: &Surroundings) -> Vec<Effect> {
        if self.waiting.is_empty() {
            return self.show_plan();
        }
        let corrections = self.take_waiting();
        self.resume_with(Assignment::Revise { corrections }, around)
    }

    /// Whether options name another place of work than the one that is asked for now.
    pub(super) fn asks_elsewhere(&self, options: &Options) -> bool {
        let other_repository = options
            .repository
            .as_ref()
            .is_some_and(|wanted| Some(wanted) != self.repository());
        let known_branch = self.options.branch.as_ref().or(self
            .workplace
            .as_ref()
            .map(|workplace| &workplace.base_branch));
        let other_branch = options.branch.is_some() && options.branch.as_ref() != known_branch;
        other_repository || other_branch
    }

    /// What an edit sets before anything was made of the request. What it does not name stays.
    fn take_options(&mut self, options: &Options) {
        if let Some(repository) = &options.repository {
            if Some(repository) != self.repository() {
                self.options.branch = None;
            }
            self.options.repository = Some(repository.clone());
        }
        if let Some(branch) = &options.branch {
            self.options.branch = Some(branch.clone());
        }
        if let Some(agent) = &options.agent {
            self.options.agent = Some(agent.clone());
            self.terms.agent.clone_from(agent);
        }
        if let Some(model) = &options.model {
            self.options.model = Some(model.clone());
            self.terms.model = Some(model.clone());
        }
        if let Some(dollars) = options.budget_dollars {
            let wanted = MicroDollars::from_dollars(dollars).min(self.ceilings.spend);
            self.terms.budget = wanted;
            self.ceilings.spend = wanted;
        }
    }

    /// Writes the request anew and gives its words of before. Its branch keeps the name that it was given first.
    fn rewrite(&mut self, line: &Line, now: &str) -> String {
        if self.named_after.is_none() {
            let first = self.request.text.lines().next().unwrap_or_default();
            self.named_after = Some(first.to_owned());
        }
        let request = &mut self.request;
        for writer in line.writers() {
            if !request.writers().any(|known| known.id == writer.id) {
                request.also_by.push(writer.clone());
            }
        }
        std::mem::replace(&mut request.text, now.to_owned())
    }

    fn may_not_steer(&self, person: &Person, around: &Surroundings) -> Option<Effect> {
        let act = Act::Steer;
        let allowed = around.policy.allows(act, person, &self.request.author.id);
        allowed
            .err()
            .map(|refusal| Self::whisper(person, Message::NotAllowed { act, refusal }))
    }

    /// Puts a change of the request up for decision, in place of an older one that nobody has decided about.
    pub(super) fn propose(&mut self, change: RequestChange) -> Vec<Effect> {
        if self.proposals.len() >= PROPOSALS_MAX {
            let to = self.request.author.clone();
            return vec![self.nothing_to_do(&to, "follow more edits of its request")];
        }
        let number = u32::try_from(self.proposals.len() + 1).unwrap_or(u32::MAX);
        let mut effects = self.close_proposals(&ProposalStanding::Replaced);
        self.proposals.push(Proposal {
            number,
            change,
            standing: ProposalStanding::Open,
        });
        effects.extend(self.say_proposal(number));
        effects
    }

    /// Takes the buttons off proposals that nobody will decide about any more.
    pub(super) fn close_proposals(&mut self, standing: &ProposalStanding) -> Vec<Effect> {
        let mut closed = Vec::new();
        for proposal in &mut self.proposals {
            if proposal.standing == ProposalStanding::Open {
                proposal.standing = standing.clone();
                closed.push(proposal.number);
            }
        }
        closed
            .into_iter()
            .filter_map(|number| self.say_proposal(number))
            .collect()
    }

    fn say_proposal(&self, number: u32) -> Option<Effect> {
        let proposal = self.proposals.iter().find(|one| one.number == number)?;
        let (slot, message) = self.proposal_card(proposal);
        let message = Box::new(message);
        Some(Effect::Say { slot, message })
    }

    pub(super) fn proposal_card(&self, proposal: &Proposal) -> (Slot, Message) {
        let card = ProposalCard {
            proposal: proposal.clone(),
            title: self.title(),
            asks: self.request.author.clone(),
        };
        let message = Message::Proposal(Box::new(card));
        (Slot::Proposal(proposal.number), message)
    }

    fn proposal_settled(
        &mut self,
        by: &Person,
        (number, settlement): (u32, Settlement),
        (road, at): (Road, Timestamp),
        around: &Surroundings,
    ) -> Vec<Effect> {
        let open = self.proposals.iter().position(|one| {
            one.number == number
                && one.standing == ProposalStanding::Open
                && one.change.settlements().contains(&settlement)
        });
        let is_over = self.state.is_over() && !matches!(self.state, State::Failed { .. });
        let Some(index) = open.filter(|_| !is_over) else {
            return vec![self.nothing_to_do(by, "decide about that edit")];
        };
        let act = match settlement {
            Settlement::Take | Settlement::Leave | Settlement::Keep => Act::Steer,
            Settlement::Cancel => Act::Cancel,
        };
        if let Err(refusal) = around.policy.allows(act, by, &self.request.author.id) {
            return vec![Self::whisper(by, Message::NotAllowed { act, refusal })];
        }
        let standing = ProposalStanding::Settled {
            by: by.clone(),
            settlement,
            at,
        };
        let change = self.proposals[index].change.clone();
        self.proposals[index].standing = standing;
        let shown = self.say_proposal(number);
        match (settlement, change) {
            (Settlement::Cancel, _) => {
                let mut effects = self.cancel_asked(by, road, around);
                effects.extend(shown);
                effects
            }
            (Settlement::Take, RequestChange::Edited { now, of, .. }) => {
                let told = told(of, &now);
                let line = Line {
                    author: by.clone(),
                    also_by: self.request.writers().cloned().collect(),
                    ..self.request.clone()
                };
                let mut effects: Vec<Effect> = shown.into_iter().collect();
                match self.state {
                    State::InReview { .. } | State::Failed { .. } => {
                        let (command, options) = (Command::Words(told), Options::default());
                        let next = self.said(&line, &command, &options, true, at, around);
                        // The card says that it was heard.
                        let is_sign = |effect: &Effect| matches!(effect, Effect::Hear { .. });
                        effects.extend(next.into_iter().filter(|effect| !is_sign(effect)));
                    }
                    _ => self.edit_waits(&line, &told),
                }
                effects
            }
            (Settlement::Take | Settlement::Leave | Settlement::Keep, _) => {
                shown.into_iter().collect()
            }
        }
    }
}

fn by_reference<'a>(lines: &'a mut [Line], reference: &LineRef) -> Option<&'a mut Line> {
    lines.iter_mut().find(|line| line.reference == *reference)
}
