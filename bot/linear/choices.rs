//! Choices under a question, and the values with which they come back.
//!
//! Linear sends the chosen value as ordinary words, so a value has to be one that nobody writes by chance, and only an
//! exact one counts: no model and no guess decides that something was an approval.

use serde::Serialize;

use crate::{
    domain::{edit::Settlement, incoming::Press, network::Verdict, policy::PICKER_MAX},
    surface::{Control, Words, WordsKind},
    words::{choice_label, tame},
};

const APPROVE: &str = "approve:";
const REVISE: &str = "revise:";
const ANSWER: &str = "answer:";
const NETWORK: &str = "network:";
const SETTLE: &str = "settle:";
/// As a sentence it means the same, so it needs no value of its own.
const CANCEL: &str = "cancel";
const REPOSITORY: &str = "repository:change";

/// The metadata of the signal `select`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Select {
    options: Vec<Choice>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Choice {
    label: String,
    value: String,
}

/// The choices that go with words; none where a reply in words is the only answer.
pub(super) fn offered(words: &Words) -> Option<Select> {
    select(&words.controls, &words.kind)
}

/// The choices of what is waited for beside other words.
pub(super) fn pending(controls: &[Control]) -> Option<Select> {
    select(controls, &WordsKind::Decision)
}

fn select(controls: &[Control], kind: &WordsKind) -> Option<Select> {
    let options: Vec<Choice> = controls
        .iter()
        .filter_map(|control| {
            Some(Choice {
                label: choice_label(control, kind),
                value: value(control)?,
            })
        })
        .collect();
    (!options.is_empty()).then_some(Select { options })
}

/// Repositories to choose from. What is chosen comes back as a sentence in the grammar that everybody writes.
pub(super) fn repositories(known: &[String]) -> Option<Select> {
    let options: Vec<Choice> = known
        .iter()
        .take(PICKER_MAX)
        .map(|name| Choice {
            label: tame::plain_to(name, usize::MAX),
            value: format!("repo={name}"),
        })
        .collect();
    (!options.is_empty()).then_some(Select { options })
}

/// A page is a link of the session, and another try is simply written.
fn value(control: &Control) -> Option<String> {
    match control {
        Control::Approve { revision } => Some(format!("{APPROVE}{revision}")),
        Control::Answer { question, choice } => Some(format!("{ANSWER}{question}:{choice}")),
        Control::Widen { entry, verdict, .. } => {
            Some(format!("{NETWORK}{entry}:{}", verdict.name()))
        }
        Control::Settle {
            proposal,
            settlement,
        } => Some(format!("{SETTLE}{proposal}:{}", settlement.name())),
        Control::Cancel => Some(CANCEL.to_owned()),
        Control::Edit { revision } => Some(format!("{REVISE}{revision}")),
        Control::ChangeRepository => Some(REPOSITORY.to_owned()),
        Control::Retry
        | Control::Rate
        | Control::MakeIssue { .. }
        | Control::Settings { .. }
        | Control::Open { .. } => None,
    }
}

/// What a chosen value stands for; none where the words are a person's own. `activity` is the choice's own name, by which
/// a question that it leads to is asked once.
pub(super) fn pressed(body: &str, activity: &str) -> Option<Press> {
    let body = body.trim();
    let trigger = || activity.to_owned();
    if body == REPOSITORY {
        return Some(Press::OpenRepository { trigger: trigger() });
    }
    if let Some(revision) = body.strip_prefix(REVISE) {
        let revision = revision.parse().ok()?;
        let trigger = trigger();
        return Some(Press::OpenCorrection { revision, trigger });
    }
    if let Some(revision) = body.strip_prefix(APPROVE) {
        return revision
            .parse()
            .ok()
            .map(|revision| Press::Approve { revision });
    }
    if let Some((entry, verdict)) = body
        .strip_prefix(NETWORK)
        .and_then(|rest| rest.split_once(':'))
    {
        return Some(Press::Widen {
            entry: entry.parse().ok()?,
            verdict: Verdict::named(verdict)?,
        });
    }
    if let Some((proposal, settlement)) = body
        .strip_prefix(SETTLE)
        .and_then(|rest| rest.split_once(':'))
    {
        return Some(Press::Settle {
            proposal: proposal.parse().ok()?,
            settlement: Settlement::named(settlement)?,
        });
    }
    let (question, text) = body.strip_prefix(ANSWER)?.split_once(':')?;
    let question = question.parse().ok()?;
    (!text.is_empty()).then(|| Press::Answer {
        question,
        text: text.to_owned(),
    })
}
