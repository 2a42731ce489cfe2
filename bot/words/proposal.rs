//! The card about a request that was edited or deleted.

use askama::Template;

use super::{
    amounts::{Room, clock_of},
    tame::filters,
};
use crate::{
    domain::{
        conversation::LineKind,
        edit::{ProposalCard, ProposalStanding, RequestChange, Settlement},
    },
    surface::Control,
};

/// Everything that `proposal.md` shows.
#[derive(Template)]
#[template(path = "messages/proposal.md")]
pub(super) struct ProposalView<'a> {
    card: &'a ProposalCard,
    room: Room,
}

impl<'a> ProposalView<'a> {
    pub(super) const fn new(card: &'a ProposalCard, room: Room) -> Self {
        Self { card, room }
    }

    /// The longest passage of a request that is shown, in characters.
    const fn passage(&self) -> usize {
        self.room.chars() * 2
    }

    /// What was changed, where a kind of line is at hand.
    #[expect(
        clippy::unused_self,
        clippy::trivially_copy_pass_by_ref,
        reason = "a template calls methods of its view, with references"
    )]
    const fn thing(&self, of: &LineKind) -> &'static str {
        match of {
            LineKind::Talk | LineKind::Guidance | LineKind::Linked | LineKind::Earlier => "request",
            LineKind::Issue => "issue",
        }
    }

    /// What is not there any more.
    #[expect(
        clippy::unused_self,
        clippy::trivially_copy_pass_by_ref,
        reason = "a template calls methods of its view, with references"
    )]
    const fn gone(&self, of: &LineKind) -> &'static str {
        match of {
            LineKind::Talk | LineKind::Guidance | LineKind::Linked | LineKind::Earlier => "message",
            LineKind::Issue => "issue",
        }
    }

    /// What was changed.
    const fn subject(&self) -> &'static str {
        match &self.card.proposal.change {
            RequestChange::Edited { of, .. } | RequestChange::Deleted { of } => self.thing(of),
        }
    }

    /// What was decided; empty before.
    const fn decided(&self) -> &'static str {
        match self.card.proposal.standing {
            ProposalStanding::Settled { settlement, .. } => match settlement {
                Settlement::Take => match &self.card.proposal.change {
                    RequestChange::Edited {
                        of: LineKind::Issue,
                        ..
                    } => "the agent works on the issue as it reads now",
                    RequestChange::Edited { .. } | RequestChange::Deleted { .. } => {
                        "the agent works on the request as it reads now"
                    }
                },
                Settlement::Leave => "the edit is left out",
                Settlement::Cancel => "the task is cancelled",
                Settlement::Keep => "the task goes on",
            },
            ProposalStanding::Open | ProposalStanding::Replaced | ProposalStanding::Withdrawn => "",
        }
    }

    /// When it was decided; empty before.
    fn decided_at(&self) -> String {
        match self.card.proposal.standing {
            ProposalStanding::Settled { at, .. } => clock_of(at),
            ProposalStanding::Open | ProposalStanding::Replaced | ProposalStanding::Withdrawn => {
                String::new()
            }
        }
    }
}

pub(super) fn controls(card: &ProposalCard) -> Vec<Control> {
    if !card.is_open() {
        return Vec::new();
    }
    let proposal = card.proposal.number;
    card.proposal
        .change
        .settlements()
        .map(|settlement| Control::Settle {
            proposal,
            settlement,
        })
        .into()
}
