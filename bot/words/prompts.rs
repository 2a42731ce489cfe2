//! Prompts: what an agent is told, by what it is asked to do.
//!
//! Words of the requester and of people whom policy allows to steer are instructions. Everything else stands in a
//! [fence](super::fence) and is only information.

use askama::Template;

use super::{
    fence::{FenceMark, cited, fence},
    result::verdict_word,
    tame::filters,
};
use crate::domain::{
    conversation::{Line, Person},
    effect::Assignment,
    held::HeldVerdict,
    plan::Plan,
    proof::Judged,
    specification::SpecificationDraft,
    task::Task,
};

/// What a prompt needs to know beside the task.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PromptExtra {
    /// Rules files that the repository has at its root: `AGENTS.md`, `CLAUDE.md`.
    pub repository_rules: Vec<String>,
    /// What stands at the edges of the prompt's fences.
    pub mark: FenceMark,
    /// The branch that is checked out.
    pub branch: String,
    /// What the network policy lets the sandbox reach beside the model, a rule a line.
    pub network: Vec<String>,
    /// Where in the sandbox the files of the conversation are.
    pub attachments: Vec<String>,
}

/// The prompt for an assignment. Its first line is `Deckhand phase: …`.
pub fn prompt(
    task: &Task,
    assignment: &Assignment,
    extra: &PromptExtra,
) -> Result<String, askama::Error> {
    let subject = Subject::new(task, extra);
    let text = match assignment {
        Assignment::Plan => PlanPrompt { subject }.render(),
        Assignment::Revise { corrections } => RevisePrompt {
            subject,
            corrections,
        }
        .render(),
        Assignment::Work => WorkPrompt { subject }.render(),
        Assignment::Answer { question, answer } => AnswerPrompt {
            subject,
            question,
            answer,
        }
        .render(),
        Assignment::Rework {
            round,
            judged,
            failed,
        } => ReworkPrompt {
            subject,
            round: *round,
            judged,
            failed,
        }
        .render(),
        Assignment::FollowUp { words } => FollowUpPrompt { subject, words }.render(),
    }?;
    Ok(super::tidy(&text))
}

/// What every prompt is about.
struct Subject<'a> {
    task: &'a Task,
    extra: &'a PromptExtra,
    instructions: Vec<&'a Line>,
    background: Vec<&'a Line>,
}

impl<'a> Subject<'a> {
    fn new(task: &'a Task, extra: &'a PromptExtra) -> Self {
        let others = || {
            task.context
                .iter()
                .filter(|line| line.reference != task.request.reference)
        };
        let is_requester = |line: &&Line| line.author.id == task.request.author.id;
        let bystanders = task.bystanders.iter().filter(|line| {
            !task
                .context
                .iter()
                .any(|known| known.reference == line.reference)
        });
        Self {
            task,
            extra,
            instructions: others().filter(is_requester).collect(),
            background: others()
                .filter(|line| !is_requester(line))
                .chain(bystanders)
                .collect(),
        }
    }

    fn request(&self) -> String {
        cited(&self.task.request.text)
    }

    fn requester(&self) -> String {
        super::tame::plain_to(&self.task.request.author.name, 60)
    }

    fn has_instructions(&self) -> bool {
        !self.instructions.is_empty()
    }

    fn instructions(&self) -> String {
        let said: Vec<&str> = self
            .instructions
            .iter()
            .map(|line| line.text.as_str())
            .collect();
        cited(&said.join("\n\n"))
    }

    fn has_background(&self) -> bool {
        !self.background.is_empty()
    }

    /// One fence for each person, in the order in which they first spoke.
    fn background(&self) -> String {
        let mut people: Vec<(&Person, Vec<&str>)> = Vec::new();
        for line in &self.background {
            match people.iter_mut().find(|(who, _)| who.id == line.author.id) {
                Some((_, said)) => said.push(&line.text),
                None => people.push((&line.author, vec![&line.text])),
            }
        }
        let fenced: Vec<String> = people
            .iter()
            .map(|(who, said)| self.fence(&format!("said by {}", who.name), &said.join("\n")))
            .collect();
        fenced.join("\n")
    }

    fn fence(&self, source: &str, content: &str) -> String {
        fence(&self.extra.mark, source, content)
    }

    const fn specification(&self) -> Option<&SpecificationDraft> {
        self.task.specification.as_ref()
    }

    fn plan(&self) -> Option<&Plan> {
        self.task.plans.last().map(|revision| &revision.plan)
    }

    fn place(&self) -> String {
        self.task
            .workplace
            .as_ref()
            .map_or_else(String::new, |workplace| {
                format!(
                    "{}, branch {} at {}",
                    workplace.repository,
                    workplace.base_branch,
                    workplace.base_commit.short()
                )
            })
    }

    /// The files that people left out of earlier results, and that no later decision brought in.
    fn left_out(&self) -> Vec<&'a str> {
        let mut left_out: Vec<&str> = Vec::new();
        for decision in &self.task.held_decisions {
            let paths = decision.files.iter().map(|(path, _)| path.as_str());
            match decision.verdict {
                HeldVerdict::LeftOut => left_out.extend(paths),
                HeldVerdict::Included { .. } => {
                    let included: Vec<&str> = paths.collect();
                    left_out.retain(|path| !included.contains(path));
                }
            }
        }
        left_out.sort_unstable();
        left_out.dedup();
        left_out
    }

    fn rules(&self) -> String {
        self.extra.repository_rules.join(" and ")
    }
}

#[derive(Template)]
#[template(path = "prompts/plan.md")]
struct PlanPrompt<'a> {
    subject: Subject<'a>,
}

#[derive(Template)]
#[template(path = "prompts/revise.md")]
struct RevisePrompt<'a> {
    subject: Subject<'a>,
    corrections: &'a [String],
}

#[derive(Template)]
#[template(path = "prompts/work.md")]
struct WorkPrompt<'a> {
    subject: Subject<'a>,
}

#[derive(Template)]
#[template(path = "prompts/answer.md")]
struct AnswerPrompt<'a> {
    subject: Subject<'a>,
    question: &'a str,
    answer: &'a str,
}

#[derive(Template)]
#[template(path = "prompts/rework.md")]
struct ReworkPrompt<'a> {
    subject: Subject<'a>,
    round: u8,
    judged: &'a [Judged],
    failed: &'a [String],
}

#[expect(clippy::unused_self, reason = "a template calls methods of its view")]
impl ReworkPrompt<'_> {
    fn verdict(&self, one: &Judged) -> &'static str {
        verdict_word(one.verdict)
    }
}

#[derive(Template)]
#[template(path = "prompts/follow_up.md")]
struct FollowUpPrompt<'a> {
    subject: Subject<'a>,
    words: &'a [String],
}
