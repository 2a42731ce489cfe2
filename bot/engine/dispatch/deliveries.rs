//! Deliveries of the bot's own work, and the transitions that need no task.

use super::Dispatch;
use crate::{
    domain::{
        TaskId,
        command::Command,
        conversation::{ConversationId, Line, Person, Road},
        effect::{Effect, FormRequest},
        event::Event,
        held::HeldAnswer,
        message::Message,
        network::NetworkTerms,
        task::Task,
    },
    store::{
        StoreError,
        inbox::{Delivery, NewDelivery, Source},
        tasks::{AuditEntry, Stored, Transition},
    },
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An event of the bot's own work, as it is stored in the inbox.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkDelivery {
    /// The task.
    pub task: TaskId,
    /// What happened.
    pub event: Event,
}

pub(super) fn needs(task: &Task) -> Option<String> {
    match task.state.name() {
        "awaiting_approval" => Some("approve its plan, or say what should be different".to_owned()),
        "awaiting_input" => Some("answer its question".to_owned()),
        "failed" => Some("retry, or say what to do differently".to_owned()),
        _ => None,
    }
}

/// Whether words with a mention, in the thread of an ended task, begin another one.
pub(super) fn wants_a_new_task(task: &Task, command: &Command) -> bool {
    let failed = matches!(task.state, crate::domain::task::State::Failed { .. });
    task.state.is_over() && !failed && matches!(command, Command::Words(_))
}

pub(super) fn nothing(delivery: &Delivery) -> Transition {
    Transition {
        delivery: delivery.id.clone(),
        conversation: ConversationId(delivery.conversation.clone()),
        task: None,
        alone: None,
        effects: Vec::new(),
        audit: Vec::new(),
        settings: None,
    }
}

pub(super) fn answer(
    delivery: &Delivery,
    conversation: ConversationId,
    to: &Person,
    message: Message,
) -> Transition {
    let effect = Effect::Whisper {
        to: to.clone(),
        message: Box::new(message),
    };
    without_task(delivery, conversation, effect)
}

/// Something is done that belongs to no task.
pub(super) fn without_task(
    delivery: &Delivery,
    conversation: ConversationId,
    effect: Effect,
) -> Transition {
    Transition {
        delivery: delivery.id.clone(),
        conversation,
        task: None,
        alone: None,
        effects: vec![effect],
        audit: Vec::new(),
        settings: None,
    }
}

pub(super) fn form(
    delivery: &Delivery,
    conversation: ConversationId,
    stored: Stored,
    (trigger, form): (String, FormRequest),
) -> Transition {
    let effects = vec![Effect::OpenForm { trigger, form }];
    Transition {
        delivery: delivery.id.clone(),
        conversation,
        task: Some(stored),
        alone: None,
        effects,
        audit: Vec::new(),
        settings: None,
    }
}

/// How the audit log calls an opinion of a result.
pub(super) const RATE_ACT: &str = "rate";
/// How the audit log calls a decision about a refused host.
const NETWORK_ACT: &str = "network";

