//! What people do to the issue that a task is about: they edit it, and its words of now may be anybody's.
//!
//! Where the issue is the request, its edit is an edit of the request. Where the request only names it, its edit corrects
//! the plan before an approval and is a proposal after it, all the same. What people wrote in it who may give no
//! instructions is told of, and is background.

use super::{State, Surroundings, Task, WAITING_WORDS_MAX, edits::Edit};
use crate::domain::{
    Timestamp,
    command::{self, Command, Options, TeamKey},
    conversation::{Line, LineKind, LineRef, Person, Place, SubjectId},
    edit::RequestChange,
    effect::{Effect, FormRequest},
    event::FilingProblem,
    message::Message,
    policy::Act,
    task::edits::told,
};

/// What stands in front of words that an issue was given by somebody whom nobody obeys.
const EDITED: &str = "The issue was edited, and says now:\n";

/// How long an issue is taken to be made without news of it, in milliseconds. Then another wish tries it again, which makes
/// no second one.
const FILING_MS: i64 = 15 * 60 * 1_000;

impl Task {
    /// What the issue is called that the task is about: the request, or a line of its context once that was read.
    #[must_use]
    pub fn issue(&self) -> Option<&LineRef> {
        if self.request.kind == LineKind::Issue {
            return Some(&self.request.reference);
        }
        self.issue_in_context().map(|line| &line.reference)
    }

    /// Has an issue made for the task, which then is talked about there, too. It holds nothing up.
    pub(super) fn file_issue(
        &mut self,
        by: &Person,
        (team, trigger): (Option<&TeamKey>, Option<&str>),
        at: Timestamp,
    ) -> Vec<Effect> {
        if self.inquiry.is_some() {
            return vec![self.nothing_to_do(by, "get an issue: only what is to be done gets one")];
        }
        if self.about.is_some() {
            return vec![self.nothing_to_do(by, "get another issue: it is about one already")];
        }
        if self.state.is_over() && !matches!(self.state, State::Failed { .. }) {
            return vec![self.nothing_to_do(by, "get an issue")];
        }
        let since = self.filing.map(|since| at.milliseconds_since(since));
        if since.is_some_and(|since| since < FILING_MS) {
            let problem = FilingProblem::BeingMade;
            return vec![Self::whisper(by, Message::IssueNotFiled { problem })];
        }
        self.filing = Some(at);
        vec![Effect::FileIssue {
            by: by.clone(),
            team: team.cloned(),
            trigger: trigger.map(str::to_owned),
        }]
    }

    /// The same, asked for by the button on the card of a plan. Whoever saw an earlier revision is to read the last one
    /// first: the issue is made of that.
    pub(super) fn issue_pressed(
        &mut self,
        by: &Person,
        (seen, at): (u32, Timestamp),
        wanted: (Option<&TeamKey>, Option<&str>),
        around: &Surroundings,
    ) -> Vec<Effect> {
        let act = Act::FileIssue;
        if let Err(refusal) = around.policy.allows(act, by, &self.request.author.id) {
            return vec![Self::whisper(by, Message::NotAllowed { act, refusal })];
        }
        if self.last_revision() == Some(seen) || self.state.is_over() {
            return self.file_issue(by, wanted, at);
        }
        let current = match self.state {
            State::AwaitingApproval { revision } => Some(revision),
            _ => None,
        };
        vec![Self::whisper(by, Message::StaleApproval { seen, current })]
    }

    /// The number of the last plan, where there is one.
    fn last_revision(&self) -> Option<u32> {
        self.plans.last().map(|plan| plan.number)
    }

    /// The same, asked for in words.
    pub(super) fn issue_wanted(
        &mut self,
        line: &Line,
        team: Option<&TeamKey>,
        at: Timestamp,
    ) -> Vec<Effect> {
        let mut effects = vec![Effect::Hear {
            line: line.reference.clone(),
        }];
        effects.extend(self.file_issue(&line.author, (team, None), at));
        effects
    }

    /// What the options of a sentence set beside its words, and what is none.
    pub(super) fn set(&mut self, line: &Line, options: &Options, at: Timestamp) -> Vec<Effect> {
        let mut effects = Vec::new();
        if let Some(team) = &options.issue_in {
            effects.extend(self.file_issue(&line.author, (Some(team), None), at));
        }
        if !options.unknown.is_empty() {
            let unknown = options.unknown.clone();
            effects.push(Self::whisper(
                &line.author,
                Message::OptionHints { unknown },
            ));
        }
        effects
    }

    /// Goes on in both places. What ended meanwhile stays ended, and its issue with it.
    pub(super) fn issue_filed(
        &mut self,
        (place, about): (&Place, &SubjectId),
        (name, url): (&str, &str),
        around: &Surroundings,
    ) -> Vec<Effect> {
        self.filing = None;
        let joined = self.joined(None, place, Some(about), around);
        if joined.is_empty() {
            return joined;
        }
        let (name, url) = (name.to_owned(), url.to_owned());
        let mut effects = vec![self.note(Message::IssueFiled { name, url })];
        effects.extend(joined);
        effects
    }

    /// Nothing is lost by it, so only whoever wanted it hears. Who pressed the button chooses a team where none is clear.
    pub(super) fn issue_not_filed(
        &mut self,
        by: &Person,
        problem: &FilingProblem,
        trigger: Option<&str>,
    ) -> Vec<Effect> {
        self.filing = None;
        if self.state.is_over() && !matches!(self.state, State::Failed { .. }) {
            return Vec::new();
        }
        if let FilingProblem::WhichTeam { known } = problem
            && let Some((trigger, revision)) = trigger.zip(self.last_revision())
            && !known.is_empty()
        {
            let form = FormRequest::Team {
                by: by.clone(),
                revision,
                known: known.clone(),
            };
            let trigger = trigger.to_owned();
            return vec![Effect::OpenForm { trigger, form }];
        }
        let problem = problem.clone();
        vec![Self::whisper(by, Message::IssueNotFiled { problem })]
    }

