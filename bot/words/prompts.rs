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
    conversation::{Line, LineKind, Person, Taken},
    effect::Assignment,
    held::HeldVerdict,
    inquiry::Answer,
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
    /// Those of them that came with what people said last.
    pub fresh: Vec<String>,
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
        Assignment::Inquire { added } => AskPrompt { subject, added }.render(),
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

#[derive(Template)]
#[template(path = "prompts/parts/delegated.md")]
struct DelegatedView<'a> {
    name: &'a str,
}

#[derive(Template)]
#[template(path = "prompts/parts/pointed.md")]
struct PointedView<'a> {
    writer: &'a str,
}

/// What somebody asks for who points at a message of a person who may not give instructions: that, and no word of it.
#[must_use]
pub fn pointed_words(writer: &str) -> String {
    let words = PointedView { writer }.render();
    words.map_or_else(|_| writer.to_owned(), |words| super::tidy(&words))
}

/// What somebody asks for who gives an issue that others wrote: that, and no word of it.
#[must_use]
pub fn delegated_words(name: &str) -> String {
    let words = DelegatedView { name }.render();
    words.map_or_else(|_| name.to_owned(), |words| super::tidy(&words))
}

#[derive(Template)]
#[template(path = "prompts/parts/files.md")]
struct FilesView<'a> {
    paths: &'a [String],
}

/// What is said behind words that steer an agent of files that came with them.
pub fn files_beside(paths: &[String]) -> Result<String, askama::Error> {
    Ok(super::tidy(&FilesView { paths }.render()?))
}

/// What one person said beside the request, as an instruction.
struct Instruction<'a> {
    line: &'a Line,
    words: String,
}

impl Instruction<'_> {
    fn who(&self) -> String {
        names(self.line.writers())
    }

    fn is_the_issue(&self) -> bool {
        self.line.kind == LineKind::Issue
    }

    fn is_guidance(&self) -> bool {
        self.line.kind == LineKind::Guidance
    }
}

/// Where a passage is from.
fn source(line: &Line) -> String {
    let who = names(line.writers());
    match line.kind {
        LineKind::Talk => format!("said by {who}"),
        LineKind::Issue => format!("the issue, written by {who}"),
        LineKind::Guidance => format!("for agents, from {who}"),
        LineKind::Earlier => format!("an earlier answer in this conversation, by {who}"),
        LineKind::Linked => format!("said elsewhere by {who}; the request links to it"),
    }
}

/// `ana`, `ana and ben`, `ana, ben and cleo`.
fn names<'a>(people: impl Iterator<Item = &'a Person>) -> String {
    let names: Vec<String> = people
        .map(|person| super::tame::plain_to(&person.name, 60))
        .collect();
    match names.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
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
        let others = |taken| {
            let context = task.context.iter();
            context
                .filter(move |line| line.reference != task.request.reference && line.taken == taken)
        };
        let bystanders = task.bystanders.iter().filter(|line| {
            !task
                .context
                .iter()
                .any(|known| known.reference == line.reference)
        });
        Self {
            task,
            extra,
            instructions: others(Taken::Instruction).collect(),
            background: others(Taken::Background).chain(bystanders).collect(),
        }
    }

    fn request(&self) -> String {
        cited(&self.task.request.text)
    }

    fn requester(&self) -> String {
        super::tame::plain_to(&self.task.request.author.name, 60)
    }

    /// Whose words the request is in, where not only the requester's.
    fn in_words_of(&self) -> Option<String> {
        let others = &self.task.request.also_by;
        (!others.is_empty()).then(|| names(others.iter()))
    }

    /// What people said as instructions beside the request, one entry for each stretch by the same people.
    fn instructions(&self) -> Vec<Instruction<'a>> {
        let mut all: Vec<(&Line, Vec<&str>)> = Vec::new();
        for &line in &self.instructions {
            let ids = |line: &'a Line| line.writers().map(|one| &one.id);
            match all.last_mut() {
                Some((last, said)) if last.kind == line.kind && ids(last).eq(ids(line)) => {
                    said.push(&line.text);
                }
                Some(_) | None => all.push((line, vec![&line.text])),
            }
        }
        let all = all.into_iter();
        all.map(|(line, said)| Instruction {
            line,
            words: cited(&said.join("\n\n")),
        })
        .collect()
    }

    /// Whether the request is about an issue that is only data.
    fn is_about_data(&self) -> bool {
        let mut background = self.background.iter();
        background.any(|line| line.kind == LineKind::Issue)
    }

    fn has_background(&self) -> bool {
        !self.background.is_empty()
    }

    /// One fence for the issue, and one for each person, in the order in which they first spoke. What several people
    /// wrote in is by all of them.
    fn background(&self) -> String {
        let mut all: Vec<(&Line, Vec<&str>)> = Vec::new();
        for &line in &self.background {
            let source = |line: &'a Line| (line.kind, line.writers().map(|one| &one.id));
            let is_same = |known: &&mut (&'a Line, Vec<&str>)| {
                let ((kind, ids), (other, others)) = (source(known.0), source(line));
                kind == other && ids.eq(others)
            };
            match all.iter_mut().find(is_same) {
                Some((_, said)) => said.push(&line.text),
                None => all.push((line, vec![&line.text])),
            }
        }
        let fenced: Vec<String> = all
            .iter()
            .map(|(line, said)| self.fence(&source(line), &said.join("\n")))
            .collect();
        fenced.join("\n")
    }

    fn fence(&self, source: &str, content: &str) -> String {
        fence(&self.extra.mark, source, content)
    }

    /// What was handed over of the answer so far.
    fn answer(&self) -> Option<&Answer> {
        self.task.inquiry.as_ref()?.answer.as_ref()
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

    fn is_fresh(&self, path: &String) -> bool {
        self.extra.fresh.contains(path)
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
#[template(path = "prompts/ask.md")]
struct AskPrompt<'a> {
    subject: Subject<'a>,
    added: &'a [String],
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