pub(super) fn audit_of(task: &Task, event: &Event) -> Option<AuditEntry> {
    if let Some(entry) = network_audit_of(task, event)
        .or_else(|| edit_audit_of(event))
        .or_else(|| plan_audit_of(event))
        .or_else(|| sign_audit_of(event))
    {
        return Some(entry);
    }
    let entry = |person: &Person, act: &str, detail: String| {
        Some(AuditEntry {
            person: person.id.0.clone(),
            act: act.to_owned(),
            detail,
        })
    };
    match event {
        Event::Said { line, command, .. } => {
            let (act, detail) = said_as(line, command);
            entry(&line.author, act, detail.to_owned())
        }
        Event::Approved { by, revision, road } => {
            entry(by, "approve", format!("revision {revision} by {road:?}"))
        }
        Event::CancelAsked { by, road } => entry(by, "cancel", format!("by {road:?}")),
        Event::RetryAsked { by } => entry(by, "retry", String::new()),
        Event::Answered { by, question, text } => {
            let decided = match HeldAnswer::read(text) {
                HeldAnswer::Include => ": include",
                HeldAnswer::LeaveOut => ": leave out",
                HeldAnswer::Cancel | HeldAnswer::Unclear | HeldAnswer::Words => "",
            };
            entry(by, "answer", format!("question {question}{decided}"))
        }
        Event::Reacted { .. }
        | Event::Rated { .. }
        | Event::SlotGranted
        | Event::Joined { .. }
        | Event::Corrected { .. }
        | Event::PlanEdited { .. }
        | Event::RepositoryChosen { .. }
        | Event::PlacesLost { .. }
        | Event::IssueWanted { .. }
        | Event::IssueMoved { .. }
        | Event::IssueRead { .. }
        | Event::IssueFiled { .. }
        | Event::IssueNotFiled { .. }
        | Event::Edited { .. }
        | Event::Deleted { .. }
        | Event::ProposalSettled { .. }
        | Event::NetworkRefused { .. }
        | Event::NetworkDecided { .. }
        | Event::Gathered { .. }
        | Event::RunStarted { .. }
        | Event::FilesGone { .. }
        | Event::RunEnded { .. }
        | Event::Proved { .. }
        | Event::ProofFailed { .. }
        | Event::Published { .. }
        | Event::PublishRefused { .. }
        | Event::PullRequestEnded { .. }
        | Event::Stopped { .. }
        | Event::EffectGivenUp { .. }
        | Event::Unsaid { .. }
        | Event::TakenUp
        | Event::PutOff(_)
        | Event::TimeLow
        | Event::TimeUp
        | Event::Unanswered { .. }
        | Event::WaitedTooLong { .. } => None,
    }
}

/// Who said something without words.
fn sign_audit_of(event: &Event) -> Option<AuditEntry> {
    let (by, act, detail) = match event {
        Event::Reacted {
            by,
            meaning,
            revision,
        } => {
            let detail = format!("{meaning:?} on revision {revision:?}");
            (by, "react", detail)
        }
        Event::Rated { by, opinion } => (by, RATE_ACT, opinion.name().to_owned()),
        _ => return None,
    };
    Some(AuditEntry {
        person: by.id.0.clone(),
        act: act.to_owned(),
        detail,
    })
}

/// How the audit log calls a sentence.
fn said_as<'a>(line: &'a Line, command: &Command) -> (&'static str, &'a str) {
    match command {
        Command::Approve => ("approve", "by a sentence"),
        Command::Stop => ("cancel", "by a sentence"),
        _ => ("say", &line.reference.0),
    }
}

/// Who asked for another plan, or for an issue of it.
fn plan_audit_of(event: &Event) -> Option<AuditEntry> {
    let of = |revision: &u32| format!("revision {revision}");
    let (by, act, detail) = match event {
        Event::Corrected { by, revision, .. } => (by, "correct", of(revision)),
        Event::PlanEdited { by, revision, .. } => (by, "edit plan", of(revision)),
        Event::RepositoryChosen { by, repository } => {
            (by, "choose repository", repository.0.clone())
        }
        Event::IssueWanted { by, revision, .. } => (by, "make issue", of(revision)),
        _ => return None,
    };
    Some(AuditEntry {
        person: by.id.0.clone(),
        act: act.to_owned(),
        detail,
    })
}

/// Who edited what, and who decided about it; who brought a task elsewhere, and who took access away.
fn edit_audit_of(event: &Event) -> Option<AuditEntry> {
    let (by, act, detail) = match event {
        Event::Edited { line, .. } => (&line.author, "edit", line.reference.0.clone()),
        Event::Joined {
            by: Some(by),
            place,
            ..
        } => (by, "join", place.conversation.0.clone()),
        Event::ProposalSettled {
            by,
            proposal,
            settlement,
            road,
        } => {
            let detail = format!("proposal {proposal}: {} by {road:?}", settlement.name());
            (by, "settle", detail)
        }
        Event::PlacesLost { by, places } => {
            let places: Vec<&str> = places.iter().map(|place| place.0.as_str()).collect();
            (by, "lose", places.join(", "))
        }
        _ => return None,
    };
    Some(AuditEntry {
        person: by.id.0.clone(),
        act: act.to_owned(),
        detail,
    })
}