    /// Whether something that was said waits for the agent's next turn.
    #[must_use]
    pub fn has_waiting(&self, line: &LineRef) -> bool {
        let mut waiting = self.waiting.iter();
        waiting.any(|waiting| waiting.reference == *line)
    }

    fn issue_in_context(&self) -> Option<&Line> {
        let mut lines = self.context.iter();
        lines.find(|line| line.kind == LineKind::Issue)
    }

    /// Takes the issue as it reads now, by everybody who wrote in it; the first one has edited it.
    pub(super) fn issue_edited(&mut self, edit: &Edit<'_>, around: &Surroundings) -> Vec<Effect> {
        let line = edit.line;
        if self.state.is_over() && !matches!(self.state, State::Failed { .. }) {
            return Vec::new();
        }
        if self.is_known(edit) {
            // Whoever put it back has taken back what others had made of it.
            self.bystanders
                .retain(|known| known.reference != line.reference);
            return Vec::new();
        }
        let requester = &self.request.author.id;
        let strangers: Vec<String> = line
            .writers()
            .filter(|writer| around.policy.allows(Act::Steer, writer, requester).is_err())
            .map(|writer| writer.name.clone())
            .collect();
        if !strangers.is_empty() {
            return self.fenced(line, strangers);
        }
        if self.request.kind == LineKind::Issue {
            return self.request_edited(edit, around);
        }
        self.named_issue_edited(edit, around)
    }

    /// Whether the issue, as it reads now, says nothing that is not known.
    #[must_use]
    pub fn knows_issue(&self, line: &Line) -> bool {
        let (command, options) = command::parse(&line.text);
        self.is_known(&edit(line, (&command, &options), Timestamp(0)))
    }

    /// Takes an issue that was edited while the task was being opened. Nobody is told: nothing was made of it yet.
    pub(super) fn issue_read(
        &mut self,
        line: &Line,
        at: Timestamp,
        around: &Surroundings,
    ) -> Vec<Effect> {
        let (command, options) = command::parse(&line.text);
        let mut effects = self.issue_edited(&edit(line, (&command, &options), at), around);
        effects.retain(|effect| !matches!(effect, Effect::Whisper { .. }));
        effects
    }

    /// Whether the issue reads as it did when it was taken in last.
    fn is_known(&self, edit: &Edit<'_>) -> bool {
        if self.request.kind == LineKind::Issue {
            return edit.words() == self.request.text && !self.asks_elsewhere(edit.options);
        }
        self.issue_reads()
            .is_some_and(|known| known == edit.line.text)
    }

    /// What the issue said when it was read last, where it is not the request; none where nobody has read it.
    fn issue_reads(&self) -> Option<&str> {
        let of_issue = |change| match change {
            &RequestChange::Edited {
                ref now,
                of: LineKind::Issue,
                ..
            } => Some(now.as_str()),
            RequestChange::Edited { .. } | RequestChange::Deleted { .. } => None,
        };
        let mut changes = self.proposals.iter().rev().map(|one| &one.change);
        let proposed = changes.find_map(of_issue);
        proposed.or_else(|| self.issue_in_context().map(|line| line.text.as_str()))
    }

    /// The request names the issue and is by somebody else, or in other words.
    fn named_issue_edited(&mut self, edit: &Edit<'_>, around: &Surroundings) -> Vec<Effect> {
        let (line, now) = (edit.line, edit.line.text.as_str());
        let told = told(LineKind::Issue, now);
        let Some(before) = self.issue_reads().map(str::to_owned) else {
            // It is being read; what was read may be older than this.
            if self.state == State::Specifying {
                self.edit_waits(line, &told);
            }
            return Vec::new();
        };
        if self.approval.is_some() {
            return self.propose(RequestChange::Edited {
                by: line.author.clone(),
                before,
                now: now.to_owned(),
                of: LineKind::Issue,
            });
        }
        let mut lines = self.context.iter_mut();
        if let Some(known) = lines.find(|line| line.kind == LineKind::Issue) {
            *known = Line {
                reference: known.reference.clone(),
                taken: known.taken,
                ..line.clone()
            };
        }
        // An issue that is only named sets nothing.
        let edit = Edit {
            options: &Options::default(),
            ..*edit
        };
        self.edited_before_approval(&edit, &told, around)
    }

    /// The agent reads the new words as what others said; people hear of it once for each who wrote them.
    fn fenced(&mut self, line: &Line, strangers: Vec<String>) -> Vec<Effect> {
        let fenced = Line {
            text: format!("{EDITED}{}", line.text),
            kind: LineKind::Talk,
            ..line.clone()
        };
        let known = self
            .bystanders
            .iter()
            .position(|known| known.reference == fenced.reference);
        match known.map(|at| std::mem::replace(&mut self.bystanders[at], fenced.clone())) {
            // Who types goes on typing.
            Some(before) if before.writers().eq(fenced.writers()) => return Vec::new(),
            None if self.bystanders.len() < WAITING_WORDS_MAX => self.bystanders.push(fenced),
            Some(_) | None => {}
        }
        let by = line.author.clone();
        vec![self.note(Message::EditFenced { by, strangers })]
    }
}

/// An issue as it reads now, as an edit of what was known of it.
const fn edit<'a>(
    line: &'a Line,
    (command, options): (&'a Command, &'a Options),
    at: Timestamp,
) -> Edit<'a> {
    Edit {
        line,
        command,
        options,
        mentioned: false,
        at,
    }
}
