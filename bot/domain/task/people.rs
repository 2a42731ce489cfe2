//! What people do to a task: words, reactions, buttons.

use super::{Next, State, Surroundings, Task, WAITING_WORDS_MAX};
use crate::domain::{
    RunNumber, Timestamp,
    command::{Command, Options},
    conversation::{Line, Person, Road},
    effect::{Assignment, Effect, Mark},
    event::ReactionMeaning,
    message::{Decision, Message, Phase},
    plan::Approval,
    policy::Act,
};

impl Task {
    pub(super) fn said(
        &mut self,
        line: &Line,
        command: &Command,
        options: &Options,
        mentioned: bool,
        at: Timestamp,
        around: &Surroundings,
    ) -> Vec<Effect> {
        if let Some(effects) = self.network_said(line, command, at, around) {
            return effects;
        }
        if let Err(refusal) =
            around
                .policy
                .allows(Act::Steer, &line.author, &self.request.author.id)
        {
            if self.bystanders.len() < WAITING_WORDS_MAX {
                self.bystanders.push(line.clone());
            }
            return if mentioned {
                vec![Self::whisper(
                    &line.author,
                    Message::NotAllowed {
                        act: Act::Steer,
                        refusal,
                    },
                )]
            } else {
                Vec::new()
            };
        }
        let (said, told) = self.take_files(line, command, mentioned);
        let (line, command) = match &said {
            Some((line, command)) => (line, command),
            None => (line, command),
        };
        let mut effects = match command {
            Command::Aside => Vec::new(),
            Command::Mute(muted) => {
                self.muted = *muted;
                vec![Effect::Hear {
                    line: line.reference.clone(),
                }]
            }
            Command::Stop => self.cancel_asked(&line.author, Road::Sentence, around),
            Command::Retry => self.retry_asked(&line.author, around),
            Command::Status => vec![Self::whisper(
                &line.author,
                Message::Progress(self.progress_now()),
            )],
            Command::Help => vec![Self::whisper(&line.author, Message::Help)],
            Command::Empty if mentioned && options == &Options::default() => vec![Self::whisper(
                &line.author,
                Message::Progress(self.progress_now()),
            )],
            Command::FileIssue { team } => self.issue_wanted(line, team.as_ref(), at),
            Command::Approve => self.approved_in_words(line, at, around),
            Command::Now(text) => self.steered(line, text, at, around),
            Command::Words(text) | Command::New(text) => {
                self.words(line, text, options, mentioned, at, around)
            }
            // A question of its own never comes here; what is said to a task is words.
            Command::Ask(text) => {
                let text = format!("ask {text}");
                self.words(line, text.trim_end(), options, mentioned, at, around)
            }
            // Whoever handles what is said answers these before a task hears of them.
            Command::List
            | Command::Settings
            | Command::Why
            | Command::Limits
            | Command::Experts
            | Command::Empty
            | Command::Network { .. } => self.words(line, "", options, mentioned, at, around),
        };
        effects.extend(told);
        effects.extend(self.set(line, options, at));
        effects
    }

    fn approved_in_words(
        &mut self,
        line: &Line,
        at: Timestamp,
        around: &Surroundings,
    ) -> Vec<Effect> {
        match &self.state {
            State::AwaitingApproval { revision } => {
                let revision = *revision;
                self.approved(&line.author, revision, Road::Sentence, at, around)
            }
            State::AwaitingInput { question } => {
                let number = question.number;
                let how = (Road::Sentence, at);
                self.answered(&line.author, number, &line.text, how, around)
            }
            State::Queued { .. }
            | State::Specifying
            | State::Planning { .. }
            | State::Preparing { .. }
            | State::Running { .. }
            | State::Verifying { .. }
            | State::Publishing { .. }
            | State::InReview { .. }
            | State::Completed { .. }
            | State::Answered
            | State::Failed { .. }
            | State::Canceled { .. }
            | State::Expired => vec![Effect::Hear {
                line: line.reference.clone(),
            }],
        }
    }