/// Who decided what about which host, and by which road.
fn network_audit_of(task: &Task, event: &Event) -> Option<AuditEntry> {
    let (by, verdict, found, named, road) = match event {
        Event::Said {
            line,
            command:
                Command::Network {
                    host,
                    port,
                    verdict,
                },
            ..
        } => {
            let found = task.network.find(host, *port);
            (&line.author, verdict, found, host.as_str(), Road::Sentence)
        }
        Event::NetworkDecided {
            by,
            entry,
            verdict,
            road,
        } => {
            let found = task.network.entry(*entry);
            (by, verdict, found, "an unknown host", *road)
        }
        _ => return None,
    };
    let host = found.map_or_else(
        || named.to_owned(),
        |entry| format!("{}:{}", entry.refused.host, entry.refused.port),
    );
    Some(AuditEntry {
        person: by.id.0.clone(),
        act: NETWORK_ACT.to_owned(),
        detail: format!("{} for {host} by {road:?}", verdict.name()),
    })
}

impl Dispatch {
    /// How long the task may work, where its repository has just become known.
    pub(super) fn work_ms_of(&self, event: &Event) -> Option<i64> {
        if let Event::Gathered {
            workplace: Ok(workplace),
            ..
        } = event
        {
            Some(self.config.work_ms(&workplace.repository))
        } else {
            None
        }
    }

    /// The network policy as it is now, where the task is about to show it or to begin work under it.
    pub(super) async fn network_of(
        &self,
        task: &Task,
        event: &Event,
    ) -> Result<Option<NetworkTerms>, StoreError> {
        let planned = match event {
            Event::RunEnded { ending, .. } => ending.plan.as_ref().map(|plan| &plan.network),
            Event::PlanEdited { edit, .. } => Some(&edit.network),
            Event::SlotGranted => None,
            _ => return Ok(None),
        };
        let shown = task.plans.last().map(|revision| &revision.plan.network);
        let wanted = planned.or(shown).map(Vec::as_slice);
        self.book
            .terms(&self.store, task, wanted.unwrap_or_default())
            .await
    }
}

/// A decision about the network that did not count is no decision in the audit log, and an opinion that was not taken is
/// none.
pub(super) fn with_outcome(mut entry: AuditEntry, effects: &[Effect]) -> AuditEntry {
    let is_thanked = |effect: &Effect| matches!(effect, Effect::Whisper { message, .. } if matches!(**message, Message::Thanks { .. }));
    if entry.act == RATE_ACT && !effects.iter().any(is_thanked) {
        "rate, without effect".clone_into(&mut entry.act);
    }
    if entry.act == NETWORK_ACT
        && !effects
            .iter()
            .any(|effect| matches!(effect, Effect::Widen { .. }))
    {
        "network, without effect".clone_into(&mut entry.act);
    }
    entry
}

/// Six characters that are easy to say and safe everywhere.
pub(super) fn fresh_task_id() -> TaskId {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let random = uuid::Uuid::new_v4();
    TaskId(
        random
            .as_bytes()
            .iter()
            .take(6)
            .map(|byte| char::from(LETTERS[usize::from(byte % 32)]))
            .collect(),
    )
}

/// A delivery of the bot's own work. The key makes a repeat after a crash a no-op.
#[must_use]
pub fn work_delivery(task: &Task, key: String, event: Event) -> NewDelivery {
    let body = serde_json::to_value(WorkDelivery {
        task: task.id.clone(),
        event,
    })
    .unwrap_or(Value::Null);
    NewDelivery {
        source: Source::Work,
        key,
        conversation: task.conversation.0.clone(),
        body,
    }
}
