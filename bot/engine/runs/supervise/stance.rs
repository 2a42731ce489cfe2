//! A run as a process holds it in hand, and as it is stored for the next one.

use std::collections::BTreeMap;

use deckhand_executors::{
    agent::{AgentSession, AgentSessionId, Handover, HandoverCall, MicroDollars, ResumePoint},
    egress::Spend,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::mpsc;
use tracing::warn;

use crate::{
    domain::{Timestamp, effect::Assignment, event::Ending},
    engine::{Context, runs::ways::Way},
    store::runs::RunTicket,
};

/// A run in hand. Its way out and its tools are there, so that the agent can work whether or not it is heard.
pub struct InHand<Session> {
    /// Where the agent is heard.
    pub(super) session: Session,
    /// The one way out; closed when this is dropped.
    pub(super) egress: Way,
    /// The tools; withdrawn when this is dropped.
    pub(super) handover: Handover,
    pub(super) calls: mpsc::Receiver<HandoverCall>,
    pub(super) ending: Ending,
    pub(super) assignment: Assignment,
    pub(super) agent: String,
    pub(super) started: Timestamp,
}

/// A run that is ready to be watched.
pub type Prepared = InHand<AgentSession>;

/// A run whose agent is not heard: its session is the place where its output is gone on with.
pub type Detached = InHand<ResumePoint>;

impl Prepared {
    /// Lets go of a connection that broke off, and of nothing else.
    pub(super) fn detach(self) -> Detached {
        let point = self.session.resume_point();
        self.with(point)
    }
}

impl<Session> InHand<Session> {
    /// The run with its agent heard in another way.
    pub(super) fn with<Other>(self, session: Other) -> InHand<Other> {
        InHand {
            session,
            egress: self.egress,
            handover: self.handover,
            calls: self.calls,
            ending: self.ending,
            assignment: self.assignment,
            agent: self.agent,
            started: self.started,
        }
    }
}

/// What another process needs to take a run up; stored with the run.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Resume {
    pub(super) point: ResumePoint,
    pub(super) ending: Ending,
    #[serde(default)]
    pub(super) spend: Spend,
    /// What had left by each rule of the network policy, in bytes.
    #[serde(default)]
    pub(super) left: BTreeMap<String, u64>,
    /// The registries that its image needs. None in what earlier versions stored.
    #[serde(default)]
    pub(super) registries: Option<Vec<String>>,
}

/// The agent's session, and what it had cost, as the task keeps it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SessionHandle {
    pub(super) id: AgentSessionId,
    pub(super) cost: MicroDollars,
}

/// Whether a position is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marked {
    /// It is.
    Stored,
    /// It is not: the database fails, or another process has the run.
    Not,
}

/// Remembers how far the run was heard, with what it handed over so far.
pub(super) async fn mark(context: &Context, ticket: &RunTicket, resume: Option<Value>) -> Marked {
    let Some(resume) = resume else {
        return Marked::Not;
    };
    match context.store.mark_run(ticket, &resume).await {
        Ok(true) => Marked::Stored,
        Ok(false) => Marked::Not,
        Err(error) => {
            warn!(task = %ticket.task, error = &error as &dyn std::error::Error, "a run's position could not be stored");
            Marked::Not
        }
    }
}

pub(super) fn resume_of(prepared: &Prepared) -> Option<Value> {
    resume(
        &prepared.session.resume_point(),
        &prepared.ending,
        &prepared.egress,
    )
}

pub(super) fn resume(point: &ResumePoint, ending: &Ending, egress: &Way) -> Option<Value> {
    serde_json::to_value(Resume {
        point: point.clone(),
        ending: ending.clone(),
        spend: egress.spend(),
        left: egress.left(),
        registries: Some(egress.registries().to_vec()),
    })
    .ok()
}