    pub(super) fn words(
        &mut self,
        line: &Line,
        text: &str,
        options: &Options,
        mentioned: bool,
        at: Timestamp,
        around: &Surroundings,
    ) -> Vec<Effect> {
        if self.muted && !mentioned {
            return Vec::new();
        }
        let heard = Effect::Hear {
            line: line.reference.clone(),
        };
        match &self.state {
            State::AwaitingApproval { revision } => {
                let revision = *revision;
                if let Some(repository) = &options.repository {
                    return self.repository_chosen(&line.author, repository, around);
                }
                if text.is_empty() {
                    return vec![heard];
                }
                self.corrected(&line.author, revision, text, around)
            }
            State::AwaitingInput { question } => {
                let number = question.number;
                let answer = options
                    .repository
                    .as_ref()
                    .map_or(text, |repository| repository.0.as_str());
                let answer = options
                    .branch
                    .as_deref()
                    .filter(|_| answer.is_empty())
                    .unwrap_or(answer)
                    .to_owned();
                let how = (Road::Sentence, at);
                self.answered(&line.author, number, &answer, how, around)
            }
            State::InReview { .. } | State::Failed { .. } if text.is_empty() => vec![heard],
            State::InReview { .. } => {
                let mut effects = vec![heard];
                effects.extend(self.follow_up(vec![text.to_owned()], around));
                effects
            }
            State::Failed { .. } => {
                let mut effects = vec![heard];
                let by = line.author.clone();
                effects.extend(self.go_on_after_failure(&by, text, around));
                effects
            }
            State::Completed { .. } | State::Answered | State::Canceled { .. } | State::Expired => {
                vec![self.nothing_to_do(&line.author, "go on")]
            }
            State::Queued { .. }
            | State::Specifying
            | State::Planning { .. }
            | State::Preparing { .. }
            | State::Running { .. }
            | State::Verifying { .. }
            | State::Publishing { .. } => {
                if self.waiting.len() >= WAITING_WORDS_MAX {
                    return vec![
                        self.nothing_to_do(&line.author, "take more words before the next turn"),
                    ];
                }
                self.waiting.push(line.clone());
                vec![heard]
            }
        }
    }

    pub(super) fn follow_up(&mut self, words: Vec<String>, around: &Surroundings) -> Vec<Effect> {
        self.rework_rounds = 0;
        self.progress = RunNumber(self.last_run.0 + 1);
        self.state = State::Queued {
            next: Next::Run {
                assignment: Assignment::FollowUp { words },
            },
        };
        vec![
            self.say_progress_waiting_for_turn(around),
            Effect::Mark {
                mark: Mark::Working,
            },
        ]
    }

    fn go_on_after_failure(
        &mut self,
        by: &Person,
        text: &str,
        around: &Surroundings,
    ) -> Vec<Effect> {
        if self.inquiry.is_some() {
            return self.ask_again(by, text, around);
        }
        let broken_off = match &self.state {
            State::Failed {
                retry: Next::Run { assignment },
                ..
            } => Some(assignment.clone()),
            _ => None,
        };
        if self.approval_holds() {
            // What people had said to the run that failed still holds.
            let mut words = match broken_off {
                Some(Assignment::FollowUp { words }) => words,
                Some(Assignment::Answer { question, answer }) => {
                    vec![format!("You asked: {question}\nThe answer: {answer}")]
                }
                Some(
                    Assignment::Plan
                    | Assignment::Revise { .. }
                    | Assignment::Inquire { .. }
                    | Assignment::Work
                    | Assignment::Rework { .. },
                )
                | None => Vec::new(),
            };
            words.push(text.to_owned());
            return self.follow_up(words, around);
        }
        if let Some(Assignment::Revise { mut corrections }) = broken_off {
            corrections.push(text.to_owned());
            let assignment = Assignment::Revise { corrections };
            return self.requeue(Next::Run { assignment }, around);
        }
        self.request.text = format!("{}\n{text}", self.request.text);
        self.requeue(Next::Specify, around)
    }

    pub(super) fn requeue(&mut self, next: Next, around: &Surroundings) -> Vec<Effect> {
        self.progress = RunNumber(self.last_run.0 + 1);
        self.state = State::Queued { next };
        vec![
            self.say_progress_waiting_for_turn(around),
            Effect::Mark {
                mark: self.mark_going_on(),
            },
        ]
    }

    pub(super) fn say_progress_waiting_for_turn(&self, around: &Surroundings) -> Effect {
        self.say_progress(if around.ahead == 0 {
            Phase::Preparing
        } else {
            Phase::Queued {
                ahead: around.ahead,
            }
        })
    }

    pub(super) fn nothing_to_do(&self, to: &Person, wanted: &str) -> Effect {
        Self::whisper(
            to,
            Message::NothingToDo {
                stands: self.in_words().to_owned(),
                wanted: wanted.to_owned(),
                purpose: self.purpose(),
            },
        )
    }

    pub(super) fn reacted(
        &mut self,
        by: &Person,
        meaning: ReactionMeaning,
        revision: Option<u32>,
        at: Timestamp,
        around: &Surroundings,
    ) -> Vec<Effect> {
        match meaning {
            ReactionMeaning::Cancel => self.cancel_asked(by, Road::Reaction, around),
            ReactionMeaning::Retry => self.retry_asked(by, around),
            ReactionMeaning::Approve => match revision {
                Some(revision) => self.approved(by, revision, Road::Reaction, at, around),
                // A thumb on anything but a plan is just a thumb.
                None => Vec::new(),
            },
        }
    }

    pub(super) fn approved(
        &mut self,
        by: &Person,
        revision: u32,
        road: Road,
        at: Timestamp,
        around: &Surroundings,
    ) -> Vec<Effect> {
        let current = if let State::AwaitingApproval { revision } = self.state {
            Some(revision)
        } else {
            None
        };
        if current != Some(revision) {
            return vec![Self::whisper(
                by,
                Message::StaleApproval {
                    seen: revision,
                    current,
                },
            )];
        }
        if let Err(refusal) = around
            .policy
            .allows(Act::Approve, by, &self.request.author.id)
        {
            return vec![Self::whisper(
                by,
                Message::NotAllowed {
                    act: Act::Approve,
                    refusal,
                },
            )];
        }
        let Some(shown) = self.plans.last() else {
            return Vec::new();
        };
        self.approval = Some(Approval {
            revision,
            fingerprint: shown.fingerprint.clone(),
            by: by.clone(),
            road,
            at,
            used: false,
        });
        let mut effects = self.say_plan(Decision::Approved {
            by: by.clone(),
            at: Some(at),
        });
        effects.extend(self.requeue(
            Next::Run {
                assignment: Assignment::Work,
            },
            around,
        ));
        effects
    }

    pub(super) fn corrected(
        &mut self,
        by: &Person,
        revision: u32,
        text: &str,
        around: &Surroundings,
    ) -> Vec<Effect> {
        let current = if let State::AwaitingApproval { revision } = self.state {
            Some(revision)
        } else {
            None
        };
        if current != Some(revision) {
            return vec![Self::whisper(
                by,
                Message::StaleApproval {
                    seen: revision,
                    current,
                },
            )];
        }
        if let Err(refusal) = around
            .policy
            .allows(Act::Steer, by, &self.request.author.id)
        {
            return vec![Self::whisper(
                by,
                Message::NotAllowed {
                    act: Act::Steer,
                    refusal,
                },
            )];
        }
        let corrections = vec![format!("{}: {text}", by.name)];
        let mut effects = self.say_plan(Decision::Superseded);
        self.state = State::Queued {
            next: Next::Run {
                assignment: Assignment::Revise { corrections },
            },
        };
        effects.push(self.say_progress(if around.ahead == 0 {
            Phase::Planning
        } else {
            Phase::Queued {
                ahead: around.ahead,
            }
        }));
        effects.push(Effect::Mark {
            mark: Mark::Working,
        });
        effects
    }

    pub(super) fn retry_asked(&mut self, by: &Person, around: &Surroundings) -> Vec<Effect> {
        let State::Failed { retry, .. } = &self.state else {
            return vec![self.nothing_to_do(by, "retry")];
        };
        let retry = retry.clone();
        // A retry of approved work is a decision of its own, so it needs the same right.
        let act = if self.approval.is_some() {
            Act::Approve
        } else {
            Act::Steer
        };
        if let Err(refusal) = around.policy.allows(act, by, &self.request.author.id) {
            return vec![Self::whisper(by, Message::NotAllowed { act, refusal })];
        }
        if let Some(approval) = self.approval.as_mut() {
            approval.used = false;
        }
        self.requeue(retry, around)
    }
}
